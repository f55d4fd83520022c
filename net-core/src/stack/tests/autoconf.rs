//! IPv6 autoconfiguration: addresses formed, checked and given up; routers that come and go.

use super::ethernet::{MAC, ndp, read_ndp, station_with, v6};
use super::*;
use crate::autoconf::AddressState;
use crate::time::Duration;
use crate::wire::ethernet::{ALL_NODES, ALL_ROUTERS, solicited_node};
use crate::wire::ndp::{Lifetime, NeighborAdvert, Preference, PrefixInformation, RouterAdvert};
use crate::wire::{EthernetHeader, MacAddr, NdpMessage, NdpOption};
use core::net::Ipv6Addr;

pub(super) const ROUTER: &str = "fe80::1";
pub(super) const OTHER_ROUTER: &str = "fe80::9";

/// A message of neighbour discovery with its headers and the link-layer address that it tells.
type Said = (EthernetHeader, IpHeader, NdpMessage, Option<MacAddr>);

/// A host whose interface begins to configure itself.
fn begun() -> Host {
    let mut host = station_with(&[]);
    let (wire, now) = (host.wire, host.now);
    host.stack.autoconfigure(wire, now).unwrap();
    host
}

/// The same with its link-local address, and its first router solicitation sent.
pub(super) fn configured() -> Host {
    let mut host = begun();
    pass(&mut host, Duration::from_secs(2));
    host
}

/// Lets every timer up to `time` from now fire at its own time; what is said of neighbour discovery.
pub(super) fn pass(host: &mut Host, time: Duration) -> Vec<Said> {
    let until = host.now + time;
    let mut sent = host.sent();
    while let Some(at) = host.stack.poll_timeout().filter(|&at| at <= until) {
        host.now = host.now.max(at);
        host.stack.handle_timeout(host.now);
        sent.extend(host.sent());
    }
    host.now = until;
    // Reports of memberships have Hop-by-Hop options.
    let is_ndp = |packet: &&TxPacket| bytes_of(packet)[14 + 6] == 58;
    sent.iter().filter(is_ndp).map(read_ndp).collect()
}

pub(super) fn own(host: &Host) -> Vec<Ipv6Addr> {
    let all = host.stack.local_addresses();
    all.filter_map(|address| match address {
        IpAddr::V6(v6) if !v6.is_loopback() => Some(v6),
        _ => None,
    })
    .collect()
}

/// The address in a prefix that routers told, with its state.
fn global(host: &Host) -> Option<(Ipv6Addr, AddressState)> {
    let mut all = host.stack.addresses(host.wire);
    all.find_map(|status| match status.cidr.address {
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => Some((v6, status.state)),
        _ => None,
    })
}

pub(super) fn advert(lifetime: u16, preference: Preference) -> NdpMessage {
    NdpMessage::RouterAdvert(RouterAdvert {
        hop_limit: 64,
        managed: false,
        other: false,
        preference,
        lifetime,
        reachable_time: 0,
        retrans_timer: 0,
    })
}

pub(super) fn prefix(valid: u32, preferred: u32) -> NdpOption<'static> {
    NdpOption::Prefix(PrefixInformation {
        prefix: v6("2001:db8:1::"),
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid: Lifetime(valid),
        preferred: Lifetime(preferred),
    })
}

pub(super) fn advertise(host: &mut Host, lifetime: u16, options: &[NdpOption<'_>]) {
    let message = advert(lifetime, Preference::Medium);
    host.inject(ndp(ROUTER, ALL_NODES, 255, message, options));
}

pub(super) fn claim(target: Ipv6Addr) -> RxPacket {
    let claim = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: false,
        solicited: false,
        overrides: true,
        target,
    });
    let option = [NdpOption::TargetLinkLayer(MacAddr::local(5))];
    ndp(&std::format!("{target}"), ALL_NODES, 255, claim, &option)
}

