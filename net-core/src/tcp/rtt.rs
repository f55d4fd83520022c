//! Round-trip time and retransmission timeout (RFC 6298), in integer nanoseconds.

use super::SeqNum;
use crate::config::TcpConfig;
use crate::must::must;
use crate::time::{Duration, Instant};

/// Over how long the smallest round trip is remembered (RFC 8985 §6.2 step 1 wants it to forget);
/// between this and twice this, in ns.
const MIN_WINDOW: u64 = 150_000_000_000;

/// The RTO after a handshake whose SYN had to be sent again, and that measured nothing (§5.7).
const FALLBACK: Duration = Duration::from_secs(3);

/// G, the granularity of the clock that a timeout is found by, in ns: the driver's.
const GRANULARITY: u64 = 1_000_000;

/// The estimator of one connection.
///
/// Every acknowledgement is measured. So that many measurements in one round trip do not shorten
/// the memory of RFC 6298's weights (RFC 7323 §4.2), RTTVAR follows the largest mean deviation of
/// each round trip: at once when it grows, by a quarter in each round trip when it falls, as in
/// Linux. With one measurement a round trip that is RFC 6298 to the letter as long as it grows.
#[derive(Debug, Clone)]
pub(crate) struct RttEstimator {
    /// SRTT in ns; 0 before the first measurement.
    srtt: u64,
    /// The mean deviation, smoothed over measurements, and its largest value in this round trip.
    deviation: u64,
    deviation_max: u64,
    /// RTTVAR in ns.
    rttvar: u64,
    /// The round trip ends when this is acknowledged.
    round_end: SeqNum,
    /// Smallest measurement in ns of this window and of the one before, and when this one began.
    min: [u64; 2],
    min_since: Instant,
    /// RTO without backoff, in ns.
    rto: u64,
    /// Consecutive expiries: the RTO is doubled this often (§5.5).
    backoff: u8,
    rto_min: u64,
    rto_max: u64,
    /// SRTT and RTTVAR before a timeout (RFC 4015 §3.1 step 0).
    before_timeout: (u64, u64),
}

impl RttEstimator {
    pub(crate) fn new(config: &TcpConfig) -> Self {
        Self {
            srtt: 0,
            deviation: 0,
            deviation_max: 0,
            rttvar: 0,
            round_end: SeqNum::default(),
            min: [u64::MAX; 2],
            min_since: Instant::ZERO,
            rto: nanos(config.rto_initial),
            backoff: 0,
            rto_min: nanos(config.rto_min),
            rto_max: nanos(config.rto_max),
            before_timeout: (0, 0),
        }
    }

    /// Takes in a measurement (§2.2, §2.3); `una` and `nxt` are SND.UNA and SND.NXT behind it.
    /// Karn's rule (§3) is the caller's.
    pub(crate) fn measure(&mut self, rtt: Duration, una: SeqNum, nxt: SeqNum, now: Instant) {
        let rtt = nanos(rtt).max(1);
        self.track_min(rtt, now);
        if self.srtt == 0 {
            self.begin(rtt, if must("6298 MUST 2.2") { rtt / 2 } else { 0 });
            self.round_end = nxt;
        } else {
            let distance = self.srtt.abs_diff(rtt);
            // A round trip that gets much shorter is no reason to wait longer.
            let weight = if rtt + self.deviation < self.srtt {
                32
            } else {
                4
            };
            self.deviation = (self.deviation * (weight - 1) + distance) / weight;
            let old = if must("6298 MUST 2.3") { 7 } else { 0 };
            self.srtt = (old * self.srtt + rtt) / (old + 1);
            self.deviation_max = self.deviation_max.max(self.deviation);
            self.rttvar = self.rttvar.max(self.deviation_max);
            if una.after(self.round_end) {
                self.rttvar -= (self.rttvar - self.deviation_max) / 4;
                self.deviation_max = 0;
                self.round_end = nxt;
            }
        }
        self.settle();
    }

    fn begin(&mut self, srtt: u64, rttvar: u64) {
        self.srtt = srtt;
        self.rttvar = rttvar;
        self.deviation = rttvar;
        self.deviation_max = 0;
    }

    /// §2.3, §2.4, §2.5: computes the RTO, which ends the backoff.
    fn settle(&mut self) {
        // Linux's floor is on the variance term, so that a steady path keeps some distance.
        self.rto = (self.srtt + (4 * self.rttvar).max(self.rto_min)).min(self.rto_max);
        self.backoff = 0;
    }

    fn track_min(&mut self, rtt: u64, now: Instant) {
        if now.nanos_since(self.min_since) >= MIN_WINDOW {
            self.min = [u64::MAX, self.min[0]];
            self.min_since = now;
        }
        self.min[0] = self.min[0].min(rtt);
    }

    /// §5.7: the handshake is complete, and its SYN had to be sent again.
    pub(crate) fn fall_back(&mut self) {
        if self.srtt == 0 && must("6298 MUST 5.7") {
            self.rto = nanos(FALLBACK).min(self.rto_max);
            self.backoff = 0;
        }
    }

    /// RFC 4015 §3.1 step (0): a timeout-based recovery begins.
    pub(crate) fn remember(&mut self) {
        self.before_timeout = (self.srtt + 2 * GRANULARITY, self.rttvar);
    }

    /// RFC 4015 §3.1 step (11): the timeout was spurious, and this is the first measurement of data
    /// sent since.
    pub(crate) fn adapt(&mut self, rtt: Duration) {
        let rtt = nanos(rtt).max(1);
        let (srtt, rttvar) = self.before_timeout;
        self.begin(srtt.max(rtt), rttvar.max(rtt / 2));
        self.settle();
    }

    /// The timeout for what is sent now.
    pub(crate) fn rto(&self) -> Duration {
        Duration::from_nanos(self.rto_nanos())
    }

    /// The same in ns.
    pub(crate) fn rto_nanos(&self) -> u64 {
        self.backed_off_nanos(self.backoff)
    }

    /// The timeout, doubled `times` times: what a closed window is probed after.
    pub(crate) fn backed_off(&self, times: u8) -> Duration {
        Duration::from_nanos(self.backed_off_nanos(times))
    }

    fn backed_off_nanos(&self, times: u8) -> u64 {
        let shift = u32::from(times).min(16);
        self.rto.saturating_mul(1 << shift).min(self.rto_max)
    }

    /// How often the RTO is doubled at present.
    pub(crate) const fn backoff(&self) -> u8 {
        self.backoff
    }

    /// The timer expired (§5.5).
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// The smoothed round-trip time, once there is one.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        (self.srtt > 0).then(|| Duration::from_nanos(self.srtt))
    }

    /// The same in ns, or 0.
    pub(crate) const fn smoothed_nanos(&self) -> u64 {
        self.srtt
    }

    pub(crate) fn variance(&self) -> Duration {
        Duration::from_nanos(self.rttvar)
    }

    /// The smallest round-trip time of the last minutes.
    pub(crate) fn min(&self) -> Option<Duration> {
        let min = self.min_nanos();
        (min > 0).then(|| Duration::from_nanos(min))
    }

    /// The same in ns, or 0.
    pub(crate) fn min_nanos(&self) -> u64 {
        let min = self.min[0].min(self.min[1]);
        if min == u64::MAX { 0 } else { min }
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
