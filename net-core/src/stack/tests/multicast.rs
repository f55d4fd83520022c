//! Groups: who hears what, what routers are told, and where packets to groups go.

use super::ethernet::{MAC, framed, plain, unwrap};
use super::*;
use crate::SocketError;
use crate::multicast::MembershipChange;
use crate::time::Duration;
use crate::wire::ethernet::solicited_node;
use crate::wire::membership::{Query, RecordKind, Sources, Version};
use crate::wire::{MacAddr, Membership, igmp, ipv6_ext, mld};
use std::vec;

pub(super) const GROUP: &str = "239.1.2.3";
pub(super) const GROUP_V6: &str = "ff15::123";

fn join(host: &mut Host, socket: SocketId, group: &str) -> Result<(), SocketError> {
    change(host, socket, group, MembershipChange::Join)
}

fn change(
    host: &mut Host,
    socket: SocketId,
    group: &str,
    change: MembershipChange,
) -> Result<(), SocketError> {
    let (wire, now) = (Some(host.wire), host.now);
    host.stack
        .change_membership(socket, ip(group), wire, change, now)
}

fn received(host: &mut Host, socket: SocketId) -> Vec<Vec<u8>> {
    let mut udp = host.stack.udp(socket).unwrap();
    core::iter::from_fn(|| Some(udp.recv()?.payload.to_vec())).collect()
}

fn send(host: &mut Host, socket: SocketId, to: &str) -> Result<(), SocketError> {
    let mut udp = host.stack.udp(socket).unwrap();
    udp.send(Bytes::from_static(b"hello"), Some(addr(to)))
}

/// A UDP socket that shares its port.
fn shared(host: &mut Host, local: &str) -> SocketId {
    let local = addr(local);
    let family = if local.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let id = host.stack.udp_open(family).unwrap();
    host.stack
        .change_udp(id, |settings| settings.reuse_address = true)
        .unwrap();
    host.stack.bind(id, local).unwrap();
    id
}

/// What an IGMP or MLD packet says: the header, and each record as text.
fn read_report(bytes: &[u8]) -> (IpHeader, Vec<(RecordKind, IpAddr, Vec<IpAddr>)>) {
    let ip = IpHeader::parse(bytes, bytes.len()).unwrap();
    let message = match ip.dest {
        IpAddr::V4(_) => igmp::parse(&bytes[ip.header_len..]).unwrap(),
        IpAddr::V6(_) => mld::parse(&bytes[48..]).unwrap(),
    };
    let Membership::Report(records) = message else {
        panic!("{message:?}");
    };
    let records = records.iter();
    let records =
        records.map(|record| (record.kind, record.group, record.sources.iter().collect()));
    (ip, records.collect())
}

fn igmp_query(group: &str, options: &[u8]) -> RxPacket {
    igmp_query_from(PEER, group, options)
}

fn igmp_query_from(source: &str, group: &str, options: &[u8]) -> RxPacket {
    let query = Query {
        version: Version::Third,
        max_response: Duration::from_secs(1),
        group: ip(group),
        suppress: false,
        robustness: 2,
        interval: Duration::from_secs(125),
        sources: Sources::V4(&[]),
    };
    let mut packet = body(&igmp::emit_query(&query));
    let header = IpHeader {
        ttl: 1,
        ..IpHeader::new(ip(source), ip("224.0.0.1"), igmp::PROTOCOL, packet.len())
    };
    if options.is_empty() {
        header.emit(&mut packet.head);
    } else {
        crate::wire::ipv4::emit_with_router_alert(&header, &mut packet.head);
    }
    linear(&packet)
}

