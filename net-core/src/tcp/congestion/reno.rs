//! NewReno (RFC 5681, RFC 6582) with appropriate byte counting (RFC 3465) and HyStart++ (RFC 9406).

use super::hystart::{HyStart, slow_start};
use super::{AckSample, CongestionControl, decayed, remembered, resized};
use crate::time::Instant;

/// State of NewReno; windows in bytes.
#[derive(Debug, Clone)]
pub struct Reno {
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// Bytes acknowledged towards the next growth by one segment.
    acked: u32,
    /// cwnd, and RFC 4015's pipe_prev, before the last recovery.
    before: Option<(u32, u32)>,
    /// For the first slow start (RFC 9406 §4.2).
    hystart: Option<HyStart>,
}

impl Reno {
    /// A new connection's state; `hystart`: with HyStart++.
    #[must_use]
    pub fn new(mss: u32, initial_window: u32, hystart: bool) -> Self {
        Self {
            mss,
            cwnd: initial_window,
            ssthresh: u32::MAX,
            acked: 0,
            before: None,
            hystart: hystart.then(HyStart::new),
        }
    }

    /// The window and the threshold become `window` bytes, at least two segments.
    pub(super) fn reduce_to(&mut self, window: u32) {
        self.ssthresh = window.max(2 * self.mss);
        self.cwnd = self.ssthresh;
        self.acked = 0;
    }

    /// RFC 5681 §3.1: one segment for each window that is acknowledged. Of the window only whole segments
    /// are ever in flight, so that with its fraction it would take longer than a round trip.
    fn avoid_congestion(&mut self, acked: u32) {
        self.acked = self.acked.saturating_add(acked);
        loop {
            let flight = (self.cwnd - self.cwnd % self.mss.max(1)).max(self.mss);
            if self.acked < flight {
                return;
            }
            self.acked -= flight;
            self.cwnd = self.cwnd.saturating_add(self.mss);
        }
    }

    /// The acknowledgement that ends fast recovery leaves ssthresh as the window (RFC 6582 §3.2), but what is
    /// new in it counts towards the next segment: where the window is small that is a good part of what widens
    /// it from one loss to the next.
    fn count_end_of_recovery(&mut self, acked: u32) {
        let next = self.cwnd - self.cwnd % self.mss.max(1);
        self.acked = acked.min(next.saturating_sub(1));
    }

    /// RFC 5681 equation 4: ssthresh = max (FlightSize / 2, 2*SMSS).
    fn halve(&mut self, in_flight: u32) {
        self.ssthresh = (in_flight / 2).max(2 * self.mss);
        self.acked = 0;
    }
}

impl CongestionControl for Reno {
    fn on_ack(&mut self, sample: &AckSample, _now: Instant) {
        if sample.ends_recovery && sample.window_used {
            self.count_end_of_recovery(sample.acked);
        }
        let widens = sample.window_used && !sample.in_recovery;
        let mut acked = sample.acked;
        if self.cwnd < self.ssthresh {
            let hystart = self.hystart.as_mut();
            let growth = slow_start(hystart, sample, &mut self.cwnd, &mut self.ssthresh);
            acked = acked.saturating_sub(growth);
        }
        if widens && self.cwnd >= self.ssthresh {
            self.avoid_congestion(acked);
        }
    }

    fn on_idle(&mut self, periods: u32, initial: u32) {
        self.ssthresh = remembered(self.ssthresh, self.cwnd);
        self.cwnd = decayed(self.cwnd, periods, initial);
        self.acked = 0;
    }

    fn on_loss(&mut self, in_flight: u32, _now: Instant) {
        self.halve(in_flight);
        self.cwnd = self.ssthresh;
    }

    /// A window of one segment does not become two.
    fn on_ecn(&mut self, in_flight: u32, _now: Instant) {
        self.halve(in_flight);
        self.cwnd = self.cwnd.min(self.ssthresh);
    }

    fn on_rto(&mut self, in_flight: u32, _now: Instant) {
        self.halve(in_flight);
        self.cwnd = self.mss;
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.cwnd = self.ssthresh.max(2 * self.mss);
    }

    fn remember(&mut self, flight_size: u32) {
        self.before = Some((self.cwnd, flight_size.max(self.ssthresh)));
    }

    fn on_spurious(&mut self, at_most: u32) {
        if let Some((cwnd, ssthresh)) = self.before.take() {
            self.cwnd = cwnd.max(self.cwnd).min(at_most);
            self.ssthresh = ssthresh;
            self.acked = 0;
        }
    }

    fn limit_window(&mut self, at_most: u32) {
        self.cwnd = self.cwnd.min(at_most);
    }

    fn limit_recovery(&mut self, at_most: u32) {
        self.cwnd = self.cwnd.min(at_most);
        self.ssthresh = self.ssthresh.min(at_most);
    }

    fn window(&self) -> u32 {
        self.cwnd
    }

    fn slow_start_threshold(&self) -> u32 {
        self.ssthresh
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.mss = bytes;
        self.cwnd = self.cwnd.max(bytes);
    }

    fn keep_segments(&mut self, from: u32, to: u32) {
        let resize = |window| resized(window, from, to);
        self.cwnd = resize(self.cwnd).max(to);
        self.ssthresh = resize(self.ssthresh);
        self.acked = resize(self.acked);
        self.before = (self.before).map(|(cwnd, ssthresh)| (resize(cwnd), resize(ssthresh)));
    }
}
