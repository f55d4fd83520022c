//! The groups of an interface, and what routers are told of them: the host's half of IGMP (RFC 3376
//! §5, §7.2) and MLD (RFC 3810 §6, §8.2), which differ in their packets alone.

use super::group::Response;
use super::{Filter, Group, Told};
use crate::seed::Rng;
use crate::time::{Duration, Instant};
use crate::wire::ethernet::{ALL_HOSTS, ALL_NODES};
use crate::wire::membership::{Query, Version};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

/// The groups of one family on one interface.
#[derive(Debug)]
pub(crate) struct Memberships {
    groups: BTreeMap<IpAddr, Group>,
    /// There may be routers, which are to know.
    reports: bool,
    /// The version that is spoken: the oldest of the routers that were heard.
    version: Version,
    /// Until then a router that knows only the first version may be there.
    first_until: Instant,
    /// The same for the second.
    second_until: Instant,
    /// How often everything is said, so that a loss does no harm.
    robustness: u8,
    /// Time between general queries.
    interval: Duration,
    /// When a general query is to be answered.
    general: Option<Instant>,
    /// When changes are told again.
    changes: Option<Instant>,
    /// Queries are not answered before, however little time they leave.
    quiet_until: Instant,
}

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// To routers that know sources.
    Report(Vec<Told>),
    /// To older ones: there is a member.
    Member { version: Version, group: IpAddr },
    /// To older ones: there is none any more.
    Leave { group: IpAddr },
}

/// What the machine needs beside itself.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) rng: &'a mut Rng,
}

impl Context<'_> {
    /// A random moment within `time` from now.
    fn within(&mut self, time: Duration) -> Instant {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.now + Duration::from_nanos(self.rng.below(nanos.saturating_add(1)))
    }
}

impl Memberships {
    /// No group; routers are told of those to come if `reports` says so.
    pub(crate) const fn new(reports: bool) -> Self {
        Self {
            groups: BTreeMap::new(),
            reports,
            version: Version::Third,
            first_until: Instant::ZERO,
            second_until: Instant::ZERO,
            robustness: ROBUSTNESS,
            interval: QUERY_INTERVAL,
            general: None,
            changes: None,
            quiet_until: Instant::ZERO,
        }
    }

    /// A group that somebody listens to, or of whose end routers are still told.
    pub(crate) fn group(&self, address: IpAddr) -> Option<&Group> {
        self.groups.get(&address)
    }

