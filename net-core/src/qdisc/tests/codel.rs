//! `fq_codel` (RFC 8289, RFC 8290).

use super::*;

fn fq_codel(ecn: bool) -> Queue<FqCodel> {
    let config = FqCodelConfig {
        codel: CodelConfig {
            ecn,
            ..CodelConfig::default()
        },
        ..FqCodelConfig::default()
    };
    Queue::new(FqCodel::new(config, SEED))
}

/// A packet of a flow that knows no ECN.
fn plain(flow: u16, number: u32) -> Box<TxPacket> {
    let mut packet = packet(flow, 1000, number);
    packet.head[1] = 0;
    packet
}

/// Keeps a queue of `standing` packets for `time` at a packet a millisecond; numbers that left.
fn stand(queue: &mut Queue<FqCodel>, standing: u32, time: u32) -> Vec<u32> {
    let mut left = Vec::new();
    for number in 0..standing {
        queue.put(plain(1, number));
    }
    for step in 0..time {
        queue.now += ms(1);
        queue.put(plain(1, standing + step));
        left.extend(queue.take().map(|packet| packet.meta.mark));
    }
    left
}

#[test]
fn a_standing_queue_loses_packets_more_and_more_often() {
    let mut queue = fq_codel(true);
    let left = stand(&mut queue, 30, 500);
    let gaps: Vec<u32> = left
        .windows(2)
        .filter(|pair| pair[1] != pair[0] + 1)
        .map(|pair| pair[0] + 1)
        .collect();
    // The first is dropped when the wait has been above 5 ms for 100 ms (RFC 8289 §4.2), the next
    // ones 100 ms / sqrt(n) later each (§4.4): 100, 71, 58 and 50 ms.
    let spacing: Vec<u32> = gaps.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(&spacing[..4], [101, 72, 59, 51], "{gaps:?}");
    assert!(
        queue
            .lost()
            .iter()
            .all(|&(_, reason)| reason == DropReason::QueueDelay)
    );
}

#[test]
fn a_burst_that_is_gone_within_the_interval_loses_nothing() {
    let mut queue = fq_codel(true);
    for number in 0..90 {
        queue.put(plain(1, number));
    }
    for _ in 0..90 {
        queue.now += ms(1);
        assert!(queue.take().is_some());
    }
    assert!(queue.dropped.is_empty());
}

#[test]
fn capable_flows_are_marked_instead_and_stay_whole() {
    let mut queue = fq_codel(true);
    for number in 0..400 {
        queue.put(packet(1, 1000, number));
    }
    let mut marked = 0;
    for _ in 0..400 {
        queue.now += ms(1);
        let packet = queue.take().unwrap();
        let mut bytes = bytes::BytesMut::new();
        packet.copy_to(&mut bytes);
        let header = IpHeader::parse(&bytes, bytes.len()).expect("its checksum is right again");
        marked += u64::from(header.tos & 3 == 3);
    }
    assert!(marked > 3 && queue.dropped.is_empty());
    assert_eq!(queue.qdisc.marked(), marked);
}

#[test]
fn without_ecn_capable_flows_lose_too() {
    let mut queue = fq_codel(false);
    for number in 0..400 {
        queue.put(packet(1, 1000, number));
    }
    for _ in 0..300 {
        queue.now += ms(1);
        queue.take();
    }
    assert!(!queue.dropped.is_empty());
}

#[test]
fn a_sparse_flow_waits_for_one_packet_at_most() {
    let mut queue = fq_codel(true);
    for number in 0..500 {
        queue.put(packet(1, 1500, number));
    }
    queue.take();
    queue.take();
    queue.put(packet(2, 100, 1000));
    let position = queue.numbers().iter().position(|&number| number == 1000);
    assert!(position <= Some(1), "{position:?}");
}

#[test]
fn when_all_is_full_the_longest_queue_pays() {
    let config = FqCodelConfig {
        limit: 100,
        ..FqCodelConfig::default()
    };
    let mut queue = Queue::new(FqCodel::new(config, SEED));
    for number in 0..10 {
        queue.put(packet(2, 100, 1000 + number));
    }
    for number in 0..200 {
        queue.put(packet(1, 1000, number));
    }
    let lost = queue.lost();
    assert!(!lost.is_empty() && lost.iter().all(|&(number, _)| number < 200));
    assert!(queue.qdisc.len() <= 100);
}

#[test]
fn memory_is_bounded_like_packets() {
    let config = FqCodelConfig {
        memory_limit: 10_000,
        ..FqCodelConfig::default()
    };
    let mut queue = Queue::new(FqCodel::new(config, SEED));
    for number in 0..50 {
        queue.put(packet(1, 1000, number));
        assert!(queue.qdisc.stats().backlog_bytes <= 10_000);
    }
}
