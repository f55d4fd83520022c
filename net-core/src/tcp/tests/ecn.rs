//! Explicit congestion notification: RFC 3168 on paths that eat what asks for it, and the receiver of
//! RFC 8257. (Its ordinary course, between two stacks, is in the package of tests.)

use super::*;
use crate::config::CongestionAlgorithm;
use crate::socket::TcpOption;
use crate::tcp::congestion::CongestionControl;
use crate::tcp::connection::Connection;
use crate::{Config, DeviceCaps};

/// The stack's end.
fn connection(peer: &mut Peer) -> &mut Connection {
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    socket.connection_mut().unwrap()
}

/// A connection that may send ECN-capable packets.
fn capable(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|config| {
        config.tcp.ecn = true;
        change(config);
    });
    peer.listen(16);
    peer.sends(syn().flags(SYN | ECE | CWR));
    let seen = peer.sent.pop_front().unwrap();
    assert!(seen.header.flags.contains(SYN_ACK | ECE));
    peer.waits(ms(50));
    peer.sends(tcp().seq(1).ack(1));
    peer.accept();
    peer
}

fn marks_of(peer: &mut Peer) -> std::vec::Vec<u8> {
    peer.sent.drain(..).map(|seen| seen.ecn).collect()
}

/// RFC 3168 §6.1.1.1: the second SYN asks for nothing.
#[test]
fn a_path_that_eats_ecn_syns_gets_an_ordinary_one() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.connects();
    assert!(
        peer.sent
            .pop_front()
            .unwrap()
            .header
            .flags
            .contains(ECE | CWR)
    );
    peer.waits(secs(1));
    let again = peer.sent.pop_front().unwrap().header.flags;
    assert_eq!(again, SYN);
}

/// What is sent again is not marked (§6.1.5); where only that arrives, nothing more is.
#[test]
fn a_path_that_eats_capable_packets_gets_ordinary_ones() {
    let mut peer = capable(|_| {});
    peer.writes(30 * 1460);
    assert_eq!(marks_of(&mut peer), [2; 10]);
    peer.waits(ms(500));
    assert!(
        marks_of(&mut peer).iter().all(|&mark| mark == 0),
        "sent again"
    );
    peer.sends(tcp().ack(1 + 1460));
    peer.skips();
    for round in 2..12 {
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 1460 * round));
        assert!(marks_of(&mut peer).iter().all(|&mark| mark == 0));
    }
}

#[test]
fn a_timeout_on_a_path_that_lets_capable_packets_through_changes_nothing() {
    let mut peer = capable(|_| {});
    peer.writes(15 * 1460);
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(1 + 5 * 1460));
    peer.skips();
    peer.waits(secs(1));
    peer.skips();
    peer.sends(tcp().ack(1 + 15 * 1460));
    peer.writes(1460);
    assert_eq!(marks_of(&mut peer), [2]);
}

/// RFC 8257: a sender that is nothing without marks asks for them.
#[test]
fn dctcp_asks_for_ecn() {
    let mut peer = Peer::new();
    peer.connects_with(&[TcpOption::Congestion(CongestionAlgorithm::Dctcp)]);
    assert!(
        peer.sent
            .pop_front()
            .unwrap()
            .header
            .flags
            .contains(ECE | CWR)
    );
}

/// RFC 8257 §3.2: each change of the mark is told at once, and CWR ends nothing.
#[test]
fn dctcp_tells_each_change_of_the_mark_at_once() {
    let mut peer = capable(|config| config.tcp.congestion = CongestionAlgorithm::Dctcp);
    peer.past_quick_acks();
    let told = |peer: &mut Peer| {
        let flags: std::vec::Vec<_> = peer.sent.drain(..).map(|seen| seen.header.flags).collect();
        flags
            .iter()
            .map(|flags| flags.contains(ECE))
            .collect::<std::vec::Vec<_>>()
    };
    peer.sends(tcp().data(100));
    assert!(told(&mut peer).is_empty(), "it waits for company");
    peer.sends(tcp().data(100).marked());
    assert_eq!(told(&mut peer), [true]);
    peer.sends(tcp().data(100).marked().flags(ACK | CWR));
    assert!(told(&mut peer).is_empty());
    peer.sends(tcp().data(100).marked());
    assert_eq!(told(&mut peer), [true]);
    peer.sends(tcp().data(100));
    assert_eq!(told(&mut peer), [false]);
}

