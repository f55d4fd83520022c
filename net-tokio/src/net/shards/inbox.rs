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
    reader: Option<Waker>,
}

impl Inbox {
    /// Whether there was room.
    fn put(&self, packet: RxPacket) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.packets.len() == MOST_WAITING {
            return false;
        }
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
        let count = budget.min(waiting.packets.len());
        waiting
            .packets
            .drain(..count)
            .for_each(|packet| batch.push(packet));
        count
    }
}

/// A device whose stack is also given what others have for it.
#[derive(Debug)]
pub(super) struct Joined<D> {
    pub(super) device: D,
    pub(super) inboxes: Arc<[Inbox]>,
    pub(super) index: usize,
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
        let handed = match self.inboxes.get(self.index) {
            Some(inbox) => inbox.take(cx, batch, budget),
            None => 0,
        };
        if handed == budget {
            return Poll::Ready(Ok(handed));
        }
        match self.device.poll_recv(cx, batch, budget - handed) {
            Poll::Ready(received) => Poll::Ready(received.map(|count| count + handed)),
            Poll::Pending if handed > 0 => Poll::Ready(Ok(handed)),
            Poll::Pending => Poll::Pending,
        }
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

/// Packets that wait for one shard at most.
const MOST_WAITING: usize = 1024;
