//! Addresses of IPv4 that are given by hand, checked and defended (RFC 5227).

use super::ethernet::{MAC, PEER_MAC, arp_request, frame, station_with};
use super::link_local::{Said, pass};
use super::*;
use crate::SocketError;
use crate::autoconf::{AddressState, AddressStatus, Defence};
use crate::time::Duration;
use crate::wire::{ArpOperation, ArpPacket, EtherType, MacAddr};
use core::net::Ipv4Addr;

const GIVEN: &str = "10.7.0.9";

/// A station that is made with an address, and has begun to check it.
fn checking(defence: Defence) -> Host {
    let mut host = station_with(&["10.7.0.9/24"]);
    let (wire, now) = (host.wire, host.now);
    let stack = &mut host.stack;
    stack
        .set_conflict_detection(wire, Some(defence), now)
        .unwrap();
    host
}

/// One that uses it.
fn settled(defence: Defence) -> Host {
    let mut host = checking(defence);
    pass(&mut host, Duration::from_secs(20));
    assert_eq!(state(&host, GIVEN), Some(AddressState::Preferred));
    host
}

fn state(host: &Host, address: &str) -> Option<AddressState> {
    let mut all = host.stack.addresses(host.wire);
    let found = all.find(|status| status.cidr.address == ip(address));
    assert!(all.all(|status| status.cidr.address != ip(address)));
    found.map(|status| status.state)
}

fn is_used(host: &Host) -> bool {
    let routes = host.stack.routes();
    let has_route = { routes }.any(|route| route.source == Some(ip(GIVEN)));
    let is_local = host.stack.local_addresses().any(|own| own == ip(GIVEN));
    assert_eq!(has_route, is_local);
    is_local
}

/// Another host says that it has the address.
fn claim(host: &mut Host) {
    host.inject(arp_request(GIVEN, GIVEN));
}

fn is_announcement((_, link, packet): &Said) -> bool {
    let address: Ipv4Addr = GIVEN.parse().unwrap();
    let is_question = packet.operation == ArpOperation::Request;
    let ends = (packet.sender_ip, packet.target_ip);
    link.dest == MacAddr::BROADCAST && is_question && ends == (address, address)
}

/// RFC 5227 §2.1.1, §2.3: for those that it is made with, and those that come later.
#[test]
fn a_given_address_is_asked_about_three_times_before_it_is_used_and_announced_twice() {
    for is_later in [false, true] {
        let mut host = if is_later {
            let mut host = station_with(&[]);
            let (wire, now) = (host.wire, host.now);
            let stack = &mut host.stack;
            let on = Some(Defence::GiveUp);
            stack.set_conflict_detection(wire, on, now).unwrap();
            stack.add_address(wire, cidr("10.7.0.9/24"), now).unwrap();
            host
        } else {
            checking(Defence::GiveUp)
        };
        let began = host.now;
        assert_eq!(state(&host, GIVEN), Some(AddressState::Tentative));
        assert!(!is_used(&host));
        let mut said = Vec::new();
        while !is_used(&host) {
            said.extend(pass(&mut host, Duration::from_millis(1)));
        }
        let took = host.now.saturating_since(began);
        let range = Duration::from_secs(4)..=Duration::from_millis(7010);
        assert!(range.contains(&took), "{took:?}");
        said.extend(pass(&mut host, Duration::from_secs(60)));
        assert_eq!(said.len(), 5, "{said:?}");
        let (probes, announcements) = said.split_at(3);
        for (_, link, packet) in probes {
            assert_eq!(link.dest, MacAddr::BROADCAST);
            assert!(packet.is_probe());
            assert_eq!(packet.sender_mac, MAC);
            assert_eq!(IpAddr::V4(packet.target_ip), ip(GIVEN));
        }
        for at in 0..2 {
            let gap = probes.get(at + 1).unwrap().0.saturating_since(probes[at].0);
            assert!((1..=2).contains(&gap.as_secs()), "{gap:?}");
        }
        assert!(announcements.iter().all(is_announcement), "{said:?}");
        assert_eq!(state(&host, GIVEN), Some(AddressState::Preferred));
    }
}

