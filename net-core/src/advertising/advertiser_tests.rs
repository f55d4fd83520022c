use super::super::{AdvDnsSearch, AdvDnsServers, AdvPrefix};
use super::*;
use crate::Seed;
use crate::error::SocketError;
use crate::wire::ndp::{Lifetime, Preference, RouteInformation};
use std::string::String;
use std::vec;

const STATION: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn sending() -> RouterAdvertising {
    RouterAdvertising {
        adv_send_advertisements: true,
        ..RouterAdvertising::default()
    }
}

/// A router that begins to advertise.
struct Router {
    advertiser: Advertiser,
    rng: Rng,
    now: Instant,
}

impl Router {
    fn new(config: RouterAdvertising) -> Self {
        let now = Instant::from_millis(1);
        let mut advertiser = Advertiser::new(config, now);
        advertiser.settle(true, &[SOURCE], now);
        Self {
            advertiser,
            rng: Seed::from_u64(7).rng("advertisements"),
            now,
        }
    }

    /// Waits for the next advertisement: how long it took, and its router lifetime.
    fn next(&mut self) -> Option<(Duration, u16)> {
        let at = self.advertiser.next();
        if at == Instant::MAX {
            return None;
        }
        if at > self.now {
            let early = at - Duration::from_nanos(1);
            let sent = self
                .advertiser
                .handle_timeout(STATION, &mut self.rng, early);
            assert_eq!(sent, None, "it is not due");
        }
        let waited = at.saturating_since(self.now);
        self.now = self.now.max(at);
        let sent = self
            .advertiser
            .handle_timeout(STATION, &mut self.rng, self.now);
        let sent = sent.expect("it is due");
        assert_eq!(sent.source, SOURCE);
        let lifetime = u16::from_be_bytes([sent.message[6], sent.message[7]]);
        Some((waited, lifetime))
    }

    fn ask(&mut self) {
        self.advertiser.handle_solicitation(&mut self.rng, self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }
}

/// RFC 4861 §6.2.4.
#[test]
fn advertisements_are_frequent_at_first_and_then_at_random_times() {
    let mut router = Router::new(sending());
    let first = router.next().expect("it advertises");
    assert_eq!(first, (Duration::ZERO, 1800));
    for _ in 0..2 {
        let (waited, _) = router.next().expect("another");
        assert_eq!(waited, Duration::from_secs(16));
    }
    let waits: Vec<u64> = (0..300)
        .map(|_| router.next().expect("there is no end").0.as_secs())
        .collect();
    assert!(waits.iter().all(|wait| (198..=600).contains(wait)));
    // Uniformly: each quarter of the range has its share, give or take a third.
    for quarter in 0..4 {
        let range = 198 + quarter * 402 / 4..198 + (quarter + 1) * 402 / 4;
        let share = waits.iter().filter(|wait| range.contains(*wait)).count();
        assert!((50..=100).contains(&share), "{range:?}: {share}");
    }
}

#[test]
fn intervals_that_are_short_stay_short_at_first() {
    let config = RouterAdvertising {
        max_rtr_adv_interval: Duration::from_secs(4),
        ..sending()
    };
    let mut router = Router::new(config);
    router.next();
    for _ in 0..20 {
        let (waited, lifetime) = router.next().expect("another");
        assert!((3000..=4000).contains(&waited.as_millis()), "{waited:?}");
        assert_eq!(lifetime, 12);
    }
}

/// RFC 4861 §6.2.6.
#[test]
fn who_asks_is_answered_within_half_a_second_and_all_who_ask_meanwhile_at_once() {
    let mut router = Router::new(sending());
    for _ in 0..3 {
        router.next();
    }
    let mut delays = Vec::new();
    for _ in 0..50 {
        router.wait(Duration::from_secs(10));
        router.ask();
        let due = router.advertiser.next();
        router.wait(Duration::from_micros(10));
        router.ask();
        assert_eq!(router.advertiser.next(), due, "that is one answer");
        let (waited, lifetime) = router.next().expect("an answer");
        assert_eq!(lifetime, 1800);
        delays.push(waited.as_millis());
        // And the next one that nobody asks for is counted from it.
        let wait = router.advertiser.next().saturating_since(router.now);
        assert!((198..=600).contains(&wait.as_secs()), "{wait:?}");
    }
    assert!(delays.iter().all(|delay| *delay <= 500), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay < 100), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay > 400), "{delays:?}");
}

#[test]
fn advertisements_are_three_seconds_apart_however_often_somebody_asks() {
    let mut router = Router::new(sending());
    router.next();
    for _ in 0..100 {
        router.wait(Duration::from_millis(20));
        router.ask();
        let last = router.advertiser.last.expect("there was one");
        router.next().expect("an answer");
        let apart = router.now.saturating_since(last).as_millis();
        assert!((3000..=3500).contains(&apart), "{apart}");
    }
}

