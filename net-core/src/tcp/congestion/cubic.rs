//! CUBIC (RFC 9438), in integers: bytes, milliseconds, and thousandths for its constants.

use super::{AckSample, CongestionControl};
use crate::time::{Duration, Instant};

/// β_cubic = 0.7 (RFC 9438 §4.6), in thousandths.
const BETA: u64 = 700;
/// α_cubic = 3 × (1 − β) / (1 + β) (§4.3), in thousandths.
const ALPHA: u64 = 529;

/// State of CUBIC; windows in bytes.
#[derive(Debug, Clone)]
pub struct Cubic {
    mss: u32,
    cwnd: u32,
    ssthresh: u32,
    /// W_max: the window before the last reduction (§4.1.2).
    w_max: u32,
    /// cwnd_prior: the same without fast convergence (§4.3).
    cwnd_prior: u32,
    /// When the current congestion avoidance stage began.
    epoch_start: Option<Instant>,
    /// K of §4.2, in ms.
    k: u64,
    /// W_est of §4.3, in thousandths of a byte.
    w_est: u64,
    /// Growth earned but below one byte, in bytes × cwnd.
    remainder: u64,
    /// The last round-trip measurement.
    rtt: Duration,
}

impl Cubic {
    /// A new connection's state.
    #[must_use]
    pub fn new(mss: u32, initial_window: u32) -> Self {
        Self {
            mss,
            cwnd: initial_window,
            ssthresh: u32::MAX,
            w_max: 0,
            cwnd_prior: 0,
            epoch_start: None,
            k: 0,
            w_est: 0,
            remainder: 0,
            rtt: Duration::ZERO,
        }
    }

    /// §4.2, §4.8: a congestion avoidance stage begins at the current window.
    fn begin_epoch(&mut self, now: Instant) -> Instant {
        let below = u128::from(self.w_max.saturating_sub(self.cwnd));
        // K = cbrt((W_max - cwnd_epoch) / C) seconds with C = 0.4 segments/s³; here in ms³.
        self.k = cube_root(below * 2_500_000_000 / u128::from(self.mss.max(1)));
        if self.w_max < self.cwnd {
            self.w_max = self.cwnd;
        }
        self.w_est = u64::from(self.cwnd) * 1000;
        self.remainder = 0;
        self.epoch_start = Some(now);
        now
    }

    /// W_cubic(t) of §4.2, in bytes.
    fn w_cubic(&self, t: u64) -> u32 {
        let distance = u128::from(t.abs_diff(self.k));
        let delta = distance.pow(3) * u128::from(self.mss) * 4 / 10_000_000_000;
        let delta = u32::try_from(delta).unwrap_or(u32::MAX);
        if t >= self.k {
            self.w_max.saturating_add(delta)
        } else {
            self.w_max.saturating_sub(delta)
        }
    }

    /// §4.3: the window that Reno would have by now.
    fn grow_w_est(&mut self, acked: u32) {
        let alpha = if self.w_est / 1000 >= u64::from(self.cwnd_prior) {
            1000
        } else {
            ALPHA
        };
        let grown = alpha * u64::from(acked) * u64::from(self.mss) / u64::from(self.cwnd.max(1));
        self.w_est = self.w_est.saturating_add(grown);
    }

    /// §4.6, §4.7: the multiplicative decrease with fast convergence.
    fn reduce(&mut self) {
        self.cwnd_prior = self.cwnd;
        self.w_max = if self.cwnd < self.w_max {
            scale(self.cwnd, (1000 + BETA) / 2)
        } else {
            self.cwnd
        };
        self.ssthresh = scale(self.cwnd, BETA).max(2 * self.mss);
        self.epoch_start = None;
    }
}

impl CongestionControl for Cubic {
    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        if let Some(rtt) = sample.rtt {
            self.rtt = rtt;
        }
        if sample.app_limited {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd += sample.acked.min(self.ssthresh - self.cwnd);
            return;
        }
        let start = self.epoch_start.unwrap_or_else(|| self.begin_epoch(now));
        let elapsed = now.saturating_since(start);
        self.grow_w_est(sample.acked);
        let w_est = u32::try_from(self.w_est / 1000).unwrap_or(u32::MAX);
        if self.w_cubic(millis(elapsed)) < w_est {
            self.cwnd = self.cwnd.max(w_est);
            return;
        }
        let ceiling = self.cwnd.saturating_add(self.cwnd / 2);
        let target = self
            .w_cubic(millis(elapsed + self.rtt))
            .clamp(self.cwnd, ceiling);
        let earned = u64::from(target - self.cwnd) * u64::from(sample.acked) + self.remainder;
        let growth = earned / u64::from(self.cwnd.max(1));
        self.remainder = earned % u64::from(self.cwnd.max(1));
        self.cwnd = self
            .cwnd
            .saturating_add(u32::try_from(growth).unwrap_or(u32::MAX));
    }

    fn on_loss(&mut self, _in_flight: u32, _now: Instant) {
        self.reduce();
        self.cwnd = self.ssthresh;
    }

    fn on_rto(&mut self, _in_flight: u32, _now: Instant) {
        self.reduce();
        self.cwnd = self.mss;
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.cwnd = self.ssthresh.max(2 * self.mss);
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
}

fn scale(bytes: u32, thousandths: u64) -> u32 {
    u32::try_from(u64::from(bytes) * thousandths / 1000).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The integer cube root, rounded down, bit by bit.
fn cube_root(number: u128) -> u64 {
    let mut root: u64 = 0;
    for bit in (0..32).rev() {
        let candidate = root | 1 << bit;
        if u128::from(candidate).pow(3) <= number {
            root = candidate;
        }
    }
    root
}
