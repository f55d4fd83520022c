//! What routers tell in options: routes, MTU, hop limit, domains.

use super::autoconf::{OTHER_ROUTER, ROUTER, advert, advertise, configured, pass, prefix};
use super::ethernet::{ndp, station_with, unwrap, v6};
use super::*;
use crate::SocketError;
use crate::time::Duration;
use crate::wire::ethernet::ALL_NODES;
use crate::wire::ndp::{Lifetime, NeighborAdvert, Preference, RouteInformation, RouterAdvert};
use crate::wire::{MacAddr, NdpMessage, NdpOption};

/// A router tells of a route to a prefix.
fn tell(host: &mut Host, router: &str, to: &str, preference: Preference, seconds: u32) {
    let cidr = cidr(to);
    let IpAddr::V6(prefix) = cidr.address else {
        panic!("no prefix of IPv6: {to}");
    };
    let option = NdpOption::Route(RouteInformation {
        prefix,
        prefix_len: cidr.prefix_len,
        preference,
        lifetime: Lifetime(seconds),
    });
    let message = advert(1800, Preference::Medium);
    let station = NdpOption::SourceLinkLayer(MacAddr::local(5));
    host.inject(ndp(router, ALL_NODES, 255, message, &[option, station]));
}

fn next_hop(host: &Host, to: &str) -> IpAddr {
    host.stack.route(ip(to), None).expect("a route").next_hop
}

const NETWORK: &str = "2001:db8:77::/48";
const THERE: &str = "2001:db8:77::1";

/// RFC 4191 §2.3, §3.1.
#[test]
fn a_route_leads_by_the_router_that_told_it_until_its_time_is_over() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    tell(&mut host, OTHER_ROUTER, NETWORK, Preference::Medium, 60);
    assert_eq!(next_hop(&host, THERE), ip(OTHER_ROUTER));
    pass(&mut host, Duration::from_secs(59));
    assert_eq!(next_hop(&host, THERE), ip(OTHER_ROUTER));
    pass(&mut host, Duration::from_secs(1));
    assert_eq!(next_hop(&host, THERE), ip(ROUTER), "the default route");
    // What it takes back is gone at once.
    tell(
        &mut host,
        OTHER_ROUTER,
        NETWORK,
        Preference::Medium,
        u32::MAX,
    );
    assert_eq!(next_hop(&host, THERE), ip(OTHER_ROUTER));
    tell(&mut host, OTHER_ROUTER, NETWORK, Preference::Medium, 0);
    assert_eq!(next_hop(&host, THERE), ip(ROUTER));
}

#[test]
fn of_two_routers_to_a_prefix_the_preferred_one_is_taken_while_it_answers() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    tell(&mut host, ROUTER, NETWORK, Preference::Low, 600);
    tell(&mut host, OTHER_ROUTER, NETWORK, Preference::High, 600);
    assert_eq!(next_hop(&host, THERE), ip(OTHER_ROUTER));
    let wire = host.wire;
    host.stack.router_failed(wire, ip(OTHER_ROUTER));
    assert_eq!(next_hop(&host, THERE), ip(ROUTER));
    host.stack.router_answers(wire, v6(OTHER_ROUTER));
    assert_eq!(next_hop(&host, THERE), ip(OTHER_ROUTER));
    // It becomes a host.
    let claim = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: false,
        solicited: false,
        overrides: true,
        target: v6(OTHER_ROUTER),
    });
    let option = [NdpOption::TargetLinkLayer(MacAddr::local(5))];
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, claim, &option));
    assert_eq!(next_hop(&host, THERE), ip(ROUTER));
}

/// RFC 4191 §3.1: what a router says of ::/0 goes before what it says of itself.
#[test]
fn a_route_to_everywhere_is_the_default_route() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    tell(&mut host, OTHER_ROUTER, "::/0", Preference::High, 60);
    assert_eq!(next_hop(&host, THERE), ip(OTHER_ROUTER));
    pass(&mut host, Duration::from_secs(60));
    assert_eq!(next_hop(&host, THERE), ip(ROUTER));
    tell(&mut host, ROUTER, "::/0", Preference::Medium, 0);
    let lost = host.stack.route(ip(THERE), None);
    assert!(lost.is_err(), "{lost:?}");
}

#[test]
fn no_more_routes_are_remembered_than_there_is_room_for() {
    let mut host = configured();
    let before = host.stack.routes().count();
    for number in 0..100 {
        let to = std::format!("2001:db8:{number:x}::/48");
        tell(&mut host, ROUTER, &to, Preference::Medium, 600 + number);
    }
    // And the default route.
    assert_eq!(host.stack.routes().count(), before + 16 + 1);
    for wrong in ["::/8", "fe80::/64", "ff00::/8"] {
        tell(&mut host, ROUTER, wrong, Preference::High, u32::MAX);
        let mut all = host.stack.routes();
        let found = all.any(|route| route.prefix == cidr(wrong) && route.via.is_some());
        assert!(!found, "{wrong}");
    }
}

