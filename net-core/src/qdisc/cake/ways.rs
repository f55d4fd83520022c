//! Set-associative hashing: what collides with others in one place still has seven more.

/// Places in a table.
pub(super) const QUEUES: u16 = 1024;

/// Where something with a tag belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is there already; `aside` where that is not the first place that it has.
    Own { index: u16, aside: bool },
    /// Nobody else is there.
    Free(u16),
    /// All places that it has are taken: it shares one.
    Shared(u16),
}

/// Looks the places of a tag through; `entry` says which tag one has, and whether it is in use.
pub(super) fn find(tag: u64, entry: impl Fn(u16) -> (u64, bool)) -> Place {
    let first = u16::try_from(tag % u64::from(QUEUES)).unwrap_or(0);
    let set = first - first % WAYS;
    let ways = (0..WAYS).map(|way| set + (first + way) % WAYS);
    if let Some(index) = ways.clone().find(|&index| entry(index).0 == tag) {
        let aside = index != first;
        return Place::Own { index, aside };
    }
    let free = ways.into_iter().find(|&index| !entry(index).1);
    free.map_or(Place::Shared(first), Place::Free)
}

/// Places that share their fate.
const WAYS: u16 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_eight_places_and_shares_the_first_when_all_are_taken() {
        let mut table = [(u64::MAX, false); QUEUES as usize];
        let mut places = std::vec::Vec::new();
        for round in 0..9 {
            let tag = 13 + 1024 * round;
            let place = find(tag, |index| table[usize::from(index)]);
            if let Place::Free(index) = place {
                table[usize::from(index)] = (tag, true);
                let own = find(tag, |index| table[usize::from(index)]);
                let aside = index != 13;
                assert_eq!(own, Place::Own { index, aside });
            }
            places.push(place);
        }
        let free = [13, 14, 15, 8, 9, 10, 11, 12].map(Place::Free);
        assert_eq!(places[..8], free);
        assert_eq!(places[8], Place::Shared(13));
    }
}
