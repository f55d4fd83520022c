//! BBR (draft-ietf-ccwg-bbr, its source of 3 August 2026, commit 4ce5e87 of ietf-wg-ccwg/draft-ietf-ccwg-bbr, which
//! follows revision 06; the third version of the algorithm): a model of the path, its bandwidth,
//! its round trip and the data that it carries without loss, sets rate and window.
//!
//! | question | file | section |
//! | --- | --- | --- |
//! | when what happens, in the order of the draft | here | Algorithm Organization |
//! | bandwidth, round trip, aggregation | [`model`] | Updating Network Path Model Parameters |
//! | what losses mean | [`loss`] | Updating the Model Upon Packet Loss |
//! | is the pipe full | [`startup`] | Startup, Drain |
//! | when to probe for more | [`probe_bw`] | ProbeBW |
//! | when to look at the round trip | [`probe_rtt`] | ProbeRTT, Restarting From Idle |
//! | rate and window | [`control`] | Updating Control Parameters |
//!
//! Names are those of the draft without their prefixes. Rates are bytes of payload a second, volumes
//! bytes, gains percent; `MAX` stands for its Infinity.

mod control;
mod loss;
mod model;
mod probe_bw;
mod probe_rtt;
mod startup;
#[cfg(test)]
mod tests;

use super::path::Rounds;
use super::{AckSample, CongestionControl, Established, LossSample, resized};
use crate::time::Instant;
use loss::Undo;
use model::{Aggregation, Model, RoundTrip};
use probe_bw::Probe;
use probe_rtt::ProbeRtt;
use startup::FullPipe;

/// Beta, in percent.
const BETA: u64 = 70;

/// What the flow is doing (BBR.state, with the phases of ProbeBW).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

impl State {
    /// IsInAProbeBWState.
    const fn probes_bandwidth(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    /// IsProbingBW: accelerating, so that losses are the probe's.
    const fn accelerates(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }

    /// Pacing gain in percent.
    const fn pacing_gain(self) -> u64 {
        match self {
            Self::Startup => 277,
            Self::Drain => 50,
            Self::Down => 90,
            Self::Cruise | Self::Refill | Self::ProbeRtt => 100,
            Self::Up => 125,
        }
    }

    /// cwnd gain in percent.
    const fn cwnd_gain(self) -> u64 {
        match self {
            Self::Startup | Self::Drain | Self::Down | Self::Cruise | Self::Refill => 200,
            Self::Up => 225,
            Self::ProbeRtt => 50,
        }
    }
}

/// State of BBR.
#[derive(Debug, Clone)]
pub struct Bbr {
    mss: u32,
    initial_window: u32,
    cwnd: u32,
    /// The last cwnd that neither loss recovery nor ProbeRTT had touched.
    prior_cwnd: u32,
    pacing_rate: u64,
    /// A burst is what leaves in a millisecond.
    autosizing: bool,
    /// LossThresh, in percent.
    loss_threshold: u64,
    /// C.has_selective_acks.
    sack: bool,
    /// A loss is being repaired.
    in_recovery: bool,
    state: State,
    /// C.delivered.
    delivered: u64,
    rounds: Rounds,
    model: Model,
    round_trip: RoundTrip,
    aggregation: Aggregation,
    full: FullPipe,
    probe: Probe,
    probe_rtt: ProbeRtt,
    undo: Undo,
}

impl Bbr {
    /// A new connection's state; `chance` spreads the probes of flows that share a bottleneck.
    /// `loss_threshold` is LossThresh in percent, below 100; the draft's is 2.
    #[must_use]
    pub fn new(mss: u32, initial_window: u32, chance: u32, loss_threshold: u8) -> Self {
        Self {
            mss,
            initial_window,
            cwnd: initial_window,
            prior_cwnd: 0,
            pacing_rate: control::initial_rate(initial_window, None),
            autosizing: true,
            loss_threshold: u64::from(loss_threshold.min(99)),
            sack: true,
            in_recovery: false,
            state: State::Startup,
            delivered: 0,
            rounds: Rounds::default(),
            model: Model::default(),
            round_trip: RoundTrip::default(),
            aggregation: Aggregation::default(),
            full: FullPipe::default(),
            probe: Probe::new(chance),
            probe_rtt: ProbeRtt::default(),
            undo: Undo::default(),
        }
    }

