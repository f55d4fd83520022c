//! Accurate ECN feedback (RFC 9768).

use super::segment::Seen;
use super::*;
use crate::Config;
use crate::tcp::AccurateEcnInfo;
use crate::wire::{EcnCounters, EcnOrder, TcpFlags};
use std::vec::Vec;

pub(super) const AE: TcpFlags = TcpFlags::AE;
pub(super) const ALL: TcpFlags = AE.union(CWR).union(ECE);

/// A number as the ACE field has it.
pub(super) fn ace(number: u32) -> TcpFlags {
    let mut flags = TcpFlags::empty();
    flags.set(AE, number & 4 != 0);
    flags.set(CWR, number & 2 != 0);
    flags.set(ECE, number & 1 != 0);
    flags
}

/// The ACE field of a segment, as a number.
pub(super) fn told(seen: &Seen) -> u32 {
    (0..8)
        .find(|&number| ace(number) == seen.header.flags & ALL)
        .unwrap()
}

pub(super) fn accurate(config: &mut Config) {
    config.tcp.ecn = true;
    config.tcp.accurate_ecn = true;
}

/// A connection that the peer has opened; the ACE field of its first ACK is `third`.
pub(super) fn served(third: u32, change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|config| {
        accurate(config);
        change(config);
    });
    peer.listen(16);
    peer.sends(syn().flags(SYN | ALL).sack_permitted());
    let seen = peer.sent.pop_front().unwrap();
    assert_eq!(seen.header.flags, SYN_ACK | CWR);
    peer.waits(ms(50));
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(third)));
    peer.accept();
    peer
}

impl Peer {
    pub(super) fn feedback(&mut self) -> AccurateEcnInfo {
        self.info().accurate_ecn.expect("accurate feedback")
    }

    /// The right edge of the window that the stack has announced.
    fn window_edge(&mut self) -> u32 {
        let id = self.id();
        let socket = self.stack.sockets.tcp(id).unwrap();
        let receiver = &socket.connection().unwrap().receiver;
        1 + receiver.window()
    }

    /// The ECN fields of the packets that data which is written now leaves in.
    pub(super) fn writes_as(&mut self, len: u32) -> Vec<u8> {
        self.skips();
        self.writes(len);
        self.sent.drain(..).map(|seen| seen.ecn).collect()
    }
}

/// §3.2, §3.2.2.5.1, §3.2.3.3.
#[test]
fn marks_are_counted_by_packets_and_bytes() {
    let mut peer = served(2, |_| {});
    for (tos, len, counter, counters) in [
        (2, 100, 5, &[101][..]),
        (3, 50, 6, &[101, 50]),
        (3, 60, 7, &[101, 110]),
        (0, 70, 7, &[]),
        (1, 80, 7, &[101, 110, 81]),
        (3, 1000, 8, &[101, 1110, 81]),
    ] {
        peer.sends(tcp().flags(ACK | ace(5)).data(len).ecn(tos));
        peer.waits(ms(200));
        let seen = peer.sent.pop_back().expect("an acknowledgement");
        assert_eq!(told(&seen), counter % 8);
        let expected = EcnCounters::new(EcnOrder::Ect0First, counters);
        let option = seen.header.options.accurate_ecn;
        assert_eq!(option, (!counters.is_empty()).then_some(expected));
    }
    let received = peer.feedback().received;
    assert_eq!((received.ce_packets, received.ce_bytes), (3, 1110));
    assert_eq!((received.ect0_bytes, received.ect1_bytes), (100, 80));
}

/// §3.2.3: what has never changed need not be told.
#[test]
fn where_only_ect_1_arrives_it_comes_first() {
    let mut peer = served(2, |_| {});
    peer.sends(tcp().flags(ACK | ace(5)).data(100).ecn(1));
    peer.sends(tcp().flags(ACK | ace(5)).data(100).ecn(3));
    let seen = peer.sent.pop_back().unwrap();
    let expected = EcnCounters::new(EcnOrder::Ect1First, &[101, 100]);
    assert_eq!(seen.header.options.accurate_ecn, Some(expected));
}

/// §3.2.2.5.1: the first mark at once, then every second.
#[test]
fn a_mark_after_none_is_told_at_once_and_so_are_two() {
    let mut peer = served(2, |_| {});
    // Quick acknowledgements are used up.
    for _ in 0..16 {
        peer.sends(tcp().flags(ACK | ace(5)).data(1).ecn(2));
    }
    peer.skips();
    let sends = |peer: &mut Peer, tos: u8| {
        peer.sends(tcp().flags(ACK | ace(5)).data(10).ecn(tos));
        peer.skips()
    };
    assert_eq!(sends(&mut peer, 2), 0);
    assert_eq!(sends(&mut peer, 3), 1, "a change");
    assert_eq!(sends(&mut peer, 3), 0);
    assert_eq!(sends(&mut peer, 3), 1, "two marks");
    // Marks of what has no data in it count too, and are told after three.
    for expected in [0, 0, 1] {
        peer.sends(tcp().flags(ACK | ace(5)).bare().ecn(3));
        assert_eq!(peer.skips(), expected);
    }
}

