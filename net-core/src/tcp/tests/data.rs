//! Data in both directions (RFC 9293 §3.7, §3.10.7.4 seventh check; RFC 5681 §4.2; RFC 2018).

use super::*;
use crate::stats::DropReason;
use crate::tcp::{SeqNum, connection::Connection};

/// Sets SND.UNA of a connection whose queue is empty.
fn move_una(peer: &mut Peer, una: SeqNum) {
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    let connection: &mut Connection = socket.connection_mut().unwrap();
    (connection.una, connection.nxt, connection.small_end) = (una, una, una);
}

/// SND.UNA is ISS again after 4 GiB; then it does not stand on a SYN.
#[test]
fn the_circle_closes_and_no_byte_is_skipped() {
    let mut peer = Peer::established();
    let iss = peer.iss.unwrap();
    move_una(&mut peer, iss);
    // As if 2^32 - 1 bytes had gone before: the byte at sequence number ISS comes next.
    peer.written = u32::MAX;
    peer.rcv = 0;
    peer.writes(3000);
    peer.expects(tcp().seq(0).data(1460));
    peer.expects(tcp().seq(1460).data(1460));
    peer.sends(tcp().ack(2920));
    peer.expects(tcp().seq(2920).data(80));
    peer.sends(tcp().ack(3000));
    peer.finishes();
    peer.expects(tcp().flags(FIN_ACK).seq(3000));
}

#[test]
fn each_received_segment_counts_once() {
    let mut peer = Peer::established();
    let before = peer.stack.stats().tcp_in_segments;
    peer.sends(tcp().data(10));
    assert_eq!(peer.stack.stats().tcp_in_segments, before + 1);
    peer.sends(tcp().data(2921).gso(1460));
    assert_eq!(peer.stack.stats().tcp_in_segments, before + 4);
}

/// SPEC 110: at once, whatever the delay.
#[test]
fn an_old_segment_is_acknowledged_at_once() {
    let mut peer = Peer::established();
    peer.past_quick_acks();
    peer.sends(tcp().seq(1).data(10));
    peer.expects(tcp().ack(17).bare());
    assert_eq!(peer.drops(DropReason::OutOfWindow), 1);
}

/// SPEC 111.
#[test]
fn data_beyond_the_window_is_dropped_and_acknowledged() {
    let mut peer = Peer::established();
    peer.sends(tcp().seq(1 + 70_000).data(10));
    peer.expects(tcp().ack(1).bare());
    assert_eq!(peer.drops(DropReason::OutOfWindow), 1);
    assert_eq!(peer.stack.memory_used(), 0);
}

/// SPEC 112.
#[test]
fn a_partial_overlap_brings_its_new_part() {
    let mut peer = Peer::established();
    peer.sends(tcp().seq(1).data(100));
    peer.expects(tcp().ack(101));
    peer.sends(tcp().seq(51).data(100));
    peer.expects(tcp().ack(151));
    peer.reads(150);
}

/// SPEC 113: 7 and 8 arrive, then 5 and 6.
#[test]
fn segments_out_of_order_are_put_in_order() {
    let mut peer = Peer::established_sack();
    let at = |number: u32| tcp().seq(1 + (number - 5) * 100).data(100);
    peer.sends(at(7));
    peer.expects(tcp().ack(1).sacks(&[(201, 301)]));
    peer.sends(at(8));
    peer.expects(tcp().ack(1).sacks(&[(201, 401)]));
    peer.sends(at(5));
    peer.expects(tcp().ack(101).sacks(&[(201, 401)]));
    peer.reads(100);
    peer.sends(at(6));
    // RFC 5681 §4.2: what fills a gap is acknowledged at once.
    peer.expects(tcp().ack(401).sacks(&[]));
    peer.reads(300);
}

/// RFC 2018 §4: the block with the segment that came last is first.
#[test]
fn the_newest_sack_block_comes_first() {
    let mut peer = Peer::established_sack();
    let mut expected = std::vec::Vec::new();
    for start in [1001, 3001, 2001, 5001, 4001] {
        peer.sends(tcp().seq(start).data(100));
        expected.insert(0, (start, start + 100));
        expected.truncate(4);
        peer.expects(tcp().ack(1).sacks(&expected));
    }
    // A block that grows is the newest again.
    peer.sends(tcp().seq(2101).data(50));
    peer.expects(
        tcp()
            .ack(1)
            .sacks(&[(2001, 2151), (4001, 4101), (5001, 5101), (3001, 3101)]),
    );
    // Two that meet become one.
    peer.sends(tcp().seq(4101).data(900));
    peer.expects(
        tcp()
            .ack(1)
            .sacks(&[(4001, 5101), (2001, 2151), (3001, 3101), (1001, 1101)]),
    );
    // What covers others swallows them; RFC 2883 §4.2.3: the first of them has arrived twice.
    peer.sends(tcp().seq(500).data(4000));
    peer.expects(tcp().ack(1).sacks(&[(1001, 1101), (500, 5101)]));
    peer.sends(tcp().seq(1).data(499));
    peer.expects(tcp().ack(5101).sacks(&[]));
    peer.reads(5100);
}

/// RFC 7323 §3.2: beside timestamps three blocks fit.
#[test]
fn three_sack_blocks_fit_beside_timestamps() {
    let mut peer = Peer::new();
    peer.clock = Some(5);
    peer.handshake(syn().sack_permitted().timestamps(5, 0));
    for start in [1001, 2001, 3001, 4001] {
        peer.sends(tcp().seq(start).data(100));
    }
    let last = peer.sent.pop_back().unwrap();
    assert_eq!(last.sacks, [(4001, 4101), (3001, 3101), (2001, 2101)]);
}

