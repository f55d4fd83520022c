//! What both versions of BBR look at a path with.

use super::AckSample;
use crate::time::Duration;

/// Packet-timed round trips (BBR.round_count).
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds {
    pub(super) count: u64,
    /// The present acknowledgement begins one.
    pub(super) start: bool,
    /// It ends when something is acknowledged that left after so much was delivered.
    next_delivered: u64,
}

impl Rounds {
    /// A round begins, with `delivered` bytes delivered so far.
    pub(super) fn begin(&mut self, delivered: u64) {
        self.next_delivered = delivered;
    }

    /// UpdateRound.
    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        self.start = sample.rate.prior_delivered >= self.next_delivered;
        if self.start {
            self.begin(sample.delivered);
            self.count += 1;
        }
    }
}

/// The state of a generator of chance, so that flows which share a bottleneck do not probe in step.
#[derive(Debug, Clone)]
pub(super) struct Chance(pub(super) u32);

impl Chance {
    /// The next number of a linear congruential generator, of which the upper bits are good.
    fn advance(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.advance()) * u64::from(bound)) >> 32) as u32
    }
}

/// The bytes that `rate` moves in `time`.
pub(super) fn volume(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate).saturating_mul(time.as_nanos()) / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// InitPacingRate, with a gain in thousandths: the first window in a round trip, or in a millisecond where
/// the handshake measured none.
pub(super) fn initial_rate(initial_window: u32, srtt: Option<Duration>, gain: u64) -> u64 {
    let trip = srtt.unwrap_or(Duration::from_millis(1)).as_nanos().max(1);
    let rate = u128::from(initial_window) * u128::from(gain) * 1_000_000 / trip;
    u64::try_from(rate).unwrap_or(u64::MAX)
}
