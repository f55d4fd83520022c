//! Redirects, followed and given.

use super::ethernet::{MAC, framed, ndp, plain, read_ndp, unwrap, v6};
use super::*;
use crate::time::Duration;
use crate::wire::{EtherType, EthernetHeader, MacAddr, NdpMessage, NdpOption};

const DEST: &str = "2001:db8::9";
const DEST_V4: &str = "192.0.2.9";
const BETTER: &str = "10.7.0.200";
const ROUTER_V4: &str = "10.7.0.254";
const ROUTER: &str = "fe80::1";
const BETTER_V6: &str = "fe80::99";

/// A station that follows redirects, with a router for each family.
fn guided() -> Host {
    let mut host = plain();
    let (wire, now) = (host.wire, host.now);
    host.stack.set_accept_redirects(wire, true).unwrap();
    host.stack
        .add_route(Route {
            prefix: cidr("::/0"),
            via: Some(ip(ROUTER)),
            iface: wire,
            source: None,
            metric: 0,
        })
        .unwrap();
    host.stack.handle_timeout(now);
    host
}

fn next_hop(host: &Host, dest: &str) -> IpAddr {
    host.stack.route(ip(dest), None).unwrap().next_hop
}

fn redirect_v6(source: &str, target: &str, dest: &str) -> RxPacket {
    let message = NdpMessage::Redirect {
        target: v6(target),
        dest: v6(dest),
    };
    let option = [NdpOption::TargetLinkLayer(MacAddr::local(9 << 8))];
    ndp(source, v6("fe80::2"), 255, message, &option)
}

fn redirect_v4(source: &str, gateway: &str) -> RxPacket {
    let IpAddr::V4(gateway) = ip(gateway) else {
        panic!("{gateway}");
    };
    let message = IcmpMessage::Other {
        kind: icmpv4::REDIRECT,
        code: icmpv4::REDIRECT_HOST,
        rest: gateway.to_bits(),
    };
    let sent = bytes_of(&datagram("10.7.0.2:9", &std::format!("{DEST_V4}:7"), b"x"));
    framed(&icmp(source, OURS, &message, &sent))
}

#[test]
fn what_the_first_hop_says_is_followed_for_one_destination_and_a_time() {
    let mut host = guided();
    host.inject(redirect_v6(ROUTER, BETTER_V6, DEST));
    host.inject(redirect_v4(ROUTER_V4, BETTER));
    assert_eq!(next_hop(&host, DEST), ip(BETTER_V6));
    assert_eq!(next_hop(&host, DEST_V4), ip(BETTER));
    assert_eq!(next_hop(&host, "2001:db8::8"), ip(ROUTER));
    assert_eq!(next_hop(&host, "192.0.2.8"), ip(ROUTER_V4));
    // RFC 4861 §8.3: its station is known now, and it is a router.
    let mut neighbors = host.stack.neighbors();
    let better = neighbors
        .find(|each| each.address == ip(BETTER_V6))
        .unwrap();
    assert!(better.router && better.mac == Some(MacAddr::local(9 << 8)));
    drop(neighbors);
    // A redirect to the destination itself: it is on the link.
    host.inject(redirect_v6(BETTER_V6, DEST, DEST));
    assert_eq!(next_hop(&host, DEST), ip(DEST));
    host.now += Duration::from_secs(301);
    host.stack.handle_timeout(host.now);
    assert_eq!(next_hop(&host, DEST), ip(ROUTER));
    assert_eq!(next_hop(&host, DEST_V4), ip(ROUTER_V4));
}

