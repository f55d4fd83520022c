//! Reports of what arrived twice (RFC 2883), as a receiver. What a sender makes of them is in
//! `eifel`, `rack` and `tlp`.

use super::*;

/// The peer's eight segments of 500 bytes have arrived, as in the RFC's examples; 0 there is 1 here.
fn eight_received() -> Peer {
    let mut peer = Peer::established_sack();
    for _ in 0..8 {
        peer.sends(tcp().data(500));
    }
    peer.skips();
    peer
}

/// §4.1.1, SPEC 110: a duplicate is reported in the first block, once.
#[test]
fn a_duplicate_segment_is_reported_once() {
    let mut peer = eight_received();
    peer.sends(tcp().seq(3001).data(500));
    peer.expects(tcp().ack(4001).sacks(&[(3001, 3501)]).bare());
    peer.sends(tcp().seq(4001).data(500));
    peer.expects(tcp().ack(4501).sacks(&[]));
    assert_eq!(peer.stack.stats().tcp_duplicates_received, 1);
}

/// §4.1.2: what lies beyond a hole is reported behind it.
#[test]
fn a_duplicate_is_reported_before_what_is_out_of_order() {
    let mut peer = eight_received();
    peer.sends(tcp().seq(4501).data(500));
    peer.expects(tcp().ack(4001).sacks(&[(4501, 5001)]));
    peer.sends(tcp().seq(3001).data(500));
    peer.expects(tcp().ack(4001).sacks(&[(3001, 3501), (4501, 5001)]));
}

/// §4.1.3, §4 (4): a duplicate of something out of order; the larger block follows.
#[test]
fn a_duplicate_beyond_a_hole_is_followed_by_its_block() {
    let mut peer = eight_received();
    peer.sends(tcp().seq(4501).data(500));
    peer.sends(tcp().seq(5001).data(500));
    peer.sends(tcp().seq(6001).data(500));
    peer.skips();
    peer.sends(tcp().seq(5001).data(500));
    peer.expects(
        tcp()
            .ack(4001)
            .sacks(&[(5001, 5501), (4501, 5501), (6001, 6501)]),
    );
}

/// §4.2.1, §4.2.2: of a segment that is known in part, the first part that is.
#[test]
fn the_first_part_that_was_known_is_reported() {
    let mut peer = eight_received();
    // In front of RCV.NXT.
    peer.sends(tcp().seq(3501).data(1000));
    peer.expects(tcp().ack(4501).sacks(&[(3501, 4001)]));
    // Between RCV.NXT and what lies beyond a hole.
    peer.sends(tcp().seq(5001).data(500));
    peer.skips();
    peer.sends(tcp().seq(4501).data(1000));
    peer.expects(tcp().ack(5501).sacks(&[(5001, 5501)]));
    peer.reads(5500);
}

/// §4.2.3: beyond a hole too.
#[test]
fn the_first_known_part_beyond_a_hole_is_reported() {
    let mut peer = eight_received();
    peer.sends(tcp().seq(4501).data(500));
    peer.sends(tcp().seq(5501).data(500));
    peer.skips();
    peer.sends(tcp().seq(4501).data(1500));
    peer.expects(tcp().ack(4001).sacks(&[(4501, 5001), (4501, 6001)]));
}

/// §4 (2): each duplicate in a report of its own, also when they arrive at once.
#[test]
fn duplicates_that_arrive_at_once_are_reported_one_by_one() {
    let mut peer = eight_received();
    peer.sends_batch(&[
        tcp().seq(1001).data(500),
        tcp().seq(2001).data(500),
        tcp().seq(3001).data(500),
    ]);
    peer.expects(tcp().ack(4001).sacks(&[(1001, 1501)]).bare());
    peer.expects(tcp().ack(4001).sacks(&[(2001, 2501)]).bare());
    peer.expects(tcp().ack(4001).sacks(&[(3001, 3501)]).bare());
    peer.expects_nothing();
}

/// Data that waits to be sent does not carry the report; it is sent behind it.
#[test]
fn a_report_leaves_before_data() {
    let mut peer = eight_received();
    peer.sends(tcp().window(0).ack(1));
    peer.writes(1460);
    peer.expects_nothing();
    peer.sends(tcp().seq(3001).data(500).ack(1).window(5000));
    // An old segment does not move the window.
    peer.expects(tcp().ack(4001).sacks(&[(3001, 3501)]).bare());
    peer.sends(tcp().seq(4001).ack(1).window(5000));
    peer.expects(tcp().data(1460).sacks(&[]));
}

/// A flood of duplicates is answered by a few reports, and remembered no longer.
#[test]
fn a_flood_of_duplicates_is_bounded() {
    let mut peer = eight_received();
    let flood: std::vec::Vec<_> = (0..60).map(|at| tcp().seq(1 + 50 * at).data(40)).collect();
    peer.sends_batch(&flood);
    assert!(peer.skips() <= 5);
}

/// RFC 2018 §4: no block without SACK-permitted; nor where it is turned off.
#[test]
fn without_sack_duplicates_are_not_reported() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(500));
    peer.skips();
    peer.sends(tcp().seq(1).data(500));
    peer.expects(tcp().ack(501).sacks(&[]).bare());
    peer.expects_nothing();
    let mut peer = Peer::established_with(syn().sack_permitted(), |config| {
        config.tcp.recovery.dsack = false;
    });
    peer.sends(tcp().data(500));
    peer.skips();
    peer.sends(tcp().seq(1).data(500));
    peer.expects(tcp().ack(501).sacks(&[]).bare());
    peer.expects_nothing();
}

/// RFC 2018 §4: "as many distinct blocks as possible": what arrives in one batch with more holes
/// than one acknowledgement has room for is told in several.
#[test]
fn many_holes_at_once_are_all_told_of() {
    let mut peer = Peer::established_sack();
    let batch: std::vec::Vec<_> = (1..=10)
        .map(|at| tcp().seq(1 + 1000 * at).data(500))
        .collect();
    peer.sends_batch(&batch);
    let mut told = std::vec::Vec::new();
    while let Some(seen) = peer.sent.pop_front() {
        assert_eq!(seen.ack, 1);
        told.extend(seen.sacks);
    }
    told.sort_unstable();
    told.dedup();
    let all: std::vec::Vec<_> = (1..=10)
        .map(|at| (1 + 1000 * at, 501 + 1000 * at))
        .collect();
    assert_eq!(told, all);
}