/// RFC 5227 §2.1.1: who uses it, in a question or an answer, and who is about to.
#[test]
fn a_given_address_that_another_host_has_is_not_used_and_says_so() {
    let reply = ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: PEER_MAC,
        sender_ip: GIVEN.parse().unwrap(),
        target_mac: MAC,
        target_ip: Ipv4Addr::UNSPECIFIED,
    };
    for packet in [
        arp_request(GIVEN, "10.7.0.3"),
        arp_request("0.0.0.0", GIVEN),
        frame(MAC, EtherType::ARP, &reply.to_bytes()),
    ] {
        let mut host = checking(Defence::GiveUp);
        pass(&mut host, Duration::from_secs(2));
        host.inject(packet);
        assert_eq!(state(&host, GIVEN), Some(AddressState::Duplicate));
        assert_eq!(host.stack.stats().address_conflicts, 1);
        assert!(pass(&mut host, Duration::from_secs(600)).is_empty());
        assert!(!is_used(&host));
        // What is his is no concern any more, and cannot be given twice.
        claim(&mut host);
        assert_eq!(host.stack.stats().address_conflicts, 1);
        let (wire, now) = (host.wire, host.now);
        let again = host.stack.add_address(wire, cidr("10.7.0.9/24"), now);
        assert_eq!(again, Err(SocketError::AddressInUse));
        // Given anew it is tried anew.
        assert!(host.stack.remove_address(wire, ip(GIVEN), now));
        assert_eq!(state(&host, GIVEN), None);
        let again = host.stack.add_address(wire, cidr("10.7.0.9/24"), now);
        assert_eq!(again, Ok(()));
        pass(&mut host, Duration::from_secs(20));
        assert!(is_used(&host));
    }
}

/// RFC 5227 §2.4(b).
#[test]
fn a_host_defends_its_address_once_in_ten_seconds_and_then_gives_it_up() {
    let mut host = settled(Defence::GiveUp);
    for _ in 0..2 {
        claim(&mut host);
        let said = pass(&mut host, Duration::from_millis(10_100));
        assert!(
            matches!(&said[..], [one] if is_announcement(one)),
            "{said:?}"
        );
        assert!(is_used(&host));
    }
    claim(&mut host);
    claim(&mut host);
    assert_eq!(state(&host, GIVEN), Some(AddressState::Duplicate));
    assert!(!is_used(&host));
    assert_eq!(host.stack.stats().address_conflicts, 4);
    assert_eq!(pass(&mut host, Duration::from_secs(60)).len(), 1);
}

/// RFC 5227 §2.4(c).
#[test]
fn a_server_keeps_its_address_and_defends_it_each_ten_seconds() {
    let mut host = settled(Defence::Keep);
    let mut said = Vec::new();
    for _ in 0..25 {
        claim(&mut host);
        said.extend(pass(&mut host, Duration::from_secs(1)));
    }
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(is_announcement));
    assert!(is_used(&host));
}

#[test]
fn without_detection_addresses_are_used_at_once_and_a_check_that_is_under_way_goes_on() {
    let mut host = checking(Defence::GiveUp);
    pass(&mut host, Duration::from_secs(1));
    let (wire, now) = (host.wire, host.now);
    let stack = &mut host.stack;
    stack.set_conflict_detection(wire, None, now).unwrap();
    stack.add_address(wire, cidr("10.8.0.8/24"), now).unwrap();
    assert_eq!(state(&host, "10.8.0.8"), Some(AddressState::Preferred));
    assert_eq!(state(&host, GIVEN), Some(AddressState::Tentative));
    pass(&mut host, Duration::from_secs(20));
    assert_eq!(state(&host, GIVEN), Some(AddressState::Preferred));
    // It is kept now, as one that was never checked.
    claim(&mut host);
    claim(&mut host);
    assert!(is_used(&host));
    let nowhere = IfaceId::from_number(9).unwrap();
    let refused = host.stack.set_conflict_detection(nowhere, None, now);
    assert_eq!(refused, Err(SocketError::NoSuchInterface));
}

/// RFC 5227 §2.1: not again and again.
#[test]
fn what_somebody_has_checked_is_not_checked_again() {
    let mut host = station_with(&[]);
    let (wire, now) = (host.wire, host.now);
    let stack = &mut host.stack;
    let on = Some(Defence::GiveUp);
    stack.set_conflict_detection(wire, on, now).unwrap();
    let given = cidr("10.7.0.9/24");
    stack.add_checked_address(wire, given, now).unwrap();
    assert!(is_used(&host));
    let said = pass(&mut host, Duration::from_secs(20));
    assert!(said.len() == 2 && said.iter().all(is_announcement));
    // Where there are no stations nobody is asked.
    let mut host = Host::new();
    let (wire, now) = (host.wire, host.now);
    host.stack.set_conflict_detection(wire, on, now).unwrap();
    assert_eq!(state(&host, OURS), Some(AddressState::Preferred));
}

