//! Sets of numbers: ports, protocols, lengths, marks.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

/// A set of numbers, given by ranges.
///
/// One number or range is compared; of more, those up to 65,535 lie in a map of bits.
///
/// ```
/// use net_core::filter::Numbers;
/// let ports: Numbers = [22..=22, 8000..=8099].into_iter().collect();
/// assert!(ports.contains(22) && ports.contains(8080) && !ports.contains(23));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Numbers {
    /// In order, and not touching.
    ranges: Arc<[(u32, u32)]>,
    /// Which numbers of 16 bits are in; only where there are several ranges.
    bits: Option<Arc<[u64; WORDS]>>,
}

impl Numbers {
    /// Whether a number is in.
    #[inline]
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        match (&*self.ranges, &self.bits) {
            (&[(low, high)], _) => low <= number && number <= high,
            (_, Some(bits)) if number <= MOST => bits
                .get(number as usize / 64)
                .is_some_and(|word| word >> (number % 64) & 1 == 1),
            (ranges, _) => {
                let at = ranges.partition_point(|(_, high)| *high < number);
                ranges.get(at).is_some_and(|(low, _)| *low <= number)
            }
        }
    }

    /// The number, if there is only one.
    #[must_use]
    pub fn single(&self) -> Option<u32> {
        match *self.ranges {
            [(low, high)] if low == high => Some(low),
            _ => None,
        }
    }

    /// The ranges, in order; neighbours are joined.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        self.ranges.iter().map(|(low, high)| *low..=*high)
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
        let bits = (joined.len() > 1).then(|| bits_of(&joined));
        Self {
            ranges: joined.into(),
            bits,
        }
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

fn bits_of(ranges: &[(u32, u32)]) -> Arc<[u64; WORDS]> {
    let mut bits = Box::new([0_u64; WORDS]);
    for &(low, high) in ranges {
        for number in low..=high.min(MOST) {
            if let Some(word) = bits.get_mut(number as usize / 64) {
                *word |= 1 << (number % 64);
            }
        }
    }
    Arc::from(bits)
}

/// The largest number that has a bit.
const MOST: u32 = u16::MAX as u32;
/// Words of 64 bits that have a bit for each number of 16.
const WORDS: usize = 1024;

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
    fn an_empty_set_has_nothing_and_the_fullest_everything() {
        let none: Numbers = core::iter::empty().collect();
        assert!(!none.contains(0) && none.single().is_none());
        assert!(Numbers::from(0..=u32::MAX).contains(u32::MAX));
        assert_eq!(Numbers::from(7).single(), Some(7));
    }
}
