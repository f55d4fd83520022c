//! Free ports where nearly all are taken.
//!
//! A few ports by chance find a free one as long as many are. Where they do not, which ports are taken is
//! looked up word by word, 64 at once, and kept up to date from then on: so each is looked up once however
//! many ranges it is in, and the last free port is found by a look at one bit for each. One packet has at
//! most [`MAX_LOOKUPS`] of them looked up; what is not known by then the next packet finds out.

use crate::conntrack::{Flow, Tuple};
use crate::seed::Key;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::IpAddr;
use core::ops::RangeInclusive;
use hashbrown::HashMap;

/// Where ports are scarce, up to [`MAX_CROWDS`] places.
#[derive(Debug)]
pub(crate) struct Crowds {
    by_place: HashMap<Place, Box<Crowd>, Key>,
    /// The oldest first.
    order: VecDeque<Place>,
}

/// Flows from one outer address to one remote endpoint, which their ports alone tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    source: IpAddr,
    dest: IpAddr,
    dest_port: u16,
    protocol: u8,
}

impl Place {
    const fn of(tuple: &Tuple) -> Self {
        Self {
            source: tuple.source,
            dest: tuple.dest,
            dest_port: tuple.dest_port,
            protocol: tuple.protocol,
        }
    }
}

/// The ports of a place that are taken, as far as they have been looked up.
#[derive(Debug)]
struct Crowd {
    /// A bit for each port; those of words that are not known are clear.
    taken: [u64; WORDS],
    /// A bit for each word.
    known: [u64; WORDS / 64],
    /// Ports that are known to be taken.
    count: usize,
    /// Words that are known.
    words: usize,
}

impl Crowds {
    pub(super) fn new(key: Key) -> Self {
        Self {
            by_place: HashMap::with_hasher(key),
            order: VecDeque::new(),
        }
    }

    /// Whether ports have been found scarce where packets like this go.
    pub(super) fn has(&self, tuple: &Tuple) -> bool {
        !self.by_place.is_empty() && self.by_place.contains_key(&Place::of(tuple))
    }

    /// A port of the range that is free for a tuple, of the same parity if one is, near `from`.
    /// `is_taken` is asked about ports that are not known yet.
    pub(super) fn free(
        &mut self,
        tuple: &Tuple,
        ports: &RangeInclusive<u16>,
        from: u16,
        is_taken: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let crowd = self.crowd(Place::of(tuple));
        crowd.look_up(ports, from, is_taken);
        let odd = tuple.source_port & 1 != 0;
        let (same, other) = if odd { (!EVEN, EVEN) } else { (EVEN, !EVEN) };
        let free = crowd.free(ports, from, same);
        free.or_else(|| crowd.free(ports, from, other))
    }

    /// A flow is remembered.
    #[inline]
    pub(super) fn keep(&mut self, flow: &Flow) {
        if !self.by_place.is_empty() {
            self.note(flow, true);
        }
    }

    /// A flow is forgotten.
    #[inline]
    pub(super) fn release(&mut self, flow: &Flow) {
        if !self.by_place.is_empty() {
            self.note(flow, false);
        }
    }

    /// What is known about a place; the oldest goes for a new one.
    fn crowd(&mut self, place: Place) -> &mut Crowd {
        if !self.by_place.contains_key(&place) {
            while self.order.len() >= MAX_CROWDS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_place.remove(&oldest);
            }
            self.order.push_back(place);
        }
        self.by_place
            .entry(place)
            .or_insert_with(|| Box::new(Crowd::new()))
    }

    /// A packet's port is taken if answers to it are a flow's, in either direction.
    fn note(&mut self, flow: &Flow, is_taken: bool) {
        for tuple in [flow.original.inverse(), flow.reply.inverse()] {
            let place = Place::of(&tuple);
            let Some(crowd) = self.by_place.get_mut(&place) else {
                continue;
            };
            crowd.note(tuple.source_port, is_taken);
            if crowd.is_sparse() {
                self.by_place.remove(&place);
                self.order.retain(|other| *other != place);
            }
        }
    }
}

