//! The queue in front of each device: packets go in, wait as its discipline wants, and leave.

use super::{Handed, Stack, TimerKey, Transmit};
use crate::buf::{TxBatch, TxPacket};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::offload::gso;
use crate::qdisc::{AnyQdisc, Owner, QdiscReport, QdiscStats, Queued, Timed};
use crate::socket::SocketKind;
use crate::stats::DropReason;
use crate::tcp::TransmitStage;
use crate::time::Instant;
use crate::udp::{DatagramTime, WantTimes};
use alloc::boxed::Box;

impl Stack {
    /// Puts another queueing discipline in front of an interface's device, while it runs. Packets
    /// that wait move over as far as the new one holds them; its statistics begin anew.
    ///
    /// ```
    /// use net_core::iface::{IfaceConfig, IfaceKind};
    /// use net_core::qdisc::{FqCodel, FqCodelConfig};
    /// use net_core::{Config, DeviceCaps, Instant, Seed, Stack};
    /// let (seed, now) = (Seed::from_u64(7), Instant::ZERO);
    /// let mut stack = Stack::new(Config::default(), seed, now);
    /// let config = IfaceConfig {
    ///     name: "tun0".into(),
    ///     kind: IfaceKind::PointToPoint,
    ///     mtu: 1500,
    ///     addresses: Vec::new(),
    /// };
    /// let tun0 = stack.add_iface(config, DeviceCaps::default())?;
    /// stack.set_qdisc(tun0, FqCodel::new(FqCodelConfig::default(), seed), now)?;
    /// let report = stack.qdisc_report(tun0).unwrap().to_string();
    /// assert!(report.starts_with("qdisc fq_codel 0: dev tun0 root"));
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_qdisc(
        &mut self,
        iface: IfaceId,
        qdisc: impl Into<AnyQdisc>,
        now: Instant,
    ) -> Result<(), SocketError> {
        let slot = self.ifaces.get_mut(iface.index());
        let slot = slot.and_then(Option::as_mut);
        let queue = &mut slot.ok_or(SocketError::NoSuchInterface)?.queue;
        queue.replace(qdisc.into(), &mut self.dropped, now);
        self.forget_dropped();
        self.unblock_senders(iface);
        self.arm_departure(iface, now);
        Ok(())
    }

