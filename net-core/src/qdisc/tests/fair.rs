//! `fq`.

use super::*;

fn fq(config: FqConfig) -> Queue<Fq> {
    Queue::new(Fq::new(config, SEED))
}

#[test]
fn flows_take_turns_by_bytes() {
    let config = FqConfig {
        quantum: 1000,
        initial_quantum: 1000,
        ..FqConfig::default()
    };
    let mut queue = fq(config);
    for number in 0..6 {
        queue.put(packet(1, 500, number));
    }
    for number in 10..13 {
        queue.put(packet(2, 1000, number));
    }
    assert_eq!(queue.numbers(), [0, 1, 10, 2, 3, 11, 4, 5, 12]);
}

#[test]
fn a_new_flow_goes_before_those_that_have_had_a_turn() {
    let mut queue = fq(FqConfig::default());
    for number in 0..40 {
        queue.put(packet(1, 1000, number));
    }
    for _ in 0..16 {
        queue.take().unwrap();
    }
    queue.put(packet(2, 100, 99));
    assert_eq!(queue.take().unwrap().meta.mark, 99);
}

#[test]
fn packets_leave_at_their_time_and_not_before() {
    let mut queue = fq(FqConfig::default());
    for (number, departure) in [(0, 5), (1, 7), (2, 7)] {
        let mut packet = packet(1, 1000, number);
        packet.meta.departure = START + ms(departure);
        queue.put(packet);
    }
    let mut other = packet(2, 1000, 3);
    other.meta.departure = START + ms(6);
    queue.put(other);
    queue.put(packet(3, 1000, 4));
    let expected = [(4, ms(0)), (0, ms(5)), (3, ms(6)), (1, ms(7)), (2, ms(7))];
    assert_eq!(queue.departures(), expected);
}

#[test]
fn one_flow_has_a_limit_and_so_have_all() {
    let config = FqConfig {
        limit: 5,
        flow_limit: 3,
        ..FqConfig::default()
    };
    let mut queue = fq(config);
    for number in 0..4 {
        queue.put(packet(1, 100, number));
    }
    for number in 10..13 {
        queue.put(packet(2, 100, number));
    }
    let full = DropReason::TxQueueFull;
    assert_eq!(queue.lost(), [(12, full), (3, full)]);
}

#[test]
fn what_is_to_leave_beyond_the_horizon_is_dropped() {
    let mut queue = fq(FqConfig::default());
    let mut packet = packet(1, 100, 0);
    packet.meta.departure = START + Duration::from_secs(11);
    queue.put(packet);
    assert_eq!(queue.lost(), [(0, DropReason::Departure)]);
}

#[test]
fn flows_that_come_and_go_leave_nothing_behind() {
    let mut queue = fq(FqConfig::default());
    for round in 0..50_000_u32 {
        queue.put(packet(u16::try_from(round).unwrap_or(1), 100, round));
        assert_eq!(queue.numbers(), [round]);
    }
    let report = std::format!("{}", Details(&queue.qdisc));
    assert!(report.contains("flows 0 "), "{report}");
}

struct Details<'a>(&'a Fq);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.details(f)
    }
}
