//! Congestion control behind one trait.

mod cubic;
mod reno;
#[cfg(test)]
mod tests;

pub use super::recovery::RateSample;
use crate::config::CongestionAlgorithm;
use crate::time::{Duration, Instant};
pub use cubic::Cubic;
pub use reno::Reno;

/// What one acknowledgement told.
#[derive(Debug, Clone, Copy, Default)]
pub struct AckSample {
    /// Bytes newly acknowledged, cumulatively or selectively.
    pub acked: u32,
    /// Bytes of those that slow start may count (RFC 3465 §2.2).
    pub slow_start: u32,
    /// Bytes newly considered lost.
    pub lost: u32,
    /// Bytes delivered over the connection's life.
    pub delivered: u64,
    /// The rate at which the network delivers.
    pub rate: RateSample,
    /// The round-trip time of the newest transmission acknowledged, where it is unambiguous.
    pub rtt: Option<Duration>,
    /// Bytes in flight before this acknowledgement.
    pub in_flight: u32,
    /// The window was put to use, so that this acknowledgement may widen it.
    pub window_used: bool,
    /// The acknowledgement echoed a congestion mark.
    pub congestion_experienced: bool,
    /// A loss is being repaired (fast recovery): the window is not this sample's to widen.
    pub in_recovery: bool,
}

/// An algorithm that governs how much may be in flight.
pub trait CongestionControl {
    /// Data was acknowledged for the first time.
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
    /// A recovery is about to begin, with `flight_size` bytes outstanding: what
    /// [`on_loss`](Self::on_loss) or [`on_rto`](Self::on_rto) are going to do may have to be undone.
    fn remember(&mut self, flight_size: u32);
    /// There was no loss (RFC 4015 §3.1 step 9): undoes what was done since
    /// [`remember`](Self::remember), with a window of at most `at_most` bytes lest there be a burst.
    fn on_spurious(&mut self, at_most: u32);
    /// The window becomes at most `at_most` bytes, the threshold stays (RFC 5682 §2.1).
    fn limit_window(&mut self, at_most: u32);
    /// Whether [`window`](Self::window) also governs fast recovery, so that proportional rate
    /// reduction (RFC 9937) has no part in it.
    fn governs_recovery(&self) -> bool {
        false
    }
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

    fn remember(&mut self, flight_size: u32) {
        self.control_mut().remember(flight_size);
    }

    fn on_spurious(&mut self, at_most: u32) {
        self.control_mut().on_spurious(at_most);
    }

    fn limit_window(&mut self, at_most: u32) {
        self.control_mut().limit_window(at_most);
    }

    fn governs_recovery(&self) -> bool {
        self.control().governs_recovery()
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
