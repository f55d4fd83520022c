//! Loss recovery without selective acknowledgements: RFC 5681 §3.2, RFC 6582, RFC 3042.

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;

fn reno(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
}

fn ten_in_flight() -> Peer {
    let mut peer = Peer::with_ten_in_flight(syn(), reno);
    peer.waits(ms(50));
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

#[test]
fn countless_duplicate_acks_overflow_nothing() {
    let mut peer = ten_in_flight();
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    socket.connection_mut().unwrap().recovery.dup_acks = u32::MAX - 1;
    for _ in 0..100 {
        peer.sends(tcp().ack(1));
    }
    // Duplicates never stand for more than was sent behind the first segment.
    assert_eq!(peer.info().in_flight, 1460);
}

/// RFC 5681 §3.2 step 2: the lost segment leaves on the third duplicate, whatever the window.
#[test]
fn retransmits_after_three_duplicate_acks() {
    let mut peer = ten_in_flight();
    peer.sends(tcp().ack(1));
    peer.sends(tcp().ack(1));
    peer.expects_nothing();
    peer.sends(tcp().ack(1));
    peer.expects(tcp().seq(1).data(1460));
    peer.expects_nothing();
    let info = peer.info();
    assert!(info.in_recovery);
    // RFC 5681 equation 4: half of what was in flight.
    assert_eq!((info.slow_start_threshold, info.timeouts), (7300, 0));
}

/// RFC 6582 §3.2 step 3: a partial acknowledgement shows the next hole; a full one ends recovery
/// with ssthresh as the window.
#[test]
fn a_partial_ack_resends_the_next_hole_at_once() {
    let mut peer = ten_in_flight();
    for _ in 0..3 {
        peer.sends(tcp().ack(1));
    }
    peer.expects(tcp().seq(1).data(1460));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(4)));
    peer.expects(tcp().seq(at(4)).data(1460));
    peer.sends(tcp().ack(at(10)));
    peer.expects_nothing();
    let info = peer.info();
    assert!(!info.in_recovery);
    assert_eq!((info.retransmits, info.fast_recoveries), (2, 1));
    assert_eq!((info.cwnd, info.slow_start_threshold), (7300, 7300));
}

/// RFC 6582 §3.2 step 4, §4: duplicates that what was resent after a timeout provokes are no loss.
#[test]
fn duplicates_of_what_a_timeout_resent_are_no_loss() {
    let mut peer = ten_in_flight();
    peer.expects_after(ms(200), tcp().seq(1).data(1460));
    // All but the first had arrived.
    peer.sends(tcp().ack(at(10)));
    peer.writes(5 * 1460);
    peer.skips();
    let before = peer.info();
    for _ in 0..4 {
        peer.sends(tcp().ack(at(10)));
    }
    assert!(!peer.info().in_recovery);
    assert_eq!(peer.info().retransmits, before.retransmits);
    assert_eq!(
        peer.info().slow_start_threshold,
        before.slow_start_threshold
    );
    // Once something sent behind the recovery is acknowledged, duplicates count again.
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(11)));
    peer.skips();
    for _ in 0..3 {
        peer.sends(tcp().ack(at(11)));
    }
    assert!(peer.info().in_recovery);
    assert!(peer.takes().contains(&(at(11), 1460)));
}

/// RFC 6582 §4.1: after a small advance they are a loss, for so few duplicates nobody provoked.
#[test]
fn duplicates_after_a_small_advance_are_a_loss() {
    let mut peer = ten_in_flight();
    for _ in 0..3 {
        peer.sends(tcp().ack(1));
    }
    peer.skips();
    peer.writes(14_600);
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(7)));
    peer.sends(tcp().ack(at(10)));
    peer.skips();
    assert!(!peer.info().in_recovery);
    for _ in 0..3 {
        peer.sends(tcp().ack(at(10)));
    }
    assert!(peer.info().in_recovery);
}

/// RFC 3042: the first two duplicates let new segments out, and leave the window alone.
#[test]
fn the_first_duplicates_release_new_data() {
    let mut peer = ten_in_flight();
    peer.writes(14_600);
    peer.expects_nothing();
    peer.sends(tcp().ack(1));
    peer.expects(tcp().seq(at(10)).data(1460));
    peer.sends(tcp().ack(1));
    peer.expects(tcp().seq(at(11)).data(1460));
    assert_eq!(peer.info().cwnd, 14_600);
}

#[test]
fn without_limited_transmit_duplicates_release_nothing() {
    let mut peer = Peer::with_ten_in_flight(syn(), |config| {
        config.tcp.recovery.limited_transmit = false;
    });
    peer.waits(ms(50));
    peer.writes(14_600);
    peer.sends(tcp().ack(1));
    peer.sends(tcp().ack(1));
    peer.expects_nothing();
    peer.sends(tcp().ack(1));
    peer.expects(tcp().seq(1).data(1460));
}

/// RFC 5681 §2: a segment with data, or with another window, is no duplicate.
#[test]
fn data_and_window_updates_are_no_duplicates() {
    let mut peer = ten_in_flight();
    for round in 0..5 {
        peer.sends(tcp().ack(1).data(10));
        peer.sends(tcp().ack(1).window(60_000 + round));
    }
    assert_eq!(peer.info().retransmits, 0);
}

/// RFC 9937 §3: without selective acknowledgements a duplicate stands for a segment, and what it
/// stood for is not counted once more when the hole is filled.
#[test]
fn what_duplicates_stood_for_is_not_counted_twice() {
    let mut peer = ten_in_flight();
    peer.writes(100_000);
    for _ in 0..9 {
        peer.sends(tcp().ack(1));
    }
    // One retransmission, then half a segment of new data for each: 3 duplicates began it.
    let sent = peer.takes();
    assert_eq!(sent.iter().filter(|&&(seq, _)| seq == 1).count(), 1);
    peer.waits(ms(50));
    let before = peer.info().in_flight;
    // Limited transmit had sent two segments behind them.
    peer.sends(tcp().ack(at(12)));
    assert!(!peer.info().in_recovery);
    // ssthresh is the window, and it was nearly full: no burst.
    assert!(before <= 7300 + 2 * 1460, "{before}");
    assert!(peer.takes().len() <= 3);
}