/// RFC 4861 §8.1, RFC 1122 §3.2.2.2.
#[test]
fn what_anybody_else_says_is_not_followed() {
    let mut host = guided();
    for packet in [
        redirect_v6("fe80::7", BETTER_V6, DEST),
        redirect_v6("fd07::1", BETTER_V6, DEST),
        redirect_v6(ROUTER, "fd07::77", DEST),
        redirect_v6(ROUTER, "fe80::2", DEST),
        redirect_v6(ROUTER, BETTER_V6, "fd07::2"),
        redirect_v4("10.7.0.1", BETTER),
        redirect_v4(ROUTER_V4, "198.51.100.1"),
        redirect_v4(ROUTER_V4, OURS),
        redirect_v4(ROUTER_V4, "10.7.0.255"),
        redirect_v4(ROUTER_V4, "255.255.255.255"),
        redirect_v4(ROUTER_V4, "224.0.0.1"),
        redirect_v4(ROUTER_V4, "0.0.0.0"),
    ] {
        host.inject(packet);
        assert_eq!(next_hop(&host, DEST), ip(ROUTER));
        assert_eq!(next_hop(&host, DEST_V4), ip(ROUTER_V4));
    }
    // Nor where it is not wanted, nor by a router.
    let mut host = guided();
    for forwards in [false, true] {
        let wire = host.wire;
        host.stack.set_accept_redirects(wire, forwards).unwrap();
        host.stack.set_forwarding(wire, forwards).unwrap();
        host.inject(redirect_v6(ROUTER, BETTER_V6, DEST));
        host.inject(redirect_v4(ROUTER_V4, BETTER));
        assert_eq!(next_hop(&host, DEST), ip(ROUTER));
        assert_eq!(next_hop(&host, DEST_V4), ip(ROUTER_V4));
    }
    assert_eq!(host.stack.stats().redirects_followed, 0);
}

#[test]
fn a_better_first_hop_that_does_not_answer_is_given_up() {
    let mut host = guided();
    host.inject(redirect_v4(ROUTER_V4, BETTER));
    let id = host.udp("10.7.0.2:9");
    let to = Some(SocketAddr::new(ip(DEST_V4), 7));
    host.stack
        .udp(id)
        .unwrap()
        .send(Bytes::from_static(b"x"), to)
        .unwrap();
    assert_eq!(next_hop(&host, DEST_V4), ip(BETTER));
    for _ in 0..4 {
        host.now += Duration::from_secs(1);
        host.stack.handle_timeout(host.now);
    }
    assert_eq!(next_hop(&host, DEST_V4), ip(ROUTER_V4));
}

#[test]
fn a_flood_of_redirects_is_bounded() {
    let mut host = guided();
    let before = host.stack.routes().count();
    for number in 0..500 {
        let dest = std::format!("2001:db8::{number:x}");
        host.inject(redirect_v6(ROUTER, BETTER_V6, &dest));
    }
    assert_eq!(host.stack.routes().count(), before + 64);
    assert_eq!(next_hop(&host, "2001:db8::1f3"), ip(BETTER_V6), "the last");
    assert_eq!(next_hop(&host, "2001:db8::1"), ip(ROUTER), "the first");
    host.now += Duration::from_secs(301);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.stack.routes().count(), before);
}

/// A router on the link of [`plain`], which sends what is for elsewhere to others on that link.
fn router() -> Host {
    let mut host = guided();
    let (wire, mac) = (host.wire, MacAddr::local(9 << 8));
    host.stack.set_forwarding(wire, true).unwrap();
    // That it is in the group of all routers.
    host.sent();
    for address in [ROUTER, ROUTER_V4, "fd07::7", "10.7.0.7"] {
        host.stack.set_neighbor(wire, ip(address), mac).unwrap();
    }
    host
}

