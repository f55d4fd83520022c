//! IGMP and MLD: what was read means the same after it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::wire::checksum::checksum;
use net_core::wire::membership::{Membership, Query, Record, Version};
use net_core::wire::{igmp, mld};

fuzz_target!(|data: &[u8]| {
    let mut summed = data.to_vec();
    if let Some(field) = summed.get_mut(2..4) {
        field.fill(0);
        let sum = checksum(&summed);
        summed[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    match igmp::parse(&summed) {
        Ok(Membership::Query(query)) => {
            assert_eq!(
                igmp::parse(&igmp::emit_query(&query)),
                Ok(Membership::Query(answerable(query)))
            );
        }
        Ok(Membership::Report(records)) => {
            let told: Vec<Record<'_>> = records.iter().collect();
            let bytes = igmp::emit_report(&told);
            same_records(&igmp::parse(&bytes), &told);
        }
        _ => {}
    }
    match mld::parse(data) {
        Ok(Membership::Query(query)) => {
            assert_eq!(
                mld::parse(&mld::emit_query(&query)),
                Ok(Membership::Query(query))
            );
        }
        Ok(Membership::Report(records)) => {
            let told: Vec<Record<'_>> = records.iter().collect();
            let bytes = mld::emit_report(&told);
            same_records(&mld::parse(&bytes), &told);
        }
        _ => {}
    }
});

/// IGMPv2 has no code for an answer at once: 0 would be IGMPv1.
fn answerable(query: Query<'_>) -> Query<'_> {
    assert!(query.version != Version::Second || !query.max_response.is_zero());
    query
}

fn same_records<E: std::fmt::Debug>(read: &Result<Membership<'_>, E>, told: &[Record<'_>]) {
    let Ok(Membership::Report(records)) = read else {
        panic!("{read:?}");
    };
    assert_eq!(records.iter().collect::<Vec<_>>(), told);
}
