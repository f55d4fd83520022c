//! Packets that one shard has for another.

use crate::clock::Clock;
use crate::device::{Device, Overruns, register};
use net_core::buf::{RxBatch, RxPacket, TxBatch};
use net_core::config::PortShare;
use net_core::time::Instant;
use net_core::wire::MacAddr;
use net_core::{DeviceCaps, Stack};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Where a stack is among the shards.
#[derive(Debug)]
pub(in crate::net) struct Place {
    pub(in crate::net) share: PortShare,
    /// The interface over which all have the same addresses.
    pub(super) iface: String,
    /// One for each shard, by its number.
    pub(super) inboxes: Arc<[Inbox]>,
}

impl Place {
    /// From now on the stack hands on what others may know more about.
    pub(in crate::net) fn join(self, stack: &mut Stack) {
        let found = stack.ifaces().find(|(_, config)| config.name == self.iface);
        let Some(iface) = found.map(|(id, _)| id) else {
            return;
        };
        let inboxes = self.inboxes;
        stack.hand_strays(iface, move |shard, packet| {
            let inbox = inboxes.get(usize::from(shard));
            inbox.is_some_and(|inbox| inbox.put(packet))
        });
    }
}

/// What waits for a shard; bounded.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    packets: VecDeque<RxPacket>,
    /// Bytes of memory that they take.
    bytes: usize,
    /// The shard has ended.
    closed: bool,
    reader: Option<Waker>,
}

impl Inbox {
    /// Whether there was room.
    fn put(&self, packet: RxPacket) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = waiting.bytes + memory(&packet);
        if waiting.closed || waiting.packets.len() == MOST_WAITING || bytes > MOST_BYTES {
            return false;
        }
        waiting.bytes = bytes;
        waiting.packets.push_back(packet);
        let reader = waiting.reader.take();
        drop(waiting);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    /// Moves up to `budget` packets to `batch`; how many. The waker of `cx` hears of the next.
    fn take(&self, cx: &Context<'_>, batch: &mut RxBatch, budget: usize) -> usize {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        register(&mut waiting.reader, cx);
        let mut count = 0;
        while count < budget
            && let Some(packet) = waiting.packets.pop_front()
        {
            waiting.bytes -= memory(&packet);
            batch.push(packet);
            count += 1;
        }
        count
    }

    /// Takes nothing more, and drops what is there.
    fn close(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.closed = true;
        waiting.bytes = 0;
        let packets = std::mem::take(&mut waiting.packets);
        drop(waiting);
        drop(packets);
    }
}

/// A device whose stack is also given what others have for it.
#[derive(Debug)]
pub(super) struct Joined<D> {
    pub(super) device: D,
    pub(super) inboxes: Arc<[Inbox]>,
    pub(super) index: usize,
}

impl<D> Joined<D> {
    fn take(&self, cx: &Context<'_>, batch: &mut RxBatch, budget: usize) -> usize {
        match self.inboxes.get(self.index) {
            Some(inbox) => inbox.take(cx, batch, budget),
            None => 0,
        }
    }
}

impl<D> Drop for Joined<D> {
    fn drop(&mut self) {
        if let Some(inbox) = self.inboxes.get(self.index) {
            inbox.close();
        }
    }
}

impl<D: Device> Device for Joined<D> {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn mac(&self) -> Option<MacAddr> {
        self.device.mac()
    }

    fn attach(&mut self, clock: Clock) {
        self.device.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        // Half for what others bring, so that they cannot keep the shard from its own queue.
        let mut count = self.take(cx, batch, budget.div_ceil(2));
        if count < budget {
            match self.device.poll_recv(cx, batch, budget - count) {
                Poll::Ready(received) => count += received?,
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        // Fewer than asked for says that there are no more: of both.
        Poll::Ready(Ok(count + self.take(cx, batch, budget - count)))
    }

    fn overruns(&self) -> Overruns {
        self.device.overruns()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        self.device.poll_send(cx, batch, now)
    }

    fn inline(&self) -> bool {
        self.device.inline()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }

    fn wake_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        self.device.wake_at(cx, at)
    }
}

/// Bytes of memory that a packet takes.
fn memory(packet: &RxPacket) -> usize {
    let frags = packet.frags.iter().map(|piece| piece.pins as usize);
    packet.meta.pins as usize + frags.sum::<usize>()
}

/// Packets that wait for one shard at most, and bytes of memory that they take.
const MOST_WAITING: usize = 1024;
const MOST_BYTES: usize = 4 << 20;
