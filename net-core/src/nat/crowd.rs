//! Free ports where nearly all are taken.
//!
//! A few ports by chance find a free one as long as many are. Where they do not, which ports of the range
//! are taken is looked up once for all of them, and kept up to date from then on: so the last free port is
//! found, by a look at one bit for each. That takes as many look-ups as there are flows already, so who makes
//! it happen has paid for it.

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
    by_place: HashMap<Place, Crowd, Key>,
    /// The oldest first; some may be gone.
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

/// The ports of a range that are taken, a bit for each.
#[derive(Debug)]
struct Crowd {
    ports: RangeInclusive<u16>,
    taken: Box<[u64]>,
    count: usize,
}

impl Crowds {
    pub(super) fn new(key: Key) -> Self {
        Self {
            by_place: HashMap::with_hasher(key),
            order: VecDeque::new(),
        }
    }

    /// The ports that are free for a tuple, those of the same parity first; `from` says where to begin.
    /// `is_taken` is asked about each port of the range unless that has been done.
    pub(super) fn free(
        &mut self,
        tuple: &Tuple,
        ports: &RangeInclusive<u16>,
        from: usize,
        is_taken: impl Fn(u16) -> bool,
    ) -> impl Iterator<Item = u16> {
        let place = Place::of(tuple);
        let is_kept = |crowd: &Crowd| crowd.ports == *ports;
        if !self.by_place.get(&place).is_some_and(is_kept) {
            self.forget(&place);
            while self.order.len() >= MAX_CROWDS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_place.remove(&oldest);
            }
            self.order.push_back(place);
            self.by_place
                .insert(place, Crowd::new(ports.clone(), is_taken));
        }
        let crowd = self.by_place.get(&place);
        let parity = tuple.source_port & 1;
        crowd
            .into_iter()
            .flat_map(move |crowd| crowd.free(from, parity))
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

    /// A packet's port is taken if answers to it are a flow's, in either direction.
    fn note(&mut self, flow: &Flow, is_taken: bool) {
        for tuple in [flow.original.inverse(), flow.reply.inverse()] {
            let place = Place::of(&tuple);
            let Some(crowd) = self.by_place.get_mut(&place) else {
                continue;
            };
            crowd.set(tuple.source_port, is_taken);
            if crowd.count < crowd.len() / 2 {
                self.forget(&place);
            }
        }
    }

    fn forget(&mut self, place: &Place) {
        if self.by_place.remove(place).is_some() {
            self.order.retain(|other| other != place);
        }
    }
}

impl Crowd {
    fn new(ports: RangeInclusive<u16>, is_taken: impl Fn(u16) -> bool) -> Self {
        let words = ports.len().div_ceil(64);
        let mut crowd = Self {
            ports: ports.clone(),
            taken: alloc::vec![0; words].into(),
            count: 0,
        };
        for port in ports.filter(|port| is_taken(*port)) {
            crowd.set(port, true);
        }
        crowd
    }

    fn len(&self) -> usize {
        self.ports.len()
    }

    fn set(&mut self, port: u16, is_taken: bool) {
        if !self.ports.contains(&port) {
            return;
        }
        let (place, bit) = self.bit(port);
        let Some(word) = self.taken.get_mut(place) else {
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

    /// The free ports from a word on and round to it.
    fn free(&self, from: usize, parity: u16) -> impl Iterator<Item = u16> {
        let low = *self.ports.start();
        let same = if low & 1 == parity { EVEN } else { !EVEN };
        let words = self.taken.len();
        let places = move |mask| (0..words).map(move |step| ((from + step) % words, mask));
        let places = places(same).chain(places(!same));
        let bits = places.flat_map(|(place, mask)| {
            let free = self.taken.get(place).map_or(0, |word| !word & mask);
            ones(free).map(move |bit| place * 64 + bit as usize)
        });
        let ports = bits.filter(|at| *at < self.len());
        ports.filter_map(move |at| Some(low + u16::try_from(at).ok()?))
    }

    /// The word and the bit of a port of the range.
    fn bit(&self, port: u16) -> (usize, u64) {
        let at = usize::from(port - *self.ports.start());
        (at / 64, 1 << (at % 64))
    }
}

/// The places of the bits that are set.
fn ones(bits: u64) -> impl Iterator<Item = u32> {
    let next = |bits: &u64| Some(bits & (bits - 1)).filter(|rest| *rest != 0);
    let first = Some(bits).filter(|bits| *bits != 0);
    core::iter::successors(first, next).map(u64::trailing_zeros)
}

/// Every second bit, beginning with the first.
const EVEN: u64 = 0x5555_5555_5555_5555;
/// Places that are kept up to date at most, of up to 8 KiB each; the oldest go for new ones.
const MAX_CROWDS: usize = 16;
