//! When datagrams leave (`SO_TIMESTAMPING`).

use super::*;
use crate::error::SocketError;
use crate::qdisc::{Rate, Tbf, TbfConfig};
use crate::tcp::TransmitStage::{self, Scheduled, Sent};
use crate::tcp::TransmitStages;
use crate::time::Duration;
use crate::udp::{SendMeta, WantTimes};

const BOTH: TransmitStages = TransmitStages::SCHEDULED.union(TransmitStages::SENT);

impl Host {
    /// Sends `len` bytes to `to`, and wants to know about them by the name `id`.
    fn send_timed(
        &mut self,
        socket: SocketId,
        (to, len): (&str, usize),
        (id, stages): (u32, TransmitStages),
    ) -> Result<(), SocketError> {
        let meta = SendMeta {
            times: Some(WantTimes { id, stages }),
            ..SendMeta::to(addr(to))
        };
        let payload = Bytes::from(std::vec![7; len]);
        self.stack.udp(socket).unwrap().send_with(payload, &meta)
    }

    /// The times that wait: of which datagram, what, and when.
    fn times(&mut self, socket: SocketId) -> Vec<(u32, TransmitStage, Instant)> {
        let mut udp = self.stack.udp(socket).unwrap();
        core::iter::from_fn(|| udp.transmit_time())
            .map(|time| (time.id, time.stage, time.at))
            .collect()
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.stack.handle_timeout(self.now);
    }

    /// A queue that lets a packet of 1,500 bytes leave at once, and others behind it in 12 ms each.
    fn with_slow_queue() -> Self {
        let mut host = Self::new();
        let mut config = TbfConfig::new(Rate::from_bytes(125_000), 1600);
        config.limit = 100_000;
        let (wire, now) = (host.wire, host.now);
        host.stack
            .set_qdisc(wire, Tbf::new(config, now), now)
            .unwrap();
        host
    }
}

/// SPEC 129: timestamps as messages beside the data, between which lies the queue in front of the device.
#[test]
fn a_datagram_is_scheduled_when_it_is_queued_and_sent_when_it_leaves() {
    for (local, to) in [
        ("10.7.0.2:700", "192.0.2.1:9"),
        ("[fd07::2]:700", "[2001:db8::1]:9"),
    ] {
        let mut host = Host::with_slow_queue();
        let id = host.udp(local);
        let begin = host.now;
        host.send_timed(id, (to, 1400), (7, BOTH)).unwrap();
        host.send_timed(id, (to, 1400), (8, TransmitStages::SENT))
            .unwrap();
        assert_eq!(host.times(id), [(7, Scheduled, begin)]);
        while host.stack.poll_event().is_some() {}
        assert_eq!(host.sent().len(), 1);
        // Whoever waits for times hears of them.
        assert_eq!(host.stack.poll_event().unwrap().socket, id);
        assert!(host.stack.udp(id).unwrap().has_transmit_time());
        assert_eq!(host.times(id), [(7, Sent, begin)]);
        host.wait(Duration::from_millis(20));
        assert_eq!(host.sent().len(), 1);
        assert_eq!(host.times(id), [(8, Sent, host.now)]);
        assert_eq!(host.stack.take_error(id), None);
    }
}

#[test]
fn a_datagram_in_fragments_is_sent_when_the_last_one_leaves() {
    let mut host = Host::with_slow_queue();
    let id = host.udp("10.7.0.2:700");
    let to = ("192.0.2.1:9", 4000);
    host.send_timed(id, to, (1, BOTH)).unwrap();
    assert_eq!(host.times(id).len(), 1);
    let mut left = 0;
    while left < 3 {
        assert_eq!(host.times(id), []);
        left += host.sent().len();
        host.wait(Duration::from_millis(5));
    }
    assert_eq!(host.times(id).len(), 1);
}

/// What a train is cut into is told of once.
#[test]
fn a_train_is_sent_when_its_last_datagram_leaves() {
    let mut host = Host::with_slow_queue();
    let id = host.udp("10.7.0.2:700");
    let meta = SendMeta {
        segment: Some(1000),
        times: Some(WantTimes {
            id: 3,
            stages: BOTH,
        }),
        ..SendMeta::to(addr("192.0.2.1:9"))
    };
    let payload = Bytes::from(std::vec![7; 3500]);
    let mut udp = host.stack.udp(id).unwrap();
    udp.send_with(payload, &meta).unwrap();
    let begin = host.now;
    assert_eq!(host.times(id), [(3, Scheduled, begin)]);
    let mut left = host.sent().len();
    while left < 4 {
        assert_eq!(host.times(id), []);
        host.wait(Duration::from_millis(1));
        left += host.sent().len();
    }
    assert_eq!(host.times(id), [(3, Sent, host.now)]);
}

/// What is lost on the way to the device was never sent.
#[test]
fn a_datagram_that_its_queue_drops_is_not_sent() {
    let mut host = Host::new();
    let config = TbfConfig {
        limit: 1,
        ..TbfConfig::new(Rate::from_bytes(125_000), 1600)
    };
    let (wire, now) = (host.wire, host.now);
    host.stack
        .set_qdisc(wire, Tbf::new(config, now), now)
        .unwrap();
    let id = host.udp("10.7.0.2:700");
    let _dropped = host.send_timed(id, ("192.0.2.1:9", 100), (1, TransmitStages::SENT));
    assert_eq!(host.sent().len(), 0);
    assert_eq!(host.times(id), []);
}

#[test]
fn a_ping_is_timed_as_a_datagram_is() {
    let mut host = Host::new();
    let id = host.stack.ping_open(Family::V4).unwrap();
    let meta = SendMeta {
        times: Some(WantTimes {
            id: 5,
            stages: TransmitStages::SENT,
        }),
        ..SendMeta::to(addr("192.0.2.1:0"))
    };
    let mut ping = host.stack.udp(id).unwrap();
    ping.send_copied(&[8, 0, 0, 0, 0, 0, 0, 1], &meta).unwrap();
    host.wait(Duration::from_millis(1));
    assert_eq!(host.sent().len(), 1);
    assert_eq!(host.times(id), [(5, Sent, host.now)]);
}

#[test]
fn times_that_wait_are_bounded_and_nobody_acknowledges_datagrams() {
    let mut host = Host::new();
    let id = host.udp("10.7.0.2:700");
    let to = ("192.0.2.1:9", 10);
    let acknowledged = host.send_timed(id, to, (0, TransmitStages::ACKNOWLEDGED));
    assert!(matches!(acknowledged, Err(SocketError::InvalidInput(_))));
    for number in 0..200 {
        host.send_timed(id, to, (number, TransmitStages::SENT))
            .unwrap();
        host.sent();
    }
    host.assert_dropped(DropReason::RecvBufferFull, 8);
    let numbers: Vec<u32> = host.times(id).iter().map(|&(number, ..)| number).collect();
    assert_eq!(numbers, (0..192).collect::<Vec<_>>());
}
