//! The shaper, and what packets take up on the link.

use super::*;

#[test]
fn the_rate_is_kept_without_bursts() {
    let mut queue = cake("bandwidth 8mbit besteffort");
    for number in 0..100 {
        queue.put(packet(1, 1000, number));
    }
    let departures = queue.departures();
    let expected: Vec<_> = (0..100).map(|number| (number, ms(number.into()))).collect();
    assert_eq!(departures, expected);
}

#[test]
fn a_rate_that_no_nanosecond_divides_is_kept_in_the_long_run() {
    // 7 bytes take 8 and 8/9 ns at 6.3 Gbit/s.
    let mut queue = cake("bandwidth 6300mbit besteffort");
    for number in 0..10_000 {
        queue.put(packet(1, 70, number));
    }
    let departures = queue.departures();
    let (_, last) = departures.last().unwrap();
    assert_eq!(last.as_nanos(), 9_999 * 800 / 9);
}

#[test]
fn idle_time_is_not_saved_up() {
    let mut queue = cake("bandwidth 8mbit");
    queue.put(packet(1, 1000, 0));
    assert_eq!(queue.numbers(), [0]);
    queue.now += SECOND;
    queue.put(packet(1, 1000, 1));
    queue.put(packet(1, 1000, 2));
    assert_eq!(queue.numbers(), [1]);
}

#[test]
fn overhead_counts_and_so_do_cells() {
    let leaves = |parameters: &str, len: usize| {
        let mut queue = cake(&std::format!("bandwidth 8mbit {parameters}"));
        queue.put(packet(1, len, 0));
        queue.put(packet(1, len, 1));
        queue.departures()[1].1.as_micros()
    };
    assert_eq!(leaves("", 1000), 1000);
    assert_eq!(leaves("overhead 18", 1000), 1018);
    assert_eq!(leaves("overhead -14", 1000), 986);
    assert_eq!(leaves("overhead 18 mpu 64", 40), 64);
    // 960 bytes are 20 cells; 961 are 21.
    assert_eq!(leaves("atm overhead 0", 960), 20 * 53);
    assert_eq!(leaves("atm overhead 1", 960), 21 * 53);
    assert_eq!(leaves("ptm overhead 0", 960), 960 + 15);
}

#[test]
fn the_header_of_the_link_counts_only_in_raw() {
    let leaves = |parameters: &str| {
        let mut queue = cake(&std::format!("bandwidth 8mbit {parameters}"));
        for number in 0..2 {
            let mut packet = packet(1, 1000, number);
            packet.head.prepend(14);
            packet.meta.link_len = 14;
            queue.put(packet);
        }
        queue.departures()[1].1.as_micros()
    };
    assert_eq!(leaves("raw"), 1014);
    assert_eq!(leaves("overhead 0"), 1000);
}

#[test]
fn a_super_segment_takes_up_what_it_stands_for() {
    let mut queue = cake("bandwidth 8mbit no-split-gso overhead 10");
    assert!(!queue.qdisc.splits());
    assert!(cake("").qdisc.splits());
    for number in 0..2 {
        let mut whole = packet(1, 28 + 2500, number);
        whole.meta.gso = Some(Gso {
            kind: GsoKind::Udp,
            size: 1000,
            ecn: false,
        });
        queue.put(whole);
    }
    // Two of 1,000 and one of 500 bytes, each with 28 bytes of headers and 10 of the link's.
    let departures = queue.departures();
    assert_eq!(departures[1].1.as_micros(), 2500 + 3 * 38);
}
