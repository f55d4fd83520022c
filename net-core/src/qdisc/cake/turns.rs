//! Whose turn it is among the flows of a tin: deficit round robin in which those that send little go
//! first (DRR++), and those of one host have less the more of them there are.

use super::flows::{Flows, State};
use alloc::collections::VecDeque;

/// The order of a tin's flows.
#[derive(Debug)]
pub(super) struct Turns {
    /// Flows that send little.
    new: VecDeque<u16>,
    old: VecDeque<u16>,
    /// Bytes that a flow may send in its turn.
    quantum: u64,
    round: Round,
    /// Turns in which nothing could be sent.
    #[cfg(test)]
    taken: usize,
}

/// One round of the old flows. What a flow gets is a quantum over its host's load, times the least load
/// that the round before saw: only how the flows compare matters, and the flow that gets most should not
/// need several rounds for one packet.
#[derive(Debug)]
struct Round {
    /// Turns until it is over.
    left: usize,
    /// The least load seen so far.
    least: u16,
    scale: u16,
}

impl Turns {
    pub(super) fn new(quantum: u64) -> Self {
        Self {
            new: VecDeque::new(),
            old: VecDeque::new(),
            quantum,
            round: Round {
                left: 0,
                least: u16::MAX,
                scale: 1,
            },
            #[cfg(test)]
            taken: 0,
        }
    }

    /// Bytes that a flow may send in its turn if its hosts have no other.
    pub(super) const fn quantum(&self) -> u64 {
        self.quantum
    }

    /// A flow that was idle has something to send.
    pub(super) fn add_new(&mut self, flows: &mut Flows, index: u16) {
        let quantum = self.quantum_of(flows.load(index));
        let flow = flows.get_mut(index);
        flow.state = State::Sparse;
        flow.deficit = quantum;
        self.new.push_back(index);
    }

    /// The flow that is looked at first.
    pub(super) fn first(&self) -> Option<u16> {
        self.new.front().or_else(|| self.old.front()).copied()
    }

    /// The flow whose turn it is: new ones first, those that have sent their quantum last.
    pub(super) fn next(&mut self, flows: &mut Flows) -> Option<u16> {
        let mut turns = 0;
        loop {
            let index = self.first()?;
            if flows.get(index).deficit > 0 {
                return Some(index);
            }
            self.turn(flows, index);
            turns += 1;
            // Each is among the old ones now, and this round and the next have seen all loads.
            if turns >= 3 * (self.new.len() + self.old.len()) {
                self.skip_rounds(flows);
                turns = 0;
            }
        }
    }

    /// A turn of the flow that is looked at first, in which it may send nothing yet.
    fn turn(&mut self, flows: &mut Flows, index: u16) {
        let flow = flows.get_mut(index);
        if flow.state == State::Sparse {
            if flow.queue.len() > 0 {
                flows.make_bulk(index);
            } else {
                flow.state = State::SparseWait;
            }
        }
        let load = flows.load(index);
        self.count_turn(load);
        flows.get_mut(index).deficit += self.quantum_of(load);
        self.turn_over();
        #[cfg(test)]
        {
            self.taken += 1;
        }
    }

    /// Gives all old flows at once what they would get in the rounds that none of them may send in: where
    /// turns are small and packets large, those are many.
    fn skip_rounds(&mut self, flows: &mut Flows) {
        let rounds_of = |&index: &u16| {
            let quantum = self.quantum_of(flows.load(index));
            (-flows.get(index).deficit).max(0) / quantum
        };
        let rounds = self.old.iter().map(rounds_of).min().unwrap_or(0);
        for &index in &self.old {
            let quantum = self.quantum_of(flows.load(index));
            flows.get_mut(index).deficit += rounds * quantum;
        }
    }