/// RFC 4861 §6.3.4.
#[test]
fn the_mtu_of_the_link_is_what_a_router_says_within_its_bounds() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    let mtu = |host: &Host| host.stack.route(ip(THERE), None).unwrap().mtu;
    for (told, expected) in [
        (1279, 1500),
        (1501, 1500),
        (1 << 20, 1500),
        (1280, 1280),
        (1400, 1400),
    ] {
        let generation = host.stack.route_generation();
        let before = mtu(&host);
        advertise(&mut host, 1800, &[NdpOption::Mtu(told)]);
        assert_eq!(mtu(&host), expected, "{told}");
        let is_new = host.stack.route_generation() != generation;
        assert_eq!(is_new, before != expected, "paths are looked up again");
    }
    // It is one of IPv6 alone.
    let (wire, now) = (host.wire, host.now);
    host.stack
        .add_address(wire, cidr("10.7.0.2/24"), now)
        .unwrap();
    assert_eq!(host.stack.route(ip("10.7.0.9"), None).unwrap().mtu, 1500);
}

/// RFC 2132 §5.1.
#[test]
fn packets_of_ipv4_are_limited_apart_from_those_of_ipv6() {
    let mut host = station_with(&["10.7.0.2/24", "fd07::2/64"]);
    let wire = host.wire;
    let mtu = |host: &Host, to: &str| host.stack.route(ip(to), None).unwrap().mtu;
    for (limit, expected) in [
        (Some(1400), 1400),
        (Some(68), 68),
        (Some(9000), 1500),
        (None, 1500),
    ] {
        let generation = host.stack.route_generation();
        host.stack.limit_mtu_v4(wire, limit).unwrap();
        assert_eq!(mtu(&host, "10.7.0.9"), expected);
        assert_eq!(mtu(&host, "fd07::9"), 1500);
        assert_ne!(host.stack.route_generation(), generation);
        let generation = host.stack.route_generation();
        host.stack.limit_mtu_v4(wire, limit).unwrap();
        assert_eq!(host.stack.route_generation(), generation);
    }
    let refused = host.stack.limit_mtu_v4(wire, Some(67));
    assert!(matches!(refused, Err(SocketError::InvalidInput(_))));
    let nowhere = IfaceId::from_number(9).unwrap();
    let refused = host.stack.limit_mtu_v4(nowhere, None);
    assert_eq!(refused, Err(SocketError::NoSuchInterface));
}

/// RFC 4861 §6.3.4, RFC 3756 §4.2.7.
#[test]
fn packets_make_as_many_hops_as_a_router_says_but_not_too_few() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    let (wire, mac) = (host.wire, MacAddr::local(5));
    host.stack.set_neighbor(wire, ip(ROUTER), mac).unwrap();
    let socket = host.udp("[::]:0");
    for (told, expected) in [(0, 64), (77, 77), (0, 77), (1, 32)] {
        let message = NdpMessage::RouterAdvert(RouterAdvert {
            hop_limit: told,
            managed: false,
            other: false,
            preference: Preference::Medium,
            lifetime: 1800,
            reachable_time: 0,
            retrans_timer: 0,
        });
        host.inject(ndp(ROUTER, ALL_NODES, 255, message, &[]));
        let mut udp = host.stack.udp(socket).unwrap();
        udp.send(Bytes::from_static(b"x"), Some(addr("[2001:db8:77::1]:9")))
            .unwrap();
        let (_, bytes) = unwrap(&host.sent()[0]);
        assert_eq!(
            IpHeader::parse(&bytes, bytes.len()).unwrap().ttl,
            expected,
            "{told}"
        );
    }
}

/// RFC 8106 §5.2.
#[test]
fn domains_to_search_are_remembered_for_their_time() {
    let mut host = configured();
    let tell = |host: &mut Host, domains: &[u8], seconds: u32| {
        let option = NdpOption::DnsSearch {
            lifetime: Lifetime(seconds),
            domains,
        };
        advertise(host, 1800, &[option]);
    };
    let known = |host: &Host| -> Vec<String> {
        host.stack.dns_search(host.wire).map(String::from).collect()
    };
    tell(&mut host, b"\x07example\x04test\0\x03lan\0\0\0\0\0\0", 60);
    assert_eq!(known(&host), ["example.test", "lan"]);
    tell(&mut host, b"\x03LAN\0", 0);
    tell(&mut host, b"\x03bad\0\x02a b\0", 60);
    assert_eq!(known(&host), ["example.test"]);
    for number in 0..100 {
        let name = std::format!("\x03{number:03}\0");
        tell(&mut host, name.as_bytes(), 600);
    }
    assert_eq!(known(&host).len(), 8);
    pass(&mut host, Duration::from_secs(600));
    assert!(known(&host).is_empty());
}

/// RFC 8106 §5.1, §5.3.1.
#[test]
fn a_server_that_is_taken_back_is_gone_and_the_others_keep_their_order() {
    let mut host = configured();
    let servers = ["2001:db8::3", "2001:db8::1", "2001:db8::2"].map(|text| v6(text).octets());
    let tell = |host: &mut Host, servers: &[[u8; 16]], seconds: u32| {
        let option = NdpOption::DnsServers {
            lifetime: Lifetime(seconds),
            servers,
        };
        advertise(host, 1800, &[option]);
        let known: Vec<_> = host.stack.dns_servers(host.wire).collect();
        known
    };
    let all = servers.map(IpAddr::from);
    assert_eq!(tell(&mut host, &servers, 600), all);
    let without = [all[0], all[2]];
    assert_eq!(tell(&mut host, &servers[1..2], 0), without);
    assert_eq!(tell(&mut host, &servers[2..], u32::MAX), without);
}
