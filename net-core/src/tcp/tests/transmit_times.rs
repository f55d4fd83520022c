//! When bytes leave, and when the peer has them (`SO_TIMESTAMPING`).

use super::*;
use crate::hook::{Hook, HookPoint, PacketView, Verdict};
use crate::qdisc::{Fifo, Rate, Tbf, TbfConfig};
use crate::tcp::{TransmitStage, TransmitStages};
use crate::time::Instant;
use crate::{DeviceCaps, SocketError};
use TransmitStage::{Acknowledged, Scheduled, Sent};
use std::boxed::Box;
use std::vec::Vec;

const ALL: TransmitStages = TransmitStages::all();

impl Peer {
    /// From now, which it returns, 1500 bytes leave the queue in front of the device at once, and others
    /// behind them in 12 ms each.
    fn queues_slowly(&mut self) -> Instant {
        let mut config = TbfConfig::new(Rate::from_bytes(125_000), 1600);
        config.limit = 100_000;
        let (iface, now) = (self.iface, self.now);
        let bucket = Tbf::new(config, now);
        self.stack.set_qdisc(iface, bucket, now).unwrap();
        now
    }

    /// The application asks for the times of the byte that it writes as the `number`th, from 1.
    fn wants(&mut self, number: u32, stages: TransmitStages) -> Result<(), SocketError> {
        let (id, now) = (self.id(), self.now);
        let offset = u64::from(number - 1);
        self.stack.tcp(id, now).unwrap().want_times(offset, stages)
    }

    /// The times that wait: of which byte, what, and when.
    fn times(&mut self) -> Vec<(u64, TransmitStage, Instant)> {
        let (id, now) = (self.id(), self.now);
        let mut tcp = self.stack.tcp(id, now).unwrap();
        core::iter::from_fn(|| tcp.transmit_time())
            .map(|time| (time.offset + 1, time.stage, time.at))
            .collect()
    }
}

/// SPEC 61: the time at which a byte was sent waits to be read, and that of its acknowledgement.
#[test]
fn a_byte_is_scheduled_and_sent_and_acknowledged() {
    let mut peer = Peer::established();
    peer.wants(300, ALL).unwrap();
    peer.wants(100, TransmitStages::SENT).unwrap();
    peer.wants(400, TransmitStages::ACKNOWLEDGED).unwrap();
    let begin = peer.now;
    peer.writes(300);
    let sent = [
        (100, Sent, begin),
        (300, Scheduled, begin),
        (300, Sent, begin),
    ];
    let mut times = peer.times();
    times.sort_by_key(|&(number, stage, _)| (number, stage != Scheduled));
    assert_eq!(times, sent);
    peer.waits(ms(40));
    // Not yet all that is in front of it.
    peer.sends(tcp().ack(300));
    assert_eq!(peer.times(), []);
    peer.sends(tcp().ack(301));
    assert_eq!(peer.times(), [(300, Acknowledged, begin + ms(40))]);
    peer.writes(100);
    peer.waits(ms(10));
    peer.sends(tcp().ack(401));
    assert_eq!(peer.times(), [(400, Acknowledged, begin + ms(50))]);
}

/// A segment of an earlier wish that still waits in a queue says nothing about a later one.
#[test]
fn an_old_segment_is_not_taken_for_one_of_a_new_wish() {
    let mut peer = Peer::established();
    let now = peer.queues_slowly();
    peer.wants(2920, ALL).unwrap();
    peer.writes(2 * 1460);
    assert_eq!(peer.skips(), 1);
    // A copy may have been faster than what waits in the queue.
    peer.sends(tcp().ack(2921));
    assert_eq!(peer.times().len(), 3);
    peer.wants(4380, TransmitStages::SENT).unwrap();
    peer.writes(1460);
    peer.waits(ms(13));
    assert_eq!(peer.skips(), 1);
    assert_eq!(peer.times(), []);
    peer.waits(ms(13));
    assert_eq!(peer.skips(), 1);
    let (number, stage, at) = peer.times()[0];
    assert_eq!((number, stage), (4380, Sent));
    assert!(at.saturating_since(now) > ms(20));
}

/// Whoever waits for times hears of them.
#[test]
fn an_event_tells_of_new_times() {
    let mut peer = Peer::established();
    peer.wants(10, TransmitStages::SENT).unwrap();
    peer.writes(10);
    let (id, now) = (peer.id(), peer.now);
    let events = core::iter::from_fn(|| peer.stack.poll_event());
    assert!(events.into_iter().any(|event| event.socket == id));
    assert!(peer.stack.tcp(id, now).unwrap().has_transmit_time());
}

