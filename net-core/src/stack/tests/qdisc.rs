//! Disciplines in front of a device, with sockets behind them.

use super::*;
use crate::qdisc::{
    Cake, Fifo, Fq, FqCodel, FqCodelConfig, FqConfig, Netem, NetemConfig, PfifoFast, Rate, Tbf,
    TbfConfig,
};
use crate::socket::IpOption;
use crate::tcp::{RecvFlags, SendFlags};
use crate::time::Duration;

const SEED: Seed = Seed::from_u64(7);

fn numbers(packets: &[TxPacket]) -> Vec<u8> {
    packets
        .iter()
        .map(|packet| Seen::new(packet).data()[0])
        .collect()
}

/// Sends one-byte datagrams with these numbers and this type of service.
fn send(host: &mut Host, id: SocketId, tos: u8, numbers: core::ops::Range<u8>) {
    host.stack.set_ip_option(id, IpOption::Tos(tos)).unwrap();
    for number in numbers {
        let mut udp = host.stack.udp(id).unwrap();
        let sent = udp.send(Bytes::copy_from_slice(&[number]), Some(addr("10.7.0.1:9")));
        sent.unwrap();
    }
}

#[test]
fn a_discipline_is_replaced_while_packets_wait() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    send(&mut host, id, 0, 0..5);
    let config = FqCodelConfig::default();
    let (wire, now) = (host.wire, host.now);
    host.stack
        .set_qdisc(wire, FqCodel::new(config, SEED), now)
        .unwrap();
    send(&mut host, id, 0, 5..7);
    assert_eq!(host.stack.qdisc_stats(wire).unwrap().backlog_packets, 7);
    host.stack.set_qdisc(wire, Fifo::packets(4), now).unwrap();
    host.assert_dropped(DropReason::TxQueueFull, 3);
    let sent = host.sent();
    assert_eq!(numbers(&sent), [0, 1, 2, 3]);
    let stats = host.stack.qdisc_stats(wire).unwrap();
    assert_eq!((stats.sent_packets, stats.sent_bytes), (4, 4 * 29));
    let report = host.stack.qdisc_report(wire).unwrap();
    assert!(std::format!("{report}").starts_with("qdisc pfifo 0: dev tun0 root refcnt 1 limit 4p"));
    let gone = IfaceId(99);
    let outcome = host.stack.set_qdisc(gone, Fifo::default(), now);
    assert_eq!(outcome, Err(crate::error::SocketError::NoSuchInterface));
}

#[test]
fn a_busy_device_gets_its_packets_again_in_their_order() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    send(&mut host, id, 0, 0..6);
    let mut batch = TxBatch::default();
    for busy in 1..3 {
        host.stack.poll_transmit(host.wire, &mut batch, host.now);
        assert_eq!(batch.len(), 6);
        host.stack.requeue(host.wire, &mut batch);
        assert!(batch.is_empty());
        let stats = host.stack.qdisc_stats(host.wire).unwrap();
        assert_eq!((stats.requeues, stats.backlog_packets), (6 * busy, 6));
        assert_eq!(host.stack.stats().tx_packets, 0);
    }
    send(&mut host, id, 0, 6..8);
    let sent = host.sent();
    assert_eq!(numbers(&sent), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(host.stack.stats().tx_packets, 8);
}

/// As a device does that cuts super-packets itself, or one that puts tags in.
#[test]
fn a_device_may_give_back_more_than_it_got() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    send(&mut host, id, 0, 0..1);
    let mut batch = TxBatch::default();
    host.stack.poll_transmit(host.wire, &mut batch, host.now);
    let packet = batch.packets()[0].clone();
    batch.push(*packet);
    host.stack.requeue(host.wire, &mut batch);
    assert_eq!(host.stack.stats().tx_bytes, 0);
    assert_eq!(numbers(&host.sent()), [0, 0]);
    assert_eq!(host.stack.stats().tx_packets, 2);
}

#[test]
fn the_type_of_service_chooses_the_band() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    host.stack
        .set_qdisc(host.wire, PfifoFast::default(), host.now)
        .unwrap();
    send(&mut host, id, 0x08, 0..2); // bulk
    send(&mut host, id, 0x00, 2..4); // best effort
    send(&mut host, id, 0x10, 4..6); // interactive
    let sent = host.sent();
    assert_eq!(numbers(&sent), [4, 5, 2, 3, 0, 1]);
}

#[test]
fn what_a_discipline_drops_gives_its_sender_the_room_back() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    let config = FqConfig {
        flow_limit: 2,
        ..FqConfig::default()
    };
    host.stack
        .set_qdisc(host.wire, Fq::new(config, SEED), host.now)
        .unwrap();
    send(&mut host, id, 0, 0..100);
    host.assert_dropped(DropReason::TxQueueFull, 98);
    assert_eq!(host.sent().len(), 2);
    let writable = crate::socket::Readiness::WRITABLE;
    assert!(host.stack.readiness(id).contains(writable));
}

