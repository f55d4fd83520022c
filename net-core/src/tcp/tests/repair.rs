//! A connection is frozen in one stack and goes on in another.

use super::peer::pattern;
use super::*;
use crate::config::CongestionAlgorithm;
use crate::socket::{Family, Readiness, TcpOption};
use crate::stats::DropReason;
use crate::tcp::{RecvFlags, SendFlags, State};
use crate::{Config, SocketError};
use std::vec::Vec;

/// The stack is exchanged for a new one, whose clock shows something else.
fn moves(peer: &mut Peer) {
    moves_to(peer, Peer::new());
}

/// The stack is exchanged for this one.
fn moves_to(peer: &mut Peer, other: Peer) {
    let bytes = freezes(peer);
    thaws(peer, &bytes, other);
}

fn freezes(peer: &mut Peer) -> Vec<u8> {
    let id = peer.id();
    peer.stack.freeze_tcp(id, peer.now).unwrap()
}

/// The connection goes on in this stack.
fn thaws(peer: &mut Peer, bytes: &[u8], mut other: Peer) {
    peer.now = other.now + secs(100_000);
    core::mem::swap(&mut peer.stack, &mut other.stack);
    peer.iface = other.iface;
    peer.socket = Some(peer.stack.thaw_tcp(bytes, peer.now).unwrap());
    // The old one says nothing of it.
    let mut out = crate::buf::TxBatch::default();
    other.stack.poll_transmit(other.iface, &mut out, other.now);
    assert!(out.is_empty());
    peer.flush();
}

#[test]
fn a_stream_goes_on_in_another_stack_without_loss() {
    let mut peer = Peer::new();
    peer.clock = Some(5);
    peer.handshake_in(ms(50), syn().sack_permitted().scale(4).timestamps(5, 0));
    let before = peer.info();
    peer.sends(tcp().data(1000));
    peer.skips();
    peer.reads(300);
    peer.writes(10 * before.send_mss);
    peer.skips();
    peer.sends(tcp().ack(1 + 2 * before.send_mss));
    peer.skips();
    moves(&mut peer);
    // What the old stack had sent and was not acknowledged leaves again, in the same sizes.
    let sent = peer.takes();
    assert_eq!(sent[0], (1 + 2 * before.send_mss, before.send_mss as usize));
    let after = peer.info();
    assert_eq!(
        (after.sack, after.timestamps),
        (before.sack, before.timestamps)
    );
    assert_eq!(after.window_scale, before.window_scale);
    assert_eq!(after.unread, 700);
    peer.reads(700);
    peer.sends(tcp().ack(1 + 10 * before.send_mss));
    peer.writes(100);
    peer.expects(tcp().seq(1 + 10 * before.send_mss).data(100).ack(1001));
    peer.sends(tcp().data(500));
    peer.reads(500);
}

/// RFC 7323 §5: our clock must not go back, or the peer drops what we send.
#[test]
fn timestamps_go_on_where_they_were() {
    let mut peer = Peer::new();
    peer.clock = Some(5);
    peer.handshake(syn().timestamps(5, 0));
    peer.writes(1);
    let before = peer
        .sent
        .pop_back()
        .unwrap()
        .header
        .options
        .timestamps
        .unwrap()
        .0;
    peer.sends(tcp());
    moves(&mut peer);
    peer.skips();
    peer.writes(1);
    let after = peer
        .sent
        .pop_back()
        .unwrap()
        .header
        .options
        .timestamps
        .unwrap()
        .0;
    assert!(after.wrapping_sub(before) < 1000, "{before} {after}");
}

#[test]
fn a_half_closed_connection_moves_too() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10).flags(FIN_ACK));
    peer.skips();
    moves(&mut peer);
    assert_eq!(peer.state(), State::CloseWait);
    peer.reads(10);
    peer.reads_end();
    peer.writes(10);
    peer.skips();
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).ack(12));
}

