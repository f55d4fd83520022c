//! Rules for what this host sends, and for what comes before it is routed.

use super::filter::{router, segment};
use super::*;
use crate::error::SocketError;
use crate::filter::FilterError;
use crate::multicast::MembershipChange;
use crate::wire::TcpFlags;
use std::string::ToString;

#[test]
fn what_this_host_sends_is_filtered_too() {
    let mut host = Host::new();
    host.filter(
        "table inet t { chain c { type filter hook output priority 0; oifname tun0 udp dport 13 reject; } }",
    );
    let id = host.udp("10.7.0.2:7");
    let mut send = |to| {
        let mut udp = host.stack.udp(id).unwrap();
        udp.send(Bytes::from_static(b"x"), Some(addr(to)))
    };
    assert_eq!(send("10.7.0.9:13"), Err(SocketError::Filtered));
    assert_eq!(send("10.7.0.9:14"), Ok(()));
    assert_eq!(host.sent().len(), 1, "the datagram to port 14");
    host.assert_dropped(DropReason::Filter, 1);
}

/// As in Linux: the call says so at once, and what the rule answers arrives at the socket, too.
#[test]
fn a_rejected_packet_of_this_host_is_answered_here() {
    let mut host = Host::new();
    host.filter(
        "table inet t { chain c { type filter hook output priority 0
            udp dport 13 reject
            tcp dport 13 reject with tcp reset
            tcp dport 14 reject
            ip daddr 224.0.0.9 reject } }",
    );
    for (local, peer) in [(OURS, "10.7.0.9"), (OURS_V6, "fd07::9")] {
        let at = |port| SocketAddr::new(ip(peer), port);
        let id = host.udp(&SocketAddr::new(ip(local), 7).to_string());
        host.stack.connect(id, at(13), host.now).unwrap();
        let mut udp = host.stack.udp(id).unwrap();
        let sent = udp.send(Bytes::from_static(b"x"), None);
        assert_eq!(sent, Err(SocketError::Filtered));
        host.loop_back();
        let mut udp = host.stack.udp(id).unwrap();
        assert_eq!(udp.take_error(), Some(SocketError::ConnectionRefused));
        for port in [13, 14] {
            let id = host.tcp(&SocketAddr::new(ip(local), 0).to_string());
            let begun = host.stack.connect(id, at(port), host.now);
            assert_eq!(begun, Err(SocketError::InProgress));
            assert!(host.sent().is_empty());
            host.loop_back();
            let error = host.stack.take_error(id);
            assert_eq!(error, Some(SocketError::ConnectionRefused), "{port}");
        }
    }
    // What goes to many is not answered, by anybody.
    let id = host.udp("10.7.0.2:8");
    let mut udp = host.stack.udp(id).unwrap();
    let sent = udp.send(Bytes::from_static(b"x"), Some(addr("224.0.0.9:13")));
    assert_eq!(sent, Err(SocketError::Filtered));
    assert!(host.sent_over(host.loopback).is_empty());
}

#[test]
fn what_is_rejected_before_it_is_routed_is_answered_too() {
    let (mut host, _) = router();
    host.filter(
        "table inet t { chain c { type filter hook prerouting priority 0
            udp dport 13 reject; tcp dport 13 reject with tcp reset; } }",
    );
    for (dest, code) in [("10.9.0.9:13", 3), ("10.7.0.2:13", 3)] {
        host.inject(datagram("10.7.0.9:5", dest, b"x"));
        let seen = Seen::new(&host.sent()[0]);
        assert_eq!(seen.icmp(), IcmpMessage::Unreachable { code });
        assert_eq!(seen.ip.source, ip("10.7.0.2"));
    }
    host.inject(segment("10.7.0.9:5", "10.9.0.9:13", TcpFlags::SYN, b""));
    let seen = Seen::new(&host.sent()[0]);
    assert_eq!(seen.ip.source, ip("10.9.0.9"));
    host.inject(datagram("10.7.0.9:5", "10.7.0.255:13", b"x"));
    assert!(host.sent().is_empty(), "it is for many");
    let mut heard_by_all = RxPacket::from(datagram("10.7.0.9:5", "10.7.0.2:13", b"x"));
    heard_by_all.meta.to_group = true;
    host.inject(heard_by_all);
    assert!(host.sent().is_empty(), "others have it, too");
    let late = "table inet t { chain d { reject; }
        chain c { type filter hook postrouting priority 0; jump d; } }";
    let error = host.stack.set_filter(late.parse().unwrap()).unwrap_err();
    assert_eq!(error, FilterError::Reject("c".into()));
}

