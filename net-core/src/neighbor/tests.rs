//! The cache alone: room, order and the state machine.

use super::*;
use crate::buf::TxPacket;
use crate::seed::Seed;
use crate::stack::{TimerKey, Wheel};
use crate::time::Instant;
use alloc::boxed::Box;
use bytes::Bytes;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec;
use std::vec::Vec;

const IFACE: IfaceId = IfaceId(0);
const STATION: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

/// A cache with a clock of its own.
struct Bench {
    cache: NeighborCache,
    wheel: Wheel<TimerKey>,
    config: NeighborConfig,
    now: Instant,
}

impl Bench {
    fn new(config: NeighborConfig) -> Self {
        let seed = Seed::from_u64(7);
        Self {
            cache: NeighborCache::new(seed.key("neighbors"), &mut seed.rng("neighbors")),
            wheel: Wheel::new(Instant::ZERO),
            config,
            now: Instant::ZERO,
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut NeighborCache, &mut Context<'_>) -> T) -> T {
        let mut cx = Context {
            config: &self.config,
            wheel: &mut self.wheel,
            now: self.now,
        };
        act(&mut self.cache, &mut cx)
    }

    fn look(&mut self, host: u32) -> (Lookup, Option<Ask>) {
        let mut hint = NeighborHint::default();
        self.with(|cache, cx| cache.resolve(IFACE, address(host), &mut hint, cx))
    }

    fn see(&mut self, host: u32, sighting: Sighting) -> Vec<u8> {
        let released =
            self.with(|cache, cx| cache.handle_sighting(IFACE, address(host), sighting, cx));
        let packets = released.map(|(_, packets)| packets).unwrap_or_default();
        packets
            .iter()
            .map(|waiting| waiting.packet.body[0][0])
            .collect()
    }

    fn wait(&mut self, host: u32, number: u8) -> usize {
        let (Lookup::Wait(index), _) = self.look(host) else {
            panic!("{host} is known");
        };
        let mut packet = Box::<TxPacket>::default();
        packet.body.push(Bytes::from(vec![number; 100]));
        let waiting = Waiting {
            packet,
            owner: None,
        };
        self.cache.wait(index, waiting, &self.config).len()
    }

    /// Lets time pass; what was asked meanwhile, with how many packets failed.
    fn pass(&mut self, time: Duration) -> (Vec<Ask>, usize) {
        let until = self.now + time;
        let (mut asked, mut failed) = (Vec::new(), 0);
        while let Some(at) = self.wheel.next().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            let Some(TimerKey::Neighbor(index)) = self.wheel.expire(self.now) else {
                continue;
            };
            match self.with(|cache, cx| cache.handle_timeout(index, cx)) {
                Expiry::Quiet => {}
                Expiry::Ask(_, _, ask) => asked.push(ask),
                Expiry::Failed(_, packets) => failed += packets.len(),
            }
        }
        self.now = until;
        (asked, failed)
    }

    fn state(&self, host: u32) -> Option<NeighborState> {
        let mut all = self.cache.iter();
        all.find(|neighbor| neighbor.address == address(host))
            .map(|neighbor| neighbor.state)
    }
}

fn address(host: u32) -> IpAddr {
    match host {
        OF_IPV6.. => IpAddr::V6(Ipv6Addr::from_bits((0xfd << 120) + u128::from(host))),
        _ => IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + host)),
    }
}

/// The first of those that have an address of IPv6.
const OF_IPV6: u32 = 1 << 24;

const fn answer(mac: MacAddr) -> Sighting {
    Sighting::Adverts {
        mac: Some(mac),
        solicited: true,
        overrides: true,
        router: None,
    }
}

#[test]
fn a_silent_neighbour_is_asked_three_times_and_then_fails() {
    let mut bench = Bench::new(NeighborConfig::default());
    assert_eq!(bench.look(1).1, Some(Ask::Everybody));
    assert_eq!(bench.wait(1, 1), 0);
    let (asked, failed) = bench.pass(Duration::from_millis(2999));
    assert_eq!((asked, failed), (vec![Ask::Everybody; 2], 0));
    let (asked, failed) = bench.pass(Duration::from_millis(2));
    assert_eq!((asked.len(), failed), (0, 1));
    assert_eq!(bench.state(1), None);
    assert_eq!(bench.wheel.len(), 0);
}

#[test]
fn waiting_packets_come_out_in_order_and_the_oldest_gives_way() {
    let config = NeighborConfig {
        queue_packets: 3,
        ..NeighborConfig::default()
    };
    let mut bench = Bench::new(config);
    let dropped: Vec<usize> = (1..=5).map(|number| bench.wait(1, number)).collect();
    assert_eq!(dropped, [0, 0, 0, 1, 1]);
    assert_eq!(bench.see(1, answer(STATION)), [3, 4, 5]);
    assert_eq!(bench.cache.waiting(), 0);
}

