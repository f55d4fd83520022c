//! Who has an address: questions, answers, and who waits for them.

use super::*;

#[test]
fn five_datagrams_wait_for_one_question_and_leave_in_order() {
    let mut host = plain();
    let socket = host.udp("10.7.0.2:9");
    for byte in 1..=5 {
        send(&mut host, socket, "10.7.0.1:7", byte).unwrap();
    }
    let sent = host.sent();
    assert_eq!(sent.len(), 1);
    let (link, question) = read_arp(&sent[0]);
    assert!(link.dest.is_broadcast());
    assert_eq!(question, ArpPacket::request(MAC, v4(OURS), v4(PEER)));
    host.inject(arp_reply(PEER));
    let sent = host.sent();
    let bodies: Vec<u8> = sent.iter().map(|packet| packet.body[0][0]).collect();
    assert_eq!(bodies, [1, 2, 3, 4, 5]);
    for packet in &sent {
        let (link, bytes) = unwrap(packet);
        assert_eq!((link.dest, link.ethertype), (PEER_MAC, EtherType::IPV4));
        assert_eq!(Seen::new(&plain_packet(&bytes)).udp().dest_port, 7);
    }
    // From now on they leave at once.
    send(&mut host, socket, "10.7.0.1:7", 6).unwrap();
    assert_eq!(host.sent().len(), 1);
}

/// RFC 4861 §7.2.2: the oldest gives way.
#[test]
fn what_finds_no_room_to_wait_for_a_neighbour_is_counted() {
    let config = Config {
        neighbor: NeighborConfig {
            queue_packets: 2,
            ..NeighborConfig::default()
        },
        ..Config::default()
    };
    let mut host = station(config, DeviceCaps::default());
    let socket = host.udp("10.7.0.2:9");
    for byte in 1..=5 {
        send(&mut host, socket, "10.7.0.1:7", byte).unwrap();
    }
    assert_eq!(host.sent().len(), 1);
    host.assert_dropped(DropReason::NeighborQueueFull, 3);
    host.inject(arp_reply(PEER));
    let sent = host.sent();
    let bodies: Vec<u8> = sent.iter().map(|packet| packet.body[0][0]).collect();
    assert_eq!(bodies, [4, 5]);
}

#[test]
fn what_waits_for_a_neighbour_on_a_link_that_is_removed_is_counted() {
    let mut host = plain();
    let socket = host.udp("10.7.0.2:9");
    for byte in 1..=3 {
        send(&mut host, socket, "10.7.0.1:7", byte).unwrap();
    }
    assert_eq!(host.sent().len(), 1, "the question");
    host.stack.remove_iface(host.wire);
    host.assert_dropped(DropReason::IfaceRemoved, 3);
}

fn plain_packet(bytes: &[u8]) -> TxPacket {
    body(bytes)
}

#[test]
fn what_is_not_on_the_link_goes_to_the_station_of_the_gateway() {
    let mut host = plain();
    let socket = host.udp("10.7.0.2:9");
    send(&mut host, socket, "192.0.2.1:7", 1).unwrap();
    let (_, question) = read_arp(&host.sent()[0]);
    assert_eq!(question.target_ip, v4(ROUTER));
    host.inject(arp_reply(ROUTER));
    let sent = host.sent();
    let (link, bytes) = unwrap(&sent[0]);
    assert_eq!(link.dest, PEER_MAC);
    assert_eq!(Seen::new(&plain_packet(&bytes)).ip.dest, ip("192.0.2.1"));
}

#[test]
fn neighbour_discovery_asks_the_group_and_is_answered() {
    let mut host = plain();
    let socket = host.udp("[fd07::2]:9");
    send(&mut host, socket, "[fd07::1]:7", 1).unwrap();
    let sent = host.sent();
    let (link, ip, message, mac) = read_ndp(&sent[0]);
    let group = solicited_node(v6(PEER_V6));
    assert_eq!(ip.dest, IpAddr::V6(group));
    assert_eq!(ip.source, super::ip(OURS_V6));
    assert_eq!(Some(link.dest), MacAddr::of_group(IpAddr::V6(group)));
    let target = v6(PEER_V6);
    assert_eq!(message, NdpMessage::NeighborSolicit { target });
    assert_eq!(
        mac,
        Some(MAC),
        "RFC 4861 §7.2.2: MUST include its link-layer address"
    );
    let option = [NdpOption::TargetLinkLayer(PEER_MAC)];
    host.inject(ndp(PEER_V6, v6(OURS_V6), 255, advert(PEER_V6), &option));
    let sent = host.sent();
    assert_eq!(unwrap(&sent[0]).0.dest, PEER_MAC);
    let known: Vec<_> = host.stack.neighbors().collect();
    assert_eq!(known[0].state, NeighborState::Reachable);
    assert_eq!(known[0].mac, Some(PEER_MAC));
}

