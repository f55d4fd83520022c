//! Accurate ECN feedback (RFC 9768): the handshake.

use super::accecn::{AE, ALL, accurate, ace, served, told};
use super::peer::bytes;
use super::*;
use crate::stats::DropReason;
use crate::tcp::{EcnCounts, EcnFeedback, State};
use crate::wire::{EcnCounters, EcnOrder, FastOpenCookie, TcpFlags};

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
        // §3.2.3.2.1: an option in a SYN tells nothing.
        let told = EcnCounters::new(EcnOrder::Ect0First, &[7, 7, 7]);
        peer.sends(syn().flags(SYN | asked).ecn(tos).counters(told));
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.header.flags, SYN_ACK | granted);
        let counters = (feedback == EcnFeedback::Accurate)
            .then(|| EcnCounters::new(EcnOrder::Ect0First, &[1, 0, 1]));
        assert_eq!(seen.header.options.accurate_ecn, counters);
        peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
        peer.accept();
        assert_eq!(peer.info().ecn, feedback);
        if let Some(it) = peer.info().accurate_ecn {
            // §3.2.2.2: a mark of the SYN is not counted.
            assert_eq!(it.received.ce_packets, 0);
            assert_eq!(
                (it.delivered, it.options_seen),
                (EcnCounts::default(), false)
            );
        }
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
        assert_eq!(peer.info().ecn, EcnFeedback::None, "nothing is agreed");
        peer.sends(syn().flags(SYN_ACK | granted).ack(1));
        assert_eq!(peer.info().ecn, feedback);
        let reduced = granted == AE | CWR;
        assert_eq!(peer.info().cwnd < 14600, reduced);
        // §3.2.2.2: the counter stays where it was, also where the SYN was marked.
        let counted = peer
            .info()
            .accurate_ecn
            .map_or(0, |it| it.delivered.ce_packets);
        assert_eq!(counted, 0);
        assert_eq!(peer.writes_as(1000), [capable]);
        // Whatever may be wrong with the field, what arrives is told.
        peer.sends(tcp().flags(ACK | ace(5)).data(100).marked());
        peer.waits(ms(200));
        let echo = match feedback {
            EcnFeedback::Accurate => 6,
            EcnFeedback::Classic => 1,
            EcnFeedback::None => 0,
        };
        assert_eq!(told(&peer.sent.pop_back().unwrap()), echo);
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
        // Others, which were marked: the answer is about the latest (§3.1.5), and one counts (§3.2.2.2).
        for _ in 0..2 {
            peer.sends(syn().seq(0).flags(SYN_ACK | CWR).ack(1).ecn(3));
            assert_eq!(told(&peer.sent.pop_front().unwrap()), 0b110);
        }
        peer.sends(tcp().seq(1).flags(ACK | ace(5)).data(100));
        peer.waits(ms(200));
        assert_eq!(told(&peer.sent.pop_back().unwrap()), 6);
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

/// A SYN-ACK is sent three times, with less each time.
#[track_caller]
fn gives_up_option_and_flags(peer: &mut Peer) {
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
}

