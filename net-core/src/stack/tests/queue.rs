//! The queue in front of the device.

use super::*;
use crate::error::SocketError;
use crate::qdisc::Fifo;
use crate::socket::{IpOption, PathMtuMode};
use crate::stack::MAX_TX_BATCH;
use crate::wire::checksum::checksum;

fn flood(host: &mut Host, count: usize) {
    let message = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
    for _ in 0..count {
        host.inject(icmp(PEER, OURS, &message, b"x"));
    }
}

#[test]
fn the_queue_is_bounded_and_drops_are_counted() {
    let mut host = Host::new();
    flood(&mut host, Fifo::DEFAULT_LIMIT + 10);
    host.assert_dropped(DropReason::TxQueueFull, 10);
    assert_eq!(host.sent().len(), Fifo::DEFAULT_LIMIT);
    assert_eq!(host.stack.stats().icmp_echo_replies, 1000);
}

#[test]
fn what_waits_for_an_interface_that_is_removed_is_counted() {
    let mut host = Host::new();
    flood(&mut host, 3);
    host.stack.remove_iface(host.wire);
    host.assert_dropped(DropReason::IfaceRemoved, 3);
    assert!(host.sent().is_empty());
}

#[test]
fn one_call_fills_the_batch_and_says_that_there_is_more() {
    let mut host = Host::new();
    flood(&mut host, MAX_TX_BATCH + 10);
    let mut batch = TxBatch::default();
    batch.push(TxPacket::default());
    assert_eq!(
        host.stack.poll_transmit(host.wire, &mut batch, host.now),
        Transmit::More
    );
    assert_eq!(batch.len(), MAX_TX_BATCH);
    assert_eq!(
        host.stack.poll_transmit(host.wire, &mut batch, host.now),
        Transmit::More
    );
    assert_eq!(batch.len(), MAX_TX_BATCH);
    batch.clear();
    assert_eq!(
        host.stack.poll_transmit(host.wire, &mut batch, host.now),
        Transmit::Idle
    );
    assert_eq!(batch.len(), 11);
    assert_eq!(host.stack.stats().tx_packets, 74);
}

#[test]
fn a_device_that_takes_few_is_given_few() {
    let mut host = Host::new();
    flood(&mut host, 10);
    let mut batch = TxBatch::default();
    for (most, len) in [(1, 1), (3, 3), (3, 3), (usize::MAX, 10)] {
        let state = host
            .stack
            .poll_transmit_few(host.wire, most, &mut batch, host.now);
        assert_eq!((batch.len(), state == Transmit::Idle), (len, len == 10));
    }
}

#[test]
fn packets_carry_their_departure_and_their_own_identification() {
    let mut host = Host::new();
    flood(&mut host, 3);
    let sent = host.sent();
    let ids: Vec<u16> = sent.iter().map(|packet| Seen::new(packet).ip.id).collect();
    assert_eq!(ids[1], ids[0].wrapping_add(1));
    assert_eq!(ids[2], ids[0].wrapping_add(2));
    assert!(sent.iter().all(|packet| packet.meta.departure == host.now));
}

/// RFC 791 §3.1, byte for byte: what the socket asks for, and the checksum over it.
#[test]
fn the_ip_header_has_what_its_socket_asks_for_in_each_field() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    for option in [IpOption::Tos(0xb9), IpOption::Ttl(Some(9))] {
        host.stack.set_ip_option(id, option).unwrap();
    }
    for (mode, fragment) in [(PathMtuMode::Do, 0x40), (PathMtuMode::Dont, 0)] {
        host.stack
            .set_ip_option(id, IpOption::PathMtu(mode))
            .unwrap();
        let mut udp = host.stack.udp(id).unwrap();
        udp.send(Bytes::from_static(b"hello"), Some(addr("10.7.0.1:9")))
            .unwrap();
        let bytes = bytes_of(&host.sent()[0]);
        let [id, sum] = [4, 10].map(|at| [bytes[at], bytes[at + 1]]);
        let golden = [
            [0x45, 0xb9, 0, 33],
            [id[0], id[1], fragment, 0],
            [9, 17, sum[0], sum[1]],
            [10, 7, 0, 2],
            [10, 7, 0, 1],
        ];
        assert_eq!(bytes[..20], golden.concat());
        assert_eq!(checksum(&bytes[..20]), 0);
    }
}

