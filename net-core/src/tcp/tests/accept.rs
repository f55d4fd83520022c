//! The queues of a listener (SPEC 25–28).

use super::*;
use crate::SocketError;
use crate::config::SynCookies;
use crate::socket::{Readiness, TcpOption};
use crate::stats::DropReason;
use crate::time::Duration;

impl Peer {
    /// Another client: the same host, another port.
    pub(super) fn changes_port(&mut self, port: u16) {
        self.remote.set_port(port);
        (self.nxt, self.rcv, self.iss) = (0, 0, None);
    }

    fn connects_from(&mut self, port: u16) {
        self.changes_port(port);
        self.sends(syn());
        self.expects(tcp().flags(SYN_ACK));
        self.sends(tcp());
    }
}

/// SPEC 28.
#[test]
fn connections_are_accepted_in_order() {
    let mut peer = Peer::new();
    peer.listen(5);
    assert_eq!(
        peer.stack.readiness(peer.listener.unwrap()),
        Readiness::empty()
    );
    for port in [5000, 4999, 5001] {
        peer.connects_from(port);
    }
    let listener = peer.listener.unwrap();
    assert!(
        peer.stack
            .readiness(listener)
            .contains(Readiness::ACCEPTABLE)
    );
    for port in [5000, 4999, 5001] {
        let (id, from) = peer.stack.accept(listener).unwrap();
        assert_eq!(from.port(), port);
        assert_eq!(peer.stack.local_addr(id), Ok(peer.local));
        assert_eq!(peer.stack.peer_addr(id), Ok(from));
    }
    assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
    assert_eq!(peer.stack.readiness(listener), Readiness::empty());
}

/// SPEC 26: the final ACK is as if lost; the SYN-ACK asks for it again.
#[test]
fn a_full_accept_queue_lets_the_peer_in_later() {
    let mut peer = Peer::new();
    peer.listen(1);
    // As in the kernel, a backlog of 1 holds two; the third has begun before it was full.
    peer.connects_from(1);
    peer.changes_port(3);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    let third = (peer.nxt, peer.rcv, peer.iss);
    peer.connects_from(2);
    peer.changes_port(3);
    (peer.nxt, peer.rcv, peer.iss) = third;
    peer.sends(tcp());
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::AcceptQueueFull), 1);
    peer.expects_after(secs(1), tcp().flags(SYN_ACK));
    peer.accept();
    peer.sends(tcp());
    peer.accept();
    peer.accept();
    assert_eq!(peer.stack.peer_addr(peer.id()).unwrap().port(), 3);
}

impl Peer {
    fn listens_deferred(&mut self, time: Duration) {
        self.listen(5);
        let listener = self.listener.unwrap();
        let option = TcpOption::DeferAccept(Some(time));
        self.stack
            .set_tcp_option(listener, option, self.now)
            .unwrap();
    }
}

/// `TCP_DEFER_ACCEPT`, tcp(7): the listener is woken only when data arrives.
#[test]
fn a_deferred_connection_is_accepted_with_its_first_data() {
    let mut peer = Peer::new();
    peer.listens_deferred(secs(5));
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp());
    assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
    assert_eq!(peer.drops(DropReason::Deferred), 1);
    // It has answered: nothing is sent again meanwhile.
    peer.waits(secs(2));
    peer.expects_nothing();
    peer.sends(tcp().data(100));
    peer.accept();
    peer.expects(tcp().ack(101));
    peer.reads(100);
}

#[test]
fn a_deferred_connection_without_data_is_accepted_when_its_time_is_over() {
    let mut peer = Peer::new();
    peer.listens_deferred(secs(5));
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp());
    // 1 + 2 + 4 seconds: the third time that the timer goes off is the first after five seconds.
    peer.expects_after(secs(7), tcp().flags(SYN_ACK));
    peer.sends(tcp());
    peer.accept();
}

#[test]
fn a_full_accept_queue_drops_syns() {
    let mut peer = Peer::new();
    peer.listen(0);
    peer.connects_from(1);
    peer.changes_port(2);
    peer.sends(syn());
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::AcceptQueueFull), 1);
    peer.accept();
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK));
}

/// SPEC 25: both queues are bounded.
#[test]
fn a_full_syn_queue_drops_syns() {
    let mut peer = Peer::with(|config| config.tcp.syn_cookies = SynCookies::Never);
    peer.listen(9);
    for port in 1..100 {
        peer.changes_port(port);
        peer.sends(syn());
    }
    assert_eq!(peer.skips(), 10);
    assert_eq!(peer.drops(DropReason::SynQueueFull), 89);
    assert_eq!(peer.try_accept(), Err(SocketError::WouldBlock));
    assert_eq!(peer.stack.sockets(), 1);
    // They go away in time, and make room.
    peer.waits(secs(100));
    peer.skips();
    peer.connects_from(200);
    peer.accept();
}

