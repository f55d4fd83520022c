//! What is sent comes back.

use super::Device;
use super::pool::Pool;
use bytes::Bytes;
use net_core::DeviceCaps;
use net_core::buf::{Checksum, Chunk, RxBatch, RxMeta, RxPacket, TxBatch, TxPacket};
use net_core::time::Instant;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};

/// The loopback device: packets return at once, in order, none lost, their payload not copied.
///
/// It holds up to 1024 packets or 16 MiB; beyond that the sender waits.
#[derive(Debug)]
pub struct Loopback {
    frames: Pool,
    queue: VecDeque<RxPacket>,
    queued_bytes: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Loopback {
    /// A loopback device with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            frames: Pool::new(FRAME, MAX_PACKETS),
            queue: VecDeque::new(),
            queued_bytes: 0,
            reader: None,
            writer: None,
        }
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= MAX_PACKETS || self.queued_bytes >= MAX_BYTES
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

impl Device for Loopback {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            tx_checksum: true,
            tso: true,
            uso: true,
            software_gro: false,
        }
    }

    fn mtu(&self) -> u16 {
        u16::MAX
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let count = self.queue.len().min(budget);
        if count == 0 {
            register(&mut self.reader, cx);
            return Poll::Pending;
        }
        for packet in self.queue.drain(..count) {
            self.queued_bytes -= packet.len();
            batch.push(packet);
        }
        if let Some(waker) = self.writer.take() {
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
        let mut sent = 0;
        for packet in batch.packets() {
            if self.is_full() {
                break;
            }
            let packet = returned(packet, &mut self.frames);
            self.queued_bytes += packet.len();
            self.queue.push_back(packet);
            sent += 1;
        }
        batch.packets_mut().drain(..sent);
        if sent > 0
            && let Some(waker) = self.reader.take()
        {
            waker.wake();
        }
        if batch.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            register(&mut self.writer, cx);
            Poll::Pending
        }
    }

    fn inline(&self) -> bool {
        true
    }
}

/// The packet as its receiver sees it: headers copied, payload shared. Its checksum counts as
/// verified, since memory carries it.
pub(super) fn returned(packet: &TxPacket, frames: &mut Pool) -> RxPacket {
    let copied = if packet.body_len() <= COPIED {
        packet.body.len()
    } else {
        0
    };
    let (small, shared) = packet.body.split_at(copied);
    let frame = frames.filled(|frame| {
        frame.extend_from_slice(&packet.head);
        small
            .iter()
            .for_each(|piece| frame.extend_from_slice(piece));
    });
    RxPacket {
        frame,
        frags: shared.iter().map(shared_chunk).collect(),
        meta: RxMeta {
            checksum: Checksum::Verified,
            gso: packet.meta.gso,
            pins: frames.pins(),
        },
    }
}

fn shared_chunk(piece: &Bytes) -> Chunk {
    Chunk {
        bytes: piece.clone(),
        pins: u32::try_from(piece.len()).unwrap_or(u32::MAX),
    }
}

/// Keeps the waker of `cx`, cloning it only if another one is there.
pub(super) fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

/// Payload up to this many bytes is copied behind the headers instead of being shared.
const COPIED: usize = 256;
/// Size of the buffers for headers and small payload.
const FRAME: usize = 128 + COPIED;
const MAX_PACKETS: usize = 1024;
const MAX_BYTES: usize = 16 << 20;
