//! What rules have written down.

use super::Fields;
use crate::hook::HookPoint;
use crate::iface::IfaceId;
use crate::time::Instant;
use crate::wire::IpHeader;
use alloc::collections::VecDeque;
use alloc::string::String;

/// A packet that a rule with [`Log`](super::Action::Log) held for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// What the rule calls it.
    pub prefix: String,
    /// When that was.
    pub time: Instant,
    /// Where on its way the packet was.
    pub at: HookPoint,
    /// The interface that it came in over.
    pub came_over: Option<IfaceId>,
    /// The interface that it leaves over, where that is known.
    pub leaves_over: Option<IfaceId>,
    /// Its IP header; of an ARP packet one that says nothing but the protocol addresses of sender and target.
    pub ip: IpHeader,
    /// Its source and destination port.
    pub ports: Option<(u16, u16)>,
    /// Its length in bytes.
    pub len: usize,
    /// Its mark.
    pub mark: u32,
}

/// Entries that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<LogEntry>,
    lost: u64,
}

impl Log {
    pub(super) fn write(
        &mut self,
        prefix: &str,
        at: HookPoint,
        packet: &Fields<'_, '_>,
        now: Instant,
    ) {
        if self.entries.len() >= MAX_ENTRIES {
            self.lost += 1;
            return;
        }
        self.entries.push_back(LogEntry {
            prefix: prefix.into(),
            time: now,
            at,
            came_over: packet.view.came_over,
            leaves_over: packet.view.leaves_over,
            ip: *packet.view.ip,
            ports: packet.ports(),
            len: packet.view.len,
            mark: *packet.view.mark,
        });
    }

    pub(crate) fn take(&mut self) -> Option<LogEntry> {
        self.entries.pop_front()
    }

    /// Entries that there was no room for.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }
}

/// Entries that wait at most; what comes then is counted only.
const MAX_ENTRIES: usize = 1024;
