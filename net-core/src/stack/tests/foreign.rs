//! Packets that rules give to sockets, whatever they are for (`tproxy`), and sockets that have addresses
//! which are not this host's (`IP_TRANSPARENT`).

use super::clients::{Reply, SYN, SYN_ACK, plain, tcp};
use super::filter::router;
use super::*;
use crate::error::SocketError;
use crate::filter::{FilterError, Ruleset};
use crate::socket::IpOption;
use crate::tcp::SeqNum;
use crate::udp::SendMeta;
use crate::wire::TcpFlags;

/// Everything that comes over the wire goes to the sockets with port 1080.
const RULES: &str = "
    table inet proxy {
        chain pre {
            type filter hook prerouting priority mangle
            iifname tun0 meta l4proto { tcp, udp } tproxy to :1080 accept
        }
    }";

/// Clients, and where they want to: hosts and ports that nobody here has.
const WAYS: [(&str, &str); 4] = [
    ("10.7.0.9:5000", "192.0.2.7:80"),
    ("10.7.0.9:5000", "198.51.100.8:443"),
    ("[fd07::9]:5000", "[2001:db8::7]:80"),
    ("[fd07::9]:5001", "[2001:db8::8]:9999"),
];

impl Host {
    pub(super) fn set_transparent(&mut self, id: SocketId) {
        let option = IpOption::Transparent(true);
        self.stack.set_ip_option(id, option).unwrap();
    }

    /// A transparent listener and a transparent UDP socket, each for all that the rules give them.
    fn proxies(&mut self, family: Family) -> (SocketId, SocketId) {
        let local = SocketAddr::new(family.unspecified(), 1080);
        let listener = self.stack.tcp_open(family).unwrap();
        self.set_transparent(listener);
        self.stack.bind(listener, local).unwrap();
        self.stack.listen(listener, 16).unwrap();
        let udp = self.stack.udp_open(family).unwrap();
        self.set_transparent(udp);
        self.stack.bind(udp, local).unwrap();
        (listener, udp)
    }
}

fn family_of(client: &str) -> Family {
    if addr(client).is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}

#[test]
fn one_listener_takes_connections_to_any_address_and_port() {
    for family in [Family::V4, Family::V6] {
        let mut host = Host::new();
        host.filter(RULES);
        let (listener, _) = host.proxies(family);
        let ways = WAYS.iter().filter(|way| family_of(way.0) == family);
        let served: Vec<_> = ways
            .map(|(client, server)| (*client, *server, host.serve(listener, client, server)))
            .collect();
        // What follows reaches the connection, also when there is no rule and no listener any more.
        host.stack.clear_filter();
        host.stack.close(listener, host.now);
        for (client, server, id) in served {
            let end = TcpFlags::ACK | TcpFlags::FIN;
            let (client, server) = (addr(client), addr(server));
            host.inject(tcp(client, server, end, (1006, SeqNum::new(0)), b""));
            assert!(host.stack.stats().drops(DropReason::NotForUs) == 0);
            assert_eq!(host.stack.peer_addr(id), Ok(client));
        }
    }
}

#[test]
fn one_socket_takes_datagrams_to_any_address_and_port_and_answers_from_there() {
    let mut host = Host::new();
    host.filter(RULES);
    let (_, udp) = host.proxies(Family::V6);
    for (client, server) in WAYS {
        host.inject(datagram(client, server, b"question"));
        let got = host.stack.udp(udp).unwrap().recv().unwrap();
        assert_eq!(plain(got.dest), addr(server));
        let meta = SendMeta::answer(&got);
        let mut socket = host.stack.udp(udp).unwrap();
        socket.send_with("answer".into(), &meta).unwrap();
        let seen = Seen::new(&host.sent()[0]);
        assert_eq!(
            SocketAddr::new(seen.ip.source, seen.udp().source_port),
            addr(server)
        );
        assert_eq!(
            SocketAddr::new(seen.ip.dest, seen.udp().dest_port),
            addr(client)
        );
    }
}

