//! Accurate ECN feedback (RFC 9768).

use super::peer::bytes;
use super::segment::Seen;
use super::*;
use crate::Config;
use crate::stats::DropReason;
use crate::tcp::{AccurateEcnInfo, EcnFeedback, State};
use crate::wire::{EcnCounters, EcnOrder, TcpFlags};
use std::vec::Vec;

const AE: TcpFlags = TcpFlags::AE;
const ALL: TcpFlags = AE.union(CWR).union(ECE);

/// A number as the ACE field has it.
fn ace(number: u32) -> TcpFlags {
    let mut flags = TcpFlags::empty();
    flags.set(AE, number & 4 != 0);
    flags.set(CWR, number & 2 != 0);
    flags.set(ECE, number & 1 != 0);
    flags
}

/// The ACE field of a segment, as a number.
fn told(seen: &Seen) -> u32 {
    (0..8)
        .find(|&number| ace(number) == seen.header.flags & ALL)
        .unwrap()
}

fn accurate(config: &mut Config) {
    config.tcp.ecn = true;
    config.tcp.accurate_ecn = true;
}

/// A connection that the peer has opened; the ACE field of its first ACK is `third`.
fn served(third: u32, change: impl FnOnce(&mut Config)) -> Peer {
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
    fn feedback(&mut self) -> AccurateEcnInfo {
        self.info().accurate_ecn.expect("accurate feedback")
    }

    /// The ECN fields of the packets that data which is written now leaves in.
    fn writes_as(&mut self, len: u32) -> Vec<u8> {
        self.skips();
        self.writes(len);
        self.sent.drain(..).map(|seen| seen.ecn).collect()
    }
}

/// §3.1.2, table 2, and §3.1.3: the server.
#[test]
fn a_syn_ack_tells_how_the_syn_arrived_or_grants_what_was_asked_for() {
    for (asked, tos, granted, feedback) in [
        (ALL, 0, CWR, EcnFeedback::Accurate),
        (ALL, 1, CWR | ECE, EcnFeedback::Accurate),
        (ALL, 2, AE, EcnFeedback::Accurate),
        (ALL, 3, AE | CWR, EcnFeedback::Accurate),
        (AE, 0, CWR, EcnFeedback::Accurate),
        (AE | ECE, 0, CWR, EcnFeedback::Accurate),
        (CWR, 0, CWR, EcnFeedback::Accurate),
        (CWR | ECE, 0, ECE, EcnFeedback::Classic),
        (TcpFlags::empty(), 3, TcpFlags::empty(), EcnFeedback::None),
    ] {
        let mut peer = Peer::with(accurate);
        peer.listen(16);
        peer.sends(syn().flags(SYN | asked).ecn(tos));
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.header.flags, SYN_ACK | granted);
        let counters = (feedback == EcnFeedback::Accurate)
            .then(|| EcnCounters::new(EcnOrder::Ect0First, &[1, 0, 1]));
        assert_eq!(seen.header.options.accurate_ecn, counters);
        peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
        peer.accept();
        assert_eq!(peer.info().ecn, feedback);
        // §3.2.2.2: a mark of the SYN is not counted.
        assert!(
            peer.info()
                .accurate_ecn
                .is_none_or(|it| it.received.ce_packets == 0)
        );
    }
}

/// The same at a server that speaks classic ECN only.
#[test]
fn without_accurate_feedback_who_asks_for_it_gets_the_classic_one() {
    for dsack in [true, false] {
        let mut peer = Peer::with(|config| {
            config.tcp.ecn = true;
            // §3.1.1: with SACK it needs duplicate SACK.
            config.tcp.accurate_ecn = !dsack;
            config.tcp.recovery.dsack = dsack;
        });
        peer.listen(16);
        peer.sends(syn().flags(SYN | ALL));
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.header.flags, SYN_ACK | ECE);
    }
}

/// §3.1.2, §3.2.2.3: the client.
#[test]
fn a_client_follows_the_syn_ack() {
    for (granted, feedback, capable) in [
        (CWR, EcnFeedback::Accurate, 2),
        (AE | ECE, EcnFeedback::Accurate, 2),
        // The SYN has left as not ECN-capable: something is wrong with the field.
        (CWR | ECE, EcnFeedback::Accurate, 0),
        (AE, EcnFeedback::Accurate, 0),
        (AE | CWR, EcnFeedback::Accurate, 0),
        (ECE, EcnFeedback::Classic, 2),
        (TcpFlags::empty(), EcnFeedback::None, 0),
        (ALL, EcnFeedback::None, 0),
    ] {
        let mut peer = Peer::with(accurate);
        peer.connects();
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.header.flags, SYN | ALL);
        assert_eq!((seen.ecn, seen.header.options.accurate_ecn), (0, None));
        peer.sends(syn().flags(SYN_ACK | granted).ack(1));
        assert_eq!(peer.info().ecn, feedback);
        let reduced = granted == AE | CWR;
        assert_eq!(peer.info().cwnd < 14600, reduced);
        assert_eq!(peer.writes_as(1000), [capable]);
    }
}

