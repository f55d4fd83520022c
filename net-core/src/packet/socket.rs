//! What the stack keeps for each packet socket.

use super::{Frame, FrameClass, FrameFilter, FrameView};
use crate::iface::IfaceId;
use crate::socket::{Readiness, Request};
use crate::time::Instant;
use crate::wire::{EtherType, MacAddr};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// What a packet socket takes for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// All of it (`SOCK_RAW`).
    Raw,
    /// What is behind the link's header, which the stack sees to (`SOCK_DGRAM`).
    Cooked,
}

/// What became of the frames that a packet socket was to get (`PACKET_STATISTICS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PacketCounters {
    /// Put into its queue.
    pub received: u64,
    /// Dropped, because the queue was full or the stack's memory spent.
    pub dropped: u64,
}

/// A packet socket.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    pub(crate) kind: PacketKind,
    /// What it hears of; nothing by 0, everything by [`EtherType::ALL`].
    pub(crate) ethertype: EtherType,
    /// The one interface that it hears of.
    pub(crate) iface: Option<IfaceId>,
    pub(crate) filter: Option<FrameFilter>,
    /// The interfaces that it has made promiscuous.
    pub(crate) promiscuous: Vec<IfaceId>,
    pub(crate) counters: PacketCounters,
    /// Bytes of memory that unread frames may pin.
    pub(crate) recv_buffer: usize,
    /// Bytes of frames that may wait for the device.
    pub(crate) send_buffer: usize,
    /// Bytes of frames that wait for the device.
    pub(crate) unsent: usize,
    /// A send found no room.
    pub(crate) blocked: bool,
    queue: VecDeque<Frame>,
    charged: usize,
}

/// A frame on its way to the sockets that want it.
#[derive(Debug, Clone)]
pub(crate) struct Tapped {
    /// All of it.
    pub(crate) bytes: Bytes,
    /// Bytes of the link's header.
    pub(crate) link_len: usize,
    pub(crate) iface: IfaceId,
    pub(crate) ethertype: EtherType,
    pub(crate) class: FrameClass,
    pub(crate) source: Option<MacAddr>,
    pub(crate) at: Instant,
}

impl PacketSocket {
    /// Memory that a waiting frame costs beside its bytes.
    const OVERHEAD: usize = 128;

    pub(crate) fn new(
        kind: PacketKind,
        ethertype: EtherType,
        recv_buffer: usize,
        send_buffer: usize,
    ) -> Self {
        Self {
            kind,
            ethertype,
            iface: None,
            filter: None,
            promiscuous: Vec::new(),
            counters: PacketCounters::default(),
            recv_buffer,
            send_buffer,
            unsent: 0,
            blocked: false,
            queue: VecDeque::new(),
            charged: 0,
        }
    }

    /// What such a socket is asked for by.
    pub(crate) fn request(&self) -> Request {
        Request::packet(self.kind, self.ethertype)
    }

    /// Whether frames of the interface are for it.
    pub(crate) fn hears(&self, iface: IfaceId) -> bool {
        self.iface.is_none_or(|own| own == iface)
    }

    /// What it gets of a frame that it hears of; `None` where its filter does not want it.
    pub(crate) fn select(&mut self, tapped: &Tapped) -> Option<Frame> {
        let from = match self.kind {
            PacketKind::Raw => 0,
            PacketKind::Cooked => tapped.link_len.min(tapped.bytes.len()),
        };
        let mut payload = tapped.bytes.slice(from..);
        let len = payload.len();
        if let Some(filter) = &mut self.filter {
            let wanted = filter.wants(&FrameView {
                bytes: &payload,
                iface: tapped.iface,
                ethertype: tapped.ethertype,
                class: tapped.class,
            });
            if wanted == 0 {
                return None;
            }
            payload.truncate(wanted);
        }
        let mut pins = tapped.bytes.len();
        if pins > 2 * payload.len() + 256 {
            payload = Bytes::copy_from_slice(&payload);
            pins = payload.len();
        }
        Some(Frame {
            payload,
            len,
            pins,
            iface: tapped.iface,
            ethertype: tapped.ethertype,
            class: tapped.class,
            source: tapped.source,
            at: tapped.at,
        })
    }

    /// Memory that keeping a frame costs. Sockets that share a copy all pay for it.
    pub(crate) const fn cost(frame: &Frame) -> usize {
        frame.pins + Self::OVERHEAD
    }

    /// Whether the queue takes another frame: while it is not full.
    pub(crate) const fn has_room(&self) -> bool {
        self.charged < self.recv_buffer
    }

    /// Puts a frame behind the others.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.charged += Self::cost(&frame);
        self.counters.received += 1;
        self.queue.push_back(frame);
    }

    /// Takes the first frame, and what it was charged.
    pub(crate) fn pop(&mut self) -> Option<(Frame, usize)> {
        let frame = self.queue.pop_front()?;
        let cost = Self::cost(&frame);
        self.charged = self.charged.saturating_sub(cost);
        Some((frame, cost))
    }

    /// How many frames wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of frames that wait.
    pub(crate) fn unread(&self) -> usize {
        self.queue.iter().map(|frame| frame.payload.len()).sum()
    }

    /// Memory that the waiting frames hold alive.
    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }

    /// What the socket is ready for.
    pub(crate) fn readiness(&self) -> Readiness {
        let mut ready = Readiness::empty();
        ready.set(Readiness::READABLE, !self.queue.is_empty());
        ready.set(Readiness::WRITABLE, !self.blocked);
        ready
    }
}