/// §3.2.2.5.1: an ACK that nothing but ACKs have drawn names no hole, lest it be taken for a duplicate.
#[test]
fn acknowledgements_of_acknowledgements_have_no_blocks() {
    let mut peer = served(2, |_| {});
    let beyond_a_hole = |seq| tcp().seq(seq).flags(ACK | ace(5)).data(100).ecn(2);
    let mark = tcp().flags(ACK | ace(5)).bare().ecn(3);
    let blocks = |peer: &mut Peer| -> Vec<usize> {
        peer.sent.drain(..).map(|seen| seen.sacks.len()).collect()
    };
    peer.sends(beyond_a_hole(201));
    assert_eq!(blocks(&mut peer), [1]);
    for _ in 0..3 {
        peer.sends(mark);
    }
    assert_eq!(blocks(&mut peer), [0]);
    // Data that comes with them has its block.
    peer.sends_batch(&[mark, mark, mark, beyond_a_hole(401)]);
    assert_eq!(blocks(&mut peer), [2]);
    // So has what has arrived before, whose report comes first (RFC 2883 §4), and a keepalive.
    peer.sends(beyond_a_hole(1));
    peer.skips();
    peer.sends_batch(&[mark, mark, mark, beyond_a_hole(1)]);
    let told: Vec<_> = peer.sent.drain(..).map(|seen| seen.sacks).collect();
    assert_eq!(told, [[(1, 101), (401, 501), (201, 301)]]);
    peer.sends_batch(&[mark, mark, mark, tcp().seq(100).flags(ACK | ace(5)).bare()]);
    assert_eq!(blocks(&mut peer), [2]);
}

/// §3.2: bytes count by the packet that brings them, whether they lie in the window or not.
#[test]
fn what_lies_beyond_the_window_counts_as_it_arrived() {
    let mut peer = served(2, |_| {});
    let edge = peer.window_edge();
    let beyond = tcp().seq(edge - 50).flags(ACK | ace(5)).data(100);
    peer.sends(beyond.ecn(3));
    assert_eq!(peer.feedback().received.ce_bytes, 100);
}

/// §3.2.3.3: SACK goes first.
#[test]
fn two_sack_blocks_leave_room_for_two_counters_and_three_for_none() {
    let mut peer = served(2, |_| {});
    let mut options = Vec::new();
    for hole in 1..=4 {
        peer.sends(
            tcp()
                .seq(1 + 200 * hole)
                .flags(ACK | ace(5))
                .data(100)
                .ecn(3),
        );
        let seen = peer.sent.pop_back().unwrap();
        options.push((seen.sacks.len(), seen.header.options.accurate_ecn.is_some()));
    }
    assert_eq!(options, [(1, true), (2, true), (3, true), (4, false)]);
}

/// RFC 3168 §6.1.2 by way of §3.1.5: one reduction for a window of data, and no CWR.
#[test]
fn a_window_of_marks_reduces_the_window_once() {
    let mut peer = served(2, |_| {});
    assert_eq!(peer.writes_as(30 * 1460).len(), 10);
    peer.waits(ms(50));
    let before = peer.info().cwnd;
    peer.sends(tcp().ack(1 + 1460).flags(ACK | ace(6)));
    let reduced = peer.info().cwnd;
    assert!(reduced < before);
    peer.sends(tcp().ack(1 + 2 * 1460).flags(ACK | ace(7)));
    assert_eq!(peer.info().cwnd, reduced);
    assert_eq!(peer.feedback().delivered.ce_packets, 2);
    assert_eq!(peer.feedback().delivered.ce_bytes, 0, "no option has come");
    assert!(peer.sent.iter().all(|seen| told(seen) == 5));
}