#[test]
fn bytes_that_wait_are_bounded_for_each_and_packets_for_all() {
    let config = NeighborConfig {
        queue_bytes: 250,
        waiting_packets: 3,
        ..NeighborConfig::default()
    };
    let mut bench = Bench::new(config);
    assert_eq!(
        (bench.wait(1, 1), bench.wait(1, 2), bench.wait(1, 3)),
        (0, 0, 1)
    );
    assert_eq!(
        (bench.wait(2, 1), bench.wait(3, 1)),
        (0, 1),
        "three wait in all"
    );
    assert_eq!(bench.wait(2, 2), 1, "its own oldest gives way");
    assert_eq!(bench.cache.waiting(), 3);
}

#[test]
fn an_unused_neighbour_becomes_stale_and_is_forgotten() {
    let mut bench = Bench::new(NeighborConfig::default());
    bench.look(1);
    bench.see(1, answer(STATION));
    assert_eq!(bench.state(1), Some(NeighborState::Reachable));
    // The time is between ½ and 1½ of 30 s.
    bench.pass(Duration::from_secs(46));
    assert_eq!(bench.state(1), Some(NeighborState::Stale));
    let (asked, _) = bench.pass(Duration::from_secs(601));
    assert_eq!((asked.len(), bench.state(1)), (0, None));
}

#[test]
fn a_stale_neighbour_is_used_then_probed_then_everybody_is_asked() {
    let mut bench = Bench::new(NeighborConfig::default());
    bench.see(1, Sighting::Asks(STATION));
    assert_eq!(bench.state(1), Some(NeighborState::Stale));
    assert_eq!(bench.look(1), (Lookup::Station(STATION), None));
    assert_eq!(bench.state(1), Some(NeighborState::Delay));
    let (asked, _) = bench.pass(Duration::from_millis(7999));
    assert_eq!(asked, [Ask::Station(STATION); 3]);
    assert_eq!(bench.state(1), Some(NeighborState::Probe));
    let (asked, _) = bench.pass(Duration::from_millis(2));
    assert_eq!(asked, [Ask::Everybody]);
    assert_eq!(bench.state(1), Some(NeighborState::Unreachable));
    // RFC 7048 §3: packets still go to the station that was known.
    assert_eq!(bench.look(1).0, Lookup::Station(STATION));
    // One more after 1 s, one 3 s after that, the end 9 s after that.
    let (asked, _) = bench.pass(Duration::from_secs(4));
    assert_eq!(asked, [Ask::Everybody; 2]);
    bench.pass(Duration::from_secs(9));
    assert_eq!(bench.state(1), None);
}

/// RFC 7048 §3: as long as packets are sent to it, ever more seldom, but once a minute.
#[test]
fn a_neighbour_that_has_gone_is_asked_for_as_long_as_it_is_used() {
    let mut bench = Bench::new(NeighborConfig::default());
    bench.see(OF_IPV6, Sighting::Asks(STATION));
    bench.look(OF_IPV6);
    bench.pass(Duration::from_secs(8));
    assert_eq!(bench.state(OF_IPV6), Some(NeighborState::Unreachable));
    let mut times = Vec::new();
    let begun = bench.now;
    while bench.now < begun + Duration::from_secs(280) {
        assert_eq!(bench.look(OF_IPV6).0, Lookup::Station(STATION));
        let (asked, _) = bench.pass(Duration::from_millis(500));
        if !asked.is_empty() {
            assert_eq!(asked, [Ask::Everybody]);
            times.push(bench.now.saturating_since(begun).as_secs());
        }
    }
    // After 1 s, 3, 9, 27 and then 60 each.
    assert_eq!(times, [1, 4, 13, 40, 100, 160, 220, 280]);
    // Nobody uses it any more.
    let (asked, _) = bench.pass(Duration::from_secs(61));
    assert_eq!((asked.len(), bench.state(OF_IPV6)), (0, None));
    assert_eq!(bench.wheel.len(), 0);
}

/// Its senders are to hear that it is not there.
#[test]
fn a_neighbour_of_ipv4_that_has_gone_fails_though_it_is_used() {
    let mut bench = Bench::new(NeighborConfig::default());
    bench.see(1, Sighting::Asks(STATION));
    let begun = bench.now;
    while bench.state(1).is_some() {
        bench.look(1);
        bench.pass(Duration::from_millis(500));
        assert!(bench.now < begun + Duration::from_secs(60));
    }
}

#[test]
fn what_shows_that_packets_arrive_spares_the_probes() {
    let mut bench = Bench::new(NeighborConfig::default());
    bench.see(1, Sighting::Asks(STATION));
    bench.look(1);
    let index = bench.cache.find(IFACE, address(1)).unwrap();
    for _ in 0..20 {
        bench.with(|cache, cx| cache.confirm(index, cx));
        assert_eq!(bench.state(1), Some(NeighborState::Reachable));
        let (asked, _) = bench.pass(Duration::from_secs(10));
        assert_eq!(asked.len(), 0);
    }
}

