//! Answers for addresses of others.

use super::*;

const TARGET: &str = "10.7.0.77";
const TARGET_V6: &str = "fd07::77";

/// A station that answers for both targets.
fn proxy(config: Config) -> Host {
    let mut host = station(config, DeviceCaps::default());
    let wire = host.wire;
    for address in [TARGET, TARGET_V6] {
        let set = host.stack.set_neighbor_proxy(wire, ip(address), true);
        set.unwrap();
    }
    // Who asks is not asked for itself.
    let set = host.stack.set_neighbor(wire, ip(PEER_V6), PEER_MAC);
    set.unwrap();
    host.now += Duration::from_secs(20);
    host.stack.handle_timeout(host.now);
    host.sent();
    host
}

/// A question for the one of IPv6, to an address and as its frame goes.
fn solicit(dest: Ipv6Addr) -> RxPacket {
    let message = NdpMessage::NeighborSolicit {
        target: v6(TARGET_V6),
    };
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    ndp(PEER_V6, dest, 255, message, &option)
}

fn solicit_all() -> RxPacket {
    solicit(solicited_node(v6(TARGET_V6)))
}

/// A question by ARP that came to us alone.
fn arp_question_to_us() -> RxPacket {
    let packet = ArpPacket::request(PEER_MAC, v4(PEER), v4(TARGET));
    frame(MAC, EtherType::ARP, &packet.to_bytes())
}

/// What is sent until nothing waits any more or the longest delay is over, with when.
fn answers(host: &mut Host) -> Vec<(Duration, TxPacket)> {
    let begun = host.now;
    let mut all = Vec::new();
    while let Some(at) = host.stack.poll_timeout() {
        if at.saturating_since(begun) > Duration::from_secs(1) {
            break;
        }
        host.now = host.now.max(at);
        host.stack.handle_timeout(host.now);
        let after = host.now.saturating_since(begun);
        all.extend(host.sent().into_iter().map(|packet| (after, packet)));
    }
    all
}

#[test]
fn questions_for_others_are_not_answered_unless_by_proxy() {
    let mut host = plain();
    host.inject(arp_request(PEER, TARGET));
    host.inject(solicit_all());
    assert_eq!(answers(&mut host).len(), 0);
    assert_eq!(host.stack.neighbors().count(), 0);
    let wire = host.wire;
    for address in [TARGET, TARGET_V6] {
        let set = host.stack.set_neighbor_proxy(wire, ip(address), true);
        set.unwrap();
    }
    assert_eq!(host.sent().len(), 1, "routers hear of the new group");
    host.inject(arp_question_to_us());
    host.inject(solicit(v6(OURS_V6)));
    let sent = host.sent();
    assert_eq!(read_arp(&sent[0]).1.sender_ip, v4(TARGET));
    let (_, ip, message, mac) = read_ndp(&sent[1]);
    let NdpMessage::NeighborAdvert(advert) = message else {
        panic!("{message:?}");
    };
    assert!(
        !advert.overrides,
        "RFC 4861 §7.2.8: SHOULD be 0 for a proxy"
    );
    assert!(advert.solicited);
    assert_eq!((advert.target, mac), (v6(TARGET_V6), Some(MAC)));
    assert_eq!(ip.dest, IpAddr::V6(v6(PEER_V6)));
}

/// RFC 4861 §7.2.8, and Linux for ARP: who is asked alone answers at once.
#[test]
fn what_all_were_asked_a_proxy_answers_after_a_random_time() {
    let mut host = proxy(Config::default());
    for question in [arp_question_to_us(), solicit(v6(OURS_V6))] {
        host.inject(question);
        assert_eq!(host.sent().len(), 1, "asked alone");
    }
    let mut waits = Vec::new();
    for _ in 0..4 {
        let questions = [|| arp_request(PEER, TARGET), solicit_all];
        for question in questions {
            host.inject(question());
            assert_eq!(host.sent().len(), 0, "everybody was asked");
            let answers = answers(&mut host);
            let [(after, _)] = answers[..] else {
                panic!("{answers:?}");
            };
            assert!(after <= NeighborConfig::default().proxy_delay, "{after:?}");
            waits.push(after);
            pass(&mut host, Duration::from_secs(1));
            host.sent();
        }
    }
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 4, "they are random: {waits:?}");
    // Our own addresses are answered for at once.
    host.inject(arp_request(PEER, OURS));
    assert_eq!(host.sent().len(), 1);
}

