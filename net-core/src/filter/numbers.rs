//! Sets of numbers: ports, protocols, lengths, marks.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::slice;

/// A set of numbers, given by ranges.
///
/// One number or range is compared, and a few are searched. More lie in a map of bits from the smallest
/// to the largest, where that takes no more than 32 bytes for each.
///
/// ```
/// use net_core::filter::Numbers;
/// let ports: Numbers = [22..=22, 8000..=8099].into_iter().collect();
/// assert!(ports.contains(22) && ports.contains(8080) && !ports.contains(23));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Numbers {
    kept: Kept,
}

/// How a set is kept. Ranges are in order, and do not touch.
#[derive(Clone, PartialEq, Eq)]
enum Kept {
    Range((u32, u32)),
    Ranges(Arc<[(u32, u32)]>),
    Bits {
        ranges: Arc<[(u32, u32)]>,
        /// The number of the first bit.
        first: u32,
        bits: Arc<[u64]>,
    },
}

impl Numbers {
    /// Whether a number is in.
    #[inline]
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        match &self.kept {
            Kept::Range((low, high)) => *low <= number && number <= *high,
            Kept::Ranges(ranges) => {
                let at = ranges.partition_point(|(_, high)| *high < number);
                ranges.get(at).is_some_and(|(low, _)| *low <= number)
            }
            Kept::Bits { first, bits, .. } => {
                // What is below the first is far behind the last so.
                let place = number.wrapping_sub(*first);
                let word = bits.get(place as usize / 64);
                word.is_some_and(|word| word >> (place % 64) & 1 == 1)
            }
        }
    }

    /// The number, if there is only one.
    #[must_use]
    pub fn single(&self) -> Option<u32> {
        match self.kept {
            Kept::Range((low, high)) if low == high => Some(low),
            _ => None,
        }
    }

    /// The ranges, in order; neighbours are joined.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        let ranges = match &self.kept {
            Kept::Range(range) => slice::from_ref(range),
            Kept::Ranges(ranges) | Kept::Bits { ranges, .. } => ranges,
        };
        ranges.iter().map(|(low, high)| *low..=*high)
    }
}

impl FromIterator<RangeInclusive<u32>> for Numbers {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<u32>>>(ranges: I) -> Self {
        let ranges = ranges.into_iter().filter(|range| !range.is_empty());
        let mut sorted: Vec<_> = ranges.map(RangeInclusive::into_inner).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (low, high) in sorted {
            match joined.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => joined.push((low, high)),
            }
        }
        let kept = match (&*joined, bits_of(&joined)) {
            (&[range], _) => Kept::Range(range),
            (&[(first, _), ..], Some(bits)) => Kept::Bits {
                ranges: joined.into(),
                first,
                bits,
            },
            _ => Kept::Ranges(joined.into()),
        };
        Self { kept }
    }
}

impl From<u32> for Numbers {
    fn from(number: u32) -> Self {
        core::iter::once(number..=number).collect()
    }
}

impl From<RangeInclusive<u32>> for Numbers {
    fn from(range: RangeInclusive<u32>) -> Self {
        core::iter::once(range).collect()
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

/// The numbers from the smallest on as bits, if there are many ranges and they lie close enough.
fn bits_of(ranges: &[(u32, u32)]) -> Option<Arc<[u64]>> {
    let (first, last) = (ranges.first()?.0, ranges.last()?.1);
    let words = (last - first) as usize / 64 + 1;
    if ranges.len() < MIN_BITS || words > ranges.len() * MAX_WORDS {
        return None;
    }
    let mut bits = alloc::vec![0_u64; words];
    for &(low, high) in ranges {
        for place in low - first..=high - first {
            if let Some(word) = bits.get_mut(place as usize / 64) {
                *word |= 1 << (place % 64);
            }
        }
    }
    Some(bits.into())
}

/// Fewer ranges are searched: that takes two comparisons.
const MIN_BITS: usize = 5;
/// Words of 64 bits that each range may take.
const MAX_WORDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_and_found_in_bits_or_by_search() {
        let numbers: Numbers = [5..=9, 7..=12, 13..=13, 70_000..=80_000, 90_000..=90_000]
            .into_iter()
            .collect();
        let ranges: Vec<_> = numbers.ranges().collect();
        assert_eq!(ranges, [5..=13, 70_000..=80_000, 90_000..=90_000]);
        for number in [4, 14, 69_999, 80_001, 89_999, 90_001, u32::MAX] {
            assert!(!numbers.contains(number), "{number}");
        }
        for number in [5, 13, 70_000, 80_000, 90_000] {
            assert!(numbers.contains(number), "{number}");
        }
    }

    #[test]
    fn sets_take_the_memory_of_their_ranges_and_find_the_same() {
        let bytes = |numbers: &Numbers| match &numbers.kept {
            Kept::Range(_) => 0,
            Kept::Ranges(ranges) => size_of_val(&**ranges),
            Kept::Bits { ranges, bits, .. } => size_of_val(&**ranges) + size_of_val(&**bits),
        };
        for step in [2, 3, 60, 250, 300, 4000, 100_000] {
            for count in [1, 2, 4, 5, 16, 300] {
                let all = (0..count).map(|n| 7 + n * step);
                let numbers: Numbers = all.clone().map(|n| n..=n).collect();
                assert!(bytes(&numbers) <= 40 * count as usize, "{count} by {step}");
                for number in all {
                    assert!(numbers.contains(number) && !numbers.contains(number + 1));
                    assert!(!numbers.contains(number - 1), "{number}");
                }
                assert!(!numbers.contains(0) && !numbers.contains(u32::MAX));
            }
        }
    }

    #[test]
    fn an_empty_set_has_nothing_and_the_fullest_everything() {
        let none: Numbers = core::iter::empty().collect();
        assert!(!none.contains(0) && none.single().is_none());
        assert!(Numbers::from(0..=u32::MAX).contains(u32::MAX));
        assert_eq!(Numbers::from(7).single(), Some(7));
    }
}