#[test]
fn an_advertisement_is_judged_by_its_flags() {
    let advert = |mac, solicited, overrides| Sighting::Adverts {
        mac,
        solicited,
        overrides,
        router: Some(false),
    };
    let mut bench = Bench::new(NeighborConfig::default());
    // Nobody has asked: nothing is learnt (RFC 4861 §7.2.5).
    bench.see(1, advert(Some(STATION), false, true));
    assert_eq!(bench.state(1), None);
    bench.look(1);
    bench.see(1, advert(None, true, true));
    assert_eq!(bench.state(1), Some(NeighborState::Incomplete));
    bench.see(1, advert(Some(STATION), false, false));
    assert_eq!(bench.state(1), Some(NeighborState::Stale));
    bench.see(1, advert(None, true, false));
    assert_eq!(bench.state(1), Some(NeighborState::Reachable));
    // Another station without the override flag only raises doubt, once.
    bench.see(1, advert(Some(OTHER), true, false));
    assert_eq!(bench.state(1), Some(NeighborState::Stale));
    bench.see(1, advert(Some(OTHER), true, false));
    assert_eq!(bench.look(1).0, Lookup::Station(STATION));
    bench.see(1, advert(Some(OTHER), false, true));
    assert_eq!(bench.look(1).0, Lookup::Station(OTHER));
}

/// RFC 4861 §6.3.4, §7.2.3, §8.3.
#[test]
fn a_station_that_is_new_or_another_is_doubted() {
    let mut bench = Bench::new(NeighborConfig::default());
    for (host, seen) in [
        (1, Sighting::Asks(STATION)),
        (2, Sighting::IsRouter(STATION)),
    ] {
        bench.see(host, seen);
        assert_eq!(bench.state(host), Some(NeighborState::Stale));
        bench.see(host, answer(STATION));
        bench.see(host, seen);
        assert_eq!(
            bench.state(host),
            Some(NeighborState::Reachable),
            "the same"
        );
    }
    bench.see(1, Sighting::Asks(OTHER));
    bench.see(2, Sighting::IsRouter(OTHER));
    for host in [1, 2] {
        assert_eq!(bench.state(host), Some(NeighborState::Stale));
        assert_eq!(bench.look(host).0, Lookup::Station(OTHER));
    }
}

#[test]
fn a_permanent_neighbour_is_neither_asked_nor_changed() {
    let mut bench = Bench::new(NeighborConfig::default());
    assert_eq!(bench.wait(1, 9), 0);
    let waited = bench
        .cache
        .set_permanent(IFACE, address(1), STATION, &mut bench.wheel);
    assert_eq!(waited.len(), 1);
    bench.see(1, answer(OTHER));
    bench.see(1, Sighting::Asks(OTHER));
    assert_eq!(bench.look(1), (Lookup::Station(STATION), None));
    let (asked, _) = bench.pass(Duration::from_secs(3600));
    assert_eq!(
        (asked.len(), bench.state(1)),
        (0, Some(NeighborState::Permanent))
    );
}

#[test]
fn the_oldest_stale_neighbour_makes_room_and_reachable_ones_stay() {
    let config = NeighborConfig {
        max_entries: 4,
        ..NeighborConfig::default()
    };
    let mut bench = Bench::new(config);
    bench.look(1);
    bench.see(1, answer(STATION));
    for host in 2..=4 {
        bench.see(host, Sighting::Asks(STATION));
    }
    bench.see(5, Sighting::Asks(STATION));
    assert_eq!(bench.state(2), None);
    assert!([1, 3, 4, 5].iter().all(|&host| bench.state(host).is_some()));
    for host in [3, 4, 5] {
        bench.see(host, answer(STATION));
    }
    assert_eq!(bench.look(6).0, Lookup::Full);
}

#[test]
fn a_scan_takes_half_of_the_table_and_no_more() {
    let config = NeighborConfig {
        max_entries: 8,
        ..NeighborConfig::default()
    };
    let mut bench = Bench::new(config);
    for host in 1..=4 {
        bench.see(host, Sighting::Asks(STATION));
    }
    for host in 100..10_000 {
        bench.wait(host, 1);
    }
    assert_eq!(bench.cache.iter().count(), 8);
    assert_eq!(bench.cache.waiting(), 4);
    assert_eq!(bench.wheel.len(), 8);
    assert!((1..=4).all(|host| bench.state(host).is_some()));
    assert_eq!(bench.cache.take_lost(), 9_900 - 4);
}

#[test]
fn the_end_of_an_interface_takes_its_neighbours() {
    let mut bench = Bench::new(NeighborConfig::default());
    bench.wait(1, 1);
    bench.see(2, Sighting::Asks(STATION));
    bench.cache.set_proxy(IFACE, address(9), true);
    bench.cache.remove_iface(IFACE, &mut bench.wheel);
    assert_eq!(bench.cache.iter().count(), 0);
    assert_eq!((bench.wheel.len(), bench.cache.waiting()), (0, 0));
    assert!(!bench.cache.is_proxy(IFACE, address(9)));
}
