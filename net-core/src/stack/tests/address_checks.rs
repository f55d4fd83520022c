//! Checks that nobody else has an address, on links that bring back what is sent; and what becomes of an
//! address that is taken away.

use super::autoconf::{claim, own, pass};
use super::ethernet::{station_with, v6};
use super::link_local;
use super::*;
use crate::autoconf::AddressState;
use crate::time::Duration;
use crate::wire::{ArpOperation, MacAddr, NdpMessage};

/// A station that has begun to check an address, and its first question.
fn checking() -> (Host, TxPacket) {
    let mut host = station_with(&["fe80::2/64"]);
    let (wire, now) = (host.wire, host.now);
    host.stack
        .add_address(wire, cidr("fd07::2/64"), now)
        .unwrap();
    let question = next_question(&mut host);
    (host, question)
}

/// What is asked next, at its time.
fn next_question(host: &mut Host) -> TxPacket {
    loop {
        let sent = host.sent();
        let is_ndp = |packet: &TxPacket| bytes_of(packet)[20] == 58;
        if let Some(question) = sent.into_iter().find(is_ndp) {
            return question;
        }
        host.now = host.stack.poll_timeout().expect("it is being checked");
        host.stack.handle_timeout(host.now);
    }
}

/// RFC 7527 §4.1: a link may keep it back for some time.
#[test]
fn a_check_that_comes_back_late_is_known_as_ones_own() {
    let (mut host, first) = checking();
    host.inject(linear(&first));
    let second = next_question(&mut host);
    let third = next_question(&mut host);
    for (count, late) in [(2, &first), (3, &third), (4, &second)] {
        host.inject(linear(late));
        assert_eq!(host.stack.stats().looped_probes, count);
        assert_eq!(host.stack.stats().address_conflicts, 0);
    }
    pass(&mut host, Duration::from_secs(5));
    assert!(own(&host).contains(&v6("fd07::2")));
}

#[test]
fn of_its_own_questions_a_check_knows_the_last_four() {
    let (mut host, first) = checking();
    host.inject(linear(&first));
    for _ in 0..3 {
        next_question(&mut host);
    }
    host.inject(linear(&first));
    assert_eq!(host.stack.stats().looped_probes, 2);
    // That was the oldest of four, and begins anew.
    next_question(&mut host);
    host.inject(linear(&first));
    assert_eq!(host.stack.stats().looped_probes, 2);
    let wire = host.wire;
    let state = |host: &Host| {
        let mut all = host.stack.addresses(wire);
        let status = all.find(|each| each.cidr.address == ip("fd07::2"));
        status.map(|status| status.state)
    };
    assert_eq!(state(&host), Some(AddressState::Duplicate));
}

/// Its prefix keeps its route, as another address is in it.
#[test]
fn nobody_goes_on_sending_from_an_address_that_was_taken_away() {
    for (first, [beside, any, bound], to) in [
        (
            OURS,
            ["10.7.0.3/24", "0.0.0.0:700", "10.7.0.3:701"],
            "10.7.0.9:9",
        ),
        (
            OURS_V6,
            ["fd07::3/64", "[::]:700", "[fd07::3]:701"],
            "[fd07::9]:9",
        ),
    ] {
        let second = addr(bound).ip();
        let mut host = Host::new();
        let (wire, now) = (host.wire, host.now);
        host.stack.add_address(wire, cidr(beside), now).unwrap();
        let id = host.udp(any);
        let source = |host: &mut Host| {
            let payload = Bytes::from_static(b"x");
            let mut udp = host.stack.udp(id).unwrap();
            udp.send(payload, Some(addr(to))).unwrap();
            Seen::new(&host.sent()[0]).ip.source
        };
        assert_eq!(source(&mut host), ip(first));
        assert!(host.stack.remove_address(wire, ip(first), now));
        assert_eq!(source(&mut host), second);
        // A connected socket has no other source.
        let connected = host.udp(bound);
        host.stack.connect(connected, addr(to), now).unwrap();
        assert!(host.stack.remove_address(wire, second, now));
        let payload = Bytes::from_static(b"x");
        let refused = host.stack.udp(connected).unwrap().send(payload, None);
        assert!(refused.is_err(), "{refused:?}");
        assert!(host.sent().is_empty());
    }
}

