//! ProbeRTT: now and then so little is in flight that the path's own round trip shows. And what
//! changes when a flow was idle, which shows it just as well.

use super::probe_bw::AckPhase;
use super::{Bbr, State};
use crate::tcp::congestion::AckSample;
use crate::time::{Duration, Instant};

/// ProbeRTTDuration.
const DURATION: Duration = Duration::from_millis(200);

/// The present ProbeRTT, and idle time.
#[derive(Debug, Clone, Default)]
pub(super) struct ProbeRtt {
    /// probe_rtt_done_stamp, once little is in flight.
    done_at: Option<Instant>,
    round_done: bool,
    /// idle_restart.
    idle_restart: bool,
}

impl Bbr {
    /// CheckProbeRTT.
    pub(super) fn check_probe_rtt(&mut self, sample: &AckSample, now: Instant) {
        let due = self.round_trip.expired && !self.probe_rtt.idle_restart;
        if self.state != State::ProbeRtt && due {
            self.save_cwnd();
            self.state = State::ProbeRtt;
            self.probe_rtt.done_at = None;
            self.probe.phase = AckPhase::Stopping;
            self.start_round();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(sample, now);
        }
        if sample.rate.delivered > 0 {
            self.probe_rtt.idle_restart = false;
        }
    }

    /// HandleProbeRTT. That the samples count as limited by the application is the connection's to
    /// see to ([`holds_back`](crate::tcp::congestion::CongestionControl::holds_back)).
    fn handle_probe_rtt(&mut self, sample: &AckSample, now: Instant) {
        if self.probe_rtt.done_at.is_none() {
            if sample.in_flight_now <= self.probe_rtt_cwnd() {
                self.probe_rtt.done_at = Some(now + DURATION);
                self.probe_rtt.round_done = false;
                self.start_round();
            }
            return;
        }
        self.probe_rtt.round_done |= self.rounds.start;
        if self.probe_rtt.round_done {
            self.check_probe_rtt_done(now);
        }
    }

    /// CheckProbeRTTDone.
    fn check_probe_rtt_done(&mut self, now: Instant) {
        if self.probe_rtt.done_at.is_some_and(|done| now > done) {
            self.round_trip.probe_min_at = now;
            self.restore_cwnd();
            self.exit_probe_rtt(now);
        }
    }

    /// ExitProbeRTT.
    fn exit_probe_rtt(&mut self, now: Instant) {
        self.model.reset_short_term();
        if self.full.reached {
            self.start_down(now);
            self.start_cruise();
        } else {
            self.state = State::Startup;
        }
    }

    /// HandleRestartFromIdle: something leaves, and nothing was in flight.
    pub(super) fn handle_restart_from_idle(&mut self, app_limited: bool, now: Instant) {
        if !app_limited {
            return;
        }
        self.probe_rtt.idle_restart = true;
        self.aggregation.begin(now);
        if self.state.probes_bandwidth() {
            self.set_pacing_rate(100);
        } else if self.state == State::ProbeRtt {
            self.check_probe_rtt_done(now);
        }
    }
}