#[test]
fn a_link_local_address_is_used_once_nobody_else_claims_it() {
    let mut host = begun();
    assert!(own(&host).is_empty());
    let said = pass(&mut host, Duration::from_secs(1));
    let (_, header, message, mac) = said[0];
    let NdpMessage::NeighborSolicit { target } = message else {
        panic!("{message:?}");
    };
    assert!(target.is_unicast_link_local());
    assert_eq!(header.source, IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    assert_eq!(header.dest, IpAddr::V6(solicited_node(target)));
    assert_eq!(mac, None, "RFC 4862 §5.4.2: no link-layer address");
    let states: Vec<_> = host
        .stack
        .addresses(host.wire)
        .map(|each| each.state)
        .collect();
    assert_eq!(states, [AddressState::Tentative]);
    let said = pass(&mut host, Duration::from_secs(60));
    assert_eq!(own(&host), [target]);
    // And routers are asked for, after 4, 8, 16 and 32 seconds again (RFC 7559).
    assert!((4..=5).contains(&said.len()), "{said:?}");
    let (_, header, message, mac) = said[0];
    assert_eq!(message, NdpMessage::RouterSolicit);
    let ends = (header.source, header.dest);
    assert_eq!(ends, (target.into(), ALL_ROUTERS.into()));
    assert_eq!(mac, Some(MAC));
}

/// RFC 7217 §5.
#[test]
fn a_host_that_starts_anew_has_its_address_again_if_it_keeps_its_secret() {
    let address = |seed, secret: Option<u64>| {
        let config = Config {
            stable_secret: secret.map(Seed::from_u64),
            ..Config::default()
        };
        let now = Instant::from_millis(1);
        let mut stack = Stack::new(config, Seed::from_u64(seed), now);
        let wire = iface("eth0", IfaceKind::Ethernet(MAC), 1500, &[]);
        let wire = stack.add_iface(wire, DeviceCaps::default()).unwrap();
        stack.autoconfigure(wire, now).unwrap();
        stack.addresses(wire).next().unwrap().cidr
    };
    assert_eq!(address(1, Some(9)), address(2, Some(9)));
    assert_ne!(address(1, Some(9)), address(1, Some(8)));
    assert_ne!(address(1, None), address(2, None));
}

#[test]
fn an_address_that_somebody_has_is_replaced_and_after_three_given_up() {
    let mut host = begun();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let said = pass(&mut host, Duration::from_millis(999));
        let Some(&(_, _, NdpMessage::NeighborSolicit { target }, _)) = said.first() else {
            panic!("no check: {said:?}");
        };
        assert!(!seen.contains(&target));
        seen.push(target);
        host.inject(claim(target));
    }
    let said = pass(&mut host, Duration::from_secs(60));
    assert_eq!((seen.len(), own(&host).len()), (4, 0));
    assert_eq!(host.stack.stats().address_conflicts, 4);
    assert_eq!(said.len(), 0, "without an address nothing is said");
    let states: Vec<_> = host
        .stack
        .addresses(host.wire)
        .map(|each| each.state)
        .collect();
    assert_eq!(states, [AddressState::Duplicate]);
}

#[test]
fn a_check_that_the_link_brings_back_is_made_again_and_is_no_conflict() {
    let mut host = begun();
    let mut sent = Vec::new();
    while sent.is_empty() {
        host.now = host.stack.poll_timeout().unwrap();
        host.stack.handle_timeout(host.now);
        sent.extend(
            host.sent()
                .into_iter()
                .filter(|packet| bytes_of(packet)[20] == 58),
        );
    }
    host.inject(linear(&sent[0]));
    // RFC 7527 §4.1: three more.
    let said = pass(&mut host, Duration::from_millis(3500));
    let checks = said
        .iter()
        .filter(|said| matches!(said.2, NdpMessage::NeighborSolicit { .. }));
    assert_eq!((checks.count(), own(&host).len()), (3, 0));
    pass(&mut host, Duration::from_secs(1));
    assert_eq!(own(&host).len(), 1);
    // Without our nonce it is somebody else's.
    let mut host = begun();
    let said = pass(&mut host, Duration::from_secs(1));
    let NdpMessage::NeighborSolicit { target } = said[0].2 else {
        panic!("{said:?}");
    };
    let option = [NdpOption::Nonce(&[9; 6])];
    host.inject(ndp("::", solicited_node(target), 255, said[0].2, &option));
    pass(&mut host, Duration::from_millis(10));
    assert!(!own(&host).contains(&target));
    assert_eq!(host.stack.stats().address_conflicts, 1);
}

