//! Two cores under virtual time: every byte arrives once and in order, whatever the link does.

use net_core::config::{CongestionAlgorithm, RecoveryConfig};
use net_core::socket::TcpOption;
use net_core::time::Duration;
use net_core::{Config, SocketError};
use tests::hosts::{Impairment, Pair, pattern};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_handshake_a_transfer_and_a_close() {
    for v6 in [false, true] {
        let mut pair = Pair::new(1, 1500, &Config::default(), Impairment::default());
        let ids = pair.connect(v6);
        pair.transfer(0, ids, 100_000, MINUTE);
        pair.transfer(1, ids, 100_000, MINUTE);
        pair.hosts[0].stack.close(ids.0, pair.now);
        pair.hosts[1].stack.close(ids.1, pair.now);
        pair.run(MINUTE * 3);
        assert_eq!(
            pair.hosts.each_ref().map(|host| host.stack.sockets()),
            [0, 0]
        );
        let retransmits = pair
            .hosts
            .each_ref()
            .map(|host| host.stack.stats().tcp_retransmits);
        assert_eq!(retransmits, [0, 0]);
    }
}

#[test]
fn bytes_survive_loss_reordering_and_duplication() {
    for seed in 1..=20 {
        let link = Impairment {
            loss_ppm: 20_000,
            reorder_ppm: 20_000,
            duplicate_ppm: 10_000,
            ..Impairment::default()
        };
        let mut pair = Pair::new(seed, 1500, &Config::default(), link);
        let ids = pair.connect(seed % 2 == 0);
        pair.transfer(0, ids, 1_000_000, MINUTE * 5);
    }
}

/// Each mechanism of loss recovery on its own turned off, and all of them, over paths that lose,
/// reorder and duplicate a lot.
#[test]
fn bytes_survive_whatever_is_turned_off() {
    const SWITCHES: [fn(&mut RecoveryConfig); 8] = [
        |_| {},
        |recovery| recovery.rack = false,
        |recovery| recovery.tail_loss_probe = false,
        |recovery| recovery.prr = false,
        |recovery| recovery.frto = false,
        |recovery| recovery.eifel = false,
        |recovery| recovery.dsack = false,
        |recovery| recovery.limited_transmit = false,
    ];
    let paths = [(50_000, 0, 0), (0, 200_000, 0), (10_000, 50_000, 50_000)];
    let options = [(true, true), (true, false), (false, true), (false, false)];
    let mut seed = 100;
    for (loss_ppm, reorder_ppm, duplicate_ppm) in paths {
        for (sack, timestamps) in options {
            for off in 0..=SWITCHES.len() {
                let mut config = Config::default();
                (config.tcp.sack, config.tcp.timestamps) = (sack, timestamps);
                let all = SWITCHES.iter().enumerate();
                for (_, switch) in all.filter(|&(at, _)| at == off || off == SWITCHES.len()) {
                    switch(&mut config.tcp.recovery);
                }
                let link = Impairment {
                    loss_ppm,
                    reorder_ppm,
                    duplicate_ppm,
                    ..Impairment::default()
                };
                seed += 1;
                let mut pair = Pair::new(seed, 1500, &config, link);
                let ids = pair.connect(seed % 2 == 0);
                pair.transfer(0, ids, 200_000, MINUTE * 10);
            }
        }
    }
}

/// Reordering alone is no loss: little is sent again, and the window survives.
#[test]
fn reordering_alone_costs_little() {
    let link = Impairment {
        delay: Duration::from_millis(20),
        reorder_ppm: 50_000,
        // By a quarter of the round trip.
        reorder_by: Duration::from_millis(10),
        rate: 100_000_000,
        ..Impairment::default()
    };
    for seed in 1..=5 {
        let clean = Impairment {
            reorder_ppm: 0,
            ..link
        };
        let times = [clean, link].map(|link| {
            let mut pair = Pair::new(seed, 1500, &Config::default(), link);
            let ids = pair.connect(false);
            let time = pair.transfer(0, ids, 20_000_000, MINUTE);
            let stats = pair.hosts[0].stack.stats();
            let (again, all) = (stats.tcp_retransmits, stats.tcp_out_segments);
            assert!(
                again * 1000 < all,
                "{again} of {all} segments were sent again"
            );
            time
        });
        let [clean, reordered] = times;
        assert!(
            reordered * 95 / 100 <= clean * 110 / 100,
            "{reordered:?} {clean:?}"
        );
    }
}

/// The last segment of a response is lost: the probe repairs it, no timeout.
#[test]
fn a_lost_tail_costs_two_round_trips_and_a_probe() {
    let mut late = 0;
    for seed in 1..=20 {
        let link = Impairment {
            delay: Duration::from_millis(20),
            ..Impairment::default()
        };
        let mut pair = Pair::new(seed, 1500, &Config::default(), link);
        let ids = pair.connect(false);
        let clean = pair.transfer(0, ids, 100_000, MINUTE);
        let mut pair = Pair::new(seed, 1500, &Config::default(), link);
        // SYN, ACK and 70 segments of 1448 bytes: the last one carries the FIN too.
        pair.lose[0] = vec![71];
        let ids = pair.connect(false);
        let lossy = pair.transfer(0, ids, 100_000, MINUTE);
        let timeouts = pair.hosts[0].stack.stats().tcp_timeouts;
        let round_trip = Duration::from_millis(40);
        // PTO is two round trips and the time that a lone segment's ACK may be withheld.
        let most = clean + 4 * round_trip + Duration::from_millis(50);
        late += u32::from(timeouts > 0 || lossy > most);
    }
    assert!(late <= 1, "{late} of 20 runs");
}