impl Crowd {
    const fn new() -> Self {
        Self {
            taken: [0; WORDS],
            known: [0; WORDS / 64],
            count: 0,
            words: 0,
        }
    }

    /// So few are taken that some by chance would do.
    const fn is_sparse(&self) -> bool {
        self.count < self.words * 64 / 4
    }

    fn is_known(&self, word: usize) -> bool {
        let known = self.known.get(word / 64);
        known.is_some_and(|words| words & 1 << (word % 64) != 0)
    }

    /// Has words of the range looked up that are not known, up to a bound, the nearest first.
    fn look_up(&mut self, ports: &RangeInclusive<u16>, from: u16, is_taken: impl Fn(u16) -> bool) {
        let mut left = MAX_LOOKUPS / 64;
        for word in words(ports, from) {
            if left == 0 {
                return;
            }
            if self.is_known(word) {
                continue;
            }
            left -= 1;
            let bits = (0..64).filter(|bit| port(word, *bit).is_some_and(&is_taken));
            let bits = bits.fold(0, |bits, bit| bits | 1_u64 << bit);
            if let (Some(taken), Some(known)) =
                (self.taken.get_mut(word), self.known.get_mut(word / 64))
            {
                *taken = bits;
                *known |= 1 << (word % 64);
                self.count += bits.count_ones() as usize;
                self.words += 1;
            }
        }
    }

    fn note(&mut self, port: u16, is_taken: bool) {
        let (at, bit) = place(port);
        if !self.is_known(at) {
            return;
        }
        let Some(word) = self.taken.get_mut(at) else {
            return;
        };
        if (*word & bit != 0) == is_taken {
            return;
        }
        *word ^= bit;
        if is_taken {
            self.count += 1;
        } else {
            self.count -= 1;
        }
    }

    /// A free port of the range among those of a mask that every word is looked at with.
    fn free(&self, ports: &RangeInclusive<u16>, from: u16, mask: u64) -> Option<u16> {
        // Not always the lowest bit of a word: who sees some ports should not know the next (RFC 6056 §3.1).
        let turn = u32::from(from) % 64;
        words(ports, from)
            .filter(|word| self.is_known(*word))
            .find_map(|word| {
                let free = !self.taken.get(word)? & mask & within(word, ports);
                let free = Some(free.rotate_right(turn)).filter(|free| *free != 0)?;
                port(word, (free.trailing_zeros() + turn) % 64)
            })
    }
}

/// The words that the ports of a range are in, from the one of `from` on and round to it.
fn words(ports: &RangeInclusive<u16>, from: u16) -> impl Iterator<Item = usize> + use<> {
    let (first, last) = (place(*ports.start()).0, place(*ports.end()).0);
    let from = place(from).0.clamp(first, last.max(first));
    (from..=last).chain(first..from)
}

/// The bits of a word that are ports of a range.
fn within(word: usize, ports: &RangeInclusive<u16>) -> u64 {
    let (first, last) = (place(*ports.start()), place(*ports.end()));
    let above = if word == first.0 { !(first.1 - 1) } else { !0 };
    let below = if word == last.0 {
        last.1 | (last.1 - 1)
    } else {
        !0
    };
    above & below
}

/// The word of a port, and its bit there.
const fn place(port: u16) -> (usize, u64) {
    (port as usize / 64, 1 << (port % 64))
}

/// The port of a bit.
fn port(word: usize, bit: u32) -> Option<u16> {
    u16::try_from(word * 64 + bit as usize).ok()
}

/// Words of 64 bits that all ports take.
const WORDS: usize = (u16::MAX as usize + 1) / 64;
/// Every second bit, beginning with the first.
const EVEN: u64 = 0x5555_5555_5555_5555;
/// Places that are kept up to date at most, of 8 KiB each; the oldest go for new ones.
const MAX_CROWDS: usize = 16;
/// Ports that one packet has looked up.
pub(super) const MAX_LOOKUPS: usize = 1024;

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
