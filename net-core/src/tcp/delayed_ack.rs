//! When to acknowledge in-order data (RFC 1122 §4.2.3.2, RFC 9293 MUST-58, MUST-59, RFC 5681 §4.2):
//! every second full segment at once, a lone one after a while, in case company comes.
//!
//! The while adapts, as in Linux. A connection begins in a quick mode, where everything is
//! acknowledged at once, so that the peer's slow start is not held up. An application that answers
//! what it reads carries its acknowledgements on its answers (ping-pong): from then on only the
//! timer sends bare ones. Else the timer follows the time between arrivals: a steady stream's next
//! segment is worth waiting for only if it comes soon.

use crate::must::must;
use crate::time::{Duration, Instant};

/// Segments acknowledged at once at the beginning, and whenever the peer may have begun anew.
const QUICK_ACKS: u8 = 16;

/// The bounds of the delay, and what is known of the path; all in ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// The shortest delay.
    pub(crate) min: u64,
    /// The longest (below the 500 ms of MUST-58).
    pub(crate) max: u64,
    /// SRTT, or zero.
    pub(crate) srtt: u64,
    /// The retransmission timeout: the peer's will be alike.
    pub(crate) rto: u64,
}

/// The acknowledgement policy of one connection.
#[derive(Debug)]
pub(crate) struct DelayedAck {
    /// Wire segments and bytes received in order since the last acknowledgement.
    segments: u32,
    bytes: u32,
    /// Acknowledgements still to be sent at once.
    quick: u8,
    /// The application answers what it reads.
    ping_pong: bool,
    /// How long the next lone segment waits, in ns, before it is held against the path's round trip.
    timeout: u64,
    /// When data last arrived.
    last_at: Instant,
    /// When the withheld acknowledgement must leave; `Instant::MAX`: none is withheld.
    pub(crate) at: Instant,
}

impl Default for DelayedAck {
    fn default() -> Self {
        Self {
            segments: 0,
            bytes: 0,
            quick: QUICK_ACKS,
            ping_pong: false,
            timeout: 0,
            last_at: Instant::ZERO,
            at: Instant::MAX,
        }
    }
}

impl DelayedAck {
    /// `segments` of the wire with `bytes` bytes have arrived in order.
    pub(crate) fn count(&mut self, segments: u32, bytes: u32) {
        self.segments = self.segments.saturating_add(segments);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Decides about what has arrived: whether it is acknowledged now. `peer_mss` is RMSS; `quick`:
    /// the application wants it so.
    pub(crate) fn decide(
        &mut self,
        peer_mss: u32,
        quick: bool,
        timing: &Timing,
        now: Instant,
    ) -> bool {
        self.adapt(timing, now);
        let full = self.segments >= 2 || self.bytes >= 2 * peer_mss.max(1);
        let hurry = self.quick > 0 && !self.ping_pong || !must("9293 MUST-58");
        if full || quick || hurry {
            self.quick = self.quick.saturating_sub(1);
            return true;
        }
        if self.bytes > 0 && self.at == Instant::MAX {
            self.at = now.plus_nanos(self.delay(timing));
        }
        false
    }

    /// The timeout follows the time between arrivals.
    fn adapt(&mut self, timing: &Timing, now: Instant) {
        let gap = now.nanos_since(self.last_at);
        let half = timing.min / 2;
        if self.timeout == 0 {
            self.timeout = timing.min;
        } else if gap <= half {
            self.timeout = self.timeout / 2 + half;
        } else if gap < self.timeout {
            self.timeout = (self.timeout / 2 + gap).min(timing.rto);
        } else if gap > timing.rto {
            // After so long the peer begins with slow start.
            self.quick = QUICK_ACKS;
        }
        self.last_at = now;
    }

    fn delay(&self, timing: &Timing) -> u64 {
        let most = if self.ping_pong || timing.srtt == 0 {
            timing.max
        } else {
            timing.srtt.clamp(timing.min, timing.max.max(timing.min))
        };
        let delay = self.timeout.clamp(timing.min, most.max(timing.min));
        if must("9293 MUST-40") {
            delay
        } else {
            delay * 20
        }
    }

    /// How long the next lone segment waits, before that is held against the path's round trip; once data
    /// has arrived.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        (self.timeout > 0).then(|| Duration::from_nanos(self.timeout))
    }

    /// The timer expired: the acknowledgement leaves alone.
    pub(crate) fn on_timeout(&mut self, min: u64, rto: u64) {
        self.at = Instant::MAX;
        if self.ping_pong {
            // The application did not answer after all.
            self.ping_pong = false;
            self.timeout = min;
        } else {
            self.timeout = self.timeout.saturating_mul(2).min(rto).max(min);
        }
    }

    /// Data leaves: if it comes soon after what was received, it is the answer.
    pub(crate) fn on_data_sent(&mut self, now: Instant) {
        if !self.ping_pong && now.nanos_since(self.last_at) < self.timeout {
            self.ping_pong = true;
        }
    }

    /// Something arrived out of order: the peer needs to know each step of its repair.
    pub(crate) fn be_quick(&mut self) {
        self.ping_pong = false;
        self.quick = QUICK_ACKS;
    }

    /// An acknowledgement leaves: nothing is owed any more.
    pub(crate) fn on_ack_sent(&mut self) {
        self.segments = 0;
        self.bytes = 0;
        self.at = Instant::MAX;
    }
}