#[test]
fn an_address_added_at_run_time_is_checked_too() {
    let mut host = station_with(&["fe80::2/64"]);
    let (wire, now) = (host.wire, host.now);
    host.stack
        .add_address(wire, cidr("fd07::2/64"), now)
        .unwrap();
    let again = host.stack.add_address(wire, cidr("fd07::2/64"), now);
    assert_eq!(again, Err(crate::SocketError::AddressInUse));
    pass(&mut host, Duration::from_millis(100));
    // Who asks for its station gets no answer yet (RFC 4862 §5.4.3).
    let target = v6("fd07::2");
    let solicit = NdpMessage::NeighborSolicit { target };
    let option = [NdpOption::SourceLinkLayer(MacAddr::local(5))];
    host.inject(ndp(
        "fe80::1",
        solicited_node(target),
        255,
        solicit,
        &option,
    ));
    assert_eq!(pass(&mut host, Duration::from_millis(100)).len(), 0);
    pass(&mut host, Duration::from_secs(1));
    assert!(own(&host).contains(&target));
    let path = host.stack.route(ip("fd07::9"), None).unwrap();
    assert_eq!((path.source, path.next_hop), (ip("fd07::2"), ip("fd07::9")));
    // Another one that is taken stays visible, and unused.
    let now = host.now;
    host.stack
        .add_address(wire, cidr("fd07::3/64"), now)
        .unwrap();
    host.inject(claim(v6("fd07::3")));
    pass(&mut host, Duration::from_secs(5));
    let mut all = host.stack.addresses(wire);
    let taken = all.find(|each| each.cidr.address == ip("fd07::3")).unwrap();
    assert_eq!(taken.state, AddressState::Duplicate);
    drop(all);
    for (address, had) in [("fd07::2", true), ("fd07::3", true), ("fd07::4", false)] {
        assert_eq!(host.stack.remove_address(wire, ip(address), host.now), had);
    }
    assert_eq!(own(&host), [v6("fe80::2")]);
    assert!(host.stack.route(ip("fd07::9"), None).is_err());
}

#[test]
fn the_route_to_a_prefix_stays_while_an_address_in_it_does() {
    let mut host = station_with(&["fe80::2/64"]);
    let wire = host.wire;
    for address in ["10.9.0.2/24", "10.9.0.3/24"] {
        let now = host.now;
        host.stack.add_address(wire, cidr(address), now).unwrap();
    }
    let source = |host: &Host| {
        host.stack
            .route(ip("10.9.0.9"), None)
            .map(|path| path.source)
    };
    assert_eq!(source(&host), Ok(ip("10.9.0.2")));
    // Who has looked up a way from or to it looks again, though no route goes.
    let (now, four) = (host.now, "10.9.0.4/24");
    host.stack.add_address(wire, cidr(four), now).unwrap();
    let before = host.stack.route_generation();
    assert!(host.stack.remove_address(wire, ip("10.9.0.4"), host.now));
    assert_ne!(host.stack.route_generation(), before);
    assert!(host.stack.remove_address(wire, ip("10.9.0.2"), host.now));
    assert_eq!(source(&host), Ok(ip("10.9.0.3")));
    assert!(host.stack.remove_address(wire, ip("10.9.0.3"), host.now));
    assert!(source(&host).is_err());
}

#[test]
fn a_router_gives_an_address_a_way_out_and_dns_servers() {
    let mut host = configured();
    let servers = [v6("2001:db8::53").octets()];
    let dns = NdpOption::DnsServers {
        lifetime: Lifetime(600),
        servers: &servers,
    };
    advertise(&mut host, 1800, &[prefix(7200, 3600), dns]);
    assert_eq!(global(&host).unwrap().1, AddressState::Tentative);
    pass(&mut host, Duration::from_secs(2));
    let (address, state) = global(&host).unwrap();
    assert_eq!(state, AddressState::Preferred);
    assert_eq!(address.segments()[..4], [0x2001, 0xdb8, 1, 0]);
    let wire = host.wire;
    assert!(host.stack.dns_servers(wire).eq([ip("2001:db8::53")]));
    let path = host.stack.route(ip("2001:db8:ffff::1"), None).unwrap();
    assert_eq!((path.next_hop, path.source), (ip(ROUTER), address.into()));
    let path = host.stack.route(ip("2001:db8:1::77"), None).unwrap();
    assert_eq!(path.next_hop, ip("2001:db8:1::77"), "on the link");
    // What is not renewed ends.
    pass(&mut host, Duration::from_secs(601));
    assert_eq!(host.stack.dns_servers(wire).count(), 0);
    pass(&mut host, Duration::from_secs(1200));
    assert!(host.stack.route(ip("2001:db8:ffff::1"), None).is_err());
    pass(&mut host, Duration::from_secs(1800));
    assert_eq!(global(&host).unwrap().1, AddressState::Deprecated);
    pass(&mut host, Duration::from_secs(3600));
    assert_eq!(own(&host).len(), 1, "the link-local address alone");
    assert!(host.stack.route(ip("2001:db8:1::77"), None).is_err());
    assert_eq!(host.stack.poll_timeout(), None);
}

