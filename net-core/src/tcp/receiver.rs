//! The receiving side: reassembly, the window, and when to acknowledge.

use super::SeqNum;
use super::segment::Payload;
use crate::buf::RecvQueue;
use crate::time::{Duration, Instant};
use crate::wire::SackBlocks;
use alloc::vec::Vec;

/// Islands of out-of-order data one connection keeps.
const MAX_ISLANDS: usize = 256;

/// Segments acknowledged at once at the start of a connection, so that the peer's slow start is
/// not held up by the delay timer.
const QUICK_ACKS: u8 = 16;

/// Data that arrived beyond a hole.
#[derive(Debug)]
struct Island {
    start: SeqNum,
    end: SeqNum,
    queue: RecvQueue,
    /// Larger is more recent (RFC 2018 §4 wants the most recent block first).
    touched: u32,
}

/// What became of a segment's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was next in order and has been queued; with what it made contiguous.
    InOrder,
    /// It lies beyond a hole and is kept.
    OutOfOrder,
    /// All of it is there already.
    Duplicate,
    /// Too many islands: not kept.
    NoRoom,
}

/// RCV variables (RFC 9293 §3.3.1) and what belongs to them.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// RCV.NXT.
    pub(crate) nxt: SeqNum,
    /// The right edge that the peer knows; never moves left (RFC 9293 SHLD-14).
    pub(crate) edge: SeqNum,
    /// Rcv.Wind.Shift.
    pub(crate) scale: u8,
    /// The FIN has been received in order.
    pub(crate) finished: bool,
    /// In order, not yet taken by the application.
    pub(crate) queue: RecvQueue,
    /// Taken by the application's side and not reported read.
    pub(crate) held: usize,
    /// Bytes the application has read over the connection's life.
    pub(crate) consumed: u64,
    /// Most unread bytes (SO_RCVBUF).
    pub(crate) buffer: usize,
    /// Largest segment that the peer has sent: RMSS.
    pub(crate) peer_mss: u32,
    islands: Vec<Island>,
    touches: u32,
    /// FIN's sequence number, where it came before the data in front of it.
    pending_fin: Option<SeqNum>,
    /// Wire segments and bytes received in order since the last acknowledgement.
    unacked_segments: u32,
    unacked_bytes: u32,
    /// An acknowledgement is due now.
    pub(crate) ack_now: bool,
    /// Duplicate acknowledgements to send, each on its own.
    pub(crate) duplicate_acks: u8,
    /// When a withheld acknowledgement must leave; `Instant::MAX`: none is withheld.
    pub(crate) delayed_ack_at: Instant,
    quick_acks: u8,
}

impl Receiver {
    pub(crate) fn new(irs: SeqNum, buffer: usize, scale: u8, peer_mss: u32) -> Self {
        Self {
            nxt: irs + 1,
            edge: irs + 1,
            scale,
            finished: false,
            queue: RecvQueue::default(),
            held: 0,
            consumed: 0,
            buffer,
            peer_mss,
            islands: Vec::new(),
            touches: 0,
            pending_fin: None,
            unacked_segments: 0,
            unacked_bytes: 0,
            ack_now: false,
            duplicate_acks: 0,
            delayed_ack_at: Instant::MAX,
            quick_acks: QUICK_ACKS,
        }
    }

    /// Bytes the application has not read.
    pub(crate) fn unread(&self) -> usize {
        self.queue.len() + self.held
    }

    /// Bytes of memory held alive by what is not read.
    pub(crate) fn pins(&self) -> usize {
        let islands = self
            .islands
            .iter()
            .map(|island| island.queue.pins())
            .sum::<usize>();
        self.queue.pins() + self.held + islands
    }

    /// RCV.WND as the peer knows it.
    pub(crate) const fn window(&self) -> u32 {
        self.edge.distance_from(self.nxt)
    }

    /// The window that the buffer has room for.
    fn room(&self) -> u32 {
        let room = self.buffer.saturating_sub(self.unread());
        u32::try_from(room)
            .unwrap_or(u32::MAX)
            .min(0xffff << self.scale)
    }

