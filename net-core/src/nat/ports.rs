//! A source port that is free.

use super::crowd::Crowds;
use crate::conntrack::Tuple;
use core::ops::RangeInclusive;

/// What a search for a port begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    start: u32,
    stride: u32,
}

impl Chance {
    /// `random` gives numbers below one.
    pub(super) fn new(ports: &RangeInclusive<u16>, mut random: impl FnMut(u64) -> u64) -> Self {
        let mut chosen = || u32::try_from(random(count(ports).into())).unwrap_or_default();
        Self {
            start: chosen(),
            stride: chosen() | 1,
        }
    }

    fn port(self, ports: &RangeInclusive<u16>) -> u16 {
        ports.start() + u16::try_from(self.start).unwrap_or_default()
    }
}

/// A port of a range that is free for a tuple, of the same parity as its own rather than of the other (RFC
/// 4787 REQ-4): one by chance, or where ports are scarce one of those that [`Crowds`] knows.
pub(super) fn find(
    crowds: &mut Crowds,
    tuple: &Tuple,
    ports: &RangeInclusive<u16>,
    chance: Chance,
    is_taken: impl Fn(u16) -> bool,
) -> Option<u16> {
    if !crowds.has(tuple) {
        let found = by_chance(tuple, ports, chance, MAX_TRIES, |port| !is_taken(port));
        if found.is_some() || count(ports) <= MAX_TRIES {
            return found;
        }
    }
    crowds.free(tuple, ports, chance.port(ports), is_taken)
}

/// One of some ports of a range by chance that will do, of the same parity rather than of the other.
pub(super) fn by_chance(
    tuple: &Tuple,
    ports: &RangeInclusive<u16>,
    chance: Chance,
    tries: u32,
    will_do: impl Fn(u16) -> bool,
) -> Option<u16> {
    let count = count(ports);
    // Neighbours tend to be taken together.
    let stride = if count > tries { chance.stride } else { 1 };
    let parity = tuple.source_port & 1;
    [true, false].into_iter().find_map(|same| {
        let steps = 0..count.min(tries);
        let places = steps.map(|step| (chance.start + step * stride) % count);
        let mut ports = places.filter_map(|place| Some(ports.start() + u16::try_from(place).ok()?));
        ports.find(|port| (port & 1 == parity) == same && will_do(*port))
    })
}

fn count(ports: &RangeInclusive<u16>) -> u32 {
    (u32::from(*ports.end()) + 1).saturating_sub((*ports.start()).into())
}

/// Ports that are looked at by chance before it is found out which are free.
pub(super) const MAX_TRIES: u32 = 128;
/// The same where a port has to be free towards everybody, and there is no second look.
pub(super) const MAX_MAPPED_TRIES: u32 = 512;
