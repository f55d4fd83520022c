//! Resets and blind attacks (RFC 9293 §3.5.2, §3.10.7.4; RFC 5961).

use super::*;
use crate::SocketError;
use crate::socket::Readiness;
use crate::stats::DropReason;
use crate::tcp::{SendFlags, State};

/// RFC 5961 §3.2, first case.
#[test]
fn a_reset_at_the_exact_number_resets() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(RST).seq(1));
    peer.expects_nothing();
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.error(), Some(SocketError::ConnectionReset));
}

/// RFC 5961 §3.2, second case.
#[test]
fn a_reset_in_the_window_draws_a_challenge() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(RST).seq(2));
    peer.expects(tcp().seq(1).ack(1).bare());
    assert_eq!(peer.state(), State::Established);
    assert_eq!(peer.stack.stats().tcp_challenge_acks, 1);
    assert_eq!(peer.drops(DropReason::ChallengeAck), 1);
}

/// RFC 5961 §3.2, third case.
#[test]
fn a_reset_outside_the_window_is_dropped() {
    let mut peer = Peer::established();
    for seq in [0, 1 + 65535, 1 << 30] {
        peer.sends(tcp().flags(RST).seq(seq));
    }
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::OutOfWindow), 3);
    assert_eq!(peer.state(), State::Established);
}

/// RFC 5961 §4.2: in the window and outside.
#[test]
fn a_syn_draws_a_challenge() {
    let mut peer = Peer::established();
    for seq in [1, 100, 0, 1 << 30] {
        peer.sends(syn().seq(seq));
        peer.expects(tcp().seq(1).ack(1).bare());
    }
    assert_eq!(peer.stack.stats().tcp_challenge_acks, 4);
    assert_eq!(peer.state(), State::Established);
}

/// RFC 5961 §5.2.
#[test]
fn an_ack_of_what_was_never_sent_draws_a_challenge() {
    let mut peer = Peer::established();
    peer.sends(tcp().ack(2).data(10));
    peer.expects(tcp().seq(1).ack(1).bare());
    assert_eq!(peer.drops(DropReason::BadAck), 1);
    assert_eq!(peer.try_read(10), Err(SocketError::WouldBlock));
}

/// RFC 5961 §5.2: older than any window.
#[test]
fn an_ack_from_long_ago_draws_a_challenge() {
    let mut peer = Peer::established();
    peer.sends(tcp().ack(0u32.wrapping_sub(70_000)).data(10));
    peer.expects(tcp().seq(1).ack(1).bare());
    assert_eq!(peer.drops(DropReason::BadAck), 1);
}

/// RFC 5961 §7: so many at once, and so many in a time, as the configuration says.
#[test]
fn challenges_are_limited() {
    let mut peer = Peer::established();
    for flags in [SYN, RST] {
        peer.waits(secs(5));
        for seq in 2..100 {
            peer.sends(tcp().flags(flags).seq(seq));
        }
        assert_eq!(peer.skips(), 10);
    }
    assert_eq!(peer.drops(DropReason::RateLimited), 2 * 88);
    peer.waits(ms(1000));
    for seq in 2..100 {
        peer.sends(tcp().flags(RST).seq(seq));
    }
    assert_eq!(peer.skips(), 2);
    let mut peer = Peer::established_with(syn(), |config| {
        config.tcp.challenge_acks = 3;
        config.tcp.challenge_interval = secs(1);
    });
    for seq in 2..100 {
        peer.sends(tcp().flags(RST).seq(seq));
    }
    assert_eq!(peer.skips(), 3);
}

/// Two hosts that disagree about sequence numbers must not answer each other for ever.
#[test]
fn a_storm_of_bare_acks_is_limited() {
    let mut peer = Peer::established();
    for _ in 0..100 {
        peer.sends(tcp().seq(0).ack(1));
    }
    assert_eq!(peer.skips(), 10);
}

/// RFC 9293 §3.10.7.4, fifth check.
#[test]
fn a_segment_without_ack_is_dropped() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(crate::wire::TcpFlags::empty()).data(10));
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::BadFlags), 1);
}

/// RFC 9293 §3.10.7.1.
#[test]
fn a_segment_for_nobody_is_answered_with_a_reset() {
    let mut peer = Peer::new();
    peer.sends(syn());
    peer.expects(tcp().flags(RST_ACK).ack(1));
    peer.sends(tcp().seq(5).ack(99).data(10));
    peer.expects(tcp().flags(RST).seq(99));
    peer.sends(tcp().flags(FIN).seq(5).data(10));
    peer.expects(tcp().flags(RST_ACK).ack(16));
    peer.sends(tcp().flags(RST));
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::NoSocket), 4);
}

/// A burst, then a rate; and resets, which are never answered, use no answers up.
#[test]
fn resets_for_nobody_are_limited() {
    let mut peer = Peer::with(|config| {
        config.answers_per_second = 10;
        config.answer_burst = 5;
    });
    for _ in 0..100 {
        peer.sends(tcp().flags(RST));
    }
    assert_eq!(peer.skips(), 0);
    for _ in 0..100 {
        peer.sends(syn());
    }
    assert_eq!(peer.skips(), 5);
    assert_eq!(peer.drops(DropReason::NoSocket), 200);
    assert_eq!(peer.drops(DropReason::RateLimited), 95);
    peer.waits(ms(200));
    peer.sends(syn());
    peer.expects(tcp().flags(RST_ACK));
}

/// SPEC 119: the data, then the error once, then the end.
#[test]
fn a_reset_leaves_what_was_received() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(100));
    peer.sends(tcp().flags(RST));
    let ready = peer.ready();
    assert!(ready.contains(Readiness::READABLE | Readiness::ERROR | Readiness::HANG_UP));
    peer.reads(100);
    assert_eq!(peer.try_read(10), Err(SocketError::ConnectionReset));
    peer.reads_end();
    assert_eq!(
        peer.try_write(1, SendFlags::empty()),
        Err(SocketError::BrokenPipe)
    );
}

/// SPEC 49: the pending error first, then BrokenPipe.
#[test]
fn a_write_after_a_reset_says_so_once() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(RST));
    let mut write = || peer.try_write(1, SendFlags::empty());
    assert_eq!(write(), Err(SocketError::ConnectionReset));
    assert_eq!(write(), Err(SocketError::BrokenPipe));
    assert_eq!(write(), Err(SocketError::BrokenPipe));
}

/// RFC 9293 §3.10.5.
#[test]
fn an_abort_sends_a_reset() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10));
    peer.skips();
    let id = peer.id();
    peer.stack.abort(id, peer.now);
    peer.flush();
    peer.expects(tcp().flags(RST_ACK).seq(1).ack(11));
    assert_eq!(peer.stack.sockets(), 1);
}

/// RFC 9293 SHLD-2.
#[test]
fn a_reset_may_carry_data() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(RST).seq(1).data(20));
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.error(), Some(SocketError::ConnectionReset));
}
