//! What happened in one direction of a link.

/// Counters of one direction of a link. A super-segment counts once as sent; where the link cuts it,
/// all other counters count its segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCounters {
    /// Packets that the sender handed over.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets that the receiver has taken.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Dropped: lost on the way.
    pub lost: u64,
    /// Dropped: no room in the queue.
    pub queue_full: u64,
    /// Dropped: larger than the MTU.
    pub too_big: u64,
    /// Dropped: too large for the black hole.
    pub black_holed: u64,
    /// Dropped: the link was out.
    pub outage: u64,
    /// Dropped: a super-segment whose headers contradict it.
    pub malformed: u64,
    /// Dropped: the other end is gone.
    pub closed: u64,
    /// Packets that got an ECN mark.
    pub marked: u64,
    /// Packets that got a bit flipped.
    pub corrupted: u64,
    /// Packets that were sent on twice.
    pub duplicated: u64,
    /// Packets that were held back for later ones to overtake.
    pub overtaken: u64,
}
