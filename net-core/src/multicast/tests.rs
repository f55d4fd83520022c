//! The host's half of IGMP and MLD, without packets.

use super::*;
use crate::seed::{Rng, Seed};
use crate::socket::SocketId;
use crate::time::{Duration, Instant};
use crate::wire::membership::{Query, RecordKind, Sources, Version};
use std::vec;
use std::vec::Vec;

/// The groups of an interface under a virtual clock.
struct Host {
    memberships: Memberships,
    rng: Rng,
    now: Instant,
}

const GROUP: &str = "239.1.2.3";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn socket(number: u32) -> SocketId {
    SocketId::new(number, 0, 0)
}

fn query(version: Version, group: &str) -> Query<'static> {
    Query {
        version,
        max_response: Duration::from_secs(10),
        group: ip(group),
        suppress: false,
        robustness: 2,
        interval: Duration::from_secs(125),
        sources: Sources::V4(&[]),
    }
}

fn told(kind: RecordKind, group: &str, sources: &[&str]) -> Told {
    Told {
        kind,
        group: ip(group),
        sources: sources.iter().map(|source| ip(source)).collect(),
    }
}

impl Host {
    fn new() -> Self {
        Self {
            memberships: Memberships::new(true),
            rng: Seed::from_u64(7).rng("test"),
            now: Instant::from_millis(1),
        }
    }

    /// Changes what a socket hears; what is said at once.
    fn change(&mut self, number: u32, group: &str, change: MembershipChange) -> Vec<Say> {
        let group = ip(group);
        let id = socket(number);
        let before = self.memberships.group(group);
        let filter = Filter::changed(before.and_then(|group| group.member(id)), change).unwrap();
        let mut cx = Context {
            now: self.now,
            rng: &mut self.rng,
        };
        let edit = |group: &mut Group| group.set_member(id, filter);
        self.memberships.change(group, edit, &mut cx)
    }

    fn hear(&mut self, query: &Query<'_>) {
        let mut cx = Context {
            now: self.now,
            rng: &mut self.rng,
        };
        self.memberships.handle_query(query, &mut cx);
    }

    /// Everything that is said within `time`, with how long after the beginning.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, Say)> {
        let (start, end) = (self.now, self.now + time);
        let mut said = Vec::new();
        while let Some(at) = self.memberships.next().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            let mut cx = Context {
                now: self.now,
                rng: &mut self.rng,
            };
            let after = self.now.saturating_since(start);
            let now = self.memberships.handle_timeout(&mut cx);
            said.extend(now.into_iter().map(|say| (after, say)));
        }
        self.now = end;
        said
    }

    /// The same without the times.
    fn says(&mut self, time: Duration) -> Vec<Say> {
        let said = self.pass(time);
        said.into_iter().map(|(_, say)| say).collect()
    }
}

const JOIN: MembershipChange = MembershipChange::Join;
const LEAVE: MembershipChange = MembershipChange::Leave;

fn join_source(source: &str) -> MembershipChange {
    MembershipChange::JoinSource(ip(source))
}

fn block(source: &str) -> MembershipChange {
    MembershipChange::BlockSource(ip(source))
}

