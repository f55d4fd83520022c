//! Congestion control behind one trait.

mod cubic;
mod reno;
#[cfg(test)]
mod tests;

use crate::config::CongestionAlgorithm;
use crate::time::{Duration, Instant};
pub use cubic::Cubic;
pub use reno::Reno;

/// What one acknowledgement told.
#[derive(Debug, Clone, Copy, Default)]
pub struct AckSample {
    /// Bytes newly acknowledged, cumulatively or selectively.
    pub acked: u32,
    /// Bytes newly considered lost.
    pub lost: u32,
    /// Bytes delivered over the connection's life.
    pub delivered: u64,
    /// Time over which the newest acknowledged record was delivered.
    pub interval: Duration,
    /// A round-trip measurement, where there is an unambiguous one.
    pub rtt: Option<Duration>,
    /// Bytes in flight before this acknowledgement.
    pub in_flight: u32,
    /// The sender had nothing to send, or no window: the path was not probed.
    pub app_limited: bool,
    /// The acknowledgement echoed a congestion mark.
    pub congestion_experienced: bool,
}

/// An algorithm that governs how much may be in flight.
pub trait CongestionControl {
    /// New data was acknowledged outside recovery.
    fn on_ack(&mut self, sample: &AckSample, now: Instant);
    /// Recovery begins: some data was lost (RFC 5681 §3.2, RFC 6675 §5).
    fn on_loss(&mut self, in_flight: u32, now: Instant);
    /// The retransmission timer expired (RFC 5681 §3.1).
    fn on_rto(&mut self, in_flight: u32, now: Instant);
    /// The peer echoed a congestion mark: like a loss (RFC 3168 §6.1.2).
    fn on_ecn(&mut self, in_flight: u32, now: Instant) {
        self.on_loss(in_flight, now);
    }
    /// Recovery is over.
    fn on_recovered(&mut self, now: Instant);
    /// The congestion window in bytes.
    fn window(&self) -> u32;
    /// The slow start threshold in bytes.
    fn slow_start_threshold(&self) -> u32;
    /// The rate to pace at in bytes a second, where the algorithm wants pacing.
    fn pacing_rate(&self) -> Option<u64> {
        None
    }
    /// The segment size changed (path MTU).
    fn set_segment_size(&mut self, bytes: u32);
}

/// One of the built-in algorithms.
#[derive(Debug, Clone)]
pub(crate) enum Congestion {
    Reno(Reno),
    Cubic(Cubic),
}

impl Congestion {
    pub(crate) fn new(algorithm: CongestionAlgorithm, mss: u32, initial_segments: u32) -> Self {
        let window = mss.saturating_mul(initial_segments);
        match algorithm {
            CongestionAlgorithm::Reno => Self::Reno(Reno::new(mss, window)),
            CongestionAlgorithm::Cubic => Self::Cubic(Cubic::new(mss, window)),
        }
    }

    pub(crate) const fn algorithm(&self) -> CongestionAlgorithm {
        match self {
            Self::Reno(_) => CongestionAlgorithm::Reno,
            Self::Cubic(_) => CongestionAlgorithm::Cubic,
        }
    }

    fn control(&self) -> &dyn CongestionControl {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
        }
    }

    fn control_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
        }
    }
}

impl CongestionControl for Congestion {
    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        match self {
            Self::Reno(reno) => reno.on_ack(sample, now),
            Self::Cubic(cubic) => cubic.on_ack(sample, now),
        }
    }

    fn on_loss(&mut self, in_flight: u32, now: Instant) {
        self.control_mut().on_loss(in_flight, now);
    }

    fn on_rto(&mut self, in_flight: u32, now: Instant) {
        self.control_mut().on_rto(in_flight, now);
    }

    fn on_ecn(&mut self, in_flight: u32, now: Instant) {
        self.control_mut().on_ecn(in_flight, now);
    }

    fn on_recovered(&mut self, now: Instant) {
        self.control_mut().on_recovered(now);
    }

    fn window(&self) -> u32 {
        match self {
            Self::Reno(reno) => reno.window(),
            Self::Cubic(cubic) => cubic.window(),
        }
    }

    fn slow_start_threshold(&self) -> u32 {
        self.control().slow_start_threshold()
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.control().pacing_rate()
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.control_mut().set_segment_size(bytes);
    }
}
