//! Two cores under virtual time: every byte arrives once and in order, whatever the link does.

use net_core::config::CongestionAlgorithm;
use net_core::time::Duration;
use net_core::{Config, SocketError};
use tests::hosts::{Impairment, Pair};

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
