//! How long packets have waited: moving averages, as `tc` shows them.

use crate::time::Duration;

/// Averages in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Delays {
    /// Of all.
    pub(super) average: u64,
    /// It follows long waits at once, and short ones slowly.
    pub(super) peak: u64,
    /// It follows short waits at once, and long ones slowly: those of sparse flows.
    pub(super) base: u64,
}

impl Delays {
    pub(super) fn add(&mut self, waited: Duration) {
        let waited = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        follow(&mut self.average, waited, SLOW);
        let shift = if waited > self.peak { FAST } else { SLOW };
        follow(&mut self.peak, waited, shift);
        let shift = if waited < self.base { FAST } else { SLOW };
        follow(&mut self.base, waited, shift);
    }
}

/// Moves an average by 1/2^`shift` of the difference.
fn follow(average: &mut u64, sample: u64, shift: u32) {
    *average = *average - (*average >> shift) + (sample >> shift);
}

const FAST: u32 = 2;
const SLOW: u32 = 8;
