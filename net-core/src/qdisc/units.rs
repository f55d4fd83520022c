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

/// As `tc` does: in the largest unit of which it is a whole number, `1500Kbit`, and in thousands of a unit
/// at least where there is none.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = u128::from(self.0) * 8;
        let mut units = ["", "K", "M", "G", "T"].into_iter().peekable();
        let mut unit = units.next().unwrap_or_default();
        while value >= 1000 && (value.is_multiple_of(1000) || value >= 1_000_000) {
            let Some(larger) = units.next() else { break };
            unit = larger;
            value /= 1000;
        }
        write!(f, "{value}{unit}bit")
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

/// A size as `tc` writes it: `10Kb`, also where it is a few bytes off, as what the kernel keeps as a time is.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, near, name) in [(1 << 20, 1024, "Mb"), (1 << 10, 16, "Kb")] {
            let units = self.0.saturating_add(unit / 2) / unit;
            if self.0 >= unit && self.0.abs_diff(units * unit) < near {
                return write!(f, "{units}{name}");
            }
        }
        write!(f, "{}b", self.0)
    }
}

/// A time as `tc` writes it: with three digits that count, `5ms`, `1.25s`.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
            if nanos >= unit {
                let (scale, digits) = match nanos / unit {
                    0..10 => (100, 2),
                    10..100 => (10, 1),
                    _ => (1, 0),
                };
                let value = (nanos * scale + unit / 2) / unit;
                let (whole, part) = (value / scale, value % scale);
                return match (part, part % 10) {
                    (0, _) => write!(f, "{whole}{name}"),
                    (_, 0) => write!(f, "{whole}.{}{name}", part / 10),
                    _ => write!(f, "{whole}.{part:0digits$}{name}"),
                };
            }
        }
        write!(f, "{nanos}ns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_read_as_those_of_tc() {
        let rate = |bits| Rate::from_bits(bits).to_string();
        let rates = [800, 1_500_000, 50_000_000, 1_234_568, 10_000_000_000];
        assert_eq!(
            rates.map(rate),
            ["800bit", "1500Kbit", "50Mbit", "1234Kbit", "10Gbit"]
        );
        let sizes = [0, 1514, 5113, 10_000, 32 << 20, (4 << 20) - 1000];
        assert_eq!(
            sizes.map(|size| Size(size).to_string()),
            ["0b", "1514b", "5Kb", "10000b", "32Mb", "4Mb"]
        );
        let time = |nanos| Time(Duration::from_nanos(nanos)).to_string();
        let times = [
            999,
            5_000_000,
            40_960_000,
            99_960_000,
            1_250_000_000,
            1_050_000,
            123_456,
        ];
        assert_eq!(
            times.map(time),
            ["999ns", "5ms", "41ms", "100ms", "1.25s", "1.05ms", "123us"]
        );
    }
}
