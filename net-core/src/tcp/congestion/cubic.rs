//! CUBIC (RFC 9438) with HyStart++ (RFC 9406), in integers: bytes, milliseconds, and thousandths for its constants.

use super::hystart::{HyStart, slow_start};
use super::{AckSample, CongestionControl, decayed, remembered, resized};
use crate::must::must;
use crate::time::{Duration, Instant};

/// β_cubic = 0.7 (RFC 9438 §4.6), in thousandths.
const BETA: u64 = 700;
/// α_cubic = 3 × (1 − β) / (1 + β) (§4.3), in thousandths.
const ALPHA: u64 = 529;

/// State of CUBIC; windows in bytes.
#[derive(Debug, Clone)]
pub struct Cubic {
    mss: u32,
    curve: Curve,
    /// The curve before the last recovery (§4.9).
    before: Option<Curve>,
    /// The last round-trip measurement.
    rtt: Duration,
    /// When the window was last put to use, or a loss repaired.
    used: Instant,
    /// For the first slow start (RFC 9406 §4.2).
    hystart: Option<HyStart>,
}

/// What a reduction changes.
#[derive(Debug, Clone, Copy)]
struct Curve {
    cwnd: u32,
    ssthresh: u32,
    /// W_max: the window before the last reduction (§4.1.2).
    w_max: u32,
    /// cwnd_prior: the same without fast convergence (§4.3).
    cwnd_prior: u32,
    /// When the current congestion avoidance stage began, moved on by the time in which the window was
    /// not put to use.
    epoch_start: Option<Instant>,
    /// K of §4.2, in ms.
    k: u64,
    /// W_est of §4.3, in thousandths of a byte.
    w_est: u64,
    /// Growth earned but below one byte, in bytes × cwnd.
    remainder: u64,
}

impl Curve {
    /// The same curve, in segments, where they have `to` bytes in place of `from`.
    fn resized(self, from: u32, to: u32) -> Self {
        let resize = |window| resized(window, from, to);
        Self {
            cwnd: resize(self.cwnd),
            ssthresh: resize(self.ssthresh),
            w_max: resize(self.w_max),
            cwnd_prior: resize(self.cwnd_prior),
            epoch_start: self.epoch_start,
            k: self.k,
            w_est: self.w_est.saturating_mul(to.into()) / u64::from(from.max(1)),
            remainder: 0,
        }
    }
}

impl Cubic {
    /// A new connection's state; `hystart`: with HyStart++.
    #[must_use]
    pub fn new(mss: u32, initial_window: u32, hystart: bool) -> Self {
        Self {
            mss,
            curve: Curve {
                cwnd: initial_window,
                ssthresh: u32::MAX,
                w_max: 0,
                cwnd_prior: 0,
                epoch_start: None,
                k: 0,
                w_est: 0,
                remainder: 0,
            },
            before: None,
            rtt: Duration::ZERO,
            used: Instant::ZERO,
            hystart: hystart.then(HyStart::new),
        }
    }

    /// §4.2, §4.8: a congestion avoidance stage begins at the current window.
    fn begin_epoch(&mut self, now: Instant) -> Instant {
        let below = u128::from(self.curve.w_max.saturating_sub(self.curve.cwnd));
        // K = cbrt((W_max - cwnd_epoch) / C) seconds with C = 0.4 segments/s³; here in ms³.
        self.curve.k = cube_root(below * 2_500_000_000 / u128::from(self.mss.max(1)));
        if self.curve.w_max < self.curve.cwnd {
            self.curve.w_max = self.curve.cwnd;
        }
        self.curve.w_est = u64::from(self.curve.cwnd) * 1000;
        self.curve.remainder = 0;
        self.curve.epoch_start = Some(now);
        self.used = now;
        now
    }

    /// For how long the window has been put to use since the stage began, the t of §4.2, in which time that
    /// is limited by the application does not count (§5.8): while the window is in use an
    /// acknowledgement comes every round trip, so what passed beyond that between two was not used.
    fn elapsed(&mut self, now: Instant) -> Duration {
        let start = match self.curve.epoch_start {
            Some(start) => start + now.saturating_since(self.used + self.rtt),
            None => self.begin_epoch(now),
        };
        self.curve.epoch_start = Some(start);
        self.used = now;
        now.saturating_since(start)
    }

    /// W_cubic(t) of §4.2, in bytes.
    fn w_cubic(&self, t: u64) -> u32 {
        let distance = u128::from(t.abs_diff(self.curve.k));
        let delta = distance.pow(3) * u128::from(self.mss) * 4 / 10_000_000_000;
        let delta = u32::try_from(delta).unwrap_or(u32::MAX);
        if t >= self.curve.k {
            self.curve.w_max.saturating_add(delta)
        } else {
            self.curve.w_max.saturating_sub(delta)
        }
    }

    /// §4.3: the window that Reno would have by now.
    fn grow_w_est(&mut self, acked: u32) {
        let alpha = if self.curve.w_est / 1000 >= u64::from(self.curve.cwnd_prior) {
            1000
        } else {
            ALPHA
        };
        let grown =
            alpha * u64::from(acked) * u64::from(self.mss) / u64::from(self.curve.cwnd.max(1));
        self.curve.w_est = self.curve.w_est.saturating_add(grown);
    }