#[test]
fn a_question_for_our_address_is_answered_and_teaches_who_asks() {
    let mut host = plain();
    host.inject(arp_request(PEER, OURS));
    let (link, reply) = read_arp(&host.sent()[0]);
    assert_eq!(link.dest, PEER_MAC);
    let question = ArpPacket::request(PEER_MAC, v4(PEER), v4(OURS));
    assert_eq!(reply, ArpPacket::reply_to(&question, MAC));
    let known: Vec<_> = host.stack.neighbors().collect();
    assert_eq!(
        (known[0].address, known[0].state),
        (ip(PEER), NeighborState::Stale)
    );

    let target = v6(OURS_V6);
    let solicit = NdpMessage::NeighborSolicit { target };
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    host.inject(ndp(PEER_V6, solicited_node(target), 255, solicit, &option));
    let (link, header, message, mac) = read_ndp(&host.sent()[0]);
    assert_eq!((link.dest, header.dest), (PEER_MAC, ip(PEER_V6)));
    let expected = NeighborAdvert {
        router: false,
        solicited: true,
        overrides: true,
        target,
    };
    assert_eq!(message, NdpMessage::NeighborAdvert(expected));
    assert_eq!(mac, Some(MAC));
    assert_eq!(host.stack.neighbors().count(), 2);
}

#[test]
fn who_checks_whether_an_address_is_free_is_told_that_it_is_not() {
    let mut host = plain();
    host.inject(arp_request("0.0.0.0", OURS));
    assert_eq!(read_arp(&host.sent()[0]).1.sender_ip, v4(OURS));
    let target = v6(OURS_V6);
    let solicit = NdpMessage::NeighborSolicit { target };
    host.inject(ndp("::", solicited_node(target), 255, solicit, &[]));
    let (_, header, message, _) = read_ndp(&host.sent()[0]);
    assert_eq!(header.dest, IpAddr::V6(ALL_NODES));
    let NdpMessage::NeighborAdvert(advert) = message else {
        panic!("{message:?}");
    };
    assert!(!advert.solicited && advert.overrides);
    assert_eq!(
        host.stack.neighbors().count(),
        0,
        "nothing is learnt from it"
    );
}

#[test]
fn a_connection_to_a_silent_neighbour_fails_as_host_unreachable() {
    let mut host = plain();
    for peer in ["10.7.0.1:80", "[fd07::1]:80"] {
        let family = if peer.starts_with('[') {
            Family::V6
        } else {
            Family::V4
        };
        let socket = host.stack.tcp_open(family).unwrap();
        let now = host.now;
        let began = host.stack.connect(socket, addr(peer), now);
        assert_eq!(began, Err(SocketError::InProgress));
        assert_eq!(host.sent().len(), 1, "a question, and no SYN");
        for _ in 0..2 {
            pass(&mut host, Duration::from_secs(1));
            host.sent();
        }
        assert_eq!(host.stack.take_error(socket), None);
        pass(&mut host, Duration::from_secs(1));
        assert_eq!(
            host.stack.take_error(socket),
            Some(SocketError::HostUnreachable)
        );
    }
    // The SYN and its retransmission after one second, each time.
    host.assert_dropped(DropReason::NeighborFailed, 4);
    assert_eq!(host.stack.stats().neighbor_solicitations, 6);
    assert_eq!(host.stack.neighbors().count(), 0);
}

#[test]
fn a_connected_datagram_socket_learns_that_its_neighbour_is_silent() {
    let mut host = plain();
    let socket = host.udp("10.7.0.2:9");
    let now = host.now;
    host.stack.connect(socket, addr("10.7.0.1:7"), now).unwrap();
    // As the kernel's, it only does if it asks to.
    for (asks, told) in [(false, None), (true, Some(SocketError::HostUnreachable))] {
        host.stack
            .change_udp(socket, |settings| settings.recv_errors = asks)
            .unwrap();
        send(&mut host, socket, "10.7.0.1:7", 1).unwrap();
        for _ in 0..3 {
            pass(&mut host, Duration::from_secs(1));
        }
        let queued = host.stack.udp(socket).unwrap().recv_error();
        assert_eq!(host.stack.take_error(socket), told);
        let about = queued.map(|queued| (queued.error, queued.kind, queued.code, queued.dest));
        let expected = told.map(|error| (error, 3, 1, addr("10.7.0.1:7")));
        assert_eq!(about, expected);
    }
}