/// RFC 1122 §4.2.3.2: a lone segment's acknowledgement waits, no more than 40 ms here.
#[test]
fn a_lone_segment_is_acknowledged_after_40_ms() {
    let mut peer = Peer::established();
    peer.past_quick_acks();
    peer.sends(tcp().data(1000));
    peer.expects_after(ms(40), tcp().ack(1017).bare());
}

/// RFC 9293 MUST-59.
#[test]
fn every_second_segment_is_acknowledged_at_once() {
    let mut peer = Peer::established();
    peer.past_quick_acks();
    for _ in 0..5 {
        peer.sends(tcp().data(1460));
        peer.expects_nothing();
        peer.sends(tcp().data(1460));
        peer.expects(tcp().bare());
    }
}

/// RFC 9293 MUST-58: an acknowledgement rides on data that leaves anyway.
#[test]
fn an_answer_carries_the_acknowledgement() {
    let mut peer = Peer::established();
    peer.past_quick_acks();
    peer.sends(tcp().data(100));
    peer.reads(100);
    peer.writes(50);
    peer.expects(tcp().seq(1).ack(117).data(50));
    peer.waits(ms(100));
    peer.expects_nothing();
}

/// DESIGN §2: one acknowledgement for each in-order run of a batch.
#[test]
fn a_batch_in_order_draws_one_acknowledgement() {
    let mut peer = Peer::established();
    peer.past_quick_acks();
    let run = [
        tcp().data(1460),
        tcp().data(1460),
        tcp().data(1460),
        tcp().data(1460),
    ];
    peer.sends_batch(&run);
    peer.expects(tcp().ack(17 + 4 * 1460).bare());
    peer.expects_nothing();
}

/// DESIGN §2: a super-segment counts by what it stands for.
#[test]
fn a_super_segment_counts_as_its_segments() {
    let mut peer = Peer::established();
    peer.past_quick_acks();
    peer.sends(tcp().data(1461).gso(1460));
    peer.expects(tcp().ack(17 + 1461));
    peer.sends(tcp().data(1460).gso(1460));
    peer.expects_nothing();
}

#[test]
fn a_super_segment_is_trimmed_at_both_ends() {
    let mut peer = Peer::established();
    peer.sends(tcp().seq(1).data(1000));
    peer.skips();
    peer.sends(tcp().seq(1).data(60_000).gso(1460));
    peer.expects(tcp().ack(60_001));
    peer.sends(tcp().seq(60_001).data(10_000).gso(1460));
    let seen = peer.sent.pop_back().unwrap();
    assert!(seen.ack <= 70_001);
    peer.reads(seen.ack - 1);
}

/// RFC 5681 §4.2, DESIGN §2: a sender without SACK counts; each of its segments answers for itself.
#[test]
fn without_sack_each_segment_behind_a_loss_draws_a_duplicate_ack() {
    let behind: std::vec::Vec<_> = (1..=10)
        .map(|index| tcp().seq(1 + index * 1460).data(1460))
        .collect();
    let mut peer = Peer::established();
    peer.past_quick_acks();
    let behind: std::vec::Vec<_> = behind
        .into_iter()
        .map(|segment| segment.seq(segment.seq.unwrap() + 16))
        .collect();
    peer.sends_batch(&behind);
    for _ in 0..10 {
        peer.expects(tcp().seq(1).ack(17).bare());
    }
    peer.expects_nothing();
    peer.sends(tcp().seq(17).data(1460));
    peer.expects(tcp().ack(17 + 11 * 1460));
    // As one super-segment they count the same.
    let mut peer = Peer::established();
    peer.sends(tcp().seq(1461).data(14_600).gso(1460));
    assert_eq!(peer.skips(), 10);
}

/// Islands are bounded: one for each KiB of the buffer.
#[test]
fn out_of_order_pieces_are_bounded() {
    let mut peer = Peer::established_sack();
    for index in 0..5000 {
        peer.sends(tcp().seq(11 + 2 * index).data(1));
    }
    assert_eq!(peer.drops(DropReason::OutOfOrderFull), 5000 - 4096);
}

/// SPEC 64: 64 KB that the application writes are one packet for the device.
#[test]
fn a_large_write_is_one_super_segment() {
    let caps = crate::DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..Default::default()
    };
    let mut peer = Peer::build(false, |config| config.tcp.initial_window = 50, caps);
    peer.handshake(syn());
    peer.writes(64_000);
    peer.expects(tcp().seq(1).data(64_000).gso(1460).push(true));
    peer.expects_nothing();
}

/// SPEC 64: one super-segment to a capable device, never beyond the window, cut in software
/// otherwise; the bytes are the same.
#[test]
fn a_capable_device_gets_super_segments() {
    let caps = crate::DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..Default::default()
    };
    for v6 in [false, true] {
        let mut peer = Peer::build(v6, |_| {}, caps);
        peer.handshake(syn());
        let mss = if v6 { 1440 } else { 1460 };
        peer.writes(100_000);
        peer.expects(
            tcp()
                .seq(1)
                .data(10 * mss)
                .gso(u16::try_from(mss).unwrap())
                .push(false),
        );
        peer.expects_nothing();
        peer.sends(tcp());
        let seen = peer.sent.pop_front().unwrap();
        assert_eq!(seen.payload.len(), 20 * mss as usize);
    }
}
