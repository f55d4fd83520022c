//! What the application may send, what it is told, and what all of it may cost.

use super::*;
use crate::SocketError;
use crate::socket::{Readiness, TcpOption};
use crate::stats::DropReason;
use crate::tcp::SendFlags;

/// SPEC 58.
#[test]
fn the_send_buffer_bounds_what_is_queued() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::SendBuffer(20_000));
    assert_eq!(peer.try_write(30_000, SendFlags::empty()), Ok(20_000));
    assert_eq!(
        peer.try_write(1, SendFlags::empty()),
        Err(SocketError::WouldBlock)
    );
    assert!(!peer.ready().contains(Readiness::WRITABLE));
    while peer.stack.poll_event().is_some() {}
    peer.sends(tcp().ack(1461));
    let event = peer.stack.poll_event().unwrap();
    assert_eq!(event.socket, peer.id());
    assert!(event.ready.contains(Readiness::WRITABLE));
    assert_eq!(peer.try_write(30_000, SendFlags::empty()), Ok(1460));
}

/// `TCP_NOTSENT_LOWAT`: unsent bytes stay few.
#[test]
fn notsent_lowat_bounds_what_is_unsent() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::NotSentLowat(5000));
    while peer.try_write(1000, SendFlags::empty()).is_ok() {}
    assert_eq!(peer.info().unsent, 5000);
    assert!(!peer.ready().contains(Readiness::WRITABLE));
    peer.sends(tcp().ack(2921));
    assert!(peer.ready().contains(Readiness::WRITABLE));
}

/// What was granted is never taken back.
#[test]
fn the_send_limit_never_falls() {
    let mut peer = Peer::established();
    let id = peer.id();
    let before = peer.stack.tcp(id, peer.now).unwrap().send_limit();
    peer.sets(TcpOption::SendBuffer(2048));
    peer.sets(TcpOption::NotSentLowat(1));
    assert_eq!(peer.stack.tcp(id, peer.now).unwrap().send_limit(), before);
}

#[test]
fn a_spent_memory_budget_refuses_new_connections() {
    let mut peer = Peer::established_with(syn(), |config| config.memory = 5000);
    peer.sends(tcp().data(5000));
    peer.skips();
    peer.remote.set_port(99);
    (peer.nxt, peer.rcv) = (0, 0);
    peer.sends(syn());
    peer.expects_nothing();
    assert_eq!(peer.drops(DropReason::NoMemory), 1);
}

/// What arrives counts against the budget too, so peers cannot make the stack hold more.
#[test]
fn a_spent_memory_budget_bounds_what_is_received() {
    let mut peer = Peer::established_with(syn(), |config| config.memory = 50_000);
    for _ in 0..100 {
        peer.sends(tcp().data(1400));
    }
    assert!(
        peer.stack.memory_used() < 52_000,
        "{}",
        peer.stack.memory_used()
    );
    assert!(peer.drops(DropReason::NoMemory) > 5);
    // The window was larger. Reading makes room, and the peer goes on where it was.
    let got = peer.info().unread;
    peer.reads(u32::try_from(got).unwrap());
    peer.skips();
    peer.sends(tcp().seq(peer.read + 1).data(1400));
    peer.reads(1400);
}

/// DESIGN: one charge for each byte that is held, given back when it is gone.
#[test]
fn memory_is_charged_and_given_back() {
    let mut peer = Peer::established_sack();
    peer.sends(tcp().data(1000));
    peer.sends(tcp().seq(5001).data(1000));
    peer.writes(3000);
    let used = peer.stack.memory_used();
    assert!((5000..9000).contains(&used), "{used}");
    peer.skips();
    peer.sends(tcp().seq(1001).data(4000).ack(3001));
    peer.reads(6000);
    assert_eq!(peer.stack.memory_used(), 0);
}

