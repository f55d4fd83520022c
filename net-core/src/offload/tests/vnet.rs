use super::{flat, flow, payload, tcp_packet, udp_packet};
use crate::buf::{Checksum, GsoKind, TxPacket};
use crate::offload::vnet::{LEN, Offload, emit, parse};
use crate::stats::DropReason;
use crate::wire::TcpFlags;
use crate::wire::tests::{bytes, cases};
use proptest::prelude::*;

fn packets() -> [TxPacket; 4] {
    let ((v4, tcp), (v6, _)) = (flow(0, false), flow(0, true));
    [
        tcp_packet(&v4, &tcp, payload(3000, &[]), Some(1000)),
        tcp_packet(&v6, &tcp, payload(3000, &[]), Some(1000)),
        udp_packet(&v4, payload(3000, &[]), Some(1000)),
        udp_packet(&v6, payload(300, &[]), None),
    ]
}

#[test]
fn a_header_is_read_back_as_it_was_written() {
    for packet in packets() {
        let offload = Offload {
            checksum: match packet.meta.checksum {
                Checksum::Verified => Checksum::Unknown,
                partial => partial,
            },
            gso: packet.meta.gso,
        };
        assert_eq!(parse(emit(&packet), &flat(&packet)), Ok(offload));
    }
}

#[test]
fn a_header_is_laid_out_as_virtio_says() {
    let (ip, mut tcp) = flow(0, false);
    tcp.flags |= TcpFlags::CWR;
    let packet = tcp_packet(&ip, &tcp, payload(3000, &[]), Some(0x0203));
    let expected = [1, 0x81, 52, 0, 0x03, 0x02, 20, 0, 16, 0];
    assert_eq!(emit(&packet), expected);
    let plain = tcp_packet(&ip, &tcp, payload(10, &[]), None);
    assert_eq!(emit(&plain), [0; LEN]);
}

#[test]
fn data_that_the_device_found_valid_is_verified() {
    let [.., packet] = packets();
    let mut header = [0; LEN];
    header[0] = 2;
    let offload = parse(header, &flat(&packet)).expect("nothing is wrong");
    assert_eq!(offload.checksum, Checksum::Verified);
}

#[test]
fn fields_that_contradict_the_packet_are_refused() {
    let [tcp4, tcp6, ..] = packets();
    let good = emit(&tcp4);
    let frame = flat(&tcp4);
    let with = |at: usize, value: u8| {
        let mut header = good;
        header[at] = value;
        header
    };
    for (header, what) in [
        (with(1, 4), "IPv6 segmentation"),
        (with(1, 5), "UDP segmentation"),
        (with(1, 3), "UDP fragmentation, never negotiated"),
        (with(1, 0x80), "ECN without segmentation"),
        (with(1, 77), "an unknown segmentation"),
        (with(6, 24), "a checksum that starts elsewhere"),
        (with(7, 200), "a checksum that starts behind the end"),
        (with(8, 6), "a checksum field elsewhere"),
    ] {
        assert_eq!(parse(header, &frame), Err(DropReason::BadOffload), "{what}");
    }
    let mut no_size = good;
    no_size[4..6].fill(0);
    assert_eq!(parse(no_size, &frame), Err(DropReason::BadOffload));
    assert_eq!(parse(good, &flat(&tcp6)), Err(DropReason::BadOffload));
    assert_eq!(parse(good, &frame[..37]), Err(DropReason::BadOffload));
    assert_eq!(parse(good, &[]), Err(DropReason::BadOffload));
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn nothing_hostile_gets_out(
        mut header in any::<[u8; LEN]>(),
        near in any::<bool>(),
        packet in prop_oneof![bytes(80), (0_usize..4).prop_map(|at| flat(&packets()[at]))],
    ) {
        if near {
            header[0] &= 3;
            header[1] &= 0x87;
            header[7] = 0;
            header[9] = 0;
        }
        if let Ok(offload) = parse(header, &packet) {
            if let Checksum::Partial { start, offset } = offload.checksum {
                prop_assert!(usize::from(start) + usize::from(offset) + 2 <= packet.len());
                prop_assert!(start >= 20);
            }
            if let Some(gso) = offload.gso {
                prop_assert!(gso.size > 0);
                let version = packet[0] >> 4;
                match gso.kind {
                    GsoKind::Tcp4 => prop_assert_eq!(version, 4),
                    GsoKind::Tcp6 => prop_assert_eq!(version, 6),
                    GsoKind::Udp => prop_assert!(!gso.ecn),
                }
            }
        }
    }
}
