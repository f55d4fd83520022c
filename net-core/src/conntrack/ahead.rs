//! The flows of a batch, looked up before its packets are taken in one by one.
//!
//! No cache keeps a large table. Looking a flow up there is three loads from memory, each of which needs what the
//! one before it has brought, and between two packets so much is done that a processor does not come to
//! the next one's loads meanwhile. Here each step is done for all packets before the next step is for any,
//! by loops that do nothing else: so their loads wait together.
//!
//! What is found is a hint, and is looked at again when it is used: flows may begin and end while the batch
//! is taken in.

use super::Tuple;
use super::table::{FlowTable, Hint};
use crate::buf::RxPacket;
use alloc::vec::Vec;
use core::hint::black_box;

/// What has been found for the packets of a batch.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// By the place of the packet in the batch.
    found: Vec<Option<(Tuple, Hint)>>,
    /// The place of the packet that is taken in now.
    now: usize,
    /// How often what was found has been of use.
    #[cfg(test)]
    pub(super) used: usize,
}

impl Ahead {
    /// Looks up the flows of packets, up to [`AT_ONCE`], and has what their flows need come into the cache.
    pub(super) fn look(&mut self, table: &FlowTable, packets: &[RxPacket]) {
        self.clear();
        self.found
            .extend(packets.iter().take(AT_ONCE).map(|packet| {
                let tuple = Tuple::read_off(&packet.frame)?;
                let tag = table.tag(&tuple);
                Some((tuple, Hint { tag, place: None }))
            }));
        for (_, hint) in self.found.iter_mut().flatten() {
            hint.place = table.guess(hint.tag);
        }
        for (tuple, hint) in self.found.iter().flatten() {
            // Whatever is read of it, the rest of its line comes along.
            black_box(table.touch(tuple, hint.place));
        }
    }

    /// Forgets what has not been used.
    pub(super) fn clear(&mut self) {
        self.found.clear();
    }

    /// The packet with this place in the batch is taken in from now on.
    pub(super) fn turn_to(&mut self, at: usize) {
        self.now = at;
    }

    /// What has been found for the packet that is taken in now, if it has this tuple; once.
    #[inline]
    pub(super) fn take(&mut self, tuple: &Tuple) -> Option<Hint> {
        let found = self.found.get_mut(self.now)?;
        let (_, hint) = found.take_if(|(other, _)| other == tuple)?;
        #[cfg(test)]
        {
            self.used += 1;
        }
        Some(hint)
    }
}

/// Packets that are looked up together.
pub(crate) const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buf::HeadBuf;
    use crate::conntrack::{Direction, Flow, Timeouts};
    use crate::seed::Seed;
    use crate::time::Instant;
    use crate::wire::{IpHeader, ip};
    use core::net::IpAddr;

    const SOURCES: [[u8; 4]; 3] = [[10, 7, 0, 1], [10, 7, 0, 2], [10, 7, 0, 3]];

    fn packet(source: [u8; 4]) -> RxPacket {
        let mut head = HeadBuf::new();
        head.prepend(8).copy_from_slice(&[0, 5, 0, 53, 0, 8, 0, 0]);
        let (source, dest) = (IpAddr::from(source), IpAddr::from([10, 9, 0, 9]));
        IpHeader::new(source, dest, ip::UDP, 8).emit(&mut head);
        RxPacket::from_frame(head.iter().copied().collect())
    }

    fn flow(tuple: Tuple) -> Flow {
        let flow = Flow::begin(tuple, None, true, &Timeouts::default(), Instant::ZERO);
        flow.expect("datagrams begin flows")
    }

    /// A table with the first two flows, and what has been found for all three.
    fn looked_up() -> (FlowTable, Ahead, [Tuple; 3]) {
        let mut table = FlowTable::new(8, Seed::from_u64(1), Instant::ZERO);
        let packets = SOURCES.map(packet);
        let tuples = [0, 1, 2].map(|at: usize| {
            let tuple = Tuple::read_off(&packets[at].frame);
            tuple.expect("a datagram")
        });
        for tuple in &tuples[..2] {
            table.add(flow(*tuple)).expect("room");
        }
        let mut ahead = Ahead::default();
        ahead.look(&table, &packets);
        (table, ahead, tuples)
    }

    #[test]
    fn what_is_found_ahead_is_found_without_a_search_once_and_by_its_own_packet() {
        let (table, mut ahead, [first, second, third]) = looked_up();
        ahead.turn_to(1);
        assert!(ahead.take(&first).is_none(), "another packet's");
        let hint = ahead.take(&second).expect("its own");
        assert!(hint.place.is_some());
        assert_eq!(
            table.find_hinted(&second, Some(hint)),
            Some((1, Direction::Original))
        );
        assert!(ahead.take(&second).is_none(), "it came once");
        ahead.turn_to(2);
        let hint = ahead.take(&third).expect("its tag");
        assert!(hint.place.is_none());
        ahead.clear();
        assert!(ahead.take(&third).is_none());
    }

    #[test]
    fn a_flow_in_the_place_of_another_is_not_taken_for_it() {
        let (mut table, mut ahead, [first, second, third]) = looked_up();
        table.remove(0).expect("the first");
        let (index, _) = table.add(flow(third)).expect("room");
        assert_eq!(index, 0, "where the first was");
        let mut find = |at: usize, tuple: &Tuple| {
            ahead.turn_to(at);
            let hint = ahead.take(tuple);
            assert!(hint.is_some());
            table.find_hinted(tuple, hint)
        };
        assert_eq!(find(0, &first), None);
        assert_eq!(find(1, &second), Some((1, Direction::Original)));
        // It had not begun when it was looked up.
        assert_eq!(find(2, &third), Some((0, Direction::Original)));
    }
}
