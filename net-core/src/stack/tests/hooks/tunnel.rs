//! Hooks that put packets into others and take them out again, as tunnels do (RFC 2003).

use super::super::*;
use crate::buf::{Checksum, Gso, GsoKind};
use crate::hook::{Hook, HookPoint, PacketView, Verdict};
use std::boxed::Box;

/// Puts what goes to 10.50.0.0/16 or fd50::/16 into packets to the far end of a tunnel.
#[derive(Debug)]
struct Enter {
    from: IpAddr,
    to: IpAddr,
    dont_fragment: bool,
}

impl Hook for Enter {
    fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
        let protocol = match packet.ip.dest {
            IpAddr::V4(dest) if dest.octets().starts_with(&[10, 50]) => IP_IN_IP,
            IpAddr::V6(dest) if dest.segments()[0] == 0xfd50 => IPV6_IN_IP,
            _ => return Verdict::Accept,
        };
        let mut header = HeadBuf::new();
        IpHeader {
            dont_fragment: self.dont_fragment,
            ..IpHeader::new(self.from, self.to, protocol, 0)
        }
        .emit(&mut header);
        packet.replace_front(0, &header)
    }
}

/// Takes such packets out again.
#[derive(Debug)]
struct Leave;

impl Hook for Leave {
    fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
        match packet.ip.protocol {
            IP_IN_IP | IPV6_IN_IP => packet.replace_front(packet.ip.header_len, &[]),
            _ => Verdict::Accept,
        }
    }
}

const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;

/// A router between the wire and another link.
fn router() -> Host {
    let mut host = Host::new();
    let inner = iface(
        "in",
        IfaceKind::PointToPoint,
        1500,
        &["10.60.0.1/24", "fd60::1/64"],
    );
    let inner = host.stack.add_iface(inner, DeviceCaps::default()).unwrap();
    host.stack.set_forwarding(host.wire, true).unwrap();
    host.stack.set_forwarding(inner, true).unwrap();
    host
}

/// A router whose tunnel begins at 10.7.0.2, and ends at 10.7.0.1.
fn tunnel(at: HookPoint, dont_fragment: bool) -> Host {
    let mut host = router();
    let enter = Enter {
        from: ip(OURS),
        to: ip(PEER),
        dont_fragment,
    };
    host.stack.add_hook(at, 0, Box::new(enter));
    host.stack.add_hook(HookPoint::LocalIn, 0, Box::new(Leave));
    host
}

fn inner_link(host: &Host) -> IfaceId {
    let mut all = host.stack.ifaces();
    let found = all.find(|(_, config)| config.name == "in");
    found.unwrap().0
}

/// What is in a packet of the tunnel, which is in order itself.
#[track_caller]
fn inside(packet: &TxPacket) -> TxPacket {
    let bytes = bytes_of(packet);
    let outer = IpHeader::parse(&bytes, bytes.len()).unwrap();
    assert_eq!(outer.total_len(), bytes.len());
    assert_eq!(crate::wire::checksum::checksum(&bytes[..20]), 0);
    assert_eq!((outer.source, outer.dest), (ip(OURS), ip(PEER)));
    assert!([IP_IN_IP, IPV6_IN_IP].contains(&outer.protocol));
    body(&bytes[20..])
}

#[test]
fn what_this_host_sends_goes_through_a_tunnel_and_answers_come_out() {
    let mut host = tunnel(HookPoint::LocalOut, false);
    for (far, local) in [
        ("10.50.0.9:53", "10.7.0.2:700"),
        ("[fd50::9]:53", "[fd07::2]:700"),
    ] {
        let id = host.udp(local);
        let mut socket = host.stack.udp(id).unwrap();
        let sent = socket.send(Bytes::from_static(b"question"), Some(addr(far)));
        sent.unwrap();
        let sent = host.sent();
        assert_eq!(sent.len(), 1);
        let seen = Seen::new(&inside(&sent[0]));
        assert_eq!(
            (seen.ip.dest, &*seen.data()),
            (addr(far).ip(), &b"question"[..])
        );
        let answer = datagram(far, local, b"answer");
        let protocol = if addr(far).is_ipv4() {
            IP_IN_IP
        } else {
            IPV6_IN_IP
        };
        let mut outer = body(&bytes_of(&answer));
        IpHeader::new(ip(PEER), ip(OURS), protocol, outer.len()).emit(&mut outer.head);
        host.inject(outer);
        let got = host.stack.udp(id).unwrap().recv().unwrap();
        assert_eq!((got.source, &*got.payload), (addr(far), &b"answer"[..]));
    }
}