/// RFC 8257 §4.1: what is sent again and acknowledgements can be marked, where the operator has said so.
#[test]
fn what_has_no_new_data_can_be_marked_on_demand() {
    for (algorithm, mark) in [
        (CongestionAlgorithm::Dctcp, 2),
        (CongestionAlgorithm::Reno, 0),
    ] {
        let mut peer = capable(|config| {
            config.tcp.congestion = algorithm;
            config.tcp.dctcp_capable_control = true;
        });
        peer.sends(tcp().data(1460));
        peer.sends(tcp().data(1460));
        let acks = marks_of(&mut peer);
        assert!(!acks.is_empty() && acks.iter().all(|&ack| ack == mark));
        peer.writes(20 * 1460);
        assert_eq!(marks_of(&mut peer), [2; 10]);
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 1460));
        assert_eq!(marks_of(&mut peer), [2; 2]);
        for _ in 0..3 {
            peer.sends(tcp().ack(1 + 1460));
        }
        let first = peer.sent.iter().find(|seen| seen.seq == 1 + 1460);
        assert_eq!(first.map(|seen| seen.ecn), Some(mark), "sent again");
    }
}

/// RFC 8257 §3.6, §4.1: so can those that open and abort a connection, where the operator has said so.
#[test]
fn what_opens_and_aborts_a_dctcp_connection_can_be_marked_on_demand() {
    let marks = |algorithm, v6, wanted| {
        let build = || {
            let change = |config: &mut Config| {
                (config.tcp.ecn, config.tcp.congestion) = (true, algorithm);
                config.tcp.dctcp_capable_control = wanted;
            };
            Peer::build(v6, change, DeviceCaps::default())
        };
        let mut client = build();
        client.connects();
        client.waits(secs(1));
        let mut server = build();
        server.listen(16);
        server.sends(syn().flags(SYN | ECE | CWR));
        server.sends(tcp().seq(1).ack(1));
        server.accept();
        let id = server.id();
        server.stack.abort(id, server.now);
        server.flush();
        (marks_of(&mut client), marks_of(&mut server))
    };
    for v6 in [false, true] {
        // The second SYN asks for nothing.
        let capable = (std::vec![2, 0], std::vec![2, 2]);
        assert_eq!(marks(CongestionAlgorithm::Dctcp, v6, true), capable);
        let ordinary = (std::vec![0, 0], std::vec![0, 0]);
        assert_eq!(marks(CongestionAlgorithm::Dctcp, v6, false), ordinary);
        assert_eq!(marks(CongestionAlgorithm::Reno, v6, true), ordinary);
    }
}

/// RFC 3168 §6.1.3: the echo goes on until the sender says that it has heard.
#[test]
fn a_mark_is_echoed_until_the_sender_has_reduced_its_window() {
    let mut peer = capable(|_| {});
    // §6.1.5: what has come before is no reason for one.
    for tos in [2, 3] {
        peer.sends(tcp().seq(1).data(100).ecn(tos));
        assert!(!peer.sent.pop_front().unwrap().header.flags.contains(ECE));
    }
    peer.sends(tcp().data(100).marked());
    assert!(peer.sent.pop_front().unwrap().header.flags.contains(ECE));
    peer.sends(tcp().data(100));
    assert!(peer.sent.pop_front().unwrap().header.flags.contains(ECE));
    peer.sends(tcp().data(100).flags(ACK | CWR));
    assert!(!peer.sent.pop_front().unwrap().header.flags.contains(ECE));
}

/// RFC 5681 §4.1.
#[test]
fn after_idle_time_a_flight_is_as_small_as_the_first() {
    for (decays, expected) in [(true, 10), (false, 20)] {
        let mut peer = Peer::with(|config| config.tcp.slow_start_after_idle = decays);
        peer.handshake_in(ms(50), syn().sack_permitted());
        peer.writes(10 * 1460);
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 10 * 1460));
        assert_eq!(peer.info().cwnd, 20 * 1460);
        peer.waits(secs(30));
        peer.writes(40 * 1460);
        assert_eq!(peer.skips(), expected);
    }
}