    /// Nothing of the flow that is looked at first waits. It owes nothing, so its next packet is that of a
    /// new flow: one that stays below its share never waits for those in bulk. (In RFC 8290 §4.2 it would
    /// have to pass the old ones first.)
    pub(super) fn on_emptied(&mut self, flows: &mut Flows, index: u16) {
        let new = self.new.front() == Some(&index);
        let list = if new { &mut self.new } else { &mut self.old };
        list.pop_front();
        flows.make_idle(index);
    }

    /// Moves the flow that is looked at first to the end of the old ones.
    fn turn_over(&mut self) {
        let index = self.new.pop_front().or_else(|| self.old.pop_front());
        self.old.extend(index);
    }

    /// In 65,536ths of a byte.
    fn quantum_of(&self, load: u16) -> i64 {
        let scale = u64::from(self.round.scale.min(load));
        let quantum = (self.quantum << 16) * scale / u64::from(load.max(1));
        i64::try_from(quantum.max(1)).unwrap_or(i64::MAX)
    }

    fn count_turn(&mut self, load: u16) {
        let round = &mut self.round;
        round.least = round.least.min(load);
        if round.left > 0 {
            round.left -= 1;
            return;
        }
        *round = Round {
            left: self.old.len(),
            least: u16::MAX,
            scale: round.least,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::flow::FlowKey;
    use super::super::super::tests::between;
    use super::super::CakeIsolation;
    use super::*;
    use crate::seed::Seed;
    use alloc::vec::Vec;

    #[test]
    fn flows_of_one_host_get_what_one_alone_would() {
        let key = Seed::from_u64(7).key("cake");
        let mut flows = Flows::new(CakeIsolation::TripleIsolate);
        let mut turns = Turns::new(1514);
        for port in 0..300 {
            let flow = FlowKey::of(&between([1, 2], port, 0, 100, 0));
            let index = flows.place(&flow, key);
            if flows.get(index).state == State::Idle {
                turns.add_new(&mut flows, index);
                flows.make_bulk(index);
            }
        }
        let index = turns.first().unwrap();
        assert!(flows.load(index) > 250);
        // Each has had its turn twice, with little and then with all.
        for _ in 0..2 * 300 {
            let index = turns.next(&mut flows).unwrap();
            flows.get_mut(index).deficit = 0;
        }
        let index = turns.next(&mut flows).unwrap();
        assert_eq!(flows.get(index).deficit, 1514 << 16);
    }

    /// One host has a thousand flows, another has one; all have sent a super-segment.
    fn with_debts() -> (Flows, Turns) {
        let key = Seed::from_u64(7).key("cake");
        let mut flows = Flows::new(CakeIsolation::TripleIsolate);
        let mut turns = Turns::new(300);
        for port in 0..1001 {
            let hosts = if port == 600 { [8, 9] } else { [1, 2] };
            let flow = FlowKey::of(&between(hosts, port, 0, 100, 0));
            let index = flows.place(&flow, key);
            if flows.get(index).state == State::Idle {
                turns.add_new(&mut flows, index);
                flows.make_bulk(index);
            }
            flows.get_mut(index).deficit = -(65_536 << 16);
        }
        (flows, turns)
    }

    #[test]
    fn rounds_that_nobody_may_send_in_are_skipped() {
        let (mut flows, mut turns) = with_debts();
        let index = turns.next(&mut flows).unwrap();
        assert_eq!(flows.load(index), 1);
        assert!(turns.taken <= 5 * turns.old.len(), "{}", turns.taken);
        // It comes to the same.
        let (mut same, mut one_by_one) = with_debts();
        while let Some(first) = one_by_one.first()
            && same.get(first).deficit <= 0
        {
            one_by_one.turn(&mut same, first);
        }
        assert!(one_by_one.taken > 200 * turns.old.len());
        assert_eq!(turns.old, one_by_one.old);
        let deficits = |flows: &Flows| flows.iter().map(|it| it.1.deficit).collect::<Vec<_>>();
        assert_eq!(deficits(&flows), deficits(&same));
    }
}
