//! The serial line of a link with a rate: one packet at a time.

use crate::time::{Duration, Instant};

/// When the line is free again, to the fraction of a nanosecond.
#[derive(Debug, Default)]
pub(super) struct Line {
    free_at: Instant,
    /// Bit-nanoseconds by which the line is later than `free_at`; below the rate.
    remainder: u128,
    /// Bytes of the packet under way.
    carries: usize,
}

impl Line {
    /// When the next packet can begin.
    pub(super) const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Bytes of the packet under way at `now`.
    pub(super) fn carries(&self, now: Instant) -> usize {
        if self.free_at > now { self.carries } else { 0 }
    }

    /// Begins a packet of `len` bytes at `start`, at which the line is free; when its last bit
    /// leaves. Without a rate that is at once.
    pub(super) fn begin(&mut self, len: usize, rate: Option<u64>, start: Instant) -> Instant {
        self.wait_until(start);
        self.carries = len;
        if let Some(rate) = rate {
            let bits = len as u128 * 8 * 1_000_000_000 + self.remainder;
            self.remainder = bits % u128::from(rate);
            let nanos = u64::try_from(bits / u128::from(rate)).unwrap_or(u64::MAX);
            self.free_at += Duration::from_nanos(nanos);
        }
        self.free_at
    }

    /// The line stays idle until `at`, unless it is busy for longer.
    pub(super) fn wait_until(&mut self, at: Instant) {
        if self.free_at < at {
            self.free_at = at;
            self.remainder = 0;
            self.carries = 0;
        }
    }

    /// The rate changed: a fraction of the old one means nothing any more.
    pub(super) fn on_new_rate(&mut self) {
        self.remainder = 0;
    }
}
