//! The stack's memory budget (SPEC 59): pressure slows connections down and never stops them.

use super::*;
use crate::stats::DropReason;
use crate::tcp::SendFlags;

const BUDGET: usize = 100_000;

fn peer() -> Peer {
    Peer::established_with(syn().mss(1460), |config| config.memory = BUDGET)
}

#[test]
fn the_budget_bounds_what_waits_to_be_sent() {
    let mut peer = peer();
    peer.window = 0;
    peer.sends(tcp().ack(1));
    let mut written = 0;
    while let Ok(count) = peer.try_write(30_000, SendFlags::empty()) {
        written += count as usize;
    }
    assert_eq!(written, BUDGET);
    assert_eq!(peer.stack.memory_used(), BUDGET);
}

#[test]
fn a_spent_budget_still_lets_a_reader_go_on() {
    let mut peer = peer();
    let mut seq = 1;
    while peer.stack.memory_used() < BUDGET {
        peer.sends(tcp().seq(seq).data(1400));
        seq += 1400;
    }
    peer.skips();
    // There is something to read: more is not taken, and the sender hears what is missing.
    peer.sends(tcp().seq(seq).data(1400));
    peer.expects(tcp().ack(seq));
    assert_eq!(peer.drops(DropReason::NoMemory), 1);
    peer.reads(seq - 1);
    peer.skips();
    peer.sends(tcp().seq(seq).data(1400));
    peer.reads(1400);
    assert_eq!(peer.stack.memory_used(), 0);
}

/// Nobody would ever free memory if a gap that others' data waits behind could not be filled.
#[test]
fn a_gap_is_filled_although_the_budget_is_spent() {
    let mut peer = Peer::established_with(syn().sack_permitted(), |config| config.memory = 50_000);
    let mut seq = 1401;
    while peer.drops(DropReason::NoMemory) == 0 {
        peer.sends(tcp().seq(seq).data(1400));
        seq += 1400;
    }
    peer.sends(tcp().seq(1).data(1400));
    peer.reads(seq - 1401);
    assert_eq!(peer.stack.memory_used(), 0);
}
