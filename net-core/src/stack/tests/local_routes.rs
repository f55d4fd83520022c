//! Local routes: addresses that are this host's although no interface has them (any-IP).

use super::filter::router;
use super::*;
use crate::error::SocketError;
use crate::udp::SendMeta;
use crate::wire::TcpFlags;

/// A host whose are 192.0.2.0/24 and 2001:db8::/32.
fn host() -> Host {
    let mut host = Host::new();
    host.ip_route("add local 192.0.2.0/24 dev lo");
    host.ip_route("add local 2001:db8::/32");
    host
}

/// A client, one of the addresses with a port, and another of them.
const WAYS: [(&str, &str, &str); 2] = [
    ("10.7.0.9:5000", "192.0.2.7:53", "192.0.2.9"),
    ("[fd07::9]:5000", "[2001:db8::7]:53", "2001:db8::9"),
];

impl Host {
    #[track_caller]
    pub(super) fn ip_route(&mut self, words: &str) {
        let done = self.stack.ip_route(words);
        done.unwrap_or_else(|error| panic!("{words}: {error}"));
    }
}

#[test]
fn a_listener_accepts_for_every_address_of_the_prefix() {
    for (client, server, other) in WAYS {
        let mut host = host();
        let wildcard = if addr(client).is_ipv4() {
            "0.0.0.0:53"
        } else {
            "[::]:53"
        };
        let listener = host.listener(wildcard);
        host.serve(listener, client, server);
        let other = SocketAddr::new(ip(other), 53);
        host.serve(listener, client, &std::format!("{other}"));
    }
}

#[test]
fn a_datagram_tells_which_address_was_meant_and_is_answered_from_it() {
    let mut host = host();
    let id = host.udp("[::]:53");
    for (client, server, _) in WAYS {
        host.inject(datagram(client, server, b"question"));
        let got = host.stack.udp(id).unwrap().recv().unwrap();
        assert_eq!(got.dest.ip().to_canonical(), addr(server).ip());
        let meta = SendMeta {
            source: Some(got.dest.ip()),
            ..SendMeta::to(got.source)
        };
        let mut udp = host.stack.udp(id).unwrap();
        udp.send_with("answer".into(), &meta).unwrap();
        let sent = host.sent();
        let seen = Seen::new(&sent[0]);
        assert_eq!(
            (seen.ip.source, &seen.data()[..]),
            (addr(server).ip(), &b"answer"[..])
        );
        assert_eq!(seen.ip.dest, addr(client).ip());
    }
}

#[test]
fn such_an_address_answers_as_one_of_an_interface() {
    let mut host = host();
    host.udp("[::]:53");
    for (client, server, other) in WAYS {
        let from = std::format!("{}", addr(client).ip());
        host.inject(icmp(
            &from,
            other,
            &IcmpMessage::EchoRequest { ident: 1, seq: 2 },
            b"data",
        ));
        let answer = Seen::new(&host.sent()[0]);
        assert_eq!(answer.icmp(), IcmpMessage::EchoReply { ident: 1, seq: 2 });
        assert_eq!(answer.ip.source, ip(other));
        let closed = std::format!("{}", SocketAddr::new(addr(server).ip(), 9));
        host.inject(datagram(client, &closed, b"anybody?"));
        let answer = Seen::new(&host.sent()[0]);
        assert!(matches!(answer.icmp(), IcmpMessage::Unreachable { .. }));
        assert_eq!(answer.ip.source, addr(server).ip());
        let refused = host.knock(client, &closed).unwrap();
        assert!(refused.header.flags.contains(TcpFlags::RST));
    }
}