/// A datagram in fragments has its ports in the first alone.
#[test]
fn datagrams_in_fragments_are_given_whole() {
    for (client, server) in WAYS {
        let mut host = Host::new();
        host.filter(RULES);
        let (_, udp) = host.proxies(family_of(client));
        let mut sender = Host::new();
        sender.stack.remove_iface(sender.wire);
        let (own, peer) = ("tun0", addr(client).ip());
        let net = std::format!("{peer}/{}", if peer.is_ipv4() { 24 } else { 64 });
        let wire = iface(own, IfaceKind::PointToPoint, 1400, &[&net]);
        let wire = sender.stack.add_iface(wire, DeviceCaps::default()).unwrap();
        let default = if peer.is_ipv4() { "default" } else { "::/0" };
        sender.ip_route(&std::format!("add {default} dev tun0"));
        let from = sender.udp(client);
        let payload = std::vec![7; 3000];
        let mut socket = sender.stack.udp(from).unwrap();
        socket.send(payload.into(), Some(addr(server))).unwrap();
        let fragments = sender.sent_over(wire);
        assert_eq!(fragments.len(), 3);
        for fragment in fragments {
            host.inject(fragment);
        }
        let got = host.stack.udp(udp).unwrap().recv().unwrap();
        assert_eq!((got.payload.len(), got.dest), (3000, addr(server)));
    }
}

#[test]
fn without_a_transparent_socket_the_packet_is_refused_and_goes_nowhere() {
    let (mut host, far) = router();
    host.filter(RULES);
    // They have the port, and not the option.
    let (listener, udp) = (host.listener("0.0.0.0:1080"), host.udp("0.0.0.0:1080"));
    let (client, server) = ("10.7.0.9:5000", "10.9.0.9:80");
    let refused = host.knock(client, server).unwrap();
    assert!(refused.header.flags.contains(TcpFlags::RST));
    host.inject(datagram(client, server, b"x"));
    let answer = Seen::new(&host.sent()[0]);
    assert_eq!(answer.icmp(), IcmpMessage::Unreachable { code: 3 });
    assert_eq!(answer.ip.source, ip("10.9.0.9"));
    assert!(host.stack.udp(udp).unwrap().recv().is_none());
    assert_eq!(host.stack.accept(listener), Err(SocketError::WouldBlock));
    assert!(host.sent_over(far).is_empty());
    // For itself it is as before.
    host.serve(listener, client, "10.7.0.2:1080");
}

#[test]
fn what_goes_to_many_or_is_of_another_protocol_is_given_to_nobody() {
    let (mut host, far) = router();
    host.filter(RULES);
    let (_, udp) = host.proxies(Family::V4);
    for dest in ["224.0.0.9:53", "10.7.0.255:53", "255.255.255.255:53"] {
        host.inject(datagram("10.7.0.9:5000", dest, b"x"));
    }
    assert!(host.stack.udp(udp).unwrap().recv().is_none());
    let request = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
    host.inject(icmp("10.7.0.9", "10.9.0.9", &request, b"on"));
    host.inject(unknown_protocol("10.7.0.9", "10.9.0.9"));
    assert_eq!(host.sent_over(far).len(), 2);
}

#[test]
fn a_rule_may_name_the_socket_and_others_pass_it_by() {
    let mut host = Host::new();
    host.filter(
        "table inet proxy {
            chain pre {
                type filter hook prerouting priority mangle
                ip daddr 192.0.2.0/24 tproxy to 10.7.0.2:53 accept
                tproxy to [fd07::2]:53 accept
                udp dport 53 tproxy accept
                udp dport 54 drop
            }
        }",
    );
    let open = |host: &mut Host, local: &str| {
        let id = host.stack.udp_open(family_of(local)).unwrap();
        host.set_transparent(id);
        host.stack
            .change_udp(id, |settings| settings.reuse_address = true)
            .unwrap();
        host.stack.bind(id, addr(local)).unwrap();
        id
    };
    let sockets = ["10.7.0.2:53", "0.0.0.0:53", "[fd07::2]:53"].map(|local| open(&mut host, local));
    for (client, dest, taker) in [
        ("10.7.0.9:5", "192.0.2.7:54", Some(0)),
        ("10.7.0.9:5", "198.51.100.7:53", Some(1)),
        ("10.7.0.9:5", "198.51.100.7:54", None),
        ("[fd07::9]:5", "[2001:db8::7]:54", Some(2)),
    ] {
        host.inject(datagram(client, dest, b"x"));
        let takes = |id: &SocketId| host.stack.udp(*id).unwrap().recv().is_some();
        assert_eq!(sockets.iter().position(takes), taker, "{dest}");
    }
    host.assert_dropped(DropReason::Filter, 1);
}

#[test]
fn packets_are_given_where_it_is_not_too_late() {
    let mut host = Host::new();
    for chain in [
        "type filter hook input priority 0; tproxy to :1080;",
        "type nat hook prerouting priority 0; tproxy to :1080;",
        "type filter hook output priority 0; jump other;",
    ] {
        let other = "chain other { tproxy to :1080; }";
        let text = std::format!("table inet t {{ chain c {{ {chain} }}\n {other} }}");
        let ruleset: Ruleset = text.parse().unwrap();
        let error = host.stack.set_filter(ruleset).unwrap_err();
        assert!(matches!(error, FilterError::Tproxy(_)), "{error}");
    }
}

