//! Congestion control behind one trait.

mod bbr;
mod bbr1;
#[cfg(test)]
mod bottleneck;
mod cubic;
mod dctcp;
mod hystart;
mod path;
mod reno;
#[cfg(test)]
mod tests;

pub use super::recovery::RateSample;
use crate::config::{CongestionAlgorithm, TcpConfig};
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
pub use bbr::Bbr;
pub use bbr1::Bbr1;
pub use cubic::Cubic;
pub use dctcp::Dctcp;
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
    /// Bytes in flight now.
    pub in_flight_now: u32,
    /// The congestion window kept something from leaving in the last round trip.
    pub cwnd_limited: bool,
    /// The window was put to use, so that this acknowledgement may widen it.
    pub window_used: bool,
    /// The acknowledgement echoed a congestion mark, for the first time in a window of data.
    pub congestion_experienced: bool,
    /// The acknowledgement echoed a congestion mark.
    pub echoes_mark: bool,
    /// Bytes of those acknowledged that were marked, as far as the peer can tell.
    pub marked: u32,
    /// A loss is being repaired (fast recovery): the window is not this sample's to widen.
    pub in_recovery: bool,
    /// With this one it is repaired, and was indeed a loss.
    pub ends_recovery: bool,
    /// Something is lost, or left again and has not arrived so far, be it in a recovery or behind one.
    pub is_repairing: bool,
}

/// What the handshake has told.
#[derive(Debug, Clone, Copy)]
pub struct Established {
    /// The smoothed round-trip time, where the handshake measured one.
    pub srtt: Option<Duration>,
    /// The peer acknowledges selectively, so that more than one loss shows in a round trip.
    pub sack: bool,
}

/// Data that was found lost, all at once.
#[derive(Debug, Clone, Copy)]
pub struct LossSample {
    /// How much.
    pub bytes: u32,
    /// Bytes delivered over the connection's life.
    pub delivered: u64,
    /// How the last of it left, where that is known.
    pub sent: Option<LostTransmission>,
}

/// How data left that was lost.
#[derive(Debug, Clone, Copy)]
pub struct LostTransmission {
    /// Bytes in flight when it left, itself included.
    pub tx_in_flight: u32,
    /// Bytes declared lost since then, itself included.
    pub lost: u64,
    /// The application, not the network, limited the sender.
    pub app_limited: bool,
}

/// An algorithm that governs how much may be in flight.
pub trait CongestionControl {
    /// The handshake is complete.
    fn on_established(&mut self, _facts: &Established, _now: Instant) {}
    /// Some data was found lost; before [`on_loss`](Self::on_loss), and also where recovery runs.
    fn on_lost(&mut self, _lost: &LossSample, _now: Instant) {}
    /// Something is about to leave while nothing is in flight; only those that set a rate are told.
    /// `app_limited`: there was nothing to send.
    fn on_restart(&mut self, _app_limited: bool, _now: Instant) {}
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
    /// Nothing was sent for `periods` retransmission timeouts: what was known of the path is no longer
    /// sure (RFC 5681 §4.1), and the window decays towards `initial` bytes.
    fn on_idle(&mut self, _periods: u32, _initial: u32) {}
    /// Everything that was out at a timeout is acknowledged.
    fn on_timeout_recovered(&mut self, _now: Instant) {}
    /// A recovery is about to begin, with `flight_size` bytes outstanding: what
    /// [`on_loss`](Self::on_loss) or [`on_rto`](Self::on_rto) are going to do may have to be undone.
    fn remember(&mut self, flight_size: u32);
    /// There was no loss (RFC 4015 §3.1 step 9): undoes what was done since
    /// [`remember`](Self::remember), with a window of at most `at_most` bytes lest there be a burst.
    fn on_spurious(&mut self, at_most: u32);
    /// The window becomes at most `at_most` bytes, the threshold stays (RFC 5682 §2.1).
    fn limit_window(&mut self, at_most: u32);
    /// A loss showed that a window was too large of which less was in use (RFC 7661 §4.4.1): window and
    /// threshold become at most `at_most` bytes. For algorithms whose window does not govern fast recovery.
    fn limit_recovery(&mut self, _at_most: u32) {}
    /// Whether [`window`](Self::window) also governs fast recovery, so that proportional rate
    /// reduction (RFC 9937) has no part in it.
    fn governs_recovery(&self) -> bool {
        false
    }
    /// Whether it keeps the rate low on purpose, so that samples of it say nothing of the network.
    fn holds_back(&self) -> bool {
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
    /// Bytes that are to leave at once at least, where the algorithm says so and if there are so many; 0: it
    /// does not.
    fn least_burst(&self) -> u32 {
        0
    }
    /// The segment size changed (path MTU).
    fn set_segment_size(&mut self, bytes: u32);
    /// Segments have shrunk from `from` to `to` bytes: windows and thresholds, also those that may come back
    /// ([`on_recovered`](Self::on_recovered), [`on_spurious`](Self::on_spurious)), keep their number of
    /// segments, not of bytes.
    fn keep_segments(&mut self, from: u32, to: u32);
}

/// One of the built-in algorithms.
#[derive(Debug, Clone)]
pub(crate) enum Congestion {
    Reno(Reno),
    Cubic(Cubic),
    Dctcp(Dctcp),
    /// Boxed, like its first version: they remember much more than the others.
    Bbr(Box<Bbr>),
    Bbr1(Box<Bbr1>),
}

impl Congestion {
    /// The state of `algorithm` for a new connection; `chance` differs from one to the next.
    pub(crate) fn new(
        algorithm: CongestionAlgorithm,
        mss: u32,
        config: &TcpConfig,
        chance: u32,
    ) -> Self {
        let window = mss.saturating_mul(config.initial_window);
        match algorithm {
            CongestionAlgorithm::Reno => Self::Reno(Reno::new(mss, window, config.hystart)),
            CongestionAlgorithm::Cubic => Self::Cubic(Cubic::new(mss, window, config.hystart)),
            CongestionAlgorithm::Dctcp => Self::Dctcp(Dctcp::new(mss, window)),
            CongestionAlgorithm::Bbr => {
                let threshold = config.bbr_loss_threshold;
                let bbr = Bbr::new(mss, window, chance, threshold);
                Self::Bbr(Box::new(bbr.with_autosizing(config.segment_autosizing)))
            }
            CongestionAlgorithm::Bbr1 => {
                let bbr = Bbr1::new(mss, window, chance);
                Self::Bbr1(Box::new(bbr.with_autosizing(config.segment_autosizing)))
            }
        }
    }

