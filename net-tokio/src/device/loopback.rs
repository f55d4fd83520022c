//! What is sent comes back.

use super::{Device, register, wake};
use net_core::DeviceCaps;
use net_core::buf::crossing::{FRAME, shared};
use net_core::buf::{Checksum, Pool, RxBatch, RxPacket, TxBatch};
use net_core::time::Instant;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, Waker};

/// The loopback device: packets return at once, in order, none lost, their payload not copied, and with
/// their marks, as in Linux: the rules that led a packet here lead it to its socket.
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
            one_piece: false,
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
        wake(self.writer.take());
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
            let mark = packet.meta.mark;
            let mut packet = shared(packet, &mut self.frames);
            packet.meta.checksum = Checksum::Verified;
            packet.meta.mark = mark;
            self.queued_bytes += packet.len();
            self.queue.push_back(packet);
            sent += 1;
        }
        batch.drop_front(sent);
        if sent > 0 {
            wake(self.reader.take());
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

const MAX_PACKETS: usize = 1024;
const MAX_BYTES: usize = 16 << 20;
