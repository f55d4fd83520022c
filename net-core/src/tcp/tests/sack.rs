//! Selective acknowledgements (RFC 2018) and what is done with them by counting (RFC 6675), and
//! what every loss detection has in common.

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;
use crate::socket::TcpOption;
use crate::tcp::TcpInfo;

/// RFC 6675 alone, with NewReno's window.
fn counting(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
    config.tcp.recovery.rack = false;
}

fn ten_in_flight() -> Peer {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), counting);
    peer.waits(ms(50));
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// RFC 6675 §5.1: after a timeout within a recovery everything that was out by then has to arrive before another
/// begins, not only what was out when the first did.
#[test]
fn a_timeout_within_a_recovery_puts_the_next_one_off() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(9))]));
    peer.expects(tcp().seq(1).data(1460));
    assert_eq!(peer.info().fast_recoveries, 1);
    peer.writes(3 * 1460);
    assert!(peer.takes().contains(&(at(12), 1460)));
    while peer.info().timeouts == 0 {
        peer.waits(ms(1));
    }
    let threshold = peer.info().slow_start_threshold;
    // Where the first recovery would have ended.
    peer.sends(tcp().ack(at(10)));
    assert!(peer.info().in_recovery);
    for end in [at(11) + 500, at(11) + 1000, at(12), at(13)] {
        peer.sends(tcp().ack(at(10)).sacks(&[(at(11), end)]));
    }
    let info = peer.info();
    assert_eq!(info.fast_recoveries, 1);
    assert_eq!(info.slow_start_threshold, threshold);
    assert!(info.in_recovery);
    peer.sends(tcp().ack(at(13)));
    assert!(!peer.info().in_recovery);
    // Behind it duplicates count again.
    peer.writes(6 * 1460);
    peer.waits(ms(50));
    let first = peer.rcv;
    peer.sends(tcp().ack(first));
    let next = first + 1460;
    for len in [400, 800, 1200] {
        peer.sends(tcp().ack(first).sacks(&[(next, next + len)]));
    }
    assert_eq!(peer.info().fast_recoveries, 2);
}

/// RFC 6675 §5 step 4.3: three segments' worth behind the first.
#[test]
fn retransmits_the_first_hole_at_once() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(3))]));
    peer.expects_nothing();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4))]));
    peer.expects(tcp().seq(1).data(1460));
    peer.expects_nothing();
}

/// RFC 6675 §4 IsLost: or DupThresh spans of it, however small.
#[test]
fn three_spans_behind_a_segment_show_its_loss() {
    let mut peer = ten_in_flight();
    let spans = [(at(2), at(2) + 9), (at(4), at(4) + 9), (at(6), at(6) + 9)];
    peer.sends(tcp().ack(1).sacks(&spans[..2]));
    peer.expects_nothing();
    peer.sends(tcp().ack(1).sacks(&spans));
    peer.expects(tcp().seq(1).data(1460));
    assert_eq!(peer.info().bytes_lost, 2 * 1460);
}

/// RFC 6675: what was selectively acknowledged is not sent again, and a hole only once.
#[test]
fn only_holes_are_sent_again_and_each_once() {
    let mut peer = ten_in_flight();
    // Segments 0 and 4 are lost.
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4)), (at(5), at(7))]));
    peer.sends(tcp().ack(1).sacks(&[(at(5), at(9)), (at(1), at(4))]));
    peer.sends(tcp().ack(1).sacks(&[(at(5), at(10)), (at(1), at(4))]));
    peer.expects(tcp().seq(1).data(1460));
    peer.expects(tcp().seq(at(4)).data(1460));
    peer.expects_nothing();
    peer.waits(ms(50));
    // The retransmission of segment 4 is still on its way.
    peer.sends(tcp().ack(at(4)).sacks(&[(at(5), at(10))]));
    peer.expects_nothing();
    peer.sends(tcp().ack(at(10)));
    peer.expects_nothing();
    assert_eq!(peer.info().retransmits, 2);
    assert!(!peer.info().in_recovery);
}