fn mld_query(version: Version, source: &str, hops: u8) -> TxPacket {
    let query = Query {
        version,
        max_response: Duration::from_secs(1),
        group: ip("::"),
        suppress: false,
        robustness: 2,
        interval: Duration::from_secs(125),
        sources: Sources::V6(&[]),
    };
    let message = mld::emit_query(&query);
    let mut packet = TxPacket::default();
    let place = packet.head.prepend(message.len());
    place.copy_from_slice(&message);
    let (source, dest) = (ip(source), ip("ff02::1"));
    transport::fill_checksum(&mut packet, source, dest, ip::ICMPV6, false);
    packet.head.prepend(8).copy_from_slice(&mld::ROUTER_ALERT);
    let header = IpHeader {
        ttl: hops,
        ..IpHeader::new(source, dest, ipv6_ext::HOP_BY_HOP, packet.len())
    };
    header.emit(&mut packet.head);
    packet
}

#[test]
fn a_datagram_to_a_group_reaches_every_member() {
    let mut host = Host::new();
    let (a, b) = (
        shared(&mut host, "0.0.0.0:9"),
        shared(&mut host, "0.0.0.0:9"),
    );
    let (c, d) = (
        shared(&mut host, "239.1.2.3:9"),
        shared(&mut host, "10.7.0.2:9"),
    );
    host.inject(datagram("10.7.0.1:7", "239.1.2.3:9", b"0"));
    host.assert_dropped(DropReason::NotForUs, 1);
    join(&mut host, a, GROUP).unwrap();
    host.inject(datagram("10.7.0.1:7", "239.1.2.3:9", b"1"));
    for socket in [a, b, c] {
        assert_eq!(received(&mut host, socket), [b"1"], "{socket:?}");
    }
    assert_eq!(received(&mut host, d), [b""; 0], "bound to another address");
    // Without IP_MULTICAST_ALL a socket hears what it has joined and nothing else.
    for socket in [b, c] {
        let changed = host
            .stack
            .change_udp(socket, |settings| settings.multicast.all_v4 = false);
        changed.unwrap();
    }
    host.inject(datagram("10.7.0.1:7", "239.1.2.3:9", b"2"));
    assert_eq!(received(&mut host, a), [b"2"]);
    assert_eq!(
        received(&mut host, b).len() + received(&mut host, c).len(),
        0
    );
    let now = host.now;
    host.stack.close(a, now);
    host.inject(datagram("10.7.0.1:7", "239.1.2.3:9", b"3"));
    host.assert_dropped(DropReason::NotForUs, 2);
}

#[test]
fn sources_are_heard_as_each_socket_says() {
    let mut host = Host::new();
    let (a, b) = (
        shared(&mut host, "0.0.0.0:9"),
        shared(&mut host, "0.0.0.0:9"),
    );
    let from = |number: u8| std::format!("10.7.0.{number}:7");
    let source = |number: u8| IpAddr::from([10, 7, 0, number]);
    change(&mut host, a, GROUP, MembershipChange::JoinSource(source(4))).unwrap();
    host.inject(datagram(&from(5), "239.1.2.3:9", b"5"));
    host.assert_dropped(DropReason::NotForUs, 1);
    join(&mut host, b, GROUP).unwrap();
    change(
        &mut host,
        b,
        GROUP,
        MembershipChange::BlockSource(source(4)),
    )
    .unwrap();
    for number in [4, 5] {
        host.inject(datagram(&from(number), "239.1.2.3:9", &[number]));
    }
    assert_eq!(received(&mut host, a), [[4]]);
    assert_eq!(received(&mut host, b), [[5]]);
}

