//! `tbf`.

use super::*;

#[test]
fn a_megabit_is_a_megabit_under_virtual_time() {
    let mut queue = Queue::new(Tbf::new(
        TbfConfig {
            limit: 1 << 20,
            ..TbfConfig::new(Rate::from_bits(1_000_000), 1250)
        },
        START,
    ));
    for number in 0..10 {
        queue.put(packet(1, 1250, number));
    }
    let expected = (0..10).map(|number| (number, ms(10 * u64::from(number))));
    assert_eq!(queue.departures(), Vec::from_iter(expected));
    assert_eq!(queue.qdisc.stats().overlimits, 9);
}

#[test]
fn nothing_is_ever_rounded_away() {
    // A nanosecond at 7 bytes a second is no whole number of bytes.
    let mut queue = Queue::new(Tbf::new(
        TbfConfig {
            limit: 1 << 20,
            ..TbfConfig::new(Rate::from_bytes(7), 150)
        },
        START,
    ));
    for number in 0..72 {
        queue.put(packet(1, 100, number));
    }
    let (_, last) = queue.departures().pop().unwrap();
    // 7,200 bytes less the burst: 1,007 s and one seventh, in whole nanoseconds.
    assert_eq!(last, Duration::from_nanos(1_007_142_857_143));
}

#[test]
fn a_pause_fills_the_bucket_but_not_beyond_the_burst() {
    let config = TbfConfig::new(Rate::from_bytes(1_000_000), 3000);
    let mut queue = Queue::new(Tbf::new(config, START));
    queue.now = START + Duration::from_secs(60);
    for number in 0..5 {
        queue.put(packet(1, 1000, number));
    }
    assert_eq!(queue.numbers(), [0, 1, 2]);
    assert_eq!(
        queue.qdisc.next_departure(),
        Some(queue.now + ms(1)),
        "it stops, and goes on when there are tokens"
    );
}

#[test]
fn the_peak_rate_holds_within_a_burst() {
    let config = TbfConfig {
        peak: Some((Rate::from_bytes(100_000), 1000)),
        ..TbfConfig::new(Rate::from_bytes(10_000), 10_000)
    };
    let mut queue = Queue::new(Tbf::new(config, START));
    for number in 0..3 {
        queue.put(packet(1, 1000, number));
    }
    assert_eq!(queue.departures(), [(0, ms(0)), (1, ms(10)), (2, ms(20))]);
}

#[test]
fn what_is_larger_than_the_burst_never_fits() {
    let mut queue = Queue::new(Tbf::new(TbfConfig::new(Rate::from_bytes(1000), 500), START));
    queue.put(packet(1, 501, 0));
    queue.put(packet(1, 500, 1));
    assert_eq!(queue.lost(), [(0, DropReason::TooBig)]);
    assert_eq!(queue.numbers(), [1]);
}

#[test]
fn a_rate_of_nothing_is_a_byte_a_second() {
    let mut queue = Queue::new(Tbf::new(TbfConfig::new(Rate::from_bytes(0), 100), START));
    queue.put(packet(1, 60, 0));
    queue.put(packet(1, 40, 1));
    assert_eq!(queue.numbers(), [0, 1]);
}
