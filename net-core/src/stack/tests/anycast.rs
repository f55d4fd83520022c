//! Subnet-router anycast addresses (RFC 4291 §2.6.1).

use super::ethernet::{PEER_MAC, framed, ndp, plain, read_ndp, unwrap, v6};
use super::filter::segment;
use super::*;
use crate::SocketError;
use crate::ip::Delivery;
use crate::time::Duration;
use crate::wire::ethernet::solicited_node;
use crate::wire::ndp::NeighborAdvert;
use crate::wire::{EtherType, NdpMessage, NdpOption, TcpFlags};

/// The type of such a message (RFC 4861 §4.3).
const NEIGHBOR_SOLICITATION: u8 = 135;
/// The first address of fd07::/64.
const ROUTERS: &str = "fd07::";

/// A router with fd07::2, whose neighbour fd07::1 is known.
fn router() -> Host {
    let mut host = plain();
    host.stack.set_forwarding(host.wire, true).unwrap();
    host.stack
        .set_neighbor(host.wire, ip(PEER_V6), PEER_MAC)
        .unwrap();
    pass(&mut host);
    host
}

/// What is to be said of groups is said.
fn pass(host: &mut Host) {
    run(host, Duration::from_secs(10));
    host.sent();
}

fn run(host: &mut Host, time: Duration) {
    let until = host.now + time;
    while let Some(at) = host.stack.poll_timeout().filter(|&at| at <= until) {
        host.now = host.now.max(at);
        host.stack.handle_timeout(host.now);
    }
    host.now = until;
}

/// The advertisement about `target` for who asks, and who sends it. It does not come at once (RFC 4861 §7.2.7), but
/// within MAX_ANYCAST_DELAY_TIME (§10).
fn advertised(host: &mut Host, target: &str) -> Option<(IpAddr, NeighborAdvert)> {
    let about = |packet: &TxPacket| {
        let (link, _) = unwrap(packet);
        if link.ethertype != EtherType::IPV6 {
            return None;
        }
        match read_ndp(packet) {
            (_, header, NdpMessage::NeighborAdvert(advert), _) if advert.target == v6(target) => {
                Some((header.source, advert))
            }
            _ => None,
        }
    };
    host.inject(asks_for(target));
    assert_eq!(host.sent().iter().find_map(about), None, "{target}");
    run(host, Duration::from_secs(1));
    host.sent().iter().find_map(about)
}

fn asks_for(target: &str) -> RxPacket {
    let target = v6(target);
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    let message = NdpMessage::NeighborSolicit { target };
    ndp(PEER_V6, solicited_node(target), 255, message, &option)
}

/// What the host sends in IPv6, without its frames.
fn sent(host: &mut Host) -> Vec<(IpHeader, Bytes)> {
    let sent = host.sent();
    let all = sent.iter().map(unwrap);
    let all = all.filter(|(link, _)| link.ethertype == EtherType::IPV6);
    all.map(|(_, bytes)| {
        let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
        (header, bytes.freeze().slice(header.header_len..))
    })
    .collect()
}

/// RFC 4861 §7.2.7: several may answer, so that none overrides another; RFC 4291 §2.6: nothing comes from
/// such an address.
#[test]
fn a_router_is_found_at_the_first_address_of_each_prefix() {
    let mut host = router();
    for target in [ROUTERS, "fe80::"] {
        let (source, advert) = advertised(&mut host, target).expect("an answer");
        assert!(advert.router && advert.solicited && !advert.overrides);
        assert_eq!(source, ip(OURS_V6));
    }
    let echo = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    host.inject(framed(&icmp(PEER_V6, ROUTERS, &echo, b"data")));
    let answers = sent(&mut host);
    let [(header, payload)] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!((header.source, header.dest), (ip(OURS_V6), ip(PEER_V6)));
    let reply = IcmpMessage::EchoReply { ident: 7, seq: 1 };
    assert_eq!(icmpv6::parse(payload), Ok(reply));
    assert_eq!(host.stack.stats().icmp_echo_replies, 1);
}

