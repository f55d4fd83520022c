//! Closing (RFC 9293 §3.6, §3.10.4, §3.10.7.4).

use super::*;
use crate::SocketError;
use crate::socket::{Readiness, TcpOption};
use crate::stats::DropReason;
use crate::tcp::{SendFlags, State};

/// RFC 9293 §3.6, figure 12: we close first.
#[test]
fn an_active_close_ends_in_time_wait() {
    let mut peer = Peer::established();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(1).ack(1).bare());
    assert_eq!(peer.state(), State::FinWait1);
    peer.sends(tcp().ack(2));
    assert_eq!(peer.state(), State::FinWait2);
    peer.sends(tcp().flags(FIN_ACK));
    peer.expects(tcp().seq(2).ack(2).bare());
    assert_eq!(peer.state(), State::TimeWait);
    peer.reads_end();
    peer.closes();
    assert_eq!(peer.stack.sockets(), 1);
}

/// The peer closes first.
#[test]
fn a_passive_close_ends_closed() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(FIN_ACK));
    peer.expects(tcp().seq(1).ack(2).bare());
    assert_eq!(peer.state(), State::CloseWait);
    assert!(
        peer.ready()
            .contains(Readiness::READABLE | Readiness::PEER_CLOSED)
    );
    peer.reads_end();
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK).seq(1).ack(2));
    assert_eq!(peer.stack.sockets(), 2);
    peer.sends(tcp().ack(2));
    peer.expects_nothing();
    assert_eq!(peer.stack.sockets(), 1);
}

/// RFC 9293 §3.6, figure 13: the FINs cross.
#[test]
fn both_sides_close_at_once() {
    let mut peer = Peer::established();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(1).ack(1));
    peer.sends(tcp().flags(FIN_ACK).ack(1));
    peer.expects(tcp().seq(2).ack(2).bare());
    assert_eq!(peer.state(), State::Closing);
    peer.sends(tcp().ack(2));
    assert_eq!(peer.state(), State::TimeWait);
    peer.expects_nothing();
}

/// The peer's FIN brings the acknowledgement of ours.
#[test]
fn a_fin_that_acknowledges_a_fin_skips_fin_wait_2() {
    let mut peer = Peer::established();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2).bare());
    assert_eq!(peer.state(), State::TimeWait);
}

/// SPEC 43: the other direction goes on.
#[test]
fn a_half_closed_sender_still_receives() {
    let mut peer = Peer::established();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK));
    peer.sends(tcp().ack(2).data(1000));
    peer.expects(tcp().seq(2).ack(1001));
    peer.reads(1000);
    assert_eq!(
        peer.try_write(1, SendFlags::empty()),
        Err(SocketError::BrokenPipe)
    );
    peer.sends(tcp().flags(FIN_ACK).data(10));
    peer.expects(tcp().ack(1012));
    peer.reads(10);
    peer.reads_end();
}

#[test]
fn a_half_closed_receiver_still_sends() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(FIN_ACK));
    peer.expects(tcp().ack(2));
    peer.writes(5000);
    for seq in [1, 1461, 2921, 4381] {
        peer.expects(tcp().seq(seq).ack(2));
    }
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(5001));
    peer.sends(tcp().ack(5002));
    assert_eq!(peer.state(), State::Closed);
    assert_eq!(peer.error(), None);
    peer.reads_end();
}

#[test]
fn a_fin_with_data_delivers_both() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(FIN_ACK).data(500));
    peer.expects(tcp().ack(502));
    peer.reads(500);
    peer.reads_end();
}

#[test]
fn a_fin_out_of_order_waits_for_its_data() {
    let mut peer = Peer::established();
    peer.sends(tcp().flags(FIN_ACK).seq(501).data(100));
    peer.expects(tcp().ack(1));
    assert_eq!(peer.state(), State::Established);
    peer.sends(tcp().seq(1).data(500));
    peer.expects(tcp().ack(602));
    assert_eq!(peer.state(), State::CloseWait);
    peer.reads(600);
    peer.reads_end();
}

/// RFC 6298 §5: a FIN occupies sequence space, so it is sent again.
#[test]
fn a_fin_is_sent_again() {
    let mut peer = Peer::established();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(1));
    peer.waits(secs(2));
    peer.expects(tcp().flags(FIN_ACK).seq(1).bare());
    peer.sends(tcp().ack(2));
    assert_eq!(peer.state(), State::FinWait2);
}

#[test]
fn a_lost_tail_and_fin_are_sent_again_together() {
    let mut peer = Peer::established();
    peer.writes(2000);
    peer.finishes();
    peer.skips();
    peer.expects_after(ms(200), tcp().seq(1).data(1460));
    peer.sends(tcp().ack(1461));
    peer.expects(tcp().flags(FIN_ACK).seq(1461).data(540));
    peer.sends(tcp().ack(2002));
    assert_eq!(peer.state(), State::FinWait2);
}

/// RFC 2525 §2.17, RFC 9293 §3.6.1: SPEC 44.
#[test]
fn closing_with_unread_data_resets() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10));
    peer.skips();
    peer.closes();
    peer.expects(tcp().flags(RST_ACK).seq(1).ack(11));
    assert_eq!(peer.stack.sockets(), 1);
}