#[test]
fn a_device_that_sums_gets_the_pseudo_header_only() {
    let mut host = Host::new();
    let caps = DeviceCaps {
        tx_checksum: true,
        ..DeviceCaps::default()
    };
    let config = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
    let wire = host.stack.add_iface(config, caps).unwrap();
    let id = host.udp("10.8.0.2:5");
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"hello"), Some(addr("10.8.0.1:9")))
        .unwrap();
    let mut sent = host.sent_over(wire);
    let partial = crate::buf::Checksum::Partial {
        start: 20,
        offset: 6,
    };
    assert_eq!(sent[0].meta.checksum, partial);
    transport::complete_checksum(&mut sent[0]);
    assert_eq!(Seen::new(&sent[0]).data(), "hello");
}

#[test]
fn a_device_that_takes_one_piece_gets_the_same_bytes() {
    let payload = Bytes::from_static(&[7; 1000]);
    let mut seen = Vec::new();
    for one_piece in [false, true] {
        let mut host = Host::new();
        let caps = DeviceCaps {
            one_piece,
            ..DeviceCaps::default()
        };
        let config = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.8.0.2/24"]);
        let wire = host.stack.add_iface(config, caps).unwrap();
        let id = host.udp("10.8.0.2:5");
        for len in [1, 1000] {
            let mut udp = host.stack.udp(id).unwrap();
            let to = Some(addr("10.8.0.1:9"));
            udp.send(payload.slice(..len), to).unwrap();
        }
        let sent = host.sent_over(wire);
        for packet in &sent {
            let pieces = usize::from(!packet.head.is_empty()) + packet.body.len();
            assert!(!one_piece || pieces == 1, "{pieces} pieces");
        }
        assert_eq!(sent[1].head.is_empty(), one_piece);
        seen.push(sent.iter().map(bytes_of).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_full_queue_blocks_a_udp_sender_until_it_is_half_empty() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    let mut sent = 0;
    let outcome = loop {
        let mut udp = host.stack.udp(id).unwrap();
        match udp.send(Bytes::from_static(b"x"), Some(addr("10.7.0.1:9"))) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(
        (sent, outcome),
        (Fifo::DEFAULT_LIMIT, SocketError::WouldBlock)
    );
    let writable = crate::socket::Readiness::WRITABLE;
    assert!(!host.stack.readiness(id).contains(writable));
    while host.stack.poll_event().is_some() {}
    let mut batch = TxBatch::default();
    for _ in 0..8 {
        host.stack.poll_transmit(host.wire, &mut batch, host.now);
        batch.clear();
    }
    let event = host.stack.poll_event().unwrap();
    assert_eq!(event.socket, id);
    assert!(event.ready.contains(writable));
}

#[test]
fn removing_an_interface_gives_its_senders_their_buffers_back() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    host.stack
        .change_udp(id, |settings| settings.send_buffer = 100)
        .unwrap();
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(&[1; 90]), Some(addr("10.7.0.1:9")))
        .unwrap();
    let again = udp.send(Bytes::from_static(&[1; 90]), Some(addr("10.7.0.1:9")));
    assert_eq!(again, Err(SocketError::WouldBlock));
    let waiting = host.udp("10.7.0.2:6");
    let mut udp = host.stack.udp(waiting).unwrap();
    while udp.send(Bytes::new(), Some(addr("10.7.0.1:9"))).is_ok() {}
    let late = host.udp("10.7.0.2:7");
    let mut udp = host.stack.udp(late).unwrap();
    let full = udp.send(Bytes::new(), Some(addr("10.7.0.1:9")));
    assert_eq!(full, Err(SocketError::WouldBlock));
    host.stack.remove_iface(host.wire);
    for expected in [id, waiting, late] {
        let event = host.stack.poll_event().unwrap();
        assert_eq!(event.socket, expected);
        assert!(event.ready.contains(crate::socket::Readiness::WRITABLE));
    }
}
