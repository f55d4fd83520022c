//! Addresses of IPv4 that an interface chooses for its link (RFC 3927).

use super::ethernet::{MAC, PEER_MAC, arp_request, frame, read_arp, station_with};
use super::*;
use crate::SocketError;
use crate::autoconf::AddressState;
use crate::time::Duration;
use crate::wire::{ArpOperation, ArpPacket, EtherType, EthernetHeader, MacAddr};
use alloc::format;
use core::net::Ipv4Addr;

/// A packet of ARP, when it was sent, and its frame's header.
pub(super) type Said = (Instant, EthernetHeader, ArpPacket);

/// A station that has begun to look for an address.
fn begun() -> Host {
    let mut host = station_with(&[]);
    let (wire, now) = (host.wire, host.now);
    host.stack.set_link_local_v4(wire, true, now).unwrap();
    host
}

/// One that has found it.
fn settled() -> (Host, Ipv4Addr) {
    let mut host = begun();
    pass(&mut host, Duration::from_secs(20));
    let address = used(&host).expect("one is used");
    (host, address)
}

/// Lets every timer up to `time` from now fire at its own time; what is said in ARP.
pub(super) fn pass(host: &mut Host, time: Duration) -> Vec<Said> {
    let until = host.now + time;
    let mut said = Vec::new();
    loop {
        let (now, sent) = (host.now, host.sent());
        let is_arp = |packet: &&TxPacket| bytes_of(packet)[12..14] == [8, 6];
        said.extend(sent.iter().filter(is_arp).map(|packet| {
            let (link, packet) = read_arp(packet);
            (now, link, packet)
        }));
        let Some(at) = host.stack.poll_timeout().filter(|&at| at <= until) else {
            host.now = until;
            return said;
        };
        host.now = host.now.max(at);
        host.stack.handle_timeout(host.now);
    }
}

/// The address that is used, or asked about, with its state.
fn chosen(host: &Host) -> Option<(Ipv4Addr, AddressState)> {
    let mut all = host.stack.addresses(host.wire);
    all.find_map(|status| match status.cidr.address {
        IpAddr::V4(v4) if v4.is_link_local() => Some((v4, status.state)),
        _ => None,
    })
}

fn used(host: &Host) -> Option<Ipv4Addr> {
    let chosen = chosen(host).filter(|(_, state)| *state == AddressState::Preferred);
    chosen.map(|(address, _)| address)
}

/// Somebody else says that he has the address.
fn claim(host: &mut Host, address: Ipv4Addr) {
    let address = std::format!("{address}");
    host.inject(arp_request(&address, &address));
}

/// RFC 3927 §2.1, §2.2.1, §2.4.
#[test]
fn an_address_is_asked_about_three_times_and_announced_twice() {
    let mut host = begun();
    let began = host.now;
    let said = pass(&mut host, Duration::from_secs(60));
    assert_eq!(said.len(), 5, "{said:?}");
    let address = said[0].2.target_ip;
    let second = address.octets()[2];
    assert!(address.is_link_local() && (1..=254).contains(&second));
    for (_, link, packet) in &said {
        assert_eq!(link.dest, MacAddr::BROADCAST);
        assert_eq!(packet.operation, ArpOperation::Request);
        assert_eq!((packet.sender_mac, packet.target_ip), (MAC, address));
    }
    let (probes, announcements) = said.split_at(3);
    assert!(probes.iter().all(|(_, _, packet)| packet.is_probe()));
    assert!(announcements.iter().all(|said| said.2.sender_ip == address));
    let gap = |from: usize| said[from + 1].0.saturating_since(said[from].0);
    assert!(said[0].0.saturating_since(began) <= Duration::from_secs(1));
    for from in 0..2 {
        let gap = gap(from);
        assert!(
            (1..=2).contains(&gap.as_secs()),
            "PROBE_MIN and PROBE_MAX: {gap:?}"
        );
    }
    let (two, tolerance) = (Duration::from_secs(2), Duration::from_millis(5));
    for from in 2..4 {
        assert!(
            gap(from) >= two && gap(from) < two + tolerance,
            "{:?}",
            gap(from)
        );
    }
    assert_eq!(used(&host), Some(address));
}

#[test]
fn nothing_is_sent_from_an_address_that_is_still_asked_about() {
    let mut host = begun();
    pass(&mut host, Duration::from_secs(1));
    let (address, state) = chosen(&host).unwrap();
    assert_eq!(state, AddressState::Tentative);
    assert!(
        !host
            .stack
            .local_addresses()
            .any(|own| own == IpAddr::V4(address))
    );
    // Who asks for it gets no answer.
    host.inject(arp_request("169.254.9.9", &std::format!("{address}")));
    assert!(host.sent().is_empty());
}

