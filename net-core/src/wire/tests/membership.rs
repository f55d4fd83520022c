//! IGMP and MLD.

use super::{bytes, cases};
use crate::stats::DropReason;
use crate::time::Duration;
use crate::wire::checksum::checksum;
use crate::wire::membership::{Membership, Query, Record, RecordKind, Sources, Version};
use crate::wire::{igmp, mld};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use smoltcp::wire::{Icmpv6Packet, IgmpPacket, IgmpRepr, MldRepr};
use std::vec::Vec;

const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 9));
const SOURCES: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 0, 2]];
const SOURCES_V6: [[u8; 16]; 1] = [[0x20; 16]];
const KINDS: [RecordKind; 6] = [
    RecordKind::IsInclude,
    RecordKind::IsExclude,
    RecordKind::ToInclude,
    RecordKind::ToExclude,
    RecordKind::AllowNew,
    RecordKind::BlockOld,
];

fn query(v4: bool, version: Version) -> Query<'static> {
    let third = version == Version::Third;
    Query {
        version,
        max_response: Duration::from_secs(10),
        group: if v4 { GROUP } else { GROUP_V6 },
        suppress: third,
        robustness: if third { 2 } else { 0 },
        interval: Duration::from_secs(if third { 125 } else { 0 }),
        sources: match (v4, third) {
            (true, true) => Sources::V4(&SOURCES),
            (false, true) => Sources::V6(&SOURCES_V6),
            (v4, false) => Sources::none(v4),
        },
    }
}

fn records(v4: bool) -> Vec<Record<'static>> {
    let record = |kind| {
        if v4 {
            Record {
                kind,
                group: GROUP,
                sources: Sources::V4(&SOURCES),
            }
        } else {
            Record {
                kind,
                group: GROUP_V6,
                sources: Sources::V6(&SOURCES_V6),
            }
        }
    };
    KINDS.into_iter().map(record).collect()
}

