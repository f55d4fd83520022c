//! A device that remembers the longest packet that its link was given.

use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch, TxPacket};
use net_core::time::Instant;
use net_core::wire::MacAddr;
use net_tokio::clock::Clock;
use net_tokio::device::{Device, Overruns};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// Bytes of the longest packet so far, as it is on the link: of a super-segment, those of a segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Longest(Arc<AtomicUsize>);

impl Longest {
    pub(crate) fn len(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn see(&self, packet: &TxPacket) {
        let segment = packet.meta.gso.map(|gso| {
            let len = usize::from(packet.meta.header_len) + usize::from(gso.size);
            len.min(packet.len())
        });
        let len = segment.unwrap_or(packet.len());
        self.0.fetch_max(len, Ordering::Relaxed);
    }
}

/// A device whose packets are looked at as they leave.
pub(crate) struct Watched<D> {
    pub(crate) device: D,
    pub(crate) longest: Longest,
}

impl<D: Device> Device for Watched<D> {
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
        self.device.poll_recv(cx, batch, budget)
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
        for packet in batch.packets() {
            self.longest.see(packet);
        }
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