/// RFC 3927 §2.1.
#[test]
fn a_station_chooses_the_same_address_after_a_restart_and_another_one_does_not() {
    let choice = |mac: MacAddr, seed: u64| {
        let now = Instant::from_millis(1);
        let mut stack = Stack::new(Config::default(), Seed::from_u64(seed), now);
        let wire = iface("eth0", IfaceKind::Ethernet(mac), 1500, &[]);
        let wire = stack.add_iface(wire, DeviceCaps::default()).unwrap();
        stack.set_link_local_v4(wire, true, now).unwrap();
        stack.addresses(wire).next().unwrap().cidr
    };
    assert_eq!(choice(MAC, 1), choice(MAC, 2));
    assert_ne!(choice(MAC, 1), choice(PEER_MAC, 1));
}

/// RFC 3927 §2.2.1: who uses it, in a question or an answer, and who is about to.
#[test]
fn an_address_that_somebody_has_or_asks_about_is_left_to_him() {
    let mut host = begun();
    pass(&mut host, Duration::from_secs(1));
    let taken = |host: &Host| chosen(host).unwrap().0;
    let first = taken(&host);
    claim(&mut host, first);
    let second = taken(&host);
    assert_ne!(second, first);
    host.inject(arp_request("0.0.0.0", &std::format!("{second}")));
    let third = taken(&host);
    assert_ne!(third, second);
    let reply = ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: PEER_MAC,
        sender_ip: third,
        target_mac: MAC,
        target_ip: Ipv4Addr::UNSPECIFIED,
    };
    host.inject(frame(MAC, EtherType::ARP, &reply.to_bytes()));
    let fourth = taken(&host);
    assert_ne!(fourth, third);
    assert_eq!(host.stack.stats().address_conflicts, 3);
    let said = pass(&mut host, Duration::from_secs(20));
    assert!(said.iter().all(|(_, _, packet)| packet.target_ip == fourth));
    assert_eq!(used(&host), Some(fourth));
}

/// RFC 3927 §2.2.1: MAX_CONFLICTS and RATE_LIMIT_INTERVAL.
#[test]
fn after_ten_conflicts_an_address_is_tried_once_a_minute() {
    let mut host = begun();
    for number in 1..=11 {
        let said = pass(&mut host, Duration::from_secs(1));
        assert!(!said.is_empty(), "no probe after {} conflicts", number - 1);
        let (address, _) = chosen(&host).unwrap();
        claim(&mut host, address);
    }
    assert!(pass(&mut host, Duration::from_secs(60)).is_empty());
    assert_eq!(pass(&mut host, Duration::from_secs(1)).len(), 1);
}

/// RFC 3927 §2.5(b).
#[test]
fn an_address_is_defended_once_in_ten_seconds_and_then_given_up() {
    let (mut host, address) = settled();
    claim(&mut host, address);
    let said = pass(&mut host, Duration::from_millis(10_100));
    assert_eq!(said.len(), 1);
    let (_, link, packet) = said[0];
    assert_eq!((packet.sender_ip, packet.target_ip), (address, address));
    assert_eq!(link.dest, MacAddr::BROADCAST);
    // Ten seconds later it is defended again, but a moment after that it is not.
    claim(&mut host, address);
    assert_eq!(pass(&mut host, Duration::from_secs(1)).len(), 1);
    claim(&mut host, address);
    assert_eq!(used(&host), None);
    let old = IpAddr::V4(address);
    assert!(!host.stack.local_addresses().any(|own| own == old));
    assert!(!host.stack.routes().any(|route| route.source == Some(old)));
    pass(&mut host, Duration::from_secs(20));
    assert!(used(&host).is_some_and(|other| other != address));
}

/// RFC 3927 §2.5: so that another one who has it hears of that.
#[test]
fn what_is_said_in_arp_from_such_an_address_goes_to_everybody() {
    let (mut host, address) = settled();
    let ours = std::format!("{address}");
    host.inject(arp_request("169.254.9.9", &ours));
    let (link, reply) = read_arp(&host.sent()[0]);
    assert_eq!(link.dest, MacAddr::BROADCAST);
    assert_eq!(
        (reply.operation, reply.target_mac),
        (ArpOperation::Reply, PEER_MAC)
    );
    // The neighbour is known now, and asked whether it is still there.
    let socket = host.udp(&std::format!("{ours}:0"));
    let mut udp = host.stack.udp(socket).unwrap();
    udp.send(Bytes::from_static(b"x"), Some(addr("169.254.9.9:9")))
        .unwrap();
    let said = pass(&mut host, Duration::from_secs(7));
    assert!(!said.is_empty(), "it is probed");
    for (_, link, packet) in said {
        assert_eq!((link.dest, packet.sender_ip), (MacAddr::BROADCAST, address));
    }
}