#[test]
fn routers_are_told_in_packets_of_one_hop_with_an_alert() {
    let mut host = Host::new();
    let socket = host.udp("[::]:9");
    join(&mut host, socket, GROUP).unwrap();
    join(&mut host, socket, GROUP_V6).unwrap();
    let sent = host.sent();
    let bytes = bytes_of(&sent[0]);
    let (header, records) = read_report(&bytes);
    // RFC 3376 §4: TTL 1, internetwork control, Router Alert; to 224.0.0.22.
    assert_eq!((header.ttl, header.tos, header.header_len), (1, 0xc0, 24));
    assert_eq!(bytes[20..24], [0x94, 4, 0, 0]);
    assert_eq!((header.source, header.dest), (ip(OURS), ip("224.0.0.22")));
    assert_eq!(records, [(RecordKind::ToExclude, ip(GROUP), vec![])]);
    let bytes = bytes_of(&sent[1]);
    let (header, records) = read_report(&bytes);
    // RFC 3810 §5: hop limit 1, Router Alert in Hop-by-Hop options; without a link-local address from
    // the unspecified one (§5.2.13).
    assert_eq!((header.ttl, header.protocol), (1, ipv6_ext::HOP_BY_HOP));
    assert_eq!(bytes[40..48], [58, 0, 5, 2, 0, 0, 1, 0]);
    assert_eq!((header.source, header.dest), (ip("::"), ip("ff02::16")));
    assert_eq!(records, [(RecordKind::ToExclude, ip(GROUP_V6), vec![])]);
    let mut inner = header;
    (inner.protocol, inner.header_len, inner.payload_len) = (58, 48, bytes.len() - 48);
    let packet = RxPacket::from_frame(bytes);
    assert_eq!(transport::verify_checksum(&packet, &inner), Ok(()));
    assert_eq!(host.stack.stats().membership_reports, 2);
}

#[test]
fn a_router_that_asks_is_answered_if_it_alerts() {
    let mut host = Host::new();
    let socket = host.udp("0.0.0.0:9");
    join(&mut host, socket, GROUP).unwrap();
    settle(&mut host);
    // RFC 3376 §9.1: SHOULD ignore.
    host.inject(igmp_query("0.0.0.0", &[]));
    host.assert_dropped(DropReason::Membership, 1);
    assert_eq!(host.stack.poll_timeout(), None);
    host.inject(igmp_query("0.0.0.0", &[1]));
    let sent = settle(&mut host);
    assert_eq!(sent.len(), 1);
    let (_, records) = read_report(&bytes_of(&sent[0]));
    assert_eq!(records, [(RecordKind::IsExclude, ip(GROUP), vec![])]);
}

/// RFC 4541 §2.1.1.
#[test]
fn a_switch_that_asks_without_an_address_is_answered() {
    let mut host = Host::new();
    let socket = host.udp("0.0.0.0:9");
    join(&mut host, socket, GROUP).unwrap();
    settle(&mut host);
    host.inject(igmp_query_from("0.0.0.0", "0.0.0.0", &[1]));
    assert_eq!(settle(&mut host).len(), 1);
    host.inject(datagram("0.0.0.0:7", "239.1.2.3:9", b"nobody"));
    host.assert_dropped(DropReason::Martian, 1);
}

/// Without that group nobody finds the host.
#[test]
fn sockets_in_all_groups_keep_the_stack_out_of_none() {
    let mut host = plain();
    let mut joined = 0;
    for socket in 0..52_u16 {
        let id = host.udp(&std::format!("[::]:{}", 1000 + socket));
        for group in 0..20_u16 {
            let group = std::format!("ff15::{socket:x}:{group:x}");
            joined += usize::from(join(&mut host, id, &group).is_ok());
        }
    }
    assert!(joined < 1024);
    let (wire, now) = (host.wire, host.now);
    host.stack
        .add_address(wire, cidr("fd07::aa:1/64"), now)
        .unwrap();
    let group = ip("ff02::1:ffaa:1");
    assert!(host.stack.is_member(wire, group, ip("::")));
}

/// RFC 1112 appendix I: what no router sends on, whatever its group.
#[test]
fn the_oldest_router_is_believed_on_the_link_only() {
    let mut host = Host::new();
    let socket = host.udp("0.0.0.0:9");
    join(&mut host, socket, GROUP).unwrap();
    settle(&mut host);
    let query = |dest: &str| {
        let query = Query {
            version: Version::First,
            max_response: Duration::ZERO,
            group: ip("239.9.9.9"),
            suppress: false,
            robustness: 0,
            interval: Duration::ZERO,
            sources: Sources::V4(&[]),
        };
        let mut packet = body(&igmp::emit_query(&query));
        let header = IpHeader::new(ip(PEER), ip(dest), igmp::PROTOCOL, packet.len());
        header.emit(&mut packet.head);
        packet
    };
    host.inject(query(OURS));
    host.assert_dropped(DropReason::Membership, 1);
    host.inject(query("224.0.0.1"));
    assert_eq!(settle(&mut host).len(), 1);
}