#[test]
fn nothing_changes_without_one_or_when_it_is_gone() {
    let mut host = Host::new();
    let (listener, udp) = (host.listener("0.0.0.0:53"), host.udp("0.0.0.0:53"));
    let (client, server, _) = WAYS[0];
    let is_refused = |host: &mut Host, dropped| {
        assert!(host.knock(client, server).is_none());
        host.inject(datagram(client, server, b"x"));
        assert!(host.stack.udp(udp).unwrap().recv().is_none());
        host.assert_dropped(DropReason::NotForUs, dropped);
        let id = host.stack.udp_open(Family::V4).unwrap();
        let bound = host.stack.bind(id, addr(server));
        assert_eq!(bound, Err(SocketError::AddressNotAvailable));
        assert_eq!(
            host.stack.route(ip("192.0.2.1"), None).unwrap().iface,
            host.wire
        );
    };
    is_refused(&mut host, 2);
    host.ip_route("add local 192.0.2.0/24");
    host.serve(listener, client, server);
    host.ip_route("del local 192.0.2.0/24");
    is_refused(&mut host, 4);
}

#[test]
fn sockets_are_bound_to_such_an_address_and_connect_from_it() {
    let mut host = host();
    let listener = host.listener("192.0.2.7:80");
    host.serve(listener, "10.7.0.9:5000", "192.0.2.7:80");
    let refused = host.knock("10.7.0.9:5001", "192.0.2.8:80").unwrap();
    assert!(refused.header.flags.contains(TcpFlags::RST));
    let id = host.tcp("192.0.2.9:0");
    let begun = host.stack.connect(id, addr("10.7.0.9:7"), host.now);
    assert_eq!(begun, Err(SocketError::InProgress));
    assert_eq!(Seen::new(&host.sent()[0]).ip.source, ip("192.0.2.9"));
    // What this host sends there itself comes back to it.
    let (from, to) = (host.udp("[::]:0"), host.udp("[::]:53"));
    for (_, server, _) in WAYS {
        let mut udp = host.stack.udp(from).unwrap();
        udp.send("hello".into(), Some(addr(server))).unwrap();
        host.loop_back();
        assert_eq!(host.stack.udp(to).unwrap().recv().unwrap().payload, "hello");
    }
}

/// RFC 1122 §3.2.1.3(g): what has come over a wire is not from this host.
#[test]
fn nobody_outside_has_such_an_address() {
    let mut host = host();
    let id = host.udp("[::]:53");
    for (_, server, other) in WAYS {
        let forged = std::format!("{}", SocketAddr::new(ip(other), 5000));
        host.inject(datagram(&forged, server, b"x"));
        let ours = if ip(other).is_ipv4() {
            "10.7.0.2:53"
        } else {
            "[fd07::2]:53"
        };
        host.inject(datagram(&forged, ours, b"x"));
    }
    host.assert_dropped(DropReason::Martian, 4);
    assert!(host.stack.udp(id).unwrap().recv().is_none());
}

#[test]
fn broadcasts_groups_and_link_local_addresses_stay_what_they_are() {
    let mut host = Host::new();
    let id = host.udp("[::]:53");
    host.ip_route("replace local default table main");
    host.ip_route("replace local ::/0 table main");
    for (client, dest, is_taken) in [
        ("10.7.0.9:5", "192.0.2.7:53", true),
        ("10.7.0.9:5", "224.0.0.9:53", false),
        ("10.7.0.9:5", "0.0.0.0:53", false),
        ("[fd07::9]:5", "[2001:db8::7]:53", true),
        ("[fd07::9]:5", "[ff0e::9]:53", false),
        ("[fe80::9]:5", "[fe80::7]:53", false),
    ] {
        host.inject(datagram(client, dest, b"x"));
        let got = host.stack.udp(id).unwrap().recv();
        assert_eq!(got.is_some(), is_taken, "{dest}");
    }
    host.assert_dropped(DropReason::NotForUs, 4);
    // What is sent goes out as before, even if everything is local before all else.
    let mut host = Host::new();
    host.ip_route("add local default");
    for dest in ["224.0.0.9", "10.7.0.255", "255.255.255.255"] {
        assert_eq!(host.stack.route(ip(dest), None).unwrap().iface, host.wire);
    }
    let own = host.stack.route(ip("192.0.2.7"), None).unwrap();
    assert_eq!(own.iface, host.loopback);
}

