//! Interfaces, routes and source addresses.

use super::*;
use crate::error::SocketError;
use crate::route::{Reject, Rule, RuleAction, Selector, TableId};
use crate::socket::IpOption;
use crate::time::Duration;

fn source(host: &Host, dest: &str) -> Result<(usize, IpAddr), SocketError> {
    let path = host.stack.route(ip(dest), None)?;
    Ok((path.iface.index(), path.source))
}

#[test]
fn destinations_on_and_off_the_link_leave_by_the_wire() {
    let host = Host::new();
    assert_eq!(source(&host, "10.7.0.9"), Ok((0, ip(OURS))));
    assert_eq!(source(&host, "192.0.2.1"), Ok((0, ip(OURS))));
    assert_eq!(source(&host, "fd07::9"), Ok((0, ip(OURS_V6))));
    assert_eq!(source(&host, "2001:db8::1"), Ok((0, ip(OURS_V6))));
}

#[test]
fn our_own_addresses_are_reached_over_the_loopback_from_themselves() {
    let host = Host::new();
    assert_eq!(source(&host, OURS), Ok((1, ip(OURS))));
    assert_eq!(source(&host, OURS_V6), Ok((1, ip(OURS_V6))));
    assert_eq!(source(&host, "127.0.0.1"), Ok((1, ip("127.0.0.1"))));
    assert_eq!(source(&host, "127.9.9.9"), Ok((1, ip("127.0.0.1"))));
    assert_eq!(source(&host, "::1"), Ok((1, ip("::1"))));
}

#[test]
fn the_longest_prefix_and_then_the_lowest_metric_win() {
    let mut host = Host::new();
    let second = iface(
        "tun1",
        IfaceKind::PointToPoint,
        1400,
        &["10.8.0.2/24", "10.9.0.2/24"],
    );
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let route = |prefix, metric| Route {
        prefix: cidr(prefix),
        via: None,
        iface: second,
        source: None,
        metric,
    };
    host.stack.add_route(route("192.0.2.0/24", 5)).unwrap();
    host.stack.add_route(route("0.0.0.0/0", 5)).unwrap();
    assert_eq!(source(&host, "192.0.2.1"), Ok((2, ip("10.8.0.2"))));
    assert_eq!(source(&host, "198.51.100.1"), Ok((0, ip(OURS))));
    assert_eq!(source(&host, "10.9.0.7"), Ok((2, ip("10.9.0.2"))));
    assert_eq!(host.stack.route(ip("192.0.2.1"), None).unwrap().mtu, 1400);

    let generation = host.stack.route_generation();
    assert!(host.stack.remove_route(cidr("192.0.2.0/24")));
    assert!(!host.stack.remove_route(cidr("192.0.2.0/24")));
    assert_ne!(host.stack.route_generation(), generation);
    assert_eq!(source(&host, "192.0.2.1"), Ok((0, ip(OURS))));
}

/// SPEC 31.
#[test]
fn a_syn_leaves_from_the_interface_that_its_way_leads_over_and_not_without_one() {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let connect = |host: &mut Host, to| {
        let id = host.stack.tcp_open(Family::V4).unwrap();
        host.stack.connect(id, addr(to), host.now)
    };
    for (to, over, source) in [
        ("10.8.0.1:80", second, "10.8.0.2"),
        ("192.0.2.1:80", host.wire, OURS),
    ] {
        assert_eq!(connect(&mut host, to), Err(SocketError::InProgress));
        let sent = host.sent_over(over);
        assert_eq!(sent.len(), 1);
        assert_eq!(Seen::new(&sent[0]).ip.source, ip(source));
    }
    assert!(host.stack.remove_route(cidr("0.0.0.0/0")));
    let nowhere = connect(&mut host, "192.0.2.1:80");
    assert_eq!(nowhere, Err(SocketError::NetworkUnreachable));
    assert_eq!(host.sent().len() + host.sent_over(second).len(), 0);
}

#[test]
fn the_source_is_on_the_next_hops_link_or_what_the_route_says() {
    let mut host = Host::new();
    let addresses = ["10.8.0.2/24", "10.9.0.2/24"];
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &addresses);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let mut route = Route {
        prefix: cidr("192.0.2.0/24"),
        via: Some(ip("10.9.0.1")),
        iface: second,
        source: None,
        metric: 0,
    };
    host.stack.add_route(route).unwrap();
    assert_eq!(source(&host, "192.0.2.1"), Ok((2, ip("10.9.0.2"))));
    route.source = Some(ip("10.8.0.2"));
    host.stack.add_route(route).unwrap();
    assert_eq!(source(&host, "192.0.2.1"), Ok((2, ip("10.8.0.2"))));
}