/// The kernel tells them all by a message to itself; the queue holds what it quotes.
#[test]
fn sockets_that_keep_errors_hear_of_a_silent_neighbour_without_being_connected() {
    let mut host = plain();
    let bound = host.udp("10.7.0.2:9");
    let other = host.udp("10.7.0.2:10");
    for socket in [bound, other] {
        host.stack
            .change_udp(socket, |settings| settings.recv_errors = true)
            .unwrap();
    }
    send(&mut host, bound, "10.7.0.1:7", 1).unwrap();
    for _ in 0..3 {
        pass(&mut host, Duration::from_secs(1));
    }
    let queued = host.stack.udp(bound).unwrap().recv_error().unwrap();
    assert_eq!(queued.error, SocketError::HostUnreachable);
    assert_eq!((queued.kind, queued.code), (3, 1));
    assert_eq!(
        (queued.reporter, queued.dest),
        (ip(OURS), addr("10.7.0.1:7"))
    );
    assert_eq!(queued.payload[..], [1; 10]);
    assert_eq!(
        host.stack.take_error(bound),
        Some(SocketError::HostUnreachable)
    );
    assert_eq!(host.stack.take_error(other), None, "it sent nothing");
}

/// A bare segment of the peer's.
fn tcp(seq: u32, ack: u32, flags: TcpFlags) -> RxPacket {
    let mut packet = TxPacket::default();
    let header = TcpHeader {
        source_port: 4000,
        dest_port: 80,
        seq: crate::tcp::SeqNum::new(seq),
        ack: crate::tcp::SeqNum::new(ack),
        flags,
        window: 65535,
        ..TcpHeader::default()
    };
    header.emit(&mut packet.head);
    framed(&wrap(ip(PEER), ip(OURS), ip::TCP, packet))
}

/// The peer connects, and is accepted; the socket, and its SND.NXT.
fn connected(host: &mut Host) -> (SocketId, u32) {
    let listener = host.stack.tcp_open(Family::V4).unwrap();
    host.stack.bind(listener, addr("10.7.0.2:80")).unwrap();
    host.stack.listen(listener, 4).unwrap();
    host.inject(tcp(100, 0, TcpFlags::SYN));
    host.inject(arp_reply(PEER));
    let sent = host.sent();
    let (_, bytes) = unwrap(sent.last().unwrap());
    let iss = u32::from_be_bytes(bytes[24..28].try_into().unwrap());
    let nxt = iss.wrapping_add(1);
    host.inject(tcp(101, nxt, TcpFlags::ACK));
    let (socket, _) = host.stack.accept(listener).unwrap();
    (socket, nxt)
}

/// RFC 9293 MUST-20 (b), RFC 4861 §7.3.3: it is asked without waiting for its time to be over.
#[test]
fn three_retransmissions_in_vain_cast_doubt_on_a_neighbour() {
    let mut host = plain();
    let (socket, _) = connected(&mut host);
    let now = host.now;
    let data = Bytes::from_static(b"abc");
    host.stack.tcp(socket, now).unwrap().push(data).unwrap();
    for millis in [250, 450, 850] {
        let state = host.stack.neighbors().next().map(|neighbor| neighbor.state);
        assert_eq!(state, Some(NeighborState::Reachable));
        host.sent();
        pass(&mut host, Duration::from_millis(millis));
    }
    let state = host.stack.neighbors().next().map(|neighbor| neighbor.state);
    assert_eq!(state, Some(NeighborState::Stale));
    host.sent();
    for _ in 0..5 {
        pass(&mut host, Duration::from_secs(1));
    }
    assert_eq!(host.stack.stats().neighbor_solicitations, 2);
}

#[test]
fn a_stream_keeps_its_neighbour_reachable_without_a_probe() {
    let mut host = plain();
    let wire = host.wire;
    let (socket, mut nxt) = connected(&mut host);
    for _ in 0..20 {
        let now = host.now;
        let data = Bytes::from_static(b"abc");
        host.stack.tcp(socket, now).unwrap().push(data).unwrap();
        let sent = host.sent();
        assert_eq!(sent.len(), 1, "data, and no question");
        assert_eq!(unwrap(&sent[0]).0.dest, PEER_MAC);
        nxt = nxt.wrapping_add(3);
        host.inject(tcp(101, nxt, TcpFlags::ACK));
        pass(&mut host, Duration::from_secs(10));
    }
    assert_eq!(host.stack.stats().neighbor_solicitations, 1);
    host.stack.remove_iface(wire);
    assert_eq!(host.stack.neighbors().count(), 0);
}