/// `type route`: with another mark, another rule of policy routing may be meant.
#[test]
fn a_mark_that_a_rule_sets_leads_what_is_sent_another_way() {
    let mut host = Host::new();
    let other = iface(
        "tun1",
        IfaceKind::PointToPoint,
        1300,
        &["10.9.0.1/24", "fd09::1/64"],
    );
    let other = host.stack.add_iface(other, DeviceCaps::default()).unwrap();
    host.ip_route("add default dev tun1 table 100");
    host.ip_route("add ::/0 dev tun1 table 100");
    host.stack.ip_rule("add fwmark 1 lookup 100").unwrap();
    let chain = |kind: &str| {
        std::format!(
            "table inet t {{ chain c {{ type {kind} hook output priority mangle
                meta l4proto {{ tcp, udp }} th dport 53 meta mark set 1; }} }}"
        )
    };
    let send = |host: &mut Host, len: usize, to: &str| {
        let local = if addr(to).is_ipv4() { OURS } else { OURS_V6 };
        let id = host.udp(&SocketAddr::new(ip(local), 0).to_string());
        let mut udp = host.stack.udp(id).unwrap();
        udp.send(Bytes::from(std::vec![7; len]), Some(addr(to)))
            .unwrap();
        (host.sent(), host.sent_over(other))
    };
    host.filter(&chain("filter"));
    let (main, marked) = send(&mut host, 1, "192.0.2.9:53");
    assert_eq!((main.len(), marked.len()), (1, 0), "that only marks it");
    assert_eq!(main[0].meta.mark, 1);
    host.filter(&chain("route"));
    for (to, ours) in [("192.0.2.9:53", OURS), ("[2001:db8::9]:53", OURS_V6)] {
        let (main, marked) = send(&mut host, 1, to);
        assert_eq!((main.len(), marked.len()), (0, 1), "{to}");
        assert_eq!(Seen::new(&marked[0]).ip.source, ip(ours), "its own");
        let unmarked = to.replace(":53", ":54");
        let (main, marked) = send(&mut host, 1, &unmarked);
        assert_eq!((main.len(), marked.len()), (1, 0));
    }
    // The new way takes 1300 bytes: IPv6 is cut here, IPv4 must not be cut anywhere.
    let (main, marked) = send(&mut host, 1400, "[2001:db8::9]:53");
    assert_eq!((main.len(), marked.len()), (0, 2));
    let (main, marked) = send(&mut host, 1400, "192.0.2.9:53");
    assert_eq!((main.len(), marked.len()), (0, 0));
    let told = host.sent_over(host.loopback);
    assert_eq!(
        Seen::new(&told[0]).icmp(),
        IcmpMessage::PacketTooBig { mtu: 1300 }
    );
    // So do the segments of a connection.
    let id = host.tcp("10.7.0.2:0");
    let _ = host.stack.connect(id, addr("192.0.2.9:53"), host.now);
    assert_eq!((host.sent().len(), host.sent_over(other).len()), (0, 1));
    // A socket that is bound to an interface stays there.
    let id = host.udp("0.0.0.0:0");
    host.stack.bind_iface(id, Some(host.wire)).unwrap();
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"x"), Some(addr("192.0.2.9:53")))
        .unwrap();
    assert_eq!((host.sent().len(), host.sent_over(other).len()), (1, 0));
    let elsewhere = "table ip t { chain c { type route hook input priority 0; } }";
    let error = host
        .stack
        .set_filter(elsewhere.parse().unwrap())
        .unwrap_err();
    assert_eq!(error, FilterError::Route("c".into()));
    let text = host.stack.show_filter();
    assert!(text.contains("type route hook output"), "{text}");
    host.filter(&text);
}

