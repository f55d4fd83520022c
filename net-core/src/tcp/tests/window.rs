//! Windows (RFC 9293 §3.8.6, RFC 7323 §2).

use super::*;
use crate::SocketError;
use crate::socket::{Readiness, TcpOption};
use crate::tcp::{SendFlags, State};

/// RFC 9293 MUST-34, MUST-35: sent data may fall outside of a window that shrank; MUST-37: the
/// connection stays while the peer answers.
#[test]
fn a_peer_that_shuts_its_window_over_data_in_flight_keeps_the_connection() {
    let mut peer = Peer::established();
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(1000));
    for _ in 0..40 {
        peer.sends(tcp().ack(1).window(0));
        peer.waits(secs(121));
        assert!(peer.skips() > 0);
    }
    assert_eq!(peer.state(), State::Established);
    peer.sends(tcp().ack(1).window(5000));
    peer.waits(secs(121));
    peer.expects(tcp().seq(1).data(1000));
    peer.sends(tcp().ack(1001));
    assert_eq!(peer.info().send_queue, 0);
}

/// RFC 9293 MUST-36: a probe when the timer expires, then at growing intervals; SPEC 114.
#[test]
fn a_closed_window_is_probed_until_it_opens() {
    let mut peer = Peer::established();
    peer.sends(tcp().window(0));
    peer.writes(3000);
    peer.expects_nothing();
    let mut wait = 200;
    for _ in 0..6 {
        peer.expects_after(ms(wait), tcp().seq(0).bare());
        peer.sends(tcp().ack(1).window(0));
        peer.expects_nothing();
        wait *= 2;
    }
    assert_eq!(peer.stack.stats().tcp_probes, 6);
    peer.sends(tcp().ack(1).window(3000));
    peer.expects(tcp().seq(1).data(1460));
    peer.expects(tcp().seq(1461).data(1460));
    peer.expects(tcp().seq(2921).data(80));
}

/// RFC 9293 SHLD-30: the interval grows, and is bounded.
#[test]
fn a_window_may_stay_closed_for_ever_while_the_peer_answers() {
    let mut peer = Peer::established();
    peer.sends(tcp().window(0));
    peer.writes(1);
    for _ in 0..50 {
        peer.waits(secs(121));
        assert!(peer.skips() > 0);
        peer.sends(tcp().ack(1).window(0));
    }
    assert_eq!(peer.state(), State::Established);
}

#[test]
fn unanswered_window_probes_time_out() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.retries = 4);
    peer.sends(tcp().window(0));
    peer.writes(1);
    peer.waits(secs(60));
    assert_eq!(peer.skips(), 4);
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// RFC 9293 MUST-38, §3.8.6.2.1: no crumbs into a window that opens by crumbs.
#[test]
fn a_sender_waits_for_room_for_a_whole_segment() {
    let mut peer = Peer::established();
    peer.sends(tcp().window(0));
    peer.writes(10_000);
    peer.sends(tcp().window(500));
    peer.expects_nothing();
    peer.sends(tcp().window(1460));
    peer.expects(tcp().seq(1).data(1460));
    // The override timeout ends the wait.
    peer.sends(tcp().window(100));
    peer.expects_nothing();
    peer.expects_after(ms(200), tcp().seq(1461).data(100));
}

/// §3.8.6.2.1 (2)–(3): half of the largest window is enough, for a peer with a small buffer.
#[test]
fn half_of_the_largest_window_is_enough() {
    let mut peer = Peer::new();
    peer.window = 1000;
    peer.handshake(syn().window(1000));
    peer.writes(5000);
    peer.expects(tcp().seq(1).data(1000));
    peer.sends(tcp().window(400));
    peer.expects_nothing();
    peer.sends(tcp().window(500));
    peer.expects(tcp().seq(1001).data(500));
}

/// RFC 9293 §3.8.6: never beyond the right edge.
#[test]
fn nothing_is_sent_beyond_the_window() {
    let mut peer = Peer::established();
    peer.sends(tcp().window(4000));
    peer.writes(10_000);
    peer.finishes();
    peer.expects(tcp().seq(1).data(1460));
    peer.expects(tcp().seq(1461).data(1460));
    // The rest of the window is less than a segment, and more than nothing is in flight.
    peer.expects_nothing();
    peer.sends(tcp().ack(2921).window(4000));
    peer.expects(tcp().seq(2921).data(1460));
    peer.expects(tcp().seq(4381).data(1460));
    peer.expects_nothing();
}

/// RFC 7323 §2.2: the peer's shift applies to all but its SYN.
#[test]
fn the_peers_window_is_scaled() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn().scale(4).window(1460));
    peer.expects(tcp().flags(SYN_ACK).scale(10));
    peer.sends(tcp().window(1000));
    peer.accept();
    assert_eq!(peer.info().send_window, 16_000);
    assert_eq!(peer.info().window_scale, (10, 4));
}

/// The window field of a SYN-ACK to our SYN is not scaled.
#[test]
fn a_syn_ack_has_an_unscaled_window() {
    let mut peer = Peer::new();
    peer.connects();
    peer.skips();
    peer.sends(syn().flags(SYN_ACK).ack(1).scale(7).window(1000));
    assert_eq!(peer.info().send_window, 1000);
    peer.sends(tcp().ack(1).window(1000));
    assert_eq!(peer.info().send_window, 128_000);
}