#[test]
fn neighbour_discovery_from_beyond_a_router_is_refused() {
    let mut host = plain();
    let target = v6(OURS_V6);
    let solicit = NdpMessage::NeighborSolicit { target };
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    let group = solicited_node(target);
    // RFC 4861 §7.1.1: MUST silently discard.
    host.inject(ndp(PEER_V6, group, 254, solicit, &option));
    host.inject(ndp("::", group, 255, solicit, &option));
    host.inject(ndp("::", ALL_NODES, 255, solicit, &[]));
    // RFC 4861 §7.1.2: a solicited advertisement to many.
    let option = [NdpOption::TargetLinkLayer(PEER_MAC)];
    host.inject(ndp(PEER_V6, ALL_NODES, 255, advert(PEER_V6), &option));
    host.assert_dropped(DropReason::Ndp, 4);
    assert_eq!(host.sent().len(), 0);
}

/// As in Linux: addresses of local routes are found by ARP on every link; those of IPv6 need a proxy.
#[test]
fn arp_answers_for_addresses_of_local_routes() {
    let mut host = plain();
    host.inject(arp_request(PEER, "192.0.2.7"));
    assert!(host.sent().is_empty(), "nobody's so far");
    host.ip_route("add local 192.0.2.0/24 dev lo");
    host.ip_route("add local 2001:db8::/32 dev lo");
    for (asks, target, is_answered) in [
        (PEER, "192.0.2.7", true),
        ("0.0.0.0", "192.0.2.9", true),
        (PEER, "198.51.100.7", false),
        (PEER, "10.7.0.77", false),
        // Another host of the same addresses announces one, and asks.
        ("192.0.2.7", "192.0.2.7", false),
        ("192.0.2.8", "192.0.2.7", false),
    ] {
        host.inject(arp_request(asks, target));
        let sent = host.sent();
        assert_eq!(sent.len(), usize::from(is_answered), "{asks} {target}");
        if is_answered {
            let question = ArpPacket::request(PEER_MAC, v4(asks), v4(target));
            let (_, reply) = read_arp(&sent[0]);
            assert_eq!(reply, ArpPacket::reply_to(&question, MAC));
        }
    }
    // An address of an interface is found, also by one who is no neighbour.
    host.inject(arp_request("192.0.2.8", OURS));
    assert_eq!(host.sent().len(), 1);
    let known: Vec<_> = host.stack.neighbors().map(|one| one.address).collect();
    assert_eq!(known, [ip(PEER)], "who asks for it is heard");
    let target = v6("2001:db8::7");
    let solicit = NdpMessage::NeighborSolicit { target };
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    host.inject(ndp(PEER_V6, target, 255, solicit, &option));
    assert!(host.sent().is_empty());
    // Everything ends here, but for what other routes are for: neither they nor groups are answered for.
    host.ip_route("del local 192.0.2.0/24");
    host.ip_route("replace local default table main");
    for (target, is_answered) in [
        ("198.51.100.7", true),
        ("10.7.0.77", false),
        ("10.7.0.255", false),
        ("224.0.0.9", false),
        ("127.0.0.9", false),
    ] {
        host.inject(arp_request(PEER, target));
        assert_eq!(host.sent().len(), usize::from(is_answered), "{target}");
    }
}

#[test]
fn an_address_of_ours_is_defended_at_most_every_ten_seconds() {
    let mut host = plain();
    for _ in 0..5 {
        host.inject(arp_request(OURS, OURS));
    }
    let sent = host.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        read_arp(&sent[0]).1,
        ArpPacket::request(MAC, v4(OURS), v4(OURS))
    );
    pass(&mut host, Duration::from_secs(10));
    host.inject(arp_request(OURS, PEER));
    assert_eq!(host.sent().len(), 1);
    let option = [NdpOption::TargetLinkLayer(PEER_MAC)];
    host.inject(ndp(PEER_V6, v6(OURS_V6), 255, advert(OURS_V6), &option));
    host.assert_dropped(DropReason::AddressConflict, 7);
    assert_eq!(host.stack.stats().address_conflicts, 7);
}

