//! `netem`.

use super::*;

fn netem(config: NetemConfig) -> Queue<Netem> {
    Queue::new(Netem::new(config, SEED))
}

/// What becomes of 10,000 packets that come in one each millisecond.
fn fate(config: NetemConfig) -> (Vec<(u32, Duration)>, usize) {
    let mut queue = netem(config);
    let mut left = Vec::new();
    for number in 0..10_000 {
        queue.put(packet(1, 100, number));
        queue.now += ms(1);
        let now = queue.now.saturating_since(START);
        left.extend(queue.numbers().into_iter().map(|number| (number, now)));
    }
    left.extend(queue.departures());
    let lost = queue.lost();
    assert!(
        lost.iter()
            .all(|(_, reason)| *reason == DropReason::Impaired)
    );
    (left, lost.len())
}

#[test]
fn a_delay_holds_each_packet_and_keeps_their_order() {
    let mut queue = netem(NetemConfig {
        delay: ms(20),
        ..NetemConfig::default()
    });
    queue.put(packet(1, 100, 0));
    queue.now += ms(5);
    queue.put(packet(1, 100, 1));
    queue.put(packet(1, 100, 2));
    assert_eq!(queue.departures(), [(0, ms(20)), (1, ms(25)), (2, ms(25))]);
}

#[test]
fn losses_and_duplicates_are_as_many_as_asked_for() {
    let (left, lost) = fate(NetemConfig {
        loss: Millionths::percent(10),
        duplicate: Millionths::percent(5),
        ..NetemConfig::default()
    });
    assert!((900..1100).contains(&lost), "{lost}");
    let twice = left.len() + lost - 10_000;
    assert!((400..500).contains(&twice), "{twice}");
}

#[test]
fn jitter_stays_within_its_bounds() {
    let mut queue = netem(NetemConfig {
        limit: 5000,
        delay: ms(10),
        jitter: ms(4),
        ..NetemConfig::default()
    });
    for number in 0..5000 {
        queue.put(packet(1, 100, number));
    }
    let left = queue.departures();
    assert!(left.iter().all(|&(_, at)| at >= ms(6) && at <= ms(14)));
    assert!(left.first().unwrap().1 < ms(7) && left.last().unwrap().1 > ms(13));
    assert!(!left.iter().map(|&(number, _)| number).is_sorted());
}

#[test]
fn reordered_packets_overtake_those_that_are_held() {
    let (left, lost) = fate(NetemConfig {
        delay: ms(5),
        reorder: Millionths::percent(25),
        ..NetemConfig::default()
    });
    let early = left.windows(2).filter(|pair| pair[1].0 < pair[0].0).count();
    assert!(lost == 0 && (1000..3000).contains(&early), "{early}");
}

#[test]
fn a_rate_spaces_packets() {
    let mut queue = netem(NetemConfig {
        rate: Some(Rate::from_bytes(100_000)),
        ..NetemConfig::default()
    });
    for number in 0..3 {
        queue.put(packet(1, 1000, number));
    }
    assert_eq!(queue.departures(), [(0, ms(10)), (1, ms(20)), (2, ms(30))]);
}

#[test]
fn the_same_seed_does_the_same() {
    let config = NetemConfig {
        delay: ms(3),
        jitter: ms(2),
        loss: Millionths::percent(3),
        duplicate: Millionths::percent(1),
        ..NetemConfig::default()
    };
    assert_eq!(fate(config), fate(config));
}

#[test]
fn it_holds_no_more_than_its_limit() {
    let mut queue = netem(NetemConfig {
        limit: 3,
        delay: ms(1),
        ..NetemConfig::default()
    });
    for number in 0..5 {
        queue.put(packet(1, 100, number));
    }
    assert_eq!((queue.qdisc.len(), queue.dropped.len()), (3, 2));
}
