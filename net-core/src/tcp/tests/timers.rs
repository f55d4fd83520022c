//! Timers: retransmission limit, keepalive (RFC 9293 §3.8.4).

use super::*;
use crate::SocketError;
use crate::socket::TcpOption;
use crate::tcp::State;

fn keepalive() -> Peer {
    let mut peer = Peer::established();
    peer.sets(TcpOption::KeepAliveTime(secs(60)));
    peer.sets(TcpOption::KeepAliveInterval(secs(10)));
    peer.sets(TcpOption::KeepAliveProbes(3));
    peer.sets(TcpOption::KeepAlive(true));
    peer
}

/// RFC 9293 MUST-25: off unless asked for.
#[test]
fn an_idle_connection_is_silent() {
    let mut peer = Peer::established();
    peer.waits(secs(100_000));
    peer.expects_nothing();
    assert_eq!(peer.stack.poll_timeout(), None);
}

/// RFC 9293 MUST-26, SHLD-12: a segment below the window that the peer must answer.
#[test]
fn an_idle_connection_is_probed() {
    let mut peer = keepalive();
    for _ in 0..5 {
        peer.expects_after(secs(60), tcp().seq(0).ack(1).bare());
        peer.sends(tcp().ack(1));
    }
    assert_eq!(peer.state(), State::Established);
}

#[test]
fn data_puts_the_probe_off() {
    let mut peer = keepalive();
    peer.waits(secs(50));
    peer.sends(tcp().data(10));
    peer.skips();
    peer.expects_after(secs(60), tcp().seq(0).ack(11).bare());
}

#[test]
fn unanswered_probes_time_out() {
    let mut peer = keepalive();
    peer.expects_after(secs(60), tcp().seq(0).bare());
    for _ in 0..2 {
        peer.expects_after(secs(10), tcp().seq(0).bare());
    }
    peer.waits(secs(11));
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
}

/// RFC 9293 §3.8.3, R2.
#[test]
fn retransmissions_end_at_their_limit() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.retries = 3);
    peer.writes(100);
    peer.expects(tcp().seq(1).data(100));
    peer.waits(secs(60));
    assert_eq!(peer.skips(), 3);
    assert_eq!(peer.error(), Some(SocketError::TimedOut));
    peer.waits(secs(1000));
    peer.expects_nothing();
}

/// RFC 9293 SHLD-9, SHLD-10: whoever wants to can see that the connection is in trouble.
#[test]
fn the_third_retransmission_in_vain_is_told() {
    let mut peer = Peer::established();
    peer.writes(100);
    while peer.stack.poll_event().is_some() {}
    peer.waits(secs(1));
    assert_eq!(peer.info().unanswered, 2);
    assert_eq!(peer.stack.poll_event(), None);
    peer.waits(secs(1));
    assert_eq!(peer.info().unanswered, 3);
    assert!(peer.stack.poll_event().is_some());
    peer.sends(tcp().ack(101));
    assert_eq!(peer.info().unanswered, 0);
}

/// RFC 9293 MUST-28.
#[test]
fn keepalive_waits_for_two_hours_by_default() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::KeepAlive(true));
    peer.expects_after(secs(7200), tcp().seq(0).ack(1).bare());
}
