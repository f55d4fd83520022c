//! Urgent data: RFC 9293 §3.8.5, RFC 6093, and what sockets make of it.

use super::peer::pattern;
use super::*;
use crate::SocketError;
use crate::socket::{Readiness, TcpOption};
use crate::tcp::{RecvFlags, SendFlags};

impl Peer {
    pub(super) fn urgent_byte(&mut self, flags: RecvFlags) -> Result<u8, SocketError> {
        let mut byte = [0];
        let outcome = self
            .stack
            .tcp(self.id(), self.now)
            .unwrap()
            .recv(&mut byte, RecvFlags::URGENT | flags);
        outcome.map(|_| byte[0])
    }

    pub(super) fn is_at_mark(&mut self) -> bool {
        self.stack.tcp(self.id(), self.now).unwrap().is_at_mark()
    }
}

/// RFC 6093 §3.4: the pointer stands behind the urgent byte. MUST-62: so long as that is not
/// acknowledged.
#[test]
fn segments_point_behind_the_urgent_byte() {
    let mut peer = Peer::established();
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(1000));
    assert_eq!(peer.try_write(3, SendFlags::URGENT), Ok(3));
    peer.expects_nothing();
    peer.sends(tcp().ack(1001));
    peer.expects(tcp().flags(ACK | URG).seq(1001).data(3).urgent(3));
    // It is sent again with its pointer.
    peer.expects_after(ms(200), tcp().flags(ACK | URG).seq(1001).data(3).urgent(3));
    peer.sends(tcp().ack(1004));
    peer.writes(5);
    let seen = peer.expects(tcp().seq(1004).data(5));
    assert!(!seen.header.flags.contains(URG));
}

/// What lies in front of it says so too, however far away it is.
#[test]
fn urgent_data_is_announced_before_its_turn() {
    let mut peer = Peer::with(|config| config.tcp.initial_window = 2);
    peer.handshake(syn());
    assert_eq!(peer.try_write(100_000, SendFlags::URGENT), Ok(100_000));
    let seen = peer.expects(tcp().seq(1).data(1460).urgent(u16::MAX));
    assert!(seen.header.flags.contains(URG));
    peer.skips();
    let mut acked = 1;
    while acked < 60_000 {
        acked += 2 * 1460;
        peer.sends(tcp().ack(acked));
    }
    let last = peer.sent.pop_back().unwrap();
    assert_eq!(u32::from(last.header.urgent), 100_001 - last.seq);
}

#[test]
fn every_segment_of_urgent_mode_has_its_own_pointer() {
    let caps = crate::DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..crate::DeviceCaps::default()
    };
    let mut peer = Peer::build(false, |_| {}, caps);
    peer.handshake(syn());
    assert_eq!(peer.try_write(5 * 1460, SendFlags::URGENT), Ok(5 * 1460));
    for index in 0..5 {
        let pointer = 1460 * (5 - u16::try_from(index).unwrap());
        peer.expects(
            tcp()
                .flags(ACK | URG)
                .seq(1 + 1460 * index)
                .data(1460)
                .urgent(pointer),
        );
    }
}

/// The byte comes apart from the stream; a read ends at the mark, and goes on behind it.
#[test]
fn a_read_stops_at_the_mark() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(100).urgent(60));
    assert!(peer.ready().contains(Readiness::URGENT));
    assert_eq!(peer.urgent_byte(RecvFlags::PEEK), Ok(pattern(60)));
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Ok(pattern(60)));
    assert!(!peer.ready().contains(Readiness::URGENT));
    let gone = SocketError::InvalidInput("there is no urgent data");
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Err(gone));
    assert!(!peer.is_at_mark());
    assert_eq!(peer.try_read(1000), Ok(59));
    assert!(peer.is_at_mark());
    // The byte at the mark is not in the stream.
    peer.read += 1;
    assert_eq!(peer.try_read(1000), Ok(40));
    assert!(!peer.is_at_mark());
    assert_eq!(peer.try_read(1000), Err(SocketError::WouldBlock));
}

/// As in Linux: who reads on behind the mark has let the byte go by.
#[test]
fn a_byte_that_was_passed_is_gone() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(100).urgent(60));
    assert_eq!(peer.try_read(1000), Ok(59));
    assert!(peer.ready().contains(Readiness::URGENT));
    peer.read += 1;
    assert_eq!(peer.try_read(10), Ok(10));
    assert!(!peer.ready().contains(Readiness::URGENT));
    let gone = SocketError::InvalidInput("there is no urgent data");
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Err(gone));
    assert_eq!(peer.try_read(1000), Ok(30));
}

/// `SO_OOBINLINE`.
#[test]
fn an_inline_byte_stays_in_the_stream() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::OobInline(true));
    peer.sends(tcp().data(100).urgent(60));
    let inline = SocketError::InvalidInput("urgent data is in the stream");
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Err(inline));
    assert_eq!(peer.try_read(1000), Ok(59));
    assert!(peer.is_at_mark());
    assert_eq!(peer.try_read(1000), Ok(41));
    assert!(!peer.ready().contains(Readiness::URGENT));
}