    /// Moves the right edge as far as the silly-window rule lets it (RFC 9293 §3.8.6.2.2) and
    /// returns the window field. The edge moves in steps of at least one segment or half the
    /// buffer, and never back.
    pub(crate) fn advertise(&mut self) -> u16 {
        let edge = self.nxt + self.room();
        if edge.after(self.edge) && self.opens_enough() {
            self.edge = edge;
        }
        let mut field = self.window() >> self.scale;
        if field << self.scale < self.window() {
            // The field is coarser than the edge; round up only where the room is really there.
            let up = self.nxt + ((field + 1) << self.scale);
            if up.at_or_before(edge) {
                field += 1;
                self.edge = self.edge.max(up);
            }
        }
        u16::try_from(field).unwrap_or(u16::MAX)
    }

    /// Whether telling the peer about the room that there is now is worth a segment.
    fn opens_enough(&self) -> bool {
        let gain = (self.nxt + self.room()).distance_from(self.edge);
        let half = u32::try_from(self.buffer / 2).unwrap_or(u32::MAX);
        gain >= self.peer_mss.min(half).max(1)
    }

    /// The application has read `count` bytes; whether the peer should learn of it now: when the
    /// window was small and at least doubles, or a quarter of the buffer has opened.
    pub(crate) fn consume(&mut self, count: usize) -> bool {
        let count = count.min(self.held);
        self.held -= count;
        self.consumed += count as u64;
        self.window_update_due()
    }

    /// Nobody will read what has arrived: counts it as read.
    pub(crate) fn drop_unread(&mut self) {
        self.consumed += self.queue.len() as u64;
        self.queue.clear();
    }

    fn window_update_due(&self) -> bool {
        let gain = (self.nxt + self.room()).distance_from(self.edge);
        gain >= self.update_step() || (self.window() < self.peer_mss && self.opens_enough())
    }

    fn update_step(&self) -> u32 {
        let quarter = u32::try_from(self.buffer / 4).unwrap_or(u32::MAX);
        quarter.max(self.peer_mss).max(1)
    }

    /// The value of `consumed` from which on a window update is due.
    pub(crate) fn window_mark(&self) -> u64 {
        let gain = (self.nxt + self.room()).distance_from(self.edge);
        let step = if self.window() < self.peer_mss {
            self.peer_mss.max(1)
        } else {
            self.update_step()
        };
        self.consumed + u64::from(step.saturating_sub(gain))
    }

    /// Takes the data of an acceptable segment that starts at `seq`, already trimmed to the window.
    pub(crate) fn receive(
        &mut self,
        seq: SeqNum,
        payload: &mut Payload<'_>,
        wire_size: u32,
    ) -> Arrival {
        let end = seq + payload.len();
        if end.at_or_before(self.nxt) {
            self.ack_now = true;
            return Arrival::Duplicate;
        }
        if seq.after(self.nxt) {
            return self.receive_island(seq, end, payload);
        }
        let len = payload.len();
        self.peer_mss = self.peer_mss.max(wire_size.min(len));
        payload.trim_front(self.nxt.distance_from(seq));
        let fresh = payload.len();
        payload.move_to(&mut self.queue);
        self.nxt = end;
        self.unacked_segments = self
            .unacked_segments
            .saturating_add(fresh.div_ceil(wire_size.max(1)));
        self.unacked_bytes = self.unacked_bytes.saturating_add(fresh);
        if !self.islands.is_empty() {
            // RFC 5681 §4.2: a segment that fills a gap is acknowledged at once.
            self.ack_now = true;
            self.absorb_islands();
        }
        Arrival::InOrder
    }

    /// The peer's FIN, at `seq`; whether it is next in order.
    pub(crate) fn receive_fin(&mut self, seq: SeqNum) -> bool {
        if seq == self.nxt {
            self.accept_fin();
            return true;
        }
        if seq.after(self.nxt) {
            self.pending_fin = Some(seq);
        }
        false
    }

    /// Whether a FIN that came early has become next in order, and if so takes it.
    pub(crate) fn take_pending_fin(&mut self) -> bool {
        let due = self.pending_fin == Some(self.nxt) && !self.finished;
        if due {
            self.accept_fin();
        }
        due
    }

    fn accept_fin(&mut self) {
        self.nxt += 1;
        self.edge = self.edge.max(self.nxt);
        self.finished = true;
        self.ack_now = true;
        self.pending_fin = None;
        self.islands = Vec::new();
    }