/// §3.2.2.1, table 3: the first ACK is on its own, and tells how the SYN-ACK has arrived; from then on a
/// counter stands there.
#[test]
fn the_ack_of_the_syn_ack_tells_how_that_arrived() {
    for (tos, first, counter) in [(0, 0b010, 5), (1, 0b011, 5), (2, 0b100, 5), (3, 0b110, 6)] {
        let mut peer = Peer::with(accurate);
        peer.connects();
        peer.skips();
        let written = bytes(1, 100).into();
        let id = peer.id();
        peer.stack.tcp(id, peer.now).unwrap().push(written).unwrap();
        peer.sends(syn().flags(SYN_ACK | CWR).ack(1).ecn(tos));
        let answer = peer.sent.pop_front().unwrap();
        assert_eq!((told(&answer), answer.payload.len()), (first, 0));
        assert!(answer.header.options.accurate_ecn.is_some());
        let data = peer.sent.pop_front().unwrap();
        assert_eq!((told(&data), data.payload.len()), (counter, 100));
        assert!(data.header.options.accurate_ecn.is_some());
        // Once more.
        peer.sends(syn().seq(0).flags(SYN_ACK | CWR).ack(1).ecn(tos));
        assert_eq!(told(&peer.sent.pop_front().unwrap()), first);
    }
}

/// §3.1.4.1.
#[test]
fn the_third_syn_asks_for_nothing() {
    let mut peer = Peer::with(accurate);
    peer.connects();
    for (wait, flags) in [(0, ALL), (1, ALL), (2, TcpFlags::empty())] {
        peer.waits(secs(wait));
        assert_eq!(peer.sent.pop_front().unwrap().header.flags, SYN | flags);
    }
    // A client may go on as the first SYN-ACK says.
    peer.sends(syn().flags(SYN_ACK | CWR).ack(1));
    assert_eq!(peer.info().ecn, EcnFeedback::Accurate);
    assert_eq!(peer.writes_as(1000), [2]);
}

/// §3.2.3.2.2, §3.1.5: the option may be what the path eats, or the flags.
#[test]
fn a_syn_ack_is_sent_again_without_option_and_then_without_flags() {
    let mut peer = Peer::with(accurate);
    peer.listen(16);
    peer.sends(syn().flags(SYN | ALL));
    for (wait, flags, option) in [
        (0, CWR, true),
        (1, CWR, false),
        (2, TcpFlags::empty(), false),
    ] {
        peer.waits(secs(wait));
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.header.flags, SYN_ACK | flags);
        assert_eq!(seen.header.options.accurate_ecn.is_some(), option);
    }
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
    peer.accept();
    assert_eq!(peer.info().ecn, EcnFeedback::Accurate);
    assert_eq!(peer.writes_as(1000), [0]);
}

/// §3.1.5.
#[test]
fn who_asks_for_both_kinds_of_feedback_is_reset() {
    for (first, second) in [(ALL, CWR | ECE), (CWR | ECE, ALL)] {
        let mut peer = Peer::with(accurate);
        peer.listen(16);
        peer.sends(syn().flags(SYN | first));
        peer.skips();
        peer.sends(syn().seq(0).flags(SYN | second));
        peer.expects(tcp().flags(RST_ACK));
        assert_eq!(peer.drops(DropReason::BadFlags), 1);
    }
}

/// §3.1.5: the SYN-ACK tells of the latest SYN; one that does not ask keeps the server from sending what
/// can be marked.
#[test]
fn an_ordinary_syn_behind_one_that_asked_keeps_the_feedback_accurate() {
    let mut peer = Peer::with(accurate);
    peer.listen(16);
    peer.sends(syn().flags(SYN | ALL));
    peer.skips();
    peer.sends(syn().seq(0).ecn(2));
    assert_eq!(peer.sent.pop_front().unwrap().header.flags, SYN_ACK | AE);
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
    peer.accept();
    assert_eq!(peer.info().ecn, EcnFeedback::Accurate);
    assert_eq!(peer.writes_as(1000), [0]);
}

/// §3.2.2.1, table 4.
#[test]
fn the_third_ack_says_whether_the_field_arrives_as_it_was() {
    for (third, capable, delivered) in [
        (0b000, 0, 0),
        (0b001, 2, 0),
        (0b010, 2, 0),
        (0b011, 0, 0),
        (0b100, 0, 0),
        (0b101, 2, 0),
        (0b110, 0, 1),
        (0b111, 2, 0),
    ] {
        let mut peer = served(third, |_| {});
        assert_eq!(peer.feedback().delivered.ce_packets, delivered);
        assert_eq!(peer.info().cwnd < 14600, third == 0b110);
        assert_eq!(peer.writes_as(1000), [capable], "{third}");
        // Feedback that means nothing is not answered.
        let before = peer.info().cwnd;
        peer.sends(tcp().ack(1001).flags(ACK | ace(7)));
        assert_eq!(peer.info().cwnd < before, third != 0);
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

/// §3.2.2.5.2: the field may have gone round, and then it did.
#[test]
fn without_options_a_long_acknowledgement_is_taken_for_the_worst() {
    let mut peer = served(2, |config| config.tcp.initial_window = 20);
    peer.writes_as(20 * 1460);
    peer.sends(tcp().ack(1 + 20 * 1460).flags(ACK | ace(6)));
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

#[test]
fn a_connection_without_ecn_says_nothing() {
    let mut peer = Peer::with(|config| config.tcp.accurate_ecn = true);
    peer.connects();
    assert_eq!(peer.sent.pop_front().unwrap().header.flags, SYN);
    peer.sends(syn().flags(SYN_ACK | CWR).ack(1));
    assert_eq!(peer.info().ecn, EcnFeedback::None);
    assert_eq!(peer.state(), State::Established);
}