    pub(crate) const fn algorithm(&self) -> CongestionAlgorithm {
        match self {
            Self::Reno(_) => CongestionAlgorithm::Reno,
            Self::Cubic(_) => CongestionAlgorithm::Cubic,
            Self::Dctcp(_) => CongestionAlgorithm::Dctcp,
            Self::Bbr(_) => CongestionAlgorithm::Bbr,
            Self::Bbr1(_) => CongestionAlgorithm::Bbr1,
        }
    }

    fn control(&self) -> &dyn CongestionControl {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
            Self::Dctcp(dctcp) => dctcp,
            Self::Bbr(bbr) => &**bbr,
            Self::Bbr1(bbr) => &**bbr,
        }
    }

    fn control_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Self::Reno(reno) => reno,
            Self::Cubic(cubic) => cubic,
            Self::Dctcp(dctcp) => dctcp,
            Self::Bbr(bbr) => &mut **bbr,
            Self::Bbr1(bbr) => &mut **bbr,
        }
    }
}

impl CongestionControl for Congestion {
    fn on_established(&mut self, facts: &Established, now: Instant) {
        self.control_mut().on_established(facts, now);
    }

    fn on_lost(&mut self, lost: &LossSample, now: Instant) {
        self.control_mut().on_lost(lost, now);
    }

    fn on_restart(&mut self, app_limited: bool, now: Instant) {
        self.control_mut().on_restart(app_limited, now);
    }

    fn on_idle(&mut self, periods: u32, initial: u32) {
        self.control_mut().on_idle(periods, initial);
    }

    fn on_timeout_recovered(&mut self, now: Instant) {
        self.control_mut().on_timeout_recovered(now);
    }

    fn holds_back(&self) -> bool {
        self.control().holds_back()
    }

    fn on_ack(&mut self, sample: &AckSample, now: Instant) {
        match self {
            Self::Reno(reno) => reno.on_ack(sample, now),
            Self::Cubic(cubic) => cubic.on_ack(sample, now),
            Self::Dctcp(dctcp) => dctcp.on_ack(sample, now),
            Self::Bbr(bbr) => bbr.on_ack(sample, now),
            Self::Bbr1(bbr) => bbr.on_ack(sample, now),
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

    fn limit_recovery(&mut self, at_most: u32) {
        self.control_mut().limit_recovery(at_most);
    }

    fn governs_recovery(&self) -> bool {
        self.control().governs_recovery()
    }

    fn window(&self) -> u32 {
        match self {
            Self::Reno(reno) => reno.window(),
            Self::Cubic(cubic) => cubic.window(),
            Self::Dctcp(dctcp) => dctcp.window(),
            Self::Bbr(bbr) => bbr.window(),
            Self::Bbr1(bbr) => bbr.window(),
        }
    }

    fn slow_start_threshold(&self) -> u32 {
        self.control().slow_start_threshold()
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.control().pacing_rate()
    }

    fn least_burst(&self) -> u32 {
        self.control().least_burst()
    }

    fn set_segment_size(&mut self, bytes: u32) {
        self.control_mut().set_segment_size(bytes);
    }

    fn keep_segments(&mut self, from: u32, to: u32) {
        self.control_mut().keep_segments(from, to);
    }
}

/// The window after so many idle periods: halved for each, down to `initial` bytes.
fn decayed(window: u32, periods: u32, initial: u32) -> u32 {
    let halved = window.checked_shr(periods).unwrap_or(0);
    halved.max(initial.min(window))
}

/// The window that has as many segments of `to` bytes as `window` has of `from` bytes; `MAX` is no window.
fn resized(window: u32, from: u32, to: u32) -> u32 {
    if window == u32::MAX {
        return window;
    }
    let bytes = u64::from(window) * u64::from(to) / u64::from(from.max(1));
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The threshold that remembers a window about to decay (RFC 7661 §4.3, as in Linux).
fn remembered(threshold: u32, window: u32) -> u32 {
    threshold.max(window - window / 4)
}
