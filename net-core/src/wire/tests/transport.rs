use super::{addresses, bytes, cases};
use crate::buf::{Checksum, Chunk, RxPacket, TxPacket};
use crate::stats::DropReason;
use crate::wire::transport::{complete_checksum, fill_checksum, verify_checksum};
use crate::wire::{IcmpMessage, IpHeader, TcpHeader, UdpHeader, icmpv4, icmpv6, ip};
use bytes::{Bytes, BytesMut};
use core::net::IpAddr;
use proptest::prelude::*;
use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, IpAddress, TcpPacket, UdpPacket};
use std::vec::Vec;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Tcp,
    Udp,
    Icmp,
}

/// A packet with all headers, `offload` as the device is to be asked.
fn packet(
    kind: Kind,
    (source, dest): (IpAddr, IpAddr),
    body: &[Vec<u8>],
    offload: bool,
) -> TxPacket {
    let mut packet = TxPacket {
        body: body.iter().cloned().map(Bytes::from).collect(),
        ..TxPacket::default()
    };
    let protocol = match (kind, dest) {
        (Kind::Tcp, _) => {
            TcpHeader::default().emit(&mut packet.head);
            ip::TCP
        }
        (Kind::Udp, _) => {
            let length = u16::try_from(8 + packet.body_len()).expect("short");
            let header = UdpHeader {
                source_port: 1,
                dest_port: 2,
                length,
                checksum: 0,
            };
            header.emit(&mut packet.head);
            ip::UDP
        }
        (Kind::Icmp, IpAddr::V4(_)) => {
            icmpv4::emit(
                &IcmpMessage::EchoRequest { ident: 1, seq: 2 },
                &mut packet.head,
            );
            ip::ICMP
        }
        (Kind::Icmp, IpAddr::V6(_)) => {
            icmpv6::emit(
                &IcmpMessage::EchoRequest { ident: 1, seq: 2 },
                &mut packet.head,
            );
            ip::ICMPV6
        }
    };
    fill_checksum(&mut packet, source, dest, protocol, offload);
    let header = IpHeader::new(source, dest, protocol, packet.len());
    header.emit(&mut packet.head);
    packet
}

fn flat(packet: &TxPacket) -> BytesMut {
    let mut frame = BytesMut::new();
    packet.copy_to(&mut frame);
    frame
}

fn smoltcp_agrees(kind: Kind, (source, dest): (IpAddr, IpAddr), frame: &[u8]) -> bool {
    let (from, to) = (IpAddress::from(source), IpAddress::from(dest));
    let segment = &frame[if dest.is_ipv4() { 20 } else { 40 }..];
    match (kind, from, to) {
        (Kind::Tcp, ..) => TcpPacket::new_unchecked(segment).verify_checksum(&from, &to),
        (Kind::Udp, ..) => UdpPacket::new_unchecked(segment).verify_checksum(&from, &to),
        (Kind::Icmp, IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            Icmpv6Packet::new_unchecked(segment).verify_checksum(&from, &to)
        }
        (Kind::Icmp, ..) => Icmpv4Packet::new_unchecked(segment).verify_checksum(),
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Tcp), Just(Kind::Udp), Just(Kind::Icmp)]
}

/// The frame as a received packet in pieces: `cut` bytes lie in its frame.
fn received(frame: &BytesMut, cut: usize) -> RxPacket {
    let mut first = frame.clone();
    let rest = first.split_off(cut.clamp(60, frame.len().max(60)).min(frame.len()));
    let mut packet = RxPacket::from_frame(first);
    for piece in rest.chunks(77) {
        packet.frags.push(Chunk {
            bytes: Bytes::copy_from_slice(piece),
            pins: 77,
        });
    }
    packet
}

fn verify(packet: &RxPacket) -> Result<(), DropReason> {
    verify_checksum(packet, &IpHeader::parse(&packet.frame, packet.len())?)
}