#[test]
fn what_goes_on_through_a_tunnel_is_cut_where_it_does_not_fit_any_more() {
    for at in [HookPoint::Forward, HookPoint::PostRouting] {
        let mut host = tunnel(at, false);
        let inner = inner_link(&host);
        host.inject_at(inner, datagram("10.60.0.9:5", "10.50.0.9:7", &[7; 1472]));
        let sent = host.sent();
        assert_eq!(sent.len(), 2, "{at:?}");
        let mut whole = Vec::new();
        for fragment in &sent {
            assert!(fragment.len() <= 1500);
            whole.extend_from_slice(&bytes_of(fragment)[20..]);
        }
        let mut packet = body(&whole);
        IpHeader::new(ip(OURS), ip(PEER), IP_IN_IP, packet.len()).emit(&mut packet.head);
        let seen = Seen::new(&inside(&packet));
        assert_eq!(seen.data().len(), 1472);
        // The far end puts them together, and takes out what is in them.
        let mut far = tunnel(HookPoint::LocalOut, false);
        for fragment in sent {
            let mut bytes = bytes_of(&fragment);
            for (place, address) in [(12, PEER), (16, OURS)] {
                let IpAddr::V4(address) = ip(address) else {
                    panic!("IPv4");
                };
                bytes[place..place + 4].copy_from_slice(&address.octets());
            }
            far.inject(RxPacket::from_frame(bytes));
        }
        // 10.50.0.9 is reached through a tunnel there, too: so it goes back where it came from.
        far.assert_dropped(DropReason::UnknownProtocol, 0);
        assert_eq!(far.stack.stats().forwarded, 1, "{at:?}");
    }
}

#[test]
fn who_sent_it_hears_how_much_fits_into_the_tunnel() {
    let mut host = tunnel(HookPoint::PostRouting, true);
    let inner = inner_link(&host);
    for (source, dest) in [
        ("10.60.0.9:5", "10.50.0.9:7"),
        ("[fd60::9]:5", "[fd50::9]:7"),
    ] {
        let headers = if addr(dest).is_ipv4() { 28 } else { 48 };
        let payload = std::vec![7; 1500 - headers];
        host.inject_at(inner, datagram(source, dest, &payload));
        assert_eq!(host.sent().len(), 0);
        let sent = host.sent_over(inner);
        let seen = Seen::new(&sent[0]);
        assert_eq!(seen.ip.dest, addr(source).ip());
        assert_eq!(seen.icmp(), IcmpMessage::PacketTooBig { mtu: 1480 });
        host.inject_at(inner, datagram(source, dest, &payload[20..]));
        assert_eq!(host.sent().len(), 1);
    }
    host.assert_dropped(DropReason::TooBig, 2);
}

/// Puts what goes to 10.50.0.n, `n` from 4 to 1, into a packet to the number below, the last to the far end of a
/// tunnel; and what goes to where those seem to come from into the same tunnel.
#[derive(Debug)]
struct Nest;

impl Hook for Nest {
    fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
        let (from, to) = match packet.ip.dest {
            IpAddr::V4(dest) => match dest.octets() {
                [10, 50, 0, 1] => ("10.50.1.1", PEER),
                [10, 50, 0, 2] => ("10.50.1.1", "10.50.0.1"),
                [10, 50, 0, 3] => ("10.50.1.1", "10.50.0.2"),
                [10, 50, 0, 4] => ("10.50.1.1", "10.50.0.3"),
                [10, 50, 1, 1] => (OURS, PEER),
                _ => return Verdict::Accept,
            },
            IpAddr::V6(_) => return Verdict::Accept,
        };
        let mut header = HeadBuf::new();
        let outer = IpHeader::new(ip(from), ip(to), IP_IN_IP, 0);
        let dont_fragment = packet.ip.dest != ip("10.50.1.1");
        IpHeader {
            dont_fragment,
            ..outer
        }
        .emit(&mut header);
        packet.replace_front(0, &header)
    }
}

