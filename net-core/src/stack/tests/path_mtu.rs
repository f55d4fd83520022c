//! What routers say that paths of datagrams take.

use super::*;
use crate::error::SocketError;
use crate::socket::{IpOption, PathMtuMode};
use crate::time::Duration;

/// Sends so many bytes to `to`; the lengths of the packets that leave, or why none does.
fn send(host: &mut Host, id: SocketId, len: usize, to: &str) -> Result<Vec<usize>, SocketError> {
    let payload = Bytes::from(std::vec![7; len]);
    host.stack.udp(id).unwrap().send(payload, Some(addr(to)))?;
    Ok(host.sent().iter().map(TxPacket::len).collect())
}

/// Sends 1,400 bytes to `to`, on which a router says that the path takes 1,300.
fn narrow(host: &mut Host, id: SocketId, to: &str) {
    let payload = Bytes::from(std::vec![7; 1400]);
    host.stack
        .udp(id)
        .unwrap()
        .send(payload, Some(addr(to)))
        .unwrap();
    let quoted = bytes_of(&host.sent()[0]);
    let (router, ours) = match addr(to) {
        SocketAddr::V4(_) => ("10.7.0.77", OURS),
        SocketAddr::V6(_) => ("fd07::77", OURS_V6),
    };
    let message = IcmpMessage::PacketTooBig { mtu: 1300 };
    host.inject(icmp(router, ours, &message, &quoted));
}

const ENDS: [(&str, &str, usize); 2] = [
    ("10.7.0.2:700", "192.0.2.1:53", 20 + 8),
    ("[fd07::2]:700", "[2001:db8::1]:53", 40 + 8),
];

#[test]
fn the_next_datagram_fits_the_path_that_a_router_told_of() {
    for (local, to, headers) in ENDS {
        let mut host = Host::new();
        let id = host.udp(local);
        assert_eq!(send(&mut host, id, 1400, to), Ok([1400 + headers].into()));
        narrow(&mut host, id, to);
        let sent = send(&mut host, id, 1400, to).unwrap();
        assert_eq!(sent.len(), 2, "fragments");
        assert!(sent.iter().all(|&len| len <= 1300), "{sent:?}");
        assert_eq!(send(&mut host, id, 1300 - headers, to), Ok([1300].into()));
        // Another socket sends the same way, and another destination has its own.
        let other = host.udp(if addr(local).is_ipv4() {
            "0.0.0.0:9"
        } else {
            "[::]:9"
        });
        assert_eq!(send(&mut host, other, 1400, to).unwrap().len(), 2);
        let elsewhere = if addr(to).is_ipv4() {
            "192.0.2.2:53"
        } else {
            "[2001:db8::2]:53"
        };
        assert_eq!(send(&mut host, id, 1400, elsewhere).unwrap().len(), 1);
        host.now += Duration::from_secs(601);
        host.stack.handle_timeout(host.now);
        assert_eq!(send(&mut host, id, 1400, to), Ok([1400 + headers].into()));
    }
}

#[test]
fn who_forbids_fragments_is_told_that_a_datagram_is_too_long() {
    for (local, to, headers) in ENDS {
        let mut host = Host::new();
        let id = host.udp(local);
        for option in [
            IpOption::PathMtu(PathMtuMode::Do),
            IpOption::PathMtuV6(PathMtuMode::Do),
        ] {
            host.stack.set_ip_option(id, option).unwrap();
        }
        narrow(&mut host, id, to);
        let too_long = Err(SocketError::MessageTooLong);
        assert_eq!(send(&mut host, id, 1301 - headers, to), too_long);
        assert_eq!(send(&mut host, id, 1300 - headers, to), Ok([1300].into()));
        // Who probes the path by himself believes the link alone.
        for option in [
            IpOption::PathMtu(PathMtuMode::Probe),
            IpOption::PathMtuV6(PathMtuMode::Probe),
        ] {
            host.stack.set_ip_option(id, option).unwrap();
        }
        assert_eq!(send(&mut host, id, 1400, to), Ok([1400 + headers].into()));
    }
}