/// RFC 5227 §2.1, §2.4: whether detection was on before, or is switched on later.
#[test]
fn what_somebody_has_checked_is_defended_as_is_said_and_never_checked() {
    for defence in [Defence::GiveUp, Defence::Keep] {
        let mut host = station_with(&[]);
        let (wire, now) = (host.wire, host.now);
        let stack = &mut host.stack;
        stack
            .add_checked_address(wire, cidr("10.7.0.9/24"), now)
            .unwrap();
        pass(&mut host, Duration::from_secs(20));
        for _ in 0..2 {
            let (on, now) = (Some(defence), host.now);
            host.stack.set_conflict_detection(wire, on, now).unwrap();
            assert!(is_used(&host));
            assert_eq!(state(&host, GIVEN), Some(AddressState::Preferred));
            assert!(pass(&mut host, Duration::from_secs(20)).is_empty());
        }
        claim(&mut host);
        let said = pass(&mut host, Duration::from_secs(1));
        assert!(said.len() == 1 && said.iter().all(is_announcement));
        claim(&mut host);
        assert!(pass(&mut host, Duration::from_secs(1)).is_empty());
        assert_eq!(is_used(&host), defence == Defence::Keep);
        let now = host.now;
        assert!(host.stack.remove_address(wire, ip(GIVEN), now));
        assert_eq!(state(&host, GIVEN), None);
    }
}

/// RFC 5227 §2.1.1, §2.4: what another interface of this host says on the same link is no conflict.
#[test]
fn the_other_interfaces_of_the_host_are_no_other_hosts() {
    for waits in [2, 20] {
        let mut host = checking(Defence::GiveUp);
        let second = iface("eth1", IfaceKind::Ethernet(PEER_MAC), 1500, &[]);
        let stack = &mut host.stack;
        stack.add_iface(second, DeviceCaps::default()).unwrap();
        pass(&mut host, Duration::from_secs(waits));
        claim(&mut host);
        claim(&mut host);
        host.inject(arp_request("0.0.0.0", GIVEN));
        assert_eq!(host.stack.stats().address_conflicts, 0);
        assert!(host.sent().is_empty());
        pass(&mut host, Duration::from_secs(20));
        assert_eq!(state(&host, GIVEN), Some(AddressState::Preferred));
    }
}

/// RFC 5227 §2.1.1, MAX_CONFLICTS and RATE_LIMIT_INTERVAL; also of two that are given at once.
#[test]
fn after_ten_conflicts_a_given_address_is_tried_once_a_minute() {
    let mut host = checking(Defence::GiveUp);
    let (wire, given) = (host.wire, cidr("10.7.0.9/24"));
    for number in 1..=10 {
        let said = pass(&mut host, Duration::from_secs(1));
        assert!(!said.is_empty(), "no probe after {} conflicts", number - 1);
        claim(&mut host);
        let now = host.now;
        assert!(host.stack.remove_address(wire, ip(GIVEN), now));
        host.stack.add_address(wire, given, now).unwrap();
    }
    let (now, other) = (host.now, cidr("10.7.0.8/24"));
    host.stack.add_address(wire, other, now).unwrap();
    assert!(pass(&mut host, Duration::from_secs(60)).is_empty());
    let is_probe_for = |said: &[Said], address| {
        let mut all = said.iter().filter(|said| said.2.is_probe());
        all.any(|said| IpAddr::V4(said.2.target_ip) == address)
    };
    let said = pass(&mut host, Duration::from_secs(59));
    assert!(is_probe_for(&said, ip(GIVEN)) && !is_probe_for(&said, other.address));
    let said = pass(&mut host, Duration::from_secs(3));
    assert!(is_probe_for(&said, other.address));
}

/// The one that the interface chooses by itself is its own concern, and what it is given it does not choose.
#[test]
fn given_and_chosen_addresses_do_not_meet() {
    let mut host = station_with(&[]);
    let (wire, now) = (host.wire, host.now);
    host.stack.set_link_local_v4(wire, true, now).unwrap();
    let search = host.stack.addresses(wire).next().unwrap().cidr;
    let on = Some(Defence::GiveUp);
    let stack = &mut host.stack;
    stack.set_conflict_detection(wire, on, now).unwrap();
    stack.add_address(wire, search, now).unwrap();
    pass(&mut host, Duration::from_secs(40));
    let all: Vec<_> = host.stack.addresses(wire).collect();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_ne!(all[0].cidr, all[1].cidr);
    let is_used = |status: &AddressStatus| status.state == AddressState::Preferred;
    assert!(all.iter().all(is_used), "{all:?}");
    // Nor is the chosen one checked again.
    let now = host.now;
    host.stack.set_conflict_detection(wire, on, now).unwrap();
    assert!(host.stack.addresses(wire).all(|each| is_used(&each)));
}