/// A transfer over a path of 40 ms and 10 Mbit/s that is down for `outage` after half a second; how
/// much longer it takes than without.
fn delay_by_outage(outage: Duration, user_timeout: Option<Duration>) -> Duration {
    let [whole, broken] = [Duration::ZERO, outage].map(|outage| {
        let link = Impairment {
            delay: Duration::from_millis(20),
            rate: 10_000_000,
            ..Impairment::default()
        };
        let mut pair = Pair::new(11, 1500, &Config::default(), link);
        let ids = pair.connect(false);
        let begin = pair.now + Duration::from_millis(500);
        let option = TcpOption::UserTimeout(user_timeout);
        let client = &mut pair.hosts[0].stack;
        client
            .set_tcp_option(ids.0, option, pair.now)
            .expect("an option");
        for link in &mut pair.links {
            link.down = Some((begin, begin + outage));
        }
        pair.transfer(0, ids, 2_000_000, MINUTE * 5)
    });
    broken - whole
}

#[test]
fn a_short_outage_is_over_within_a_second_of_its_end() {
    let outage = Duration::from_millis(300);
    let delay = delay_by_outage(outage, None);
    assert!(delay < outage + Duration::from_secs(1), "{delay:?}");
}

/// RFC 5482: a minute without network, under a user timeout of two.
#[test]
fn an_outage_shorter_than_the_user_timeout_is_survived() {
    let outage = Duration::from_secs(60);
    let delay = delay_by_outage(outage, Some(outage * 2));
    // Backing off doubles the time between attempts: the next one comes within as long again.
    assert!(delay < outage * 2, "{delay:?}");
}

/// The path gets longer all at once: the timeout that follows is recognised as spurious, and
/// nothing but the first segment is sent again.
#[test]
fn a_path_that_gets_longer_costs_one_segment() {
    for timestamps in [true, false] {
        let mut config = Config::default();
        config.tcp.timestamps = timestamps;
        config.tcp.recovery.tail_loss_probe = false;
        config.tcp.notsent_lowat = 512 << 10;
        let link = Impairment {
            delay: Duration::from_millis(20),
            rate: 20_000_000,
            ..Impairment::default()
        };
        let mut pair = Pair::new(12, 1500, &config, link);
        let ids = pair.connect(false);
        let chunk: Vec<u8> = (0..400_000).map(pattern).collect();
        assert_eq!(pair.send(0, ids.0, &chunk), Ok(chunk.len()));
        pair.run(Duration::from_millis(150));
        pair.links[0].delay = Duration::from_millis(800);
        pair.run(Duration::from_millis(500));
        // New data is what F-RTO judges by where there are no timestamps.
        let more: Vec<u8> = (400_000..500_000).map(pattern).collect();
        assert_eq!(pair.send(0, ids.0, &more), Ok(more.len()));
        pair.run(Duration::from_secs(20));
        let stats = pair.hosts[0].stack.stats();
        assert!(stats.tcp_timeouts > 0, "no timeout");
        assert!(
            stats.tcp_spurious_timeouts > 0,
            "not recognised as spurious"
        );
        assert!(
            stats.tcp_retransmits <= 3,
            "{} sent again",
            stats.tcp_retransmits
        );
    }
}

#[test]
fn bytes_survive_loss_without_any_option() {
    for seed in 1..=10 {
        let mut config = Config::default();
        config.tcp.sack = false;
        config.tcp.timestamps = false;
        config.tcp.window_scaling = false;
        config.tcp.congestion = CongestionAlgorithm::Reno;
        let link = Impairment {
            loss_ppm: 20_000,
            ..Impairment::default()
        };
        let mut pair = Pair::new(seed, 1500, &config, link);
        let ids = pair.connect(false);
        pair.transfer(1, ids, 500_000, MINUTE * 10);
    }
}

#[test]
fn a_clean_link_is_filled() {
    let link = Impairment {
        rate: 100_000_000,
        ..Impairment::default()
    };
    let mut pair = Pair::new(3, 1500, &Config::default(), link);
    let ids = pair.connect(false);
    let time = pair.transfer(0, ids, 20_000_000, MINUTE);
    // 20 MB at 100 Mbit/s are 1.6 s, plus headers and slow start.
    assert!(time < Duration::from_millis(2000), "{time:?}");
}

#[test]
fn nobody_listens() {
    let mut pair = Pair::new(4, 1500, &Config::default(), Impairment::default());
    let client = pair.open(0, "10.0.0.2:81".parse().expect("an address"));
    pair.run(MINUTE);
    assert_eq!(
        pair.hosts[0].stack.take_error(client),
        Some(SocketError::ConnectionRefused)
    );
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    let trace = || {
        let link = Impairment {
            loss_ppm: 10_000,
            ..Impairment::default()
        };
        let mut pair = Pair::new(5, 1500, &Config::default(), link);
        pair.tracing = true;
        let ids = pair.connect(false);
        pair.transfer(0, ids, 300_000, MINUTE);
        pair.trace
    };
    assert!(trace() == trace());
}

#[test]
fn a_connect_that_no_device_takes_times_out() {
    let mut pair = Pair::new(6, 1500, &Config::default(), Impairment::default());
    let client = pair.open(0, "10.0.0.2:81".parse().expect("an address"));
    let stack = &mut pair.hosts[0].stack;
    for _ in 0..100 {
        let Some(next) = stack.poll_timeout() else {
            break;
        };
        stack.handle_timeout(next);
    }
    assert_eq!(stack.take_error(client), Some(SocketError::TimedOut));
}