/// RFC 4862 §5.4, as for those that come later.
#[test]
fn addresses_that_an_interface_is_made_with_are_checked_where_that_is_wanted() {
    let mut host = station_with(&["fe80::2/64", "fd07::2/64", "10.7.0.2/24"]);
    let (wire, now) = (host.wire, host.now);
    host.stack.check_addresses(wire, now).unwrap();
    assert!(own(&host).is_empty());
    assert!(!host.stack.is_local(ip("fd07::2")));
    assert!(host.stack.is_local(ip("10.7.0.2")));
    let said = pass(&mut host, Duration::from_secs(1));
    let asked = said.iter().map(|(_, header, message, _)| {
        assert_eq!(header.source, ip("::"));
        match message {
            NdpMessage::NeighborSolicit { target } => *target,
            other => panic!("{other:?}"),
        }
    });
    let mut asked: Vec<_> = asked.collect();
    asked.sort();
    assert_eq!(asked, ["fd07::2", "fe80::2"].map(v6));
    host.inject(claim(v6("fd07::2")));
    pass(&mut host, Duration::from_secs(2));
    assert_eq!(own(&host), [v6("fe80::2")]);
    assert_eq!(host.stack.stats().address_conflicts, 1);
    let now = host.now;
    assert!(host.stack.remove_address(wire, ip("fd07::2"), now));
    // Where there are no stations nobody is asked.
    let mut host = Host::new();
    let (wire, now) = (host.wire, host.now);
    host.stack.check_addresses(wire, now).unwrap();
    assert_eq!(own(&host), [v6(OURS_V6)]);
}

#[test]
fn an_interface_that_configures_itself_checks_what_it_was_made_with() {
    let mut host = station_with(&["fe80::2/64"]);
    let (wire, now) = (host.wire, host.now);
    host.stack.autoconfigure(wire, now).unwrap();
    assert!(own(&host).is_empty());
    let said = pass(&mut host, Duration::from_secs(3));
    let target = v6("fe80::2");
    let NdpMessage::NeighborSolicit { target: asked } = said[0].2 else {
        panic!("{said:?}");
    };
    assert_eq!(asked, target);
    let (_, header, message, _) = said[1];
    assert_eq!(message, NdpMessage::RouterSolicit);
    assert_eq!(header.source, IpAddr::V6(target));
    assert_eq!(own(&host), [target], "and forms no other");
}

#[test]
fn routers_are_asked_for_also_with_an_address_that_was_checked_before() {
    let mut host = station_with(&[]);
    let (wire, now) = (host.wire, host.now);
    let given = cidr("fe80::2/64");
    host.stack.add_address(wire, given, now).unwrap();
    pass(&mut host, Duration::from_secs(3));
    assert_eq!(own(&host), [v6("fe80::2")]);
    let now = host.now;
    host.stack.autoconfigure(wire, now).unwrap();
    let said = pass(&mut host, Duration::from_secs(3));
    let (_, header, message, _) = said[0];
    assert_eq!(message, NdpMessage::RouterSolicit);
    assert_eq!(header.source, ip("fe80::2"));
    assert_eq!(own(&host), [v6("fe80::2")], "and forms no other");
}

/// RFC 5227 §2.3.
#[test]
fn an_address_that_is_given_is_announced_twice() {
    let mut host = station_with(&[]);
    let (wire, now) = (host.wire, host.now);
    let stack = &mut host.stack;
    stack.add_address(wire, cidr("10.7.0.9/24"), now).unwrap();
    let said = link_local::pass(&mut host, Duration::from_secs(60));
    assert_eq!(said.len(), 2, "{said:?}");
    for (_, link, packet) in &said {
        assert_eq!(link.dest, MacAddr::BROADCAST);
        assert_eq!(packet.operation, ArpOperation::Request);
        let ends = [packet.sender_ip, packet.target_ip];
        assert_eq!(ends.map(IpAddr::V4), [ip("10.7.0.9"); 2]);
    }
    let gap = said[1].0.saturating_since(said[0].0);
    assert!(gap >= Duration::from_secs(2) && gap < Duration::from_millis(2005));
    // One that is gone by then is not announced again.
    let now = host.now;
    let stack = &mut host.stack;
    stack.add_address(wire, cidr("10.7.0.8/24"), now).unwrap();
    stack.remove_address(wire, ip("10.7.0.8"), now);
    let said = link_local::pass(&mut host, Duration::from_secs(60));
    assert_eq!(said.len(), 1, "{said:?}");
}
