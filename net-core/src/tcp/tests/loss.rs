//! Loss recovery: RFC 5681 §3.2, RFC 6582, RFC 6675, RFC 6298.

use super::*;
use crate::config::CongestionAlgorithm;
use crate::socket::TcpOption;
use crate::{Config, SocketError};

fn reno(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
}

/// Ten segments are in flight to a peer with or without SACK.
fn ten_in_flight(sack: bool) -> Peer {
    let syn = if sack { syn().sack_permitted() } else { syn() };
    let mut peer = Peer::established_with(syn, reno);
    peer.writes(14600);
    for index in 0..10 {
        peer.expects(tcp().seq(1 + 1460 * index).data(1460));
    }
    peer.expects_nothing();
    peer.waits(ms(50));
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

#[test]
fn countless_duplicate_acks_overflow_nothing() {
    let mut peer = ten_in_flight(false);
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    socket.connection_mut().unwrap().dup_acks = u32::MAX - 1;
    for _ in 0..3 {
        peer.sends(tcp().ack(1));
    }
    assert_eq!(peer.info().in_flight, 0);
}

/// RFC 5681 §3.2 step 2: the lost segment leaves on the third duplicate, whatever the window.
#[test]
fn retransmits_after_three_duplicate_acks() {
    let mut peer = ten_in_flight(false);
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

/// RFC 6675 §5 step 4.3: the same with SACK.
#[test]
fn retransmits_the_first_hole_at_once() {
    let mut peer = ten_in_flight(true);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(3))]));
    peer.expects_nothing();
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4))]));
    peer.expects(tcp().seq(1).data(1460));
    peer.expects_nothing();
}

/// RFC 6582 §3.2 step 3: a partial acknowledgement shows the next hole.
#[test]
fn a_partial_ack_resends_the_next_hole_at_once() {
    let mut peer = ten_in_flight(false);
    for _ in 0..3 {
        peer.sends(tcp().ack(1));
    }
    peer.expects(tcp().seq(1).data(1460));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(4)));
    peer.expects(tcp().seq(at(4)).data(1460));
    peer.sends(tcp().ack(at(10)));
    peer.expects_nothing();
    assert!(!peer.info().in_recovery);
    assert_eq!(
        (peer.info().retransmits, peer.info().fast_recoveries),
        (2, 1)
    );
}

/// RFC 6675: what was selectively acknowledged is not sent again, and a hole only once.
#[test]
fn only_holes_are_sent_again_and_each_once() {
    let mut peer = ten_in_flight(true);
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

/// RFC 6675 §5: three duplicates begin recovery however small the segments are.
#[test]
fn small_segments_are_recovered_by_counting_duplicates() {
    let mut peer = Peer::established_sack();
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

/// RFC 3042: the first two duplicates let new segments out.
#[test]
fn the_first_duplicates_release_new_data() {
    let mut peer = ten_in_flight(false);
    peer.writes(14_600);
    peer.expects_nothing();
    peer.sends(tcp().ack(1));
    peer.expects(tcp().seq(at(10)).data(1460));
    peer.sends(tcp().ack(1));
    peer.expects(tcp().seq(at(11)).data(1460));
}

/// RFC 5681 §2: a segment with data, or with another window, is no duplicate.
#[test]
fn data_and_window_updates_are_no_duplicates() {
    let mut peer = ten_in_flight(false);
    for round in 0..5 {
        peer.sends(tcp().ack(1).data(10));
        peer.sends(tcp().ack(1).window(60_000 + round));
    }
    assert_eq!(peer.info().retransmits, 0);
}

/// RFC 6298 §5.5: doubling, from the first measurement's RTO on.
#[test]
fn timeouts_back_off() {
    let mut peer = Peer::established();
    peer.writes(100);
    peer.expects(tcp().seq(1).data(100));
    for wait in [200, 400, 800, 1600, 3200] {
        peer.expects_after(ms(wait), tcp().seq(1).data(100));
    }
    assert_eq!(peer.info().timeouts, 5);
    // RFC 6298 §3 (Karn): the ACK measures nothing, but ends the backoff.
    let before = peer.info().rtt;
    peer.waits(ms(7));
    peer.sends(tcp());
    assert_eq!(peer.info().rtt, before);
    assert!(peer.info().rto < ms(300));
}

/// RFC 5681 §3.1 equation 4, and the loss window of one segment.
#[test]
fn a_timeout_begins_anew_with_one_segment() {
    let mut peer = ten_in_flight(false);
    peer.expects_after(ms(150), tcp().seq(1).data(1460));
    peer.expects_nothing();
    let info = peer.info();
    assert_eq!((info.cwnd, info.slow_start_threshold), (1460, 7300));
    // The rest counts as lost too: slow start sends it again.
    peer.sends(tcp().ack(at(1)));
    peer.expects(tcp().seq(at(1)).data(1460));
    peer.expects(tcp().seq(at(2)).data(1460));
    peer.expects_nothing();
    peer.sends(tcp().ack(at(10)));
    assert!(!peer.info().in_recovery);
}

/// RFC 6675 §5.1: after a timeout selective acknowledgements still stand.
#[test]
fn a_timeout_does_not_resend_what_was_selectively_acknowledged() {
    let mut peer = ten_in_flight(true);
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(4))]));
    peer.expects_after(ms(150), tcp().seq(1).data(1460));
    peer.sends(tcp().ack(at(1)).sacks(&[(at(2), at(4))]));
    peer.expects(tcp().seq(at(1)).data(1460));
    peer.expects(tcp().seq(at(4)).data(1460));
    peer.expects_nothing();
}