fn filter(changes: &[MembershipChange]) -> Filter {
    let mut filter = None;
    for &change in changes {
        filter = Filter::changed(filter.as_ref(), change).unwrap();
    }
    filter.unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn filters_of_several_sockets_are_merged() {
    let (a, b, c) = ("10.0.0.1", "10.0.0.2", "10.0.0.3");
    let merge = |filters: &[&Filter]| Filter::merge(filters.iter().copied());
    // The examples of RFC 3376 §3.2.
    let all_but_abc = filter(&[JOIN, block(a), block(b), block(c)]);
    let all_but_bc = filter(&[JOIN, block(b), block(c)]);
    let only_b = filter(&[join_source(b)]);
    let merged = merge(&[&all_but_abc, &all_but_bc, &only_b]);
    assert!(merged.excludes());
    assert_eq!(merged.sources(), [ip(c)]);
    let only_ac = filter(&[join_source(c), join_source(a)]);
    let merged = merge(&[&only_ac, &only_b]);
    assert!(!merged.excludes());
    assert_eq!(merged.sources(), [ip(a), ip(b), ip(c)]);
    assert!(merge(&[]).is_nobody());
    assert_eq!(merge(&[&only_b, &filter(&[JOIN])]), Filter::everybody());
}

#[test]
fn a_filter_changes_as_in_linux() {
    use crate::SocketError::{AddressInUse, AddressNotAvailable, InvalidInput, NoBufferSpace};
    let (a, b) = ("10.0.0.1", "10.0.0.2");
    let change = |filter: &Filter, change| Filter::changed(Some(filter), change);
    let joined = filter(&[JOIN]);
    assert_eq!(change(&joined, JOIN), Err(AddressInUse));
    assert_eq!(Filter::changed(None, LEAVE), Err(AddressNotAvailable));
    assert!(matches!(
        Filter::changed(None, block(a)),
        Err(InvalidInput(_))
    ));
    let only = filter(&[join_source(a)]);
    assert_eq!(change(&only, join_source(a)), Err(AddressNotAvailable));
    assert!(matches!(change(&only, block(b)), Err(InvalidInput(_))));
    let leave = |source| MembershipChange::LeaveSource(ip(source));
    assert_eq!(change(&only, leave(b)), Err(AddressNotAvailable));
    assert_eq!(change(&only, leave(a)), Ok(None), "with its last source");
    let blocked = filter(&[JOIN, block(a)]);
    let unblocked = change(&blocked, MembershipChange::UnblockSource(ip(a)));
    assert_eq!(unblocked, Ok(Some(Filter::everybody())));
    let mut full = joined;
    for source in 0..10 {
        let source = IpAddr::from([10, 0, 1, source]);
        full = change(&full, MembershipChange::BlockSource(source))
            .unwrap()
            .unwrap();
    }
    assert_eq!(change(&full, block(a)), Err(NoBufferSpace));
}

#[test]
fn joining_and_leaving_are_told_at_once_and_once_more() {
    let mut host = Host::new();
    let joined = || Say::Report(vec![told(RecordKind::ToExclude, GROUP, &[])]);
    let left = || Say::Report(vec![told(RecordKind::ToInclude, GROUP, &[])]);
    assert_eq!(host.change(1, GROUP, JOIN), [joined()]);
    let again = host.pass(MINUTE);
    assert_eq!(again.len(), 1);
    // RFC 3376 §5.1: at random times within the Unsolicited Report Interval.
    assert!(again[0].0 <= Duration::from_secs(1), "{again:?}");
    assert_eq!(again[0].1, joined());
    // A second member changes nothing.
    assert_eq!(host.change(2, GROUP, JOIN), []);
    assert_eq!(host.change(1, GROUP, LEAVE), []);
    assert_eq!(host.change(2, GROUP, LEAVE), [left()]);
    assert!(!host.memberships.wants(ip(GROUP), ip("10.0.0.1")));
    assert_eq!(host.says(MINUTE), [left()]);
    assert!(host.memberships.group(ip(GROUP)).is_none());
}

#[test]
fn sources_that_come_and_go_are_told_by_name() {
    let mut host = Host::new();
    let (a, b) = ("10.0.0.1", "10.0.0.2");
    let said = host.change(1, GROUP, join_source(a));
    assert_eq!(
        said,
        [Say::Report(vec![told(RecordKind::AllowNew, GROUP, &[a])])]
    );
    assert!(host.memberships.wants(ip(GROUP), ip(a)));
    assert!(!host.memberships.wants(ip(GROUP), ip(b)));
    let said = host.change(1, GROUP, join_source(b));
    // Of what has been said once, the second time is merged with what is new (RFC 3376 §5.1).
    assert_eq!(
        said,
        [Say::Report(vec![told(
            RecordKind::AllowNew,
            GROUP,
            &[a, b]
        )])]
    );
    host.says(MINUTE);
    let said = host.change(1, GROUP, MembershipChange::LeaveSource(ip(a)));
    assert_eq!(
        said,
        [Say::Report(vec![told(RecordKind::BlockOld, GROUP, &[a])])]
    );
    // To all sources is another mode, which is told as a whole.
    let said = host.change(2, GROUP, JOIN);
    assert_eq!(
        said,
        [Say::Report(vec![told(RecordKind::ToExclude, GROUP, &[])])]
    );
}

#[test]
fn a_general_query_is_answered_once_for_all_groups() {
    let mut host = Host::new();
    host.change(1, GROUP, JOIN);
    host.change(1, "239.9.9.9", join_source("10.0.0.1"));
    host.says(MINUTE);
    host.hear(&query(Version::Third, "0.0.0.0"));
    host.hear(&query(Version::Third, "0.0.0.0"));
    let said = host.pass(MINUTE);
    assert_eq!(said.len(), 1);
    assert!(said[0].0 <= Duration::from_secs(10));
    let all = vec![
        told(RecordKind::IsExclude, GROUP, &[]),
        told(RecordKind::IsInclude, "239.9.9.9", &["10.0.0.1"]),
    ];
    assert_eq!(said[0].1, Say::Report(all));
}

#[test]
fn a_query_about_sources_is_answered_with_those_that_are_wanted() {
    let mut host = Host::new();
    host.change(1, GROUP, JOIN);
    host.change(1, GROUP, block("10.0.0.1"));
    host.says(MINUTE);
    let ask = |host: &mut Host, sources: &[[u8; 4]]| {
        let query = Query {
            sources: Sources::V4(sources),
            ..query(Version::Third, GROUP)
        };
        host.hear(&query);
    };
    ask(&mut host, &[[10, 0, 0, 1]]);
    assert_eq!(host.says(MINUTE), [], "nobody wants it");
    ask(&mut host, &[[10, 0, 0, 1], [10, 0, 0, 2]]);
    ask(&mut host, &[[10, 0, 0, 3]]);
    let wanted = told(RecordKind::IsInclude, GROUP, &["10.0.0.2", "10.0.0.3"]);
    assert_eq!(host.says(MINUTE), [Say::Report(vec![wanted])]);
    // Rule 4: who asks for all gets one answer for all.
    ask(&mut host, &[[10, 0, 0, 2]]);
    ask(&mut host, &[]);
    let state = told(RecordKind::IsExclude, GROUP, &["10.0.0.1"]);
    assert_eq!(host.says(MINUTE), [Say::Report(vec![state])]);
    host.hear(&query(Version::Third, "239.7.7.7"));
    assert_eq!(host.says(MINUTE), [], "of no group of ours");
}

#[test]
fn an_older_router_is_spoken_to_in_its_version_until_it_is_gone() {
    let mut host = Host::new();
    host.change(1, GROUP, JOIN);
    host.says(MINUTE);
    let member = |version| Say::Member {
        version,
        group: ip(GROUP),
    };
    host.hear(&query(Version::Second, "0.0.0.0"));
    assert_eq!(
        host.says(Duration::from_secs(10)),
        [member(Version::Second)]
    );
    assert_eq!(
        host.change(1, GROUP, LEAVE),
        [Say::Leave { group: ip(GROUP) }]
    );
    // RFC 2236 §3: the first report is repeated.
    assert_eq!(host.change(1, GROUP, JOIN), [member(Version::Second)]);
    assert_eq!(
        host.says(Duration::from_secs(10)),
        [member(Version::Second)]
    );
    host.hear(&query(Version::First, "0.0.0.0"));
    assert_eq!(host.says(Duration::from_secs(10)), [member(Version::First)]);
    assert_eq!(
        host.change(1, GROUP, LEAVE),
        [],
        "RFC 1112 knows no leaving"
    );
    // RFC 3376 §8.12: robustness × query interval + response interval later.
    host.says(Duration::from_secs(2 * 125 + 10));
    let joined = told(RecordKind::ToExclude, GROUP, &[]);
    assert_eq!(host.change(1, GROUP, JOIN), [Say::Report(vec![joined])]);
}

#[test]
fn a_report_of_another_host_spares_ours_and_our_leave() {
    let mut host = Host::new();
    host.hear(&query(Version::Second, "0.0.0.0"));
    host.change(1, GROUP, JOIN);
    host.says(MINUTE);
    host.hear(&query(Version::Second, "0.0.0.0"));
    host.memberships.handle_member(ip(GROUP), host.now);
    assert_eq!(host.says(Duration::from_secs(20)), []);
    assert_eq!(host.change(1, GROUP, LEAVE), []);
    // RFC 3376 §7.2.2: with sources, reports of others suppress nothing.
    let mut host = Host::new();
    host.change(1, GROUP, JOIN);
    host.says(MINUTE);
    host.hear(&query(Version::Third, GROUP));
    host.memberships.handle_member(ip(GROUP), host.now);
    assert_eq!(host.says(MINUTE).len(), 1);
}

#[test]
fn a_change_of_version_cancels_what_was_to_be_said() {
    let mut host = Host::new();
    host.change(1, GROUP, JOIN);
    host.change(1, "239.9.9.9", JOIN);
    host.change(1, "239.9.9.9", LEAVE);
    let query = Query {
        max_response: Duration::ZERO,
        ..query(Version::Second, "239.7.7.7")
    };
    host.hear(&query);
    assert!(host.memberships.next().is_some(), "no general query");
    host.hear(&Query {
        group: ip("0.0.0.0"),
        ..query
    });
    let said = host.says(MINUTE);
    assert!(matches!(said[..], [Say::Member { .. }]), "{said:?}");
    assert!(host.memberships.group(ip("239.9.9.9")).is_none());
}

#[test]
fn a_flood_of_queries_that_leave_no_time_has_ten_answers_a_second() {
    for (version, group) in [
        (Version::Third, "0.0.0.0"),
        (Version::Third, GROUP),
        (Version::Second, "0.0.0.0"),
        (Version::Second, GROUP),
    ] {
        let mut host = Host::new();
        host.change(1, GROUP, JOIN);
        host.says(MINUTE);
        let query = Query {
            max_response: Duration::ZERO,
            ..query(version, group)
        };
        let mut said = 0;
        for _ in 0..1000 {
            host.hear(&query);
            said += host.says(Duration::from_millis(1)).len();
        }
        // The first at once, and the last at the very end.
        assert_eq!(said, 11, "{version:?} {group}");
    }
}

#[test]
fn groups_that_every_host_is_in_are_not_told() {
    let mut host = Host::new();
    for group in ["224.0.0.1", "ff02::1", "ff01::99"] {
        assert_eq!(host.change(1, group, JOIN), []);
        assert!(host.memberships.wants(ip(group), ip("10.0.0.1")));
    }
    host.hear(&query(Version::Third, "0.0.0.0"));
    assert_eq!(host.says(MINUTE), []);
}

#[test]
fn groups_and_sources_are_bounded() {
    let mut host = Host::new();
    let mut cx = Context {
        now: host.now,
        rng: &mut host.rng,
    };
    let mut fit = 0;
    for number in 0..2000_u32 {
        let group = IpAddr::from((0xe900_0000 + number).to_be_bytes());
        if host.memberships.has_room(group) {
            host.memberships.change(group, Group::hold, &mut cx);
            fit += 1;
        }
    }
    assert_eq!(fit, 1024);
    // More sources than a report holds are listened to as a whole.
    let mut host = Host::new();
    for number in 0..70_u8 {
        let source = IpAddr::from([10, 0, 1, number]);
        host.change(number.into(), GROUP, MembershipChange::JoinSource(source));
    }
    assert!(
        host.memberships
            .group(ip(GROUP))
            .unwrap()
            .filter()
            .is_everybody()
    );
    assert_eq!(
        host.memberships.group(ip(GROUP)).unwrap().members().count(),
        70
    );
}
