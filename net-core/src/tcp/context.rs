//! What a connection is made from, and what it needs in every call.

use super::SeqNum;
use super::ecn::Agreement;
use super::segment::Segment;
use crate::config::TcpConfig;
use crate::socket::TcpSettings;
use crate::stats::Stats;
use crate::time::{Duration, Instant};

/// What the handshake settled, whichever side began it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Negotiated {
    /// ISS.
    pub(crate) iss: SeqNum,
    /// IRS.
    pub(crate) irs: SeqNum,
    /// Payload bytes of a full segment that the peer takes (its MSS option).
    pub(crate) peer_mss: u16,
    /// The MSS that we offered.
    pub(crate) our_mss: u16,
    /// The window shift that we offered.
    pub(crate) our_scale: u8,
    /// Snd.Wind.Shift; `None`: no scaling either way.
    pub(crate) peer_scale: Option<u8>,
    /// Both sides sent SACK-permitted.
    pub(crate) sack: bool,
    /// What both sides agreed on for explicit congestion notification.
    pub(crate) ecn: Agreement,
    /// The peer's TSval, where both sides sent timestamps.
    pub(crate) ts_recent: Option<u32>,
    /// Added to the clock for our TSvals.
    pub(crate) ts_offset: u32,
    /// Of a connection that the peer began: see [`IpSettings::local_mark`](crate::socket::IpSettings).
    pub(crate) local_mark: u32,
}

/// What a connection needs of its surroundings in every call.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a TcpConfig,
    pub(crate) settings: &'a TcpSettings,
    pub(crate) stats: &'a mut Stats,
    /// The stack's memory budget is spent.
    pub(crate) memory_spent: bool,
    /// Half of it is: no more for data that arrives out of order, which no reader can free.
    pub(crate) memory_tight: bool,
    /// The connection runs over IPv6.
    pub(crate) v6: bool,
    pub(crate) now: Instant,
}

/// Counters of one connection, for [`TcpInfo`](super::TcpInfo).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) segments_out: u64,
    pub(crate) segments_in: u64,
    pub(crate) data_segments_out: u64,
    pub(crate) data_segments_in: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retransmitted: u64,
    pub(crate) retransmits: u32,
    pub(crate) timeouts: u32,
    pub(crate) fast_recoveries: u32,
    pub(crate) bytes_lost: u64,
    /// Bytes delivered with a congestion mark, as far as the feedback tells.
    pub(crate) delivered_ce: u64,
    pub(crate) loss_probes: u32,
    pub(crate) duplicates_reported: u32,
    pub(crate) undos: u32,
    pub(crate) spurious_timeouts: u32,
    pub(crate) out_of_order: u32,
    pub(crate) data_sent_at: Option<Instant>,
    /// When data arrived that was new.
    pub(crate) data_received_at: Option<Instant>,
    pub(crate) timeout_recoveries: TimeoutRecoveries,
}

impl Counters {
    /// A segment has arrived; whether it is taken is not known yet.
    #[inline]
    pub(crate) fn on_segment(&mut self, segment: &Segment<'_>) {
        let count = u64::from(segment.wire_count());
        self.segments_in += count;
        if !segment.payload.is_empty() {
            self.data_segments_in += count;
        }
    }
}

/// How often the retransmission timer has found the peer silent, and how long it took each time until
/// everything that was out by then had arrived, or turned out not to be lost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimeoutRecoveries {
    pub(crate) count: u32,
    /// In those that are over.
    total: Duration,
    /// When the present one began.
    since: Option<Instant>,
}

impl TimeoutRecoveries {
    /// The timer has expired, maybe once more.
    pub(crate) fn begin(&mut self, now: Instant) {
        if self.since.is_none() {
            self.count += 1;
            self.since = Some(now);
        }
    }

    /// Nothing is left to be repaired.
    pub(crate) fn end(&mut self, now: Instant) {
        self.total = self.time(now);
        self.since = None;
    }

    /// The connection is over: what it repaired came to nothing.
    pub(crate) fn abandon(&mut self) {
        self.since = None;
    }

    /// The time in all of them.
    pub(crate) fn time(&self, now: Instant) -> Duration {
        let present = self.since.map(|since| now.saturating_since(since));
        self.total + present.unwrap_or_default()
    }
}