#[test]
fn a_router_names_the_better_first_hop_to_who_could_use_it() {
    let mut host = router();
    host.inject(framed(&datagram(
        "[fd07::7]:5",
        &std::format!("[{DEST}]:7"),
        b"on",
    )));
    let sent = host.sent();
    assert_eq!(sent.len(), 2, "the packet goes on");
    let (link, header, message, station) = read_ndp(&sent[0]);
    assert_eq!(link.dest, MacAddr::local(9 << 8));
    assert_eq!((header.source, header.dest), (ip("fe80::2"), ip("fd07::7")));
    let expected = NdpMessage::Redirect {
        target: v6(ROUTER),
        dest: v6(DEST),
    };
    assert_eq!(message, expected);
    assert_eq!(station, Some(MacAddr::local(9 << 8)));
    let (_, bytes) = unwrap(&sent[0]);
    let (_, options) = NdpMessage::parse(&bytes[40..]).unwrap();
    let quoted = options.into_iter().any(|option| {
        matches!(option, NdpOption::RedirectedHeader(packet)
            if IpHeader::parse_quoted(packet).is_ok_and(|quoted| quoted.dest == ip(DEST)))
    });
    assert!(quoted);
    // IPv4 names it in the header of the message.
    host.inject(framed(&datagram(
        "10.7.0.7:5",
        &std::format!("{DEST_V4}:7"),
        b"on",
    )));
    let sent = host.sent();
    assert_eq!(sent.len(), 2);
    let (_, bytes) = unwrap(&sent[0]);
    let seen = Seen::new(&body(&bytes));
    assert_eq!((seen.ip.source, seen.ip.dest), (ip(OURS), ip("10.7.0.7")));

    let IcmpMessage::Other { kind, code, rest } = seen.icmp() else {
        panic!("{:?}", seen.icmp());
    };
    assert_eq!((kind, code), (icmpv4::REDIRECT, icmpv4::REDIRECT_HOST));
    assert_eq!(
        IpAddr::V4(core::net::Ipv4Addr::from_bits(rest)),
        ip(ROUTER_V4)
    );
}

#[test]
fn who_could_not_use_it_is_not_told_and_nobody_is_told_often() {
    let mut host = router();
    for (source, dest) in [
        ("192.0.2.1:5", "198.51.100.1:7"),
        ("[2001:db8:7::1]:5", "[2001:db8:8::1]:7"),
    ] {
        host.inject(framed(&datagram(source, dest, b"on")));
        assert_eq!(host.sent().len(), 1, "it goes on");
    }
    let mut told = 0;
    for _ in 0..100 {
        host.inject(framed(&datagram(
            "10.7.0.7:5",
            &std::format!("{DEST_V4}:7"),
            b"on",
        )));
        told += host.sent().len() - 1;
    }
    assert_eq!(told, 10);
    assert_eq!(host.stack.stats().forwarded, 102);
}

#[test]
fn a_router_may_keep_better_ways_to_itself() {
    let mut host = router();
    for (on, sent) in [(false, 1), (true, 2)] {
        host.stack.set_send_redirects(host.wire, on).unwrap();
        for (source, dest) in [("[fd07::7]:5", DEST), ("10.7.0.7:5", DEST_V4)] {
            let dest = std::format!("{}", SocketAddr::new(ip(dest), 7));
            host.inject(framed(&datagram(source, &dest, b"on")));
            assert_eq!(host.sent().len(), sent, "{dest}, {on}");
        }
    }
}

/// RFC 4861 §7.2.4.
#[test]
fn a_router_says_that_it_is_one() {
    for forwards in [false, true] {
        let mut host = plain();
        let wire = host.wire;
        host.stack.set_forwarding(wire, forwards).unwrap();
        // That it is in the group of all routers.
        host.sent();
        let target = v6("fd07::2");
        let solicit = NdpMessage::NeighborSolicit { target };
        let option = [NdpOption::SourceLinkLayer(MacAddr::local(5 << 8))];
        host.inject(ndp("fd07::1", target, 255, solicit, &option));
        let sent = host.sent();
        let (header, _, message, _) = read_ndp(&sent[0]);
        let header: EthernetHeader = header;
        assert_eq!((header.source, header.ethertype), (MAC, EtherType::IPV6));
        let NdpMessage::NeighborAdvert(advert) = message else {
            panic!("{message:?}");
        };
        assert_eq!(advert.router, forwards);
    }
}