#[test]
fn a_link_local_destination_gets_a_link_local_source() {
    let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
    let addresses = ["fd07::2/64", "fe80::2/64", "fd08::2/64"];
    let config = iface("tun0", IfaceKind::PointToPoint, 1500, &addresses);
    let id = stack.add_iface(config, DeviceCaps::default()).unwrap();
    let default = Route {
        prefix: cidr("::/0"),
        via: Some(ip("fe80::1")),
        iface: id,
        source: None,
        metric: 0,
    };
    stack.add_route(default).unwrap();
    let source = |dest| stack.route(ip(dest), None).map(|path| path.source);
    assert_eq!(source("fe80::7"), Ok(ip("fe80::2")));
    assert_eq!(source("fd08:1::7"), Ok(ip("fd08::2")));
    assert_eq!(source("2001:db8::1"), Ok(ip("fd07::2")));
}

#[test]
fn what_cannot_be_reached_says_why() {
    let mut host = Host::new();
    assert!(host.stack.remove_route(cidr("0.0.0.0/0")));
    let error = |host: &Host, dest, source: Option<&str>| {
        host.stack.route(ip(dest), source.map(ip)).unwrap_err()
    };
    assert_eq!(
        error(&host, "192.0.2.1", None),
        SocketError::NetworkUnreachable
    );
    assert_eq!(
        error(&host, PEER, Some("10.7.0.77")),
        SocketError::AddressNotAvailable
    );
    assert_eq!(
        error(&host, PEER, Some(OURS_V6)),
        SocketError::NetworkUnreachable
    );
    let leaving = error(&host, PEER, Some("127.0.0.1"));
    assert!(matches!(leaving, SocketError::InvalidInput(_)));
    host.stack.remove_iface(host.loopback);
    assert_eq!(
        error(&host, "127.0.0.1", None),
        SocketError::NetworkUnreachable
    );
    assert_eq!(error(&host, OURS, None), SocketError::NetworkUnreachable);
    host.stack.remove_iface(host.wire);
    assert_eq!(
        error(&host, "fd07::1", None),
        SocketError::NetworkUnreachable
    );
    assert_eq!(host.stack.routes().count(), 0);
    assert_eq!(host.stack.local_addresses().count(), 0);
    assert_eq!(host.stack.ifaces().count(), 0);
}

#[test]
fn impossible_interfaces_and_routes_are_refused() {
    let mut host = Host::new();
    let kind = IfaceKind::PointToPoint;
    let bad = [
        iface("tun0", kind, 1500, &["10.8.0.2/24"]),
        iface("a", kind, 575, &[]),
        iface("a", kind, 1279, &["fd08::2/64"]),
        iface("a", kind, 1500, &["10.8.0.2/33"]),
        iface("a", kind, 1500, &["224.0.0.1/24"]),
        iface("a", kind, 1500, &["0.0.0.0/24"]),
        iface("a", kind, 1500, &["ff02::1/64"]),
        iface("lo2", IfaceKind::Loopback, 65535, &["127.0.0.2/8"]),
    ];
    for config in bad {
        let text = std::format!("{config:?}");
        let outcome = host.stack.add_iface(config, DeviceCaps::default());
        assert!(
            matches!(outcome, Err(SocketError::InvalidInput(_))),
            "{text}"
        );
    }
    let good = Route {
        prefix: cidr("192.0.2.0/24"),
        via: None,
        iface: host.wire,
        source: None,
        metric: 0,
    };
    let bad = [
        Route {
            prefix: cidr("192.0.2.0/33"),
            ..good
        },
        Route {
            iface: IfaceId(9),
            ..good
        },
        Route {
            via: Some(ip("fd07::1")),
            ..good
        },
        Route {
            source: Some(ip("10.7.0.77")),
            ..good
        },
        Route {
            source: Some(ip(OURS_V6)),
            ..good
        },
    ];
    for route in bad {
        let outcome = host.stack.add_route(route);
        assert!(
            matches!(outcome, Err(SocketError::InvalidInput(_))),
            "{route:?}"
        );
    }
}

