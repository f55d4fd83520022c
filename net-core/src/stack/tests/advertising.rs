//! A router that advertises itself (RFC 4861 §6.2), and hosts that hear it.

use super::autoconf::{claim, own, pass};
use super::ethernet::{MAC, PEER_MAC, ndp, station_with, unwrap, v6};
use super::*;
use crate::SocketError;
use crate::advertising::{AdvDnsServers, AdvPrefix, RouterAdvertising};
use crate::autoconf::AddressState;
use crate::neighbor::NeighborState;
use crate::time::Duration;
use crate::wire::ethernet::{ALL_NODES, ALL_ROUTERS};
use crate::wire::ndp::{HOP_LIMIT, Lifetime, Preference, RouteInformation, RouterAdvert};
use crate::wire::{MacAddr, NdpMessage, NdpOption};
use core::net::Ipv6Addr;
use std::vec;

const ASKER: &str = "fe80::1";

pub(super) fn config() -> RouterAdvertising {
    RouterAdvertising {
        adv_send_advertisements: true,
        adv_prefix_list: vec![AdvPrefix::new(v6("fd07::"), 64)],
        ..RouterAdvertising::default()
    }
}

pub(super) fn configure(host: &mut Host, config: RouterAdvertising) {
    let (wire, now) = (host.wire, host.now);
    let set = host.stack.set_router_advertising(wire, config, now);
    set.unwrap();
}

/// A router with fe80::2 and fd07::2, which has advertised itself once, ten seconds ago.
fn router() -> Host {
    router_with(config())
}

pub(super) fn router_with(config: RouterAdvertising) -> Host {
    let mut host = station_with(&["fe80::2/64", "fd07::2/64"]);
    let wire = host.wire;
    host.stack.set_forwarding(wire, true).unwrap();
    configure(&mut host, config);
    assert!(host.stack.is_advertising(wire));
    assert_eq!(said_for(&mut host, 10).len(), 1);
    host
}

/// What the host says in so many seconds of itself as a router: its source and the message.
fn said_for(host: &mut Host, seconds: u64) -> Vec<(IpAddr, RouterAdvert)> {
    let all = pass(host, Duration::from_secs(seconds)).into_iter();
    let adverts = all.filter_map(|(link, ip, message, _)| match message {
        NdpMessage::RouterAdvert(advert) => {
            assert_eq!(ip.dest, IpAddr::V6(ALL_NODES));
            assert_eq!(Some(link.dest), MacAddr::of_group(ip.dest));
            Some((ip.source, advert))
        }
        _ => None,
    });
    adverts.collect()
}

fn solicit(source: &str, hops: u8, options: &[NdpOption<'_>]) -> RxPacket {
    ndp(
        source,
        ALL_ROUTERS,
        hops,
        NdpMessage::RouterSolicit,
        options,
    )
}

const STATION: NdpOption<'_> = NdpOption::SourceLinkLayer(PEER_MAC);

/// RFC 4861 §6.2.2, §6.2.4.
#[test]
fn only_a_router_that_is_told_to_advertises_itself() {
    let mut host = station_with(&["fe80::2/64", "fd07::2/64"]);
    let wire = host.wire;
    let told = host.stack.router_advertising(wire, host.now).unwrap();
    assert_eq!(told, RouterAdvertising::default());
    host.stack.set_forwarding(wire, true).unwrap();
    host.inject(solicit(ASKER, 255, &[STATION]));
    host.assert_dropped(DropReason::IcmpIrrelevant, 1);
    assert_eq!(said_for(&mut host, 4000), []);
    host.stack.set_forwarding(wire, false).unwrap();
    configure(&mut host, config());
    host.inject(solicit(ASKER, 255, &[STATION]));
    assert_eq!(said_for(&mut host, 4000), [], "a host must not");
    assert!(!host.stack.is_advertising(wire));
    host.stack.set_forwarding(wire, true).unwrap();
    let said = said_for(&mut host, 1);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, ip("fe80::2"), "from its link-local address");
    assert_eq!(said[0].1.lifetime, 1800);
    assert!(host.stack.is_member(wire, ALL_ROUTERS.into(), ip(ASKER)));
    assert_eq!(
        host.stack.router_advertising(wire, host.now),
        Some(config())
    );
    assert_eq!(host.stack.stats().router_advertisements, 1);
}

/// RFC 4862 §5.3.
#[test]
fn a_router_without_a_link_local_address_forms_one_and_advertises_from_it() {
    let mut host = station_with(&["fd07::2/64"]);
    let wire = host.wire;
    host.stack.set_forwarding(wire, true).unwrap();
    configure(&mut host, config());
    assert!(!host.stack.is_advertising(wire), "nothing to send it from");
    let said = said_for(&mut host, 3);
    let formed = own(&host).into_iter().find(Ipv6Addr::is_unicast_link_local);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, IpAddr::V6(formed.unwrap()));
}

