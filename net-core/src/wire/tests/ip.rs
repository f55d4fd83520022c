use super::{addresses, bytes, cases};
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use crate::wire::checksum::checksum;
use crate::wire::{Fragment, IpHeader};
use core::net::IpAddr;
use etherparse::{Ipv4Header, Ipv4Options, Ipv6Header};
use proptest::prelude::*;
use smoltcp::wire::{Ipv4Packet, Ipv6Packet};
use std::vec;

fn emit(header: &IpHeader) -> HeadBuf {
    let mut head = HeadBuf::new();
    header.emit(&mut head);
    head
}

fn headers() -> impl Strategy<Value = IpHeader> {
    let numbers = any::<(u8, u8, u8, bool, u16)>();
    let fragment = prop::option::of((0_u16..0x2000, any::<bool>()));
    (addresses(), numbers, fragment, 0_usize..65000).prop_map(
        |((source, dest), (protocol, ttl, tos, dont_fragment, id), fragment, payload_len)| {
            let header = IpHeader {
                ttl,
                tos,
                ..IpHeader::new(source, dest, protocol, payload_len)
            };
            if source.is_ipv6() {
                return header;
            }
            let fragment =
                fragment
                    .filter(|&(offset, more)| offset > 0 || more)
                    .map(|(offset, more)| Fragment {
                        offset: offset * 8,
                        more,
                        id: id.into(),
                    });
            IpHeader {
                dont_fragment,
                id,
                fragment,
                ..header
            }
        },
    )
}

/// What another implementation has read, in our words.
fn from_etherparse(frame: &[u8]) -> Option<IpHeader> {
    if frame.first()? >> 4 == 4 {
        let (header, _) = Ipv4Header::from_slice(frame).ok()?;
        let offset = header.fragment_offset.value() * 8;
        Some(IpHeader {
            source: IpAddr::from(header.source),
            dest: IpAddr::from(header.destination),
            protocol: header.protocol.0,
            ttl: header.time_to_live,
            tos: header.dscp.value() << 2 | header.ecn.value(),
            header_len: header.header_len(),
            payload_len: usize::from(header.total_len).checked_sub(header.header_len())?,
            dont_fragment: header.dont_fragment,
            fragment: (offset > 0 || header.more_fragments).then_some(Fragment {
                offset,
                more: header.more_fragments,
                id: header.identification.into(),
            }),
            id: header.identification,
        })
    } else {
        let (header, _) = Ipv6Header::from_slice(frame).ok()?;
        Some(IpHeader {
            ttl: header.hop_limit,
            tos: header.traffic_class,
            ..IpHeader::new(
                header.source_addr().into(),
                header.destination_addr().into(),
                header.next_header.0,
                usize::from(header.payload_length),
            )
        })
    }
}

#[test]
fn a_length_field_of_zero_stands_for_a_packet_too_long_for_it() {
    for address in ["192.0.2.1", "2001:db8::1"] {
        let address = address.parse().expect("an address");
        let header = IpHeader::new(address, address, 6, 70_000);
        let head = emit(&header);
        assert_eq!(IpHeader::parse(&head, head.len() + 70_000), Ok(header));
        // A short packet has no such excuse.
        let short = IpHeader::parse(&head, head.len() + 100);
        match address {
            IpAddr::V4(_) => assert_eq!(short, Err(DropReason::IpHeader)),
            IpAddr::V6(_) => assert_eq!(short.map(|header| header.payload_len), Ok(0)),
        }
    }
}

