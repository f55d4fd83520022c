//! Messages of neighbour discovery that break the rules of their kind, and groups and addresses at the end
//! of their time (RFC 4861 §6.1.2, §7.1, §7.2.1, §8.1, RFC 4862 §5.4.1, §5.5).

use super::autoconf::{ROUTER, advert, advertise, claim, configured, own, pass, prefix};
use super::ethernet::{framed, ndp, station_with, v6};
use super::*;
use crate::autoconf::AddressState;
use crate::neighbor::NeighborState;
use crate::time::Duration;
use crate::wire::ethernet::{ALL_NODES, solicited_node};
use crate::wire::ndp::{Lifetime, NeighborAdvert, Preference, PrefixInformation, RouterAdvert};
use crate::wire::{MacAddr, NdpMessage, NdpOption};

const STATION: NdpOption<'_> = NdpOption::SourceLinkLayer(MacAddr::new([2, 0, 0, 0, 0, 9]));
const TARGET: NdpOption<'_> = NdpOption::TargetLinkLayer(MacAddr::new([2, 0, 0, 0, 0, 9]));

/// A host that follows a router, and what it knows: routes, neighbours, addresses.
fn guided() -> Host {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 3600)]);
    pass(&mut host, Duration::from_secs(2));
    host
}

fn knowledge(host: &Host) -> (usize, usize, usize) {
    let (routes, neighbors) = (host.stack.routes(), host.stack.neighbors());
    (routes.count(), neighbors.count(), own(host).len())
}

#[test]
fn messages_that_break_the_rules_of_their_kind_change_nothing() {
    let mut host = guided();
    let ours = own(&host)[0];
    let group = solicited_node(ours);
    let tells = advert(1800, Preference::High);
    let asks = NdpMessage::NeighborSolicit { target: ours };
    let says = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: false,
        solicited: true,
        overrides: true,
        target: v6(ROUTER),
    });
    let names = |target: &str, dest: &str| NdpMessage::Redirect {
        target: v6(target),
        dest: v6(dest),
    };
    let (better, far) = ("fe80::99", "2001:db8:9::9");
    let before = knowledge(&host);
    let broken = [
        // Not from a router's address on the link, or from beyond the link.
        ndp("2001:db8:1::9", ALL_NODES, 255, tells, &[STATION]),
        ndp("fe80::9", ALL_NODES, 254, tells, &[STATION]),
        // From nobody, but not to the group of the address, or with a station.
        ndp("::", ours, 255, asks, &[]),
        ndp("::", group, 255, asks, &[STATION]),
        ndp("fe80::9", group, 254, asks, &[STATION]),
        // An answer to one that goes to all.
        ndp(ROUTER, ALL_NODES, 255, says, &[TARGET]),
        ndp(ROUTER, ours, 254, says, &[TARGET]),
        // Not from a router's address on the link, or to one that is none, or about a group.
        ndp("2001:db8:1::9", ours, 255, names(better, far), &[TARGET]),
        ndp(ROUTER, ours, 255, names("2001:db8:1::9", far), &[TARGET]),
        ndp(ROUTER, ours, 255, names(better, "ff0e::9"), &[TARGET]),
        ndp(ROUTER, ours, 254, names(better, far), &[TARGET]),
    ];
    let dropped = |host: &Host| -> u64 {
        let all = host.stack.stats().dropped();
        all.map(|(_, count)| count).sum()
    };
    for packet in broken {
        let count = dropped(&host);
        host.inject(packet);
        assert_eq!(dropped(&host), count + 1);
    }
    assert_eq!(knowledge(&host), before);
    assert!(host.sent().is_empty(), "and nothing is answered");
}

/// RFC 4861 §6.1.2, §7.1.1, §9.
#[test]
fn options_of_other_messages_and_unknown_ones_are_passed_over() {
    let mut host = guided();
    let unknown = NdpOption::Other {
        kind: 250,
        data: &[7; 6],
    };
    let strange = [unknown, TARGET, NdpOption::RedirectedHeader(&[0; 8])];
    let ours = own(&host)[0];
    let asks = NdpMessage::NeighborSolicit { target: ours };
    let with = |option| [strange[0], strange[1], strange[2], option];
    host.inject(ndp(
        "fe80::9",
        solicited_node(ours),
        255,
        asks,
        &with(STATION),
    ));
    assert_eq!(host.sent().len(), 1, "it is answered");
    let tells = advert(1800, Preference::Medium);
    let mtu = with(NdpOption::Mtu(1400));
    host.inject(ndp(ROUTER, ALL_NODES, 255, tells, &mtu));
    assert_eq!(
        host.stack.route(ip("2001:db8:9::9"), None).unwrap().mtu,
        1400
    );
    host.assert_dropped(DropReason::Ndp, 0);
}

/// RFC 4861 §7.2.1: the last 24 bits are alike.
#[test]
fn a_group_is_left_with_the_last_of_its_addresses() {
    let mut host = station_with(&["fe80::2/64", "fd07::77/64", "fd08::77/64"]);
    let asks = |host: &mut Host, target: &str| {
        let target = v6(target);
        let message = NdpMessage::NeighborSolicit { target };
        host.inject(ndp(
            "fe80::9",
            solicited_node(target),
            255,
            message,
            &[STATION],
        ));
        let sent = host.sent();
        sent.iter().any(|packet| bytes_of(packet)[14 + 6] == 58)
    };
    assert!(asks(&mut host, "fd07::77") && asks(&mut host, "fd08::77"));
    let (wire, now) = (host.wire, host.now);
    assert!(host.stack.remove_address(wire, ip("fd07::77"), now));
    assert!(!asks(&mut host, "fd07::77") && asks(&mut host, "fd08::77"));
    let listens = |host: &Host| {
        let group = IpAddr::V6(solicited_node(v6("fd08::77")));
        let own = host.stack.iface(wire).unwrap();
        own.memberships(group).wants(group, ip("fe80::9"))
    };
    assert!(listens(&host));
    assert!(host.stack.remove_address(wire, ip("fd08::77"), now));
    assert!(!asks(&mut host, "fd08::77"));
    assert!(!listens(&host));
}

