//! A rate, and what a packet takes up of it.

use super::super::Queued;
use super::{CakeConfig, CakeFraming};
use crate::time::Instant;

/// A rate without bursts: a packet's time on the link has to be over before the next may leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shaper {
    /// Bytes a second.
    rate: u64,
    /// When the next packet may leave.
    next: Instant,
    /// What the last packets took up in parts of a nanosecond, in `rate`ths of it.
    rest: u64,
}

impl Shaper {
    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate: rate.max(LEAST_RATE),
            next: Instant::ZERO,
            rest: 0,
        }
    }

    /// When the next packet may leave.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Forgets what was not made use of while nothing waited.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.next = self.next.max(now);
    }

    /// A packet leaves. One that is late does not put off those behind it.
    pub(super) fn charge(&mut self, len: u32) {
        let nanos = self.nanos_for(len);
        self.next = self.next.plus_nanos(nanos);
    }

    /// The same where this is a share of the link: what leaves before its time, since nobody else
    /// wants the link, costs no more than that packet's.
    pub(super) fn charge_share(&mut self, len: u32, now: Instant) {
        let nanos = self.nanos_for(len);
        if self.next < now {
            self.next = self.next.plus_nanos(nanos);
        } else {
            self.next = self.next.max(now.plus_nanos(nanos));
        }
    }

    /// Nanoseconds that a packet takes, and those that the parts left over have come to.
    fn nanos_for(&mut self, len: u32) -> u64 {
        let parts = u128::from(len) * 1_000_000_000 + u128::from(self.rest);
        let rate = u128::from(self.rate);
        self.rest = u64::try_from(parts % rate).unwrap_or(0);
        u64::try_from(parts / rate).unwrap_or(u64::MAX)
    }
}

/// What packets take up on the link, and the sizes that were seen.
#[derive(Debug)]
pub(super) struct Overhead {
    overhead: Option<i16>,
    mpu: u32,
    framing: CakeFraming,
    /// Of packets, as their overhead is added to.
    pub(super) seen: Sizes,
    /// Of packets with their overhead.
    pub(super) adjusted: Sizes,
    /// Bytes of the link's header, in 65,536ths: a moving average.
    link_len: u64,
}

/// The smallest and the largest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) min: u32,
    pub(super) max: u32,
}

impl Sizes {
    /// As `tc` shows them while there are none.
    const NONE: Self = Self {
        min: 65_535,
        max: 0,
    };

    fn add(&mut self, len: u32) {
        self.min = self.min.min(len);
        self.max = self.max.max(len);
    }
}

impl Overhead {
    pub(super) fn new(config: &CakeConfig) -> Self {
        Self {
            overhead: config.overhead,
            mpu: config.mpu.into(),
            framing: config.framing,
            seen: Sizes::NONE,
            adjusted: Sizes::NONE,
            link_len: 0,
        }
    }

    /// The average length of the link's header.
    pub(super) const fn link_len(&self) -> u64 {
        self.link_len >> 16
    }

    /// Bytes that a packet takes up; a super-segment as much as what it stands for.
    pub(super) fn len_of(&mut self, queued: &Queued) -> u32 {
        let packet = &queued.packet;
        let link_len = u32::from(packet.meta.link_len);
        self.link_len = self.link_len - (self.link_len >> 8) + (u64::from(link_len) << 8);
        let segments = queued.segments();
        let Some(gso) = packet.meta.gso.filter(|_| segments > 1) else {
            return self.adjust(queued.wire_len, link_len);
        };
        let head = u32::try_from(packet.head.len()).unwrap_or(u32::MAX);
        let whole = head.saturating_add(gso.size.into());
        let more = segments - 1;
        let last = queued.wire_len.saturating_sub(whole.saturating_mul(more));
        let each = self.adjust(whole, link_len).saturating_mul(more);
        each.saturating_add(self.adjust(last, link_len))
    }

    fn adjust(&mut self, len: u32, link_len: u32) -> u32 {
        let (len, more) = match self.overhead {
            Some(more) => (len.saturating_sub(link_len), more),
            None => (len, 0),
        };
        self.seen.add(len);
        let len = len.saturating_add_signed(more.into()).max(self.mpu);
        let len = match self.framing {
            CakeFraming::Plain => len,
            CakeFraming::Atm => len.div_ceil(48).saturating_mul(53),
            CakeFraming::Ptm => len.saturating_add(len.div_ceil(64)),
        };
        self.adjusted.add(len);
        len
    }
}

/// Bytes a second below which no packet would leave within reason.
const LEAST_RATE: u64 = 64;
