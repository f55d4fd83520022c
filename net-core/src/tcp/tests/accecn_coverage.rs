//! Accurate feedback that contradicts itself, and what only looks like that (RFC 9768 §3.2.3.2.5).

use super::accecn::{ace, served};
use super::segment::Seg;
use super::*;
use crate::socket::TcpOption;
use crate::wire::{EcnCounters, EcnOrder};

const MSS: u32 = 1460;

/// So many segments have arrived, and of their bytes so many were marked.
fn counts(segments: u32, marked: u32) -> EcnCounters {
    let ect0 = segments * MSS - marked;
    EcnCounters::new(EcnOrder::Ect0First, &[1 + ect0, marked])
}

/// Acknowledges so many segments with this field.
fn acks(segments: u32, field: u32) -> Seg {
    tcp().ack(1 + segments * MSS).flags(ACK | ace(field))
}

/// A connection that has sent so many segments and heard of the first that it was not marked.
fn begun(segments: u32) -> Peer {
    let mut peer = served(2, |config| config.tcp.initial_window = 30);
    peer.writes_as(segments * MSS);
    peer.sends(acks(1, 5).counters(counts(1, 0)));
    peer
}

/// The ECN field of what leaves now.
fn leaves_as(peer: &mut Peer) -> u8 {
    peer.writes_as(MSS)[0]
}

/// Of two segments the field cannot have gone round. What is told of counts all the same.
#[test]
fn marked_bytes_without_a_marked_packet_end_the_use_of_ecn() {
    for (field, codepoint) in [(6, 2), (5, 0)] {
        let mut peer = begun(4);
        let before = peer.info().cwnd;
        peer.sends(acks(3, field).counters(counts(3, MSS)));
        assert!(peer.info().cwnd < before);
        assert_eq!(peer.feedback().delivered.ce_bytes, MSS);
        assert_eq!(peer.feedback().delivered.ce_packets, field - 5);
        assert_eq!(leaves_as(&mut peer), codepoint);
    }
}

/// The mark was told by the field of an acknowledgement without an option, or of one that was lost.
#[test]
fn an_option_behind_others_contradicts_nothing() {
    let mut peer = begun(6);
    peer.sends(acks(2, 6));
    peer.sends(acks(3, 6).counters(counts(3, MSS)));
    assert_eq!(leaves_as(&mut peer), 2);
    let mut peer = begun(6);
    peer.sends(acks(5, 7).counters(counts(5, 2 * MSS)));
    assert_eq!(leaves_as(&mut peer), 2);
    // Nor does one that stands for several.
    let mut peer = begun(6);
    let merged = acks(3, 5).counters(counts(3, MSS));
    peer.sends(merged.data(4000).gso(1000));
    assert_eq!(leaves_as(&mut peer), 2);
}

#[test]
fn eight_marked_segments_make_the_field_go_round() {
    let mut peer = begun(12);
    peer.sends(acks(9, 5).counters(counts(9, 8 * MSS)));
    assert_eq!(leaves_as(&mut peer), 2);
    // Small ones sooner than their bytes say.
    let mut peer = begun(1);
    peer.sets(TcpOption::NoDelay(true));
    for _ in 0..8 {
        peer.writes_as(100);
    }
    let counters = EcnCounters::new(EcnOrder::Ect0First, &[1 + MSS, 800]);
    let ack = tcp().ack(1 + MSS + 800).flags(ACK | ace(5));
    peer.sends(ack.counters(counters));
    assert_eq!(leaves_as(&mut peer), 2);
}

/// What fills a hole tells also of what came behind it, which a peer without SACK has not shown.
#[test]
fn a_hole_is_filled_that_nobody_has_shown() {
    let mut peer = Peer::with(|config| {
        accecn::accurate(config);
        config.tcp.initial_window = 30;
    });
    peer.listen(16);
    peer.sends(syn().flags(SYN | accecn::ALL));
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().seq(1).ack(1).flags(ACK | ace(2)));
    peer.accept();
    peer.writes_as(12 * MSS);
    peer.sends(acks(1, 5).counters(counts(1, 0)));
    peer.sends(acks(1, 6));
    // The second hole hides behind the first.
    peer.sends(acks(3, 5).counters(counts(9, 8 * MSS)));
    assert_eq!(peer.writes_as(30 * MSS).first(), Some(&2));
}

/// Its first value may be any, and one that is not told has not been heard.
#[test]
fn the_first_counter_of_marked_bytes_that_is_heard_contradicts_nothing() {
    let mut peer = served(2, |_| {});
    peer.writes_as(6 * MSS);
    let only = EcnCounters::new(EcnOrder::Ect0First, &[1 + MSS]);
    peer.sends(acks(1, 5).counters(only));
    peer.sends(acks(3, 5).counters(counts(3, MSS)));
    assert_eq!(leaves_as(&mut peer), 2);
    peer.sends(acks(4, 5).counters(counts(4, 2 * MSS)));
    assert_eq!(leaves_as(&mut peer), 0);
}

/// Holes, and what was sent again, say nothing certain.
#[test]
fn recoveries_contradict_nothing() {
    let mut peer = begun(8);
    let block = (1 + 2 * MSS, 1 + 3 * MSS);
    peer.sends(acks(1, 5).sacks(&[block]));
    peer.sends(acks(3, 5).counters(counts(3, MSS)));
    assert_eq!(leaves_as(&mut peer), 2);
}

/// Segments of several sizes are under way.
#[test]
fn a_search_for_the_mtu_contradicts_nothing() {
    let mut peer = begun(2);
    while peer.info().send_mss == MSS {
        peer.waits(secs(1));
        assert!(peer.now < crate::Instant::ZERO + secs(600), "no trouble");
    }
    peer.sends(acks(2, 5).counters(counts(2, 0)));
    let size = peer.info().send_mss;
    peer.takes();
    let end = 1 + 2 * MSS;
    peer.writes_as(2 * size);
    let told = |count: u32, marked: u32| {
        let ect0 = end + count * size - marked;
        let counters = EcnCounters::new(EcnOrder::Ect0First, &[ect0, marked]);
        tcp()
            .ack(end + count * size)
            .flags(ACK | ace(5))
            .counters(counters)
    };
    peer.sends(told(1, 0));
    peer.sends(told(2, size));
    assert_eq!(peer.writes_as(size).first(), Some(&2));
}
