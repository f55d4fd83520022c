//! What ICMP errors say about the datagrams of sockets that ask to be told.

use super::*;
use crate::error::SocketError;
use crate::socket::{IpOption, Readiness};
use crate::udp::QueuedError;

impl Host {
    /// A UDP socket that keeps errors, and a datagram of its own to be quoted.
    fn tracer(&mut self, local: &str, to: &str) -> (SocketId, BytesMut) {
        let id = self.udp(local);
        self.stack
            .change_udp(id, |settings| settings.recv_errors = true)
            .unwrap();
        let mut udp = self.stack.udp(id).unwrap();
        udp.send(Bytes::from_static(b"anyone?"), Some(addr(to)))
            .unwrap();
        let quoted = bytes_of(&self.sent()[0]);
        while self.stack.poll_event().is_some() {}
        (id, quoted)
    }

    fn recv_error(&mut self, id: SocketId) -> Option<QueuedError> {
        self.stack.udp(id).unwrap().recv_error()
    }
}

#[test]
fn a_socket_that_is_not_connected_hears_of_soft_errors_if_it_asks_to() {
    let mut host = Host::new();
    for (local, to, router, v6) in [
        ("10.7.0.2:700", "192.0.2.1:33434", "10.7.0.77", false),
        ("[fd07::2]:700", "[2001:db8::1]:33434", "fd07::77", true),
    ] {
        let (id, quoted) = host.tracer(local, to);
        let ours = if v6 { OURS_V6 } else { OURS };
        host.inject(icmp(
            router,
            ours,
            &IcmpMessage::TimeExceeded { code: 0 },
            &quoted,
        ));
        let event = host.stack.poll_event().unwrap();
        assert!(event.ready.contains(Readiness::ERROR | Readiness::READABLE));
        let unreachable = Some(SocketError::HostUnreachable);
        assert_eq!(host.stack.take_error(id), unreachable);
        let error = host.recv_error(id).unwrap();
        assert_eq!(error.error, SocketError::HostUnreachable);
        assert_eq!((error.kind, error.code), (if v6 { 3 } else { 11 }, 0));
        assert_eq!((error.reporter, error.dest), (ip(router), addr(to)));
        assert_eq!((error.payload.as_ref(), error.mtu), (&b"anyone?"[..], None));
        assert_eq!(host.recv_error(id), None);
        assert_eq!(host.stack.readiness(id), Readiness::WRITABLE);
    }
}

#[test]
fn the_mtu_of_the_path_is_told() {
    let mut host = Host::new();
    let (id, mut quoted) = host.tracer("[fd07::2]:700", "[2001:db8::1]:9");
    // Of a packet of 1,500 bytes routers quote the beginning.
    quoted[4..6].copy_from_slice(&1460_u16.to_be_bytes());
    let message = IcmpMessage::PacketTooBig { mtu: 1400 };
    host.inject(icmp("fd07::77", OURS_V6, &message, &quoted));
    let error = host.recv_error(id).unwrap();
    assert_eq!(
        (error.error, error.mtu),
        (SocketError::MessageTooLong, Some(1400))
    );
}

#[test]
fn errors_that_wait_are_bounded_and_count_against_the_memory() {
    let mut host = Host::new();
    let (id, quoted) = host.tracer("10.7.0.2:700", "192.0.2.1:9");
    for _ in 0..100 {
        let message = IcmpMessage::TimeExceeded { code: 0 };
        host.inject(icmp("10.7.0.77", OURS, &message, &quoted));
    }
    host.assert_dropped(DropReason::RecvBufferFull, 36);
    assert_eq!(host.stack.memory_used(), 64 * (128 + 7));
    host.stack.close(id, host.now);
    assert_eq!(host.stack.memory_used(), 0);
}

#[test]
fn a_ping_socket_hears_of_the_router_where_its_request_ended() {
    for (family, to, router) in [
        (Family::V4, "192.0.2.1", "10.7.0.77"),
        (Family::V6, "2001:db8::1", "fd07::77"),
    ] {
        let mut host = Host::new();
        let v6 = family == Family::V6;
        let id = host.stack.ping_open(family).unwrap();
        host.stack
            .change_udp(id, |settings| settings.recv_errors = true)
            .unwrap();
        for option in [IpOption::Ttl(Some(1)), IpOption::HopLimit(Some(1))] {
            host.stack.set_ip_option(id, option).unwrap();
        }
        let request = [if v6 { 128 } else { 8 }, 0, 0, 0, 0, 0, 0, 9];
        let to = SocketAddr::new(ip(to), 0);
        let mut ping = host.stack.udp(id).unwrap();
        ping.send(Bytes::copy_from_slice(&request), Some(to))
            .unwrap();
        let sent = host.sent();
        assert_eq!(Seen::new(&sent[0]).ip.ttl, 1);
        let ours = if v6 { OURS_V6 } else { OURS };
        let message = IcmpMessage::TimeExceeded { code: 0 };
        host.inject(icmp(router, ours, &message, &bytes_of(&sent[0])));
        let error = host.recv_error(id).unwrap();
        assert_eq!((error.reporter, error.dest), (ip(router), to));
        assert_eq!(error.payload[6..8], [0, 9]);
        assert!(host.recv_error(id).is_none());
    }
}

#[test]
fn a_raw_socket_hears_of_its_protocol() {
    let mut host = Host::new();
    let id = host.stack.raw_open(Family::V4, 132).unwrap();
    let mut quoted = body(&[7; 40]);
    IpHeader::new(ip(OURS), ip(PEER), 132, 40).emit(&mut quoted.head);
    let message = icmp(
        PEER,
        OURS,
        &IcmpMessage::Unreachable { code: 2 },
        &bytes_of(&quoted),
    );
    host.inject(message.clone());
    assert_eq!(host.stack.take_error(id), None);
    host.stack
        .change_udp(id, |settings| settings.recv_errors = true)
        .unwrap();
    host.inject(message);
    assert_eq!(
        host.stack.take_error(id),
        Some(SocketError::ConnectionRefused)
    );
    let error = host.recv_error(id).unwrap();
    assert_eq!(error.dest, SocketAddr::new(ip(PEER), 0));
    assert_eq!(error.payload[..], [7; 40]);
}

/// RFC 8200 §4.5: the first fragment has the ports.
#[test]
fn an_error_about_a_fragment_finds_its_socket() {
    let mut host = Host::new();
    let id = host.udp("[fd07::2]:700");
    let to = addr("[2001:db8::1]:9");
    host.stack.connect(id, to, host.now).unwrap();
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(std::vec![7; 3000].into(), None).unwrap();
    let fragments = host.sent();
    let error = IcmpMessage::Unreachable { code: 4 };
    for at in [1, 0] {
        assert_eq!(host.stack.take_error(id), None);
        let mut quoted = bytes_of(&fragments[at]);
        quoted.truncate(1232);
        host.inject(icmp("2001:db8::1", OURS_V6, &error, &quoted));
    }
    assert_eq!(
        host.stack.take_error(id),
        Some(SocketError::ConnectionRefused)
    );
}