#[test]
fn a_delayed_packet_has_a_timer() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:5");
    let config = NetemConfig {
        delay: Duration::from_millis(30),
        ..NetemConfig::default()
    };
    host.stack
        .set_qdisc(host.wire, Netem::new(config, SEED), host.now)
        .unwrap();
    send(&mut host, id, 0, 0..3);
    assert_eq!(host.sent().len(), 0);
    let due = host.stack.poll_timeout().unwrap();
    assert_eq!(due, host.now + Duration::from_millis(30));
    host.now = due;
    host.stack.handle_timeout(due);
    assert_eq!(host.sent().len(), 3);
    assert_eq!(host.stack.poll_timeout(), None);
}

impl Host {
    fn write(&mut self, id: SocketId, data: &[u8]) -> usize {
        let mut tcp = self.stack.tcp(id, self.now).unwrap();
        tcp.send(data, SendFlags::empty()).unwrap_or(0)
    }

    fn read(&mut self, id: SocketId, buf: &mut [u8]) -> usize {
        let mut tcp = self.stack.tcp(id, self.now).unwrap();
        tcp.recv(buf, RecvFlags::empty()).unwrap_or(0)
    }
}

/// A connection over the loopback; how long `bytes` take through its discipline.
fn transfer(host: &mut Host, bytes: usize) -> Duration {
    let listener = host.stack.tcp_open(Family::V4).unwrap();
    host.stack.bind(listener, addr("127.0.0.1:80")).unwrap();
    host.stack.listen(listener, 1).unwrap();
    let client = host.stack.tcp_open(Family::V4).unwrap();
    let _ = host.stack.connect(client, addr("127.0.0.1:80"), host.now);
    let begun = host.now;
    let (mut server, mut sent, mut received) = (None, 0, 0);
    let (data, mut buf) = (std::vec![7; 1 << 16], std::vec![0; 1 << 16]);
    while received < bytes {
        host.loop_back();
        server = server.or_else(|| host.stack.accept(listener).ok().map(|(id, _)| id));
        sent += host.write(client, &data[..data.len().min(bytes - sent)]);
        received += server.map_or(0, |server| host.read(server, &mut buf));
        host.loop_back();
        if let Some(at) = host.stack.poll_timeout().filter(|_| received < bytes) {
            host.now = host.now.max(at);
            host.stack.handle_timeout(host.now);
        }
    }
    host.now.saturating_since(begun)
}

#[test]
fn tcp_keeps_to_the_rate_of_a_token_bucket() {
    let mut host = Host::new();
    let config = TbfConfig {
        limit: 2 << 20,
        ..TbfConfig::new(Rate::from_bytes(1_000_000), 70_000)
    };
    let tbf = Tbf::new(config, host.now);
    host.stack.set_qdisc(host.loopback, tbf, host.now).unwrap();
    let took = transfer(&mut host, 1_000_000);
    let range = Duration::from_millis(930)..Duration::from_millis(1000);
    assert!(range.contains(&took), "{took:?}");
    let stats = host.stack.qdisc_stats(host.loopback).unwrap();
    assert_eq!(stats.dropped, 0, "a socket keeps its share of the queue");
}

#[test]
fn tcp_keeps_to_the_bandwidth_of_a_cake() {
    let mut host = Host::new();
    let config = "bandwidth 8mbit besteffort".parse();
    let cake = Cake::new(config.unwrap(), SEED);
    host.stack.set_qdisc(host.loopback, cake, host.now).unwrap();
    let took = transfer(&mut host, 1_000_000);
    let range = Duration::from_millis(930)..Duration::from_millis(1100);
    assert!(range.contains(&took), "{took:?}");
    let stats = host.stack.qdisc_stats(host.loopback).unwrap();
    assert_eq!(
        stats.dropped, 0,
        "packets of 64 KiB take longer than the wait that small ones may"
    );
    let report = std::format!("{}", host.stack.qdisc_report(host.loopback).unwrap());
    assert!(report.starts_with("qdisc cake 0: dev lo root refcnt 1 bandwidth 8Mbit besteffort"));
}

#[test]
fn tcp_goes_past_an_empty_queue() {
    let mut host = Host::new();
    let fq_codel = FqCodel::new(FqCodelConfig::default(), SEED);
    host.stack
        .set_qdisc(host.loopback, fq_codel, host.now)
        .unwrap();
    transfer(&mut host, 1_000_000);
    let stats = host.stack.qdisc_stats(host.loopback).unwrap();
    assert!(stats.sent_bytes > 1_000_000 && stats.dropped == 0);
    let report = std::format!("{}", host.stack.qdisc_report(host.loopback).unwrap());
    assert!(
        report.contains("maxpacket 60 "),
        "the SYN-ACK alone waited: {report}"
    );
}
