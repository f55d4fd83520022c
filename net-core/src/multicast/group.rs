//! A group on one interface: who listens to it, and what routers still have to be told.

use super::Filter;
use crate::socket::SocketId;
use crate::time::Instant;
use crate::wire::membership::RecordKind;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;

/// What is listened to of a group, by whom.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// How often the stack itself has joined it.
    held: u32,
    /// The sockets that have joined it, with what each wants.
    members: BTreeMap<SocketId, Filter>,
    /// All that together.
    filter: Filter,
    /// How many more reports tell of a new filter mode.
    mode_reports: u8,
    /// Sources that were added or taken out, with how many more reports tell of it.
    changed_sources: Vec<(IpAddr, u8)>,
    /// The answer that a router waits for.
    pub(super) response: Option<Response>,
    /// How many more reports tell an old router that there is a member.
    pub(super) repeats: u8,
    /// Nobody else has told an old router of the group since we did.
    pub(super) is_last_reporter: bool,
}

/// An answer to a query about a group, to be given later.
#[derive(Debug)]
pub(super) struct Response {
    /// When.
    pub(super) at: Instant,
    /// The sources that were asked for; none: all.
    pub(super) sources: Vec<IpAddr>,
}

/// What a report says of a group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: RecordKind,
    pub(crate) group: IpAddr,
    pub(crate) sources: Vec<IpAddr>,
}

impl Group {
    /// The stack joins it.
    pub(crate) const fn hold(&mut self) {
        self.held += 1;
    }

    /// The stack leaves it, as often as it joined.
    pub(crate) const fn release(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// What a socket hears of it, if it is a member.
    pub(crate) fn member(&self, socket: SocketId) -> Option<&Filter> {
        self.members.get(&socket)
    }

    /// Says what a socket is to hear; `None`: it is no member.
    pub(crate) fn set_member(&mut self, socket: SocketId, filter: Option<Filter>) {
        match filter {
            Some(filter) => self.members.insert(socket, filter),
            None => self.members.remove(&socket),
        };
    }

    /// The sockets that are members.
    pub(crate) fn members(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.members.keys().copied()
    }

    /// What is wanted by somebody.
    pub(crate) const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Merges what is wanted anew; what it was before.
    pub(super) fn merge(&mut self) -> Filter {
        let merged = if self.held > 0 {
            Filter::everybody()
        } else {
            Filter::merge(self.members.values())
        };
        mem::replace(&mut self.filter, merged)
    }

    /// The filter was `before`: `robustness` reports are to tell what it is now (RFC 3376 §5.1, RFC
    /// 3810 §6.1).
    pub(super) fn note_change(&mut self, before: &Filter, robustness: u8) {
        let after = &self.filter;
        if before.excludes() != after.excludes() {
            self.mode_reports = robustness;
            self.changed_sources.clear();
            return;
        }
        let gone = before.sources().iter();
        let gone = gone.filter(|source| !after.sources().contains(source));
        let new = after.sources().iter();
        let new = new.filter(|source| !before.sources().contains(source));
        for &source in gone.chain(new) {
            self.changed_sources.retain(|(other, _)| *other != source);
            self.changed_sources.push((source, robustness));
        }
        // What does not fit one report is told as a whole.
        if self.changed_sources.len() > Filter::MAX_MERGED {
            self.mode_reports = robustness;
            self.changed_sources.clear();
        }
    }

    /// Whether changes of it are still to be told.
    pub(super) const fn has_changes(&self) -> bool {
        self.mode_reports > 0 || !self.changed_sources.is_empty()
    }

    /// What the next report says of changes, one report fewer to go.
    pub(super) fn tell_changes(&mut self, group: IpAddr, told: &mut Vec<Told>) {
        if self.mode_reports > 0 {
            self.mode_reports -= 1;
            told.push(self.whole(group, RecordKind::ToInclude, RecordKind::ToExclude));
            return;
        }
        for (kind, wanted) in [(RecordKind::AllowNew, true), (RecordKind::BlockOld, false)] {
            let changed = self.changed_sources.iter().map(|(source, _)| *source);
            let sources: Vec<_> = changed
                .filter(|&source| self.filter.allows(source) == wanted)
                .collect();
            if !sources.is_empty() {
                told.push(Told {
                    kind,
                    group,
                    sources,
                });
            }
        }
        self.changed_sources.retain_mut(|(_, left)| {
            *left = left.saturating_sub(1);
            *left > 0
        });
    }

    /// What an answer to a general query says of it.
    pub(super) fn state(&self, group: IpAddr) -> Told {
        self.whole(group, RecordKind::IsInclude, RecordKind::IsExclude)
    }

    fn whole(&self, group: IpAddr, include: RecordKind, exclude: RecordKind) -> Told {
        Told {
            kind: if self.filter.excludes() {
                exclude
            } else {
                include
            },
            group,
            sources: self.filter.sources().to_vec(),
        }
    }

    /// What an answer says to who asked for `sources`, if there is anything to say (RFC 3376 §5.2,
    /// RFC 3810 §6.3).
    pub(super) fn answer(&self, group: IpAddr, sources: &[IpAddr]) -> Option<Told> {
        if self.filter.is_nobody() {
            return None;
        }
        if sources.is_empty() {
            return Some(self.state(group));
        }
        let wanted = |source: &IpAddr| self.filter.allows(*source);
        let sources: Vec<_> = sources.iter().copied().filter(wanted).collect();
        (!sources.is_empty()).then_some(Told {
            kind: RecordKind::IsInclude,
            group,
            sources,
        })
    }

    /// Forgets whatever was to be told.
    pub(super) fn cancel(&mut self) {
        self.mode_reports = 0;
        self.changed_sources.clear();
        self.response = None;
        self.repeats = 0;
    }

    /// Whether nothing is to be kept of it.
    pub(super) fn is_over(&self) -> bool {
        self.held == 0 && self.members.is_empty() && !self.has_changes()
    }
}