/// RFC 9293 §3.10.7.4: an old segment does not change the window.
#[test]
fn an_older_segment_does_not_change_the_window() {
    let mut peer = Peer::established();
    peer.sends(tcp().seq(1).data(100).window(6000));
    peer.sends(tcp().seq(101).data(100).window(5000));
    peer.sends(tcp().seq(1).data(300).window(9000));
    assert_eq!(peer.info().send_window, 5000);
}

fn small_reader() -> Peer {
    let mut peer = Peer::new();
    peer.listen(5);
    let listener = peer.listener.unwrap();
    peer.stack
        .set_tcp_option(listener, TcpOption::RecvBuffer(8000), peer.now)
        .unwrap();
    peer.handshake(syn());
    peer
}

/// SPEC 111, 114: a full buffer closes the window; what comes is not taken, but acknowledged.
#[test]
fn a_full_buffer_closes_the_window() {
    let mut peer = small_reader();
    for index in 0..5 {
        peer.sends(tcp().data(1600));
        peer.expects(
            tcp()
                .ack(1 + 1600 * (index + 1))
                .window(u16::try_from(8000 - 1600 * (index + 1)).unwrap()),
        );
    }
    peer.sends(tcp().seq(8001).data(1));
    peer.expects(tcp().ack(8001).window(0).bare());
    assert_eq!(peer.info().unread, 8000);
}

/// RFC 9293 §3.8.6.2.2 (receiver's silly-window avoidance), SPEC 126.
#[test]
fn a_window_update_waits_for_a_whole_segment() {
    let mut peer = small_reader();
    for _ in 0..5 {
        peer.sends(tcp().data(1600));
    }
    peer.skips();
    peer.nxt = 8001;
    peer.reads(100);
    peer.reads(1000);
    peer.expects_nothing();
    peer.reads(500);
    peer.expects(tcp().ack(8001).window(1600));
    peer.reads(6400);
    assert_eq!(peer.skips(), 1);
}

/// Draining a large buffer is one update, not one for each read.
#[test]
fn draining_a_buffer_sends_few_updates() {
    let mut peer = Peer::new();
    peer.listen(5);
    let listener = peer.listener.unwrap();
    peer.stack
        .set_tcp_option(listener, TcpOption::RecvBuffer(60_000), peer.now)
        .unwrap();
    peer.handshake(syn());
    for _ in 0..41 {
        peer.sends(tcp().data(1460));
    }
    peer.skips();
    for _ in 0..59 {
        peer.reads(1000);
    }
    assert!(peer.skips() <= 5);
}

/// RFC 9293 SHLD-14, RFC 7323 §2.4: nor by more than what the shift rounds off. What the peer is told is shifted:
/// never more than there is room for.
#[test]
fn the_window_never_shrinks() {
    for scaled in [false, true] {
        let mut peer = Peer::new();
        peer.listen(5);
        let listener = peer.listener.unwrap();
        // What the buffer may grow to settles the shift.
        let most = if scaled { 4 << 20 } else { 30_000 };
        for option in [
            TcpOption::RecvBuffer(30_000),
            TcpOption::RecvBufferMax(most),
        ] {
            peer.stack
                .set_tcp_option(listener, option, peer.now)
                .unwrap();
        }
        peer.handshake(if scaled { syn().scale(7) } else { syn() });
        let shift = peer.info().window_scale.0;
        assert_eq!(shift > 0, scaled);
        let rounded = (1 << shift) - 1;
        let mut edge = 0;
        for round in 0..200_u32 {
            peer.sends(tcp().data(1 + round * 37 % 700));
            if round % 3 == 0 {
                let _ = peer.try_read(1 + round as usize * 53 % 2000);
            }
            if round == 100 {
                peer.sets(TcpOption::RecvBuffer(3000));
            }
            while let Some(seen) = peer.sent.pop_front() {
                let right = seen.ack + (u32::from(seen.header.window) << shift);
                assert!(right + rounded >= edge, "round {round}: {right} < {edge}");
                assert!(right <= 1 + peer.read + 30_000, "round {round}: {right}");
                edge = edge.max(right);
            }
            peer.nxt = peer.nxt.min(edge);
        }
    }
}

#[test]
fn room_in_the_window_makes_a_writer_ready() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::SendBuffer(2048));
    peer.sends(tcp().window(0));
    assert!(peer.try_write(5000, SendFlags::empty()).is_ok());
    while peer.try_write(5000, SendFlags::empty()).is_ok() {}
    assert!(!peer.ready().contains(Readiness::WRITABLE));
    peer.sends(tcp().window(65535));
    while peer.info().send_queue > 0 {
        peer.sends(tcp());
    }
    assert!(peer.ready().contains(Readiness::WRITABLE));
}

/// RFC 9293 MUST-1.
#[test]
fn a_large_window_is_not_negative() {
    let mut peer = Peer::with(|config| config.tcp.initial_window = 40);
    peer.handshake(syn());
    peer.writes(100_000);
    assert_eq!(peer.skips(), 40);
}
