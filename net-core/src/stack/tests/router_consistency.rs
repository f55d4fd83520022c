//! What a router makes of what other routers of its link advertise (RFC 4861 §6.2.7), and of what it does itself.

use super::advertising::{config, configure, router_with};
use super::autoconf::{OTHER_ROUTER, own, pass};
use super::ethernet::{ndp, station_with, v6};
use super::*;
use crate::advertising::{AdvPrefix, RouterAdvertising, Variable};
use crate::time::Duration;
use crate::wire::ethernet::ALL_NODES;
use crate::wire::ndp::{Lifetime, Preference, PrefixInformation, RouterAdvert};
use crate::wire::{NdpMessage, NdpOption};
use std::vec;

/// RFC 4861 §6.2.7.
#[test]
fn other_routers_are_compared_and_not_followed() {
    let mut host = router_with(RouterAdvertising {
        adv_link_mtu: 1400,
        adv_reachable_time: Duration::from_secs(20),
        ..config()
    });
    let wire = host.wire;
    let same = RouterAdvert {
        hop_limit: 64,
        managed: false,
        other: false,
        preference: Preference::Medium,
        lifetime: 1800,
        reachable_time: 20_000,
        retrans_timer: 0,
    };
    let prefix = |prefix: &str, valid, preferred| {
        NdpOption::Prefix(PrefixInformation {
            prefix: v6(prefix),
            prefix_len: 64,
            on_link: true,
            autonomous: true,
            valid: Lifetime(valid),
            preferred: Lifetime(preferred),
        })
    };
    let hear = |host: &mut Host, advert, options: &[NdpOption<'_>]| {
        let before = host.stack.stats().router_inconsistencies;
        let message = NdpMessage::RouterAdvert(advert);
        host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, message, options));
        let now = host.stack.stats().router_inconsistencies;
        let found = host.stack.router_inconsistency(host.wire);
        (now > before).then(|| found.unwrap().variable)
    };
    let routes = host.stack.routes().count();
    // What is the same, what it leaves open and prefixes that only it has contradict nothing.
    let agreed = prefix("fd07::", 2_592_000, 604_800);
    let options = [agreed, prefix("fd09::", 7200, 3600), NdpOption::Mtu(1400)];
    assert_eq!(hear(&mut host, same, &options), None);
    let open = RouterAdvert {
        hop_limit: 0,
        reachable_time: 0,
        retrans_timer: 1000,
        ..same
    };
    assert_eq!(hear(&mut host, open, &[]), None);
    let hops = RouterAdvert {
        hop_limit: 63,
        ..same
    };
    let managed = RouterAdvert {
        managed: true,
        ..same
    };
    let other = RouterAdvert {
        other: true,
        ..same
    };
    let reachable = RouterAdvert {
        reachable_time: 1,
        ..same
    };
    let fd07 = v6("fd07::");
    for (advert, options, found) in [
        (hops, &[][..], Variable::CurHopLimit),
        (managed, &[], Variable::ManagedFlag),
        (other, &[], Variable::OtherConfigFlag),
        (reachable, &[], Variable::ReachableTime),
        (same, &[NdpOption::Mtu(1300)], Variable::LinkMtu),
        (
            same,
            &[prefix("fd07::", 2_592_000, 3600)],
            Variable::PreferredLifetime(fd07, 64),
        ),
        (
            same,
            &[prefix("fd07::", 604_801, 604_800)],
            Variable::ValidLifetime(fd07, 64),
        ),
    ] {
        assert_eq!(hear(&mut host, advert, options), Some(found));
    }
    // It is written down once a minute.
    let (at, told) = host.stack.poll_router_inconsistency().unwrap();
    assert_eq!((at, told.router), (wire, v6(OTHER_ROUTER)));
    assert_eq!(told.variable, Variable::CurHopLimit);
    assert_eq!(host.stack.poll_router_inconsistency(), None);
    pass(&mut host, Duration::from_secs(61));
    assert!(hear(&mut host, hops, &[]).is_some());
    assert!(host.stack.poll_router_inconsistency().is_some());
    assert_eq!(host.stack.routes().count(), routes, "nothing is followed");
    assert_eq!(own(&host), [v6("fd07::2"), v6("fe80::2")]);
}

