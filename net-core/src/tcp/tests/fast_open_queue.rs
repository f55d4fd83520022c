//! TCP Fast Open (RFC 7413 §5.1): how many connections of a listener may be pending.

use super::fast_open::{cookie_of, server};
use super::*;
use crate::SocketError;
use crate::socket::TcpOption;
use crate::stats::DropReason;
use crate::tcp::State;
use crate::wire::FastOpenCookie;

/// Whether a SYN with data from that port is taken with its data.
fn opens_early(peer: &mut Peer, cookie: FastOpenCookie, port: u16) -> bool {
    peer.changes_port(port);
    peer.sends(syn().fast_open(cookie).data(5));
    peer.expects(tcp().flags(SYN_ACK)).ack == 6
}

/// §5.1, PendingFastOpenRequests: the rest is an ordinary handshake.
#[test]
fn no_more_are_pending_than_the_listener_allows() {
    let mut peer = server(2, |_| {});
    let cookie = cookie_of(&mut peer);
    let opens = |peer: &mut Peer, port| opens_early(peer, cookie, port);
    assert!(opens(&mut peer, 1));
    let iss = peer.iss;
    assert!(opens(&mut peer, 2));
    assert!(!opens(&mut peer, 3));
    assert_eq!(peer.stack.stats().tcp_fast_open_overflows, 1);
    // The first completes its handshake.
    peer.changes_port(1);
    (peer.iss, peer.nxt) = (iss, 6);
    peer.sends(tcp().seq(6).ack(1));
    assert!(opens(&mut peer, 4));
    assert!(!opens(&mut peer, 5));
}

/// §5.1: whoever answers with RSTs that he asked for nothing still uses the queue up.
#[test]
fn a_reset_connection_counts_as_pending_for_a_minute() {
    let mut peer = server(1, |_| {});
    let cookie = cookie_of(&mut peer);
    peer.sends(syn().fast_open(cookie).data(5));
    peer.expects(tcp().flags(SYN_ACK).ack(6));
    peer.sends(tcp().flags(RST).seq(6));
    peer.accept();
    assert_eq!(peer.error(), Some(SocketError::ConnectionReset));
    for (wait, taken) in [(secs(1), false), (secs(60), true)] {
        peer.now += wait;
        peer.changes_port(4000 + u16::from(taken) + 1);
        peer.sends(syn().fast_open(cookie).data(5));
        peer.expects(tcp().flags(SYN_ACK).ack(if taken { 6 } else { 1 }));
    }
}

/// §5.1, in whatever state the RST finds them.
#[test]
fn a_reset_counts_as_pending_behind_a_fin_too() {
    for finishes in [false, true] {
        let mut peer = server(1, |_| {});
        let cookie = cookie_of(&mut peer);
        peer.sends(syn().flags(SYN | FIN).fast_open(cookie).data(5));
        peer.expects(tcp().flags(SYN_ACK).ack(7));
        peer.accept();
        peer.reads(5);
        if finishes {
            peer.finishes();
            peer.skips();
        }
        peer.sends(tcp().flags(RST).seq(7));
        assert_eq!(peer.state(), State::Closed);
        peer.changes_port(4001);
        peer.sends(syn().fast_open(cookie).data(5));
        peer.expects(tcp().flags(SYN_ACK).ack(1));
    }
}

/// One that has completed its handshake is no longer pending, whatever ends it.
#[test]
fn a_reset_behind_the_handshake_does_not_count_as_pending() {
    let mut peer = server(1, |_| {});
    let cookie = cookie_of(&mut peer);
    for port in 1..4 {
        peer.changes_port(port);
        peer.sends(syn().fast_open(cookie).data(5));
        peer.expects(tcp().flags(SYN_ACK).ack(6));
        peer.accept();
        peer.read = 0;
        peer.reads(5);
        peer.closes();
        peer.skips();
        // Data for an application that has gone, with the acknowledgement of the SYN-ACK.
        peer.sends(tcp().seq(6).ack(1).data(5));
        peer.skips();
    }
}

#[test]
fn a_connection_that_its_application_gives_up_makes_room() {
    let mut peer = server(1, |_| {});
    let cookie = cookie_of(&mut peer);
    for port in 1..4 {
        peer.changes_port(port);
        peer.sends(syn().fast_open(cookie).data(5));
        peer.expects(tcp().flags(SYN_ACK).ack(6));
        peer.accept();
        peer.closes();
        peer.expects(tcp().flags(RST_ACK));
    }
}

#[test]
fn listeners_alone_allow_fast_connections_and_no_more_than_their_backlog_may_be() {
    let mut peer = server(u32::MAX, |config| config.tcp.max_backlog = 64);
    let listener = peer.listener.unwrap();
    let most = peer
        .stack
        .tcp(listener, peer.now)
        .map(|it| it.settings().fast_open);
    assert_eq!(most, Some(64));
    peer.handshake(syn());
    let (id, option) = (peer.id(), TcpOption::FastOpen(4));
    let outcome = peer.stack.set_tcp_option(id, option, peer.now);
    assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
}

/// Under a flood nothing is kept for those who show a cookie either: SYN cookies take over (§5.1).
#[test]
fn a_flooded_listener_takes_no_data() {
    let mut peer = server(100, |_| {});
    let cookie = cookie_of(&mut peer);
    for port in 1..=17 {
        peer.changes_port(port);
        peer.sends(syn());
    }
    peer.skips();
    peer.changes_port(4000);
    peer.sends(syn().fast_open(cookie).data(20));
    let seen = peer.expects(tcp().flags(SYN_ACK).ack(1));
    assert_eq!(seen.header.options.fast_open, None);
    peer.sends(tcp().seq(1).ack(1).data(20));
    peer.accept();
    peer.reads(20);
}

#[test]
fn a_full_accept_queue_takes_no_fast_connection() {
    let mut peer = server(100, |_| {});
    let cookie = cookie_of(&mut peer);
    for port in 1..=17 {
        peer.changes_port(port);
        peer.sends(syn().fast_open(cookie).data(20));
        peer.expects(tcp().flags(SYN_ACK).ack(21));
    }
    peer.changes_port(18);
    peer.sends(syn().fast_open(cookie).data(20));
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::AcceptQueueFull), 1);
}

/// A socket that listens anew has other queues.
#[test]
fn what_is_left_of_an_earlier_listener_does_not_count_for_the_next() {
    let mut peer = server(1, |_| {});
    let cookie = cookie_of(&mut peer);
    let opens = |peer: &mut Peer, port| opens_early(peer, cookie, port);
    assert!(opens(&mut peer, 1));
    let iss = peer.iss;
    peer.accept();
    let listener = peer.listener.unwrap();
    peer.stack.disconnect(listener, peer.now).unwrap();
    peer.stack.listen(listener, 16).unwrap();
    assert!(opens(&mut peer, 2));
    // The first completes its handshake, which makes no room here.
    peer.changes_port(1);
    (peer.iss, peer.nxt) = (iss, 6);
    peer.sends(tcp().seq(6).ack(1));
    assert!(!opens(&mut peer, 3));
}
