//! ProbeBW: cruise at the estimated bandwidth, look now and then whether there is more, and drain
//! what that has queued.

use super::{Bbr, State, share};
use crate::tcp::congestion::AckSample;
use crate::tcp::congestion::path::Chance;
use crate::time::{Duration, Instant};

/// Headroom, in percent.
const HEADROOM: u64 = 15;
/// Most round trips between probes, so that Reno flows get their share.
const RENO_ROUNDS: u64 = 63;
/// Least time between probes, and the random time on top of it, in ns.
const PROBE_WAIT: Duration = Duration::from_secs(2);
const PROBE_WAIT_SPREAD: u32 = 1_000_000_000;
/// bw_probe_up_rounds ends here.
const MAX_UP_ROUNDS: u8 = 30;

/// What the acknowledgements of a probe mean at present (ack_phase).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckPhase {
    Init,
    Refilling,
    Starting,
    Feedback,
    Stopping,
}

/// The state of probing for bandwidth.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    pub(super) phase: AckPhase,
    /// is_bw_probe_sample.
    pub(super) is_sample: bool,
    /// prev_probe_too_high, prev_probe_precautionary.
    pub(super) too_high: bool,
    precautionary: bool,
    /// bw_probe_up_acked, probe_up_acked_per_inc, bw_probe_up_rounds.
    up_acked: u32,
    up_acked_per_step: u32,
    up_rounds: u8,
    pub(super) rounds_since_up: u64,
    wait: Duration,
    cycle_at: Instant,
    chance: Chance,
}

impl Probe {
    pub(super) fn new(chance: u32) -> Self {
        Self {
            phase: AckPhase::Init,
            is_sample: false,
            too_high: false,
            precautionary: false,
            up_acked: 0,
            up_acked_per_step: u32::MAX,
            up_rounds: 0,
            rounds_since_up: 0,
            wait: Duration::ZERO,
            cycle_at: Instant::ZERO,
            chance: Chance(chance),
        }
    }

    /// bw_probe_wait.
    #[cfg(test)]
    pub(super) const fn wait(&self) -> Duration {
        self.wait
    }

    /// PickProbeWait.
    fn pick_wait(&mut self) {
        self.rounds_since_up = u64::from(self.chance.below(2));
        let spread = self.chance.below(PROBE_WAIT_SPREAD);
        self.wait = PROBE_WAIT + Duration::from_nanos(spread.into());
    }
}

impl Bbr {
    /// StartProbeBW_DOWN.
    pub(super) fn start_down(&mut self, now: Instant) {
        self.reset_congestion_signals();
        self.probe.up_acked_per_step = u32::MAX;
        self.probe.pick_wait();
        self.probe.cycle_at = now;
        self.probe.phase = AckPhase::Stopping;
        self.start_round();
        self.state = State::Down;
    }

    /// StartProbeBW_CRUISE.
    pub(super) fn start_cruise(&mut self) {
        self.state = State::Cruise;
    }

    /// StartProbeBW_REFILL.
    pub(super) fn start_refill(&mut self) {
        self.model.reset_short_term();
        self.probe.up_rounds = 0;
        self.probe.up_acked = 0;
        self.probe.precautionary = false;
        self.probe.phase = AckPhase::Refilling;
        self.start_round();
        self.state = State::Refill;
    }

    /// StartProbeBW_UP.
    fn start_up(&mut self, rate: u64) {
        self.probe.phase = AckPhase::Starting;
        self.start_round();
        self.full.reset(rate);
        self.state = State::Up;
        self.raise_inflight_slope();
    }

    /// UpdateProbeBWCyclePhase.
    pub(super) fn update_probe_bw_phase(&mut self, sample: &AckSample, rate: u64, now: Instant) {
        if !self.full.reached || self.adapt_long_term_model(sample) {
            return;
        }
        let state = self.state;
        match state {
            State::Down => {
                if self.is_time_to_probe(now) {
                    self.start_refill();
                } else if self.is_time_to_cruise(sample) {
                    self.start_cruise();
                }
            }
            State::Cruise if self.is_time_to_probe(now) => self.start_refill(),
            State::Refill if self.rounds.start => {
                self.probe.is_sample = true;
                self.start_up(rate);
            }
            State::Up if self.is_time_to_go_down(sample, rate) => {
                self.probe.too_high = false;
                self.start_down(now);
            }
            _ => {}
        }
    }