#[test]
fn a_transparent_socket_connects_from_its_clients_address() {
    for (client, server) in [
        ("10.9.0.9:5000", "10.7.0.9:80"),
        ("[fd09::9]:5000", "[fd07::9]:80"),
    ] {
        let (mut host, far) = router();
        host.stack.set_forwarding(far, true).unwrap();
        let (client, server) = (addr(client), addr(server));
        let id = host
            .stack
            .tcp_open(family_of(&std::format!("{client}")))
            .unwrap();
        let bound = host.stack.bind(id, client);
        assert_eq!(
            bound,
            Err(SocketError::AddressNotAvailable),
            "it has not asked"
        );
        host.set_transparent(id);
        host.stack.bind(id, client).unwrap();
        let begun = host.stack.connect(id, server, host.now);
        assert_eq!(begun, Err(SocketError::InProgress));
        let syn = Reply::of(&host.sent()[0]);
        assert_eq!(
            (syn.source, syn.dest, syn.header.flags & SYN),
            (client, server, SYN)
        );
        // The answer is for another host on a link of ours, and yet for us.
        host.inject(tcp(server, client, SYN_ACK, (70, syn.header.seq + 1), b""));
        assert_eq!(host.stack.peer_addr(id), Ok(server));
        assert!(host.sent_over(far).is_empty());
        // What is for another port there goes on.
        let other = SocketAddr::new(client.ip(), 5001);
        host.inject(tcp(server, other, SYN_ACK, (70, syn.header.seq + 1), b""));
        assert_eq!(host.sent_over(far).len(), 1);
    }
}

#[test]
fn errors_about_what_a_transparent_socket_sends_reach_it() {
    let (mut host, far) = router();
    let id = host.stack.udp_open(Family::V4).unwrap();
    host.set_transparent(id);
    host.stack.bind(id, addr("10.9.0.9:5000")).unwrap();
    host.stack
        .connect(id, addr("192.0.2.7:53"), host.now)
        .unwrap();
    host.stack.udp(id).unwrap().send("x".into(), None).unwrap();
    let sent = bytes_of(&host.sent()[0]);
    let unreachable = IcmpMessage::Unreachable { code: 3 };
    host.inject(icmp("192.0.2.7", "10.9.0.9", &unreachable, &sent));
    let error = host.stack.udp(id).unwrap().take_error();
    assert_eq!(error, Some(SocketError::ConnectionRefused));
    // About anything else they go on.
    let other = bytes_of(&datagram("10.9.0.9:5001", "192.0.2.7:53", b"x"));
    host.inject(icmp("192.0.2.7", "10.9.0.9", &unreachable, &other));
    assert_eq!(host.sent_over(far).len(), 1);
}

#[test]
fn only_a_transparent_socket_sends_from_addresses_and_ports_that_it_has_not() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:53");
    let send = |host: &mut Host, source: Option<&str>, source_port| {
        let meta = SendMeta {
            source: source.map(ip),
            source_port,
            ..SendMeta::to(addr("10.7.0.9:5"))
        };
        let mut udp = host.stack.udp(id).unwrap();
        udp.send_with("x".into(), &meta)?;
        let seen = Seen::new(&host.sent()[0]);
        Ok((seen.ip.source, seen.udp().source_port))
    };
    let not_ours = Some("192.0.2.7");
    let denied =
        SocketError::PermissionDenied("set the transparent option to send from another port");
    assert_eq!(
        send(&mut host, not_ours, None),
        Err(SocketError::AddressNotAvailable)
    );
    assert_eq!(send(&mut host, None, Some(54)), Err(denied));
    assert_eq!(
        send(&mut host, None, Some(53)),
        Ok((ip(OURS), 53)),
        "its own"
    );
    host.set_transparent(id);
    assert_eq!(
        send(&mut host, not_ours, Some(54)),
        Ok((ip("192.0.2.7"), 54))
    );
    for nobody in ["224.0.0.1", "0.0.0.0"] {
        let outcome = send(&mut host, Some(nobody), None);
        assert_eq!(outcome, Err(SocketError::AddressNotAvailable), "{nobody}");
    }
    let zero = send(&mut host, None, Some(0));
    assert!(matches!(zero, Err(SocketError::InvalidInput(_))));
}