/// RFC 4861 §6.3.4: about as long as it says, and 0 leaves that as it is.
#[test]
fn a_router_says_how_long_neighbours_count_as_reachable() {
    let mut host = guided();
    for reachable_time in [1000, 0] {
        let message = NdpMessage::RouterAdvert(RouterAdvert {
            hop_limit: 0,
            managed: false,
            other: false,
            preference: Preference::Medium,
            lifetime: 1800,
            reachable_time,
            retrans_timer: 0,
        });
        host.inject(ndp(ROUTER, ALL_NODES, 255, message, &[]));
    }
    let neighbor = "2001:db8:1::9";
    let socket = host.udp("[::]:9");
    let to = std::format!("[{neighbor}]:9");
    let mut udp = host.stack.udp(socket).unwrap();
    udp.send(Bytes::from_static(b"x"), Some(addr(&to))).unwrap();
    let answer = NdpMessage::NeighborAdvert(NeighborAdvert {
        router: false,
        solicited: true,
        overrides: true,
        target: v6(neighbor),
    });
    let ours = own(&host)[0];
    host.inject(ndp(neighbor, ours, 255, answer, &[TARGET]));
    let state = |host: &Host| {
        let mut all = host.stack.neighbors();
        all.find(|each| each.address == ip(neighbor))
            .map(|each| each.state)
    };
    assert_eq!(state(&host), Some(NeighborState::Reachable));
    pass(&mut host, Duration::from_millis(400));
    assert_eq!(state(&host), Some(NeighborState::Reachable));
    pass(&mut host, Duration::from_millis(1200));
    assert_eq!(state(&host), Some(NeighborState::Stale));
}

/// RFC 4862 §5.5.3: an identifier has 64 bits.
#[test]
fn no_address_is_formed_from_what_is_no_prefix_for_one() {
    let mut host = configured();
    let mut tell = |prefix: &str, prefix_len, autonomous, valid, preferred| {
        let option = NdpOption::Prefix(PrefixInformation {
            prefix: v6(prefix),
            prefix_len,
            on_link: false,
            autonomous,
            valid: Lifetime(valid),
            preferred: Lifetime(preferred),
        });
        advertise(&mut host, 1800, &[option]);
        pass(&mut host, Duration::from_secs(3));
        own(&host).len()
    };
    assert_eq!(tell("2001:db8:1::", 63, true, 7200, 3600), 1, "too short");
    assert_eq!(tell("2001:db8:1::", 65, true, 7200, 3600), 1, "too long");
    assert_eq!(
        tell("2001:db8:1::", 64, false, 7200, 3600),
        1,
        "without the A flag"
    );
    assert_eq!(
        tell("fe80::", 64, true, 7200, 3600),
        1,
        "the link-local one"
    );
    assert_eq!(
        tell("2001:db8:1::", 64, true, 3600, 7200),
        1,
        "longer preferred than valid"
    );
    assert_eq!(tell("2001:db8:1::", 64, true, 0, 0), 1, "for no time");
    assert_eq!(tell("2001:db8:1::", 64, true, 7200, 3600), 2);
}

/// RFC 4862 §5.5.4.
#[test]
fn a_deprecated_address_is_heard_and_one_whose_time_is_over_is_not() {
    let mut host = configured();
    advertise(&mut host, 1800, &[prefix(7200, 10)]);
    pass(&mut host, Duration::from_secs(11));
    let all: Vec<_> = host.stack.addresses(host.wire).collect();
    let status = all
        .iter()
        .find(|each| each.state == AddressState::Deprecated);
    let address = status.expect("deprecated").cidr.address;
    let asks = |host: &mut Host| {
        let to = std::format!("[{address}]:9");
        host.inject(framed(&datagram("[2001:db8:9::9]:9", &to, b"x")));
    };
    asks(&mut host);
    host.assert_dropped(DropReason::NoSocket, 1);
    pass(&mut host, Duration::from_secs(7200));
    asks(&mut host);
    host.assert_dropped(DropReason::NoSocket, 1);
    host.assert_dropped(DropReason::NotForUs, 1);
    assert!(!host.stack.is_local(address));
}

/// RFC 4862 §5.4.4, §5.4.5.
#[test]
fn a_duplicate_is_neither_used_nor_defended() {
    let mut host = station_with(&["fe80::2/64"]);
    let (wire, now) = (host.wire, host.now);
    host.stack
        .add_address(wire, cidr("fd07::2/64"), now)
        .unwrap();
    host.inject(claim(v6("fd07::2")));
    pass(&mut host, Duration::from_secs(5));
    assert!(!host.stack.is_local(ip("fd07::2")));
    let target = v6("fd07::2");
    let asks = NdpMessage::NeighborSolicit { target };
    host.inject(ndp(
        "fe80::9",
        solicited_node(target),
        255,
        asks,
        &[STATION],
    ));
    assert!(pass(&mut host, Duration::from_secs(1)).is_empty());
}