/// RFC 6675 §5: three duplicates begin recovery however small the segments are; with RACK too (RFC
/// 8985 §6.2 step 4).
#[test]
fn small_segments_are_recovered_by_counting_duplicates() {
    for rack in [false, true] {
        let mut peer = Peer::with(|config| config.tcp.recovery.rack = rack);
        peer.handshake_in(ms(50), syn().sack_permitted());
        peer.sets(TcpOption::NoDelay(true));
        for index in 0..5 {
            peer.writes(100);
            peer.expects(tcp().seq(1 + 100 * index).data(100));
        }
        peer.waits(ms(50));
        for end in [201, 301] {
            peer.sends(tcp().ack(1).sacks(&[(101, end)]));
            peer.expects_nothing();
        }
        peer.sends(tcp().ack(1).sacks(&[(101, 401)]));
        peer.expects(tcp().seq(1).data(100));
        peer.expects_nothing();
    }
}

/// RFC 6675 §5.1: after a timeout selective acknowledgements still stand.
#[test]
fn a_timeout_does_not_resend_what_was_selectively_acknowledged() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(4))]));
    peer.expects_after(ms(200), tcp().seq(1).data(1460));
    peer.sends(tcp().ack(at(1)).sacks(&[(at(2), at(4))]));
    peer.expects(tcp().seq(at(1)).data(1460));
    peer.expects(tcp().seq(at(4)).data(1460));
    peer.expects_nothing();
}

/// RFC 2018 §8: a peer may renege; a second timeout sends everything again.
#[test]
fn a_peer_may_forget_what_it_acknowledged_selectively() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(3))]));
    peer.waits(secs(2));
    peer.skips();
    for index in 1..10 {
        peer.sends(tcp().ack(at(index)).sacks(&[]));
    }
    let resent: std::vec::Vec<_> = peer.takes().iter().map(|&(seq, _)| seq).collect();
    assert!(
        resent.contains(&at(1)) && resent.contains(&at(2)),
        "{resent:?}"
    );
    peer.sends(tcp().ack(at(10)));
    assert_eq!(peer.info().send_queue, 0);
}

/// RFC 2018 §8: an acknowledgement that stands where it is although what follows was selectively
/// acknowledged shows it at the first timeout.
#[test]
fn a_peer_that_waits_for_what_it_has_acknowledged_gets_it_again() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(3))]));
    peer.sends(tcp().ack(at(1)).sacks(&[]));
    peer.skips();
    peer.expects_after(ms(250), tcp().seq(at(1)).data(1460));
    assert_eq!(peer.stack.stats().tcp_reneges, 1);
}

/// Selective acknowledgements of what was never sent, or of nothing, do no harm.
#[test]
fn absurd_sack_blocks_are_ignored() {
    let mut peer = ten_in_flight();
    let far = 1 << 30;
    for block in [
        (at(10), at(11)),
        (far, far + 10),
        (at(3), at(2)),
        (at(3), at(3)),
        (0, 1),
        (0u32.wrapping_sub(9), at(2)),
    ] {
        peer.sends(tcp().ack(1).sacks(&[block]));
    }
    peer.expects_nothing();
    assert_eq!(peer.info().in_flight, 14_600);
}

/// A hostile peer's holes cost a bounded number of segments and bytes of memory; what it does not
/// acknowledge in the end is sent again.
#[test]
fn holes_of_one_byte_do_no_harm() {
    let mut peer = ten_in_flight();
    let every = |from: u32, step: u32| {
        (from..at(10) - 1)
            .step_by(step as usize)
            .map(|left| (left, left + 1))
            .collect::<std::vec::Vec<_>>()
    };
    for blocks in every(2, 2).chunks(4) {
        peer.sends(tcp().ack(1).sacks(blocks));
    }
    let TcpInfo { cwnd, .. } = peer.info();
    assert!(peer.skips() <= cwnd as usize, "more segments than bytes");
    for _ in 0..100 {
        peer.waits(secs(1));
        peer.skips();
        if peer.info().send_queue == 0 {
            return;
        }
        let got = peer.rcv;
        peer.sends(tcp().ack(got.max(at(10))));
    }
    panic!("the queue never emptied");
}

/// RFC 2018 §3.
#[test]
fn who_has_not_asked_for_sack_blocks_gets_none() {
    let mut peer = Peer::established();
    peer.sends(tcp().seq(101).data(100));
    peer.expects(tcp().ack(1).sacks(&[]));
}

/// RFC 3042 §2: they may be made up.
#[test]
fn duplicates_without_news_release_nothing() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), counting);
    peer.writes(14_600);
    for _ in 0..5 {
        peer.sends(tcp().ack(1));
    }
    peer.expects_nothing();
}