#[test]
fn what_is_for_many_stays_on_its_link_whatever_mark_it_gets() {
    let mut host = Host::new();
    let other = iface(
        "tun1",
        IfaceKind::PointToPoint,
        1500,
        &["10.9.0.1/24", "fd09::1/64"],
    );
    let other = host.stack.add_iface(other, DeviceCaps::default()).unwrap();
    host.ip_route("add default dev tun1 table 100");
    host.ip_route("add ::/0 dev tun1 table 100");
    host.stack.ip_rule("add fwmark 1 lookup 100").unwrap();
    host.filter("table inet t { chain c { type route hook output priority 0; meta mark set 1; } }");
    for (from, to) in [
        ("10.7.0.2:0", "239.1.2.3:53"),
        ("10.7.0.2:0", "169.254.7.7:53"),
        ("[fd07::2]:0", "[ff15::123]:53"),
    ] {
        let id = host.udp(from);
        host.stack.bind_iface(id, None).unwrap();
        let mut udp = host.stack.udp(id).unwrap();
        udp.send(Bytes::from_static(b"x"), Some(addr(to))).unwrap();
        let left = (host.sent().len(), host.sent_over(other).len());
        assert_eq!(left, (1, 0), "{to}");
    }
    let id = host.udp("[::]:9");
    let (group, wire, now) = (ip("ff15::123"), Some(host.wire), host.now);
    let change = MembershipChange::Join;
    let joined = host.stack.change_membership(id, group, wire, change, now);
    assert_eq!(joined, Ok(()));
    let left = (host.sent().len(), host.sent_over(other).len());
    assert_eq!(left, (1, 0), "routers are told on that link");
}

/// Where they leave another way, packets that wait count as well.
#[test]
fn the_send_buffer_bounds_what_a_mark_leads_another_way() {
    let mut host = Host::new();
    let other = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.9.0.1/24"]);
    let other = host.stack.add_iface(other, DeviceCaps::default()).unwrap();
    host.ip_route("add default dev tun1 table 100");
    host.stack.ip_rule("add fwmark 1 lookup 100").unwrap();
    host.filter("table inet t { chain c { type route hook output priority 0; meta mark set 1; } }");
    let id = host.udp("10.7.0.2:9");
    host.stack
        .change_udp(id, |settings| settings.send_buffer = 5000)
        .unwrap();
    let send = |host: &mut Host| {
        let payload = Bytes::from_static(&[7; 1000]);
        let mut udp = host.stack.udp(id).unwrap();
        udp.send(payload, Some(addr("192.0.2.9:53")))
    };
    let sent = (0..100).filter(|_| send(&mut host).is_ok()).count();
    assert_eq!(sent, 4);
    assert_eq!(host.sent_over(other).len(), 4);
    assert_eq!(send(&mut host), Ok(()));
}

#[test]
fn a_marked_packet_for_which_no_way_leads_on_fails_at_the_call() {
    let mut host = Host::new();
    host.stack.ip_rule("add fwmark 1 unreachable").unwrap();
    host.filter(
        "table ip t { chain c { type route hook output priority 0; udp dport 53 meta mark set 1; } }",
    );
    let id = host.udp("0.0.0.0:0");
    let mut udp = host.stack.udp(id).unwrap();
    let sent = udp.send(Bytes::from_static(b"x"), Some(addr("192.0.2.9:53")));
    assert_eq!(sent, Err(SocketError::HostUnreachable));
}