#[test]
fn an_announced_byte_is_waited_for() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10).urgent(30));
    assert!(peer.ready().contains(Readiness::URGENT));
    assert_eq!(
        peer.urgent_byte(RecvFlags::empty()),
        Err(SocketError::WouldBlock)
    );
    assert_eq!(peer.try_read(1000), Ok(10));
    // It comes beyond a hole first.
    peer.sends(tcp().seq(21).data(30));
    assert_eq!(
        peer.urgent_byte(RecvFlags::empty()),
        Err(SocketError::WouldBlock)
    );
    peer.sends(tcp().seq(11).data(10));
    assert_eq!(peer.urgent_byte(RecvFlags::empty()), Ok(pattern(30)));
    assert_eq!(peer.try_read(1000), Ok(19));
    assert!(peer.is_at_mark());
    peer.read += 1;
    assert_eq!(peer.try_read(1000), Ok(20));
}

/// Who takes whole pieces learns where the mark is.
#[test]
fn the_mark_is_known_to_who_takes_pieces() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10));
    peer.reads(10);
    peer.sends(tcp().data(100).urgent(60));
    let id = peer.id();
    let mut tcp = peer.stack.tcp(id, peer.now).unwrap();
    assert_eq!(tcp.urgent_mark(), Some(69));
    let mut queue = crate::buf::RecvQueue::default();
    assert_eq!(tcp.take(&mut queue), 99);
    let mut out = [0; 100];
    assert_eq!(queue.read(&mut out), 99);
    assert_eq!((out[58], out[59]), (pattern(11 + 58), pattern(11 + 60)));
}

/// The window counts sequence numbers, so a byte that nobody reads must not be missing from it.
#[test]
fn urgent_bytes_do_not_shrink_the_window() {
    let mut peer = Peer::established();
    let before = peer.info().receive_window;
    for _ in 0..5000 {
        peer.sends(tcp().data(2).urgent(1));
        peer.read += 1;
        peer.reads(1);
        peer.skips();
    }
    peer.writes(1);
    assert!(peer.info().receive_window >= before - 2 * 1460);
}

/// RFC 6093 §5, RFC 9293 MUST-31: pointers of any value do no harm.
#[test]
fn absurd_pointers_are_survived() {
    let mut peer = Peer::established();
    peer.sends(tcp().data(10).urgent(0));
    peer.reads(10);
    peer.sends(tcp().urgent(u16::MAX).bare());
    peer.sends(tcp().data(10).urgent(u16::MAX));
    peer.reads(10);
    peer.sends(tcp().seq(11).data(10).urgent(3));
    peer.sends(tcp().data(10));
    peer.reads(10);
    peer.sends(tcp().flags(FIN_ACK | URG).urgent(9));
    peer.reads_end();
}

/// RFC 9293 MUST-66: neither waits for the window to open.
#[test]
fn urgent_mode_and_resets_pass_a_closed_window() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::RecvBuffer(2304));
    while peer.info().receive_window > 0 {
        let room = peer.info().receive_window.min(1460);
        peer.sends(tcp().data(room));
    }
    peer.skips();
    let next = peer.nxt;
    peer.sends(tcp().seq(next).data(10).urgent(10));
    peer.expects(tcp().ack(next).window(0));
    assert!(peer.ready().contains(Readiness::URGENT));
    peer.sends(tcp().flags(RST).seq(next));
    assert_eq!(peer.error(), Some(SocketError::ConnectionReset));
}

/// RFC 9293 MUST-32: the event comes with the pointer, not with the data.
#[test]
fn urgent_mode_is_told_at_once() {
    let mut peer = Peer::established();
    while peer.stack.poll_event().is_some() {}
    peer.sends(tcp().urgent(30));
    let event = peer.stack.poll_event().expect("an event");
    assert!(event.ready.contains(Readiness::URGENT));
}

/// SPEC 130: urgent data goes the long way, and what follows it the short one again.
#[test]
fn what_follows_urgent_data_is_predicted_again() {
    let mut peer = Peer::established();
    let predicted = |peer: &Peer| peer.stack.stats().tcp_predicted_text;
    peer.sends(tcp().data(10));
    assert_eq!(predicted(&peer), 1);
    peer.sends(tcp().flags(ACK | URG).urgent(10).data(10));
    peer.sends(tcp().seq(31).data(10));
    assert_eq!(predicted(&peer), 1);
    // The hole is filled by just what is expected, although the urgent byte waits to be read.
    peer.sends(tcp().seq(21).data(10));
    peer.sends(tcp().seq(41).data(10));
    assert_eq!(predicted(&peer), 3);
    let before = peer.stack.stats().tcp_predicted_acks;
    peer.writes(100);
    peer.sends(tcp());
    assert_eq!(peer.stack.stats().tcp_predicted_acks, before + 1);
}
