//! Options of IPv4 headers from nowhere.

use super::cases;
use crate::wire::ipv4_options::{Record, check, echoed, has_router_alert, keep_copied, record};
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

proptest! {
    #![proptest_config(cases(2000))]

    /// Whatever comes, nothing panics; and what is as it should be still is when it has been filled in.
    #[test]
    fn any_bytes_are_checked_filled_in_and_cut(bytes in bytes(), counts in any::<bool>()) {
        let found = check(&bytes);
        let mut filled = bytes.clone();
        let (address, time) = (Ipv4Addr::new(10, 7, 0, 1), 0x8000_0001);
        for _ in 0..12 {
            let is_own = |other| other == address;
            record(&mut filled, &Record { address, time, is_own, counts: false });
        }
        let is_own = |_| true;
        record(&mut filled, &Record { address, time, is_own, counts });
        match found {
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