/// RFC 3168 §6.1.1: who has sent a SYN that does not ask sends nothing that may be marked, although the
/// answer to the first one comes at last.
#[test]
fn a_grant_that_comes_after_an_ordinary_syn_is_not_used() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.connects();
    peer.waits(secs(1));
    peer.skips();
    peer.sends(syn().flags(SYN_ACK | ECE).ack(1));
    peer.skips();
    peer.writes(100);
    assert_eq!(marks_of(&mut peer), [0]);
}

/// RFC 3168 §6.1.1: but the peer, whose first answer that is, may send such data; its marks are echoed.
#[test]
fn marks_are_echoed_after_a_grant_that_is_not_used() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.connects();
    peer.waits(secs(1));
    peer.skips();
    peer.sends(syn().flags(SYN_ACK | ECE).ack(1));
    peer.skips();
    peer.sends(tcp().data(100).marked());
    assert!(peer.sent.pop_front().unwrap().header.flags.contains(ECE));
    peer.sends(tcp().data(100).flags(ACK | CWR));
    assert!(!peer.sent.pop_front().unwrap().header.flags.contains(ECE));
}

/// The same from the other side.
#[test]
fn an_ordinary_syn_takes_the_question_for_ecn_back() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.listen(5);
    peer.sends(syn().flags(SYN | ECE | CWR));
    let granted = peer.sent.pop_front().unwrap().header.flags;
    assert_eq!(granted, SYN_ACK | ECE);
    peer.sends(syn().seq(0));
    peer.expects(tcp().flags(SYN_ACK));
    peer.sends(tcp());
    peer.accept();
    peer.writes(100);
    assert_eq!(marks_of(&mut peer), [0]);
    // RFC 3168 §6.1.2: of what could not be marked there is no echo.
    let before = peer.info().cwnd;
    peer.sends(tcp().ack(101).flags(ACK | ECE));
    assert!(peer.info().cwnd >= before);
    peer.writes(100);
    let flags = peer.sent.pop_front().expect("data").header.flags;
    assert!(!flags.contains(CWR));
}

/// RFC 9768 §3.1.5: but the kind of feedback stays. A client that has heard the first answer may send what
/// can be marked, and is told of marks.
#[test]
fn marks_are_echoed_where_an_ordinary_syn_came_late() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.listen(5);
    peer.sends(syn().flags(SYN | ECE | CWR));
    peer.sends(syn().seq(0));
    peer.skips();
    peer.sends(tcp());
    peer.accept();
    peer.sends(tcp().data(100).marked());
    peer.waits(ms(200));
    let told = peer.sent.pop_back().expect("an ACK").header.flags;
    assert!(told.contains(ECE));
}

/// RFC 3168 §6.1.2: what echoes a mark does not widen the window, which is reduced for the first only; the
/// first new data says so.
#[test]
fn an_echo_of_a_mark_does_not_widen_the_window() {
    let mut peer = capable(|_| {});
    peer.writes(30 * 1460);
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(1461).flags(ACK | ECE));
    let reduced = peer.info().cwnd;
    assert!(reduced < 10 * 1460);
    for round in 2..8 {
        peer.sends(tcp().ack(1 + 1460 * round).flags(ACK | ECE));
        assert_eq!(peer.info().cwnd, reduced);
    }
    let says_so = |seen: &segment::Seen| seen.header.flags.contains(CWR);
    let first = peer.sent.pop_front().expect("new data");
    assert!(says_so(&first) && !peer.sent.iter().any(says_so));
    // What is sent again does not say so.
    let mut peer = capable(|_| {});
    peer.writes(10 * 1460);
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(1461).flags(ACK | ECE));
    peer.waits(ms(500));
    assert!(peer.info().retransmits > 0 && !peer.sent.iter().any(says_so));
}

/// RFC 3168 §6.1.1: some hosts send reserved bits back as they came.
#[test]
fn a_reflected_question_is_no_grant() {
    let mut peer = Peer::with(|config| config.tcp.ecn = true);
    peer.connects();
    peer.skips();
    peer.sends(syn().flags(SYN_ACK | ECE | CWR).ack(1));
    peer.skips();
    peer.writes(100);
    assert_eq!(marks_of(&mut peer), [0]);
}

