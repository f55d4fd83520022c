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

proptest! {
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
