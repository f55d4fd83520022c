//! BBR's first version (draft-cardwell-iccrg-bbr-congestion-control-00): the largest rate of delivery and the
//! smallest round trip of the recent past set rate and window. Linux's `bbr` came from it; of what that got
//! later the pacing margin is here, room for aggregated acknowledgements and sampling of policers are not.
//!
//! Only for being like a kernel's sender, be it to compare with one or to hold one's own among many. It takes
//! neither losses nor marks for a sign of anything beyond one round trip: beside it, loss-based flows get
//! little of a link with a shallow buffer, and what does not fit there is lost.
//! [`Bbr`](super::Bbr), the draft's present version, has the answers to that.
//!
//! | question | file | section |
//! | --- | --- | --- |
//! | when what happens | here | 3.4, 4.2.3.4 |
//! | bandwidth and round trip | [`model`] | 4.1 |
//! | is the pipe full, when to probe | [`states`] | 4.3 |
//! | rate and window | [`control`] | 4.2 |
//!
//! Names are those of the draft without their prefixes. Rates are bytes of payload a second, volumes
//! bytes, gains thousandths.

mod control;
mod model;
mod states;
#[cfg(test)]
mod tests;

use super::path::{Rounds, initial_rate};
use super::{AckSample, CongestionControl, Established, resized};
use crate::time::Instant;
use control::Repair;
use model::{MaxFilter, RoundTrip};
use states::{Cycle, FullPipe, ProbeRtt};

/// BBRHighGain: 2 / ln 2, the least that doubles the rate each round trip (§4.2.1).
const HIGH_GAIN: u64 = 2_885;
/// Its inverse, which takes out in a round trip what Startup has queued (§4.3.3).
const DRAIN_GAIN: u64 = 346;

/// What the flow is doing (BBR.state).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Startup,
    Drain,
    ProbeBw,
    ProbeRtt,
}

/// State of BBR's first version.
#[derive(Debug, Clone)]
pub struct Bbr1 {
    mss: u32,
    initial_window: u32,
    cwnd: u32,
    /// The last cwnd that neither loss recovery nor ProbeRTT had touched.
    prior_cwnd: u32,
    pacing_rate: u64,
    /// A burst is what leaves in a millisecond.
    autosizing: bool,
    state: State,
    delivered: u64,
    rounds: Rounds,
    /// BtlBw.
    bandwidth: MaxFilter,
    /// RTprop.
    round_trip: RoundTrip,
    full: FullPipe,
    cycle: Cycle,
    probe_rtt: ProbeRtt,
    /// idle_restart.
    idle_restart: bool,
    repair: Repair,
    /// The round trip until which the last repair went on that conserved packets.
    repaired_in: Option<u64>,
    /// Ever since that was over something lost has been on its way.
    repair_goes_on: bool,
}

impl Bbr1 {
    /// A new connection's state; `chance` spreads the probes of flows that share a bottleneck.
    #[must_use]
    pub fn new(mss: u32, initial_window: u32, chance: u32) -> Self {
        Self {
            mss,
            initial_window,
            cwnd: initial_window,
            prior_cwnd: 0,
            pacing_rate: initial_rate(initial_window, None, HIGH_GAIN),
            autosizing: true,
            state: State::Startup,
            delivered: 0,
            rounds: Rounds::default(),
            bandwidth: MaxFilter::default(),
            round_trip: RoundTrip::default(),
            full: FullPipe::default(),
            cycle: Cycle::new(chance),
            probe_rtt: ProbeRtt::default(),
            idle_restart: false,
            repair: Repair::None,
            repaired_in: None,
            repair_goes_on: false,
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

    /// UpdateModelAndState (§3.4.1).
    fn update_model_and_state(&mut self, sample: &AckSample, now: Instant) {
        self.delivered = sample.delivered;
        self.update_bandwidth(sample);
        self.check_cycle_phase(sample, now);
        self.check_full_pipe(sample);
        self.check_drain(sample, now);
        self.update_round_trip(sample, now);
        self.check_probe_rtt(sample, now);
    }
}

impl CongestionControl for Bbr1 {
    fn on_established(&mut self, facts: &Established, now: Instant) {
        self.round_trip = RoundTrip::new(facts.srtt, now);
        self.pacing_rate = initial_rate(self.initial_window, facts.srtt, HIGH_GAIN);
    }

    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        self.update_model_and_state(sample, now);
        self.set_pacing_rate(self.pacing_gain());
        self.set_cwnd(sample);
        self.note_repairs(sample);
    }

    fn on_loss(&mut self, _in_flight: u32, _now: Instant) {
        self.begin_repair(self.repair_of_loss());
    }

    fn on_rto(&mut self, _in_flight: u32, _now: Instant) {
        self.save_cwnd();
        self.repair = Repair::Timeout;
        // What is sent again from now on is no part of what was repaired before.
        self.repaired_in = None;
        self.repair_goes_on = false;
        // One segment may leave.
        self.cwnd = self.mss;
    }

    /// §4.2.3.4 for a mark as for a loss (RFC 3168 §5): a round trip of conservation, also behind a repair,
    /// since each window with a mark has to have its answer (RFC 3168 §6.1.2).
    fn on_ecn(&mut self, _in_flight: u32, _now: Instant) {
        self.begin_repair(Repair::Beginning);
    }

    fn on_recovered(&mut self, _now: Instant) {
        // A loss that its probe has repaired has conserved nothing.
        if matches!(self.repair, Repair::Conserving | Repair::Later) {
            self.repaired_in = Some(self.rounds.count);
            self.repair_goes_on = true;
        }
        self.end_repair();
    }

    fn on_timeout_recovered(&mut self, _now: Instant) {
        self.end_repair();
    }

    fn remember(&mut self, _flight_size: u32) {
        // prior_cwnd is what there is to go back to.
    }

    fn on_spurious(&mut self, _at_most: u32) {
        // It is paced and no burst. What slowed Startup down was no lack of bandwidth.
        self.end_repair();
        self.full.restart();
    }

    fn on_restart(&mut self, app_limited: bool, _now: Instant) {
        self.restart_from_idle(app_limited);
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

    fn least_burst(&self) -> u32 {
        self.least_quantum()
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.mss = bytes;
        self.cwnd = self.cwnd.max(bytes);
    }

    /// The model is of bytes, by which the window grows again, at its pace.
    fn keep_segments(&mut self, from: u32, to: u32) {
        self.cwnd = resized(self.cwnd, from, to).max(to);
        self.prior_cwnd = resized(self.prior_cwnd, from, to);
    }
}