#[test]
fn udp_without_a_checksum_is_right_over_ipv4_and_wrong_over_ipv6() {
    for (address, expected) in [
        ("192.0.2.1", Ok(())),
        ("2001:db8::1", Err(DropReason::TransportChecksum)),
    ] {
        let address: IpAddr = address.parse().expect("an address");
        let mut packet = packet(Kind::Udp, (address, address), &[], false);
        let end = packet.head.len();
        packet.head[end - 2..].fill(0);
        assert_eq!(verify(&RxPacket::from_frame(flat(&packet))), expected);
    }
}

#[test]
fn a_udp_sum_of_zero_is_sent_as_all_ones() {
    let address: IpAddr = "192.0.2.1".parse().expect("an address");
    let plain = packet(Kind::Udp, (address, address), &[std::vec![0, 0]], false);
    let end = plain.head.len();
    // Makes the sum come out as 0xffff and its complement as 0.
    let body = [plain.head[end - 2..].to_vec()];
    for offload in [false, true] {
        let mut packet = packet(Kind::Udp, (address, address), &body, offload);
        complete_checksum(&mut packet);
        assert_eq!(&packet.head[end - 2..], &[0xff, 0xff]);
    }
}

#[test]
fn what_the_device_vouches_for_is_not_summed() {
    let address: IpAddr = "192.0.2.1".parse().expect("an address");
    let mut frame = flat(&packet(Kind::Tcp, (address, address), &[], false));
    frame[39] ^= 1;
    let mut packet = RxPacket::from_frame(frame);
    assert_eq!(verify(&packet), Err(DropReason::TransportChecksum));
    packet.meta.checksum = Checksum::Verified;
    assert_eq!(verify(&packet), Ok(()));
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn everybody_finds_the_checksum_right(
        kind in kinds(),
        addresses in addresses(),
        body in prop::collection::vec(bytes(300), 0..5),
        offload in any::<bool>(),
        cut in 0_usize..1500,
    ) {
        let mut packet = packet(kind, addresses, &body, offload);
        prop_assert_eq!(matches!(packet.meta.checksum, Checksum::Partial { .. }), offload);
        complete_checksum(&mut packet);
        prop_assert_eq!(packet.meta.checksum, Checksum::Verified);
        let frame = flat(&packet);
        prop_assert!(smoltcp_agrees(kind, addresses, &frame));
        let received = received(&frame, cut);
        prop_assert_eq!(received.len(), frame.len());
        prop_assert_eq!(verify(&received), Ok(()));
    }

    #[test]
    fn a_flipped_bit_does_not_get_through(
        kind in kinds(),
        addresses in addresses(),
        body in prop::collection::vec(bytes(200), 0..4),
        cut in 0_usize..800,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut frame = flat(&packet(kind, addresses, &body, false));
        let start = if addresses.0.is_ipv4() { 20 } else { 40 };
        let at = start + at.index(frame.len() - start);
        frame[at] ^= 1 << bit;
        prop_assert_eq!(verify(&received(&frame, cut)), Err(DropReason::TransportChecksum));
    }

    #[test]
    fn padding_behind_the_packet_is_not_summed(addresses in addresses(), body in bytes(100), padding in bytes(40)) {
        let mut frame = flat(&packet(Kind::Tcp, addresses, &[body], false));
        frame.extend_from_slice(&padding);
        prop_assert_eq!(verify(&received(&frame, 60)), Ok(()));
    }

    #[test]
    fn no_packet_makes_it_panic(
        frame in bytes(70),
        frags in prop::collection::vec(bytes(30), 0..4),
        protocol in prop_oneof![Just(6_u8), Just(17), Just(1), Just(58), any::<u8>()],
        addresses in addresses(),
        header_len in 0_usize..80,
        payload_len in 0_usize..200,
    ) {
        let mut packet = RxPacket::from_frame(BytesMut::from(&frame[..]));
        packet.frags.extend(frags.into_iter().map(|piece| Chunk { bytes: piece.into(), pins: 0 }));
        let header = IpHeader {
            header_len,
            ..IpHeader::new(addresses.0, addresses.1, protocol, payload_len)
        };
        let _: Result<_, _> = verify_checksum(&packet, &header);
    }
}
