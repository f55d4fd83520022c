//! Rules of policy routing, on what a router sends on and on what its own sockets send.

use super::*;
use crate::error::SocketError;
use crate::iface::ReversePath;
use crate::socket::IpOption;
use crate::udp::SendMeta;

/// A router between three links: `tun0`, over which the main table leads to everything, `tun1`, over which
/// table 100 does, and `tun2`, from which packets come, too.
struct Fork {
    host: Host,
    other: IfaceId,
    third: IfaceId,
}

const FAR: &str = "192.0.2.9:7";
const FAR_V6: &str = "[2001:db8::9]:7";

impl Fork {
    fn new(rule: &str) -> Self {
        let mut host = Host::new();
        let mut link = |name: &str, addresses: &[&str]| {
            let link = iface(name, IfaceKind::PointToPoint, 1500, addresses);
            let link = host.stack.add_iface(link, DeviceCaps::default()).unwrap();
            host.stack.set_forwarding(link, true).unwrap();
            link
        };
        let other = link("tun1", &["10.8.0.1/24", "fd08::1/64"]);
        let third = link("tun2", &["10.9.0.1/24", "fd09::1/64"]);
        host.stack.set_forwarding(host.wire, true).unwrap();
        host.ip_route("add default via 10.8.0.9 dev tun1 table 100");
        host.ip_route("add ::/0 via fd08::9 dev tun1 table 100");
        host.stack
            .ip_rule(&std::format!("add {rule} lookup 100"))
            .unwrap();
        Self { host, other, third }
    }

    /// Over which link a packet leaves that comes over the third, or has been sent here.
    #[track_caller]
    fn left(&mut self) -> &'static str {
        let main = self.host.sent().len();
        let other = self.host.sent_over(self.other).len();
        match (main, other) {
            (1, 0) => "main",
            (0, 1) => "table 100",
            _ => panic!("{main} and {other} packets"),
        }
    }

    /// The same for a packet that comes over a link.
    #[track_caller]
    fn forwards(&mut self, over: IfaceId, packet: impl Into<RxPacket>) -> &'static str {
        self.host.inject_at(over, packet);
        self.left()
    }
}

/// A datagram of a class.
fn of_class(tos: u8, source: &str, dest: &str) -> TxPacket {
    let mut packet = datagram(source, dest, b"x");
    let bytes = bytes_of(&packet);
    let header = IpHeader::parse(&bytes, bytes.len()).unwrap();
    packet.head.strip(header.header_len);
    IpHeader { tos, ..header }.emit(&mut packet.head);
    packet
}

#[test]
fn forwarded_packets_go_by_their_source() {
    for (rule, meant, another, dest) in [
        ("from 10.9.0.64/26", "10.9.0.70:5", "10.9.0.7:5", FAR),
        (
            "from fd09::/80",
            "[fd09::70]:5",
            "[fd09::1:0:0:7]:5",
            FAR_V6,
        ),
    ] {
        let mut fork = Fork::new(rule);
        let third = fork.third;
        assert_eq!(
            fork.forwards(third, datagram(meant, dest, b"x")),
            "table 100"
        );
        assert_eq!(fork.forwards(third, datagram(another, dest, b"x")), "main");
    }
}

#[test]
fn forwarded_packets_go_by_their_destination() {
    for (rule, source, meant, another) in [
        ("to 192.0.2.0/24", "10.9.0.7:5", FAR, "198.51.100.9:7"),
        ("to 2001:db8::/32", "[fd09::7]:5", FAR_V6, "[2001:db9::9]:7"),
    ] {
        let mut fork = Fork::new(rule);
        let third = fork.third;
        assert_eq!(
            fork.forwards(third, datagram(source, meant, b"x")),
            "table 100"
        );
        assert_eq!(
            fork.forwards(third, datagram(source, another, b"x")),
            "main"
        );
    }
}

