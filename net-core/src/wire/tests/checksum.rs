use super::{bytes, cases};
use crate::wire::checksum::{Sum, checksum, checksum_after, pseudo_header};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// RFC 1071 §4.1, word for word.
fn by_the_book(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

#[test]
fn agrees_with_the_example_of_the_rfc() {
    let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(checksum(&bytes), !0xddf2);
}

#[test]
fn sums_a_whole_packet_of_ones() {
    let bytes = vec![0xff; 65535];
    assert_eq!(checksum(&bytes), by_the_book(&bytes));
}

#[test]
fn of_nothing_is_all_ones() {
    assert_eq!(checksum(&[]), 0xffff);
    assert_eq!(Sum::new().partial(), 0);
}

/// Vectors are read from aligned addresses on, and what is in front and behind is masked out.
#[test]
fn where_the_bytes_lie_does_not_matter() {
    let bytes: Vec<u8> = (0..=255).cycle().step_by(151).take(1024).collect();
    for start in 0..130 {
        for len in (190..330).chain([511, 640]) {
            let part = &bytes[start..start + len];
            assert_eq!(checksum(part), by_the_book(part), "{len} from {start} on");
        }
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn agrees_with_the_book(data in bytes(3000)) {
        prop_assert_eq!(checksum(&data), by_the_book(&data));
    }

    #[test]
    fn pieces_of_any_length_sum_up_to_the_whole(pieces in prop::collection::vec(bytes(90), 0..8)) {
        let (mut sum, mut joined) = (Sum::new(), Sum::new());
        for piece in &pieces {
            sum.add_bytes(piece);
            let mut alone = Sum::new();
            alone.add_bytes(piece);
            joined.add(alone);
        }
        let expected = by_the_book(&pieces.concat());
        prop_assert_eq!(sum.fold(), expected);
        prop_assert_eq!(sum.partial(), !expected);
        prop_assert_eq!(joined.fold(), expected);
    }

    #[test]
    fn an_update_equals_a_new_sum(
        mut data in prop::collection::vec(any::<u8>(), 8..64),
        at in 0_usize..4,
        new in any::<u16>(),
    ) {
        // RFC 1624 §3: the sum of a real header is never all zero.
        data[7] |= 1;
        let before = checksum(&data);
        let at = 2 * at.min(2);
        let old = u16::from_be_bytes([data[at], data[at + 1]]);
        data[at..at + 2].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(checksum_after(before, old, new), checksum(&data));
    }

    #[test]
    fn numbers_count_as_their_bytes(a in any::<u16>(), b in any::<u32>()) {
        let mut sum = Sum::new();
        sum.add_u16(a);
        sum.add_u32(b);
        prop_assert_eq!(sum.fold(), by_the_book(&[&a.to_be_bytes()[..], &b.to_be_bytes()].concat()));
    }

    #[test]
    fn the_pseudo_header_counts_as_its_bytes(
        (source, dest) in super::addresses(),
        protocol in any::<u8>(),
        len in any::<u32>(),
    ) {
        let octets = |address| match address {
            core::net::IpAddr::V4(address) => address.octets().to_vec(),
            core::net::IpAddr::V6(address) => address.octets().to_vec(),
        };
        let header = [
            &octets(source)[..],
            &octets(dest),
            &len.to_be_bytes(),
            &[0, 0, 0, protocol],
        ].concat();
        prop_assert_eq!(pseudo_header(source, dest, protocol, len).fold(), by_the_book(&header));
    }
}
