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
