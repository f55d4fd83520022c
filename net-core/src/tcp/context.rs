//! What a connection is made from, and what it needs in every call.

use super::SeqNum;
use super::ecn::Agreement;
use crate::config::TcpConfig;
use crate::socket::TcpSettings;
use crate::stats::Stats;
use crate::time::Instant;

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
    pub(crate) bytes_retransmitted: u64,
    pub(crate) retransmits: u32,
    pub(crate) timeouts: u32,
    pub(crate) fast_recoveries: u32,
    pub(crate) bytes_lost: u64,
    pub(crate) loss_probes: u32,
    pub(crate) duplicates_reported: u32,
    pub(crate) undos: u32,
    pub(crate) spurious_timeouts: u32,
}
