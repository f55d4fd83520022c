//! A link that becomes another one.

use super::*;

#[test]
fn an_outage_loses_what_leaves_meanwhile() {
    let up = LinkConfig {
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    let down = LinkConfig {
        outage: Some(Outage::Lose),
        ..up.clone()
    };
    let mut link = link(up.clone());
    link.change_at(ms(5), down);
    link.change_at(ms(8), up);
    for number in 0..10 {
        link.send(&datagram(100, number, 0), ms(number.into()));
    }
    assert_eq!(numbers(&drain(&mut link)), [0, 1, 2, 3, 4, 8, 9]);
    assert_eq!(link.counters().outage, 3);
}

#[test]
fn a_held_link_lets_go_of_its_queue_later() {
    let up = LinkConfig {
        delay: Duration::from_millis(1),
        queue_bytes: 200,
        ..LinkConfig::default()
    };
    let held = LinkConfig {
        outage: Some(Outage::Hold),
        ..up.clone()
    };
    let mut link = link(held);
    link.change_at(ms(50), up);
    for number in 0..4 {
        link.send(&datagram(100, number, 0), ms(number.into()));
    }
    assert_eq!(drain(&mut link), [(ms(51), 0), (ms(51), 1)]);
    assert_eq!(link.counters().queue_full, 2);
}

#[test]
fn a_rate_changes_between_two_packets() {
    let slow = LinkConfig {
        rate_bps: Some(800_000),
        ..LinkConfig::default()
    };
    let fast = LinkConfig {
        rate_bps: Some(8_000_000),
        ..LinkConfig::default()
    };
    let mut link = link(slow);
    link.change_at(ms(15), fast);
    send(&mut link, 4, 1000, Instant::ZERO);
    let times: Vec<_> = drain(&mut link).iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [ms(10), ms(20), ms(21), ms(22)]);
}

#[test]
fn a_shorter_delay_does_not_let_later_packets_overtake() {
    let long = LinkConfig {
        delay: Duration::from_millis(30),
        ..LinkConfig::default()
    };
    let short = LinkConfig {
        delay: Duration::from_millis(3),
        ..LinkConfig::default()
    };
    let mut link = link(long);
    link.change_at(ms(1), short);
    for number in 0..3 {
        link.send(&datagram(100, number, 0), ms(number.into()));
    }
    assert_eq!(drain(&mut link), [(ms(30), 0), (ms(30), 1), (ms(30), 2)]);
}

#[test]
fn it_does_not_matter_how_often_it_is_asked() {
    let run = |step: u64| {
        let mut link = link(LinkConfig {
            rate_bps: Some(10_000_000),
            delay: Duration::from_millis(7),
            jitter: Duration::from_millis(3),
            loss_ppm: 50_000,
            reorder_ppm: 50_000,
            duplicate_ppm: 50_000,
            queue_bytes: 20_000,
            ..LinkConfig::default()
        });
        link.change_at(ms(60), LinkConfig::default());
        let mut batch = RxBatch::default();
        for number in 0..200 {
            let now = us(u64::from(number) * 500);
            if u64::from(number).is_multiple_of(step) {
                link.receive(&mut batch, 1000, now);
            }
            link.send(&datagram(1000, number, 0), now);
        }
        link.receive(&mut batch, 1000, ms(1000));
        let order: Vec<_> = batch.packets().iter().map(bytes_of).collect();
        (order, *link.counters())
    };
    let often = run(1);
    assert!(often.1.lost > 0 && often.1.queue_full > 0);
    assert!(often == run(1000));
}