/// RFC 4861 §7.3.3: by the address itself, whether this host forwards or not.
#[test]
fn a_neighbour_that_asks_a_proxy_whether_the_other_is_still_there_is_answered() {
    let mut host = proxy(Config::default());
    let wire = host.wire;
    for forwards in [false, true] {
        host.stack.set_forwarding(wire, forwards).unwrap();
        host.sent();
        host.inject(solicit(v6(TARGET_V6)));
        let sent = host.sent();
        let (_, ip, message, _) = read_ndp(&sent[0]);
        assert_eq!((sent.len(), ip.dest), (1, IpAddr::V6(v6(PEER_V6))));
        assert!(matches!(message, NdpMessage::NeighborAdvert(advert) if advert.solicited));
    }
    // For somebody whom it does not answer for it does not.
    let set = host.stack.set_neighbor_proxy(wire, ip(TARGET_V6), false);
    set.unwrap();
    host.sent();
    host.inject(solicit(v6(TARGET_V6)));
    let answered = host.sent().iter().any(|packet| {
        let (link, bytes) = unwrap(packet);
        link.ethertype == EtherType::IPV6 && bytes[6] == 58 && bytes[40] == 136
    });
    assert!(!answered);
}

/// Who asks before it takes an address is answered in time, but not at once (RFC 4862 §5.4 waits a second).
#[test]
fn a_proxy_defends_an_address_after_a_random_time_too() {
    let mut host = proxy(Config::default());
    let target = v6(TARGET_V6);
    let message = NdpMessage::NeighborSolicit { target };
    host.inject(ndp("::", solicited_node(target), 255, message, &[]));
    assert_eq!(host.sent().len(), 0);
    let answers = answers(&mut host);
    let [(after, packet)] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(*after < Duration::from_secs(1));
    let (_, ip, message, _) = read_ndp(packet);
    assert_eq!(ip.dest, IpAddr::V6(ALL_NODES));
    assert!(matches!(message, NdpMessage::NeighborAdvert(advert) if !advert.solicited));
}

#[test]
fn answers_that_wait_are_bounded_and_those_for_nobody_any_more_are_not_sent() {
    let neighbor = NeighborConfig {
        proxy_queue: 2,
        ..NeighborConfig::default()
    };
    let mut host = proxy(Config {
        neighbor,
        ..Config::default()
    });
    for asker in ["10.7.0.21", "10.7.0.22", "10.7.0.23", "10.7.0.24"] {
        host.inject(arp_request(asker, TARGET));
    }
    host.assert_dropped(DropReason::ProxyQueueFull, 2);
    // Who asks again is answered once.
    host.inject(arp_request("10.7.0.21", TARGET));
    host.assert_dropped(DropReason::ProxyQueueFull, 2);
    assert_eq!(answers(&mut host).len(), 2);
    for question in [arp_request(PEER, TARGET), solicit_all()] {
        host.inject(question);
    }
    let wire = host.wire;
    let set = host.stack.set_neighbor_proxy(wire, ip(TARGET), false);
    set.unwrap();
    let left = answers(&mut host);
    assert_eq!(left.len(), 1, "{left:?}");
    read_ndp(&left[0].1);
}

#[test]
fn without_a_delay_a_proxy_answers_at_once() {
    let neighbor = NeighborConfig {
        proxy_delay: Duration::ZERO,
        ..NeighborConfig::default()
    };
    let mut host = proxy(Config {
        neighbor,
        ..Config::default()
    });
    for question in [arp_request(PEER, TARGET), solicit_all()] {
        host.inject(question);
        assert_eq!(host.sent().len(), 1);
    }
}