    /// The interface's entry in what `tc -s qdisc` prints; `None` if there is no such interface.
    #[must_use]
    pub fn qdisc_report(&self, iface: IfaceId) -> Option<QdiscReport<'_>> {
        let iface = self.iface(iface)?;
        Some(QdiscReport {
            qdisc: iface.queue.qdisc(),
            device: &iface.config.name,
            stats: iface.queue.stats(),
        })
    }

    /// What an interface's discipline has done, and what waits; `None` if there is no such interface.
    #[must_use]
    pub fn qdisc_stats(&self, iface: IfaceId) -> Option<QdiscStats> {
        Some(self.iface(iface)?.queue.stats())
    }

    /// Takes back what the device had no room for: it leaves first, in the same order, whatever the
    /// discipline is by then. Leaves the batch empty.
    pub fn requeue(&mut self, iface: IfaceId, batch: &mut TxBatch) {
        for packet in batch.packets_mut().iter_mut().rev() {
            let mut unsent = self.new_packet();
            core::mem::swap(&mut unsent, packet);
            // The device may have cut it, or put a tag in: then it is more than what was counted.
            let (packets, bytes) = (self.stats.tx_packets, self.stats.tx_bytes);
            self.stats.tx_packets = packets.saturating_sub(1);
            self.stats.tx_bytes = bytes.saturating_sub(unsent.len() as u64);
            let now = self.clock;
            match self.iface_mut(iface) {
                Some(iface) => iface.queue.requeue(unsent, now),
                None => self.recycle(unsent),
            }
        }
        batch.clear();
    }

    /// Queues a finished packet for the device of an interface; whether there was room. A packet with
    /// an `owner` counts against that socket until it has left.
    pub(super) fn device_queue(
        &mut self,
        iface: IfaceId,
        packet: Box<TxPacket>,
        owner: Option<Owner>,
    ) -> bool {
        let now = self.clock;
        let Some(target) = self.iface_mut(iface) else {
            self.stats.count_drop(DropReason::TxQueueFull);
            self.recycle(packet);
            owner.into_iter().for_each(|it| self.release(it.lost()));
            return false;
        };
        if packet.meta.gso.is_some() && target.queue.splits() {
            return self.device_queue_cut(iface, packet, owner);
        }
        let queued = Queued {
            owner,
            ..Queued::new(packet, now)
        };
        self.enqueue(iface, queued)
    }

    /// Cuts a super-segment first, for a discipline that wants to see what the wire sees.
    fn device_queue_cut(
        &mut self,
        iface: IfaceId,
        packet: Box<TxPacket>,
        owner: Option<Owner>,
    ) -> bool {
        let now = self.clock;
        let sums = self
            .iface(iface)
            .is_some_and(|iface| iface.caps.tx_checksum);
        let mut cut = core::mem::take(&mut self.cut);
        if let Err(reason) = gso::segment(&packet, sums, &mut cut) {
            self.stats.count_drop(reason);
        }
        self.recycle(packet);
        if cut.is_empty() {
            owner.into_iter().for_each(|it| self.release(it.lost()));
        }
        let last = cut.len().saturating_sub(1);
        let mut took = false;
        for (index, segment) in cut.packets_mut().iter_mut().enumerate() {
            let mut packet = self.new_packet();
            core::mem::swap(&mut packet, segment);
            let queued = Queued {
                // The sender's room is free again when the last one has left.
                owner: owner.filter(|_| index == last),
                ..Queued::new(packet, now)
            };
            took |= self.enqueue(iface, queued);
        }
        cut.clear();
        self.cut = cut;
        took
    }

    /// Whether nothing was dropped.
    fn enqueue(&mut self, iface: IfaceId, queued: Queued) -> bool {
        let now = self.clock;
        let slot = self.ifaces.get_mut(iface.index());
        if let Some(iface) = slot.and_then(Option::as_mut) {
            iface.queue.enqueue(queued, &mut self.dropped, now);
        }
        let fits = self.dropped.is_empty();
        if !fits {
            self.forget_dropped();
        }
        fits
    }

    /// Appends packets in the order that the discipline wants, TCP's among them.
    pub(super) fn transmit_through(
        &mut self,
        iface: IfaceId,
        mut handed: Handed,
        out: &mut TxBatch,
        now: Instant,
    ) -> Transmit {
        let mut waiting = true;
        while !handed.is_enough() {
            if self.may_bypass(iface) {
                let Some(socket) = self.next_ready(iface) else {
                    break;
                };
                let before = (handed.bytes, handed.packets);
                if self.tcp_transmit(socket, now, out) {
                    self.want_transmit(iface, socket);
                }
                self.account(&mut handed, out, now);
                if let Some(iface) = self.iface_mut(iface) {
                    let bytes = handed.bytes - before.0;
                    let packets = handed.packets - before.1;
                    iface.queue.on_passed(bytes as u64, packets);
                }
                continue;
            }
            self.fill_from_sockets(iface, now);
            waiting = self.transmit_next(iface, out, now);
            if !waiting {
                break;
            }
            self.account(&mut handed, out, now);
        }
        self.stats.tx_bytes += handed.bytes as u64;
        self.unblock_senders(iface);
        self.arm_departure(iface, now);
        match self.iface(iface) {
            Some(iface) if waiting && !(iface.queue.is_empty() && iface.ready.is_empty()) => {
                Transmit::More
            }
            _ => Transmit::Idle,
        }
    }

    /// Whether a lone TCP socket may go past an empty queue.
    fn may_bypass(&self, iface: IfaceId) -> bool {
        self.iface(iface).is_some_and(|iface| {
            iface.ready.len() <= 1 && iface.queue.is_empty() && iface.queue.may_bypass()
        })
    }

    /// Lets each socket that wants to transmit put packets into the queue, up to its share of it.
    fn fill_from_sockets(&mut self, iface: IfaceId, now: Instant) {
        let ready = self.iface(iface).map_or(0, |iface| iface.ready.len());
        for _ in 0..ready.min(MAX_FILL) {
            let Some(socket) = self.next_ready(iface) else {
                break;
            };
            if self.tcp_enqueue(socket, now) {
                self.want_transmit(iface, socket);
            }
        }
    }

    /// Moves the packet that leaves next into the batch; whether there was one.
    #[inline]
    pub(super) fn transmit_next(&mut self, id: IfaceId, out: &mut TxBatch, now: Instant) -> bool {
        let slot = self.ifaces.get_mut(id.index());
        let Some(iface) = slot.and_then(Option::as_mut) else {
            return false;
        };
        let caps = iface.caps;
        let next = iface.queue.dequeue(&mut self.dropped, now);
        if !self.dropped.is_empty() {
            self.forget_dropped();
        }
        let Some(Queued {
            mut packet, owner, ..
        }) = next
        else {
            return false;
        };
        if let Some(owner) = owner {
            self.release(owner);
        }
        if packet.meta.gso.is_some_and(|gso| !caps.cuts(gso.kind)) {
            if let Err(reason) = gso::segment(&packet, caps.tx_checksum, out) {
                self.stats.count_drop(reason);
            }
        } else {
            out.exchange(&mut packet);
        }
        self.recycle(packet);
        true
    }

    /// Gives the senders of what was dropped their room back, and counts it.
    fn forget_dropped(&mut self) {
        while let Some((Queued { packet, owner, .. }, reason)) = self.dropped.pop() {
            self.stats.count_drop(reason);
            if let Some(owner) = owner {
                self.release(owner.lost());
            }
            self.recycle(packet);
        }
    }

    /// Whether `count` more packets may wait for the device of an interface.
    pub(super) fn has_room(&self, iface: IfaceId, count: usize) -> bool {
        let iface = self.iface(iface);
        iface.is_some_and(|iface| iface.queue.has_room(count))
    }

    /// A packet is about to wait; until it has left it takes up its sender's room.
    pub(super) fn hold(&mut self, owner: Owner) {
        match self.sockets.get_mut(owner.socket) {
            Some(SocketKind::Tcp(socket)) => {
                socket.queued = socket.queued.saturating_add(owner.bytes);
            }
            Some(SocketKind::Datagram(socket)) => {
                socket.unsent += owner.bytes as usize;
                if owner.timed.is_some() {
                    self.datagram_reached(owner, TransmitStage::Scheduled);
                }
            }
            Some(SocketKind::Packet(socket)) => socket.unsent += owner.bytes as usize,
            Some(SocketKind::Plugged(_)) | None => {}
        }
    }

    /// A packet has left its queue; its sender has the room again.
    pub(super) fn release(&mut self, owner: Owner) {
        match self.sockets.get(owner.socket) {
            Some(SocketKind::Datagram(_)) => {
                if owner.timed.is_some() {
                    self.datagram_reached(owner, TransmitStage::Sent);
                }
                self.udp_sent(owner.socket, owner.bytes as usize);
            }
            Some(SocketKind::Tcp(_)) => self.tcp_left_queue(owner),
            Some(SocketKind::Packet(_)) => self.packet_sent(owner.socket, owner.bytes as usize),
            Some(SocketKind::Plugged(_)) | None => {}
        }
    }

    /// A datagram has reached a stage on its way; its socket is told if it wanted to be.
    fn datagram_reached(&mut self, owner: Owner, stage: TransmitStage) {
        let at = self.clock;
        let Some(Timed::Datagram(WantTimes { id, stages })) = owner.timed else {
            return;
        };
        if stages.contains(stage.into())
            && let Some(socket) = self.sockets.udp_mut(owner.socket)
        {
            if !socket.times.push(DatagramTime { id, stage, at }) {
                self.stats.count_drop(DropReason::RecvBufferFull);
            }
            self.changed(owner.socket);
        }
    }

    /// Wakes the sockets that found the queue full, once it is half empty.
    pub(super) fn unblock_senders(&mut self, id: IfaceId) {
        while let Some(iface) = self.iface_mut(id)
            && !iface.blocked.is_empty()
            && iface.queue.is_half_empty()
            && let Some(index) = iface.blocked.pop()
        {
            if let Some(socket) = self.sockets.id_at(index) {
                self.unblock(socket);
            }
        }
    }

    /// Sets the timer for the next packet that may not leave yet.
    fn arm_departure(&mut self, id: IfaceId, now: Instant) {
        let slot = self.ifaces.get_mut(id.index());
        let Some(iface) = slot.and_then(Option::as_mut) else {
            return;
        };
        let next = iface.queue.next_departure().filter(|&at| at > now);
        let armed = iface.departure.and_then(|timer| self.wheel.deadline(timer));
        if next == armed {
            return;
        }
        if let Some(timer) = iface.departure.take() {
            self.wheel.cancel(timer);
        }
        iface.departure = next.map(|at| self.wheel.insert(TimerKey::Departure(id), at));
    }

    /// An empty packet to be queued.
    pub(crate) fn new_packet(&mut self) -> Box<TxPacket> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps a packet to be used again.
    pub(crate) fn recycle(&mut self, mut packet: Box<TxPacket>) {
        if self.spare.len() < MAX_SPARE {
            packet.reset();
            self.spare.push(packet);
        }
    }
}

/// Packets that are kept to be used again.
const MAX_SPARE: usize = 64;
/// Sockets that are asked for packets before one leaves; the others have their turn after that.
const MAX_FILL: usize = 64;
