//! Startup doubles the rate each round trip until the pipe is full; Drain takes out the queue that
//! this has made.

use super::{Bbr, State};
use crate::tcp::congestion::AckSample;
use crate::time::Instant;

/// BBRStartupFullLossCnt: lost ranges in a round trip that, with LossThresh, end Startup.
const FULL_LOSS_COUNT: u8 = 6;
/// Round trips without growth that show a full pipe.
const FULL_ROUNDS: u8 = 3;
/// Growth by less than this many percent is none.
const GROWTH: u64 = 125;
/// Round trips that Drain may take.
const DRAIN_ROUNDS: u64 = 3;

/// The full-pipe estimator.
#[derive(Debug, Clone, Default)]
pub(super) struct FullPipe {
    /// full_bw_reached: once in the connection's life.
    pub(super) reached: bool,
    /// full_bw_now: since the last look.
    pub(super) now: bool,
    bandwidth: u64,
    rounds: u8,
    /// Ranges lost in the present round trip.
    pub(super) loss_events: u8,
    drain_began: u64,
}

impl FullPipe {
    /// ResetFullBW, with `bandwidth` as the baseline.
    pub(super) fn reset(&mut self, bandwidth: u64) {
        self.bandwidth = bandwidth;
        self.rounds = 0;
        self.now = false;
    }
}

impl Bbr {
    /// CheckFullBWReached.
    pub(super) fn check_full_bandwidth_reached(&mut self, sample: &AckSample, rate: u64) {
        let full = &mut self.full;
        if full.now || !self.rounds.start || sample.rate.app_limited {
            return;
        }
        if u128::from(rate) * 100 >= u128::from(full.bandwidth) * u128::from(GROWTH) {
            full.reset(rate);
            return;
        }
        full.rounds += 1;
        full.now = full.rounds >= FULL_ROUNDS;
        full.reached |= full.now;
    }

    /// CheckStartupDone.
    pub(super) fn check_startup_done(&mut self, sample: &AckSample) {
        self.check_startup_high_loss(sample);
        if self.state == State::Startup && self.full.reached {
            self.enter_drain();
        }
    }

    /// CheckStartupHighLoss. The end of the round trip of a loss is at least a round trip after its
    /// recovery began.
    fn check_startup_high_loss(&mut self, sample: &AckSample) {
        let enough = if self.sack {
            self.loss_round_start()
                && self.full.loss_events >= FULL_LOSS_COUNT
                && self.is_too_high(sample.rate.lost, sample.rate.tx_in_flight)
        } else {
            self.full.loss_events > 0
        };
        if self.state == State::Startup && sample.in_recovery && enough {
            self.leave_startup_for_congestion();
        }
        if self.loss_round_start() {
            self.full.loss_events = 0;
        }
    }

    /// The pipe is full by what congestion says.
    pub(super) fn leave_startup_for_congestion(&mut self) {
        self.undo.state = Some(State::Startup);
        self.full.reached = true;
        self.model.inflight_long = self.bdp().max(self.model.inflight_latest);
    }

    /// EnterDrain.
    fn enter_drain(&mut self) {
        self.state = State::Drain;
        self.full.drain_began = self.rounds.count;
    }

    /// CheckDrainDone.
    pub(super) fn check_drain_done(&mut self, sample: &AckSample, now: Instant) {
        if self.state != State::Drain {
            return;
        }
        let drained = sample.in_flight_now <= self.with_budget(self.bdp());
        if drained || self.rounds.count > self.full.drain_began + DRAIN_ROUNDS {
            self.start_down(now);
        }
    }
}
