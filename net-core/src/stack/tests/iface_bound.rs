//! Sockets that are bound to an interface, and what their packets tell the device.

use super::*;
use crate::error::SocketError;
use crate::socket::IpOption;

/// A host with a second link, 10.8.0.2/24.
fn host() -> (Host, IfaceId) {
    let mut host = Host::new();
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    (host, second)
}

fn send(host: &mut Host, id: SocketId, to: &str) -> Result<(), SocketError> {
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"x"), Some(addr(to)))
}

#[test]
fn a_bound_socket_sends_over_its_interface_only() {
    let (mut host, second) = host();
    let id = host.udp("0.0.0.0:9");
    send(&mut host, id, "192.0.2.1:53").unwrap();
    assert_eq!(host.sent().len(), 1);
    host.stack.bind_iface(id, Some(second)).unwrap();
    assert_eq!(
        host.stack.udp_settings(id).unwrap().ip.iface(),
        Some(second)
    );
    // The default route is another interface's: the kernel takes the address to be on the link.
    send(&mut host, id, "192.0.2.1:53").unwrap();
    assert_eq!(host.sent().len(), 0);
    let sent = host.sent_over(second);
    assert_eq!(Seen::new(&sent[0]).ip.source, ip("10.8.0.2"));
    let id = host.udp("[::]:9999");
    host.stack.bind_iface(id, Some(second)).unwrap();
    assert_eq!(
        send(&mut host, id, "[2001:db8::1]:53"),
        Err(SocketError::NetworkUnreachable)
    );
    host.stack.bind_iface(id, None).unwrap();
    send(&mut host, id, "[2001:db8::1]:53").unwrap();
    assert_eq!(host.sent().len(), 1);
}

#[test]
fn the_more_specific_route_of_another_interface_is_passed_over() {
    let (mut host, second) = host();
    let specific = Route {
        prefix: cidr("192.0.2.0/24"),
        via: None,
        iface: host.wire,
        source: None,
        metric: 0,
    };
    host.stack.add_route(specific).unwrap();
    let general = Route {
        prefix: cidr("192.0.0.0/16"),
        via: Some(ip("10.8.0.1")),
        iface: second,
        ..specific
    };
    host.stack.add_route(general).unwrap();
    let id = host.udp("0.0.0.0:9");
    host.stack.bind_iface(id, Some(second)).unwrap();
    send(&mut host, id, "192.0.2.1:53").unwrap();
    assert_eq!(host.sent_over(second).len(), 1);
}

#[test]
fn a_bound_socket_takes_what_comes_over_its_interface_only() {
    let (mut host, second) = host();
    let id = host.udp("0.0.0.0:9");
    host.stack.bind_iface(id, Some(second)).unwrap();
    host.inject(datagram("10.7.0.1:5", "10.7.0.2:9", b"no"));
    host.assert_dropped(DropReason::NoSocket, 1);
    host.inject_at(second, datagram("10.8.0.1:5", "10.8.0.2:9", b"yes"));
    let received = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!(received.payload, "yes");
    // Connected, it is found by its flow.
    host.stack
        .connect(id, addr("10.8.0.1:5"), host.now)
        .unwrap();
    host.inject(datagram("10.8.0.1:5", "10.8.0.2:9", b"no"));
    host.assert_dropped(DropReason::NoSocket, 2);
    host.inject_at(second, datagram("10.8.0.1:5", "10.8.0.2:9", b"yes"));
    assert!(host.stack.udp(id).unwrap().recv().is_some());
}

#[test]
fn listeners_of_two_interfaces_share_a_port() {
    let (mut host, second) = host();
    let wire = host.wire;
    let mut listeners = Vec::new();
    for over in [wire, second] {
        let id = host.stack.tcp_open(Family::V4).unwrap();
        host.stack.bind_iface(id, Some(over)).unwrap();
        host.stack.bind(id, addr("0.0.0.0:80")).unwrap();
        host.stack.listen(id, 8).unwrap();
        listeners.push(id);
    }
    let third = host.stack.tcp_open(Family::V4).unwrap();
    assert_eq!(
        host.stack.bind(third, addr("0.0.0.0:80")),
        Err(SocketError::AddressInUse)
    );
    let id = host.stack.tcp_open(Family::V4).unwrap();
    host.stack.bind_iface(id, Some(second)).unwrap();
    assert_eq!(
        host.stack.connect(id, addr("10.7.0.1:80"), host.now),
        Err(SocketError::InProgress)
    );
    assert_eq!(host.sent().len(), 0);
    assert_eq!(host.sent_over(second).len(), 1, "its SYN");
}

#[test]
fn an_interface_that_is_not_there_is_refused() {
    let (mut host, second) = host();
    host.stack.remove_iface(second);
    let id = host.udp("0.0.0.0:9");
    assert_eq!(
        host.stack.bind_iface(id, Some(second)),
        Err(SocketError::NoSuchInterface)
    );
}

#[test]
fn the_device_sees_priority_and_mark() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    for option in [IpOption::Priority(6), IpOption::Mark(0xcafe)] {
        host.stack.set_ip_option(id, option).unwrap();
    }
    send(&mut host, id, "10.7.0.1:53").unwrap();
    let meta = host.sent()[0].meta;
    assert_eq!((meta.priority, meta.mark), (6, 0xcafe));

    let id = host.stack.tcp_open(Family::V4).unwrap();
    let now = host.now;
    for option in [IpOption::Priority(3), IpOption::Mark(7)] {
        host.stack.set_ip_option(id, option).unwrap();
    }
    assert!(matches!(
        host.stack.set_ip_option(id, IpOption::Priority(16)),
        Err(SocketError::InvalidInput(_))
    ));
    let _ = host.stack.connect(id, addr("10.7.0.1:80"), now);
    let meta = host.sent()[0].meta;
    assert_eq!((meta.priority, meta.mark), (3, 7));
}

#[test]
fn each_family_has_its_own_class_and_hops() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    for option in [
        IpOption::Tos(0x28),
        IpOption::Ttl(Some(3)),
        IpOption::TrafficClass(0x50),
        IpOption::HopLimit(Some(4)),
    ] {
        host.stack.set_ip_option(id, option).unwrap();
    }
    send(&mut host, id, "[::ffff:10.7.0.1]:53").unwrap();
    send(&mut host, id, "[fd07::1]:53").unwrap();
    let sent = host.sent();
    let seen: Vec<_> = sent.iter().map(|packet| Seen::new(packet).ip).collect();
    assert_eq!((seen[0].tos, seen[0].ttl), (0x28, 3));
    assert_eq!((seen[1].tos, seen[1].ttl), (0x50, 4));
}

/// RFC 3168 §6.1: the ECN field of a TCP packet is the transport's, whatever the application asks.
#[test]
fn tcp_keeps_the_bits_of_ecn_to_itself() {
    let mut host = Host::new();
    let id = host.stack.tcp_open(Family::V4).unwrap();
    let now = host.now;
    host.stack.set_ip_option(id, IpOption::Tos(0xff)).unwrap();
    assert_eq!(host.stack.tcp_settings(id).unwrap().ip.tos, 0xfc);
    let _ = host.stack.connect(id, addr("10.7.0.1:80"), now);
    assert_eq!(Seen::new(&host.sent()[0]).ip.tos, 0xfc);
}