/// RFC 2710 §3, RFC 3590 §4: of the link, also where the group is of the world.
#[test]
fn an_old_router_hears_of_groups_from_a_link_local_address() {
    let mut host = plain();
    settle(&mut host);
    host.inject(framed(&mld_query(Version::Second, "fe80::1", 1)));
    settle(&mut host);
    let socket = host.udp("[::]:9");
    join(&mut host, socket, "ff0e::9").unwrap();
    let sent = host.sent();
    let (_, bytes) = unwrap(&sent[0]);
    let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
    assert_eq!((header.source, header.dest), (ip("fe80::2"), ip("ff0e::9")));
}

/// Lets everything happen that is planned; what is sent.
fn settle(host: &mut Host) -> Vec<TxPacket> {
    let mut sent = host.sent();
    while let Some(at) = host.stack.poll_timeout() {
        host.now = at;
        host.stack.handle_timeout(at);
        sent.extend(host.sent());
    }
    sent
}

#[test]
fn an_mld_query_must_come_from_the_link() {
    let mut host = Host::new();
    let socket = host.udp("[::]:9");
    join(&mut host, socket, GROUP_V6).unwrap();
    settle(&mut host);
    let query = |source, hops| mld_query(Version::Third, source, hops);
    // RFC 3810 §6.2: MUST be dropped.
    host.inject(query("fd07::1", 1));
    host.inject(query("fe80::1", 2));
    host.assert_dropped(DropReason::Membership, 2);
    assert_eq!(host.stack.poll_timeout(), None);
    host.inject(query("fe80::1", 1));
    let sent = settle(&mut host);
    let (_, records) = read_report(&bytes_of(&sent[0]));
    assert_eq!(records, [(RecordKind::IsExclude, ip(GROUP_V6), vec![])]);
}

#[test]
fn an_ethernet_listens_where_its_addresses_are_asked_for() {
    let host = plain();
    let wire = host.stack.iface(host.wire).unwrap();
    for own in ["fd07::2", "fe80::2"] {
        let IpAddr::V6(own) = ip(own) else {
            unreachable!()
        };
        let group = IpAddr::V6(solicited_node(own));
        assert!(wire.memberships(group).wants(group, ip("fe80::1")));
    }
}

#[test]
fn packets_to_groups_go_one_hop_and_come_back_to_members() {
    let mut host = plain();
    let (a, b) = (
        shared(&mut host, "0.0.0.0:9"),
        shared(&mut host, "0.0.0.0:9"),
    );
    join(&mut host, a, GROUP).unwrap();
    host.sent();
    send(&mut host, b, "239.1.2.3:9").unwrap();
    assert_eq!(received(&mut host, a), [b"hello"]);
    assert_eq!(received(&mut host, b), [b"hello"]);
    let sent = host.sent();
    assert_eq!(sent.len(), 1);
    let (link, bytes) = unwrap(&sent[0]);
    assert_eq!(Some(link.dest), MacAddr::of_group(ip(GROUP)));
    assert_eq!(link.source, MAC);
    let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
    assert_eq!((header.ttl, header.source), (1, ip(OURS)));
    let changed = host.stack.change_udp(b, |settings| {
        (settings.multicast.ttl, settings.multicast.loop_v4) = (7, false);
    });
    changed.unwrap();
    send(&mut host, b, "239.1.2.3:9").unwrap();
    assert_eq!(received(&mut host, a).len(), 0);
    let (_, bytes) = unwrap(&host.sent()[0]);
    assert_eq!(IpHeader::parse(&bytes, bytes.len()).unwrap().ttl, 7);
    // TTL 0: to this host alone (RFC 1112 §6.1).
    let changed = host.stack.change_udp(b, |settings| {
        (settings.multicast.ttl, settings.multicast.loop_v4) = (0, true);
    });
    changed.unwrap();
    send(&mut host, b, "239.1.2.3:9").unwrap();
    assert_eq!(received(&mut host, a).len(), 1);
    assert_eq!(host.sent().len(), 0);
}

