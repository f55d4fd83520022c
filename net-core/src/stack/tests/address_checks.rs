//! Checks that nobody else has an address, on links that bring back what is sent; and what becomes of an
//! address that is taken away.

use super::autoconf::{own, pass};
use super::ethernet::{station_with, v6};
use super::*;
use crate::autoconf::AddressState;
use crate::time::Duration;

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