/// RFC 9293 §3.6.1: data that nobody can read.
#[test]
fn data_after_close_resets() {
    let mut peer = Peer::established();
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK));
    peer.sends(tcp().ack(2).data(10));
    peer.expects(tcp().flags(RST).seq(2));
    assert_eq!(peer.drops(DropReason::ReaderClosed), 1);
    assert_eq!(peer.stack.sockets(), 1);
}

#[test]
fn linger_zero_resets() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::Linger(Some(ms(0))));
    peer.closes();
    peer.expects(tcp().flags(RST_ACK).seq(1).ack(1));
    assert_eq!(peer.stack.sockets(), 1);
}

/// SPEC 44: what was written is delivered although nobody holds the socket.
#[test]
fn an_orphan_delivers_its_queue() {
    let mut peer = Peer::established();
    peer.window = 3000;
    peer.sends(tcp().ack(1));
    peer.writes(10_000);
    peer.closes();
    let mut fin = false;
    while !fin {
        let seen = peer.sent.pop_front().expect("the rest of the queue");
        fin = seen.header.flags.contains(FIN);
        if peer.sent.is_empty() {
            peer.sends(tcp());
        }
    }
    assert_eq!(peer.rcv, 10_002);
    peer.sends(tcp().flags(FIN_ACK));
    peer.expects(tcp().seq(10_002).ack(2));
    assert_eq!(peer.stack.sockets(), 1);
    assert_eq!(peer.stack.memory_used(), 0);
}

/// Nobody waits for an orphan for ever.
#[test]
fn an_orphan_leaves_fin_wait_2_after_a_minute() {
    let mut peer = Peer::established();
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK));
    peer.sends(tcp().ack(2));
    peer.waits(secs(59));
    assert_eq!(peer.stack.sockets(), 2);
    peer.waits(secs(2));
    assert_eq!(peer.stack.sockets(), 1);
    peer.sends(tcp().flags(FIN_ACK));
    peer.expects(tcp().flags(RST));
}

/// `max_orphans`: one more than that is reset, and places become free again.
#[test]
fn orphans_are_bounded() {
    let mut peer = Peer::with(|config| config.tcp.max_orphans = 2);
    let mut reset = 0;
    for port in 1..=4 {
        peer.remote.set_port(port);
        (peer.nxt, peer.rcv, peer.written) = (0, 0, 0);
        peer.handshake(syn());
        peer.closes();
        while let Some(seen) = peer.sent.pop_front() {
            reset += u32::from(seen.header.flags.contains(RST));
        }
    }
    assert_eq!(reset, 2);
    assert_eq!(peer.stack.stats().tcp_orphans_reset, 2);
    assert_eq!(peer.stack.sockets(), 3);
    peer.waits(secs(600));
    assert_eq!((peer.stack.sockets(), peer.stack.tcp.orphans), (1, 0));
}

#[test]
fn an_orphan_without_answer_is_given_up() {
    let mut peer = Peer::established();
    peer.writes(100);
    peer.closes();
    peer.waits(secs(600));
    assert_eq!(peer.stack.sockets(), 1);
}

/// `shutdown(SHUT_RD)`: reads end, what arrives is acknowledged.
#[test]
fn a_shut_down_reader_acknowledges_and_drops() {
    let mut peer = Peer::established();
    let id = peer.id();
    peer.stack.tcp(id, peer.now).unwrap().shutdown_read();
    peer.reads_end();
    for _ in 0..100 {
        peer.sends(tcp().data(1460));
        peer.waits(ms(50));
        peer.skips();
    }
    assert_eq!(peer.info().unread, 0);
    assert_eq!(peer.state(), State::Established);
}

/// The id of a closed socket reaches nothing, although the connection lives on.
#[test]
fn a_closed_id_is_stale() {
    let mut peer = Peer::established();
    let id = peer.id();
    peer.closes();
    assert_eq!(peer.stack.sockets(), 2);
    assert!(peer.stack.tcp(id, peer.now).is_none());
    assert_eq!(peer.stack.take_error(id), None);
    assert_eq!(peer.stack.peer_addr(id), Err(SocketError::NoSuchSocket));
}

/// `SO_LINGER` bounds how long a close waits, not how long delivery goes on.
#[test]
fn a_linger_time_does_not_cut_delivery_short() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::Linger(Some(secs(1))));
    peer.window = 0;
    peer.sends(tcp().ack(1));
    peer.writes(1000);
    peer.closes();
    peer.waits(secs(3));
    peer.skips();
    peer.window = 5000;
    peer.sends(tcp().ack(1));
    peer.expects(tcp().flags(FIN_ACK).seq(1).data(1000));
}

/// A peer that answers probes of its closed window keeps nobody's data for ever.
#[test]
fn an_orphan_is_given_up_although_its_peer_answers_probes() {
    let mut peer = Peer::established();
    peer.window = 0;
    peer.sends(tcp().ack(1));
    peer.writes(1000);
    peer.closes();
    for _ in 0..1000 {
        peer.waits(secs(1));
        if peer.sent.pop_front().is_some() {
            peer.skips();
            peer.sends(tcp().ack(1));
        }
    }
    assert_eq!(peer.stack.sockets(), 1);
}