#[test]
fn refuses_what_is_no_ip() {
    assert_eq!(IpHeader::parse(&[], 0), Err(DropReason::Truncated));
    assert_eq!(IpHeader::parse(&[0x55; 60], 60), Err(DropReason::IpVersion));
    assert_eq!(IpHeader::parse(&[0x44; 60], 60), Err(DropReason::IpHeader));
    assert_eq!(
        IpHeader::parse(&[0x45; 60], 60),
        Err(DropReason::IpChecksum)
    );
    assert_eq!(IpHeader::parse(&[0x4f; 40], 40), Err(DropReason::Truncated));
    assert_eq!(IpHeader::parse(&[0x60; 39], 39), Err(DropReason::Truncated));
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn what_is_emitted_is_read_back(header in headers(), padding in 0_usize..30) {
        let head = emit(&header);
        let total_len = header.total_len() + padding;
        prop_assert_eq!(IpHeader::parse(&head, total_len), Ok(header));
        prop_assert_eq!(IpHeader::parse_quoted(&head), Ok(header));
        prop_assert_eq!(IpHeader::parse(&head, header.total_len() - 1), Err(DropReason::Truncated));
        prop_assert_eq!(from_etherparse(&head), Some(header));
        let mut packet = head.to_vec();
        packet.resize(header.total_len(), 0);
        if header.dest.is_ipv4() {
            let packet = Ipv4Packet::new_checked(&packet[..]).expect("smoltcp reads it");
            prop_assert!(packet.verify_checksum());
            prop_assert_eq!(usize::from(packet.total_len()), header.total_len());
        } else {
            let packet = Ipv6Packet::new_checked(&packet[..]).expect("smoltcp reads it");
            prop_assert_eq!(packet.flow_label(), 0);
        }
    }

    #[test]
    fn options_are_part_of_the_header(words in 0_usize..=10, payload_len in 0_u16..1000) {
        let mut header = Ipv4Header::new(payload_len, 9, 17.into(), [1, 2, 3, 4], [5, 6, 7, 8])
            .expect("short enough");
        header.options = Ipv4Options::try_from(&vec![1; 4 * words][..]).expect("at most 40");
        header.set_payload_len(payload_len.into()).expect("short enough");
        header.header_checksum = header.calc_header_checksum();
        let frame = header.to_bytes();
        let parsed = IpHeader::parse(&frame, frame.len() + usize::from(payload_len));
        prop_assert_eq!(parsed.ok(), from_etherparse(&frame));
        prop_assert_eq!(parsed.map(|header| header.header_len), Ok(20 + 4 * words));
    }

    #[test]
    fn a_flipped_bit_does_not_get_through(header in headers(), at in 0_usize..160) {
        prop_assume!(header.dest.is_ipv4());
        let mut head = emit(&header);
        head[at / 8] ^= 1 << (at % 8);
        prop_assert!(IpHeader::parse(&head, header.total_len()).is_err());
    }

    #[test]
    fn any_bytes_are_read_as_others_read_them(
        mut frame in bytes(90),
        first in prop_oneof![Just(0x45_u8), Just(0x60), 0x40_u8..0x70],
        right_sum in any::<bool>(),
        length in prop::option::of(0_u16..200),
        behind in 0_usize..200,
    ) {
        if let Some(byte) = frame.first_mut() {
            *byte = first;
        }
        if let (Some(length), [_, _, a, b, ..]) = (length, &mut frame[..]) {
            [*a, *b] = length.to_be_bytes();
        }
        let header_len = usize::from(first & 0xf) * 4;
        if right_sum && first >> 4 == 4 && header_len >= 20 && header_len <= frame.len() {
            frame[10..12].fill(0);
            let sum = checksum(&frame[..header_len]);
            frame[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let total_len = frame.len() + behind;
        let theirs = from_etherparse(&frame);
        match IpHeader::parse(&frame, total_len) {
            Ok(header) => prop_assert_eq!(Some(header), theirs),
            Err(DropReason::IpChecksum) => {
                prop_assert_ne!(checksum(&frame[..header_len]), 0);
            }
            Err(_) => {
                prop_assert!(theirs.is_none_or(|header| header.total_len() > total_len));
            }
        }
        let quoted = IpHeader::parse_quoted(&frame).ok();
        if theirs.is_some() {
            prop_assert_eq!(quoted, theirs);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(frame in bytes(100), total_len in any::<usize>()) {
        let _: Result<_, _> = IpHeader::parse(&frame, total_len);
        let _: Result<_, _> = IpHeader::parse_quoted(&frame);
    }
}