#[test]
fn half_open_connections_are_bounded_over_all_listeners() {
    let mut peer = Peer::with(|config| {
        config.tcp.max_half_open = 3;
        config.tcp.syn_cookies = SynCookies::Never;
    });
    peer.listen(100);
    for port in 1..10 {
        peer.changes_port(port);
        peer.sends(syn());
    }
    assert_eq!(peer.skips(), 3);
}

/// A place that the driver holds counts until it is released.
#[test]
fn a_held_connection_keeps_its_place() {
    let mut peer = Peer::new();
    peer.listen(0);
    let listener = peer.listener.unwrap();
    peer.connects_from(1);
    peer.stack.accept_held(listener).unwrap();
    peer.changes_port(2);
    peer.sends(syn());
    peer.expects_nothing();
    peer.stack.release_backlog(listener, 1);
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK));
}

#[test]
fn a_reset_ends_a_half_open_connection() {
    let mut peer = Peer::new();
    peer.listen(0);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp().flags(RST).seq(1));
    peer.waits(secs(100));
    peer.expects_nothing();
}

/// Who closes the listener resets what nobody will accept.
#[test]
fn closing_a_listener_resets_what_waits() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.connects_from(1);
    peer.changes_port(2);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    let half_open = (peer.nxt, peer.rcv, peer.iss);
    peer.stack.close(peer.listener.unwrap(), peer.now);
    peer.flush();
    peer.remote.set_port(1);
    assert_eq!(peer.sent.pop_front().unwrap().header.flags, RST_ACK);
    peer.changes_port(2);
    (peer.nxt, peer.rcv, peer.iss) = half_open;
    peer.sends(tcp());
    peer.expects(tcp().flags(RST).seq(1));
    assert_eq!(peer.stack.sockets(), 0);
    assert_eq!(peer.stack.poll_timeout(), None);
}

/// A connection that the peer resets before it is accepted still comes out, with its error.
#[test]
fn a_connection_reset_in_the_queue_is_accepted_with_its_error() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.connects_from(1);
    peer.sends(tcp().flags(RST));
    peer.accept();
    assert_eq!(peer.error(), Some(SocketError::ConnectionReset));
    peer.closes();
    assert_eq!(peer.stack.sockets(), 1);
}

/// A SYN sent again finds the listener that is there now, not the one that began to answer it.
#[test]
fn a_half_open_connection_does_not_outlive_its_listener() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    let listener = peer.listener.unwrap();
    peer.stack.close(listener, peer.now);
    peer.flush();
    (peer.nxt, peer.rcv) = (0, 0);
    peer.sends(syn());
    peer.expects(tcp().flags(RST_ACK));
    assert_eq!(peer.stack.sockets(), 0);
}

/// RFC 9293 §3.10.4: what a listener has begun ends with it, also where its socket listens anew.
#[test]
fn a_listener_forgets_its_half_open_connections_when_it_ends() {
    for anew in [true, false] {
        let mut peer = Peer::new();
        peer.listen(0);
        peer.sends(syn());
        peer.expects(tcp().flags(SYN_ACK));
        let listener = peer.listener.unwrap();
        if anew {
            peer.stack.disconnect(listener, peer.now).unwrap();
            peer.stack.listen(listener, 0).unwrap();
        } else {
            peer.stack.abort(listener, peer.now);
        }
        assert_eq!(peer.stack.tcp.embryos.len(), 0);
        // The last of the old handshake is for nobody.
        peer.sends(tcp().seq(1).ack(1));
        peer.expects(tcp().flags(RST).seq(1).bare());
        if anew {
            let accepted = peer.stack.accept(listener);
            assert_eq!(accepted.err(), Some(SocketError::WouldBlock));
            (peer.nxt, peer.rcv) = (0, 0);
            peer.sends(syn());
            peer.expects(tcp().flags(SYN_ACK));
        }
    }
}

/// RFC 5961 §3.2, in the state SYN-RECEIVED too.
#[test]
fn a_reset_in_the_window_of_a_half_open_connection_draws_a_challenge() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp().flags(RST).seq(2));
    peer.expects(tcp().seq(1).ack(1).bare());
    peer.sends(tcp().flags(RST).seq(70_000));
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::ChallengeAck), 1);
    assert_eq!(peer.drops(DropReason::OutOfWindow), 1);
    peer.sends(tcp().seq(1).ack(1));
    peer.accept();
}

/// RFC 9293 §3.5.1: a peer that has forgotten its SYN answers the challenge with a RST, and gets in.
#[test]
fn a_peer_that_begins_anew_is_let_in() {
    let mut peer = Peer::new();
    peer.listen(5);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    let ahead = 1_000_000;
    peer.peer_iss += ahead;
    peer.sends(syn().seq(0));
    let expected = 1_u32.wrapping_sub(ahead);
    peer.expects(tcp().seq(1).ack(expected).bare());
    peer.sends(tcp().flags(RST).seq(expected));
    (peer.nxt, peer.rcv) = (0, 0);
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
    peer.sends(tcp());
    peer.accept();
}