#[test]
fn announcing_tells_everybody_where_the_addresses_are() {
    let mut host = plain();
    let (wire, now) = (host.wire, host.now);
    host.stack.announce(wire, now).unwrap();
    let sent = host.sent();
    assert_eq!(sent.len(), 3);
    assert!(read_arp(&sent[0]).0.dest.is_broadcast());
    let (_, header, message, mac) = read_ndp(&sent[2]);
    assert_eq!(
        (header.source, header.dest),
        (ip(LINK_LOCAL), IpAddr::V6(ALL_NODES))
    );
    assert!(matches!(message, NdpMessage::NeighborAdvert(advert) if advert.overrides));
    assert_eq!(mac, Some(MAC));
}

#[test]
fn a_router_says_how_long_to_wait_for_neighbours() {
    let mut host = plain();
    let advert = NdpMessage::RouterAdvert(crate::wire::ndp::RouterAdvert {
        hop_limit: 0,
        managed: false,
        other: false,
        preference: crate::wire::ndp::Preference::Medium,
        lifetime: 0,
        reachable_time: 0,
        retrans_timer: 4000,
    });
    let option = [NdpOption::SourceLinkLayer(PEER_MAC)];
    host.inject(ndp(PEER_V6, ALL_NODES, 255, advert, &option));
    host.assert_dropped(DropReason::Ndp, 1);
    host.inject(ndp(PEER_LINK_LOCAL, ALL_NODES, 255, advert, &option));
    let known: Vec<_> = host.stack.neighbors().collect();
    assert!(known[0].router && known[0].state == NeighborState::Stale);
    let socket = host.udp("[fd07::2]:9");
    send(&mut host, socket, "[fd07::9]:7", 1).unwrap();
    assert_eq!(host.sent().len(), 1);
    pass(&mut host, Duration::from_millis(3900));
    assert_eq!(host.sent().len(), 0);
    pass(&mut host, Duration::from_millis(200));
    assert_eq!(host.sent().len(), 1);
}

/// RFC 4291 §2.8.
#[test]
fn a_station_that_forwards_is_in_the_group_of_all_routers() {
    let mut host = station_with(&["10.7.0.2/24", "fe80::2/64"]);
    let wire = host.wire;
    let is_in = |host: &Host| {
        let groups = ["ff01::2", "ff02::2", "ff05::2"];
        let found = groups.map(|group| host.stack.is_member(wire, ip(group), ip("fe80::9")));
        assert!(found[0] == found[1] && found[1] == found[2]);
        found[0]
    };
    assert!(!is_in(&host));
    for on in [true, true, false, false, true] {
        host.stack.set_forwarding(wire, on).unwrap();
        assert_eq!(is_in(&host), on);
    }
}

/// RFC 5227 §2.4(b); and as in Linux after `ip address delete`.
#[test]
fn nothing_leaves_from_an_address_that_was_given_up_or_removed() {
    for is_removed in [false, true] {
        let mut host = plain();
        let (wire, now) = (host.wire, host.now);
        let on = Some(crate::autoconf::Defence::GiveUp);
        host.stack.set_conflict_detection(wire, on, now).unwrap();
        for _ in 0..20 {
            pass(&mut host, Duration::from_secs(1));
            host.sent();
        }
        let (socket, _) = connected(&mut host);
        let now = host.now;
        if is_removed {
            assert!(host.stack.remove_address(wire, ip(OURS), now));
        } else {
            host.inject(arp_request(OURS, OURS));
            host.inject(arp_request(OURS, OURS));
        }
        host.sent();
        assert!(!host.stack.local_addresses().any(|own| own == ip(OURS)));
        let data = Bytes::from_static(b"abc");
        host.stack.tcp(socket, now).unwrap().push(data).unwrap();
        let mut error = None;
        for _ in 0..2000 {
            for packet in host.sent() {
                let bytes = bytes_of(&packet);
                let is_ours = bytes[12..14] == [8, 0] && bytes[26..30] == [10, 7, 0, 2];
                assert!(!is_ours, "from the address of another");
            }
            pass(&mut host, Duration::from_secs(1));
            let now = host.now;
            let taken = host.stack.tcp(socket, now).unwrap().take_error();
            error = error.or(taken);
        }
        assert_eq!(error, Some(SocketError::TimedOut));
        assert!(host.stack.stats().drops(DropReason::NoRoute) > 1);
    }
}
