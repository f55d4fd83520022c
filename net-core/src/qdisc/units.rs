//! Rates, shares, and how `tc` writes numbers.

use core::fmt;
use core::time::Duration;

/// A rate of bytes.
///
/// ```
/// use net_core::qdisc::Rate;
/// assert_eq!(Rate::from_bits(50_000_000).to_string(), "50Mbit");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// So many bytes a second.
    #[must_use]
    pub const fn from_bytes(per_second: u64) -> Self {
        Self(per_second)
    }

    /// So many bits a second, rounded down to whole bytes.
    #[must_use]
    pub const fn from_bits(per_second: u64) -> Self {
        Self(per_second / 8)
    }

    /// Bytes a second.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Nanoseconds that `bytes` take, rounded up; `None` at a rate of 0.
    pub(super) fn time_for(self, bytes: u64) -> Option<Duration> {
        let nanos = (u128::from(bytes) * NANOS).checked_add(u128::from(self.0).checked_sub(1)?)?;
        let nanos = nanos.checked_div(u128::from(self.0))?;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }
}

const NANOS: u128 = 1_000_000_000;

/// As `tc` does: in the largest unit that divides it, `50Mbit`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from(self.0) * 8;
        for (unit, name) in [
            (1_000_000_000, "Gbit"),
            (1_000_000, "Mbit"),
            (1_000, "Kbit"),
        ] {
            if bits > 0 && bits.is_multiple_of(unit) {
                return write!(f, "{}{name}", bits / unit);
            }
        }
        write!(f, "{bits}bit")
    }
}

/// A share in millionths: 10,000 are 1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millionths(pub u32);

impl Millionths {
    /// So many per cent.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self(percent.saturating_mul(10_000))
    }

    /// Whether the share is none.
    pub(super) const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// `1%`, `0.25%`.
impl fmt::Display for Millionths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let mut digits = 4;
        while rest.is_multiple_of(10) {
            rest /= 10;
            digits -= 1;
        }
        write!(f, "{whole}.{rest:0digits$}%")
    }
}

/// A size as `tc` writes it: `10Kb`.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(1 << 20, "Mb"), (1 << 10, "Kb")] {
            if self.0 > 0 && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}b", self.0)
    }
}

/// A time as `tc` writes it: `5ms`.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
            if nanos > 0 && nanos.is_multiple_of(unit) {
                return write!(f, "{}{name}", nanos / unit);
            }
        }
        if nanos > 1_000_000 {
            // One digit behind the point, as for a time that was computed.
            return write!(f, "{}.{}ms", nanos / 1_000_000, nanos / 100_000 % 10);
        }
        write!(f, "{nanos}ns")
    }
}
