//! What transparent sockets send in states without a socket of its own, and what they take from others.

use super::clients::{ISS, Reply, SYN, SYN_ACK, tcp};
use super::filter::router;
use super::*;
use crate::error::SocketError;
use crate::socket::{IpOption, Operation, Policy};
use crate::tcp::SeqNum;
use crate::time::Duration;
use crate::udp::SendMeta;
use crate::wire::{TcpFlags, ipv6_ext};

const CLIENT: &str = "10.7.0.9:5000";
const SERVER: &str = "192.0.2.7:80";

/// A host that gives all that comes over the wire to the sockets with port 1080, and a listener there.
fn proxy(config: Config) -> (Host, SocketId) {
    let mut host = Host::with(config);
    host.filter(
        "table inet proxy {
            chain pre {
                type filter hook prerouting priority mangle
                iifname tun0 meta l4proto { tcp, udp } tproxy to :1080 accept
            }
        }",
    );
    let listener = host.stack.tcp_open(Family::V4).unwrap();
    host.set_transparent(listener);
    host.stack.bind(listener, addr("0.0.0.0:1080")).unwrap();
    host.stack.listen(listener, 16).unwrap();
    (host, listener)
}

/// The ends and the flags of all that leaves.
fn replies(host: &mut Host) -> Vec<(SocketAddr, SocketAddr, TcpFlags)> {
    let sent = host.sent();
    let replies = sent.iter().map(Reply::of);
    let known = replies.map(|reply| (reply.source, reply.dest, reply.header.flags));
    known.collect()
}

#[test]
fn the_fin_of_a_client_is_acknowledged_from_the_address_that_it_asked() {
    let ack = [(addr(SERVER), addr(CLIENT), TcpFlags::ACK)];
    for max_time_wait in [16, 0] {
        let mut config = Config::default();
        config.tcp.max_time_wait = max_time_wait;
        let (mut host, listener) = proxy(config);
        let id = host.serve(listener, CLIENT, SERVER);
        host.stack.close(id, host.now);
        let fin = Reply::of(host.sent().last().unwrap());
        assert!(fin.header.flags.contains(TcpFlags::FIN));
        let numbers = (ISS + 6, fin.header.seq + 1);
        let end = || {
            let flags = TcpFlags::ACK | TcpFlags::FIN;
            tcp(addr(CLIENT), addr(SERVER), flags, numbers, b"")
        };
        host.inject(end());
        assert_eq!(replies(&mut host), ack);
        if max_time_wait > 0 {
            // Also without the rule and the listener.
            host.stack.clear_filter();
            host.stack.close(listener, host.now);
            host.inject(end());
            assert_eq!(replies(&mut host), ack, "as if the last was lost");
        }
    }
}

#[test]
fn a_half_open_connection_is_challenged_from_the_address_that_was_asked() {
    let (mut host, _) = proxy(Config::default());
    let reply = host.knock(CLIENT, SERVER).unwrap();
    let numbers = (ISS + 10_000_000, reply.header.seq + 1);
    let beyond = tcp(addr(CLIENT), addr(SERVER), TcpFlags::ACK, numbers, b"");
    host.inject(beyond);
    let ack = [(addr(SERVER), addr(CLIENT), TcpFlags::ACK)];
    assert_eq!(replies(&mut host), ack);
}

/// The rule keeps the port, and sockets that are not transparent have it.
#[test]
fn a_rule_gives_nothing_to_other_sockets_with_the_same_port() {
    for target in ["tproxy", "tproxy to :1080"] {
        let (mut host, far) = router();
        host.filter(&std::format!(
            "table inet t {{
                chain pre {{
                    type filter hook prerouting priority mangle
                    iifname tun0 meta l4proto {{ tcp, udp }} {target} accept
                }}
            }}"
        ));
        let (listener, udp) = (host.listener("0.0.0.0:1080"), host.udp("0.0.0.0:1080"));
        let refused = host.knock(CLIENT, "10.9.0.9:1080").unwrap();
        assert!(refused.header.flags.contains(TcpFlags::RST));
        host.inject(datagram(CLIENT, "10.9.0.9:1080", b"x"));
        let answer = Seen::new(&host.sent()[0]);
        assert_eq!(answer.icmp(), IcmpMessage::Unreachable { code: 3 });
        assert!(host.stack.udp(udp).unwrap().recv().is_none());
        assert!(host.sent_over(far).is_empty());
        // For itself it is as before.
        host.serve(listener, CLIENT, "10.7.0.2:1080");
        host.inject(datagram(CLIENT, "10.7.0.2:1080", b"x"));
        assert!(host.stack.udp(udp).unwrap().recv().is_some());
    }
}

