//! What losses, and marks, say of the path.

use super::{BETA, Bbr, State, share};
use crate::tcp::congestion::{AckSample, LossSample, resized};
use crate::time::Instant;

/// What is known of the present round trip's losses, and what to go back to if there were none.
#[derive(Debug, Clone, Default)]
pub(super) struct Undo {
    /// is_loss_in_round.
    in_round: bool,
    /// loss_round_delivered, loss_round_start.
    round_delivered: u64,
    round_start: bool,
    /// undo_state: what congestion has ended.
    pub(super) state: Option<State>,
    bandwidth_short: u64,
    inflight_short: u32,
    inflight_long: u32,
}

impl Bbr {
    /// loss_round_start.
    pub(super) const fn loss_round_start(&self) -> bool {
        self.undo.round_start
    }

    /// UpdateLatestDeliverySignals.
    pub(super) fn update_latest_delivery_signals(&mut self, sample: &AckSample, rate: u64) {
        let delivered = volume_of(sample);
        let model = &mut self.model;
        model.bandwidth_latest = model.bandwidth_latest.max(rate);
        model.inflight_latest = model.inflight_latest.max(delivered);
        self.undo.round_start = sample.rate.prior_delivered >= self.undo.round_delivered;
        if self.undo.round_start {
            self.undo.round_delivered = self.delivered;
        }
    }

    /// AdvanceLatestDeliverySignals.
    pub(super) fn advance_latest_delivery_signals(&mut self, sample: &AckSample, rate: u64) {
        if self.undo.round_start {
            self.model.bandwidth_latest = rate;
            self.model.inflight_latest = volume_of(sample);
        }
    }

    /// ResetCongestionSignals.
    pub(super) fn reset_congestion_signals(&mut self) {
        self.undo.in_round = false;
        self.model.bandwidth_latest = 0;
        self.model.inflight_latest = 0;
    }

    /// UpdateCongestionSignals.
    pub(super) fn update_congestion_signals(&mut self, sample: &AckSample, rate: u64) {
        self.update_max_bandwidth(sample, rate);
        if self.undo.round_start {
            self.adapt_lower_bounds();
            self.undo.in_round = false;
        }
    }

    /// AdaptLowerBoundsFromCongestion, with InitLowerBounds and LossLowerBounds.
    fn adapt_lower_bounds(&mut self) {
        if self.state.accelerates() || !self.undo.in_round {
            return;
        }
        let cwnd = self.cwnd;
        let model = &mut self.model;
        if model.bandwidth_short == u64::MAX {
            model.bandwidth_short = model.max_bandwidth();
        }
        if model.inflight_short == u32::MAX {
            model.inflight_short = cwnd;
        }
        let less = u128::from(model.bandwidth_short) * u128::from(BETA) / 100;
        let less = u64::try_from(less).unwrap_or(u64::MAX);
        model.bandwidth_short = model.bandwidth_latest.max(less);
        model.inflight_short = model.inflight_latest.max(share(model.inflight_short, BETA));
    }

    /// NoteLoss.
    pub(super) fn note_loss(&mut self) {
        if !self.undo.in_round {
            self.undo.round_delivered = self.delivered;
            if !self.in_recovery {
                self.save_state();
            }
        }
        self.undo.in_round = true;
    }

    /// SaveStateUponLoss: once in an episode, before anything is done about it.
    fn save_state(&mut self) {
        self.save_cwnd();
        self.undo.state = None;
        self.undo.bandwidth_short = self.model.bandwidth_short;
        self.undo.inflight_short = self.model.inflight_short;
        self.undo.inflight_long = self.model.inflight_long;
    }

    /// HandleLostPacket, of all that one acknowledgement shows to be lost.
    pub(super) fn handle_lost(&mut self, lost: &LossSample, now: Instant) {
        self.delivered = lost.delivered;
        self.note_loss();
        self.full.loss_events = self.full.loss_events.saturating_add(1);
        let Some(sent) = lost.sent.filter(|_| self.probe.is_sample) else {
            return;
        };
        if self.is_too_high(sent.lost, sent.tx_in_flight) {
            let at = self.inflight_at_loss(lost.bytes, sent.lost, sent.tx_in_flight);
            self.handle_inflight_too_high(at, sent.app_limited, now);
        }
    }

    /// The peer echoes a mark with `in_flight` bytes in flight: like a loss above the threshold (the
    /// draft leaves the response open, but for that there must be one).
    pub(super) fn handle_mark(&mut self, in_flight: u32, now: Instant) {
        self.note_loss();
        if self.state == State::Startup {
            self.leave_startup_for_congestion();
        } else if self.probe.is_sample {
            self.handle_inflight_too_high(in_flight, false, now);
        }
    }

    /// IsInflightTooHigh.
    pub(super) fn is_too_high(&self, lost: u64, tx_in_flight: u32) -> bool {
        lost * 100 > u64::from(tx_in_flight) * self.loss_threshold || lost > 0 && !self.sack
    }

    /// InflightAtLoss: with how much in flight the losses crossed the threshold, somewhere in the `bytes`
    /// that are lost.
    fn inflight_at_loss(&self, bytes: u32, lost: u64, tx_in_flight: u32) -> u32 {
        let inflight_before = u64::from(tx_in_flight.saturating_sub(bytes));
        let lost_before = lost.saturating_sub(bytes.into());
        let budget = (inflight_before * self.loss_threshold).saturating_sub(lost_before * 100);
        let prefix = budget / (100 - self.loss_threshold);
        u32::try_from(inflight_before + prefix).unwrap_or(u32::MAX)
    }

    /// HandleInflightTooHigh.
    fn handle_inflight_too_high(&mut self, inflight: u32, app_limited: bool, now: Instant) {
        self.probe.too_high = true;
        self.probe.is_sample = false;
        if !app_limited {
            self.model.inflight_long = inflight.max(share(self.target_inflight(), BETA));
        }
        if self.state == State::Up {
            self.undo.state = Some(State::Up);
            self.start_down(now);
        }
    }

    /// inflight_shortterm and inflight_longterm, and what they may have to become again, keep their number of
    /// segments.
    pub(super) fn keep_segments_of_bounds(&mut self, from: u32, to: u32) {
        let bounds = [
            &mut self.model.inflight_short,
            &mut self.model.inflight_long,
            &mut self.undo.inflight_short,
            &mut self.undo.inflight_long,
        ];
        for bound in bounds {
            *bound = resized(*bound, from, to);
        }
    }

    /// HandleSpuriousLossDetection.
    pub(super) fn handle_spurious_loss(&mut self) {
        self.restore_cwnd();
        self.undo.in_round = false;
        self.full.reset(0);
        let (model, undo) = (&mut self.model, &self.undo);
        model.bandwidth_short = model.bandwidth_short.max(undo.bandwidth_short);
        model.inflight_short = model.inflight_short.max(undo.inflight_short);
        model.inflight_long = model.inflight_long.max(undo.inflight_long);
        match self.undo.state.take() {
            Some(State::Startup) if self.state != State::Startup => {
                self.full.reached = false;
                if self.state != State::ProbeRtt {
                    self.state = State::Startup;
                }
            }
            Some(State::Up) if !matches!(self.state, State::Up | State::ProbeRtt) => {
                self.start_refill();
            }
            _ => {}
        }
    }
}

/// RS.delivered, as a volume in flight.
fn volume_of(sample: &AckSample) -> u32 {
    u32::try_from(sample.rate.delivered).unwrap_or(u32::MAX)
}
