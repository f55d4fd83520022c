//! Routers that lie, that are none any more, that are not to be believed.

use super::autoconf::{OTHER_ROUTER, ROUTER, advert, advertise, configured, own, pass, prefix};
use super::ethernet::{ndp, v6};
use super::*;
use crate::time::Duration;
use crate::wire::ethernet::{ALL_NODES, solicited_node};
use crate::wire::ndp::{Lifetime, NeighborAdvert, Preference, PrefixInformation};
use crate::wire::{MacAddr, NdpMessage, NdpOption};
use core::net::Ipv6Addr;

/// What somebody forges for ever: a router, a prefix and a DNS server, different for each number.
fn forged(number: u16) -> RxPacket {
    let prefix = NdpOption::Prefix(PrefixInformation {
        prefix: Ipv6Addr::new(0x2001, 0xdb8, 2, number, 0, 0, 0, 0),
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid: Lifetime::INFINITE,
        preferred: Lifetime::INFINITE,
    });
    let servers = [Ipv6Addr::new(0x2001, 0xdb8, 2, number, 0, 0, 0, 53).octets()];
    let dns = NdpOption::DnsServers {
        lifetime: Lifetime::INFINITE,
        servers: &servers,
    };
    let router = std::format!("fe80::{:x}", number + 0x100);
    let message = advert(u16::MAX, Preference::Medium);
    ndp(&router, ALL_NODES, 255, message, &[prefix, dns])
}

/// RFC 8106 §6.2 for the servers.
#[test]
fn what_is_forged_for_ever_shuts_out_no_real_router() {
    let mut host = configured();
    for number in 0..100 {
        host.inject(forged(number));
    }
    let servers = [v6("2001:db8::53").octets()];
    let dns = NdpOption::DnsServers {
        lifetime: Lifetime(600),
        servers: &servers,
    };
    let real = advert(1800, Preference::High);
    host.inject(ndp(
        ROUTER,
        ALL_NODES,
        255,
        real,
        &[prefix(7200, 3600), dns],
    ));
    pass(&mut host, Duration::from_secs(2));
    let path = host.stack.route(ip("2001:db8:ffff::1"), None).unwrap();
    assert_eq!(path.next_hop, ip(ROUTER));
    let path = host.stack.route(ip("2001:db8:1::77"), None).unwrap();
    assert_eq!(path.next_hop, ip("2001:db8:1::77"), "on the link");
    let of_real = |address: &Ipv6Addr| address.segments()[..4] == [0x2001, 0xdb8, 1, 0];
    assert!(own(&host).iter().any(of_real));
    let mut servers = host.stack.dns_servers(host.wire);
    assert!(servers.any(|server| server == ip("2001:db8::53")));
    // Of the addresses, those that were formed first stay: connections have begun from them.
    drop(servers);
    let before = own(&host);
    for number in 100..200 {
        host.inject(forged(number));
    }
    pass(&mut host, Duration::from_secs(2));
    let after = own(&host);
    let kept = before.iter().filter(|own| after.contains(own)).count();
    assert_eq!(kept, before.len() - 1);
}