/// §3.2.3.2.2, §3.1.5: the option may be what the path eats, or the flags.
#[test]
fn a_syn_ack_is_sent_again_without_option_and_then_without_flags() {
    let mut peer = Peer::with(accurate);
    peer.listen(16);
    peer.sends(syn().flags(SYN | ALL));
    gives_up_option_and_flags(&mut peer);
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

/// §3.2: data of a SYN-ACK counts like any other.
#[test]
fn data_of_a_syn_ack_is_counted() {
    let received = |tos| {
        let mut peer = Peer::with(accurate);
        peer.connects();
        peer.sends(syn().flags(SYN_ACK | CWR).ack(1).data(100).ecn(tos));
        let it = peer.feedback().received;
        [it.ect1_bytes, it.ect0_bytes, it.ce_bytes]
    };
    let before = received(0);
    for (tos, counter) in [(1, 0), (2, 1), (3, 2)] {
        let mut expected = before;
        expected[counter] += 100;
        assert_eq!(received(tos), expected);
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

/// §3.1.5: what a SYN asks for is of no account where the first has asked for nothing, nor behind the
/// handshake.
#[test]
fn a_late_question_is_ignored() {
    let mut peer = Peer::with(accurate);
    peer.listen(16);
    peer.sends(syn());
    peer.skips();
    peer.sends(syn().seq(0).flags(SYN | ALL));
    assert_eq!(peer.sent.pop_front().unwrap().header.flags, SYN_ACK);
    peer.sends(tcp().seq(1).ack(1));
    peer.accept();
    assert_eq!(peer.info().ecn, EcnFeedback::None);
    assert_eq!(peer.writes_as(1000), [0]);
    for flags in [TcpFlags::empty(), CWR | ECE] {
        let mut peer = served(2, |_| {});
        peer.sends(syn().seq(0).flags(SYN | flags));
        assert_eq!(told(&peer.sent.pop_front().unwrap()), 5);
        assert_eq!(peer.info().ecn, EcnFeedback::Accurate);
        assert_eq!(peer.writes_as(1000), [2]);
    }
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
        // §3.2.2.5.2: else more marks than segments are believed.
        let marks = if third == 0 { 0 } else { 2 };
        assert_eq!(peer.feedback().delivered.ce_packets, marks);
        // What arrives is told in any case.
        peer.sends(tcp().flags(ACK | ace(7)).data(100).marked());
        peer.waits(ms(200));
        assert_eq!(told(&peer.sent.pop_back().unwrap()), 6);
    }
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

/// RFC 7413 §4.2.2 with §3.1.5: a connection that was opened fast answers repeated SYNs as one that is half
/// open.
#[test]
fn a_fast_connection_answers_repeated_syns_as_a_half_open_one() {
    for (first, second, answer, capable) in [
        (ALL, ALL, Some(AE), 2),
        (ALL, TcpFlags::empty(), Some(AE), 0),
        (ALL, CWR | ECE, None, 0),
        (CWR | ECE, CWR | ECE, Some(ECE), 2),
        (CWR | ECE, TcpFlags::empty(), Some(TcpFlags::empty()), 0),
        (CWR | ECE, ALL, None, 0),
    ] {
        let mut peer = Peer::with(|config| {
            accurate(config);
            config.tcp.fast_open.server = true;
        });
        let cookie = fast_open::listens(&mut peer, 4);
        peer.sends(syn().flags(SYN | first).fast_open(cookie).data(20));
        let seen = peer.sent.pop_front().unwrap();
        let told = (first == ALL).then(|| EcnCounters::new(EcnOrder::Ect0First, &[1, 0, 1]));
        assert_eq!(seen.header.options.accurate_ecn, told);
        peer.accept();
        peer.sends(syn().seq(0).flags(SYN | second).ecn(2));
        let flags = answer.map_or(RST_ACK, |answer| SYN_ACK | answer);
        assert_eq!(peer.sent.pop_front().unwrap().header.flags, flags);
        assert_eq!(peer.state() == State::Closed, answer.is_none());
        assert_eq!(peer.drops(DropReason::BadFlags), answer.is_none().into());
        if answer.is_some() {
            assert_eq!(peer.writes_as(1000), [capable], "{first:?} {second:?}");
        }
    }
}

/// §3.2.3.2.2, §3.1.5: the same when nobody answers.
#[test]
fn the_syn_ack_of_a_fast_connection_loses_its_option_and_then_its_flags() {
    let mut peer = Peer::with(|config| {
        accurate(config);
        config.tcp.fast_open.server = true;
    });
    let cookie: FastOpenCookie = fast_open::listens(&mut peer, 4);
    peer.sends(syn().flags(SYN | ALL).fast_open(cookie).data(20));
    gives_up_option_and_flags(&mut peer);
    peer.accept();
    peer.sends(tcp().seq(21).ack(1).flags(ACK | ace(2)));
    assert_eq!(peer.info().ecn, EcnFeedback::Accurate);
    assert_eq!(peer.writes_as(1000), [0]);
}

/// §3.1.2: each side answers the other's SYN as a server would.
#[test]
fn a_simultaneous_open_agrees_on_feedback() {
    for (asks, grants, feedback, capable) in [
        (ALL, CWR, EcnFeedback::Accurate, 2),
        (ALL, TcpFlags::empty(), EcnFeedback::Accurate, 0),
        (CWR | ECE, ECE, EcnFeedback::Classic, 2),
        (CWR | ECE, TcpFlags::empty(), EcnFeedback::Classic, 0),
        (TcpFlags::empty(), TcpFlags::empty(), EcnFeedback::None, 0),
    ] {
        let mut peer = Peer::with(accurate);
        peer.connects();
        peer.skips();
        peer.sends(syn().flags(SYN | asks));
        let seen = peer.sent.pop_front().unwrap();
        let granted = match feedback {
            EcnFeedback::Accurate => CWR,
            EcnFeedback::Classic => ECE,
            EcnFeedback::None => TcpFlags::empty(),
        };
        assert_eq!(seen.header.flags, SYN_ACK | granted);
        let before = peer.info().cwnd;
        peer.sends(syn().seq(0).flags(SYN_ACK | grants).ack(1));
        assert_eq!(
            (peer.state(), peer.info().ecn),
            (State::Established, feedback)
        );
        assert_eq!(peer.info().cwnd, before, "no mark is told by this");
        let answer = peer.sent.pop_front().unwrap();
        let counter = if feedback == EcnFeedback::Accurate {
            5
        } else {
            0
        };
        assert_eq!(told(&answer), counter);
        assert_eq!(peer.writes_as(1000), [capable], "{asks:?} {grants:?}");
    }
}

impl Peer {
    /// The application connects; what its first SYN asks for, and the peer answers the one that leaves
    /// after `wait`.
    fn asks(&mut self, wait: Duration) -> TcpFlags {
        (self.iss, self.nxt, self.rcv) = (None, 0, 0);
        self.skips();
        self.connects();
        let first = self.sent.pop_front().unwrap().header.flags;
        self.waits(wait);
        self.skips();
        self.sends(syn().seq(0).flags(SYN_ACK).ack(1));
        assert_eq!(self.state(), State::Established);
        self.sends(tcp().flags(RST).seq(1));
        first - SYN
    }
}

/// §3.1.4.1: failures are remembered where it is clear what they are due to, and for a while.
#[test]
fn a_path_that_eats_syns_with_ecn_gets_ordinary_ones_for_a_while() {
    let mut peer = Peer::with(accurate);
    // 1 + 2 seconds: the third SYN.
    for expected in [ALL, ALL, TcpFlags::empty(), TcpFlags::empty()] {
        assert_eq!(peer.asks(secs(4)), expected);
    }
    peer.waits(secs(601));
    assert_eq!(peer.asks(secs(4)), ALL);
    assert_eq!(peer.asks(secs(4)), TcpFlags::empty());
    peer.waits(secs(601));
    // One that is answered ends it, whatever it grants.
    for _ in 0..2 {
        assert_eq!(peer.asks(secs(0)), ALL);
    }
    assert_eq!(peer.asks(secs(4)), ALL);
    assert_eq!(peer.asks(secs(0)), ALL);
}
