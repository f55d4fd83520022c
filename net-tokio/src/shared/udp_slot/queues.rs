//! What waits on either way through a datagram socket's slot.

use super::Outgoing;
use net_core::udp::SendMeta;
use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::task::Waker;

#[derive(Debug)]
pub(super) struct RxQueue<D> {
    pub(super) arrived: VecDeque<D>,
    /// The task in `poll_recv`, `poll_peek` or `poll_recv_ready`.
    pub(super) reader: Option<Waker>,
    /// The driver has left datagrams in the stack.
    pub(super) left: bool,
}

#[derive(Debug)]
pub(super) struct TxQueue {
    pub(super) datagrams: VecDeque<Outgoing>,
    pub(super) bytes: usize,
    /// Most bytes that may wait, counting [`OVERHEAD`](super::OVERHEAD) for each datagram.
    pub(super) limit: usize,
    /// The task in `poll_send` or `poll_send_ready`.
    pub(super) writer: Option<Waker>,
    /// How the stack said last that datagrams can leave.
    pub(super) vetted: Option<SendMeta>,
    pub(super) closed: bool,
}

impl TxQueue {
    /// One datagram more than the limit is let through, as with the kernel's send buffer.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < self.limit || self.datagrams.is_empty()
    }
}

/// Takes up to `count` out of the front.
pub(super) fn take_front<D>(queue: &mut VecDeque<D>, count: usize) -> Drain<'_, D> {
    let count = count.min(queue.len());
    queue.drain(..count)
}