/// §3.2.2.5.2: where others before it were short, the field may have gone round, and then it did.
#[test]
fn without_options_a_long_acknowledgement_is_taken_for_the_worst() {
    let mut peer = served(2, |config| config.tcp.initial_window = 30);
    peer.writes_as(30 * 1460);
    for segments in [2, 4, 6] {
        let ack = tcp().ack(1 + segments * 1460).flags(ACK | ace(5));
        peer.sends(ack);
    }
    peer.sends(tcp().ack(1 + 26 * 1460).flags(ACK | ace(6)));
    assert_eq!(peer.feedback().delivered.ce_packets, 17);
    // The option knows better.
    let mut peer = served(2, |config| config.tcp.initial_window = 20);
    peer.writes_as(20 * 1460);
    let counters = EcnCounters::new(EcnOrder::Ect0First, &[1 + 19 * 1460, 1460]);
    let ack = tcp().ack(1 + 20 * 1460).flags(ACK | ace(6));
    peer.sends(ack.counters(counters));
    let delivered = peer.feedback().delivered;
    assert_eq!((delivered.ce_packets, delivered.ce_bytes), (1, 1460));
    assert_eq!(delivered.ect0_bytes, 19 * 1460);
    assert!(peer.feedback().options_seen);
}

/// Appendix A.2.1: a peer that acknowledges a lot at once, always, hides nothing by it.
#[test]
fn where_all_acknowledgements_are_long_the_field_has_not_gone_round() {
    let mut peer = served(2, |config| config.tcp.initial_window = 36);
    peer.writes_as(36 * 1460);
    for (segments, counter, marks) in [(12, 5, 0), (24, 5, 0), (36, 6, 1)] {
        let before = peer.info().cwnd;
        peer.sends(tcp().ack(1 + segments * 1460).flags(ACK | ace(counter)));
        assert_eq!(peer.feedback().delivered.ce_packets, marks);
        assert_eq!(peer.info().cwnd < before, marks > 0);
    }
}

/// Appendix A.1: an acknowledgement that fills a hole tells of nothing else that is new.
#[test]
fn what_was_acknowledged_selectively_before_is_not_marked_by_the_end_of_a_recovery() {
    let mut peer = served(2, |config| config.tcp.initial_window = 20);
    peer.writes_as(20 * 1460);
    peer.sends(tcp().ack(1 + 2 * 1460).flags(ACK | ace(5)));
    for segments in [5, 7, 9, 11, 13, 15, 17, 19, 20] {
        let block = (1 + 3 * 1460, 1 + segments * 1460);
        peer.sends(tcp().ack(1 + 2 * 1460).flags(ACK | ace(5)).sacks(&[block]));
    }
    peer.sends(tcp().ack(1 + 20 * 1460).flags(ACK | ace(5)));
    assert_eq!(peer.feedback().delivered.ce_packets, 0);
    assert_eq!(peer.info().in_flight, 0);
}

/// §3.2.3.3, RFC 2018 §4, RFC 2883 §4: what is new beyond a hole is told beside the report of a duplicate,
/// and the option waits for the next segment.
#[test]
fn a_duplicate_and_what_is_beyond_a_hole_go_before_the_option() {
    let mut peer = Peer::with(accurate);
    peer.clock = Some(5);
    peer.listen(16);
    let asks = syn().flags(SYN | ALL).sack_permitted().timestamps(5, 0);
    peer.sends(asks);
    peer.skips();
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
    peer.accept();
    for tos in [2, 3, 1] {
        peer.sends(tcp().flags(ACK | ace(5)).data(100).ecn(tos));
    }
    peer.waits(ms(200));
    peer.skips();
    let again = tcp().seq(101).flags(ACK | ace(5)).data(100).ecn(3);
    let beyond = tcp().seq(401).flags(ACK | ace(5)).data(100).ecn(3);
    peer.sends_batch(&[again, beyond]);
    let seen = peer.sent.pop_front().unwrap();
    assert_eq!(seen.sacks, [(101, 201), (401, 501)]);
    assert_eq!(seen.header.options.accurate_ecn, None);
    peer.sends(tcp().seq(301).flags(ACK | ace(5)).data(100).ecn(2));
    let seen = peer.sent.pop_front().unwrap();
    assert_eq!(seen.ack, 501);
    let counters = EcnCounters::new(EcnOrder::Ect0First, &[201, 200, 101]);
    assert_eq!(seen.header.options.accurate_ecn, Some(counters));
}

/// §3.2.3.2.4: then the field alone counts.
#[test]
fn an_option_that_was_zeroed_is_ignored() {
    let mut peer = served(2, |_| {});
    peer.writes_as(2 * 1460);
    let zeroed = EcnCounters::new(EcnOrder::Ect0First, &[0, 0, 0]);
    let ack = tcp().ack(1 + 2 * 1460).flags(ACK | ace(6));
    peer.sends(ack.counters(zeroed));
    let feedback = peer.feedback();
    assert_eq!(
        (feedback.delivered.ce_packets, feedback.options_seen),
        (1, false)
    );
    assert_eq!(feedback.delivered.ce_bytes, 0);
}