/// RFC 4861 §6.2.7: of lifetimes that count down the ends are compared.
#[test]
fn lifetimes_that_count_down_agree_where_they_end_at_about_the_same_time() {
    let mut host = router_with(RouterAdvertising {
        adv_prefix_list: vec![AdvPrefix {
            adv_valid_lifetime: Lifetime(7200),
            adv_preferred_lifetime: Lifetime(3600),
            decrements: true,
            ..AdvPrefix::new(v6("fd07::"), 64)
        }],
        ..config()
    });
    pass(&mut host, Duration::from_secs(990));
    let mut hear = |valid, preferred| {
        let option = NdpOption::Prefix(PrefixInformation {
            prefix: v6("fd07::"),
            prefix_len: 64,
            on_link: true,
            autonomous: true,
            valid: Lifetime(valid),
            preferred: Lifetime(preferred),
        });
        let advert = autoconf::advert(1800, Preference::Medium);
        host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, advert, &[option]));
        host.stack.stats().router_inconsistencies
    };
    assert_eq!(hear(6200, 2600), 0, "a thousand seconds later");
    assert_eq!(hear(6250, 2550), 0, "or nearly");
    assert_eq!(hear(7200, 3600), 1, "not that again");
}

/// RFC 4861 §6.2.1.
#[test]
fn what_a_router_says_of_its_link_holds_for_itself() {
    let mut host = router_with(RouterAdvertising {
        adv_link_mtu: 1400,
        adv_cur_hop_limit: 77,
        adv_retrans_timer: Duration::from_millis(300),
        ..config()
    });
    let path = host.stack.route(ip("fd07::9"), None).unwrap();
    assert_eq!(path.mtu, 1400);
    host.stack.handle_timeout(host.now);
    let socket = host.udp("[::]:9");
    let mut udp = host.stack.udp(socket).unwrap();
    let sent = udp.send(Bytes::from_static(b"x"), Some(addr("[fd07::9]:7")));
    sent.unwrap();
    let mut asked_within = |millis| {
        let said = pass(&mut host, Duration::from_millis(millis)).into_iter();
        let question = NdpMessage::NeighborSolicit {
            target: v6("fd07::9"),
        };
        said.filter(|said| said.2 == question).count()
    };
    assert_eq!([asked_within(299), asked_within(2)], [1, 1]);
    let wire = host.wire;
    let group = addr("[ff02::1:2]:7");
    let own = host.stack.iface(wire).unwrap();
    assert_eq!(own.hop_limit_to(group.ip()).unwrap().get(), 77);
}

/// The MTU and hop limit that the host keeps to on its link, and the time between its questions.
fn settings(host: &Host) -> (u16, Option<u8>, Duration) {
    let own = host.stack.iface(host.wire).unwrap();
    let group = ALL_NODES.into();
    let neighbor = &host.stack.config.neighbor;
    let retrans = host.stack.neighbors.retrans_timer(host.wire, neighbor);
    let hops = own.hop_limit_to(group).map(|hops| hops.get());
    (own.mtu_to(group), hops, retrans)
}

/// What a host keeps to that nobody has told anything.
const BY_ITSELF: (u16, Option<u8>, Duration) = (1500, None, Duration::from_secs(1));

fn narrow() -> RouterAdvertising {
    RouterAdvertising {
        adv_link_mtu: 1280,
        adv_cur_hop_limit: 77,
        adv_retrans_timer: Duration::from_millis(300),
        ..config()
    }
}

