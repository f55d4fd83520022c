//! Packets of any bytes.

use super::*;
use proptest::prelude::*;

/// A packet of any bytes.
fn any_packet() -> impl Strategy<Value = TxPacket> {
    let bytes = proptest::collection::vec(any::<u8>(), 1..80);
    let version = prop_oneof![Just(None), Just(Some(0x45)), Just(Some(0x60))];
    let body = 0..3000_usize;
    let gso = proptest::option::of(1..1500_u16);
    (bytes, version, body, gso, 0..20_u8).prop_map(|(mut bytes, version, body, gso, link)| {
        if let Some(version) = version {
            bytes[0] = version;
        }
        let mut packet = TxPacket::default();
        packet.head.prepend(bytes.len()).copy_from_slice(&bytes);
        packet.body.push(Bytes::from(vec![0; body]));
        packet.meta.link_len = link;
        packet.meta.gso = gso.map(|size| Gso {
            kind: GsoKind::Udp,
            size,
            ecn: false,
        });
        packet
    })
}

const PARAMETERS: [&str; 6] = [
    "bandwidth 10mbit",
    "bandwidth 1gbit diffserv4 memlimit 20k wash",
    "unlimited precedence flowblind memlimit 10k",
    "unlimited diffserv8 hosts ack-filter-aggressive",
    "bandwidth 64kbit besteffort dual-dsthost memlimit 8k atm overhead 40",
    "bandwidth 100mbit diffserv8 flows ptm overhead -30 mpu 64 rtt 1ms",
];

/// A frame of another protocol, with any bytes.
fn other_frame() -> impl Strategy<Value = Vec<u8>> {
    let bytes = proptest::collection::vec(any::<u8>(), 54..80);
    let version = prop_oneof![Just(0x45), Just(0x40), Just(0x60), Just(0x6f)];
    let ethertype = prop_oneof![Just(0x8100_u16), Just(0x8847), Just(0x88f7), Just(0x0806)];
    (bytes, version, ethertype).prop_map(|(mut bytes, version, ethertype)| {
        bytes[12..14].copy_from_slice(&ethertype.to_be_bytes());
        bytes[14] = version;
        // What would be the class of IPv4, capable of marks.
        bytes[15] |= 0b1000_0001;
        bytes
    })
}

proptest! {
    #[test]
    fn frames_of_other_protocols_stay_as_they_are(
        frames in proptest::collection::vec(other_frame(), 1..40),
    ) {
        let mut queue = cake("bandwidth 100kbit besteffort wash rtt 1ms");
        for (number, bytes) in (0..).zip(&frames) {
            let mut packet = TxPacket::default();
            packet.head.prepend(bytes.len()).copy_from_slice(bytes);
            packet.meta.link_len = 14;
            packet.meta.mark = number;
            queue.put(Box::new(packet));
        }
        while let Some(at) = queue.qdisc.next_departure() {
            queue.now = queue.now.max(at);
            while let Some(packet) = queue.take() {
                prop_assert_eq!(&packet.head[..], &frames[packet.meta.mark as usize][..]);
            }
        }
        prop_assert_eq!(queue.qdisc.marked(), 0);
    }

    #[test]
    fn whatever_comes_in_leaves_or_is_counted(
        parameters in proptest::sample::select(&PARAMETERS),
        steps in proptest::collection::vec((any_packet(), 0..3000_u64, any::<bool>()), 1..150),
    ) {
        let mut queue = cake(parameters);
        let (mut sent, mut lost) = (0, 0);
        let count = steps.len();
        for (packet, micros, take) in steps {
            queue.put(Box::new(packet));
            queue.now += Duration::from_micros(micros);
            if take {
                sent += usize::from(queue.take().is_some());
            }
            queue.assert_counts_agree();
        }
        sent += queue.departures().len();
        queue.assert_counts_agree();
        lost += queue.lost().len();
        prop_assert_eq!(sent + lost, count);
        prop_assert_eq!(queue.qdisc.stats().dropped, lost as u64);
    }
}