#[test]
fn a_connected_socket_hears_of_it_and_can_ask() {
    for (local, to, _) in ENDS {
        let mut host = Host::new();
        let id = host.udp(local);
        assert_eq!(host.stack.path_mtu(id), Err(SocketError::NotConnected));
        host.stack.connect(id, addr(to), host.now).unwrap();
        assert_eq!(host.stack.path_mtu(id), Ok(1500));
        narrow(&mut host, id, to);
        assert_eq!(host.stack.path_mtu(id), Ok(1300));
        assert_eq!(host.stack.take_error(id), Some(SocketError::MessageTooLong));
        // Who does not want to know is not told.
        for option in [
            IpOption::PathMtu(PathMtuMode::Dont),
            IpOption::PathMtuV6(PathMtuMode::Dont),
        ] {
            host.stack.set_ip_option(id, option).unwrap();
        }
        host.now += Duration::from_secs(601);
        host.stack.handle_timeout(host.now);
        narrow(&mut host, id, to);
        assert_eq!(host.stack.take_error(id), None);
        assert_eq!(host.stack.path_mtu(id), Ok(1300));
    }
}

/// Says that the path of a packet from `local` to `to` takes `mtu`, without anybody having sent it.
fn forge(host: &mut Host, local: &str, to: &str, len: usize, mtu: u32) {
    let quoted = bytes_of(&datagram(local, to, &std::vec![7; len]));
    let (router, ours) = match addr(to) {
        SocketAddr::V4(_) => ("10.7.0.77", OURS),
        SocketAddr::V6(_) => ("fd07::77", OURS_V6),
    };
    let message = IcmpMessage::PacketTooBig { mtu };
    host.inject(icmp(router, ours, &message, &quoted));
}

/// RFC 8201 §4, §6.
#[test]
fn only_who_quotes_what_was_sent_and_is_too_long_is_believed() {
    for (local, to, headers) in ENDS {
        let mut host = Host::new();
        let id = host.udp(local);
        forge(&mut host, local, to, 1400, 1300);
        assert_eq!(send(&mut host, id, 1400, to), Ok([1400 + headers].into()));
        // Not longer than it may be, or below what every link of IPv6 takes.
        forge(&mut host, local, to, 100, 1300);
        if addr(to).is_ipv6() {
            forge(&mut host, local, to, 1400, 1279);
        }
        assert_eq!(send(&mut host, id, 1400, to), Ok([1400 + headers].into()));
        forge(&mut host, local, to, 1400, 1300);
        assert_eq!(send(&mut host, id, 1400, to).unwrap().len(), 2);
    }
}

#[test]
fn a_raw_socket_teaches_only_the_path_that_it_sends_by() {
    let (local, to, _) = ENDS[0];
    let mut host = Host::new();
    let raw = host.stack.raw_open(Family::V4, 17).unwrap();
    forge(&mut host, local, to, 1400, 1300);
    host.assert_dropped(DropReason::IcmpIrrelevant, 1);
    host.stack.connect(raw, addr(to), host.now).unwrap();
    assert_eq!(host.stack.path_mtu(raw), Ok(1500));
    forge(&mut host, local, to, 1400, 1300);
    assert_eq!(host.stack.path_mtu(raw), Ok(1300));
}

/// As in Linux, whose `min_pmtu` is 552.
#[test]
fn routers_may_fragment_where_a_path_takes_less_than_is_believed() {
    let (local, to, _) = ENDS[0];
    let mut host = Host::new();
    let id = host.udp(local);
    let is_whole = |host: &mut Host| {
        let payload = Bytes::from_static(&[7; 400]);
        host.stack
            .udp(id)
            .unwrap()
            .send(payload, Some(addr(to)))
            .unwrap();
        Seen::new(&host.sent()[0]).ip.dont_fragment
    };
    assert!(is_whole(&mut host));
    forge(&mut host, local, to, 1400, 552);
    assert!(is_whole(&mut host));
    forge(&mut host, local, to, 500, 296);
    assert!(!is_whole(&mut host));
    let option = IpOption::PathMtu(PathMtuMode::Do);
    host.stack.set_ip_option(id, option).unwrap();
    assert!(is_whole(&mut host));
}