/// RFC 4861 §6.2.1.
#[test]
fn what_a_router_has_said_of_its_link_holds_only_while_it_says_so() {
    let told = (1280, Some(77), Duration::from_millis(300));
    let narrow_router = || {
        let host = router_with(narrow());
        assert_eq!(settings(&host), told);
        host
    };
    // It is left open again; and what fits the device is then taken.
    let mut host = narrow_router();
    let open = RouterAdvertising {
        adv_cur_hop_limit: 0,
        adv_prefix_list: (0..40)
            .map(|at| AdvPrefix::new(core::net::Ipv6Addr::new(0xfd07, at, 0, 0, 0, 0, 0, 0), 64))
            .collect(),
        ..config()
    };
    configure(&mut host, open);
    assert_eq!(settings(&host), BY_ITSELF);
    // It is a router no longer, whichever way.
    let mut host = narrow_router();
    configure(&mut host, RouterAdvertising::default());
    assert_eq!(settings(&host), BY_ITSELF);
    let mut host = narrow_router();
    let wire = host.wire;
    host.stack.set_forwarding(wire, false).unwrap();
    assert_eq!(settings(&host), BY_ITSELF);
    host.stack.set_forwarding(wire, true).unwrap();
    assert_eq!(settings(&host), told);
    let mut host = narrow_router();
    assert!(host.stack.cease_advertising(host.wire, host.now));
    assert_eq!(settings(&host), BY_ITSELF);
    // Before it has said anything.
    let mut host = station_with(&["fe80::2/64"]);
    let wire = host.wire;
    host.stack.set_forwarding(wire, true).unwrap();
    configure(&mut host, narrow());
    assert_eq!(settings(&host), told);
    assert!(!host.stack.cease_advertising(wire, host.now));
    assert_eq!(settings(&host), BY_ITSELF);
}

/// RFC 4861 §6.2.1.
#[test]
fn what_others_say_of_the_link_before_a_router_advertises_does_not_hold_for_it() {
    let others = NdpMessage::RouterAdvert(RouterAdvert {
        hop_limit: 64,
        managed: false,
        other: false,
        preference: Preference::Medium,
        lifetime: 1800,
        reachable_time: 0,
        retrans_timer: 700,
    });
    let open = RouterAdvertising {
        adv_cur_hop_limit: 0,
        ..config()
    };
    for (ours, retrans) in [(narrow(), 300), (open, 1000)] {
        let mut host = router_with(ours);
        let wire = host.wire;
        let hear = |host: &mut Host| {
            host.inject(ndp(OTHER_ROUTER, ALL_NODES, 255, others, &[]));
            settings(host).2
        };
        let retrans = Duration::from_millis(retrans);
        assert_eq!(hear(&mut host), retrans);
        host.stack.set_forwarding(wire, false).unwrap();
        assert_eq!(hear(&mut host), Duration::from_millis(700), "as a host's");
        host.stack.set_forwarding(wire, true).unwrap();
        assert_eq!(settings(&host).2, retrans);
        assert_eq!(hear(&mut host), retrans);
    }
}

/// RFC 4861 §6.2.7.
#[test]
fn routers_of_two_links_that_contradict_in_one_round_are_both_written_down() {
    let mut host = router_with(config());
    let mac = crate::wire::MacAddr::local(77);
    let addresses = ["fe80::77/64", "fd77::1/64"];
    let other = iface("eth1", IfaceKind::Ethernet(mac), 1500, &addresses);
    let other = host.stack.add_iface(other, DeviceCaps::default()).unwrap();
    host.stack.set_forwarding(other, true).unwrap();
    let now = host.now;
    let set = host.stack.set_router_advertising(other, config(), now);
    set.unwrap();
    let managed = NdpMessage::RouterAdvert(RouterAdvert {
        hop_limit: 64,
        managed: true,
        other: false,
        preference: Preference::Medium,
        lifetime: 1800,
        reachable_time: 0,
        retrans_timer: 0,
    });
    for over in [host.wire, other] {
        host.inject_at(over, ndp(OTHER_ROUTER, ALL_NODES, 255, managed, &[]));
    }
    let told = [(); 3].map(|()| host.stack.poll_router_inconsistency());
    let told = told.map(|told| told.map(|(over, _)| over));
    assert_eq!(told, [Some(host.wire), Some(other), None]);
}
