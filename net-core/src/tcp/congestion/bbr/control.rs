//! Rate and window from the model.

use super::{Bbr, State};
use crate::tcp::congestion::{AckSample, path};
use crate::time::Duration;

/// PacingMarginPercent.
const PACING_MARGIN: u64 = 1;
/// The largest send_quantum.
const MAX_QUANTUM: u32 = 64 << 10;

/// InitPacingRate.
pub(super) fn initial_rate(initial_window: u32, srtt: Option<Duration>) -> u64 {
    path::initial_rate(initial_window, srtt, State::Startup.pacing_gain() * 10)
}

impl Bbr {
    /// SetPacingRateWithGain, in percent.
    pub(super) fn set_pacing_rate(&mut self, gain: u64) {
        if self.model.bandwidth == 0 {
            // Nothing was measured so far.
            return;
        }
        let rate =
            u128::from(self.model.bandwidth) * u128::from(gain) * u128::from(100 - PACING_MARGIN)
                / 10_000;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        if self.full.reached || rate > self.pacing_rate {
            self.pacing_rate = rate;
        }
    }

    /// SetSendQuantum. The pacer's is less at low rates, which the draft wants; this one is for
    /// what hosts hold.
    pub(super) fn send_quantum(&self) -> u32 {
        if !self.autosizing {
            return MAX_QUANTUM;
        }
        let millisecond = u32::try_from(self.pacing_rate / 1000).unwrap_or(u32::MAX);
        millisecond.min(MAX_QUANTUM).max(self.mss.saturating_mul(2))
    }

    /// SetCwnd.
    pub(super) fn set_cwnd(&mut self, sample: &AckSample) {
        let inflight = self.bdp_of(self.model.bandwidth, self.state.cwnd_gain());
        let inflight = inflight.saturating_add(self.aggregation.extra());
        let max_inflight = self.with_budget(inflight);
        let grown = self.cwnd.saturating_add(sample.acked);
        if self.full.reached {
            self.cwnd = grown.min(max_inflight);
        } else if self.cwnd < max_inflight || self.delivered < u64::from(self.initial_window) {
            self.cwnd = grown;
        }
        self.cwnd = self.cwnd.max(self.min_pipe_cwnd());
        if self.state == State::ProbeRtt {
            self.cwnd = self.cwnd.min(self.probe_rtt_cwnd());
        }
        self.bound_cwnd();
    }

    /// ProbeRTTCwnd.
    pub(super) fn probe_rtt_cwnd(&self) -> u32 {
        self.bdp_of(self.model.bandwidth, State::ProbeRtt.cwnd_gain())
            .max(self.min_pipe_cwnd())
    }

    /// BoundCwndForModel.
    fn bound_cwnd(&mut self) {
        let cap = match self.state {
            State::Down | State::Refill | State::Up => self.model.inflight_long,
            State::Cruise | State::ProbeRtt => self.inflight_with_headroom(),
            State::Startup | State::Drain => u32::MAX,
        };
        let cap = cap.min(self.model.inflight_short);
        self.cwnd = self.cwnd.min(cap.max(self.min_pipe_cwnd()));
    }

    /// SaveCwnd.
    pub(super) fn save_cwnd(&mut self) {
        self.prior_cwnd = if self.in_recovery || self.state == State::ProbeRtt {
            self.prior_cwnd.max(self.cwnd)
        } else {
            self.cwnd
        };
    }

    /// RestoreCwnd.
    pub(super) fn restore_cwnd(&mut self) {
        self.cwnd = self.cwnd.max(self.prior_cwnd);
    }
}