#[test]
fn who_hears_how_much_fits_may_be_at_the_end_of_a_tunnel_too() {
    let mut host = router();
    let inner = inner_link(&host);
    host.stack
        .add_hook(HookPoint::PostRouting, 0, Box::new(Nest));
    // The last of four headers is too much; three are all that may be in front of another.
    let payload = std::vec![7; 1440 - 28];
    host.inject_at(inner, datagram("10.60.0.9:5", "10.50.0.4:7", &payload));
    let sent = host.sent();
    assert_eq!(sent.len(), 1, "{:?}", host.stack.stats());
    let seen = Seen::new(&inside(&sent[0]));
    assert_eq!(seen.ip.dest, ip("10.50.1.1"));
    assert_eq!(seen.icmp(), IcmpMessage::PacketTooBig { mtu: 1480 });
    host.assert_dropped(DropReason::TooBig, 1);
    host.assert_dropped(DropReason::Hook, 0);
}

#[test]
fn a_super_segment_enters_a_tunnel_in_segments() {
    let mut host = tunnel(HookPoint::PostRouting, true);
    let inner = inner_link(&host);
    let flags = crate::wire::TcpFlags::ACK;
    let packet = filter::segment("10.60.0.9:5", "10.50.0.9:80", flags, &[7; 4000]);
    let mut packet = linear(&packet);
    packet.meta.checksum = Checksum::Verified;
    packet.meta.gso = Some(Gso {
        kind: GsoKind::Tcp4,
        size: 1400,
        ecn: false,
    });
    host.inject_at(inner, packet);
    let sent = host.sent();
    let lens: Vec<_> = sent.iter().map(|packet| inside(packet).len()).collect();
    assert_eq!(lens, [1440, 1440, 1240]);
    for packet in &sent {
        // Its sums are verified.
        Seen::new(&inside(packet));
    }
}

#[test]
fn a_packet_is_not_put_into_others_without_end() {
    let mut host = Host::new();
    let enter = Enter {
        from: ip("10.50.0.1"),
        to: ip("10.50.0.2"),
        dont_fragment: false,
    };
    host.stack.add_hook(HookPoint::LocalOut, 0, Box::new(enter));
    let id = host.udp("10.7.0.2:700");
    let mut socket = host.stack.udp(id).unwrap();
    let sent = socket.send(Bytes::from_static(b"x"), Some(addr("10.50.0.9:53")));
    sent.unwrap();
    assert_eq!(host.sent().len(), 0);
    host.assert_dropped(DropReason::Hook, 1);
}

#[test]
fn what_comes_out_of_four_others_is_answered_into_the_tunnel() {
    let (far, ours) = ("10.50.0.9", "10.7.0.2");
    let request = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    for (others, answers) in [(1, 1), (4, 1), (5, 0)] {
        let mut host = tunnel(HookPoint::LocalOut, false);
        let mut packet = icmp(far, ours, &request, b"hello");
        for _ in 0..others {
            packet = wrap(ip(PEER), ip(OURS), IP_IN_IP, packet);
        }
        host.inject(packet);
        let sent = host.sent();
        assert_eq!(sent.len(), answers, "out of {others}");
        for packet in &sent {
            let seen = Seen::new(&inside(packet));
            let reply = IcmpMessage::EchoReply { ident: 7, seq: 1 };
            assert_eq!((seen.ip.dest, seen.icmp()), (ip(far), reply));
        }
        host.assert_dropped(DropReason::Hook, u64::from(others == 5));
    }
}

#[test]
fn nonsense_in_the_place_of_a_packet_is_a_counted_drop() {
    #[derive(Debug)]
    struct Garble(usize, &'static [u8]);
    impl Hook for Garble {
        fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
            packet.replace_front(self.0, self.1)
        }
    }
    for (strip, headers) in [
        (28, &[][..]),
        (0, &[0x65; 3]),
        (20, &[0x91; 40]),
        (99, &[]),
        (0, &[7; 200]),
    ] {
        let (mut host, far) = filter::router();
        for at in [HookPoint::PreRouting, HookPoint::PostRouting] {
            let id = host.stack.add_hook(at, 0, Box::new(Garble(strip, headers)));
            host.inject(datagram("10.7.0.9:5", "10.9.0.9:7", b"x"));
            assert_eq!(host.sent_over(far).len(), 0);
            host.stack.remove_hook(id);
        }
        assert_eq!(
            host.stack
                .stats()
                .dropped()
                .map(|(_, count)| count)
                .sum::<u64>(),
            2
        );
    }
}
