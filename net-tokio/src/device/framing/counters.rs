//! What a framing counts.

use net_core::stats::DropReason;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was dropped between the device and the stack.
#[derive(Debug, Default)]
pub(in super::super) struct Counters {
    /// System calls of a packet socket that have given frames, and that have taken some.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "only Linux has such sockets")
    )]
    pub(in super::super) recv_calls: AtomicU64,
    pub(in super::super) send_calls: AtomicU64,
    pub(in super::super) malformed: AtomicU64,
    pub(in super::super) refused: AtomicU64,
    /// Of those that are malformed.
    truncated: AtomicU64,
    other_protocol: AtomicU64,
    other_version: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, reason: DropReason) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
        if let Some(counter) = self.of(reason) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The malformed packets that were dropped for one of the reasons that the header of a tunnel gives.
    pub(in super::super) fn dropped(&self, reason: DropReason) -> u64 {
        self.of(reason)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn of(&self, reason: DropReason) -> Option<&AtomicU64> {
        match reason {
            DropReason::Truncated => Some(&self.truncated),
            DropReason::EtherType => Some(&self.other_protocol),
            DropReason::IpVersion => Some(&self.other_version),
            _ => None,
        }
    }
}