#[test]
fn new_connections_begin_from_addresses_that_are_not_deprecated() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 60)]);
    let other = NdpOption::Prefix(PrefixInformation {
        prefix: v6("2001:db8:2::"),
        prefix_len: 64,
        on_link: false,
        autonomous: true,
        valid: Lifetime(7200),
        preferred: Lifetime(7200),
    });
    advertise(&mut host, 1800, &[other]);
    pass(&mut host, Duration::from_secs(2));
    let source = |host: &Host| {
        host.stack
            .route(ip("2001:db8:1:1::1"), None)
            .unwrap()
            .source
    };
    let old = source(&host);
    let generation = host.stack.route_generation();
    pass(&mut host, Duration::from_secs(60));
    assert_ne!(source(&host), old);
    assert_ne!(
        host.stack.route_generation(),
        generation,
        "sockets look again"
    );
    // A renewal makes it preferred again.
    advertise(&mut host, 1800, &[prefix(7200, 60)]);
    assert_eq!(source(&host), old);
}

#[test]
fn nobody_can_make_an_address_end_within_two_hours() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(86_400, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    assert_eq!(own(&host).len(), 2);
    advertise(&mut host, 1800, &[prefix(0, 0)]);
    pass(&mut host, Duration::from_secs(7100));
    assert_eq!(own(&host).len(), 2);
    pass(&mut host, Duration::from_secs(200));
    assert_eq!(own(&host).len(), 1);
}

#[test]
fn the_preferred_router_is_used_until_it_says_that_it_is_none() {
    let mut host = configured();
    let to = ip("2001:db8:ffff::1");
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    let better = advert(1800, Preference::High);
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, better, &[]));
    pass(&mut host, Duration::from_secs(2));
    let next_hop = |host: &Host| host.stack.route(to, None).map(|path| path.next_hop);
    assert_eq!(next_hop(&host), Ok(ip(OTHER_ROUTER)));
    let gone = advert(0, Preference::Medium);
    host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, gone, &[]));
    assert_eq!(next_hop(&host), Ok(ip(ROUTER)));
}

#[test]
fn a_router_that_does_not_answer_gives_way_until_it_is_heard() {
    let mut host = configured();
    let to = ip("2001:db8:ffff::1");
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    let better = || {
        ndp(
            OTHER_ROUTER,
            ALL_NODES,
            255,
            advert(1800, Preference::High),
            &[],
        )
    };
    host.inject(better());
    pass(&mut host, Duration::from_secs(2));
    let next_hop = |host: &Host| host.stack.route(to, None).unwrap().next_hop;
    let socket = host.udp("[::]:9");
    let mut udp = host.stack.udp(socket).unwrap();
    udp.send(Bytes::from_static(b"x"), Some(SocketAddr::new(to, 7)))
        .unwrap();
    assert_eq!(next_hop(&host), ip(OTHER_ROUTER));
    pass(&mut host, Duration::from_secs(4));
    assert_eq!(next_hop(&host), ip(ROUTER), "RFC 4191 §3.2");
    host.inject(better());
    assert_eq!(next_hop(&host), ip(OTHER_ROUTER));
}

#[test]
fn an_interface_that_does_not_configure_itself_follows_no_router() {
    let mut host = station_with(&["fe80::2/64"]);
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    assert_eq!(own(&host).len(), 1);
    assert!(host.stack.route(ip("2001:db8:ffff::1"), None).is_err());
}

#[test]
fn a_flood_of_advertisements_is_bounded() {
    let mut host = configured();
    for number in 0..500_u16 {
        let option = NdpOption::Prefix(PrefixInformation {
            prefix: Ipv6Addr::new(0x2001, 0xdb8, 2, number, 0, 0, 0, 0),
            prefix_len: 64,
            on_link: true,
            autonomous: true,
            valid: Lifetime(7200),
            preferred: Lifetime(3600),
        });
        let router = std::format!("fe80::{:x}", number + 0x100);
        let message = advert(1800, Preference::Medium);
        host.inject(ndp(&router, ALL_NODES, 255, message, &[option]));
    }
    pass(&mut host, Duration::from_secs(2));
    assert!(own(&host).len() <= 17, "{}", own(&host).len());
    assert!(host.stack.routes().count() < 60);
    let wire = host.wire;
    host.stack.remove_iface(wire);
    assert_eq!(host.stack.poll_timeout(), None);
}
