//! The bounds of UDP: lengths, buffers, budget, sockets.

use super::*;
use crate::error::SocketError;

#[test]
fn datagrams_above_the_protocols_limit_are_refused() {
    let mut host = Host::new();
    let id = host.udp("[::]:9");
    let mut send = |len: usize, to: &str| {
        let payload = Bytes::from(std::vec![7; len]);
        host.stack.udp(id).unwrap().send(payload, Some(addr(to)))
    };
    let too_long = Err(SocketError::MessageTooLong);
    for to in ["[::ffff:10.7.0.1]:9", "[::ffff:127.0.0.1]:9"] {
        assert_eq!(send(65507, to), Ok(()));
        assert_eq!(send(65508, to), too_long);
    }
    for to in ["[fd07::1]:9", "[::1]:9"] {
        assert_eq!(send(65527, to), Ok(()));
        assert_eq!(send(65528, to), too_long);
    }
}

#[test]
fn unread_datagrams_are_bounded_by_the_receive_buffer() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(id, |settings| settings.recv_buffer = 10_000)
        .unwrap();
    for _ in 0..100 {
        host.inject(datagram("10.7.0.1:1", "10.7.0.2:9", &[7; 1000]));
    }
    let received = core::iter::from_fn(|| host.stack.udp(id).unwrap().recv()).count();
    assert!((8..=10).contains(&received), "{received}");
    host.assert_dropped(DropReason::RecvBufferFull, 100 - received as u64);
    assert_eq!(host.stack.memory_used(), 0);
    host.inject(datagram("10.7.0.1:1", "10.7.0.2:9", &[7; 1000]));
    assert!(host.stack.udp(id).unwrap().recv().is_some());
}

#[test]
fn empty_datagrams_count_against_the_receive_buffer_too() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(id, |settings| settings.recv_buffer = 10_000)
        .unwrap();
    for _ in 0..1000 {
        host.inject(datagram("10.7.0.1:1", "10.7.0.2:9", b""));
    }
    assert!(host.stack.stats().drops(DropReason::RecvBufferFull) > 900);
}

#[test]
fn a_datagram_of_any_size_fits_an_empty_buffer() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(id, |settings| settings.recv_buffer = 1)
        .unwrap();
    host.inject(datagram("10.7.0.1:1", "10.7.0.2:9", &[7; 1400]));
    assert!(host.stack.udp(id).unwrap().recv().is_some());
}

#[test]
fn small_datagrams_do_not_pin_large_buffers() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    for len in [1, 200, 1400] {
        let payload = std::vec![7; len];
        let mut packet = linear(&datagram("10.7.0.1:1", "10.7.0.2:9", &payload));
        packet.meta.pins = 65_536;
        host.inject(packet);
        let received = host.stack.udp(id).unwrap().recv().unwrap();
        assert_eq!(received.payload.len(), len);
        assert!(received.pins as usize <= 2 * len + 256);
    }
}

#[test]
fn all_sockets_together_stay_within_the_memory_budget() {
    let config = Config {
        memory: 20_000,
        ..Config::default()
    };
    let mut host = Host::with(config);
    for port in 1..=10_u16 {
        host.udp(&std::format!("0.0.0.0:{port}"));
        for _ in 0..10 {
            let dest = std::format!("10.7.0.2:{port}");
            host.inject(datagram("10.7.0.1:1", &dest, &[7; 1000]));
        }
    }
    assert!(host.stack.memory_used() <= 20_000);
    assert!(host.stack.stats().drops(DropReason::NoMemory) > 50);
}

#[test]
fn datagrams_that_wait_for_the_device_are_bounded_by_the_send_buffer() {
    let mut host = Host::new();
    let id = host.udp("0.0.0.0:9");
    host.stack
        .change_udp(id, |settings| settings.send_buffer = 5000)
        .unwrap();
    let send = |host: &mut Host| {
        let payload = Bytes::from_static(&[7; 1000]);
        host.stack
            .udp(id)
            .unwrap()
            .send(payload, Some(addr("10.7.0.1:9")))
    };
    let sent = (0..100).filter(|_| send(&mut host).is_ok()).count();
    assert_eq!(sent, 4);
    assert_eq!(host.sent().len(), 4);
    assert_eq!(send(&mut host), Ok(()));
}

#[test]
fn there_are_no_more_sockets_than_configured() {
    let config = Config {
        max_sockets: 3,
        ..Config::default()
    };
    let mut host = Host::with(config);
    let ids: Vec<SocketId> = (0..3)
        .map(|_| host.stack.udp_open(Family::V4).unwrap())
        .collect();
    let outcome = host.stack.udp_open(Family::V4);
    assert_eq!(outcome, Err(SocketError::TooManySockets));
    assert_eq!(host.stack.sockets(), 3);
    host.stack.close(ids[1], host.now);
    assert!(host.stack.udp_open(Family::V4).is_ok());
}

#[test]
fn queues_do_not_grow_with_sockets_that_come_and_go() {
    let mut host = Host::new();
    for _ in 0..1000 {
        let id = host.udp("0.0.0.0:9");
        host.inject(datagram("10.7.0.1:1", "10.7.0.2:9", b"x"));
        host.stack.want_transmit(host.wire, id);
        host.stack.close(id, host.now);
    }
    assert_eq!(host.stack.events.len(), 1);
    assert_eq!(host.stack.iface(host.wire).unwrap().ready.len(), 1);
    assert_eq!(host.stack.poll_event(), None);
    assert_eq!(host.sent().len(), 0);
}
