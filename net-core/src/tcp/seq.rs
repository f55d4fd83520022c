//! Sequence numbers (RFC 9293 §3.4): a circle, so they have distances but no order.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A sequence number.
///
/// It is not `Ord`: on a circle only "`a` comes before `b`, seen from less than half the circle
/// away" has a meaning, and the methods say so by name.
///
/// ```
/// use net_core::tcp::SeqNum;
/// let last = SeqNum::new(u32::MAX);
/// assert_eq!(last + 2, SeqNum::new(1));
/// assert!(last.before(SeqNum::new(1)));
/// assert_eq!(SeqNum::new(1).distance_from(last), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(u32);

impl SeqNum {
    /// The sequence number as it stands in a header.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number as it stands in a header.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// `SEG.SEQ < other` in the RFC's modular sense.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0)).cast_signed() < 0
    }

    /// `SEG.SEQ =< other` in the RFC's modular sense.
    #[must_use]
    pub const fn at_or_before(self, other: Self) -> bool {
        !other.before(self)
    }

    /// `SEG.SEQ > other` in the RFC's modular sense.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// `SEG.SEQ >= other` in the RFC's modular sense.
    #[must_use]
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// How far this is ahead of `earlier`, 0 if it is not ahead.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> u32 {
        if self.before(earlier) {
            0
        } else {
            self.0.wrapping_sub(earlier.0)
        }
    }

    /// The later of the two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of the two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if self.before(other) { self } else { other }
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, rhs: u32) -> Self {
        Self(self.0.wrapping_add(rhs))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, rhs: u32) {
        *self = *self + rhs;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, rhs: u32) -> Self {
        Self(self.0.wrapping_sub(rhs))
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