    /// IsTimeToProbeBW.
    fn is_time_to_probe(&self, now: Instant) -> bool {
        let elapsed = now > self.probe.cycle_at + self.probe.wait;
        let segments = u64::from(self.target_inflight() / self.mss.max(1));
        elapsed || self.probe.rounds_since_up >= segments.min(RENO_ROUNDS)
    }

    /// IsTimeToCruise.
    fn is_time_to_cruise(&self, sample: &AckSample) -> bool {
        let bdp = self.bdp_of(self.model.max_bandwidth(), 100);
        sample.in_flight_now <= self.inflight_with_headroom()
            && sample.in_flight_now <= self.with_budget(bdp)
    }

    /// IsTimeToGoDown.
    fn is_time_to_go_down(&mut self, sample: &AckSample, rate: u64) -> bool {
        if self.probe.too_high && sample.in_flight_now >= self.model.inflight_long {
            self.probe.precautionary = true;
            return true;
        }
        if sample.cwnd_limited && self.cwnd >= self.model.inflight_long {
            self.full.reset(rate);
            return false;
        }
        self.full.now
    }

    /// TargetInflight.
    pub(super) fn target_inflight(&self) -> u32 {
        self.bdp().min(self.cwnd)
    }

    /// InflightWithHeadroom.
    pub(super) fn inflight_with_headroom(&self) -> u32 {
        let long = self.model.inflight_long;
        if long == u32::MAX {
            return long;
        }
        let headroom = share(long, HEADROOM).max(self.mss);
        long.saturating_sub(headroom).max(self.min_pipe_cwnd())
    }

    /// RaiseInflightLongtermSlope.
    fn raise_inflight_slope(&mut self) {
        let growth = 1 << self.probe.up_rounds;
        self.probe.up_rounds = (self.probe.up_rounds + 1).min(MAX_UP_ROUNDS);
        self.probe.up_acked_per_step = (self.cwnd / growth).max(self.mss);
    }

    /// ProbeInflightLongtermUpward.
    fn raise_inflight_long(&mut self, sample: &AckSample) {
        if !sample.cwnd_limited || self.cwnd < self.model.inflight_long {
            return;
        }
        let probe = &mut self.probe;
        probe.up_acked = probe.up_acked.saturating_add(sample.acked);
        let steps = probe.up_acked / probe.up_acked_per_step.max(1);
        probe.up_acked -= steps * probe.up_acked_per_step;
        let long = &mut self.model.inflight_long;
        *long = long.saturating_add(steps.saturating_mul(self.mss));
        if self.rounds.start {
            self.raise_inflight_slope();
        }
    }

    /// AdaptLongTermModel; whether it has changed the state.
    fn adapt_long_term_model(&mut self, sample: &AckSample) -> bool {
        if self.probe.phase == AckPhase::Starting && self.rounds.start {
            self.probe.phase = AckPhase::Feedback;
        }
        if self.probe.phase == AckPhase::Stopping && self.rounds.start {
            self.probe.is_sample = false;
            self.probe.phase = AckPhase::Init;
            if self.state.probes_bandwidth() {
                if !sample.rate.app_limited {
                    self.model.advance_max_filter();
                }
                if self.probe.precautionary && !self.probe.too_high {
                    self.start_refill();
                    return true;
                }
            }
        }
        let sent = sample.rate.tx_in_flight;
        if self.is_too_high(sample.rate.lost, sent) || self.model.inflight_long == u32::MAX {
            return false;
        }
        self.model.inflight_long = self.model.inflight_long.max(sent);
        if self.state == State::Up {
            self.raise_inflight_long(sample);
        }
        false
    }
}
