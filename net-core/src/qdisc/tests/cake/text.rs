//! Parameters and statistics.

use super::*;

#[test]
fn parameters_are_those_of_tc() {
    for (given, shown) in [
        (
            "",
            "bandwidth unlimited diffserv3 triple-isolate nonat nowash no-ack-filter split-gso \
             rtt 100ms raw overhead 0",
        ),
        (
            "bandwidth 20Mbit diffserv4 dual-srchost rtt 50ms overhead 18 mpu 64 memlimit 4Mb",
            "bandwidth 20Mbit diffserv4 dual-srchost nonat nowash no-ack-filter split-gso rtt 50ms \
             noatm overhead 18 mpu 64 memlimit 4Mb",
        ),
        (
            "bandwidth 1.5mbit precedence hosts wash ack-filter no-split-gso conservative satellite",
            "bandwidth 1500Kbit precedence hosts nonat wash ack-filter no-split-gso rtt 1s atm \
             overhead 48",
        ),
        (
            "bandwidth 0mbit memlimit 0 overhead 18 raw",
            "bandwidth unlimited diffserv3 triple-isolate nonat nowash no-ack-filter split-gso \
             rtt 100ms raw overhead 0",
        ),
        (
            "raw overhead 18",
            "bandwidth unlimited diffserv3 triple-isolate nonat nowash no-ack-filter split-gso \
             rtt 100ms noatm overhead 18",
        ),
        (
            "raw conservative",
            "bandwidth unlimited diffserv3 triple-isolate nonat nowash no-ack-filter split-gso \
             rtt 100ms atm overhead 48",
        ),
    ] {
        let config: CakeConfig = given.parse().unwrap();
        assert_eq!(config.to_string(), shown);
        let shown: CakeConfig = shown.parse().expect("what is shown can be read");
        assert_eq!(shown, config);
    }
    for (wrong, why) in [
        ("bandwidth", "column 10: rate is missing"),
        ("bandwidth 7bit", "column 11: \"7bit\" is no rate"),
        ("bandwidth 5parsec", "column 11: \"5parsec\" is no rate"),
        (
            "overhead 300",
            "column 10: \"300\" is no overhead from -64 to 256",
        ),
        (
            "diffserv4 icing",
            "column 11: \"icing\" is no parameter of cake",
        ),
        (
            "rtt 99999999999999999999s",
            "column 5: \"99999999999999999999s\" is no time",
        ),
    ] {
        assert_eq!(wrong.parse::<CakeConfig>().unwrap_err().to_string(), why);
    }
}

#[test]
fn what_is_out_of_range_is_taken_as_the_nearest_end() {
    let config = CakeConfig {
        bandwidth: Some(Rate::from_bits(0)),
        rtt: Duration::MAX,
        overhead: Some(1000),
        mpu: 1000,
        memory_limit: Some(0),
        ..CakeConfig::default()
    };
    let mut queue = Queue::new(Cake::new(config, SEED));
    let shown = queue.qdisc.to_string();
    assert!(shown.starts_with("bandwidth unlimited"), "{shown}");
    assert!(shown.ends_with("overhead 256 mpu 256"), "{shown}");
    queue.put(packet(1, 1000, 0));
    assert_eq!(queue.numbers(), [0]);
    // What CoDel does behind an overflow takes several round trips.
    let config = CakeConfig {
        bandwidth: Some(Rate::from_bits(u64::MAX)),
        memory_limit: Some(2000),
        ..config
    };
    let mut queue = Queue::new(Cake::new(config, SEED));
    for _ in 0..2 {
        (0..10).for_each(|number| queue.put(packet(1, 1000, number)));
        assert_eq!(queue.numbers(), [9]);
        assert_eq!(queue.lost().len(), 9);
        queue.now += SECOND;
    }
}

#[test]
fn statistics_are_those_of_tc() {
    let mut queue = cake("bandwidth 50mbit");
    for number in 0..3 {
        queue.put(packet(1, 1000, number));
    }
    queue.take();
    let report = Details(&queue.qdisc).to_string();
    let lines: Vec<_> = report.lines().collect();
    assert!(lines[1].starts_with(" memory used: ") && lines[1].ends_with(" of 4Mb"));
    assert_eq!(
        lines[2..14],
        [
            " capacity estimate: 50Mbit",
            " min/max network layer size:         1000 /    1000",
            " min/max overhead-adjusted size:     1000 /    1000",
            " average network hdr offset:            0",
            "",
            "                   Bulk  Best Effort        Voice",
            "  thresh       3125Kbit       50Mbit    12500Kbit",
            "  target         5.81ms          5ms          5ms",
            "  interval        101ms        100ms        100ms",
            "  pk_delay          0us          0us          0us",
            "  av_delay          0us          0us          0us",
            "  sp_delay          0us          0us          0us",
        ]
    );
    assert_eq!(
        lines[14],
        "  backlog            0b        2000b           0b"
    );
    assert_eq!(
        lines[15],
        "  pkts                0            3            0"
    );
    assert_eq!(lines.len(), 28);
}
