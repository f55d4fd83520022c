//! The queue in front of a device.

use crate::buf::TxPacket;
use crate::qdisc::{AnyQdisc, Dropped, Qdisc, QdiscStats, Queued};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem;

/// A discipline, and in front of it what the device has given back.
#[derive(Debug, Default)]
pub(crate) struct DeviceQueue {
    qdisc: AnyQdisc,
    returned: VecDeque<Queued>,
    requeues: u64,
    /// Bytes and packets that did not have to wait.
    passed: (u64, u64),
}

impl DeviceQueue {
    /// Whether TCP goes past the queue, and takes turns with it.
    pub(crate) const fn is_passed_by(&self) -> bool {
        matches!(self.qdisc, AnyQdisc::Fifo(_))
    }

    /// Adds a packet.
    pub(crate) fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        self.qdisc.enqueue(packet, dropped, now);
    }

    /// Takes out the packet that leaves next.
    pub(crate) fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        match self.returned.pop_front() {
            None => self.qdisc.dequeue(dropped, now),
            returned => returned,
        }
    }

    /// Takes back the packet that had left last, to leave next.
    pub(crate) fn requeue(&mut self, packet: Box<TxPacket>, now: Instant) {
        self.requeues += 1;
        self.returned.push_front(Queued::new(packet, now));
    }

    /// How many packets the device gave back.
    pub(crate) fn returned(&self) -> usize {
        self.returned.len()
    }

    /// When the next packet may leave, if it may not leave before.
    pub(crate) fn next_departure(&self) -> Option<Instant> {
        if self.returned.is_empty() {
            self.qdisc.next_departure()
        } else {
            Some(Instant::ZERO)
        }
    }

    /// Puts another discipline in the place of this one; what waits moves over as far as it fits.
    pub(crate) fn replace(&mut self, qdisc: AnyQdisc, dropped: &mut Dropped, now: Instant) {
        let mut old = mem::replace(&mut self.qdisc, qdisc);
        while let Some(packet) = old.evict() {
            self.qdisc.enqueue(packet, dropped, now);
        }
        self.requeues = 0;
        self.passed = (0, 0);
    }

    /// Takes every packet out.
    pub(crate) fn evict(&mut self) -> Option<Queued> {
        self.returned.pop_front().or_else(|| self.qdisc.evict())
    }

    /// How many packets wait.
    pub(crate) fn len(&self) -> usize {
        self.returned.len() + self.qdisc.len()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.returned.is_empty() && self.qdisc.is_empty()
    }

    /// Whether `count` more packets of a datagram may wait, or its sender has to.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        self.qdisc
            .limit()
            .is_none_or(|limit| self.len() + count <= limit)
    }

    /// Whether senders that found it full may try again.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.qdisc
            .limit()
            .is_none_or(|limit| self.len() <= limit / 2)
    }

    /// Whether a packet that finds it empty may go past it.
    pub(crate) fn may_bypass(&self) -> bool {
        self.qdisc.may_bypass()
    }

    /// Whether super-segments are cut before they come in.
    pub(crate) fn splits(&self) -> bool {
        self.qdisc.splits()
    }

    /// The discipline.
    pub(crate) const fn qdisc(&self) -> &AnyQdisc {
        &self.qdisc
    }

    /// Counts packets that left without having waited.
    pub(crate) const fn on_passed(&mut self, bytes: u64, packets: u64) {
        self.passed.0 += bytes;
        self.passed.1 += packets;
    }

    /// What the discipline has done, and what waits.
    pub(crate) fn stats(&self) -> QdiscStats {
        let returned = self.returned.iter().map(|packet| packet.wire_len);
        let stats = self.qdisc.stats();
        QdiscStats {
            sent_bytes: stats.sent_bytes + self.passed.0,
            sent_packets: stats.sent_packets + self.passed.1,
            requeues: self.requeues,
            backlog_packets: stats.backlog_packets + self.returned.len() as u64,
            backlog_bytes: stats.backlog_bytes + returned.map(u64::from).sum::<u64>(),
            ..stats
        }
    }
}