#[test]
fn a_router_that_is_in_use_makes_no_room() {
    let mut host = configured();
    advertise(&mut host, 10, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    let (wire, mac) = (host.wire, MacAddr::local(7 << 8));
    host.stack.set_neighbor(wire, ip(ROUTER), mac).unwrap();
    for number in 0..100 {
        host.inject(forged(number));
    }
    let routes = host.stack.routes();
    let ways = routes.filter(|route| route.prefix == cidr("::/0"));
    let ways: Vec<_> = ways.map(|route| route.via).collect();
    assert_eq!(ways.len(), 8);
    assert!(ways.contains(&Some(ip(ROUTER))));
}

/// However late it was formed.
#[test]
fn an_address_in_a_prefix_of_a_router_in_use_makes_no_room() {
    let mut host = configured();
    // All but one place are taken, as the link-local address has one.
    for number in 0..14 {
        host.inject(forged(number));
    }
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    let of_real = |address: &Ipv6Addr| address.segments()[..4] == [0x2001, 0xdb8, 1, 0];
    assert!(own(&host).iter().any(of_real));
    let (wire, mac) = (host.wire, MacAddr::local(7 << 8));
    host.stack.set_neighbor(wire, ip(ROUTER), mac).unwrap();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    // Somebody else tells of it, too: that changes nothing.
    let message = advert(1800, Preference::Medium);
    host.inject(ndp(
        "fe80::666",
        ALL_NODES,
        255,
        message,
        &[prefix(7200, 3600)],
    ));
    for number in 14..100 {
        host.inject(forged(number));
    }
    pass(&mut host, Duration::from_secs(2));
    assert_eq!(own(&host).len(), 16);
    assert!(own(&host).iter().any(of_real));
}

#[test]
fn prefixes_and_servers_that_no_host_can_have_are_ignored() {
    let mut host = configured();
    let before = host.stack.routes().count();
    for (prefix, prefix_len) in [("::", 0), ("::", 64), ("::1", 128), ("ff0e::", 64)] {
        let option = NdpOption::Prefix(PrefixInformation {
            prefix: v6(prefix),
            prefix_len,
            on_link: true,
            autonomous: true,
            valid: Lifetime(7200),
            preferred: Lifetime(3600),
        });
        advertise(&mut host, 0, &[option]);
    }
    for server in ["::", "::1", "ff02::1"] {
        let servers = [v6("2001:db8::53").octets(), v6(server).octets()];
        let option = NdpOption::DnsServers {
            lifetime: Lifetime(600),
            servers: &servers,
        };
        advertise(&mut host, 0, &[option]);
    }
    pass(&mut host, Duration::from_secs(2));
    assert_eq!(host.stack.routes().count(), before);
    assert_eq!(own(&host).len(), 1);
    assert_eq!(host.stack.dns_servers(host.wire).count(), 0);
}

/// RFC 4861 §7.2.5.
#[test]
fn a_router_that_says_that_it_is_a_host_now_is_used_no_more() {
    let mut host = configured();
    let mac = MacAddr::local(7 << 8);
    let option = [prefix(7200, 3600), NdpOption::SourceLinkLayer(mac)];
    advertise(&mut host, 1800, &option);
    pass(&mut host, Duration::from_secs(2));
    let says = |host: &mut Host, mac: MacAddr, overrides: bool| {
        let message = NdpMessage::NeighborAdvert(NeighborAdvert {
            router: false,
            solicited: false,
            overrides,
            target: v6(ROUTER),
        });
        let option = [NdpOption::TargetLinkLayer(mac)];
        host.inject(ndp(ROUTER, ALL_NODES, 255, message, &option));
        host.stack.route(ip("2001:db8:ffff::1"), None).is_ok()
    };
    // Somebody else's claim to the address says nothing.
    assert!(says(&mut host, MacAddr::local(8 << 8), false));
    assert!(!says(&mut host, mac, false));
}

/// RFC 4861 §6.3.4, §7.2.3: who asks is created as a host, and what it is is kept.
#[test]
fn a_known_neighbour_that_advertises_itself_is_a_router() {
    let mut host = configured();
    let ours = own(&host)[0];
    let asks = |host: &mut Host| {
        let solicit = NdpMessage::NeighborSolicit { target: ours };
        let option = [NdpOption::SourceLinkLayer(MacAddr::local(7 << 8))];
        host.inject(ndp(ROUTER, solicited_node(ours), 255, solicit, &option));
    };
    let is_router = |host: &Host| {
        let mut all = host.stack.neighbors();
        all.find(|each| each.address == ip(ROUTER))
            .map(|each| each.router)
    };
    advertise(&mut host, 1800, &[]);
    assert_eq!(
        is_router(&host),
        None,
        "RFC 4861 §7.2: it says not where it is"
    );
    asks(&mut host);
    assert_eq!(is_router(&host), Some(false));
    advertise(&mut host, 1800, &[]);
    assert_eq!(is_router(&host), Some(true));
    asks(&mut host);
    assert_eq!(is_router(&host), Some(true));
}

/// RFC 7559 §2.1.
#[test]
fn only_a_default_router_ends_the_questions_for_one() {
    let mut host = configured();
    let asked = |host: &mut Host| {
        let said = pass(host, Duration::from_secs(200));
        let all = said
            .iter()
            .filter(|said| said.2 == NdpMessage::RouterSolicit);
        all.count()
    };
    advertise(&mut host, 0, &[]);
    assert!(asked(&mut host) >= 3);
    advertise(&mut host, 1800, &[]);
    assert_eq!(asked(&mut host), 0);
}

/// RFC 4861 §6.3.6: a router that answers the second question is as good as before.
#[test]
fn a_router_is_passed_over_only_until_it_answers() {
    let mut host = configured();
    let to = ip("2001:db8:ffff::1");
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    let better = advert(1800, Preference::High);
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, better, &[]));
    pass(&mut host, Duration::from_secs(2));
    let socket = host.udp("[::]:9");
    let mut udp = host.stack.udp(socket).unwrap();
    let sent = udp.send(Bytes::from_static(b"x"), Some(SocketAddr::new(to, 7)));
    sent.unwrap();
    let next_hop = |host: &Host| host.stack.route(to, None).unwrap().next_hop;
    pass(&mut host, Duration::from_millis(1500));
    assert_eq!(next_hop(&host), ip(ROUTER));
    let message = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: true,
        solicited: true,
        overrides: true,
        target: v6(OTHER_ROUTER),
    });
    let option = [NdpOption::TargetLinkLayer(MacAddr::local(8 << 8))];
    let ours = own(&host)[0];
    host.inject(ndp(OTHER_ROUTER, ours, 255, message, &option));
    assert_eq!(next_hop(&host), ip(OTHER_ROUTER));
}