fn reported(message: Result<Membership<'_>, DropReason>) -> Vec<Record<'_>> {
    match message {
        Ok(Membership::Report(records)) => records.iter().collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn queries_of_every_version_are_read_back() {
    for version in [Version::First, Version::Second, Version::Third] {
        let asked = query(true, version);
        let bytes = igmp::emit_query(&asked);
        // The oldest has no group of its own (RFC 1112 appendix I).
        let group = match version {
            Version::First => Ipv4Addr::UNSPECIFIED.into(),
            _ => asked.group,
        };
        let heard = Query { group, ..asked };
        assert_eq!(igmp::parse(&bytes), Ok(Membership::Query(heard)));
        let theirs = IgmpRepr::parse(&IgmpPacket::new_checked(&bytes[..]).unwrap()).unwrap();
        let IgmpRepr::MembershipQuery { group_addr, .. } = theirs else {
            panic!("{theirs:?}");
        };
        assert_eq!(IpAddr::V4(group_addr), GROUP);
    }
    for version in [Version::Second, Version::Third] {
        let asked = query(false, version);
        assert_eq!(
            mld::parse(&mld::emit_query(&asked)),
            Ok(Membership::Query(asked))
        );
    }
    let bytes = mld::emit_query(&query(false, Version::Third));
    let theirs = MldRepr::parse(&Icmpv6Packet::new_checked(&bytes[..]).unwrap()).unwrap();
    let MldRepr::Query {
        max_resp_code,
        mcast_addr,
        s_flag,
        qrv,
        num_srcs,
        ..
    } = theirs
    else {
        panic!("{theirs:?}");
    };
    assert_eq!((max_resp_code, s_flag, qrv, num_srcs), (10_000, true, 2, 1));
    assert_eq!(IpAddr::V6(mcast_addr), GROUP_V6);
}

#[test]
fn reports_and_leaves_are_read_back() {
    let (IpAddr::V4(v4), IpAddr::V6(v6)) = (GROUP, GROUP_V6) else {
        unreachable!()
    };
    for version in [Version::First, Version::Second] {
        let member = Membership::Member {
            version,
            group: GROUP,
        };
        assert_eq!(igmp::parse(&igmp::emit_member(version, v4)), Ok(member));
    }
    assert_eq!(
        igmp::parse(&igmp::emit_leave(v4)),
        Ok(Membership::Leave { group: GROUP })
    );
    let member = Membership::Member {
        version: Version::Second,
        group: GROUP_V6,
    };
    assert_eq!(mld::parse(&mld::emit_member(v6)), Ok(member));
    assert_eq!(
        mld::parse(&mld::emit_done(v6)),
        Ok(Membership::Leave { group: GROUP_V6 })
    );
    for v4 in [true, false] {
        let told = records(v4);
        let bytes = if v4 {
            igmp::emit_report(&told)
        } else {
            mld::emit_report(&told)
        };
        assert_eq!(bytes.len(), 8 + told.iter().map(Record::len).sum::<usize>());
        let read = if v4 {
            igmp::parse(&bytes)
        } else {
            mld::parse(&bytes)
        };
        assert_eq!(reported(read), told);
    }
}

#[test]
fn smoltcp_reads_our_report() {
    let bytes = mld::emit_report(&records(false));
    let packet = Icmpv6Packet::new_checked(&bytes[..]).unwrap();
    let MldRepr::Report {
        nr_mcast_addr_rcrds,
        data,
    } = MldRepr::parse(&packet).unwrap()
    else {
        panic!("another message");
    };
    assert_eq!((usize::from(nr_mcast_addr_rcrds), data.len()), (6, 6 * 36));
}

#[test]
fn the_length_tells_the_version_and_other_lengths_are_ignored() {
    // RFC 3376 §7.1, RFC 3810 §8.1.
    let mut bytes = igmp::emit_query(&query(true, Version::Third));
    bytes.truncate(10);
    bytes[2..4].fill(0);
    let sum = checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(igmp::parse(&bytes), Err(DropReason::Membership));
    let mut bytes = mld::emit_query(&query(false, Version::Third));
    bytes.truncate(26);
    assert_eq!(mld::parse(&bytes), Err(DropReason::Membership));
}

/// RFC 3376 §4.1.10.
#[test]
fn what_follows_a_query_counts_for_its_sum_and_for_nothing_else() {
    let asked = query(true, Version::Third);
    let mut bytes = igmp::emit_query(&asked);
    bytes.extend([1, 2, 3, 4]);
    assert_eq!(igmp::parse(&bytes), Err(DropReason::TransportChecksum));
    bytes[2..4].fill(0);
    let sum = checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(igmp::parse(&bytes), Ok(Membership::Query(asked)));
}

#[test]
fn a_wrong_checksum_or_a_group_that_is_none_is_refused() {
    let mut bytes = igmp::emit_leave(Ipv4Addr::new(224, 1, 1, 1));
    bytes[5] ^= 1;
    assert_eq!(igmp::parse(&bytes), Err(DropReason::TransportChecksum));
    let bytes = igmp::emit_leave(Ipv4Addr::new(10, 0, 0, 1));
    assert_eq!(igmp::parse(&bytes), Err(DropReason::Membership));
    let bytes = mld::emit_done(Ipv6Addr::LOCALHOST);
    assert_eq!(mld::parse(&bytes), Err(DropReason::Membership));
}

#[test]
fn records_of_unknown_kinds_and_auxiliary_data_are_passed_over() {
    // RFC 3376 §4.2.10, §4.2.12.
    let mut bytes = mld::emit_report(&records(false));
    bytes[8] = 77;
    assert_eq!(reported(mld::parse(&bytes)).len(), 5);
    let one = [Record {
        kind: RecordKind::ToExclude,
        group: GROUP_V6,
        sources: Sources::none(false),
    }];
    let mut bytes = mld::emit_report(&one);
    bytes[9] = 1;
    assert_eq!(mld::parse(&bytes), Err(DropReason::Truncated));
    bytes.extend([0; 4]);
    assert_eq!(reported(mld::parse(&bytes)), one);
}

#[test]
fn codes_grow_by_powers_of_two_above_the_plain_numbers() {
    // RFC 3376 §4.1.1: the largest code is (0xf | 0x10) << (7 + 3) tenths.
    let longest = Query {
        max_response: Duration::from_secs(3_174) + Duration::from_millis(400),
        ..query(true, Version::Third)
    };
    let bytes = igmp::emit_query(&longest);
    assert_eq!(bytes[1], 0xff);
    assert_eq!(igmp::parse(&bytes), Ok(Membership::Query(longest)));
    let too_long = Query {
        max_response: Duration::from_secs(9_999),
        ..longest
    };
    assert_eq!(
        igmp::parse(&igmp::emit_query(&too_long)),
        Ok(Membership::Query(longest))
    );
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_coded_time_is_never_longer_than_meant(tenths in 0_u64..40_000) {
        let meant = Duration::from_millis(tenths * 100);
        let asked = Query { max_response: meant, ..query(true, Version::Third) };
        let bytes = igmp::emit_query(&asked);
        let Ok(Membership::Query(read)) = igmp::parse(&bytes) else {
            return Err(TestCaseError::fail("no query"));
        };
        prop_assert!(read.max_response <= meant);
        prop_assert!(tenths >= 31_744 || read.max_response * 17 >= meant * 16);
    }

    #[test]
    fn no_bytes_make_it_panic(mut data in bytes(80), kind in 0_usize..9, count in 0_u8..4) {
        const TYPES: [u8; 9] = [0x11, 0x12, 0x16, 0x17, 0x22, 130, 131, 132, 143];
        if data.len() >= 8 {
            (data[0], data[6], data[7]) = (TYPES[kind], 0, count);
            data[2..4].fill(0);
            let sum = checksum(&data);
            data[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        for read in [igmp::parse(&data), mld::parse(&data)] {
            if let Ok(Membership::Report(records)) = read {
                let told: Vec<_> = records.iter().collect();
                prop_assert!(told.iter().all(|record| record.sources.iter().count() == record.sources.len()));
            }
        }
    }
}