    /// Whether super-segments follow the rate
    /// ([`TcpConfig::segment_autosizing`](crate::config::TcpConfig::segment_autosizing)); they do if nobody says
    /// otherwise. Where they do not, what hosts hold is counted by the largest of them.
    #[must_use]
    pub const fn with_autosizing(mut self, autosizing: bool) -> Self {
        self.autosizing = autosizing;
        self
    }

    /// UpdateModelAndState.
    fn update_model_and_state(&mut self, sample: &AckSample, now: Instant) {
        self.delivered = sample.delivered;
        let rate = sample.rate.bytes_per_second().unwrap_or(0);
        self.update_latest_delivery_signals(sample, rate);
        self.update_congestion_signals(sample, rate);
        self.update_ack_aggregation(sample, now);
        self.check_full_bandwidth_reached(sample, rate);
        self.check_startup_done(sample);
        self.check_drain_done(sample, now);
        self.update_probe_bw_phase(sample, rate, now);
        self.update_min_rtt(sample, now);
        self.check_probe_rtt(sample, now);
        self.advance_latest_delivery_signals(sample, rate);
        self.model.bound();
    }
}

impl CongestionControl for Bbr {
    fn on_established(&mut self, facts: &Established, now: Instant) {
        self.sack = facts.sack;
        self.round_trip = RoundTrip::new(facts.srtt, now);
        self.aggregation.begin(now);
        self.pacing_rate = control::initial_rate(self.initial_window, facts.srtt);
    }

    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        self.update_model_and_state(sample, now);
        self.set_pacing_rate(self.state.pacing_gain());
        self.set_cwnd(sample);
    }

    fn on_lost(&mut self, lost: &LossSample, now: Instant) {
        self.handle_lost(lost, now);
    }

    fn on_loss(&mut self, _in_flight: u32, _now: Instant) {
        self.save_cwnd();
        self.in_recovery = true;
    }

    fn on_rto(&mut self, _in_flight: u32, _now: Instant) {
        self.note_loss();
        self.save_cwnd();
        self.in_recovery = true;
        // One segment may leave.
        self.cwnd = self.mss;
    }

    fn on_ecn(&mut self, in_flight: u32, now: Instant) {
        self.handle_mark(in_flight, now);
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.in_recovery = false;
        self.restore_cwnd();
    }

    fn on_timeout_recovered(&mut self, now: Instant) {
        self.on_recovered(now);
    }

    fn remember(&mut self, _flight_size: u32) {
        // What it takes to undo is saved when the loss shows: it may end a phase at once.
    }

    fn on_spurious(&mut self, _at_most: u32) {
        // What was saved does not leave as a burst: it is paced.
        self.in_recovery = false;
        self.handle_spurious_loss();
    }

    fn on_restart(&mut self, app_limited: bool, now: Instant) {
        self.handle_restart_from_idle(app_limited, now);
    }

    fn limit_window(&mut self, at_most: u32) {
        self.cwnd = self.cwnd.min(at_most);
    }

    fn governs_recovery(&self) -> bool {
        true
    }

    fn holds_back(&self) -> bool {
        self.state == State::ProbeRtt
    }

    fn window(&self) -> u32 {
        self.cwnd
    }

    fn slow_start_threshold(&self) -> u32 {
        u32::MAX
    }

    fn pacing_rate(&self) -> Option<u64> {
        Some(self.pacing_rate)
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.mss = bytes;
        self.cwnd = self.cwnd.max(bytes);
    }

    /// Bandwidth and round trip stay, by which the window grows again, at its pace; what bounds it is of segments,
    /// as far as queues are.
    fn keep_segments(&mut self, from: u32, to: u32) {
        self.cwnd = resized(self.cwnd, from, to).max(to);
        self.prior_cwnd = resized(self.prior_cwnd, from, to);
        self.keep_segments_of_bounds(from, to);
    }
}

/// `percent` of `value`.
fn share(value: u32, percent: u64) -> u32 {
    u32::try_from(u64::from(value) * percent / 100).unwrap_or(u32::MAX)
}