#[test]
fn the_interface_of_packets_to_groups_can_be_chosen() {
    let mut host = Host::new();
    let second = iface(
        "tun1",
        IfaceKind::PointToPoint,
        1500,
        &["10.8.0.2/24", "fe80::8/64"],
    );
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    let socket = host.udp("[::]:9");
    send(&mut host, socket, "239.1.2.3:9").unwrap();
    assert_eq!(host.sent().len(), 1, "where the default route leads");
    let changed = host.stack.change_udp(socket, |settings| {
        settings.multicast.iface_v4 = Some(second);
    });
    changed.unwrap();
    send(&mut host, socket, "239.1.2.3:9").unwrap();
    let sent = host.sent_over(second);
    assert_eq!(Seen::new(&sent[0]).ip.source, ip("10.8.0.2"));
    // By the scope of the address (RFC 4007 §6).
    let scoped = std::format!("[ff02::fb%{}]:9", second.number());
    send(&mut host, socket, &scoped).unwrap();
    let sent = host.sent_over(second);
    assert_eq!(Seen::new(&sent[0]).ip.source, ip("fe80::8"));
    send(&mut host, socket, "[ff02::fb]:9").unwrap();
    assert_eq!(host.sent().len(), 1, "the first that has IPv6");
}

#[test]
fn a_neighbour_by_its_link_local_address_can_be_answered() {
    let mut host = plain();
    let socket = host.udp("[::]:9");
    let packet = datagram("[fe80::1]:7", "[fe80::2]:9", b"x");
    host.inject(framed(&packet));
    let from = host.stack.udp(socket).unwrap().recv().unwrap().source;
    let SocketAddr::V6(scoped) = from else {
        panic!("{from}");
    };
    assert_eq!(scoped.scope_id(), host.wire.number());
    let mut udp = host.stack.udp(socket).unwrap();
    udp.send(Bytes::from_static(b"y"), Some(from)).unwrap();
    assert_eq!(host.sent().len(), 1, "a question for its station");
}

#[test]
fn what_is_gone_leaves_its_groups() {
    let mut host = Host::new();
    let socket = host.udp("0.0.0.0:9");
    join(&mut host, socket, GROUP).unwrap();
    settle(&mut host);
    let now = host.now;
    host.stack.close(socket, now);
    let sent = settle(&mut host);
    assert_eq!(sent.len(), 2, "told twice");
    let (_, records) = read_report(&bytes_of(&sent[0]));
    assert_eq!(records, [(RecordKind::ToInclude, ip(GROUP), vec![])]);
    let socket = host.udp("0.0.0.0:9");
    join(&mut host, socket, GROUP).unwrap();
    let wire = host.wire;
    host.stack.remove_iface(wire);
    assert_eq!(host.stack.poll_timeout(), None);
    assert_eq!(host.stack.udp_socket(socket).unwrap().memberships, []);
}

/// The way to a group need not be in a table.
#[test]
fn what_is_connected_to_a_group_finds_its_way_again_when_routes_change() {
    let mut host = Host::new();
    host.stack.remove_route(cidr("0.0.0.0/0"));
    let id = host.udp("0.0.0.0:5");
    let wire = host.wire;
    let named = host
        .stack
        .change_udp(id, |settings| settings.multicast.iface_v4 = Some(wire));
    named.unwrap();
    host.stack
        .connect(id, addr("239.1.2.3:7"), host.now)
        .unwrap();
    host.stack.ip_route("add 198.51.100.0/24 dev tun0").unwrap();
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"x"), None).unwrap();
    assert_eq!(host.sent().len(), 1);
}