/// Between `SCM_TSTAMP_SCHED` and `SCM_TSTAMP_SND` lies the queue in front of the device.
#[test]
fn a_byte_is_sent_when_it_has_left_the_queue_in_front_of_the_device() {
    for tso in [false, true] {
        let caps = DeviceCaps {
            tso,
            ..DeviceCaps::default()
        };
        let mut peer = Peer::build(false, |_| {}, caps);
        peer.handshake(syn());
        let now = peer.queues_slowly();
        peer.wants(1, ALL).unwrap();
        peer.wants(3 * 1460, ALL).unwrap();
        peer.writes(3 * 1460);
        assert_eq!(peer.skips(), 1);
        let first = [(1, Scheduled, now), (4380, Scheduled, now)];
        let mut times = peer.times();
        times.retain(|&(_, stage, _)| stage == Scheduled);
        assert_eq!(times, first);
        peer.waits(ms(10));
        assert_eq!(peer.times(), []);
        peer.waits(ms(20));
        let times = peer.times();
        let (number, stage, at) = *times.last().unwrap();
        assert_eq!((number, stage), (4380, Sent));
        let waited = at.saturating_since(now);
        assert!(waited > ms(12) && waited < ms(25), "{waited:?}");
    }
}

/// A packet that its queue has no room for was not sent; when it is sent again, it was.
#[test]
fn a_byte_that_its_queue_loses_is_sent_when_it_leaves_after_all() {
    let mut peer = Peer::established();
    let (iface, now) = (peer.iface, peer.now);
    let none = Tbf::new(
        TbfConfig {
            limit: 1,
            ..TbfConfig::new(Rate::from_bytes(125_000), 1600)
        },
        now,
    );
    peer.stack.set_qdisc(iface, none, now).unwrap();
    peer.wants(10, ALL).unwrap();
    peer.writes(10);
    assert_eq!(peer.times(), [(10, Scheduled, now)]);
    peer.stack
        .set_qdisc(iface, Fifo::packets(100), now)
        .unwrap();
    peer.waits(secs(2));
    let times = peer.times();
    assert_eq!((times.len(), times[0].1), (1, Sent));
    assert!(times[0].2 > now);
}

/// Nor was one that a hook has dropped.
#[test]
fn a_byte_that_a_hook_drops_is_sent_when_it_leaves_after_all() {
    #[derive(Debug)]
    struct Wall;

    impl Hook for Wall {
        fn apply(&mut self, _: HookPoint, _: &mut PacketView<'_>, _: Instant) -> Verdict {
            Verdict::Drop
        }
    }

    let mut peer = Peer::established();
    let wall = peer.stack.add_hook(HookPoint::LocalOut, 0, Box::new(Wall));
    peer.wants(10, ALL).unwrap();
    peer.writes(10);
    assert_eq!(peer.times(), [(10, Scheduled, peer.now)]);
    assert!(peer.stack.remove_hook(wall).is_some());
    let dropped = peer.now;
    peer.waits(secs(2));
    let times = peer.times();
    assert_eq!((times.len(), times[0].1), (1, Sent));
    assert!(times[0].2 > dropped);
}

#[test]
fn a_byte_that_is_sent_again_is_told_of_once() {
    let mut peer = Peer::established();
    peer.wants(10, ALL).unwrap();
    peer.writes(10);
    assert_eq!(peer.times().len(), 2);
    peer.waits(secs(2));
    assert!(peer.skips() > 1);
    assert_eq!(peer.times(), []);
    peer.sends(tcp().ack(11));
    assert_eq!(peer.times().len(), 1);
}

#[test]
fn times_are_asked_for_in_advance_and_so_many_at_once() {
    let mut peer = Peer::established();
    peer.writes(10);
    let outcome = peer.wants(10, ALL);
    assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
    for number in 11..=74 {
        peer.wants(number, ALL).unwrap();
    }
    assert_eq!(peer.wants(75, ALL), Err(SocketError::NoBufferSpace));
    // Those that were not taken wait.
    peer.sends(tcp());
    peer.writes(64);
    peer.sends(tcp());
    assert_eq!(peer.wants(75, ALL), Err(SocketError::NoBufferSpace));
    assert_eq!(peer.times().len(), 64 * 3);
    peer.wants(75, ALL).unwrap();
    peer.finishes();
    assert_eq!(peer.wants(76, ALL), Err(SocketError::BrokenPipe));
}

/// RFC 7413: a byte that leaves in a SYN is sent then.
#[test]
fn a_byte_in_a_syn_is_sent_with_it() {
    let mut peer = Peer::with(|config| config.tcp.fast_open.server = true);
    let cookie = fast_open::listens(&mut peer, 4);
    peer.sends(syn().fast_open(cookie).data(20));
    peer.accept();
    peer.wants(5, ALL).unwrap();
    peer.writes(5);
    assert_eq!(peer.times().len(), 2);
    peer.sends(tcp().seq(21).ack(6));
    assert_eq!(peer.times().len(), 1);
}
