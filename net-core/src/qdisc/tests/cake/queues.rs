//! Each queue is short (RFC 8289), and all of them have an end.

use super::*;

/// The limits of the first tin in `tc`'s order, as they are reported.
fn limits(parameters: &str) -> (String, String) {
    let queue = cake(parameters);
    let report = Details(&queue.qdisc).to_string();
    let row = |name: &str| {
        let line = report
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.unwrap().split_whitespace().nth(1).unwrap().to_string()
    };
    (row("target"), row("interval"))
}

#[test]
fn the_limits_follow_round_trip_and_rate() {
    let of = |target: &str, interval: &str| (target.to_string(), interval.to_string());
    assert_eq!(limits("besteffort"), of("5ms", "100ms"));
    assert_eq!(limits("besteffort rtt 20ms"), of("1ms", "20ms"));
    assert_eq!(limits("besteffort bandwidth 100mbit"), of("5ms", "100ms"));
    assert_eq!(limits("besteffort datacentre"), of("5us", "100us"));
    // A packet takes 12.1 ms: the target is one and a half of it, and the interval as much longer.
    assert_eq!(limits("besteffort bandwidth 1mbit"), of("18.2ms", "113ms"));
}

/// When packets of a standing queue are marked or dropped, as milliseconds.
fn signals(parameters: &str, tos: u8) -> Vec<u64> {
    let mut queue = cake(parameters);
    for number in 0..2000 {
        queue.put(between([1, 2], 1, tos, 1000, number));
    }
    let mut at = Vec::new();
    let mut marked = 0;
    for step in 0..600 {
        queue.now = START + ms(step);
        queue.numbers();
        let signals = queue.qdisc.marked() + queue.dropped.len() as u64;
        if signals > marked {
            at.push(step);
            marked = signals;
        }
    }
    at
}

#[test]
fn a_standing_queue_is_told_more_and_more_often() {
    for tos in [0, 1] {
        // Late from 7 ms on, for 100 ms; then 71, 58, 50 and 45 ms (RFC 8289 §5.2).
        let at = signals("bandwidth 8mbit besteffort", tos);
        let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_near(at[0], 107, 2);
        for (gap, expected) in gaps.iter().zip([71, 58, 50, 45]) {
            assert!(gap.abs_diff(expected) <= 1, "{at:?}");
        }
        let sooner = signals("bandwidth 8mbit besteffort rtt 40ms", tos);
        assert_near(sooner[0], 48, 2);
    }
}

#[test]
fn flows_that_know_marks_lose_nothing() {
    let mut queue = cake("bandwidth 8mbit");
    for number in 0..1000 {
        queue.put(packet(1, 1000, number));
    }
    let mut marked = 0;
    while let Some(next) = queue.qdisc.next_departure() {
        queue.now = queue.now.max(next);
        while let Some(packet) = queue.take() {
            let mut bytes = bytes::BytesMut::new();
            packet.copy_to(&mut bytes);
            let header = IpHeader::parse(&bytes, bytes.len()).expect("its checksum is right again");
            marked += u64::from(header.tos & 3 == 3);
        }
    }
    assert!(marked > 10 && queue.dropped.is_empty());
    assert_eq!(queue.qdisc.marked(), marked);
}

#[test]
fn memory_is_bounded_and_the_longest_queue_pays() {
    let mut queue = cake("bandwidth 1mbit memlimit 100k");
    for number in 0..10 {
        queue.put(packet(2, 100, 1000 + number));
    }
    for number in 0..500 {
        queue.put(packet(1, 1000, number));
        queue.assert_counts_agree();
    }
    assert!(queue.qdisc.len() <= 100);
    let mut lost = queue.lost();
    lost.reverse();
    assert!(lost.len() >= 400);
    // From its head, one after the other.
    let first: Vec<_> = (0..)
        .take(lost.len())
        .map(|number| (number, DropReason::TxQueueFull))
        .collect();
    assert_eq!(lost, first);
    let report = Details(&queue.qdisc).to_string();
    assert!(report.contains("of 100Kb"), "{report}");
    // A small packet takes up more than its bytes.
    for number in 0..2000 {
        queue.put(packet(3, 28, number));
    }
    assert!(queue.qdisc.len() < 500, "{}", queue.qdisc.len());
}

#[test]
fn one_packet_waits_whatever_the_limit() {
    let mut queue = cake("bandwidth 8mbit memlimit 100");
    for number in 0..3 {
        queue.put(packet(1, 1000, number));
    }
    assert_eq!(queue.numbers(), [2]);
    assert_eq!(queue.lost().len(), 2);
}

#[test]
fn flows_that_do_not_listen_lose_at_random() {
    // Twice the rate for ever: no signal of CoDel's helps.
    let mut queue = cake("bandwidth 8mbit besteffort memlimit 50k");
    let mut random = 0;
    for number in 0..8000 {
        queue.now += Duration::from_micros(500);
        queue.put(packet(1, 1000, number));
        queue.take();
        let lost = queue.lost();
        let reasons = lost.iter().map(|&(_, reason)| reason);
        random += reasons
            .filter(|&reason| reason == DropReason::QueueDelay)
            .count();
    }
    // Packets know marks, so what is dropped before there is no room is BLUE's.
    assert!(random > 100, "{random}");
    let unresponsive = |queue: &Queue<Cake>| {
        let report = Details(&queue.qdisc).to_string();
        let line = report.lines().find(|line| line.contains("un_flows"));
        line.unwrap().split_whitespace().nth(1).unwrap().to_string()
    };
    assert_eq!(unresponsive(&queue), "1");
    // Nobody is unresponsive who sends nothing.
    queue.departures();
    assert_eq!(unresponsive(&queue), "0");
}
