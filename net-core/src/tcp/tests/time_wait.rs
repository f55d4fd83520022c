//! TIME_WAIT (RFC 9293 §3.6.1, §3.10.7.4; RFC 1337; RFC 6191).

use super::*;
use crate::stats::DropReason;

/// The peer's SYN has had `options`; both sides are closed, and the socket is gone.
fn time_wait(syn: Seg) -> Peer {
    let mut peer = Peer::established_with(syn, |_| {});
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK).seq(1));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2));
    assert_eq!(peer.stack.sockets(), 1);
    peer
}

/// RFC 9293 §3.10.7.4, eighth check: the last ACK was lost.
#[test]
fn a_repeated_fin_is_acknowledged_and_restarts_the_clock() {
    let mut peer = time_wait(syn());
    peer.waits(secs(40));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().seq(2).ack(2).bare());
    peer.waits(secs(59));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().seq(2).ack(2).bare());
}

/// RFC 9293 MUST-13: 2 MSL, here 60 s.
#[test]
fn it_ends_after_a_minute() {
    let mut peer = time_wait(syn());
    peer.waits(secs(59));
    assert!(peer.stack.poll_timeout().is_some());
    peer.waits(secs(2));
    assert_eq!(peer.stack.poll_timeout(), None);
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().flags(RST));
}

/// RFC 1337 §3, fix F1.
#[test]
fn a_reset_does_not_end_it() {
    let mut peer = time_wait(syn());
    peer.sends(tcp().flags(RST).seq(2));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().seq(2).ack(2));
}

#[test]
fn an_old_duplicate_is_acknowledged_not_taken() {
    let mut peer = time_wait(syn());
    peer.sends(tcp().seq(1).data(10));
    peer.expects(tcp().seq(2).ack(2).bare());
    assert_eq!(peer.drops(DropReason::OutOfWindow), 1);
}

/// RFC 9293 MAY-2: a SYN beyond what the old connection used.
#[test]
fn a_newer_syn_opens_anew() {
    let mut peer = time_wait(syn());
    let old = peer.iss.unwrap();
    peer.peer_iss += 1000;
    peer.nxt = 0;
    peer.waits(ms(10));
    peer.sends(syn());
    peer.rcv = 1;
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
    assert!(
        peer.iss.unwrap().after(old + 2),
        "the new ISS is beyond the old connection"
    );
    peer.sends(tcp());
    peer.accept();
}

#[test]
fn an_older_syn_is_acknowledged() {
    let mut peer = time_wait(syn());
    peer.sends(syn().seq(0u32.wrapping_sub(5000)));
    peer.expects(tcp().seq(2).ack(2));
    // The FIN had number 1.
    peer.sends(syn().seq(1));
    peer.expects(tcp().seq(2).ack(2));
    peer.sends(syn().seq(2));
    peer.expects(tcp().flags(SYN_ACK).ack(3));
}

/// RFC 6191 §2: timestamps that the old connection did not have show a new one, whatever its
/// sequence number.
#[test]
fn a_syn_with_timestamps_after_a_connection_without_opens_anew() {
    let mut peer = time_wait(syn());
    peer.sends(syn().seq(0u32.wrapping_sub(5000)).timestamps(1, 0));
    peer.expects(tcp().flags(SYN_ACK).ack(0u32.wrapping_sub(4999)));
}

/// RFC 6191 §2: with equal timestamps the sequence number decides.
#[test]
fn a_syn_with_the_same_timestamp_is_judged_by_its_number() {
    let mut peer = Peer::new();
    peer.clock = Some(1000);
    peer.handshake(syn().timestamps(1000, 0));
    peer.closes();
    peer.skips();
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.skips();
    peer.sends(syn().seq(1).timestamps(1000, 0));
    peer.expects(tcp().seq(2).ack(2));
    peer.sends(syn().seq(2).timestamps(1000, 0));
    peer.expects(tcp().flags(SYN_ACK).ack(3));
}

/// RFC 6191 §2: a newer timestamp is as good as a higher sequence number.
#[test]
fn a_syn_with_a_newer_timestamp_opens_anew() {
    let mut peer = Peer::new();
    peer.clock = Some(1000);
    peer.handshake(syn().timestamps(1000, 0));
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK).seq(1));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2));
    peer.sends(syn().seq(0u32.wrapping_sub(5000)).timestamps(999, 0));
    peer.expects(tcp().seq(2).ack(2));
    peer.sends(syn().seq(0u32.wrapping_sub(5000)).timestamps(1001, 0));
    peer.expects(tcp().flags(SYN_ACK).ack(0u32.wrapping_sub(4999)));
}

/// Our new ISS must lie beyond the old connection's numbers, even if that sent faster than the ISS
/// clock ticks (RFC 9293 §3.4.1, RFC 6191 §2).
#[test]
fn the_new_iss_is_beyond_the_old_numbers_however_much_was_sent() {
    let mut peer = Peer::established();
    for _ in 0..200 {
        peer.writes(14_600);
        peer.skips();
        peer.sends(tcp());
    }
    peer.closes();
    peer.skips();
    peer.sends(tcp().flags(FIN_ACK));
    peer.skips();
    let last = peer.iss.unwrap() + peer.rcv;
    peer.peer_iss += 5000;
    peer.nxt = 0;
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK));
    assert!(
        peer.iss.unwrap().after(last),
        "{:?} is not after {last:?}",
        peer.iss
    );
}

#[test]
fn their_number_is_bounded() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.max_time_wait = 0);
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2));
    assert_eq!(peer.stack.sockets(), 1);
    assert_eq!(peer.stack.poll_timeout(), None);
}

/// A connection that finds no room is over at once, even where the application still holds its socket.
#[test]
fn where_there_is_no_room_the_peer_may_open_anew() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.max_time_wait = 0);
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2));
    peer.peer_iss += 1000;
    peer.nxt = 0;
    peer.sends(syn());
    peer.rcv = 1;
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
}