#[test]
fn two_interfaces_may_share_a_prefix_and_one_may_go() {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.7.0.3/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    assert_eq!(source(&host, "10.7.0.9"), Ok((0, ip(OURS))));
    host.stack.remove_iface(host.wire);
    assert_eq!(
        source(&host, "10.7.0.9"),
        Ok((second.index(), ip("10.7.0.3")))
    );
}

#[test]
fn routes_that_reject_tell_sockets_why() {
    let mut host = Host::new();
    let rejects = [
        (
            "192.0.2.0/24",
            Reject::Unreachable,
            SocketError::HostUnreachable,
        ),
        (
            "198.51.100.0/24",
            Reject::Prohibit,
            SocketError::PermissionDenied("a route prohibits the destination"),
        ),
        (
            "203.0.113.0/24",
            Reject::Blackhole,
            SocketError::InvalidInput("packets to the destination vanish in a route"),
        ),
    ];
    for (prefix, reject, error) in rejects {
        host.stack.add_reject(cidr(prefix), reject, 0).unwrap();
        let dest = prefix.replace("0/24", "9");
        assert_eq!(source(&host, &dest), Err(error));
    }
}

#[test]
fn a_route_beside_another_takes_its_share() {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let route = Route {
        prefix: cidr("0.0.0.0/0"),
        via: None,
        iface: second,
        source: None,
        metric: 0,
    };
    host.stack.add_route_beside(route).unwrap();
    let over = |number: u8| source(&host, &std::format!("192.0.2.{number}")).unwrap().0;
    let (first, again) = ((0..200).map(over), (0..200).map(over));
    assert!(first.clone().eq(again), "a destination keeps its way");
    let shared = first.filter(|&index| index == second.index()).count();
    assert!((60..140).contains(&shared), "{shared}");
}

#[test]
fn a_rule_sends_marked_sockets_another_way_at_once() {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let route = Route {
        prefix: cidr("0.0.0.0/0"),
        via: None,
        iface: second,
        source: None,
        metric: 0,
    };
    host.stack.add_route_to(TableId(100), route).unwrap();
    let id = host.udp("0.0.0.0:5");
    host.stack
        .connect(id, addr("192.0.2.1:7"), host.now)
        .unwrap();
    let send = |host: &mut Host| {
        let mut udp = host.stack.udp(id).unwrap();
        udp.send(Bytes::from_static(b"x"), None).unwrap();
        (host.sent().len(), host.sent_over(second).len())
    };
    assert_eq!(send(&mut host), (1, 0));
    host.stack.set_ip_option(id, IpOption::Mark(7)).unwrap();
    let rule = Rule {
        priority: 100,
        selector: Selector {
            mark: Some((7, u32::MAX)),
            ..Selector::default()
        },
        action: RuleAction::Table(TableId(100)),
    };
    host.stack.add_rule(rule);
    assert_eq!(host.stack.rules(), [rule]);
    assert_eq!(host.stack.route_table(TableId(100)).unwrap().len(), 1);
    assert_eq!(send(&mut host), (0, 1));
    assert!(host.stack.remove_rule(&rule));
    assert_eq!(send(&mut host), (1, 0));
    // So does its owner; who it is may change when the way is known.
    let words = "uidrange 1000-1999 lookup 100";
    host.stack.ip_rule(&std::format!("add {words}")).unwrap();
    assert_eq!(send(&mut host), (1, 0));
    host.stack.set_ip_option(id, IpOption::Owner(1000)).unwrap();
    assert_eq!(send(&mut host), (0, 1));
    host.stack.set_ip_option(id, IpOption::Owner(2000)).unwrap();
    assert_eq!(send(&mut host), (1, 0));
}

/// RFC 9293 MUST-44, MUST-45: the routes choose the source of the SYN; what they say later changes the
/// way, not the address.
#[test]
fn a_connection_keeps_its_source_when_the_routes_change() {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.9.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let id = host.stack.tcp_open(Family::V4).unwrap();
    let now = host.now;
    let _ = host.stack.connect(id, addr("192.0.2.1:80"), now);
    let source = |packets: Vec<TxPacket>| Seen::new(&packets[0]).ip.source;
    assert_eq!(source(host.sent()), ip(OURS));
    let elsewhere = Route {
        prefix: cidr("192.0.2.0/24"),
        via: Some(ip("10.9.0.1")),
        iface: second,
        source: None,
        metric: 0,
    };
    host.stack.add_route(elsewhere).unwrap();
    host.now += Duration::from_secs(1);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.sent().len(), 0);
    assert_eq!(source(host.sent_over(second)), ip(OURS));
}

