//! The random decisions of a link, in the order in which packets leave it.

use super::config::{GilbertElliott, LinkConfig};
use crate::seed::Rng;
use crate::time::Duration;

/// A link's luck.
#[derive(Debug)]
pub(super) struct Chance {
    rng: Rng,
    /// The state of [`GilbertElliott`].
    bad: bool,
}

impl Chance {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, bad: false }
    }

    /// Whether the packet is lost at random.
    pub(super) fn loses(&mut self, config: &LinkConfig, is_ack: impl FnOnce() -> bool) -> bool {
        self.happens(config.loss_ppm)
            || config
                .burst_loss
                .is_some_and(|bursts| self.loses_in_burst(bursts))
            || config.ack_loss_ppm > 0 && is_ack() && self.happens(config.ack_loss_ppm)
    }

    fn loses_in_burst(&mut self, bursts: GilbertElliott) -> bool {
        let GilbertElliott {
            good_to_bad_ppm,
            bad_to_good_ppm,
            good_loss_ppm,
            bad_loss_ppm,
        } = bursts;
        let turns = self.happens(if self.bad {
            bad_to_good_ppm
        } else {
            good_to_bad_ppm
        });
        self.bad ^= turns;
        self.happens(if self.bad {
            bad_loss_ppm
        } else {
            good_loss_ppm
        })
    }

    /// By how much a packet is late beyond the delay, with order kept.
    pub(super) fn jitter(&mut self, config: &LinkConfig) -> Duration {
        self.up_to(config.jitter)
    }

    /// By how much a packet is held back for later ones to overtake it.
    pub(super) fn holds_back(&mut self, config: &LinkConfig) -> Option<Duration> {
        if !self.happens(config.reorder_ppm) {
            return None;
        }
        Some(match config.reorder_by {
            Some(most) => self.up_to(most),
            None => (config.delay / 2).max(OVERTAKEN_MIN),
        })
    }

    /// A bit to flip, as a random number to be reduced to the packet's length.
    pub(super) fn flips(&mut self, config: &LinkConfig) -> Option<u64> {
        self.happens(config.corrupt_ppm)
            .then(|| self.rng.next_u64())
    }

    pub(super) fn happens(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.rng.below(1_000_000) < u64::from(per_million)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.rng.below(nanos.saturating_add(1)))
    }
}

const OVERTAKEN_MIN: Duration = Duration::from_millis(1);
