//! Round-trip time and retransmission timeout (RFC 6298), in integer nanoseconds.

use crate::config::TcpConfig;
use crate::time::Duration;

/// The estimator of one connection.
#[derive(Debug, Clone)]
pub(crate) struct RttEstimator {
    /// SRTT in ns; 0 before the first measurement.
    srtt: u64,
    /// RTTVAR in ns.
    rttvar: u64,
    /// Smallest measurement in ns.
    min: u64,
    /// RTO without backoff, in ns.
    rto: u64,
    /// Consecutive expiries: the RTO is doubled this often (§5.5).
    backoff: u8,
    rto_min: u64,
    rto_max: u64,
}

impl RttEstimator {
    pub(crate) fn new(config: &TcpConfig) -> Self {
        Self {
            srtt: 0,
            rttvar: 0,
            min: u64::MAX,
            rto: nanos(config.rto_initial),
            backoff: 0,
            rto_min: nanos(config.rto_min),
            rto_max: nanos(config.rto_max),
        }
    }

    /// Takes in a measurement of a segment that was sent once (§2.2, §2.3, Karn's rule in §3).
    pub(crate) fn measure(&mut self, rtt: Duration) {
        let rtt = nanos(rtt).max(1);
        self.min = self.min.min(rtt);
        if self.srtt == 0 {
            self.srtt = rtt;
            self.rttvar = rtt / 2;
        } else {
            self.rttvar = (3 * self.rttvar + self.srtt.abs_diff(rtt)) / 4;
            self.srtt = (7 * self.srtt + rtt) / 8;
        }
        // Linux's floor is on the variance term, so that a steady path keeps some distance.
        self.rto = (self.srtt + (4 * self.rttvar).max(self.rto_min)).min(self.rto_max);
        self.backoff = 0;
    }

    /// The timeout for what is sent now.
    pub(crate) fn rto(&self) -> Duration {
        let shift = u32::from(self.backoff).min(16);
        Duration::from_nanos(self.rto.saturating_mul(1 << shift).min(self.rto_max))
    }

    /// The timer expired (§5.5).
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// Expiries in a row.
    pub(crate) const fn backoff(&self) -> u8 {
        self.backoff
    }

    /// New data was acknowledged: the path works (§5.7, note).
    pub(crate) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// The smoothed round-trip time, once there is one.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        (self.srtt > 0).then(|| Duration::from_nanos(self.srtt))
    }

    pub(crate) fn variance(&self) -> Duration {
        Duration::from_nanos(self.rttvar)
    }

    pub(crate) fn min(&self) -> Option<Duration> {
        (self.min < u64::MAX).then(|| Duration::from_nanos(self.min))
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