/// As in Linux, where a new mark or owner has the way looked up again.
#[test]
fn a_connection_goes_the_way_of_its_new_owner() {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.9.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    host.stack
        .ip_route("add default dev tun1 table 100")
        .unwrap();
    host.stack
        .ip_rule("add uidrange 1000-1999 lookup 100")
        .unwrap();
    let id = host.stack.tcp_open(Family::V4).unwrap();
    let _ = host.stack.connect(id, addr("192.0.2.1:80"), host.now);
    assert_eq!(host.sent().len(), 1, "the SYN");
    host.stack.set_ip_option(id, IpOption::Owner(1000)).unwrap();
    host.now += Duration::from_secs(1);
    host.stack.handle_timeout(host.now);
    assert_eq!((host.sent().len(), host.sent_over(second).len()), (0, 1));
}

/// RFC 6724 §6.
#[test]
fn destinations_are_sorted_by_the_ways_and_sources_that_there_are() {
    let mut host = Host::new();
    let sorted = |host: &Host| {
        let mut dests = ["2001:db8::9", "192.0.2.1", "10.7.0.9", "fd07::9"].map(ip);
        host.stack.sort_destinations(&mut dests);
        dests
    };
    let near = ["10.7.0.9", "192.0.2.1", "fd07::9", "2001:db8::9"];
    assert_eq!(sorted(&host), near.map(ip), "a private source");
    let (wire, now) = (host.wire, host.now);
    let global = cidr("2001:db8:1::2/64");
    host.stack.add_address(wire, global, now).unwrap();
    let far = ["2001:db8::9", "10.7.0.9", "192.0.2.1", "fd07::9"];
    assert_eq!(sorted(&host), far.map(ip), "a global one");
    assert!(host.stack.remove_route(cidr("0.0.0.0/0")));
    assert!(host.stack.remove_route(cidr("::/0")));
    let reached = ["10.7.0.9", "fd07::9", "2001:db8::9", "192.0.2.1"];
    assert_eq!(sorted(&host), reached.map(ip), "no routers");
}

/// What is kept is looked up as it will be: a change of other routes moves no connection to another next hop.
#[test]
fn a_flow_keeps_its_next_hop_when_other_routes_change() {
    let mut host = Host::new();
    let hops: Vec<String> = (1..=8)
        .map(|last| std::format!("nexthop via 10.7.0.1{last} dev tun0 onlink"))
        .collect();
    let words = std::format!("add 192.0.2.0/24 {}", hops.join(" "));
    host.stack.ip_route(&words).unwrap();
    let to = |last: u16| addr(&std::format!("192.0.2.{last}:7"));
    let now = host.now;
    let streams: Vec<SocketId> = (1..65)
        .map(|last| {
            let id = host.stack.tcp_open(Family::V4).unwrap();
            let connecting = host.stack.connect(id, to(last), now);
            assert_eq!(connecting, Err(SocketError::InProgress));
            id
        })
        .collect();
    let datagrams: Vec<SocketId> = (1..65)
        .map(|last| {
            let id = host.stack.udp_open(Family::V4).unwrap();
            host.stack.connect(id, to(last), now).unwrap();
            id
        })
        .collect();
    let hops = |host: &mut Host| {
        for &id in &datagrams {
            let mut udp = host.stack.udp(id).unwrap();
            udp.send(Bytes::from_static(b"x"), None).unwrap();
        }
        host.now += Duration::from_secs(2);
        host.stack.handle_timeout(host.now);
        host.sent();
        let of_streams = streams
            .iter()
            .map(|&id| host.stack.sockets.tcp(id).unwrap().path);
        let peers = datagrams
            .iter()
            .map(|&id| host.stack.sockets.udp(id).unwrap().peer.as_ref());
        let of_peers = peers.map(|peer| Some(peer.unwrap().path));
        let paths = of_streams.chain(of_peers).map(|path| path.unwrap());
        paths
            .map(|path| (path.generation, path.next_hop))
            .collect::<Vec<_>>()
    };
    let before = hops(&mut host);
    let different: std::collections::BTreeSet<_> = before.iter().map(|(_, hop)| *hop).collect();
    assert_eq!(different.len(), 8);
    host.stack.ip_route("add 198.51.100.0/24 dev tun0").unwrap();
    let after = hops(&mut host);
    for (before, after) in before.iter().zip(&after) {
        assert_ne!(before.0, after.0, "it was looked up again");
        assert_eq!(before.1, after.1);
    }
}
