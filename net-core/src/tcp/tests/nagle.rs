//! When small segments leave: Nagle's rule (RFC 9293 §3.7.4, MUST-17), cork, `MSG_MORE`, PSH.

use super::*;
use crate::buf::TxBatch;
use crate::socket::TcpOption;

/// RFC 9293 SHLD-7: one small segment at most is unacknowledged.
#[test]
fn small_writes_wait_for_the_acknowledgement_of_the_first() {
    let mut peer = Peer::established();
    peer.writes(10);
    peer.expects(tcp().seq(1).data(10).push(true));
    for _ in 0..100 {
        peer.writes(10);
    }
    peer.expects_nothing();
    peer.sends(tcp().ack(11));
    peer.expects(tcp().seq(11).data(1000).push(true));
    peer.expects_nothing();
}

/// Full segments never wait.
#[test]
fn full_segments_leave_at_once() {
    let mut peer = Peer::established();
    peer.writes(10);
    peer.expects(tcp().seq(1).data(10));
    peer.writes(1500);
    peer.expects(tcp().seq(11).data(1460));
    peer.expects_nothing();
    peer.sends(tcp().ack(1471));
    peer.expects(tcp().seq(1471).data(40));
}

/// Minshall's variant: a tail behind full segments does not wait for them.
#[test]
fn the_tail_of_a_large_write_leaves_with_it() {
    let mut peer = Peer::established();
    peer.writes(1500);
    peer.expects(tcp().seq(1).data(1460).push(false));
    peer.expects(tcp().seq(1461).data(40).push(true));
}

/// RFC 9293 MUST-17: an application can turn it off.
#[test]
fn nodelay_sends_at_once() {
    let mut peer = Peer::established();
    peer.writes(10);
    peer.writes(10);
    peer.expects(tcp().seq(1).data(10));
    peer.expects_nothing();
    peer.sets(TcpOption::NoDelay(true));
    peer.expects(tcp().seq(11).data(10));
    peer.writes(10);
    peer.expects(tcp().seq(21).data(10));
}

#[test]
fn a_fin_takes_the_tail_along() {
    let mut peer = Peer::established();
    peer.writes(10);
    peer.writes(10);
    peer.expects(tcp().seq(1).data(10));
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(11).data(10));
}

/// SPEC 56.
#[test]
fn more_holds_a_partial_segment_until_the_next_write() {
    let mut peer = Peer::established();
    peer.writes_more(100);
    peer.writes_more(100);
    peer.expects_nothing();
    peer.writes(100);
    peer.expects(tcp().seq(1).data(300).push(true));
    peer.writes_more(2000);
    peer.expects(tcp().seq(301).data(1460));
    peer.expects_nothing();
}

#[test]
fn more_holds_a_partial_segment_for_200_ms() {
    let mut peer = Peer::established();
    peer.writes_more(100);
    peer.expects_after(ms(200), tcp().seq(1).data(100));
}

#[test]
fn a_cork_holds_partial_segments_until_it_is_pulled() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::Cork(true));
    peer.writes(100);
    peer.writes(1400);
    peer.expects(tcp().seq(1).data(1460));
    peer.expects_nothing();
    peer.sets(TcpOption::Cork(false));
    peer.expects(tcp().seq(1461).data(40));
}

/// As with Linux, which sends when the cork is pulled; here that may be after the next one.
#[test]
fn a_message_leaves_though_the_next_one_is_corked_at_once() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::Cork(true));
    peer.writes(100);
    peer.expects_nothing();
    let (id, now) = (peer.id(), peer.now);
    for on in [false, true] {
        peer.stack
            .set_tcp_option(id, TcpOption::Cork(on), now)
            .unwrap();
    }
    peer.flush();
    peer.expects(tcp().seq(1).data(100));
    peer.writes(100);
    peer.expects_nothing();
}

/// It leaves whole, however many segments it is, and takes nothing of the next one along; and where the
/// window has no room for its end, the end waits (RFC 9293 §3.8.6.2.1).
#[test]
fn what_a_pulled_cork_lets_go_ends_where_it_was_pulled() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::Cork(true));
    peer.writes(3 * 1460 + 50);
    assert_eq!(peer.skips(), 3);
    peer.sends(tcp().ack(1 + 3 * 1460).window(20));
    let (id, now) = (peer.id(), peer.now);
    for on in [false, true] {
        let set = peer.stack.set_tcp_option(id, TcpOption::Cork(on), now);
        set.unwrap();
    }
    peer.writes(200);
    peer.expects_nothing();
    peer.sends(tcp().ack(1 + 3 * 1460).window(5000));
    peer.expects(tcp().seq(1 + 3 * 1460).data(50));
    peer.expects_nothing();
    peer.sets(TcpOption::Cork(false));
    peer.sends(tcp().ack(1 + 3 * 1460 + 50).window(5000));
    peer.expects(tcp().seq(1 + 3 * 1460 + 50).data(200));
}

#[test]
fn a_cork_holds_for_200_ms_each_time() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::Cork(true));
    peer.writes(100);
    peer.expects_after(ms(200), tcp().seq(1).data(100));
    peer.sends(tcp().ack(101));
    peer.writes(100);
    peer.expects_after(ms(200), tcp().seq(101).data(100));
}

/// A device that is busy must not make the driver spin on a timer that has passed.
#[test]
fn a_fired_cork_timer_is_no_deadline_any_more() {
    let mut peer = Peer::established();
    peer.writes_more(100);
    let at = peer.stack.poll_timeout().unwrap();
    peer.now = at;
    peer.stack.handle_timeout(at);
    assert!(peer.stack.poll_timeout().is_none_or(|next| next > at));
    let mut out = TxBatch::default();
    peer.stack.poll_transmit(peer.iface, &mut out, at);
    assert_eq!(out.len(), 1);
}

/// SPEC 55, RFC 9293 §3.9.1.3 lets a sender push when it wants: with the last of what was written, and where
/// there is always more, after half of the largest window, as Linux does.
#[test]
fn half_a_window_is_pushed_where_more_follows() {
    let mut peer = Peer::new();
    peer.window = 8000;
    peer.handshake(syn());
    peer.writes(20 * 1460);
    let mut acknowledged = 1;
    for (segments, pushes) in [
        (0, &[false, false, false, false, true][..]),
        (2, &[false, false]),
        (2, &[false, true]),
        (2, &[false, false]),
    ] {
        acknowledged += segments * 1460;
        peer.sends(tcp().ack(acknowledged));
        for &push in pushes {
            peer.expects(tcp().data(1460).push(push));
        }
        peer.expects_nothing();
    }
}

/// Where thousands of small segments are under way the next one waits for company; with a FIN behind it there
/// is none to come.
#[test]
fn the_end_of_the_data_does_not_wait_for_company() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::NoDelay(true));
    let mut written = 0;
    while peer.skips() > 0 || written == 0 {
        peer.writes(1);
        written += 1;
    }
    peer.expects_nothing();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(written).data(1));
}
