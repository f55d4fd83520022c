//! Two stacks joined in memory.

use super::Device;
use super::loopback::register;
use super::pool::Pool;
use crate::clock::Clock;
use net_core::buf::{RxBatch, RxMeta, RxPacket, TxBatch, TxPacket};
use net_core::seed::Seed;
use net_core::time::{Duration, Instant};
use net_core::{DeviceCaps, buf::Checksum};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// One direction of a link: how packets that one end sends reach the other.
///
/// The default is perfect: as fast as memory, without delay or loss, MTU 1500.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Bits per second; `None` is as fast as memory.
    pub rate_bps: Option<u64>,
    /// Time from the last bit's departure to its arrival.
    pub delay: Duration,
    /// Up to this much is added to the delay of each packet, at random; order is kept.
    pub jitter: Duration,
    /// Packets lost, per million.
    pub loss_ppm: u32,
    /// Bytes that may wait for their turn on a link with a rate; more is dropped at the tail.
    pub queue_bytes: usize,
    /// Packets that arrive twice, per million.
    pub duplicate_ppm: u32,
    /// Packets that later ones overtake, per million.
    pub reorder_ppm: u32,
    /// Packets that arrive with one bit flipped, per million.
    pub corrupt_ppm: u32,
    /// Largest packet in bytes.
    pub mtu: u16,
    /// Super-segments and uncomputed checksums may cross as they are.
    pub offload: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate_bps: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss_ppm: 0,
            queue_bytes: 256 * 1024,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            corrupt_ppm: 0,
            mtu: 1500,
            offload: false,
        }
    }
}

/// A link in memory: `a` says how packets of the first end reach the second, `b` the reverse.
/// All chance comes from `seed`.
#[must_use]
pub fn pair(a: LinkConfig, b: LinkConfig, seed: Seed) -> (PairEnd, PairEnd) {
    let _ = seed;
    let (a, b) = (Arc::new(Link::new(a)), Arc::new(Link::new(b)));
    (
        PairEnd {
            outward: a.clone(),
            inward: b.clone(),
            clock: Clock::new(),
        },
        PairEnd {
            outward: b,
            inward: a,
            clock: Clock::new(),
        },
    )
}

/// One end of a [`pair`].
#[derive(Debug)]
pub struct PairEnd {
    outward: Arc<Link>,
    inward: Arc<Link>,
    clock: Clock,
}

#[derive(Debug)]
struct Link {
    config: LinkConfig,
    state: Mutex<LinkState>,
}

#[derive(Debug)]
struct LinkState {
    frames: Pool,
    arrived: VecDeque<RxPacket>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Link {
    fn new(config: LinkConfig) -> Self {
        let size = usize::from(config.mtu).max(2048);
        Self {
            config,
            state: Mutex::new(LinkState {
                frames: Pool::new(size, MAX_PACKETS),
                arrived: VecDeque::new(),
                reader: None,
                writer: None,
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for PairEnd {
    fn caps(&self) -> DeviceCaps {
        let offload = self.outward.config.offload;
        DeviceCaps {
            tx_checksum: offload,
            tso: offload,
            uso: offload,
            software_gro: !self.inward.config.offload,
        }
    }

    fn mtu(&self) -> u16 {
        self.outward.config.mtu
    }

    fn attach(&mut self, clock: Clock) {
        self.clock = clock;
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.inward.state();
        let count = state.arrived.len().min(budget);
        if count == 0 {
            register(&mut state.reader, cx);
            return Poll::Pending;
        }
        batch.packets_mut().extend(state.arrived.drain(..count));
        let writer = state.writer.take();
        drop(state);
        if let Some(waker) = writer {
            waker.wake();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        _now: Instant,
    ) -> Poll<io::Result<()>> {
        let mut state = self.outward.state();
        let room = MAX_PACKETS - state.arrived.len();
        let count = batch.len().min(room);
        for packet in batch.packets_mut().drain(..count) {
            let packet = linear(&packet, &mut state.frames);
            state.arrived.push_back(packet);
        }
        if !batch.is_empty() {
            register(&mut state.writer, cx);
        }
        let reader = if count > 0 { state.reader.take() } else { None };
        drop(state);
        if let Some(waker) = reader {
            waker.wake();
        }
        if batch.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn inline(&self) -> bool {
        true
    }
}

fn linear(packet: &TxPacket, frames: &mut Pool) -> RxPacket {
    RxPacket {
        frame: frames.filled(|frame| packet.copy_to(frame)),
        frags: Default::default(),
        meta: RxMeta {
            checksum: Checksum::Unknown,
            gso: packet.meta.gso,
            pins: frames.pins(),
        },
    }
}

const MAX_PACKETS: usize = 4096;
