//! Validation of the congestion window (RFC 7661), for applications that send now and then: a window
//! that was not used lately stays, but is not trusted.
//!
//! In place of the decay of RFC 5681 §4.1, and only where it is configured and congestion control works
//! by its window. That acknowledgements do not widen a window of which less than half is used (§4.4) holds
//! for every connection (`fills_window` in [`ack`](super::ack)). What the network has acknowledged in a
//! round trip (pipeACK) says how much of the window is known to be good; the estimator of the delivery rate
//! measures just that.

use super::congestion::{CongestionControl, RateSample};
use super::connection::{Connection, Context};
use crate::must::must;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;

/// The pipeACK Sampling Period is so many round trips, and at least so long (§4.2).
const SAMPLING_TRIPS: u32 = 3;
const SAMPLING_TIME: Duration = Duration::from_secs(1);
/// The non-validated period: how long an unused window is kept (§4.4).
const NON_VALIDATED_PERIOD: Duration = Duration::from_secs(300);

/// The state of one connection.
#[derive(Debug, Default)]
pub(crate) struct Validation {
    /// The largest samples of this half of the sampling period and of the one before, in bytes;
    /// `None`: undefined.
    samples: [Option<u32>; 2],
    half_began: Instant,
    /// When the window last was known to be good, or was last adjusted.
    good_at: Instant,
    /// So much was delivered when the last recovery ended: what left before is no sample.
    recovered_at: u64,
    /// LossFlightSize or, where that is larger, pipeACK, while a recovery runs that began in the
    /// non-validated phase; and the bytes that had been sent again before it.
    at_loss: Option<(u32, u64)>,
}

impl Validation {
    /// pipeACK; `None`: undefined.
    fn pipe_ack(&self) -> Option<u32> {
        self.samples[0].max(self.samples[1])
    }

    /// Whether the window is in the validated phase (§4.3).
    fn is_valid(&self, window: u32) -> bool {
        self.pipe_ack()
            .is_none_or(|pipe_ack| pipe_ack >= window / 2)
    }

    /// Begins a half of the sampling period, if it is time: what is older than a whole one is
    /// forgotten, and where nothing was acknowledged since, pipeACK is nothing.
    fn age(&mut self, srtt: Duration, now: Instant) {
        let half = (srtt * SAMPLING_TRIPS).max(SAMPLING_TIME) / 2;
        let passed = now.saturating_since(self.half_began);
        if passed < half {
            return;
        }
        self.half_began = now;
        if self.pipe_ack().is_some() {
            let last = self.samples[0].filter(|_| passed < half * 2);
            self.samples = [None, Some(last.unwrap_or(0))];
        }
    }

    /// pipeACK is undefined, and the window in the validated phase.
    fn reset(&mut self, now: Instant) {
        self.samples = [None; 2];
        (self.half_began, self.good_at) = (now, now);
    }
}

impl Connection {
    /// Finds out whether the window is to be validated; with the handshake, and when options change.
    pub(crate) fn settle_validation(&mut self, cx: &Context<'_>) {
        let wanted = cx.config.cwnd_validation && !self.congestion.governs_recovery();
        if wanted != self.validation.is_some() {
            self.validation = wanted.then(Box::default);
            self.forget_validation(cx.now);
        }
    }

    /// What was acknowledged in the round trip that ends now. Not asked during fast recovery, nor does a
    /// round trip count that began in one (§4.2).
    pub(super) fn validate_window(&mut self, sample: &RateSample, cx: &Context<'_>) {
        let srtt = self.rtt.smoothed().unwrap_or_default();
        let Some(validation) = &mut self.validation else {
            return;
        };
        if sample.prior_delivered < validation.recovered_at && must("7661 MUST 4.2.2") {
            return;
        }
        validation.age(srtt, cx.now);
        let volume = u32::try_from(sample.delivered).unwrap_or(u32::MAX);
        validation.samples[0] = validation.samples[0].max(Some(volume));
        self.adjust_unused_window(cx);
    }

    /// Data leaves after a pause.
    pub(super) fn validate_after_pause(&mut self, cx: &Context<'_>) {
        let srtt = self.rtt.smoothed().unwrap_or_default();
        if let Some(validation) = &mut self.validation {
            validation.age(srtt, cx.now);
            self.adjust_unused_window(cx);
        }
    }

    /// §4.4.3: the window was not put to use for the whole non-validated period.
    fn adjust_unused_window(&mut self, cx: &Context<'_>) {
        let Some(validation) = &mut self.validation else {
            return;
        };
        let good = validation.is_valid(self.congestion.window());
        let unused = cx.now.saturating_since(validation.good_at);
        if !good && unused >= NON_VALIDATED_PERIOD {
            let initial = self.mss.saturating_mul(cx.config.initial_window);
            self.congestion.on_idle(1, initial);
        }
        if good || unused >= NON_VALIDATED_PERIOD {
            validation.good_at = cx.now;
        }
    }

    /// §4.4.1: a loss shows in the non-validated phase: the window to reduce is what was in use.
    pub(super) fn respond_unvalidated(&mut self, flight_size: u32) -> u32 {
        let window = self.congestion.window();
        let Some(validation) = &mut self.validation else {
            return flight_size;
        };
        let Some(pipe_ack) = validation.pipe_ack() else {
            return flight_size;
        };
        if pipe_ack >= window / 2 {
            return flight_size;
        }
        let used = pipe_ack.max(flight_size);
        let again = self.counters.bytes_retransmitted;
        validation.at_loss.get_or_insert((used, again));
        self.congestion.limit_window(used.max(self.mss));
        used
    }

    /// §4.4.1: what a recovery that began in the non-validated phase may use is half of what was in use,
    /// whatever share the congestion control would leave, and two segments at least (RFC 5681 §3.1).
    pub(super) fn limit_unvalidated(&mut self) {
        let at_loss = self.validation.as_ref().and_then(|it| it.at_loss);
        if let Some((used, _)) = at_loss {
            self.congestion.limit_recovery((used / 2).max(2 * self.mss));
        }
    }

    /// §4.4: a timeout ends the non-validated phase, and what follows is RFC 5681's; or the loss was none.
    pub(super) fn forget_validation(&mut self, now: Instant) {
        if let Some(validation) = &mut self.validation {
            validation.at_loss = None;
            validation.reset(now);
        }
    }

    /// §4.4.1: fast recovery is over.
    pub(super) fn end_unvalidated(&mut self, now: Instant) {
        let delivered = self.board.delivered();
        let Some(validation) = &mut self.validation else {
            return;
        };
        validation.reset(now);
        validation.recovered_at = delivered;
        if let Some((used, before)) = validation.at_loss.take() {
            let again = self.counters.bytes_retransmitted - before;
            let again = u32::try_from(again).unwrap_or(u32::MAX);
            let window = used.saturating_sub(again) / 2;
            self.congestion.limit_window(window.max(self.mss));
        }
    }
}