#[test]
fn what_cannot_go_on_elsewhere_is_not_frozen() {
    let mut peer = Peer::new();
    peer.connects();
    let id = peer.id();
    assert!(matches!(
        peer.stack.freeze_tcp(id, peer.now),
        Err(SocketError::InvalidInput(_))
    ));
    let mut peer = Peer::established();
    peer.finishes();
    let id = peer.id();
    assert!(matches!(
        peer.stack.freeze_tcp(id, peer.now),
        Err(SocketError::InvalidInput(_))
    ));
    assert_eq!(
        peer.stack.freeze_tcp(peer.listener.unwrap(), peer.now),
        Err(SocketError::NotConnected)
    );
}

/// SPEC: nothing is sent while a connection is on its way, least of all a RST.
#[test]
fn what_the_peer_sends_in_the_gap_is_not_answered() {
    let mut peer = Peer::established_sack();
    peer.sends(tcp().data(100));
    peer.writes(50);
    peer.skips();
    let bytes = freezes(&mut peer);
    peer.sends(tcp().seq(101).data(100));
    peer.sends(tcp().ack(51));
    peer.waits(secs(60));
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::Frozen), 2);
    thaws(&mut peer, &bytes, Peer::new());
    peer.skips();
    // The peer sends it again, and the stream is whole.
    peer.sends(tcp().seq(101).data(100).ack(51));
    peer.reads(200);
    peer.skips();
    peer.writes(10);
    peer.expects(tcp().seq(51).data(10).ack(201));
}

/// It may come back as well.
#[test]
fn a_connection_goes_on_where_it_was_frozen() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(100));
    let bytes = freezes(&mut peer);
    peer.sends(tcp().seq(101).data(100));
    peer.socket = Some(peer.stack.thaw_tcp(&bytes, peer.now).unwrap());
    peer.skips();
    peer.sends(tcp().seq(101).data(100));
    peer.reads(200);
    // What its place was kept by is gone: nothing of it ends the connection later.
    peer.waits(secs(200));
    peer.sends(tcp().data(100));
    peer.reads(100);
    assert_eq!(peer.drops(DropReason::Frozen), 1);
}

/// Neither the peer nor this host opens another connection between the same ends.
#[test]
fn the_place_of_a_frozen_connection_is_not_taken() {
    let reuse = TcpOption::ReuseAddress(true);
    let mut peer = Peer::new();
    peer.connects_with(&[reuse]);
    peer.sends(syn().flags(SYN_ACK).ack(1));
    peer.skips();
    freezes(&mut peer);
    peer.sends(syn());
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::Frozen), 1);
    let id = peer.stack.tcp_open(Family::V4).unwrap();
    peer.stack.set_tcp_option(id, reuse, peer.now).unwrap();
    peer.stack.bind(id, peer.local).unwrap();
    assert_eq!(
        peer.stack.connect(id, peer.remote, peer.now),
        Err(SocketError::AddressNotAvailable)
    );
}

#[test]
fn the_place_of_a_frozen_connection_is_kept_for_as_long_as_configured() {
    for (time, waits, answered) in [(120, 119, false), (120, 121, true), (0, 0, true)] {
        let change = |config: &mut Config| config.tcp.frozen_time = secs(time);
        let mut peer = Peer::established_with(syn(), change);
        freezes(&mut peer);
        peer.waits(secs(waits));
        peer.sends(tcp().data(1));
        match answered {
            true => drop(peer.expects(tcp().flags(RST).seq(1))),
            false => peer.expects_nothing(),
        }
    }
}

#[test]
fn the_places_of_frozen_connections_are_bounded() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.max_frozen = 1);
    freezes(&mut peer);
    peer.remote.set_port(4001);
    (peer.nxt, peer.rcv, peer.written, peer.read) = (0, 0, 0, 0);
    peer.handshake(syn());
    let id = peer.id();
    let refused = peer.stack.freeze_tcp(id, peer.now);
    assert_eq!(refused, Err(SocketError::NoBufferSpace));
    // It goes on as if nothing had been asked.
    peer.sends(tcp().data(10));
    peer.reads(10);
    peer.waits(secs(121));
    freezes(&mut peer);
}