#[test]
fn a_router_takes_what_no_other_route_is_for() {
    let (mut host, far) = router();
    host.ip_route("replace local default metric 0 table main");
    let id = host.udp("0.0.0.0:53");
    host.inject(datagram("10.7.0.9:5", "10.9.0.9:53", b"on"));
    assert_eq!(host.sent_over(far).len(), 1, "a longer prefix leads on");
    host.inject(datagram("10.7.0.9:5", "192.0.2.7:53", b"here"));
    let got = host.stack.udp(id).unwrap().recv().unwrap();
    assert_eq!(got.dest, addr("192.0.2.7:53"));
}

/// The set-up of transparent proxies in Linux: a mark leads to a table that ends everything here.
#[test]
fn a_mark_decides_whose_a_packet_is() {
    let mut host = Host::new();
    host.filter(
        "table inet t { chain c { type filter hook prerouting priority mangle
            udp dport 53 meta mark set 1; } }",
    );
    host.stack.ip_rule("add fwmark 1 lookup 100").unwrap();
    host.ip_route("add local default table 100");
    let (dns, other) = (host.udp("0.0.0.0:53"), host.udp("0.0.0.0:54"));
    host.inject(datagram("10.7.0.9:5", "192.0.2.7:53", b"x"));
    assert!(host.stack.udp(dns).unwrap().recv().is_some());
    host.inject(datagram("10.7.0.9:5", "192.0.2.7:54", b"x"));
    assert!(host.stack.udp(other).unwrap().recv().is_none());
    host.assert_dropped(DropReason::NotForUs, 1);
    // To send from there is not for every socket: packets without the mark go on.
    let refused = host.stack.route(ip("10.7.0.9"), Some(ip("192.0.2.7")));
    assert_eq!(
        refused.map(|path| path.source),
        Err(SocketError::AddressNotAvailable)
    );
}

/// A service need not be transparent to answer over TCP from an address that is this host's for packets with a
/// mark only, even if all that has the mark ends here.
#[test]
fn a_connection_is_answered_from_an_address_that_a_mark_makes_local() {
    for cookies in [false, true] {
        let mut config = Config::default();
        if cookies {
            config.tcp.syn_cookies = crate::config::SynCookies::Always;
        }
        let mut host = Host::with(config);
        host.filter(
            "table inet t { chain c { type filter hook prerouting priority mangle
                tcp dport 53 meta mark set 1; } }",
        );
        host.stack.ip_rule("add fwmark 1 lookup 100").unwrap();
        host.ip_route("add local default table 100");
        let listener = host.listener("0.0.0.0:53");
        let served = host.serve(listener, "10.7.0.9:5000", "192.0.2.7:53");
        // No stack could go on with it.
        let frozen = host.stack.freeze_tcp(served, host.now);
        assert!(matches!(frozen, Err(SocketError::InvalidInput(_))));
        assert_eq!(host.stack.peer_addr(served), Ok(addr("10.7.0.9:5000")));
        // It is the answer's alone: nobody sends from there unasked.
        let id = host.stack.tcp_open(Family::V4).unwrap();
        let bound = host.stack.bind(id, addr("192.0.2.7:80"));
        assert_eq!(bound, Err(SocketError::AddressNotAvailable));
        // Without the mark the address is somebody else's.
        host.listener("0.0.0.0:54");
        assert!(host.knock("10.7.0.9:5001", "192.0.2.7:54").is_none());
        // Of one that a local route gives this host, any stack with that route could, transparent or not.
        host.ip_route("add local 198.51.100.0/24 dev lo");
        let other = host.listener("198.51.100.7:80");
        host.set_transparent(other);
        let open = host.serve(other, "10.7.0.9:5000", "198.51.100.7:80");
        assert!(host.stack.ip_settings(open).unwrap().transparent());
        let frozen = host.stack.freeze_tcp(open, host.now).unwrap();
        assert!(host.stack.thaw_tcp(&frozen, host.now).is_ok());
    }
}