/// RFC 4862 §5.3, RFC 4861 §6.2.8: also where the one that it was given is somebody else's, or is taken away.
#[test]
fn a_router_that_loses_its_last_link_local_address_forms_one() {
    let mut host = station_with(&["fd07::2/64"]);
    let (wire, now) = (host.wire, host.now);
    host.stack.set_forwarding(wire, true).unwrap();
    let given = v6("fe80::2");
    let stack = &mut host.stack;
    stack.add_address(wire, cidr("fe80::2/64"), now).unwrap();
    configure(&mut host, config());
    assert_eq!(host.stack.addresses(wire).count(), 2, "one will do");
    host.inject(claim(given));
    let said = said_for(&mut host, 5);
    let formed = own(&host).into_iter().find(Ipv6Addr::is_unicast_link_local);
    let formed = formed.expect("an address");
    assert_ne!(formed, given);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, IpAddr::V6(formed));
    let now = host.now;
    assert!(host.stack.remove_address(wire, formed.into(), now));
    assert!(!host.stack.is_advertising(wire));
    said_for(&mut host, 5);
    assert!(host.stack.is_advertising(wire));
    // Others have all that it may choose: it gives up, and shows that.
    let now = host.now;
    host.stack.remove_address(wire, formed.into(), now);
    let mut choices = 0;
    for _ in 0..20 {
        let mut all = host.stack.addresses(wire);
        let checked = all.find(|each| each.state == AddressState::Tentative);
        drop(all);
        let Some(checked) = checked else {
            break;
        };
        let IpAddr::V6(address) = checked.cidr.address else {
            panic!("{checked:?}");
        };
        host.inject(claim(address));
        choices += 1;
    }
    assert_eq!(choices, 4);
    said_for(&mut host, 600);
    assert!(!host.stack.is_advertising(wire));
    let now = host.now;
    host.stack.remove_address(wire, given.into(), now);
    let states = host.stack.addresses(wire).map(|each| each.state);
    let taken = states.filter(|state| *state == AddressState::Duplicate);
    assert_eq!(taken.count(), 1);
}

#[test]
fn nothing_is_due_on_an_interface_that_has_taken_its_leave_or_is_gone() {
    let mut host = router();
    assert!(host.stack.poll_timeout().is_some());
    let (wire, now) = (host.wire, host.now);
    host.stack.cease_advertising(wire, now);
    assert_eq!(host.stack.poll_timeout(), None);
    let mut host = router();
    host.stack.remove_iface(wire);
    assert_eq!(host.stack.poll_timeout(), None);
}

/// RFC 4861 §6.2.6.
#[test]
fn who_asks_for_routers_is_answered_to_all_and_known_as_a_host() {
    let mut host = router();
    for _ in 0..3 {
        host.inject(solicit(ASKER, 255, &[STATION]));
    }
    let begun = host.now;
    assert!(host.stack.poll_timeout().unwrap() <= begun + Duration::from_millis(500));
    assert_eq!(said_for(&mut host, 2).len(), 1, "one answer for all");
    let neighbor = |host: &Host| {
        let mut all = host.stack.neighbors();
        all.find(|each| each.address == ip(ASKER))
    };
    let known = neighbor(&host).unwrap();
    assert_eq!(known.state, NeighborState::Stale);
    assert_eq!((known.mac, known.router), (Some(PEER_MAC), false));
    // Another station is taken, and doubted.
    let other = MacAddr::local(9);
    host.inject(solicit(ASKER, 255, &[NdpOption::SourceLinkLayer(other)]));
    let known = neighbor(&host).unwrap();
    assert_eq!(
        (known.mac, known.state),
        (Some(other), NeighborState::Stale)
    );
    // Who has advertised himself as a router and now asks for one is none, also without a station.
    let advert = autoconf::advert(1800, Preference::Medium);
    host.inject(ndp(ASKER, ALL_NODES, 255, advert, &[STATION]));
    assert!(neighbor(&host).unwrap().router);
    host.inject(solicit(ASKER, 255, &[]));
    assert!(!neighbor(&host).unwrap().router);
    // Nobody is known by an address that is none.
    let before = host.stack.neighbors().count();
    pass(&mut host, Duration::from_secs(5));
    host.inject(solicit("::", 255, &[]));
    assert_eq!(host.stack.neighbors().count(), before);
    assert_eq!(said_for(&mut host, 2).len(), 1);
}

