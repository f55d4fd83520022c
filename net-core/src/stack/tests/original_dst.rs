//! Where what rules have sent here was to go.

use super::clients::{ISS, Reply, plain, tcp};
use super::*;
use crate::error::SocketError;
use crate::wire::TcpFlags;

/// Every web page and every question is answered here, and one more address from elsewhere.
const RULES: &str = "
    table inet nat {
        chain pre {
            type nat hook prerouting priority dstnat
            ip daddr 198.51.100.1 dnat to 10.7.0.2:3128
            tcp dport 80 redirect to :3128
            udp dport 53 redirect to :5353
        }
    }";

/// Clients, where they want to, and whom they get.
const WAYS: [(&str, &str, &str); 3] = [
    ("10.7.0.9:5000", "192.0.2.7:80", OURS),
    ("10.7.0.9:5000", "198.51.100.1:443", OURS),
    ("[fd07::9]:5000", "[2001:db8::7]:80", OURS_V6),
];

#[test]
fn a_connection_tells_where_it_was_to_go() {
    for (client, server, ours) in WAYS {
        let mut host = Host::new();
        host.filter(RULES);
        let listener = host.listener("[::]:3128");
        // The client hears from whom it has asked.
        let reply = host.knock(client, server).unwrap();
        let numbers = (ISS + 1, reply.header.seq + 1);
        let ack = TcpFlags::ACK;
        host.inject(tcp(addr(client), addr(server), ack, numbers, b""));
        let (id, _) = host.stack.accept(listener).unwrap();
        let local = host.stack.local_addr(id).unwrap();
        assert_eq!(plain(local), SocketAddr::new(ip(ours), 3128));
        let original = host.stack.original_dst(id).unwrap();
        assert!(original.is_ipv6(), "in the family of the socket");
        assert_eq!(plain(original), addr(server));
        // As in the kernel, where nothing was translated it is the local address.
        let plain = host.serve(listener, "10.7.0.9:6000", "10.7.0.2:3128");
        assert_eq!(host.stack.original_dst(plain), host.stack.local_addr(plain));
        let none = host.stack.original_dst(listener);
        assert_eq!(none, Err(SocketError::NoSuchFlow));
        host.stack.clear_filter();
        assert_eq!(
            host.stack.original_dst(id),
            Err(SocketError::NoSuchFlow),
            "nobody knows"
        );
    }
}

#[test]
fn a_datagram_tells_where_it_was_to_go() {
    let mut host = Host::new();
    host.filter(RULES);
    let id = host.udp("[::]:5353");
    // Two flows to one socket do not mix.
    let ways = [
        ("10.7.0.9:5000", "192.0.2.7:53", OURS),
        ("10.7.0.9:5001", "192.0.2.8:53", OURS),
        ("[fd07::9]:5000", "[2001:db8::7]:53", OURS_V6),
    ];
    for (client, server, _) in ways {
        host.inject(datagram(client, server, b"question"));
    }
    for (client, server, ours) in ways {
        let got = host.stack.udp(id).unwrap().recv().unwrap();
        assert_eq!(got.dest.ip().to_canonical(), ip(ours));
        let original = host.stack.original_dst_of(id, &got).unwrap();
        assert_eq!(plain(original), addr(server));
        if client.starts_with('[') {
            host.stack.connect(id, got.source, host.now).unwrap();
            assert_eq!(host.stack.original_dst(id), Ok(addr(server)));
        }
        let stranger = crate::udp::Datagram {
            source: addr("10.7.0.8:1"),
            ..got
        };
        let none = host.stack.original_dst_of(id, &stranger);
        assert_eq!(none, Err(SocketError::NoSuchFlow));
    }
}

/// A destination of this host's own packets that is translated, as the kernel tells it.
#[test]
fn a_connection_that_began_here_tells_where_it_was_to_go() {
    let mut host = Host::new();
    host.filter(
        "table inet nat { chain out { type nat hook output priority dstnat
            tcp dport 80 dnat to 10.7.0.9:8080; } }",
    );
    let id = host.tcp("10.7.0.2:4000");
    let begun = host.stack.connect(id, addr("192.0.2.7:80"), host.now);
    assert_eq!(begun, Err(SocketError::InProgress));
    assert_eq!(Reply::of(&host.sent()[0]).dest, addr("10.7.0.9:8080"));
    assert_eq!(host.stack.original_dst(id), Ok(addr("192.0.2.7:80")));
}