/// RFC 3704, by all tables, as in Linux.
#[test]
fn the_way_back_may_be_that_of_another_table() {
    for (rule, source, dest) in [
        ("to 203.0.113.0/24", "203.0.113.9:5", "10.9.0.9:7"),
        ("to 2001:db8:1::/48", "[2001:db8:1::9]:5", "[fd09::9]:7"),
        // It is asked as this host would, which would have to answer.
        ("iif lo", "203.0.113.9:5", "10.9.0.9:7"),
    ] {
        let mut fork = Fork::new(rule);
        let (wire, other, third) = (fork.host.wire, fork.other, fork.third);
        let mut passes = |over, check| {
            fork.host.stack.set_reverse_path(over, check).unwrap();
            let packet = datagram(source, dest, b"x");
            fork.host.inject_at(over, packet);
            fork.host.sent_over(third).len() == 1
        };
        // The main table leads there over the wire, but table 100 is asked first.
        assert!(passes(other, ReversePath::Strict));
        assert!(!passes(wire, ReversePath::Strict));
        assert!(passes(wire, ReversePath::Loose));
    }
}

/// To be bound to an interface leads past no route by which nothing leaves.
#[test]
fn routes_that_reject_hold_for_bound_sockets_too() {
    let mut host = Host::new();
    for route in ["blackhole 203.0.113.0/24", "unreachable 2001:db8:1::/48"] {
        host.ip_route(&std::format!("add {route}"));
    }
    for (to, leaves) in [
        ("203.0.113.9:7", false),
        ("203.0.114.9:7", true),
        ("[2001:db8:1::9]:7", false),
        ("[2001:db8:2::9]:7", true),
    ] {
        let any = if addr(to).is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let [free, bound] = [None, Some(host.wire)].map(|iface| {
            let id = host.udp(any);
            host.stack.bind_iface(id, iface).unwrap();
            let mut udp = host.stack.udp(id).unwrap();
            udp.send(Bytes::from_static(b"x"), Some(addr(to)))
        });
        assert_eq!(free.is_ok(), leaves, "{to}");
        assert_eq!(bound, free, "{to}");
    }
}

#[test]
fn forwarded_packets_go_by_their_class_without_the_marks_of_congestion() {
    for (source, dest) in [("10.9.0.7:5", FAR), ("[fd09::7]:5", FAR_V6)] {
        let mut fork = Fork::new("tos 0x10");
        let third = fork.third;
        for (tos, table) in [
            (0x10, "table 100"),
            (0x13, "table 100"),
            (0x20, "main"),
            (0, "main"),
        ] {
            assert_eq!(
                fork.forwards(third, of_class(tos, source, dest)),
                table,
                "{tos:#x}"
            );
        }
    }
}

#[test]
fn forwarded_packets_go_by_the_interface_that_they_came_over() {
    for (near, there, dest) in [
        ("10.9.0.7:5", "10.7.0.9:5", FAR),
        ("[fd09::7]:5", "[fd07::9]:5", FAR_V6),
    ] {
        let mut fork = Fork::new("iif tun2");
        let (third, wire) = (fork.third, fork.host.wire);
        assert_eq!(
            fork.forwards(third, datagram(near, dest, b"x")),
            "table 100"
        );
        assert_eq!(fork.forwards(wire, datagram(there, dest, b"x")), "main");
        // What is sent here has come over none.
        let id = fork.host.udp("[::]:9");
        fork.host
            .stack
            .udp(id)
            .unwrap()
            .send("x".into(), Some(addr(dest)))
            .unwrap();
        assert_eq!(fork.left(), "main");
    }
}