    /// The groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (IpAddr, &Group)> {
        self.groups.iter().map(|(&address, group)| (address, group))
    }

    /// Whether packets of the group from `source` are wanted.
    pub(crate) fn wants(&self, address: IpAddr, source: IpAddr) -> bool {
        let group = self.groups.get(&address);
        group.is_some_and(|group| group.filter().allows(source))
    }

    /// Whether there is room for another socket in a group. The stack itself finds room for those that
    /// it has to be in, which are as few as its addresses.
    pub(crate) fn has_room(&self, address: IpAddr) -> bool {
        self.groups.len() < MAX_GROUPS || self.groups.contains_key(&address)
    }

    /// Changes who listens to a group; what routers are to be told at once.
    pub(crate) fn change(
        &mut self,
        address: IpAddr,
        edit: impl FnOnce(&mut Group),
        cx: &mut Context<'_>,
    ) -> Vec<Say> {
        self.follow_version(cx.now);
        let group = self.groups.entry(address).or_default();
        edit(group);
        let before = group.merge();
        let mut said = Vec::new();
        if *group.filter() != before && self.reports && is_reported(address) {
            match self.version {
                Version::Third => {
                    group.note_change(&before, self.robustness);
                    self.tell_changes(Some(address), &mut said, cx);
                }
                old => said.extend(tell_old(group, address, &before, old, self.robustness, cx)),
            }
        }
        self.tidy(address);
        said
    }

    /// A router asks (RFC 3376 §5.2, RFC 3810 §6.2).
    pub(crate) fn handle_query(&mut self, query: &Query<'_>, cx: &mut Context<'_>) {
        if !self.reports {
            return;
        }
        let is_general = query.group.is_unspecified();
        let old_until = cx.now + self.interval * u32::from(self.robustness) + query.max_response;
        match query.version {
            Version::First => self.first_until = old_until,
            Version::Second if is_general => self.second_until = old_until,
            Version::Second => {}
            Version::Third => self.learn(query),
        }
        self.follow_version(cx.now);
        if is_general && self.version == Version::Third {
            let at = cx.within(query.max_response).max(self.quiet_until);
            self.general = Some(self.general.map_or(at, |pending| pending.min(at)));
            return;
        }
        if is_general {
            for (&address, group) in &mut self.groups {
                if is_reported(address) && !group.filter().is_nobody() {
                    let at = cx.within(query.max_response).max(self.quiet_until);
                    respond(group, at, Vec::new());
                }
            }
            return;
        }
        let at = cx.within(query.max_response).max(self.quiet_until);
        if self.general.is_some_and(|pending| pending <= at) || !is_reported(query.group) {
            return;
        }
        let asked = match self.version {
            Version::Third if query.sources.len() <= Filter::MAX_MERGED => {
                query.sources.iter().collect()
            }
            _ => Vec::new(),
        };
        if let Some(group) = self.groups.get_mut(&query.group) {
            respond(group, at, asked);
        }
    }

    /// Another host has told an old router of a group, so that we need not (RFC 2236 §3, RFC 2710
    /// §4).
    pub(crate) fn handle_member(&mut self, address: IpAddr, now: Instant) {
        self.follow_version(now);
        if self.version == Version::Third {
            return;
        }
        if let Some(group) = self.groups.get_mut(&address)
            && group.response.take().is_some()
        {
            group.repeats = 0;
            group.is_last_reporter = false;
        }
    }

    /// Says what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Vec<Say> {
        self.follow_version(cx.now);
        let mut said = Vec::new();
        let mut told = Vec::new();
        let general = self.general.take_if(|at| *at <= cx.now).is_some();
        for (&address, group) in &mut self.groups {
            if general && is_reported(address) && !group.filter().is_nobody() {
                told.push(group.state(address));
            }
            let due = group.response.take_if(|response| response.at <= cx.now);
            match (due, self.version) {
                (Some(due), Version::Third) => told.extend(group.answer(address, &due.sources)),
                (Some(_), version) => {
                    said.push(Say::Member {
                        version,
                        group: address,
                    });
                    group.is_last_reporter = true;
                    repeat(group, cx);
                }
                (None, _) => {}
            }
        }
        if !told.is_empty() {
            said.push(Say::Report(told));
        }
        if !said.is_empty() {
            self.quiet_until = cx.now + ANSWER_INTERVAL;
        }
        if self.changes.take_if(|at| *at <= cx.now).is_some() {
            self.tell_changes(None, &mut said, cx);
        }
        self.groups.retain(|_, group| !group.is_over());
        said
    }

    /// When something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let groups = self.groups.values();
        let responses = groups.filter_map(|group| Some(group.response.as_ref()?.at));
        responses.chain(self.general).chain(self.changes).min()
    }

    /// Takes on what the routers of the newest version say (RFC 3376 §4.1.6, §4.1.7).
    fn learn(&mut self, query: &Query<'_>) {
        self.robustness = match query.robustness {
            0 => ROBUSTNESS,
            told => told,
        };
        if !query.interval.is_zero() {
            self.interval = query.interval;
        }
    }

    /// Speaks as the oldest router does. When that changes, whatever was to be said is not (RFC 3376
    /// §7.2.1, RFC 3810 §8.2.1).
    fn follow_version(&mut self, now: Instant) {
        let version = match (now < self.first_until, now < self.second_until) {
            (true, _) => Version::First,
            (false, true) => Version::Second,
            (false, false) => Version::Third,
        };
        if version == self.version {
            return;
        }
        self.version = version;
        (self.general, self.changes) = (None, None);
        self.groups.values_mut().for_each(Group::cancel);
        self.groups.retain(|_, group| !group.is_over());
    }

    /// Tells of the changes of one group, or of all, and plans the next time.
    fn tell_changes(&mut self, only: Option<IpAddr>, said: &mut Vec<Say>, cx: &mut Context<'_>) {
        let mut told = Vec::new();
        let mut left = false;
        for (&address, group) in &mut self.groups {
            if group.has_changes() && only.is_none_or(|only| only == address) {
                group.tell_changes(address, &mut told);
            }
            left |= group.has_changes();
        }
        if !told.is_empty() {
            said.push(Say::Report(told));
        }
        if left && self.changes.is_none() {
            self.changes = Some(cx.within(UNSOLICITED_REPORT_INTERVAL));
        }
    }

    fn tidy(&mut self, address: IpAddr) {
        if self.groups.get(&address).is_some_and(Group::is_over) {
            self.groups.remove(&address);
        }
    }
}