#[test]
fn an_answer_never_delays_what_is_due_anyway() {
    let mut router = Router::new(sending());
    router.next();
    let due = router.advertiser.next();
    router.now = due - Duration::from_nanos(1);
    router.ask();
    assert_eq!(router.advertiser.next(), due);
}

/// RFC 4861 §6.2.5.
#[test]
fn three_final_advertisements_say_that_it_is_no_router_any_more() {
    let mut router = Router::new(sending());
    router.next();
    router.wait(Duration::from_secs(1));
    let now = router.now;
    router
        .advertiser
        .configure(RouterAdvertising::default(), now);
    router.advertiser.settle(true, &[SOURCE], now);
    assert!(!router.advertiser.is_advertising());
    router.ask();
    let said: Vec<_> = core::iter::from_fn(|| router.next()).collect();
    let seconds = Duration::from_secs;
    assert_eq!(said, [(seconds(2), 0), (seconds(3), 0), (seconds(3), 0)]);
    // One that has said nothing yet has nothing to take back.
    let mut router = Router::new(sending());
    router.advertiser.settle(false, &[SOURCE], router.now);
    assert_eq!(router.next(), None);
}

#[test]
fn what_changes_is_told_three_times_and_what_does_not_is_not() {
    let mut router = Router::new(sending());
    for _ in 0..3 {
        router.next();
    }
    router.wait(Duration::from_secs(1));
    let (now, due) = (router.now, router.advertiser.next());
    router.advertiser.configure(sending(), now);
    assert_eq!(router.advertiser.next(), due);
    let other = RouterAdvertising {
        adv_managed_flag: true,
        ..sending()
    };
    router.advertiser.configure(other, now);
    let waits: Vec<_> = (0..3).map(|_| router.next().expect("told").0).collect();
    assert_eq!(waits, [2, 16, 16].map(Duration::from_secs));
    assert!(router.next().expect("told").0 >= Duration::from_secs(198));
}

/// What takes its leave is gone from the hosts, and has nothing more to say until it has been heard again: who
/// gives the interface one address after another does not flood the link.
#[test]
fn addresses_that_come_and_go_take_their_leave_once() {
    let mut router = Router::new(sending());
    router.next();
    let other = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3);
    let now = router.now;
    let left = (0..10).filter(|round| {
        let said = router.advertiser.take_leave(STATION, now).is_some();
        let next = if round % 2 == 0 { other } else { SOURCE };
        router.advertiser.settle(true, &[next], now);
        said
    });
    assert_eq!(left.collect::<Vec<_>>(), [0]);
    let (waited, lifetime) = router.next().expect("the last one advertises");
    assert_eq!((waited, lifetime), (Duration::from_secs(3), 1800));
    let left = router.advertiser.take_leave(STATION, router.now);
    assert!(left.is_some(), "it has been heard");
}

/// RFC 4861 §6.2.1.
#[test]
fn the_shortest_interval_that_follows_from_the_longest_is_within_its_bounds() {
    let shortest = |longest| {
        let config = RouterAdvertising {
            max_rtr_adv_interval: Duration::from_millis(longest),
            ..sending()
        };
        assert_eq!(config.check(1500), Ok(()), "{longest}");
        config.min_interval()
    };
    assert_eq!(shortest(4000), Duration::from_secs(3));
    assert_eq!(shortest(8999), Duration::from_micros(6_749_250));
    for longest in [9000, 9050, 9090] {
        assert_eq!(shortest(longest), Duration::from_secs(3));
    }
    assert_eq!(shortest(9100), Duration::from_millis(3003));
    assert_eq!(shortest(10_000), Duration::from_millis(3300));
}

#[test]
fn times_that_nobody_has_checked_do_not_overflow() {
    let config = RouterAdvertising {
        max_rtr_adv_interval: Duration::MAX,
        ..sending()
    };
    assert_eq!(config.default_lifetime(), Duration::MAX);
    assert_eq!(config.dns_lifetime(None), Lifetime::INFINITE);
    assert!(config.min_interval() < Duration::MAX);
    assert!(config.check(1500).is_err());
}

