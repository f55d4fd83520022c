//! What one direction of a link does to packets.

use crate::time::Duration;
use alloc::vec::Vec;

/// One direction of a link: how packets that one end sends reach the other.
///
/// The default is perfect: as fast as memory, without delay or loss, MTU 1500. A link without a
/// rate makes its sender wait where it has no room; one with a rate drops.
///
/// ```
/// use net_core::sim::LinkConfig;
/// use net_core::time::Duration;
/// let dsl = LinkConfig {
///     rate_bps: Some(16_000_000),
///     delay: Duration::from_millis(10),
///     loss_ppm: 5_000, // 0.5 %
///     ..LinkConfig::default()
/// };
/// assert!(dsl.impairs());
/// assert!(!LinkConfig::default().impairs());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// Bits per second of whole IP packets; `None` (or 0) is as fast as memory.
    pub rate_bps: Option<u64>,
    /// Time from the departure of the last bit to its arrival.
    pub delay: Duration,
    /// Up to this much is added to the delay of each packet, at random; order is kept.
    pub jitter: Duration,
    /// Packets lost, per million.
    pub loss_ppm: u32,
    /// Losses that come in bursts, on top of those.
    pub burst_loss: Option<GilbertElliott>,
    /// Packets to lose by their number, counted from 0 in the order in which they leave.
    pub lose: Vec<u64>,
    /// TCP segments lost that do nothing but acknowledge, per million, on top of other losses.
    pub ack_loss_ppm: u32,
    /// Bytes that may wait for their turn on a link with a rate, the packet under way included;
    /// what comes on top is dropped. One packet always finds room. 256 KiB.
    pub queue_bytes: usize,
    /// Packets that may wait likewise. No limit.
    pub queue_packets: usize,
    /// With more bytes than this waiting, a packet that enters the queue and is ECN-capable gets
    /// marked (RFC 3168).
    pub mark_bytes: Option<usize>,
    /// ECN-capable packets marked at random, per million.
    pub mark_ppm: u32,
    /// Packets that arrive twice, per million.
    pub duplicate_ppm: u32,
    /// Packets that later ones overtake, per million.
    pub reorder_ppm: u32,
    /// How much longer those take: a random time up to this, or, where it is `None`, half the delay,
    /// at least 1 ms.
    pub reorder_by: Option<Duration>,
    /// Packets that arrive with one bit flipped, per million.
    pub corrupt_ppm: u32,
    /// Largest packet in bytes, 576–65535; larger ones are dropped. 1500.
    pub mtu: u16,
    /// Packets larger than this vanish, though the MTU promises to take them: a path MTU black hole
    /// (RFC 2923 §2.1).
    pub black_hole: Option<u16>,
    /// Nothing gets through.
    pub outage: Option<Outage>,
    /// Super-segments and checksums that are not computed may be handed over. They cross a perfect
    /// link as they are; a link that impairs cuts them first, so that rate and loss see packets
    /// of the MTU.
    pub offload: bool,
}

impl LinkConfig {
    /// Whether packets arrive otherwise than they were sent, or later.
    #[must_use]
    pub fn impairs(&self) -> bool {
        self.rate().is_some()
            || self.delay > Duration::ZERO
            || self.jitter > Duration::ZERO
            || self.burst_loss.is_some()
            || !self.lose.is_empty()
            || self.black_hole.is_some()
            || self.outage.is_some()
            || [
                self.loss_ppm,
                self.ack_loss_ppm,
                self.mark_ppm,
                self.duplicate_ppm,
                self.reorder_ppm,
                self.corrupt_ppm,
            ]
            .iter()
            .any(|&share| share > 0)
    }

    /// Bits per second, if that is limited at all.
    #[must_use]
    pub fn rate(&self) -> Option<u64> {
        self.rate_bps.filter(|&rate| rate > 0)
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate_bps: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss_ppm: 0,
            burst_loss: None,
            lose: Vec::new(),
            ack_loss_ppm: 0,
            queue_bytes: 256 * 1024,
            queue_packets: usize::MAX,
            mark_bytes: None,
            mark_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_by: None,
            corrupt_ppm: 0,
            mtu: 1500,
            black_hole: None,
            outage: None,
            offload: false,
        }
    }
}

/// Loss in bursts, after Gilbert and Elliott: a link is in a good or in a bad state, and before each
/// packet it may change to the other.
///
/// The bad state holds `good_to_bad / (good_to_bad + bad_to_good)` of all packets, and lasts
/// `1,000,000 / bad_to_good_ppm` of them in the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GilbertElliott {
    /// Chance of a change from good to bad, per million packets.
    pub good_to_bad_ppm: u32,
    /// Chance of a change from bad to good, per million packets.
    pub bad_to_good_ppm: u32,
    /// Packets lost in the good state, per million.
    pub good_loss_ppm: u32,
    /// Packets lost in the bad state, per million.
    pub bad_loss_ppm: u32,
}

/// How nothing gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outage {
    /// What leaves is lost, as with an unplugged cable.
    Lose,
    /// Nothing leaves, and the queue fills, as in a handover between radio cells.
    Hold,
}