/// What an old router is told about a group whose filter was `before` (RFC 2236 §3, RFC 2710 §4).
fn tell_old(
    group: &mut Group,
    address: IpAddr,
    before: &Filter,
    version: Version,
    robustness: u8,
    cx: &mut Context<'_>,
) -> Option<Say> {
    match (before.is_nobody(), group.filter().is_nobody()) {
        (true, false) => {
            group.is_last_reporter = true;
            group.repeats = robustness.saturating_sub(1);
            repeat(group, cx);
            Some(Say::Member {
                version,
                group: address,
            })
        }
        (false, true) => {
            group.cancel();
            let leaves = version == Version::Second && group.is_last_reporter;
            leaves.then_some(Say::Leave { group: address })
        }
        _ => None,
    }
}

/// Plans the next report to an old router, if one is left.
fn repeat(group: &mut Group, cx: &mut Context<'_>) {
    if group.repeats > 0 {
        group.repeats -= 1;
        respond(group, cx.within(OLD_REPORT_INTERVAL), Vec::new());
    }
}

/// Plans an answer about a group, joined with one that is planned already (RFC 3376 §5.2, rules 3 to
/// 5).
fn respond(group: &mut Group, at: Instant, asked: Vec<IpAddr>) {
    let Some(pending) = &mut group.response else {
        group.response = Some(Response { at, sources: asked });
        return;
    };
    pending.at = pending.at.min(at);
    if asked.is_empty() || pending.sources.is_empty() {
        pending.sources.clear();
        return;
    }
    pending.sources.extend(asked);
    pending.sources.sort_unstable();
    pending.sources.dedup();
    if pending.sources.len() > Filter::MAX_MERGED {
        pending.sources.clear();
    }
}

/// Whether routers are told of the group: not of those that every host is in, nor of those that never
/// leave it (RFC 3376 §5, RFC 3810 §6).
fn is_reported(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(v4) => v4 != ALL_HOSTS,
        IpAddr::V6(v6) => v6 != ALL_NODES && v6.octets()[1] & 0xf > 1,
    }
}

/// Between two answers to queries, so that nobody makes a host speak as often as he does.
const ANSWER_INTERVAL: Duration = Duration::from_millis(100);
/// Groups that sockets can have an interface be in, for each family.
const MAX_GROUPS: usize = 1024;
/// The Robustness Variable, until a router says otherwise (RFC 3376 §8.1, RFC 3810 §9.1).
const ROBUSTNESS: u8 = 2;
/// The Query Interval, until a router says otherwise (RFC 3376 §8.2, RFC 3810 §9.2).
const QUERY_INTERVAL: Duration = Duration::from_secs(125);
/// Changes are told again within this time (RFC 3376 §8.11, RFC 3810 §9.11).
const UNSOLICITED_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The same to old routers (RFC 2236 §8.10, RFC 2710 §7.10).
const OLD_REPORT_INTERVAL: Duration = Duration::from_secs(10);
