//! What the stack keeps for each interface.

use super::{DeviceCaps, IfaceConfig};
use crate::buf::TxPacket;
use crate::seed::Rng;
use crate::socket::{SocketId, SocketQueue};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// An interface at work.
#[derive(Debug)]
pub(crate) struct Iface {
    /// What it was added with.
    pub(crate) config: IfaceConfig,
    /// What its device does for us.
    pub(crate) caps: DeviceCaps,
    /// Finished packets that wait for the device: answers and datagrams.
    pub(crate) queue: VecDeque<Queued>,
    /// TCP sockets that want to transmit here.
    pub(crate) ready: SocketQueue,
    /// UDP sockets that found the queue full and wait for room.
    pub(crate) blocked: SocketQueue,
    /// The next IPv4 identification.
    pub(crate) next_id: u16,
    /// Until then no address is defended again (RFC 5227 §2.4).
    pub(crate) defended_until: Instant,
}

/// A packet that waits for the device.
#[derive(Debug)]
pub(crate) struct Queued {
    /// The packet, its IP header in place.
    pub(crate) packet: Box<TxPacket>,
    /// The socket whose send buffer it counts against.
    pub(crate) owner: Option<SocketId>,
}

impl Iface {
    /// Packets that may wait for the device (`txqueuelen`).
    pub(crate) const QUEUE_LEN: usize = 1000;

    /// An idle interface.
    pub(crate) fn new(config: IfaceConfig, caps: DeviceCaps, rng: &mut Rng) -> Self {
        let [low, high, ..] = rng.next_u64().to_le_bytes();
        Self {
            config,
            caps,
            queue: VecDeque::new(),
            ready: SocketQueue::default(),
            blocked: SocketQueue::default(),
            next_id: u16::from_le_bytes([low, high]),
            defended_until: Instant::ZERO,
        }
    }

    /// Whether `count` more packets may wait.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        self.queue.len() + count <= Self::QUEUE_LEN
    }
}
