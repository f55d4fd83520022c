//! Warnings about what is dropped for want of room, and about routers that contradict each other.

use net_core::stats::{DropReason, Stats};
use net_core::time::Duration;
use net_core::{Instant, Stack};

/// Says of each reason that packets are dropped for it, at most once in [`INTERVAL`].
#[derive(Debug)]
pub(super) struct Warnings {
    rows: [Row; ROWS.len()],
    /// All counters together, when they were looked at last.
    sum: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// The counter when it was spoken of last.
    said: u64,
    /// When that may be again.
    next: Instant,
}

/// Something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Warning {
    reason: DropReason,
    /// Packets since the last time.
    count: u64,
    advice: &'static str,
}

impl Warnings {
    pub(super) fn new() -> Self {
        Self {
            rows: [Row::default(); ROWS.len()],
            sum: 0,
        }
    }

    /// What there is to say now.
    pub(super) fn look(&mut self, stats: &Stats, now: Instant) -> impl Iterator<Item = Warning> {
        let sum = ROWS.iter().map(|(reason, _)| stats.drops(*reason)).sum();
        let news = std::mem::replace(&mut self.sum, sum) != sum;
        let rows = if news { &mut self.rows[..] } else { &mut [] };
        rows.iter_mut()
            .zip(ROWS)
            .filter_map(move |(row, (reason, advice))| {
                let total = stats.drops(reason);
                if total == row.said || now < row.next {
                    return None;
                }
                let count = total - row.said;
                *row = Row {
                    said: total,
                    next: now + INTERVAL,
                };
                Some(Warning {
                    reason,
                    count,
                    advice,
                })
            })
    }
}

impl Warning {
    pub(super) fn say(self) {
        let Self {
            reason,
            count,
            advice,
        } = self;
        tracing::warn!(%reason, count, "packets were dropped: {advice}");
    }
}

/// Tells that another router on a link advertises something else than this one does (RFC 4861 §6.2.7).
pub(super) fn tell_inconsistency(stack: &mut Stack) {
    while let Some((iface, inconsistency)) = stack.poll_router_inconsistency() {
        let mut ifaces = stack.ifaces();
        let found = ifaces.find_map(|(id, config)| (id == iface).then_some(config.name.as_str()));
        tracing::warn!(
            interface = found,
            router = %inconsistency.router,
            "another router advertises another {} than this one",
            inconsistency.variable
        );
    }
}

/// Reasons that somebody has to do something about, and what.
const ROWS: [(DropReason, &str); 4] = [
    (
        DropReason::SynQueueFull,
        "a listener is flooded with SYNs, or its backlog is too small",
    ),
    (
        DropReason::AcceptQueueFull,
        "a server accepts more slowly than clients connect; let it accept, or raise its backlog",
    ),
    (
        DropReason::NoMemory,
        "the stack's memory budget is spent; raise Config::memory, or read and accept faster",
    ),
    (
        DropReason::OutOfOrderFull,
        "a peer sends more pieces out of order than are kept",
    ),
];

/// The least time between two warnings about the same.
const INTERVAL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_at_most_once_in_five_seconds() {
        let mut warnings = Warnings::new();
        let mut stats = Stats::default();
        let mut told = |stats: &Stats, millis| {
            let now = Instant::from_millis(millis);
            let all: Vec<_> = warnings.look(stats, now).collect();
            all.iter()
                .map(|warning| (warning.reason, warning.count))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&stats, 0), []);
        let drop = |stats: &mut Stats, reason, count| {
            (0..count).for_each(|_| stats.count_drop(reason));
        };
        drop(&mut stats, DropReason::SynQueueFull, 3);
        drop(&mut stats, DropReason::NoSocket, 9);
        assert_eq!(told(&stats, 10), [(DropReason::SynQueueFull, 3)]);
        drop(&mut stats, DropReason::SynQueueFull, 4);
        drop(&mut stats, DropReason::NoMemory, 1);
        assert_eq!(told(&stats, 20), [(DropReason::NoMemory, 1)]);
        assert_eq!(told(&stats, 4_999), []);
        drop(&mut stats, DropReason::SynQueueFull, 1);
        assert_eq!(told(&stats, 5_010), [(DropReason::SynQueueFull, 5)]);
        assert_eq!(told(&stats, 20_000), []);
    }
}