#[test]
fn an_error_about_a_datagram_that_nobody_sent_narrows_no_path() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:700");
    narrow(&mut host, id, "192.0.2.1:53");
    let payload = Bytes::from_static(b"x");
    let to = Some(addr("192.0.2.9:53"));
    host.stack.udp(id).unwrap().send(payload, to).unwrap();
    let quoted = bytes_of(&host.sent()[0]);
    host.stack.close(id, host.now);
    let message = IcmpMessage::PacketTooBig { mtu: 1300 };
    host.inject(icmp("10.7.0.77", OURS, &message, &quoted));
    host.assert_dropped(DropReason::IcmpIrrelevant, 1);
    let id = host.udp("10.7.0.2:701");
    assert_eq!(send(&mut host, id, 1400, "192.0.2.9:53").unwrap().len(), 1);
}

/// A resolver's socket, or a server's: not only the last destination counts.
#[test]
fn errors_about_the_last_few_destinations_of_a_socket_are_believed() {
    for (local, _, headers) in ENDS {
        let mut host = Host::new();
        let id = host.udp(local);
        let to = |number: u16| match addr(local) {
            SocketAddr::V4(_) => std::format!("192.0.2.{number}:53"),
            SocketAddr::V6(_) => std::format!("[2001:db8::{number:x}]:53"),
        };
        for number in 1..=3 {
            send(&mut host, id, 1400, &to(number)).unwrap();
        }
        for number in 1..=3 {
            forge(&mut host, local, &to(number), 1400, 1300);
            assert_eq!(send(&mut host, id, 1400, &to(number)).unwrap().len(), 2);
        }
        forge(&mut host, local, &to(4), 1400, 1300);
        let sent = send(&mut host, id, 1400, &to(4));
        assert_eq!(sent, Ok([1400 + headers].into()), "it was never sent to");
    }
}

/// Not each datagram asks what is known of its path: the way that a socket keeps says it.
#[test]
fn a_connected_socket_keeps_what_its_path_takes_until_that_is_forgotten() {
    for (local, to, headers) in ENDS {
        let mut host = Host::new();
        let id = host.udp(local);
        host.stack.connect(id, addr(to), host.now).unwrap();
        narrow(&mut host, id, to);
        host.stack.take_error(id);
        let send = |host: &mut Host| {
            let payload = Bytes::from(std::vec![7; 1400]);
            host.stack.udp(id).unwrap().send(payload, None).unwrap();
            host.sent().len()
        };
        assert_eq!(send(&mut host), 2);
        let generation = host.stack.route_generation();
        // What is told again is nothing new, and nobody has to look again.
        forge(&mut host, local, to, 1400, 1300);
        host.stack.take_error(id);
        assert_eq!(host.stack.route_generation(), generation);
        let option = if addr(to).is_ipv4() {
            IpOption::PathMtu(PathMtuMode::Probe)
        } else {
            IpOption::PathMtuV6(PathMtuMode::Probe)
        };
        host.stack.set_ip_option(id, option).unwrap();
        assert_eq!(send(&mut host), 1, "{headers}: it believes the link alone");
        let option = if addr(to).is_ipv4() {
            IpOption::PathMtu(PathMtuMode::Want)
        } else {
            IpOption::PathMtuV6(PathMtuMode::Want)
        };
        host.stack.set_ip_option(id, option).unwrap();
        assert_eq!(send(&mut host), 2);
        host.now += Duration::from_secs(601);
        host.stack.handle_timeout(host.now);
        assert_eq!(send(&mut host), 1);
    }
}