/// RFC 3168 §6.1.6.
#[test]
fn a_window_probe_is_an_ordinary_packet() {
    let mut peer = capable(|_| {});
    peer.writes(1460);
    assert_eq!(marks_of(&mut peer), [2]);
    // What the window is reduced for is told with new data.
    peer.sends(tcp().ack(1461).window(0).flags(ACK | ECE));
    peer.writes(1460);
    peer.waits(secs(1));
    let probe = peer.sent.pop_front().expect("a probe");
    assert_eq!((probe.ecn, probe.header.flags), (0, ACK));
}

/// The same: the timer is put off, so that it never expires without effect, and what is lost is repaired.
#[test]
fn the_pause_for_marks_holds_neither_the_timer_nor_retransmissions() {
    for repairs in [false, true] {
        let mut peer = capable(|_| {});
        peer.writes(30 * 1460);
        assert_eq!(peer.skips(), 10);
        let sender = connection(&mut peer);
        sender.congestion.limit_window(1460);
        sender.ecn.marks_in_row = 3;
        peer.waits(ms(50));
        peer.sends(tcp().ack(1461).flags(ACK | ECE));
        peer.expects_nothing();
        if repairs {
            for _ in 0..3 {
                peer.sends(tcp().ack(1461));
            }
            assert_eq!(peer.takes(), [(1461, 1460)]);
            continue;
        }
        // Eight times 200 ms at least.
        peer.waits(ms(1500));
        peer.expects_nothing();
        assert_eq!(peer.info().timeouts, 0);
        while peer.sent.is_empty() {
            peer.waits(ms(10));
        }
        assert_eq!(peer.takes(), [(1461, 1460)]);
        assert_eq!(peer.info().timeouts, 1);
    }
}

/// RFC 3168 §6.1.2: SYNs that were lost leave a window of one segment, and a mark does not make it two.
#[test]
fn a_mark_does_not_widen_a_window_of_one_segment() {
    use CongestionAlgorithm::{Cubic, Dctcp, Reno};
    for algorithm in [Reno, Dctcp, Cubic] {
        let mut peer = capable(|config| config.tcp.congestion = algorithm);
        peer.writes(30 * 1460);
        connection(&mut peer).congestion.limit_window(1460);
        peer.waits(ms(50));
        peer.sends(tcp().ack(1461).flags(ACK | ECE));
        assert_eq!(peer.info().cwnd, 1460, "{algorithm:?}");
    }
}

/// RFC 9438 §4.6: more of the same window's echoes do not end the row of marks.
#[test]
fn what_echoes_a_mark_does_not_end_a_row_of_marks() {
    let mut peer = capable(|_| {});
    peer.writes(10 * 1460);
    connection(&mut peer).congestion.limit_window(1460);
    peer.waits(ms(50));
    for (segments, flags, row) in [(1, ACK | ECE, 1), (2, ACK | ECE, 1), (3, ACK, 0)] {
        peer.sends(tcp().ack(1 + segments * 1460).flags(flags));
        assert_eq!(connection(&mut peer).ecn.marks_in_row, row);
    }
}

/// RFC 9438 §4.6, RFC 3168 §6.1.2: marks leave a window of one segment; if they go on it waits for the timer,
/// for longer each time.
#[test]
fn marks_at_a_window_of_one_segment_slow_the_sender_further() {
    let mut peer = capable(|_| {});
    let mut pauses = std::vec::Vec::new();
    peer.writes(60 * 1460);
    let mut edge = 1;
    while pauses.len() < 3 {
        edge += u32::try_from(peer.takes().iter().map(|sent| sent.1).sum::<usize>()).unwrap();
        peer.waits(ms(50));
        peer.sends(tcp().ack(edge).flags(ACK | ECE));
        if peer.info().cwnd > 1460 {
            continue;
        }
        let mut waited = 0;
        while peer.sent.is_empty() {
            peer.waits(ms(10));
            waited += 10;
        }
        assert_eq!(peer.sent.len(), 1);
        pauses.push(waited);
    }
    // The first came with the mark that left one segment.
    assert_eq!(pauses[0], 0);
    let rto = pauses[1];
    assert!((200..=300).contains(&rto), "{pauses:?}");
    assert!(pauses[2] >= 2 * rto - 20, "{pauses:?}");
    // A segment that arrives without a mark ends it.
    edge += 1460;
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(edge));
    assert_eq!(peer.takes().len(), 2);
}