#[test]
fn a_connection_is_thawed_once() {
    let mut peer = Peer::established();
    let id = peer.id();
    let bytes = peer.stack.freeze_tcp(id, peer.now).unwrap();
    assert_eq!(peer.stack.sockets(), 1, "the listener");
    peer.stack.thaw_tcp(&bytes, peer.now).unwrap();
    assert_eq!(
        peer.stack.thaw_tcp(&bytes, peer.now),
        Err(SocketError::AddressInUse)
    );
}

/// BBR's time begins with the connection, not with the stack's clock: that it has seen no short round trip
/// for so long is no reason to look for one with almost nothing in flight.
#[test]
fn bbr_starts_in_a_stack_that_has_run_for_long() {
    for algorithm in [CongestionAlgorithm::Bbr, CongestionAlgorithm::Bbr1] {
        let with_bbr = |config: &mut Config| config.tcp.congestion = algorithm;
        let mut peer = Peer::with(with_bbr);
        peer.handshake(syn().sack_permitted());
        peer.writes(4 * 1460);
        moves_to(&mut peer, Peer::with(with_bbr));
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 4 * 1460));
        assert!(peer.info().cwnd >= 10 * 1460, "{algorithm:?}");
        peer.writes(10 * 1460);
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 14 * 1460));
        assert!(peer.info().cwnd >= 20 * 1460, "{algorithm:?}");
    }
}

/// They may come from anywhere.
#[test]
fn bytes_that_are_no_connection_do_no_harm() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(20));
    peer.writes(20);
    let id = peer.id();
    let bytes = peer.stack.freeze_tcp(id, peer.now).unwrap();
    let mut older = bytes.clone();
    older[3] -= 1;
    let refused = peer.stack.thaw_tcp(&older, peer.now);
    assert!(matches!(refused, Err(SocketError::InvalidInput(_))));
    for len in 0..bytes.len() {
        let cut = peer.stack.thaw_tcp(&bytes[..len], peer.now);
        assert!(matches!(cut, Err(SocketError::InvalidInput(_))), "{len}");
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut peer = Peer::new();
            let mut bytes = bytes.clone();
            bytes[at] = value;
            if let Ok(id) = peer.stack.thaw_tcp(&bytes, peer.now) {
                peer.socket = Some(id);
                peer.stack.handle_timeout(peer.now + secs(1));
                peer.stack.close(id, peer.now);
            }
        }
    }
}

/// RFC 9768 §3.2: the counters of both directions go on, and with them what may be marked.
#[test]
fn accurate_feedback_moves_too() {
    use super::accecn::{ALL, accurate, ace, told};
    let mut peer = Peer::with(accurate);
    peer.listen(16);
    peer.sends(syn().flags(SYN | ALL).sack_permitted());
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
    peer.accept();
    peer.sends(tcp().flags(ACK | ace(5)).data(100).marked());
    assert_eq!(peer.writes_as(1000), [2]);
    peer.sends(tcp().ack(1001).flags(ACK | ace(6)));
    peer.reads(100);
    let before = peer.feedback();
    moves(&mut peer);
    assert_eq!(peer.feedback(), before);
    assert_eq!(told(&peer.sent.pop_back().unwrap()), 6);
    assert_eq!(peer.writes_as(1000), [2]);
    // The same counter tells of no other mark, and the next one of one.
    let window = peer.info().cwnd;
    peer.sends(tcp().ack(2001).flags(ACK | ace(6)));
    assert!(peer.info().cwnd >= window);
    peer.writes_as(1000);
    peer.sends(tcp().ack(3001).flags(ACK | ace(7)));
    assert_eq!(peer.feedback().delivered.ce_packets, 2);
}