/// What a rule of the filter makes of a packet's mark counts for its way, as with `fwmark` in Linux.
#[test]
fn forwarded_packets_go_by_the_mark_that_a_filter_gives_them() {
    let mut fork = Fork::new("fwmark 0x1/0xf");
    fork.host.filter(
        "table inet t { chain c { type filter hook prerouting priority mangle
            udp dport 7 meta mark set 0x31; } }",
    );
    let third = fork.third;
    for (source, dest) in [("10.9.0.7:5", FAR), ("[fd09::7]:5", FAR_V6)] {
        assert_eq!(
            fork.forwards(third, datagram(source, dest, b"x")),
            "table 100"
        );
        let unmarked = dest.replace(":7", ":8");
        assert_eq!(
            fork.forwards(third, datagram(source, &unmarked, b"x")),
            "main"
        );
    }
}

/// A packet of nobody here has no owner, also where the number would be that of every socket.
#[test]
fn forwarded_packets_have_no_owner() {
    let mut fork = Fork::new("uidrange 0-4294967295");
    let third = fork.third;
    assert_eq!(
        fork.forwards(third, datagram("10.9.0.7:5", FAR, b"x")),
        "main"
    );
    let id = fork.host.udp("0.0.0.0:9");
    fork.host
        .stack
        .udp(id)
        .unwrap()
        .send("x".into(), Some(addr(FAR)))
        .unwrap();
    assert_eq!(fork.left(), "table 100");
}

#[test]
fn a_rule_may_forbid_what_is_forwarded_and_its_sender_hears_of_it() {
    let mut fork = Fork::new("tos 0x4");
    fork.host
        .stack
        .ip_rule("add from 10.9.0.0/24 prohibit priority 5")
        .unwrap();
    fork.host
        .inject_at(fork.third, datagram("10.9.0.7:5", FAR, b"x"));
    let answer = fork.host.sent_over(fork.third);
    assert_eq!(
        Seen::new(&answer[0]).icmp(),
        IcmpMessage::Unreachable { code: 13 }
    );
    fork.host.assert_dropped(DropReason::NoRoute, 1);
}

/// Sockets go by the same: their address, their destination, their class.
#[test]
fn what_sockets_send_goes_by_source_destination_and_class() {
    let sends = |fork: &mut Fork, id, meta: &SendMeta| {
        let mut udp = fork.host.stack.udp(id).unwrap();
        udp.send_with("x".into(), meta).unwrap();
        fork.left()
    };
    for (to, ours, class) in [
        (FAR, "10.9.0.1", IpOption::Tos(0x10)),
        (FAR_V6, "fd09::1", IpOption::TrafficClass(0x10)),
    ] {
        let plain = SendMeta::to(addr(to));
        let mut fork = Fork::new(&std::format!("from {ours}"));
        let id = fork.host.udp("[::]:9");
        // Without an address it has no source that a rule could know.
        assert_eq!(sends(&mut fork, id, &plain), "main");
        let own = SendMeta {
            source: Some(ip(ours)),
            ..plain
        };
        assert_eq!(sends(&mut fork, id, &own), "table 100");
        let bound = fork
            .host
            .udp(&std::format!("{}", SocketAddr::new(ip(ours), 10)));
        assert_eq!(sends(&mut fork, bound, &plain), "table 100");
        let mut fork = Fork::new(&std::format!("to {}", addr(to).ip()));
        let id = fork.host.udp("[::]:9");
        assert_eq!(sends(&mut fork, id, &plain), "table 100");
        let mut fork = Fork::new("tos 0x10");
        let id = fork.host.udp("[::]:9");
        assert_eq!(sends(&mut fork, id, &plain), "main");
        fork.host.stack.set_ip_option(id, class).unwrap();
        assert_eq!(sends(&mut fork, id, &plain), "table 100");
        // And a connection.
        let tcp = fork
            .host
            .tcp(&std::format!("{}", SocketAddr::new(ip(ours), 0)));
        fork.host.stack.set_ip_option(tcp, class).unwrap();
        let begun = fork.host.stack.connect(tcp, addr(to), fork.host.now);
        assert_eq!(begun, Err(SocketError::InProgress));
        assert_eq!(fork.left(), "table 100");
    }
}