/// §3.2.2.2: what is older than what is known is not looked at.
#[test]
fn feedback_of_an_old_acknowledgement_is_ignored() {
    let mut peer = served(2, |_| {});
    peer.writes_as(4 * 1460);
    peer.sends(tcp().ack(1 + 4 * 1460).flags(ACK | ace(7)));
    peer.sends(tcp().ack(1 + 2 * 1460).flags(ACK | ace(6)));
    assert_eq!(peer.feedback().delivered.ce_packets, 2);
    // One that has been overtaken by another for the same number, too.
    peer.sends(tcp().ack(1 + 4 * 1460).flags(ACK | ace(6)));
    assert_eq!(peer.feedback().delivered.ce_packets, 2);
}

/// An acknowledgement without an option counts by the field; the option behind it tells of the same mark.
#[test]
fn a_mark_is_counted_once_where_options_come_now_and_then() {
    let mut peer = served(2, |_| {});
    peer.writes_as(4 * 1460);
    let counters = |ect0: u32, ce| EcnCounters::new(EcnOrder::Ect0First, &[1 + ect0, ce]);
    let ack = tcp().ack(1 + 1460).flags(ACK | ace(5));
    peer.sends(ack.counters(counters(1460, 0)));
    peer.sends(tcp().ack(1 + 2 * 1460).flags(ACK | ace(6)));
    let ack = tcp().ack(1 + 3 * 1460).flags(ACK | ace(6));
    peer.sends(ack.counters(counters(2 * 1460, 1460)));
    let delivered = peer.feedback().delivered;
    assert_eq!((delivered.ce_packets, delivered.ce_bytes), (1, 1460));
}

/// §3.2.2.4, at a client, whose first feedback is no third ACK.
#[test]
fn first_feedback_of_zero_ends_the_use_of_ecn() {
    let mut peer = Peer::with(accurate);
    peer.connects();
    peer.sends(syn().flags(SYN_ACK | CWR).ack(1));
    assert_eq!(peer.writes_as(1000), [2]);
    peer.sends(tcp().ack(1001));
    assert_eq!(peer.writes_as(1000), [0]);
    let before = peer.info().cwnd;
    peer.sends(tcp().ack(2001).flags(ACK | ace(3)));
    assert!(peer.info().cwnd >= before);
    // We still tell what arrives.
    peer.sends(tcp().data(100).marked());
    assert_eq!(told(&peer.sent.pop_back().unwrap()), 6);
}

/// §3.2.3.2.2: what is sent again after a timeout of the first data has no option.
#[test]
fn a_path_that_eats_options_gets_none() {
    let mut peer = Peer::with(accurate);
    peer.connects();
    peer.sends(syn().flags(SYN_ACK | CWR).ack(1));
    peer.writes(1000);
    let seen = peer.sent.pop_back().unwrap();
    assert!(seen.header.options.accurate_ecn.is_some());
    peer.skips();
    peer.waits(secs(4));
    assert!(peer.sent.len() > 1);
    let options = |seen: &Seen| seen.header.options.accurate_ecn;
    assert!(peer.sent.iter().all(|seen| options(seen).is_none()));
    peer.skips();
    peer.sends(tcp().flags(ACK | ace(5)).data(100).marked());
    let seen = peer.sent.pop_back().unwrap();
    assert_eq!((told(&seen), seen.header.options.accurate_ecn), (6, None));
}

/// A super-segment counts as what it stands for; and where CWR is a bit of the counter, none is sent.
#[test]
fn super_segments_are_counted_and_not_sent_where_they_would_lose_a_bit() {
    let caps = crate::DeviceCaps {
        tso: true,
        ..crate::DeviceCaps::default()
    };
    let mut peer = Peer::build(false, accurate, caps);
    peer.listen(16);
    peer.sends(syn().flags(SYN | ALL));
    peer.skips();
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
    peer.accept();
    peer.writes(5 * 1460);
    assert!(peer.sent.iter().any(|seen| seen.gso.is_some()));
    peer.skips();
    peer.sends(
        tcp()
            .flags(ACK | ace(5))
            .ack(1 + 5 * 1460)
            .data(4000)
            .gso(1000)
            .marked(),
    );
    assert_eq!(peer.feedback().received.ce_packets, 4);
    peer.sends(tcp().flags(ACK | ace(5)).data(1000).marked());
    assert_eq!(told(&peer.sent.pop_back().unwrap()), 10 % 8);
    peer.skips();
    peer.writes(5 * 1460);
    assert!(!peer.sent.is_empty() && peer.sent.iter().all(|seen| seen.gso.is_none()));
}
