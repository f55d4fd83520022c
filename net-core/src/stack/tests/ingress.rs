//! What is let in, and what is dropped for which reason.

use super::*;
use crate::buf::{Checksum, Chunk, Gso, GsoKind};
use proptest::prelude::*;

fn echo(source: &str, dest: &str) -> TxPacket {
    icmp(
        source,
        dest,
        &IcmpMessage::EchoRequest { ident: 1, seq: 1 },
        b"x",
    )
}

#[test]
fn packets_for_others_are_dropped() {
    let mut host = Host::new();
    host.inject(echo(PEER, "10.7.0.3"));
    host.inject(echo(PEER_V6, "fd07::3"));
    host.inject(echo(PEER, "224.0.0.2"));
    host.inject(echo(PEER_V6, "ff02::2"));
    host.assert_dropped(DropReason::NotForUs, 4);
    // What every host belongs to is for us, but no host answers there.
    host.inject(echo(PEER, "224.0.0.1"));
    host.inject(echo(PEER_V6, "ff02::1"));
    host.assert_dropped(DropReason::IcmpIrrelevant, 2);
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn sources_that_nobody_may_have_are_martians() {
    let mut host = Host::new();
    let sources = [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "10.7.0.255",
        OURS,
    ];
    for source in sources {
        host.inject(echo(source, OURS));
    }
    for source in ["::", "::1", "ff02::1", "::ffff:10.7.0.1", OURS_V6] {
        host.inject(echo(source, OURS_V6));
    }
    host.assert_dropped(DropReason::Martian, 12);
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn loopback_addresses_do_not_come_over_a_wire() {
    let mut host = Host::new();
    host.inject(echo(PEER, "127.0.0.1"));
    host.inject(echo(PEER_V6, "::1"));
    host.assert_dropped(DropReason::Martian, 2);
}

#[test]
fn our_own_address_comes_over_the_loopback() {
    let mut host = Host::new();
    host.inject_at(host.loopback, echo(OURS, OURS));
    host.inject_at(host.loopback, echo("127.0.0.1", "127.3.2.1"));
    host.loop_back();
    assert_eq!(host.stack.stats().icmp_echo_replies, 2);
}

#[test]
fn a_wrong_transport_checksum_is_noticed_unless_the_device_vouches_for_it() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    for checksum in [Checksum::Unknown, Checksum::Verified] {
        let mut packet = linear(&datagram("10.7.0.1:1", "10.7.0.2:9", b"hello"));
        let last = packet.frame.len() - 1;
        packet.frame[last] ^= 1;
        packet.meta.checksum = checksum;
        host.inject(packet);
    }
    host.assert_dropped(DropReason::TransportChecksum, 1);
    assert!(host.stack.udp(id).unwrap().recv().is_some());
    assert!(host.stack.udp(id).unwrap().recv().is_none());
}

#[test]
fn a_partial_checksum_is_accepted() {
    let mut host = Host::new();
    host.udp("0.0.0.0:9");
    let mut packet = linear(&datagram("10.7.0.1:1", "10.7.0.2:9", b"hello"));
    packet.frame[26] ^= 0xff;
    packet.meta.checksum = Checksum::Partial {
        start: 20,
        offset: 6,
    };
    host.inject(packet);
    assert_eq!(host.stack.stats().udp_in, 1);
}

#[test]
fn padding_behind_the_packet_is_cut_off() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    let mut packet = linear(&datagram("10.7.0.1:1", "10.7.0.2:9", b"hello"));
    packet.frame.extend_from_slice(&[0; 13]);
    packet.frags.push(Chunk {
        bytes: Bytes::from_static(b"more padding"),
        pins: 12,
    });
    host.inject(packet);
    assert_eq!(host.stack.udp(id).unwrap().recv().unwrap().payload, "hello");
}

#[test]
fn broken_headers_are_counted_by_reason() {
    let mut host = Host::new();
    let good = bytes_of(&echo(PEER, OURS));
    let mut checksum = good.clone();
    checksum[10] ^= 1;
    let mut version = good.clone();
    version[0] = 0x75;
    let cut = BytesMut::from(&good[..19]);
    for bytes in [checksum, version, cut, BytesMut::new()] {
        host.inject(RxPacket::from_frame(bytes));
    }
    host.assert_dropped(DropReason::IpChecksum, 1);
    host.assert_dropped(DropReason::IpVersion, 1);
    host.assert_dropped(DropReason::Truncated, 2);
}

#[test]
fn icmp_of_the_other_version_is_an_unknown_protocol() {
    let mut host = Host::new();
    let mut packet = body(&[0; 16]);
    IpHeader::new(ip(PEER), ip(OURS), ip::ICMPV6, 16).emit(&mut packet.head);
    host.inject(packet);
    host.assert_dropped(DropReason::UnknownProtocol, 1);
}

#[test]
fn a_super_segment_of_another_protocol_is_refused() {
    let mut host = Host::new();
    host.udp("0.0.0.0:9");
    for kind in [GsoKind::Tcp4, GsoKind::Tcp6] {
        let mut packet = linear(&datagram("10.7.0.1:1", "10.7.0.2:9", b"hello"));
        packet.meta.gso = Some(Gso {
            kind,
            size: 2,
            ecn: false,
        });
        host.inject(packet);
    }
    host.assert_dropped(DropReason::BadOffload, 2);
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_counted(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        version in prop_oneof![Just(0x45_u8), Just(0x60), any::<u8>()],
        protocol in prop_oneof![Just(1_u8), Just(6), Just(17), Just(58), any::<u8>()],
        split in 0_usize..200,
    ) {
        let mut host = Host::new();
        host.udp("[::]:9");
        let mut frame = bytes;
        let ours = ip(OURS);
        if let (Some(first), IpAddr::V4(ours)) = (frame.first_mut(), ours) {
            *first = version;
            if frame.len() >= 20 {
                frame[9] = protocol;
                frame[16..20].copy_from_slice(&ours.octets());
            }
        }
        let split = split.min(frame.len());
        let tail = frame.split_off(split);
        let mut packet = RxPacket::from_frame(BytesMut::from(&frame[..]));
        packet.meta.checksum = Checksum::Verified;
        packet.frags.push(Chunk { pins: 64, bytes: Bytes::from(tail) });
        host.inject(packet);
        let stats = host.stack.stats();
        prop_assert_eq!(stats.rx_packets, 1);
    }
}
