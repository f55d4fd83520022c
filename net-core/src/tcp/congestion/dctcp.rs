//! DCTCP (RFC 8257): the window is reduced in proportion to how much of it was marked. For networks
//! of one operator whose queues mark early; the receiver's part is in [`ecn`](crate::tcp::ecn).

use super::{AckSample, CongestionControl, Reno};
use crate::time::Instant;

/// Alpha and g are fixed-point fractions of this.
const ONE: u32 = 1 << 20;
/// g = 1/16 (§4.2).
const GAIN_SHIFT: u32 = 4;

/// State of DCTCP: growth and the answer to losses are Reno's (§3.5).
#[derive(Debug, Clone)]
pub struct Dctcp {
    reno: Reno,
    /// DCTCP.Alpha: the share of marked bytes, in [`ONE`]s.
    alpha: u32,
    /// DCTCP.BytesAcked, DCTCP.BytesMarked.
    acked: u64,
    marked: u64,
    /// DCTCP.WindowEnd: the window ends when something is acknowledged that left after so much was
    /// delivered.
    window_end: u64,
}

impl Dctcp {
    /// A new connection's state. Alpha begins at 1: the first mark halves (§3.3).
    #[must_use]
    pub fn new(mss: u32, initial_window: u32) -> Self {
        Self {
            reno: Reno::new(mss, initial_window, false),
            alpha: ONE,
            acked: 0,
            marked: 0,
            window_end: 0,
        }
    }

    /// DCTCP.Alpha in millionths.
    #[must_use]
    pub const fn alpha(&self) -> u32 {
        let millionths = self.alpha as u64 * 1_000_000 / ONE as u64;
        #[expect(clippy::cast_possible_truncation, reason = "at most a million")]
        {
            millionths as u32
        }
    }

    /// §3.3 steps 5 to 9: a window of data is acknowledged.
    fn end_window(&mut self, delivered: u64) {
        if let Some(share) = (self.marked * u64::from(ONE)).checked_div(self.acked) {
            let share = u32::try_from(share).unwrap_or(ONE).min(ONE);
            // Rounded up, lest it never reach 0 or 1.
            let decay = self.alpha.div_ceil(1 << GAIN_SHIFT);
            self.alpha = (self.alpha - decay + (share >> GAIN_SHIFT)).min(ONE);
        }
        (self.acked, self.marked) = (0, 0);
        self.window_end = delivered;
    }
}

impl CongestionControl for Dctcp {
    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        self.acked += u64::from(sample.acked);
        self.marked += u64::from(sample.marked);
        if sample.rate.prior_delivered >= self.window_end {
            self.end_window(sample.delivered);
        }
        self.reno.on_ack(sample, now);
    }

    /// §3.3: cwnd = cwnd × (1 − Alpha / 2), once in a window.
    fn on_ecn(&mut self, _in_flight: u32, _now: Instant) {
        let window = u64::from(self.reno.window());
        let less = window * u64::from(self.alpha) / u64::from(2 * ONE);
        let before = self.reno.window();
        self.reno
            .reduce_to(u32::try_from(window - less).unwrap_or(u32::MAX));
        // A window of one segment does not become two.
        self.reno.limit_window(before);
    }

    fn on_loss(&mut self, in_flight: u32, now: Instant) {
        self.reno.on_loss(in_flight, now);
    }

    fn on_rto(&mut self, in_flight: u32, now: Instant) {
        self.reno.on_rto(in_flight, now);
    }

    fn on_recovered(&mut self, now: Instant) {
        self.reno.on_recovered(now);
    }

    fn remember(&mut self, flight_size: u32) {
        self.reno.remember(flight_size);
    }

    fn on_spurious(&mut self, at_most: u32) {
        self.reno.on_spurious(at_most);
    }

    fn limit_window(&mut self, at_most: u32) {
        self.reno.limit_window(at_most);
    }

    fn limit_recovery(&mut self, at_most: u32) {
        self.reno.limit_recovery(at_most);
    }

    fn window(&self) -> u32 {
        self.reno.window()
    }

    fn slow_start_threshold(&self) -> u32 {
        self.reno.slow_start_threshold()
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.reno.set_segment_size(bytes);
    }

    fn keep_segments(&mut self, from: u32, to: u32) {
        self.reno.keep_segments(from, to);
    }
}