#[test]
fn what_others_send_to_the_port_of_a_connected_socket_goes_on() {
    let (mut host, far) = router();
    let (local, peer, other) = ("10.9.0.9:5000", CLIENT, "10.7.0.8:80");
    let stream = host.stack.tcp_open(Family::V4).unwrap();
    let socket = host.stack.udp_open(Family::V4).unwrap();
    for id in [stream, socket] {
        host.set_transparent(id);
        host.stack.bind(id, addr(local)).unwrap();
    }
    // What is bound and does not listen takes nothing.
    let knock = |from: &str| tcp(addr(from), addr(local), SYN, (ISS, SeqNum::new(0)), b"");
    host.inject(knock(other));
    assert_eq!(host.sent_over(far).len(), 1);
    let begun = host.stack.connect(stream, addr(peer), host.now);
    assert_eq!(begun, Err(SocketError::InProgress));
    let syn = Reply::of(&host.sent()[0]);
    host.inject(knock(other));
    assert_eq!(host.sent_over(far).len(), 1);
    let numbers = (70, syn.header.seq + 1);
    host.inject(tcp(addr(peer), addr(local), SYN_ACK, numbers, b""));
    assert_eq!(host.stack.peer_addr(stream), Ok(addr(peer)));

    host.inject(datagram(other, local, b"unconnected"));
    assert!(host.stack.udp(socket).unwrap().recv().is_some());
    host.stack.connect(socket, addr(peer), host.now).unwrap();
    host.inject(datagram(other, local, b"goes on"));
    assert_eq!(host.sent_over(far).len(), 1);
    host.inject(datagram(peer, local, b"is for us"));
    assert!(host.stack.udp(socket).unwrap().recv().is_some());
}

#[test]
fn addresses_that_no_single_host_has_are_not_for_transparent_sockets_either() {
    let mut host = Host::new();
    let udp = host.udp("0.0.0.0:53");
    host.set_transparent(udp);
    for nobody in ["10.7.0.255", "255.255.255.255", "240.0.0.1", "224.0.0.1"] {
        let meta = SendMeta {
            source: Some(ip(nobody)),
            ..SendMeta::to(addr("10.7.0.9:5"))
        };
        let sent = host.stack.udp(udp).unwrap().send_with("x".into(), &meta);
        if nobody.ends_with(".255") {
            // As of any socket with a broadcast address, it has a source of this host.
            assert_eq!(Seen::new(&host.sent()[0]).ip.source, ip(OURS));
        } else {
            assert_eq!(sent, Err(SocketError::AddressNotAvailable), "{nobody}");
        }
        let stream = host.stack.tcp_open(Family::V4).unwrap();
        let option = IpOption::Transparent(true);
        host.stack.set_ip_option(stream, option).unwrap();
        let bound = host.stack.bind(stream, SocketAddr::new(ip(nobody), 80));
        assert_eq!(bound, Err(SocketError::AddressNotAvailable), "{nobody}");
    }
}

/// Whether a router sends fragments on as they come, and does not wait for the others of their packets.
fn fragments_pass(host: &mut Host, far: IfaceId) -> bool {
    let mut packet = datagram("10.7.0.9:5", "10.9.0.9:53", &[7; 64]);
    let more = ip::Fragment {
        offset: 0,
        more: true,
        id: 77,
    };
    let len = u16::try_from(packet.len()).unwrap();
    crate::wire::ipv4::set_fragment(&mut packet.head[..20], len, more);
    host.inject(packet);
    !host.sent_over(far).is_empty()
}