#[test]
fn who_does_not_forward_has_no_anycast_address() {
    let mut host = plain();
    let now = host.now;
    host.stack
        .set_neighbor(host.wire, ip(PEER_V6), PEER_MAC)
        .unwrap();
    let is_found = |host: &mut Host, target: &str| advertised(host, target).is_some();
    // That of the first address of any prefix.
    let group = IpAddr::V6(solicited_node(v6(ROUTERS)));
    let listens = |host: &Host| host.stack.is_member(host.wire, group, ip(PEER_V6));
    assert!(!listens(&host));
    assert!(!is_found(&mut host, ROUTERS));
    host.stack.set_forwarding(host.wire, true).unwrap();
    pass(&mut host);
    assert!(is_found(&mut host, ROUTERS));
    // It comes with the first address of a prefix, and goes with the last one.
    let wire = host.wire;
    let forward = |host: &mut Host, on| {
        host.stack.set_forwarding(wire, on).unwrap();
        pass(host);
    };
    for added in ["fd08::1/64", "fd08::2/64", "fd09::1/127", "fd0a::1/128"] {
        host.stack.add_address(wire, cidr(added), now).unwrap();
    }
    pass(&mut host);
    assert!(is_found(&mut host, "fd08::"));
    assert!(!is_found(&mut host, "fd09::"), "RFC 6164 §5.1");
    host.stack.remove_address(wire, ip("fd08::1"), now);
    assert!(is_found(&mut host, "fd08::"));
    host.stack.remove_address(wire, ip("fd08::2"), now);
    assert!(!is_found(&mut host, "fd08::"));
    assert!(listens(&host));
    forward(&mut host, false);
    assert!(!is_found(&mut host, ROUTERS));
    assert!(!listens(&host));
    assert_eq!(
        host.stack.addresses.delivery(ip(ROUTERS)),
        Delivery::Foreign
    );
}

/// RFC 4443 §4.2: an echo comes from the interface that was asked, whichever way it goes back.
#[test]
fn an_echo_from_an_anycast_address_has_an_address_of_the_interface_that_was_asked() {
    let mut host = Host::new();
    let far = iface("tun1", IfaceKind::PointToPoint, 1500, &["fd09::1/64"]);
    let far = host.stack.add_iface(far, DeviceCaps::default()).unwrap();
    host.stack.set_forwarding(host.wire, true).unwrap();
    host.stack.ip_route("add fd0a::/64 dev tun1").unwrap();
    let echo = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    host.inject(icmp("fd0a::9", ROUTERS, &echo, b"data"));
    let sent = host.sent_over(far);
    let seen = sent
        .iter()
        .map(Seen::new)
        .find(|seen| seen.ip.dest == ip("fd0a::9"));
    assert_eq!(seen.expect("an answer").ip.source, ip(OURS_V6));
}

/// RFC 4862 §5.4: what several have is not checked.
#[test]
fn nobody_is_asked_about_an_anycast_address() {
    let mut host = plain();
    pass(&mut host);
    host.stack.set_forwarding(host.wire, true).unwrap();
    run(&mut host, Duration::from_secs(10));
    let sent = host.sent();
    assert!(!sent.is_empty(), "its group is told of");
    let is_question = |packet: &TxPacket| {
        let (_, bytes) = unwrap(packet);
        (bytes[6], bytes[40]) == (ip::ICMPV6, NEIGHBOR_SOLICITATION)
    };
    assert!(!sent.iter().any(is_question));
}

/// As in Linux: a datagram is for whoever has bound the port, an error has an address of its own (RFC 4443
/// §2.2(b)), and TCP does not answer.
#[test]
fn datagrams_to_an_anycast_address_are_taken_and_streams_are_not() {
    let mut host = router();
    let id = host.udp("[::]:7");
    let from = std::format!("[{PEER_V6}]:9");
    host.inject(framed(&datagram(&from, "[fd07::]:7", b"question")));
    let mut udp = host.stack.udp(id).unwrap();
    let received = udp.recv().unwrap();
    assert_eq!(received.payload, "question");
    udp.send(Bytes::from_static(b"answer"), Some(addr(&from)))
        .unwrap();
    let answers = sent(&mut host);
    assert_eq!(answers[0].0.source, ip(OURS_V6));
    host.inject(framed(&datagram(&from, "[fd07::]:8", b"question")));
    let errors = sent(&mut host);
    assert_eq!(errors[0].0.source, ip(OURS_V6));
    assert!(matches!(
        icmpv6::parse(&errors[0].1),
        Ok(IcmpMessage::Unreachable { .. })
    ));
    let refused = host.stack.udp_open(Family::V6).unwrap();
    let refused = host.stack.bind(refused, addr("[fd07::]:7"));
    assert_eq!(refused, Err(SocketError::AddressNotAvailable));
    let before = host.stack.stats().drops(DropReason::NotForUs);
    let listener = host.stack.tcp_open(Family::V6).unwrap();
    host.stack.bind(listener, addr("[::]:80")).unwrap();
    host.stack.listen(listener, 8).unwrap();
    let syn = segment(&from, "[fd07::]:80", TcpFlags::SYN, b"");
    host.inject(framed(&syn));
    assert!(sent(&mut host).is_empty());
    assert_eq!(host.stack.stats().drops(DropReason::NotForUs), before + 1);
}