/// Tiny segments must not pin a packet buffer each.
#[test]
fn held_memory_stays_near_the_payload() {
    let mut peer = Peer::established();
    for _ in 0..2000 {
        peer.sends(tcp().data(1));
    }
    assert!(
        peer.stack.memory_used() <= 2000 * (2 + 256),
        "{}",
        peer.stack.memory_used()
    );
    // Out of order, one island for each.
    let mut peer = Peer::established_sack();
    for index in 0..200 {
        peer.sends(tcp().seq(3 + 2 * index).data(1));
    }
    assert!(
        peer.stack.memory_used() <= 200 * (2 + 256),
        "{}",
        peer.stack.memory_used()
    );
}

/// RFC 6528: the same four-tuple later has a larger ISN, another one an unrelated one.
#[test]
fn initial_sequence_numbers_are_not_to_be_guessed() {
    let mut peer = Peer::new();
    peer.listen(100);
    let iss = |peer: &mut Peer, port| {
        peer.remote.set_port(port);
        (peer.nxt, peer.rcv) = (0, 0);
        peer.sends(syn());
        peer.expects(tcp().flags(SYN_ACK)).header.seq
    };
    let first = iss(&mut peer, 1);
    let others: std::vec::Vec<_> = (2..20).map(|port| iss(&mut peer, port)).collect();
    let near = |other: &&crate::tcp::SeqNum| {
        let distance = first
            .get()
            .wrapping_sub(other.get())
            .cast_signed()
            .unsigned_abs();
        distance < 1 << 20
    };
    assert_eq!(others.iter().filter(near).count(), 0);
    peer.waits(secs(100));
    peer.skips();
    let later = iss(&mut peer, 1);
    // It ticks every 4 µs.
    assert_eq!(later.distance_from(first), 25_000_000);
}

/// RFC 6056: ports are taken from the range, none twice at a time, in no order. SPEC 21.
#[test]
fn ephemeral_ports_are_random_and_unique() {
    let mut peer = Peer::with(|config| config.ephemeral_ports = 30_000..=59_999);
    let mut ports = std::vec::Vec::new();
    for _ in 0..30_000 {
        peer.connects();
        ports.push(peer.local.port());
    }
    let id = peer.stack.tcp_open(crate::socket::Family::V4).unwrap();
    let full = peer.stack.connect(id, peer.remote, peer.now);
    assert_eq!(full, Err(SocketError::AddressNotAvailable));
    let rising = ports
        .windows(2)
        .filter(|pair| pair[1] == pair[0] + 1)
        .count();
    assert!(rising < 15_000, "{rising} of 29,999 follow each other");
    ports.sort_unstable();
    assert!(ports.into_iter().eq(30_000..=59_999));
    // One is given back, and found again.
    peer.sends(tcp().flags(RST_ACK).seq(0).ack(1));
    assert_eq!(
        peer.stack.connect(id, peer.remote, peer.now),
        Err(SocketError::InProgress)
    );
    assert_eq!(peer.stack.local_addr(id).unwrap().port(), peer.local.port());
}

/// An error, then the end: the bits of poll(2).
#[test]
fn readiness_follows_the_connection() {
    let mut peer = Peer::established();
    assert_eq!(peer.ready(), Readiness::CONNECTED | Readiness::WRITABLE);
    peer.sends(tcp().data(1));
    assert_eq!(
        peer.ready(),
        Readiness::CONNECTED | Readiness::WRITABLE | Readiness::READABLE
    );
    peer.reads(1);
    peer.sends(tcp().flags(FIN_ACK));
    let half =
        Readiness::CONNECTED | Readiness::WRITABLE | Readiness::READABLE | Readiness::PEER_CLOSED;
    assert_eq!(peer.ready(), half);
    peer.finishes();
    assert_eq!(peer.ready(), half | Readiness::HANG_UP);
}

#[test]
fn a_changed_socket_is_told_once() {
    let mut peer = Peer::established();
    while peer.stack.poll_event().is_some() {}
    peer.sends(tcp().data(1));
    peer.sends(tcp().data(1));
    assert_eq!(
        peer.stack.poll_event().map(|event| event.socket),
        Some(peer.id())
    );
    assert_eq!(peer.stack.poll_event(), None);
}