    /// What was not used before a reduction is no time of the curve either, should it come back.
    fn settle(&mut self, now: Instant) {
        let unused = now.saturating_since(self.used + self.rtt);
        if let Some(start) = self.before.as_mut().and_then(|it| it.epoch_start.as_mut()) {
            *start += unused;
        }
        self.used = now;
    }

    /// §4.6, §4.7: the multiplicative decrease with fast convergence.
    fn reduce(&mut self, now: Instant) {
        self.settle(now);
        self.curve.cwnd_prior = self.curve.cwnd;
        self.curve.w_max = if self.curve.cwnd < self.curve.w_max {
            scale(self.curve.cwnd, (1000 + BETA) / 2)
        } else {
            self.curve.cwnd
        };
        self.curve.ssthresh = scale(self.curve.cwnd, BETA).max(2 * self.mss);
        self.curve.epoch_start = None;
    }
}

impl CongestionControl for Cubic {
    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        if let Some(rtt) = sample.rtt {
            self.rtt = rtt;
        }
        if self.curve.cwnd < self.curve.ssthresh {
            let (hystart, curve) = (self.hystart.as_mut(), &mut self.curve);
            slow_start(hystart, sample, &mut curve.cwnd, &mut curve.ssthresh);
            self.used = now;
            return;
        }
        if sample.in_recovery {
            // Should it have been for nothing, the curve has gone on (§4.9).
            self.used = now;
            return;
        }
        if !sample.window_used {
            return;
        }
        let elapsed = self.elapsed(now);
        self.grow_w_est(sample.acked);
        let w_est = u32::try_from(self.curve.w_est / 1000).unwrap_or(u32::MAX);
        if self.w_cubic(millis(elapsed)) < w_est {
            self.curve.cwnd = self.curve.cwnd.max(w_est);
            return;
        }
        let ceiling = self.curve.cwnd.saturating_add(self.curve.cwnd / 2);
        let target = self
            .w_cubic(millis(elapsed + self.rtt))
            .clamp(self.curve.cwnd, ceiling);
        let earned =
            u64::from(target - self.curve.cwnd) * u64::from(sample.acked) + self.curve.remainder;
        let growth = earned / u64::from(self.curve.cwnd.max(1));
        self.curve.remainder = earned % u64::from(self.curve.cwnd.max(1));
        self.curve.cwnd = self
            .curve
            .cwnd
            .saturating_add(u32::try_from(growth).unwrap_or(u32::MAX));
    }

    fn on_idle(&mut self, periods: u32, initial: u32) {
        self.curve.ssthresh = remembered(self.curve.ssthresh, self.curve.cwnd);
        self.curve.cwnd = decayed(self.curve.cwnd, periods, initial);
        self.curve.epoch_start = None;
    }

    fn on_loss(&mut self, _in_flight: u32, now: Instant) {
        self.reduce(now);
        self.curve.cwnd = self.curve.ssthresh;
    }

    fn on_ecn(&mut self, _in_flight: u32, now: Instant) {
        self.reduce(now);
        // §4.6: marks leave one segment, losses two.
        let least = if must("9438 MUST 4.6.4") { 1 } else { 2 };
        self.curve.cwnd = scale(self.curve.cwnd, BETA).max(least * self.mss);
    }

    fn on_rto(&mut self, _in_flight: u32, now: Instant) {
        self.reduce(now);
        // §4.8: K is 0, and W_max the window with which congestion avoidance begins.
        self.curve.w_max = 0;
        self.curve.cwnd = self.mss;
    }

    fn on_recovered(&mut self, _now: Instant) {
        self.curve.cwnd = self.curve.ssthresh.max(2 * self.mss);
    }

    fn remember(&mut self, flight_size: u32) {
        let ssthresh = flight_size.max(self.curve.ssthresh);
        self.before = Some(Curve {
            ssthresh,
            ..self.curve
        });
    }

    fn on_spurious(&mut self, at_most: u32) {
        let Some(before) = self.before.take() else {
            return;
        };
        // §4.9.2: where that shows so late that the window is as large again, it goes on as it is.
        if self.curve.cwnd < before.cwnd {
            self.curve = before;
        }
        self.curve.cwnd = self.curve.cwnd.min(at_most);
    }

    fn limit_window(&mut self, at_most: u32) {
        self.curve.cwnd = self.curve.cwnd.min(at_most);
    }

    fn limit_recovery(&mut self, at_most: u32) {
        self.curve.cwnd = self.curve.cwnd.min(at_most);
        self.curve.ssthresh = self.curve.ssthresh.min(at_most);
    }

    fn window(&self) -> u32 {
        self.curve.cwnd
    }

    fn slow_start_threshold(&self) -> u32 {
        self.curve.ssthresh
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.mss = bytes;
        self.curve.cwnd = self.curve.cwnd.max(bytes);
    }

    fn keep_segments(&mut self, from: u32, to: u32) {
        self.curve = self.curve.resized(from, to);
        self.curve.cwnd = self.curve.cwnd.max(to);
        self.before = self.before.map(|before| before.resized(from, to));
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