/// Every option, byte for byte (RFC 4861 §4.2, §4.6; RFC 4191 §2; RFC 8106 §5).
#[test]
fn an_advertisement_says_all_that_is_configured() {
    let config = RouterAdvertising {
        adv_managed_flag: true,
        adv_other_config_flag: true,
        adv_link_mtu: 1400,
        adv_reachable_time: Duration::from_millis(0x0001_0203),
        adv_retrans_timer: Duration::from_millis(0x0405),
        adv_cur_hop_limit: 77,
        adv_default_preference: Preference::High,
        adv_prefix_list: vec![
            AdvPrefix::new(v6("fd07::"), 64),
            AdvPrefix {
                adv_valid_lifetime: Lifetime::INFINITE,
                adv_preferred_lifetime: Lifetime(0),
                adv_on_link_flag: false,
                ..AdvPrefix::new(v6("2001:db8::"), 32)
            },
        ],
        adv_route_list: vec![RouteInformation {
            prefix: v6("fd08::"),
            prefix_len: 48,
            preference: Preference::Low,
            lifetime: Lifetime(0x11),
        }],
        adv_rdnss_list: vec![AdvDnsServers {
            servers: vec![v6("fd07::53"), v6("fd07::54")],
            lifetime: None,
        }],
        adv_dnssl_list: vec![AdvDnsSearch {
            domains: vec![String::from("example.test"), String::from("lan")],
            lifetime: Some(Lifetime(9)),
        }],
        ..sending()
    };
    let golden: &[&[u8]] = &[
        &[134, 0, 0, 0, 77, 0xc8, 0x07, 0x08],
        &[0, 1, 2, 3, 0, 0, 4, 5],
        &[1, 1, 2, 0, 0, 0, 0, 2],
        &[5, 1, 0, 0, 0, 0, 0x05, 0x78],
        &[3, 4, 64, 0xc0, 0x00, 0x27, 0x8d, 0x00],
        &[0x00, 0x09, 0x3a, 0x80, 0, 0, 0, 0],
        &[0xfd, 7, 0, 0, 0, 0, 0, 0],
        &[0; 8],
        &[3, 4, 32, 0x40, 0xff, 0xff, 0xff, 0xff],
        &[0; 8],
        &[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0],
        &[0; 8],
        &[24, 2, 48, 0x18, 0, 0, 0, 0x11],
        &[0xfd, 8, 0, 0, 0, 0, 0, 0],
        &[25, 5, 0, 0, 0, 0, 0x07, 0x08],
        &[0xfd, 7, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0x53],
        &[0xfd, 7, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0x54],
        &[31, 4, 0, 0, 0, 0, 0, 9],
        b"\x07example\x04test\0\x03lan\0\0\0\0\0\0",
    ];
    assert_eq!(config.check(1500), Ok(()));
    let said = advertisement(&config, Duration::ZERO, STATION);
    assert_eq!(said, golden.concat());
    // In the end routes end, and what others may say, too, is left to them.
    let golden: &[&[u8]] = &[
        &[134, 0, 0, 0, 77, 0xc0, 0, 0],
        &[0, 1, 2, 3, 0, 0, 4, 5],
        &[1, 1, 2, 0, 0, 0, 0, 2],
        &[5, 1, 0, 0, 0, 0, 0x05, 0x78],
        &[24, 2, 48, 0x18, 0, 0, 0, 0],
        &[0xfd, 8, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(farewell(&config, STATION), golden.concat());
    let bare = RouterAdvertising {
        adv_source_link_layer: false,
        ..RouterAdvertising::default()
    };
    let said = advertisement(&bare, Duration::ZERO, STATION);
    assert_eq!(said, [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// RFC 4861 §6.2.1: fixed, or a time that decrements.
#[test]
fn lifetimes_stay_the_same_or_count_down() {
    let fixed = AdvPrefix::new(v6("fd07::"), 64);
    let decrements = AdvPrefix {
        decrements: true,
        ..AdvPrefix::new(v6("fd08::"), 64)
    };
    let for_ever = AdvPrefix {
        adv_valid_lifetime: Lifetime::INFINITE,
        adv_preferred_lifetime: Lifetime(100),
        ..decrements
    };
    let config = RouterAdvertising {
        adv_prefix_list: vec![fixed, decrements, for_ever],
        ..sending()
    };
    let advertiser = Advertiser::new(config, Instant::ZERO);
    let after = |seconds| {
        let config = advertiser.config(Instant::ZERO + Duration::from_secs(seconds));
        let all = config.adv_prefix_list.into_iter();
        all.map(|each| (each.adv_valid_lifetime.0, each.adv_preferred_lifetime.0))
            .collect::<Vec<_>>()
    };
    let begun = [(2_592_000, 604_800), (2_592_000, 604_800), (u32::MAX, 100)];
    assert_eq!(after(0), begun);
    let later = [(2_592_000, 604_800), (1_992_000, 4_800), (u32::MAX, 0)];
    assert_eq!(after(600_000), later);
    assert_eq!(after(3_000_000)[1], (0, 0));
}

#[test]
fn what_the_rfcs_forbid_is_refused() {
    type Change = fn(&mut RouterAdvertising);
    let rules: &[(&str, Change)] = &[
        ("MaxRtrAdvInterval", |c| {
            c.max_rtr_adv_interval = Duration::from_secs(3);
        }),
        ("MaxRtrAdvInterval", |c| {
            c.max_rtr_adv_interval = Duration::from_secs(1801);
        }),
        ("MinRtrAdvInterval", |c| {
            c.min_rtr_adv_interval = Some(Duration::from_secs(2));
        }),
        ("MinRtrAdvInterval", |c| {
            c.min_rtr_adv_interval = Some(Duration::from_secs(451));
        }),
        ("AdvReachableTime", |c| {
            c.adv_reachable_time = Duration::from_secs(3601);
        }),
        ("AdvRetransTimer", |c| {
            c.adv_retrans_timer = Duration::from_secs(1 << 32);
        }),
        ("AdvDefaultLifetime", |c| {
            c.adv_default_lifetime = Some(Duration::from_secs(599));
        }),
        ("AdvDefaultLifetime", |c| {
            c.adv_default_lifetime = Some(Duration::from_secs(9001));
        }),
        ("AdvLinkMTU", |c| c.adv_link_mtu = 1279),
        ("AdvLinkMTU", |c| c.adv_link_mtu = 1501),
        ("link-local", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("fe80::"), 64)];
        }),
        ("behind its length", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("fd07::1"), 64)];
        }),
        ("128 bits", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("fd07::"), 129)];
        }),
        ("one of hosts", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("::"), 0)];
        }),
        ("covers no link-local", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("fe00::"), 8)];
        }),
        ("covers no link-local", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("8000::"), 1)];
        }),
        ("a prefix once", |c| {
            c.adv_prefix_list = vec![AdvPrefix::new(v6("fd07::"), 64); 2];
        }),
        ("AdvPreferredLifetime", |c| {
            c.adv_prefix_list = vec![AdvPrefix {
                adv_valid_lifetime: Lifetime(1),
                ..AdvPrefix::new(v6("fd07::"), 64)
            }];
        }),
        ("a route once", |c| c.adv_route_list = vec![route(0); 2]),
        ("17 routes", |c| {
            c.adv_route_list = (0..18).map(route).collect();
        }),
        ("DNS servers", |c| c.adv_rdnss_list = vec![servers(&[])]),
        ("single host", |c| {
            c.adv_rdnss_list = vec![servers(&["ff02::1"])];
        }),
        ("domain to search", |c| {
            c.adv_dnssl_list = vec![domains(&[])];
        }),
        ("labels", |c| {
            c.adv_dnssl_list = vec![domains(&["example..test"])];
        }),
        ("labels", |c| {
            c.adv_dnssl_list = vec![domains(&["example.test."])];
        }),
        ("fit one packet", |c| {
            let all =
                (0..45).map(|at| AdvPrefix::new(Ipv6Addr::new(0xfd07, at, 0, 0, 0, 0, 0, 0), 64));
            c.adv_prefix_list = all.collect();
        }),
    ];
    for (rule, change) in rules {
        let mut config = sending();
        assert_eq!(config.check(1500), Ok(()));
        change(&mut config);
        let Err(SocketError::InvalidInput(said)) = config.check(1500) else {
            panic!("{rule} is not looked at: {config:?}");
        };
        assert!(said.contains(rule), "{said}");
    }
    let everywhere = RouteInformation {
        prefix: Ipv6Addr::UNSPECIFIED,
        prefix_len: 0,
        ..route(0)
    };
    let none = RouterAdvertising {
        adv_default_lifetime: Some(Duration::ZERO),
        adv_link_mtu: 1500,
        adv_route_list: (0..16).map(route).chain([everywhere]).collect(),
        ..sending()
    };
    assert_eq!(none.check(1500), Ok(()));
    let long = RouterAdvertising {
        adv_rdnss_list: vec![servers(&["fd07::53"; 80])],
        ..sending()
    };
    assert_eq!(long.check(1500), Ok(()));
    assert!(long.check(1300).is_err());
}

fn route(number: u16) -> RouteInformation {
    RouteInformation {
        prefix: Ipv6Addr::new(0xfd08, number, 0, 0, 0, 0, 0, 0),
        prefix_len: 32,
        preference: Preference::Medium,
        lifetime: Lifetime(600),
    }
}

fn servers(servers: &[&str]) -> AdvDnsServers {
    AdvDnsServers {
        servers: servers.iter().map(|server| v6(server)).collect(),
        lifetime: None,
    }
}

fn domains(domains: &[&str]) -> AdvDnsSearch {
    AdvDnsSearch {
        domains: domains.iter().map(|&name| String::from(name)).collect(),
        lifetime: None,
    }
}