/// A redirect that a router of an interface that configures itself makes.
fn is_redirected(host: &mut Host) -> bool {
    let ours = own(host)[0];
    let message = NdpMessage::Redirect {
        target: v6(OTHER_ROUTER),
        dest: v6("2001:db8:ffff::1"),
    };
    host.inject(ndp(ROUTER, ours, 255, message, &[]));
    let path = host.stack.route(ip("2001:db8:ffff::1"), None).unwrap();
    path.next_hop == ip(OTHER_ROUTER)
}

#[test]
fn redirects_are_followed_unless_somebody_has_said_that_they_are_not() {
    let mut host = configured();
    advertise(&mut host, 1800, &[]);
    let wire = host.wire;
    host.stack.set_accept_redirects(wire, false).unwrap();
    assert!(!is_redirected(&mut host));
    let mut host = configured();
    advertise(&mut host, 1800, &[]);
    let other = advert(1800, Preference::Low);
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, other, &[]));
    assert!(is_redirected(&mut host));
    // They end when the router that they name says that it is none.
    let gone = advert(0, Preference::Medium);
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, gone, &[]));
    let path = host.stack.route(ip("2001:db8:ffff::1"), None).unwrap();
    assert_eq!(path.next_hop, ip(ROUTER));
}

#[test]
fn default_routes_of_the_administrator_stay_whatever_their_metric() {
    let mut host = configured();
    let route = Route {
        prefix: cidr("::/0"),
        via: Some(ip("fe80::77")),
        iface: host.wire,
        source: None,
        metric: 3 << 20,
    };
    host.stack.add_route(route).unwrap();
    advertise(&mut host, 1800, &[]);
    advertise(&mut host, 0, &[]);
    let mut ways = host.stack.routes();
    assert!(ways.any(|each| each == route));
}

