//! The four states (§4.3): Startup doubles the rate until the pipe is full, Drain takes out the queue of
//! that, ProbeBW probes for more in one round trip of eight, and ProbeRTT now and then leaves the pipe
//! so empty that its own round trip shows.

use super::{Bbr1, DRAIN_GAIN, HIGH_GAIN, State};
use crate::tcp::congestion::AckSample;
use crate::tcp::congestion::path::Chance;
use crate::time::{Duration, Instant};

/// The pacing gains of ProbeBW's phases (§4.3.4.1).
const CYCLE: [u64; 8] = [1_250, 750, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000];
/// cwnd gain in ProbeBW: room for acknowledgements that come late and together (§4.2.3.2).
const PROBE_BW_CWND_GAIN: u64 = 2_000;
/// Growth by less is none, and after three such round trips the pipe is full (§4.3.2.2).
const FULL_GROWTH: u64 = 1_250;
const FULL_ROUNDS: u8 = 3;
/// ProbeRTTDuration (§4.3.5).
const PROBE_RTT_DURATION: Duration = Duration::from_millis(200);

/// The full-pipe estimator.
#[derive(Debug, Clone, Default)]
pub(super) struct FullPipe {
    /// filled_pipe: once in the connection's life.
    pub(super) filled: bool,
    bandwidth: u64,
    rounds: u8,
}

impl FullPipe {
    /// The count of round trips without growth begins anew.
    pub(super) fn restart(&mut self) {
        (self.bandwidth, self.rounds) = (0, 0);
    }
}

/// Where in the cycle of gains ProbeBW is.
#[derive(Debug, Clone)]
pub(super) struct Cycle {
    pub(super) phase: usize,
    began_at: Instant,
    chance: Chance,
}

impl Cycle {
    pub(super) const fn new(chance: u32) -> Self {
        Self {
            phase: 0,
            began_at: Instant::ZERO,
            chance: Chance(chance),
        }
    }

    /// AdvanceCyclePhase.
    fn advance(&mut self, now: Instant) {
        self.began_at = now;
        self.phase = (self.phase + 1) % CYCLE.len();
    }
}

/// The present ProbeRTT.
#[derive(Debug, Clone, Default)]
pub(super) struct ProbeRtt {
    /// probe_rtt_done_stamp, once little is in flight.
    done_at: Option<Instant>,
    round_done: bool,
}

impl Bbr1 {
    /// pacing_gain.
    pub(super) fn pacing_gain(&self) -> u64 {
        match self.state {
            State::Startup => HIGH_GAIN,
            State::Drain => DRAIN_GAIN,
            State::ProbeBw => CYCLE[self.cycle.phase],
            State::ProbeRtt => 1_000,
        }
    }

    /// Whether it is looking for more bandwidth in ProbeBW.
    pub(super) fn probes(&self) -> bool {
        self.state == State::ProbeBw && self.pacing_gain() > 1_000
    }

    /// cwnd_gain.
    pub(super) const fn cwnd_gain(&self) -> u64 {
        match self.state {
            State::Startup | State::Drain => HIGH_GAIN,
            State::ProbeBw => PROBE_BW_CWND_GAIN,
            State::ProbeRtt => 1_000,
        }
    }

    /// CheckFullPipe (§4.3.2.2).
    pub(super) fn check_full_pipe(&mut self, sample: &AckSample) {
        let full = &mut self.full;
        if full.filled || !self.rounds.start || sample.rate.app_limited {
            return;
        }
        let bandwidth = self.bandwidth.max();
        if u128::from(bandwidth) * 1000 >= u128::from(full.bandwidth) * u128::from(FULL_GROWTH) {
            (full.bandwidth, full.rounds) = (bandwidth, 0);
            return;
        }
        full.rounds += 1;
        full.filled = full.rounds >= FULL_ROUNDS;
    }

    /// CheckDrain (§4.3.3).
    pub(super) fn check_drain(&mut self, sample: &AckSample, now: Instant) {
        if self.state == State::Startup && self.full.filled {
            self.state = State::Drain;
        }
        if self.state == State::Drain && sample.in_flight_now <= self.inflight(1_000) {
            self.enter_probe_bw(now);
        }
    }

    /// EnterProbeBW (§4.3.4.3): in any phase but the one that sends less, for which there is no reason yet.
    fn enter_probe_bw(&mut self, now: Instant) {
        self.state = State::ProbeBw;
        self.cycle.phase = CYCLE.len() - 1 - self.cycle.chance.below(7) as usize;
        self.cycle.advance(now);
    }

    /// CheckCyclePhase (§4.3.4.3).
    pub(super) fn check_cycle_phase(&mut self, sample: &AckSample, now: Instant) {
        if self.state == State::ProbeBw && self.is_next_cycle_phase(sample, now) {
            self.cycle.advance(now);
        }
    }

    /// IsNextCyclePhase: a phase takes a round trip; one that probes as long as it takes until there is
    /// that much more in flight, or losses show that it cannot be; one that drains no longer than it has to.
    fn is_next_cycle_phase(&self, sample: &AckSample, now: Instant) -> bool {
        let trip = self.round_trip.min.unwrap_or_default();
        let full_length = now.saturating_since(self.cycle.began_at) > trip;
        let gain = self.pacing_gain();
        if gain > 1_000 {
            full_length && (sample.lost > 0 || sample.in_flight >= self.inflight(gain))
        } else if gain < 1_000 {
            full_length || sample.in_flight <= self.inflight(1_000)
        } else {
            full_length
        }
    }

    /// CheckProbeRTT (§4.3.5).
    pub(super) fn check_probe_rtt(&mut self, sample: &AckSample, now: Instant) {
        let due = self.round_trip.expired && !self.idle_restart;
        if self.state != State::ProbeRtt && due {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.probe_rtt.done_at = None;
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(sample, now);
        }
        if sample.rate.delivered > 0 {
            self.idle_restart = false;
        }
    }

    /// HandleProbeRTT. That the samples count as limited by the application is the connection's to see to
    /// ([`holds_back`](crate::tcp::congestion::CongestionControl::holds_back)).
    fn handle_probe_rtt(&mut self, sample: &AckSample, now: Instant) {
        let Some(done_at) = self.probe_rtt.done_at else {
            if sample.in_flight_now <= self.min_pipe_cwnd() {
                self.probe_rtt.done_at = Some(now + PROBE_RTT_DURATION);
                self.probe_rtt.round_done = false;
                self.rounds.begin(self.delivered);
            }
            return;
        };
        self.probe_rtt.round_done |= self.rounds.start;
        if self.probe_rtt.round_done && now > done_at {
            self.round_trip.min_at = now;
            self.restore_cwnd();
            if self.full.filled {
                self.enter_probe_bw(now);
            } else {
                self.state = State::Startup;
            }
        }
    }

    /// HandleRestartFromIdle (§4.3.4.4): at the bandwidth that is known, not at a probe's.
    pub(super) fn restart_from_idle(&mut self, app_limited: bool) {
        if !app_limited {
            return;
        }
        self.idle_restart = true;
        if self.state == State::ProbeBw {
            self.set_pacing_rate(1_000);
        }
    }
}