/// RFC 9768 §3.2.3.2.5: what the old stack has heard, and sent, is no part of a contradiction; later feedback
/// is.
#[test]
fn accurate_feedback_that_has_moved_does_not_contradict_what_was_before() {
    use super::accecn::{ace, served};
    use crate::wire::{EcnCounters, EcnOrder};
    let told = |segments: u32, marked: u32| {
        let counters = [1 + segments * 1460 - marked, marked];
        let counters = EcnCounters::new(EcnOrder::Ect0First, &counters);
        let ack = tcp().ack(1 + segments * 1460).flags(ACK | ace(5));
        ack.counters(counters)
    };
    let mut peer = served(2, |_| {});
    assert_eq!(peer.writes_as(4 * 1460), [2; 4]);
    peer.sends(told(1, 0));
    moves(&mut peer);
    peer.sends(told(4, 1460));
    assert_eq!(peer.writes_as(4 * 1460), [2; 4]);
    peer.sends(told(5, 1460));
    peer.sends(told(6, 2 * 1460));
    assert_eq!(peer.writes_as(1460), [0]);
}

/// RFC 3168 §6.1.3: an echo goes on until the sender says that it has heard it.
#[test]
fn a_congestion_echo_moves_too() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.listen(16);
    peer.sends(syn().flags(SYN | ECE | CWR));
    peer.skips();
    peer.sends(tcp().seq(1).ack(1));
    peer.accept();
    peer.sends(tcp().data(100).marked());
    peer.reads(100);
    moves(&mut peer);
    peer.skips();
    peer.writes(1000);
    let seen = peer.sent.pop_back().unwrap();
    assert_eq!((seen.header.flags & ECE, seen.ecn), (ECE, 2));
    peer.sends(tcp().flags(ACK | CWR).data(100));
    peer.waits(ms(200));
    assert!(!peer.sent.pop_back().unwrap().header.flags.contains(ECE));
}

/// RFC 9293 §3.8.5: the byte apart from the stream, and the mark where it stood.
#[test]
fn an_urgent_byte_moves_too() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(100).urgent(60));
    assert_eq!(peer.try_read(10), Ok(10));
    moves(&mut peer);
    assert!(peer.ready().contains(Readiness::URGENT));
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Ok(pattern(60)));
    assert_eq!(peer.try_read(1000), Ok(49));
    assert!(peer.is_at_mark());
    // A mark alone moves as well.
    moves(&mut peer);
    assert!(peer.is_at_mark());
    peer.read += 1;
    assert_eq!(peer.try_read(1000), Ok(40));
}

/// `SO_OOBINLINE`: the byte is in the stream, and a read still ends in front of it.
#[test]
fn the_mark_of_an_inline_byte_moves_too() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::OobInline(true));
    peer.sends(tcp().data(100).urgent(60));
    moves(&mut peer);
    assert!(peer.ready().contains(Readiness::URGENT));
    let inline = SocketError::InvalidInput("urgent data is in the stream");
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Err(inline));
    assert_eq!(peer.try_read(1000), Ok(59));
    assert!(peer.is_at_mark());
    assert_eq!(peer.try_read(1000), Ok(41));
}

#[test]
fn an_announced_byte_is_waited_for_in_another_stack() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10).urgent(30));
    moves(&mut peer);
    let announced = Err(SocketError::WouldBlock);
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), announced);
    peer.sends(tcp().data(40));
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Ok(pattern(30)));
    assert_eq!(peer.try_read(1000), Ok(29));
}

/// RFC 9293 MUST-62: the pointer goes on, in what leaves again and in what was not sent before.
#[test]
fn the_send_urgent_pointer_moves_too() {
    let mut peer = Peer::established();
    peer.writes(1000);
    assert_eq!(peer.try_write(3, SendFlags::URGENT), Ok(3));
    peer.skips();
    moves(&mut peer);
    peer.expects(tcp().flags(ACK | URG).seq(1).data(1000).urgent(1003));
    peer.sends(tcp().ack(1001));
    peer.expects(tcp().flags(ACK | URG).seq(1001).data(3).urgent(3));
}