/// RFC 2018 §8: a peer may renege; a second timeout sends everything again.
#[test]
fn a_peer_may_forget_what_it_acknowledged_selectively() {
    let mut peer = ten_in_flight(true);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(3))]));
    peer.waits(secs(2));
    peer.skips();
    for index in 1..10 {
        peer.sends(tcp().ack(at(index)).sacks(&[]));
    }
    let resent: std::vec::Vec<_> = peer.sent.iter().map(|seen| seen.seq).collect();
    assert!(
        resent.contains(&at(1)) && resent.contains(&at(2)),
        "{resent:?}"
    );
    peer.sends(tcp().ack(at(10)));
    assert_eq!(peer.info().send_queue, 0);
}

/// A retransmission that is lost too is found by time (RFC 8985's view), before the timer.
#[test]
fn a_lost_retransmission_is_sent_again() {
    let mut peer = ten_in_flight(true);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(5))]));
    peer.expects(tcp().seq(1).data(1460));
    peer.waits(ms(50));
    peer.writes(14_600);
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(10))]));
    let fresh = peer.skips();
    assert!(fresh > 0);
    peer.waits(ms(50));
    // Data that was sent after the retransmission has arrived.
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(13))]));
    assert_eq!(peer.sent.front().map(|seen| seen.seq), Some(1));
    assert_eq!(peer.info().timeouts, 0);
}

/// Selective acknowledgements of what was never sent, or of nothing, do no harm.
#[test]
fn absurd_sack_blocks_are_ignored() {
    let mut peer = ten_in_flight(true);
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

/// RFC 6298 §2.2, §2.3.
#[test]
fn the_round_trip_is_measured() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.waits(ms(80));
    peer.sends(tcp());
    peer.accept();
    assert_eq!(peer.info().rtt, Some(ms(80)));
    assert_eq!(peer.info().rtt_variance, ms(40));
    peer.skips();
    peer.writes(10);
    peer.waits(ms(160));
    peer.sends(tcp().ack(11));
    assert_eq!(peer.info().rtt, Some(ms(90)));
    assert_eq!(peer.info().rtt_min, Some(ms(80)));
}

/// SPEC 65, RFC 5681 §3.1: doubling in each round trip.
#[test]
fn slow_start_doubles_the_window() {
    let mut peer = ten_in_flight(false);
    peer.writes(100_000);
    for index in 0..10 {
        peer.sends(tcp().ack(at(index + 1)));
    }
    assert_eq!(peer.info().cwnd, 20 * 1460);
}

#[test]
fn a_connection_without_answer_says_so() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.retries = 2);
    peer.writes(10);
    peer.waits(secs(60));
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}