#[test]
fn fragments_for_others_wait_only_while_a_socket_is_transparent() {
    let (mut host, far) = router();
    assert!(fragments_pass(&mut host, far));
    // It answers pings for others, but not those that a router sends on.
    host.stack.echo_open(Family::V4).unwrap();
    assert!(fragments_pass(&mut host, far));
    let id = host.stack.udp_open(Family::V4).unwrap();
    host.set_transparent(id);
    host.set_transparent(id);
    assert!(!fragments_pass(&mut host, far));
    let no = IpOption::Transparent(false);
    host.stack.set_ip_option(id, no).unwrap();
    assert!(fragments_pass(&mut host, far), "it is no longer");
    host.set_transparent(id);
    assert!(!fragments_pass(&mut host, far));
    host.stack.close(id, host.now);
    assert!(fragments_pass(&mut host, far), "it is closed");
    let yes = IpOption::Transparent(true);
    let stale = host.stack.set_ip_option(id, yes);
    assert_eq!(stale, Err(SocketError::NoSuchSocket));
    assert!(fragments_pass(&mut host, far), "it has not become so");
}

/// Keeps sockets from having what is not this host's.
#[derive(Debug)]
struct Honest;

impl Policy for Honest {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        match operation {
            Operation::SetTransparent { .. } => {
                Err(SocketError::PermissionDenied("it would be somebody else"))
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_policy_keeps_sockets_from_being_transparent() {
    let (mut host, far) = router();
    host.stack.set_policy(Honest);
    let denied = Err(SocketError::PermissionDenied("it would be somebody else"));
    for id in [
        host.stack.tcp_open(Family::V4).unwrap(),
        host.stack.udp_open(Family::V4).unwrap(),
    ] {
        let asked = host.stack.set_ip_option(id, IpOption::Transparent(true));
        assert_eq!(asked, denied);
        let bound = host.stack.bind(id, addr("192.0.2.7:80"));
        assert_eq!(bound, Err(SocketError::AddressNotAvailable));
        let undone = host.stack.set_ip_option(id, IpOption::Transparent(false));
        assert_eq!(undone, Ok(()), "nobody is asked for leave to be oneself");
    }
    assert!(fragments_pass(&mut host, far));
}

#[test]
fn transparency_is_not_copied_with_the_other_options() {
    let (mut host, far) = router();
    let id = host.stack.udp_open(Family::V4).unwrap();
    host.set_transparent(id);
    host.stack.set_ip_option(id, IpOption::Tos(0x10)).unwrap();
    host.stack.bind_iface(id, Some(far)).unwrap();
    let all = host.stack.udp_settings(id).unwrap().clone();
    assert!(all.ip.transparent() && all.ip.iface() == Some(far));
    host.stack.set_policy(Honest);
    let other = host.stack.udp_open(Family::V4).unwrap();
    host.stack
        .change_udp(other, |settings| *settings = all.clone())
        .unwrap();
    let copied = host.stack.udp_settings(other).unwrap();
    assert_eq!(copied.ip.tos, 0x10);
    assert!(!copied.ip.transparent() && copied.ip.iface().is_none());
    let bound = host.stack.bind(other, addr("192.0.2.7:80"));
    assert_eq!(bound, Err(SocketError::AddressNotAvailable));
    // Nor does a socket lose what it was granted.
    let plain = host.stack.udp_settings(other).unwrap().clone();
    host.stack
        .change_udp(id, |settings| *settings = plain)
        .unwrap();
    let kept = host.stack.ip_settings(id).unwrap();
    assert!(kept.transparent() && kept.iface() == Some(far));
    assert_eq!(host.stack.bind(id, addr("192.0.2.7:80")), Ok(()));
}

/// A fragment of a datagram from fd07::9 to fd09::9, of 128 bytes in two of 64.
fn fragment_v6(port: u8, offset: u8, more: u8, id: u8) -> TxPacket {
    let mut bytes = [offset; 64];
    if offset == 0 {
        bytes[..8].copy_from_slice(&[0, 5, 0, port, 0, 128, 0, 0]);
        let sum = datagram_sum(port);
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = body(&bytes);
    let header = [17, 0, 0, offset << 3 | more, 0, 0, 0, id];
    packet.head.prepend(8).copy_from_slice(&header);
    wrap(ip("fd07::9"), ip("fd09::9"), ipv6_ext::FRAGMENT, packet)
}

/// The checksum of that datagram.
fn datagram_sum(port: u8) -> u16 {
    let mut sum = crate::wire::checksum::pseudo_header(ip("fd07::9"), ip("fd09::9"), 17, 128);
    let mut bytes = [0; 128];
    bytes[..8].copy_from_slice(&[0, 5, 0, port, 0, 128, 0, 0]);
    bytes[64..].fill(8);
    sum.add_bytes(&bytes);
    sum.fold()
}

/// A router cannot cut packets of IPv6 again, and so does not put those together that it may have to send on:
/// only those whose first fragment says that a socket gets them.
#[test]
fn a_router_puts_fragments_of_ipv6_together_that_a_socket_gets() {
    let rule = "table inet t { chain pre { type filter hook prerouting priority mangle
        udp dport 53 tproxy accept } }";
    for rules in [Some(rule), None] {
        let (mut host, far) = router();
        if let Some(rules) = rules {
            host.filter(rules);
        }
        let id = host.stack.udp_open(Family::V6).unwrap();
        host.set_transparent(id);
        host.stack.bind(id, addr("[fd09::9]:53")).unwrap();
        host.inject(fragment_v6(53, 0, 1, 9));
        assert!(host.sent_over(far).is_empty());
        assert!(host.stack.udp(id).unwrap().recv().is_none(), "half of it");
        // Others go on as they come, also of the same flow.
        for fragment in [
            fragment_v6(54, 0, 1, 10),
            fragment_v6(0, 8, 0, 10),
            fragment_v6(0, 8, 0, 11),
        ] {
            host.inject(fragment);
            assert_eq!(host.sent_over(far).len(), 1);
        }
        host.inject(fragment_v6(0, 8, 0, 9));
        assert!(host.sent_over(far).is_empty());
        let got = host.stack.udp(id).unwrap().recv().expect("all of it");
        assert_eq!((got.payload.len(), got.dest), (120, addr("[fd09::9]:53")));
        // It is known no more: the next of its number go on.
        host.inject(fragment_v6(0, 8, 0, 9));
        assert_eq!(host.sent_over(far).len(), 1);
        // What came before the first has gone; what is left of it is no packet.
        host.inject(fragment_v6(53, 0, 1, 11));
        assert!(host.sent_over(far).is_empty());
        host.now += Duration::from_secs(61);
        host.stack.handle_timeout(host.now);
        host.assert_dropped(DropReason::ReassemblyTimeout, 1);
        assert!(host.stack.udp(id).unwrap().recv().is_none());
    }
}

/// Nor does a fragment that waits for a socket take those of another packet of the same name: somebody else
/// may have sent it in order that it does.
#[test]
fn fragments_that_wait_take_no_other_packet() {
    let (mut host, far) = router();
    let id = host.stack.udp_open(Family::V6).unwrap();
    host.set_transparent(id);
    host.stack.bind(id, addr("[fd09::9]:53")).unwrap();
    let goes_on = |host: &mut Host, fragment| {
        host.inject(fragment);
        !host.sent_over(far).is_empty()
    };
    assert!(!goes_on(&mut host, fragment_v6(53, 0, 1, 9)));
    assert!(goes_on(&mut host, fragment_v6(54, 0, 1, 9)));
    assert!(goes_on(&mut host, fragment_v6(0, 8, 0, 9)));
    host.assert_dropped(DropReason::FragmentOverlap, 1);
    // What contradicts itself waits for nothing more.
    assert!(!goes_on(&mut host, fragment_v6(53, 0, 1, 10)));
    assert!(!goes_on(&mut host, fragment_v6(0, 4, 0, 10)));
    assert!(goes_on(&mut host, fragment_v6(0, 8, 0, 10)));
    assert!(host.stack.udp(id).unwrap().recv().is_none());
}

#[test]
fn extension_headers_do_not_hide_a_packet_from_its_socket() {
    let (mut host, far) = router();
    let id = host.stack.udp_open(Family::V6).unwrap();
    host.set_transparent(id);
    host.stack.bind(id, addr("[fd09::9]:53")).unwrap();
    let mut packet = datagram("[fd07::9]:5", "[fd09::9]:53", b"x");
    packet.head.strip(40);
    let padding = [17, 0, 1, 4, 0, 0, 0, 0];
    packet.head.prepend(8).copy_from_slice(&padding);
    let (from, to) = (ip("fd07::9"), ip("fd09::9"));
    host.inject(wrap(from, to, ipv6_ext::DESTINATION, packet));
    assert!(host.stack.udp(id).unwrap().recv().is_some());
    assert!(host.sent_over(far).is_empty());
}