/// RFC 3927 §2.6.2: neither what goes to such an address nor what comes from one.
#[test]
fn no_router_gets_what_is_of_one_link() {
    let (mut host, address) = settled();
    let asked_for = |host: &mut Host, from: &str, to: &str| {
        let socket = host.udp(from);
        let mut udp = host.stack.udp(socket).unwrap();
        udp.send(Bytes::from_static(b"x"), Some(addr(to))).unwrap();
        let (_, question) = read_arp(&host.sent()[0]);
        (question.sender_ip, question.target_ip)
    };
    // The default route leads to 10.7.0.254.
    let far: Ipv4Addr = "192.0.2.1".parse().unwrap();
    let asked = asked_for(&mut host, "0.0.0.0:0", "192.0.2.1:9");
    assert_eq!(asked, (address, far));
    let mut host = station_with(&["10.7.0.2/24"]);
    let neighbor: Ipv4Addr = "169.254.9.9".parse().unwrap();
    let asked = asked_for(&mut host, "0.0.0.0:0", "169.254.9.9:9");
    assert_eq!(asked, ("10.7.0.2".parse().unwrap(), neighbor));
}

/// RFC 3927 §2.6.1.
#[test]
fn an_address_that_is_good_everywhere_is_preferred_elsewhere() {
    let (mut host, address) = settled();
    let (wire, now) = (host.wire, host.now);
    host.stack
        .add_address(wire, cidr("10.7.0.2/24"), now)
        .unwrap();
    let source = |to: &str| host.stack.route(ip(to), None).unwrap().source;
    assert_eq!(source("192.0.2.1"), ip("10.7.0.2"));
    assert_eq!(source("169.254.9.9"), IpAddr::V4(address));
}

#[test]
fn switched_off_it_is_gone_and_switched_on_the_same_again() {
    let (mut host, address) = settled();
    let (wire, now) = (host.wire, host.now);
    host.stack.set_link_local_v4(wire, false, now).unwrap();
    assert_eq!(chosen(&host), None);
    assert!(pass(&mut host, Duration::from_secs(60)).is_empty());
    let now = host.now;
    host.stack.set_link_local_v4(wire, true, now).unwrap();
    pass(&mut host, Duration::from_secs(20));
    assert_eq!(used(&host), Some(address));
    // Taken away like any other address it does not come back.
    let now = host.now;
    assert!(host.stack.remove_address(wire, IpAddr::V4(address), now));
    assert!(pass(&mut host, Duration::from_secs(60)).is_empty());
    assert_eq!(chosen(&host), None);
    let refused = host.stack.set_link_local_v4(host.loopback, true, host.now);
    assert!(matches!(refused, Err(SocketError::InvalidInput(_))));
}

/// What the application asks for outlives the need of a client of DHCP, and the other way round (RFC 3927
/// §1.9).
#[test]
fn an_address_of_the_link_stays_while_anybody_wants_it() {
    type Wish = fn(&mut Stack, IfaceId, bool, Instant) -> Result<(), SocketError>;
    let asked: Wish = Stack::set_link_local_v4;
    let fall_back: Wish = Stack::fall_back_to_link_local_v4;
    for (first, second) in [(asked, fall_back), (fall_back, asked)] {
        let mut host = station_with(&[]);
        let (wire, now) = (host.wire, host.now);
        first(&mut host.stack, wire, true, now).unwrap();
        pass(&mut host, Duration::from_secs(20));
        let (address, now) = (used(&host), host.now);
        assert!(address.is_some());
        second(&mut host.stack, wire, true, now).unwrap();
        first(&mut host.stack, wire, false, now).unwrap();
        assert!(pass(&mut host, Duration::from_secs(20)).is_empty());
        assert_eq!(used(&host), address, "the same, without another check");
        let now = host.now;
        // Twice is no more than once.
        second(&mut host.stack, wire, true, now).unwrap();
        second(&mut host.stack, wire, false, now).unwrap();
        assert_eq!(
            (chosen(&host), host.stack.link_local_v4(wire)),
            (None, false)
        );
    }
}

#[test]
fn an_address_that_was_given_to_the_interface_is_not_chosen_too() {
    let (_, preferred) = settled();
    let given = format!("{preferred}/16");
    let mut host = station_with(&[&given]);
    let (wire, now) = (host.wire, host.now);
    host.stack.set_link_local_v4(wire, true, now).unwrap();
    pass(&mut host, Duration::from_secs(30));
    let addresses = |host: &Host| -> Vec<IpAddr> {
        let all = host.stack.addresses(wire);
        let mut all: Vec<_> = all.map(|status| status.cidr.address).collect();
        all.retain(|address| address.is_ipv4());
        all
    };
    let both = addresses(&host);
    assert_eq!(both.len(), 2, "{both:?}");
    assert_ne!(both[0], both[1]);
    let now = host.now;
    host.stack.set_link_local_v4(wire, false, now).unwrap();
    assert_eq!(addresses(&host), [IpAddr::V4(preferred)]);
    assert!(host.stack.has_address(wire, preferred.into()));
}