/// RFC 4191 §3.5.
#[test]
fn a_router_that_was_passed_over_is_asked_once_a_minute_while_packets_would_go_by_it() {
    let mut host = configured();
    let (wire, far, near) = (host.wire, "[2001:db8:ffff::1]:7", "[2001:db8:1::7]:7");
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    let better = advert(1800, Preference::High);
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, better, &[]));
    pass(&mut host, Duration::from_secs(2));
    for there in [ROUTER, "2001:db8:1::7"] {
        let stack = &mut host.stack;
        stack
            .set_neighbor(wire, ip(there), MacAddr::local(9))
            .unwrap();
    }
    let socket = host.udp("[::]:9");
    // Sends something, and counts the questions for the other router within ten seconds.
    let asked = |host: &mut Host, to: &str| {
        let mut udp = host.stack.udp(socket).unwrap();
        let sent = udp.send(Bytes::from_static(b"x"), Some(addr(to)));
        sent.unwrap();
        let said = pass(host, Duration::from_secs(10));
        let target = v6(OTHER_ROUTER);
        let question = NdpMessage::NeighborSolicit { target };
        said.iter().filter(|said| said.2 == question).count()
    };
    let next_hop = |host: &Host| host.stack.route(addr(far).ip(), None).unwrap().next_hop;
    assert_eq!(asked(&mut host, far), 3, "as any neighbour");
    assert_eq!(next_hop(&host), ip(ROUTER));
    // Without packets that would go by it it is not asked.
    let said = pass(&mut host, Duration::from_secs(120));
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(asked(&mut host, near), 0);
    let asked: Vec<_> = (0..18).map(|_| asked(&mut host, far)).collect();
    for (at, &asked) in asked.iter().enumerate() {
        assert_eq!(asked, usize::from(at % 6 == 0), "after {at}0 s");
    }
    // It answers the next one.
    let mut udp = host.stack.udp(socket).unwrap();
    let sent = udp.send(Bytes::from_static(b"x"), Some(addr(far)));
    sent.unwrap();
    let message = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: true,
        solicited: true,
        overrides: true,
        target: v6(OTHER_ROUTER),
    });
    let option = [NdpOption::TargetLinkLayer(MacAddr::local(8))];
    let ours = own(&host)[0];
    host.inject(ndp(OTHER_ROUTER, ours, 255, message, &option));
    assert_eq!(next_hop(&host), ip(OTHER_ROUTER));
}

/// When a router is heard again, or is none any more, packets do not go on looking for one to ask.
#[test]
fn what_was_known_of_a_router_that_was_passed_over_ends_with_that() {
    for answers in [true, false] {
        let mut host = configured();
        advertise(&mut host, 1800, &[prefix(7200, 3600)]);
        let better = advert(1800, Preference::High);
        host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, better, &[]));
        let (wire, now) = (host.wire, host.now);
        let stack = &mut host.stack;
        stack.add_address(wire, cidr("10.7.0.2/24"), now).unwrap();
        pass(&mut host, Duration::from_secs(2));
        let send = |host: &mut Host, from: &str, to: &str| {
            host.stack.handle_timeout(host.now);
            let socket = host.udp(from);
            let mut udp = host.stack.udp(socket).unwrap();
            let sent = udp.send(Bytes::from_static(b"x"), Some(addr(to)));
            sent.unwrap();
        };
        send(&mut host, "[::]:9", "[2001:db8:ffff::1]:7");
        pass(&mut host, Duration::from_secs(70));
        assert_ne!(host.stack.router_probes_due, Instant::MAX);
        // It is asked anew.
        let now = host.now;
        stack_knows(&mut host, ROUTER);
        send(&mut host, "[::]:10", "[2001:db8:ffff::1]:7");
        host.sent();
        assert!(host.stack.router_probes_due > now);
        let message = if answers {
            NdpMessage::NeighborAdvert(NeighborAdvert {
                router: true,
                solicited: true,
                overrides: true,
                target: v6(OTHER_ROUTER),
            })
        } else {
            advert(0, Preference::High)
        };
        let option = [NdpOption::TargetLinkLayer(MacAddr::local(8))];
        let options = if answers { &option[..] } else { &[] };
        let dest = if answers { own(&host)[0] } else { ALL_NODES };
        host.inject(ndp(OTHER_ROUTER, dest, 255, message, options));
        pass(&mut host, Duration::from_secs(61));
        // A packet that has nothing to do with it finds that there is nothing left to look for.
        stack_knows(&mut host, "10.7.0.9");
        send(&mut host, "0.0.0.0:11", "10.7.0.9:7");
        assert_eq!(host.stack.router_probes_due, Instant::MAX);
    }
}

fn stack_knows(host: &mut Host, neighbor: &str) {
    let wire = host.wire;
    let known = host
        .stack
        .set_neighbor(wire, ip(neighbor), MacAddr::local(9));
    known.unwrap();
}