    /// Decides about the acknowledgement after in-order data (RFC 9293 MUST-58, MUST-59): at once
    /// for two full segments or at the start of a connection, else after `delay`.
    pub(crate) fn schedule_ack(&mut self, quick: bool, delay: Duration, now: Instant) {
        let two_segments =
            self.unacked_segments >= 2 || self.unacked_bytes >= 2 * self.peer_mss.max(1);
        if two_segments || quick || self.quick_acks > 0 {
            self.quick_acks = self.quick_acks.saturating_sub(1);
            self.ack_now = true;
        } else if self.unacked_bytes > 0 && self.delayed_ack_at == Instant::MAX {
            self.delayed_ack_at = now + delay;
        }
    }

    /// The application answers what it reads: acknowledgements ride on its data from now on.
    pub(crate) fn enter_ping_pong(&mut self) {
        if self.unacked_segments > 0 || self.ack_now {
            self.quick_acks = 0;
        }
    }

    /// An acknowledgement leaves: nothing is owed any more.
    pub(crate) fn on_ack_sent(&mut self) {
        self.unacked_segments = 0;
        self.unacked_bytes = 0;
        self.ack_now = false;
        self.delayed_ack_at = Instant::MAX;
    }

    /// Up to `max` SACK blocks, the most recently touched first (RFC 2018 §4).
    pub(crate) fn sack_blocks(&self, max: usize) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        let mut below = u32::MAX;
        while blocks.len() < max {
            let newest = self.islands.iter().filter(|island| island.touched < below);
            let Some(island) = newest.max_by_key(|island| island.touched) else {
                break;
            };
            blocks.push(island.start, island.end);
            below = island.touched;
        }
        blocks
    }

    /// How many islands of out-of-order data wait.
    pub(crate) fn hole_count(&self) -> usize {
        self.islands.len()
    }

    /// Whether out-of-order data waits.
    pub(crate) fn has_holes(&self) -> bool {
        !self.islands.is_empty()
    }

    fn receive_island(&mut self, seq: SeqNum, end: SeqNum, payload: &mut Payload<'_>) -> Arrival {
        self.ack_now = true;
        self.touches = self.touches.wrapping_add(1);
        // Everything that ends before `seq` stays; `at` is the first that touches or follows.
        let at = self
            .islands
            .partition_point(|island| island.end.before(seq));
        let mut queue = RecvQueue::default();
        let mut start = seq;
        let mut last = end;
        if let Some(island) = self.islands.get_mut(at)
            && island.start.at_or_before(seq)
        {
            if end.at_or_before(island.end) {
                island.touched = self.touches;
                return Arrival::Duplicate;
            }
            // It continues this island: the usual case, and no new room is needed.
            payload.trim_front(island.end.distance_from(seq));
            start = island.start;
            queue = core::mem::take(&mut island.queue);
            self.islands.remove(at);
        } else if self.islands.len() >= MAX_ISLANDS {
            return Arrival::NoRoom;
        }
        // What the following islands have already is not kept twice.
        while let Some(next) = self.islands.get_mut(at) {
            if next.start.after(last) {
                break;
            }
            let mut next = self.islands.remove(at);
            if next.end.at_or_before(last) {
                // Covered whole by the new data.
                continue;
            }
            let overlap = last.distance_from(next.start);
            next.queue.discard(overlap as usize);
            payload.move_to(&mut queue);
            queue.append(&mut next.queue);
            last = next.end;
            break;
        }
        payload.move_to(&mut queue);
        self.islands.insert(
            at,
            Island {
                start,
                end: last,
                queue,
                touched: self.touches,
            },
        );
        Arrival::OutOfOrder
    }

    /// Moves islands that have become contiguous into the queue.
    fn absorb_islands(&mut self) {
        while let Some(first) = self.islands.first() {
            if first.start.after(self.nxt) {
                return;
            }
            let mut island = self.islands.remove(0);
            if island.end.after(self.nxt) {
                island
                    .queue
                    .discard(self.nxt.distance_from(island.start) as usize);
                self.queue.append(&mut island.queue);
                self.nxt = island.end;
            }
        }
    }
}