/// RFC 4861 §6.1.1.
#[test]
fn solicitations_that_are_not_valid_are_dropped_by_their_reason() {
    let mut host = router();
    // Until it says nothing by itself for a while.
    assert_eq!(said_for(&mut host, 30).len(), 2);
    let frame = |change: fn(&mut Vec<u8>)| {
        // A frame whose ICMPv6 message is changed, and summed again.
        let mut bytes = Vec::new();
        NdpMessage::RouterSolicit.emit(&[STATION], &mut bytes);
        change(&mut bytes);
        let mut packet = TxPacket::default();
        packet.head.prepend(bytes.len()).copy_from_slice(&bytes);
        let (source, dest) = (ip(ASKER), IpAddr::V6(ALL_ROUTERS));
        transport::fill_checksum(&mut packet, source, dest, ip::ICMPV6, false);
        let header = IpHeader::new(source, dest, ip::ICMPV6, packet.len());
        let header = IpHeader {
            ttl: HOP_LIMIT,
            ..header
        };
        header.emit(&mut packet.head);
        ethernet::framed(&packet)
    };
    let hops = solicit(ASKER, 254, &[STATION]);
    let from_nobody = solicit("::", 255, &[STATION]);
    let code = frame(|bytes| bytes[1] = 1);
    let option = frame(|bytes| bytes[9] = 0);
    let short = frame(|bytes| bytes.truncate(7));
    let mut sum = frame(|_| {});
    sum.frame[14 + 40 + 4] ^= 1;
    let broken = [
        (hops, DropReason::Ndp),
        (from_nobody, DropReason::Ndp),
        (code, DropReason::Ndp),
        (option, DropReason::Ndp),
        (short, DropReason::Truncated),
        (sum, DropReason::TransportChecksum),
    ];
    for (packet, reason) in broken {
        let before = host.stack.stats().drops(reason);
        host.inject(packet);
        host.assert_dropped(reason, before + 1);
        assert_eq!(said_for(&mut host, 1), [], "{reason}");
    }
    // Reserved bits, unknown options and those of other messages say nothing.
    host.inject(frame(|bytes| {
        bytes[4..8].fill(0xff);
        bytes.extend([77, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend([5, 1, 0, 0, 0, 0, 5, 0]);
    }));
    assert_eq!(said_for(&mut host, 1).len(), 1);
}

/// RFC 4861 §6.2.5, RFC 4191 §4.
#[test]
fn an_interface_that_ceases_to_advertise_or_to_forward_says_so_three_times() {
    let route = RouteInformation {
        prefix: v6("fd08::"),
        prefix_len: 48,
        preference: Preference::High,
        lifetime: Lifetime(600),
    };
    let with_route = RouterAdvertising {
        adv_route_list: vec![route],
        ..config()
    };
    for forwards in [true, false] {
        let mut host = router_with(with_route.clone());
        let wire = host.wire;
        if forwards {
            configure(&mut host, RouterAdvertising::default());
        } else {
            host.stack.set_forwarding(wire, false).unwrap();
        }
        assert!(!host.stack.is_advertising(wire));
        let now = host.now;
        host.stack.handle_timeout(now);
        let sent = host.sent();
        let last = sent.iter().map(|packet| unwrap(packet).1);
        let mut last = last.filter(|bytes| bytes[6] == 58 && bytes[40] == 134);
        let last = last.next().expect("at once");
        let (_, options) = NdpMessage::parse(&last[40..]).unwrap();
        let gone = RouteInformation {
            lifetime: Lifetime(0),
            ..route
        };
        let all: Vec<_> = options.into_iter().collect();
        assert_eq!(
            all,
            [NdpOption::SourceLinkLayer(MAC), NdpOption::Route(gone)]
        );
        host.inject(solicit(ASKER, 255, &[STATION]));
        let said = said_for(&mut host, 4000);
        assert_eq!(said.len(), 2, "and twice more");
        assert!(said.iter().all(|(_, advert)| advert.lifetime == 0));
    }
}

#[test]
fn what_is_about_to_be_removed_takes_its_leave_at_once() {
    let mut host = router();
    let (wire, now) = (host.wire, host.now);
    assert!(host.stack.cease_advertising(wire, now));
    let said = said_for(&mut host, 4000);
    let lifetimes: Vec<_> = said.iter().map(|(_, advert)| advert.lifetime).collect();
    assert_eq!(lifetimes, [0]);
    assert!(!host.stack.cease_advertising(wire, now));
    host.stack.remove_iface(wire);
    assert_eq!(host.stack.router_advertising(wire, now), None);
}

/// RFC 4861 §6.2.8.
#[test]
fn a_link_local_address_that_goes_is_no_routers_and_another_one_is() {
    let mut host = router();
    let (wire, now) = (host.wire, host.now);
    // Another one beside it changes nothing.
    let stack = &mut host.stack;
    stack.add_address(wire, cidr("fe80::3/64"), now).unwrap();
    assert!(
        said_for(&mut host, 10)
            .iter()
            .all(|said| said.0 == ip("fe80::2"))
    );
    let now = host.now;
    host.stack.remove_address(wire, ip("fe80::2"), now);
    let said = said_for(&mut host, 20);
    let said: Vec<_> = said.iter().map(|said| (said.0, said.1.lifetime)).collect();
    let new = (ip("fe80::3"), 1800);
    assert_eq!(said, [(ip("fe80::2"), 0), new, new]);
}

#[test]
fn what_cannot_advertise_is_refused() {
    let mut host = station_with(&["fe80::2/64"]);
    let (wire, loopback, now) = (host.wire, host.loopback, host.now);
    let set =
        |host: &mut Host, iface, config| host.stack.set_router_advertising(iface, config, now);
    let refused = |set| matches!(set, Err(SocketError::InvalidInput(_)));
    assert!(refused(set(&mut host, loopback, config())));
    let broken = RouterAdvertising {
        max_rtr_adv_interval: Duration::from_secs(2),
        ..config()
    };
    assert!(refused(set(&mut host, wire, broken)));
    let told = host.stack.router_advertising(wire, now).unwrap();
    assert_eq!(told, RouterAdvertising::default(), "nothing has changed");
    set(&mut host, wire, config()).unwrap();
    assert!(refused(host.stack.autoconfigure(wire, now)), "a router's");
    set(&mut host, wire, RouterAdvertising::default()).unwrap();
    host.stack.autoconfigure(wire, now).unwrap();
    assert!(refused(set(&mut host, wire, config())), "a host's");
    let nowhere = IfaceId(99);
    let none = set(&mut host, nowhere, config());
    assert_eq!(none, Err(SocketError::NoSuchInterface));
}

/// A frame goes on to everybody else on the link.
fn exchange(hosts: &mut [Host], seconds: u64) {
    let until = hosts[0].now + Duration::from_secs(seconds);
    loop {
        let mut moved = false;
        for from in 0..hosts.len() {
            for packet in hosts[from].sent() {
                moved = true;
                for (to, host) in hosts.iter_mut().enumerate() {
                    if to != from {
                        host.inject(linear(&packet));
                    }
                }
            }
        }
        if moved {
            continue;
        }
        let next = hosts.iter().filter_map(|host| host.stack.poll_timeout());
        let now = next.min().unwrap_or(until).min(until);
        for host in &mut *hosts {
            host.now = host.now.max(now);
            host.stack.handle_timeout(host.now);
        }
        if now == until {
            return;
        }
    }
}

#[test]
fn our_host_configures_itself_by_our_router_until_that_is_none_any_more() {
    let mut client = station_with(&[]);
    // The test's own stations have one address; the client needs another.
    client.stack = Stack::new(Config::default(), Seed::from_u64(8), client.now);
    let mac = MacAddr::new([2, 0, 0, 0, 0, 3]);
    let wire = iface("eth0", IfaceKind::Ethernet(mac), 1500, &[]);
    client.wire = client.stack.add_iface(wire, DeviceCaps::default()).unwrap();
    let mut router = router_with(RouterAdvertising {
        adv_rdnss_list: vec![AdvDnsServers {
            servers: vec![v6("fd07::2")],
            lifetime: None,
        }],
        adv_route_list: vec![RouteInformation {
            prefix: v6("fd08::"),
            prefix_len: 48,
            preference: Preference::Medium,
            lifetime: Lifetime(600),
        }],
        ..config()
    });
    client.now = router.now;
    let (wire, now) = (client.wire, client.now);
    client.stack.autoconfigure(wire, now).unwrap();
    let mut hosts = [client, router];
    // Long before the next advertisement that nobody asks for.
    exchange(&mut hosts, 5);
    [client, router] = hosts;
    let formed = own(&client)
        .into_iter()
        .find(|own| !own.is_unicast_link_local());
    let formed = formed.expect("an address");
    assert_eq!(formed.segments()[..4], [0xfd07, 0, 0, 0]);
    let mut states = client.stack.addresses(wire);
    assert!(states.all(|each| each.state == AddressState::Preferred));
    drop(states);
    let by_router = |client: &Host, dest: &str| {
        let path = client.stack.route(ip(dest), None);
        path.is_ok_and(|path| path.next_hop == ip("fe80::2"))
    };
    assert!(by_router(&client, "2001:db8::1") && by_router(&client, "fd08::1"));
    let servers: Vec<_> = client.stack.dns_servers(wire).collect();
    assert_eq!(servers, [ip("fd07::2")]);
    let over = router.wire;
    router.stack.set_forwarding(over, false).unwrap();
    let mut hosts = [client, router];
    exchange(&mut hosts, 1);
    let [client, _] = hosts;
    assert!(!by_router(&client, "2001:db8::1") && !by_router(&client, "fd08::1"));
    assert!(
        own(&client).contains(&formed),
        "the prefix may be of others"
    );
}
