//! Options of IPv4 headers from nowhere.

use super::cases;
use crate::wire::ipv4_options::{
    Record, check, echoed, has_partial_room, has_router_alert, keep_copied, record,
};
use core::net::Ipv4Addr;
use proptest::prelude::*;
use std::vec::Vec;

/// Bytes that are likely to be options.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let likely = prop_oneof![
        Just(0_u8),
        Just(1),
        Just(7),
        Just(68),
        Just(131),
        Just(148),
        2_u8..16,
        any::<u8>(),
    ];
    prop::collection::vec(likely, 0..40)
}

/// Fills options in as often as they have room, as by routers with this address; only the last counts
/// that there is none.
fn fill(options: &mut [u8], address: Ipv4Addr, counts: bool) {
    let time = 0x8000_0001;
    for _ in 0..12 {
        let is_own = |other| other == address;
        record(
            options,
            &Record {
                address,
                time,
                is_own,
                counts: false,
            },
        );
    }
    let is_own = |_| true;
    record(
        options,
        &Record {
            address,
            time,
            is_own,
            counts,
        },
    );
}

/// Room for half an entry behind whole ones is in error once it is reached, and is not filled.
#[test]
fn room_for_a_part_of_an_entry_is_in_error_when_it_is_reached() {
    for (options, filled) in [
        (
            &[7, 9, 4, 0, 0, 0, 0, 9, 9][..],
            &[7, 9, 8, 10, 7, 0, 1, 9, 9][..],
        ),
        (
            &[68, 10, 5, 0, 0, 0, 0, 0, 9, 9],
            &[68, 10, 9, 0, 0x80, 0, 0, 1, 9, 9],
        ),
        (
            &[68, 16, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9],
            &[68, 16, 13, 1, 10, 7, 0, 1, 0x80, 0, 0, 1, 9, 9, 9, 9],
        ),
    ] {
        assert!(check(options).is_ok() && !has_partial_room(options));
        let mut options = options.to_vec();
        fill(&mut options, Ipv4Addr::new(10, 7, 0, 1), false);
        assert_eq!(options, filled);
        assert_eq!(check(&options), Err(2));
        assert!(has_partial_room(&options));
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    /// Whatever comes, nothing panics; and what is as it should be still is when it has been filled in,
    /// unless that has left room for a part of an entry.
    #[test]
    fn any_bytes_are_checked_filled_in_and_cut(bytes in bytes(), counts in any::<bool>()) {
        let found = check(&bytes);
        let mut filled = bytes.clone();
        fill(&mut filled, Ipv4Addr::new(10, 7, 0, 1), counts);
        prop_assert!(found.is_err() || !has_partial_room(&bytes));
        match found {
            Ok(_) if has_partial_room(&filled) => prop_assert!(check(&filled).is_err()),
            Ok(found) if !counts => prop_assert_eq!(check(&filled), Ok(found)),
            Ok(_) => {}
            Err(at) => prop_assert!(at < bytes.len()),
        }
        prop_assert_eq!(has_router_alert(&filled), has_router_alert(&bytes));
        let back = echoed(&bytes);
        prop_assert!(back.len().is_multiple_of(4) && back.len() <= bytes.len().next_multiple_of(4));
        let mut cut = bytes.clone();
        keep_copied(&mut cut);
        if found.is_ok() {
            prop_assert_eq!(check(&cut).map(|found| found.source_route), Ok(found.is_ok_and(|found| found.source_route)));
            prop_assert!(echoed(&cut).is_empty());
        }
    }
}
