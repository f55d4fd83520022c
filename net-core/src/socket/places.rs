//! What belongs to local addresses, found by address: few in a row, many in a tree.

use super::place::Place;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Something that belongs to a place.
pub(super) trait Placed {
    /// Where it belongs.
    fn place(&self) -> Place;
}

/// Items by their places; those of one place have an order of their own.
#[derive(Debug)]
pub(super) enum ByPlace<T> {
    /// Sorted by place: what nearly every port has.
    Few(Vec<T>),
    /// A port that has thousands of addresses. None of the groups is empty.
    Many(BTreeMap<Place, Vec<T>>),
}

impl<T> Default for ByPlace<T> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<T: Placed> ByPlace<T> {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(items) => items.is_empty(),
            Self::Many(groups) => groups.is_empty(),
        }
    }

    /// The items of just this place, in their order.
    pub(super) fn at(&self, place: Place) -> &[T] {
        match self {
            Self::Few(items) => {
                let start = items.partition_point(|item| item.place() < place);
                let rest = items.get(start..).unwrap_or_default();
                let end = rest.partition_point(|item| item.place() == place);
                rest.get(..end).unwrap_or_default()
            }
            Self::Many(groups) => groups.get(&place).map_or(&[], Vec::as_slice),
        }
    }

    /// The first item of just this place, to be changed.
    pub(super) fn first_mut(&mut self, place: Place) -> Option<&mut T> {
        match self {
            Self::Few(items) => {
                let start = items.partition_point(|item| item.place() < place);
                let first = items.get_mut(start);
                first.filter(|item| item.place() == place)
            }
            Self::Many(groups) => groups.get_mut(&place)?.first_mut(),
        }
    }

    /// Every item whose place has some address in common with this one: of one address, those that are found
    /// without a look at others.
    pub(super) fn overlapping(&self, place: Place) -> impl Iterator<Item = &T> {
        let (few, many) = match self {
            Self::Few(items) => (Some(items), None),
            Self::Many(groups) => (None, Some(groups)),
        };
        let few = few.into_iter().flatten();
        let few = few.filter(move |item| item.place().overlaps(place));
        let many = many.into_iter().flat_map(move |groups| {
            let ranges = place.overlapping().into_iter().flatten();
            ranges.flat_map(|range| groups.range(range))
        });
        few.chain(many.flat_map(|(_, items)| items))
    }

    /// Adds an item behind those of its place that `goes_before` says so of; they come first.
    pub(super) fn insert(&mut self, item: T, goes_before: impl Fn(&T) -> bool) {
        let place = item.place();
        match self {
            Self::Few(items) => {
                let at = items.partition_point(|old| {
                    old.place() < place || (old.place() == place && goes_before(old))
                });
                items.insert(at, item);
                if items.len() > FEW {
                    self.grow();
                }
            }
            Self::Many(groups) => {
                let group = groups.entry(place).or_default();
                let at = group.partition_point(goes_before);
                group.insert(at, item);
            }
        }
    }

    /// Takes out the first item of just this place that `is_it`.
    pub(super) fn remove(&mut self, place: Place, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let offset = self.at(place).iter().position(is_it)?;
        match self {
            Self::Few(items) => {
                let start = items.partition_point(|item| item.place() < place);
                Some(items.remove(start + offset))
            }
            Self::Many(groups) => {
                let group = groups.get_mut(&place)?;
                let item = group.remove(offset);
                if group.is_empty() {
                    groups.remove(&place);
                }
                Some(item)
            }
        }
    }

    /// How many there are, for tests of boundedness.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(items) => items.len(),
            Self::Many(groups) => groups.values().map(Vec::len).sum(),
        }
    }

    /// From a row to a tree.
    fn grow(&mut self) {
        let Self::Few(items) = self else { return };
        let mut groups = BTreeMap::<_, Vec<T>>::new();
        for item in items.drain(..) {
            groups.entry(item.place()).or_default().push(item);
        }
        *self = Self::Many(groups);
    }
}

/// Items that a row may have: beyond that, moving them for a new one takes longer than a tree does.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Item(Place, u8);

    impl Placed for Item {
        fn place(&self) -> Place {
            self.0
        }
    }

    fn place() -> impl Strategy<Value = Place> {
        let v4 = (0..60_u8).prop_map(|host| {
            let unspecified = host == 0;
            let address = if unspecified {
                [0; 4]
            } else {
                [10, 0, 0, host]
            };
            Place::new(IpAddr::from(address), true)
        });
        let v6 = (0..60_u8).prop_map(|host| {
            let mut address = [0; 16];
            if host > 0 {
                (address[0], address[15]) = (0xfd, host);
            }
            Place::new(IpAddr::from(address), true)
        });
        prop_oneof![4 => v4, 4 => v6, 1 => Just(Place::Any)]
    }

    proptest! {
        #[test]
        fn a_tree_finds_what_a_row_does(
            items in proptest::collection::vec((place(), 0..4_u8, any::<bool>()), 1..300),
            asked in proptest::collection::vec(place(), 30),
        ) {
            let mut both = [ByPlace::default(), ByPlace::Many(BTreeMap::new())];
            let mut row: Vec<Item> = Vec::new();
            for (place, rank, removes) in items {
                if removes {
                    let at = row.iter().position(|item| item.0 == place);
                    let removed = at.map(|at| row.remove(at));
                    for items in &mut both {
                        prop_assert_eq!(&items.remove(place, |_| true), &removed);
                    }
                    continue;
                }
                let at = row.partition_point(|old| (old.0, old.1) <= (place, rank));
                row.insert(at, Item(place, rank));
                for items in &mut both {
                    items.insert(Item(place, rank), |old| old.1 <= rank);
                }
            }
            for items in &both {
                prop_assert_eq!(items.len(), row.len());
                for &place in &asked {
                    let at: Vec<_> = row.iter().filter(|item| item.0 == place).cloned().collect();
                    prop_assert_eq!(items.at(place), &at[..]);
                    let overlapping = row.iter().filter(|item| item.0.overlaps(place));
                    let mut overlapping: Vec<_> = overlapping.map(|item| (item.0, item.1)).collect();
                    let found = items.overlapping(place).map(|item| (item.0, item.1));
                    let mut found: Vec<_> = found.collect();
                    overlapping.sort_unstable();
                    found.sort_unstable();
                    prop_assert_eq!(found, overlapping);
                }
            }
        }
    }

    #[test]
    fn many_do_not_lie_in_a_row() {
        let mut items = ByPlace::default();
        for number in 0..10_000_u16 {
            let [high, low] = number.to_be_bytes();
            let place = Place::new(IpAddr::from([10, 0, high, low]), true);
            items.insert(Item(place, 0), |_| true);
        }
        assert!(matches!(&items, ByPlace::Many(groups) if groups.len() == 10_000));
        // One address is looked for, not a row of them looked through.
        let place = Place::new(IpAddr::from([10, 0, 3, 7]), true);
        assert_eq!(items.overlapping(place).count(), 1);
        assert_eq!(items.overlapping(Place::Any).count(), 10_000);
    }
}
