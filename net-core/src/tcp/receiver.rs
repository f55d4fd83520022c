//! The receiving side: reassembly, the window, and when to acknowledge.

use super::SeqNum;
use super::autotune::ReceiveTuning;
use super::delayed_ack::DelayedAck;
use super::islands::{Duplicates, Islands, NoRoom, Range};
use super::segment::Payload;
use crate::buf::RecvQueue;
use crate::must::must;
use crate::wire::SackBlocks;

/// About what an island of out-of-order data costs beside its data.
const MEMORY_OF_ISLAND: usize = 1024;
/// Islands that even the smallest buffer keeps.
const MIN_ISLANDS: usize = 64;

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
    /// Most unread bytes (SO_RCVBUF); it grows with the path.
    pub(crate) buffer: usize,
    pub(crate) tuning: ReceiveTuning,
    /// Largest segment that the peer has sent: RMSS.
    pub(crate) peer_mss: u32,
    /// What arrived beyond a hole.
    pub(crate) islands: Islands,
    /// What arrived twice.
    pub(crate) duplicates: Duplicates,
    /// The peer takes reports of that (RFC 2883).
    pub(crate) reports_duplicates: bool,
    /// FIN's sequence number, where it came before the data in front of it.
    pending_fin: Option<SeqNum>,
    /// An acknowledgement is due now.
    pub(crate) ack_now: bool,
    /// And only because of ACKs.
    pub(crate) acks_acks: bool,
    /// Duplicate acknowledgements to send, each on its own.
    pub(crate) duplicate_acks: u8,
    /// When to acknowledge what arrives in order.
    pub(crate) delayed_ack: DelayedAck,
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
            tuning: ReceiveTuning::new(),
            peer_mss,
            islands: Islands::default(),
            duplicates: Duplicates::default(),
            reports_duplicates: false,
            pending_fin: None,
            ack_now: false,
            acks_acks: false,
            duplicate_acks: 0,
            delayed_ack: DelayedAck::default(),
        }
    }

    /// Bytes the application has not read.
    pub(crate) fn unread(&self) -> usize {
        self.queue.len() + self.held
    }

    /// Bytes of memory held alive by what is not read.
    pub(crate) fn pins(&self) -> usize {
        self.queue.pins() + self.held + self.islands.pins()
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
        let worth = if must("9293 MUST-39") {
            self.peer_mss.min(half)
        } else {
            0
        };
        gain >= worth.max(1)
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
            self.report_duplicate((seq, end));
            return Arrival::Duplicate;
        }
        if seq.after(self.nxt) {
            return self.receive_island(seq, end, payload);
        }
        if seq.before(self.nxt) {
            self.report_duplicate((seq, self.nxt));
        } else if let Some(part) = self.islands.overlap((seq, end)) {
            self.report_duplicate(part);
        }
        let len = payload.len();
        self.peer_mss = self.peer_mss.max(wire_size.min(len));
        payload.trim_front(self.nxt.distance_from(seq));
        let fresh = payload.len();
        payload.move_to(&mut self.queue);
        self.nxt = end;
        self.delayed_ack
            .count(fresh.div_ceil(wire_size.max(1)), fresh);
        if !self.islands.is_empty() {
            // RFC 5681 §4.2: a segment that fills a gap is acknowledged at once.
            self.ack_now = true;
            self.nxt = self.islands.absorb(self.nxt, &mut self.queue);
        }
        Arrival::InOrder
    }

    /// Whether FIN has come before the data in front of it.
    pub(crate) const fn awaits_fin(&self) -> bool {
        self.pending_fin.is_some()
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
        self.islands.clear();
    }

    /// An acknowledgement leaves: nothing is owed any more.
    pub(crate) fn on_ack_sent(&mut self) {
        (self.ack_now, self.acks_acks) = (false, false);
        self.delayed_ack.on_ack_sent();
    }

    /// Something but an ACK is to be acknowledged at once.
    pub(crate) fn acknowledge(&mut self) {
        (self.ack_now, self.acks_acks) = (true, false);
    }

    /// `range` has arrived before: it is acknowledged at once, and reported (RFC 2883 §4).
    pub(crate) fn report_duplicate(&mut self, range: Range) {
        self.acknowledge();
        if self.reports_duplicates {
            self.duplicates.push(range);
        }
    }

    /// Whether the peer can be told of data beyond a hole, or of what has arrived twice.
    pub(crate) fn has_blocks(&self) -> bool {
        !self.islands.is_empty() || !self.duplicates.is_empty()
    }

    /// The blocks of the next segment, of which `most` fit. A report of a duplicate comes first (RFC 2883
    /// §4).
    pub(crate) fn take_blocks(&mut self, most: usize) -> SackBlocks {
        let Some((left, right)) = self.duplicates.pop() else {
            return self.islands.tell(most);
        };
        let mut blocks = SackBlocks::default();
        blocks.push(left, right);
        for (left, right) in self.islands.tell(most - 1).iter() {
            blocks.push(left, right);
        }
        blocks
    }

    /// Whether acknowledgements are to be sent that data cannot carry.
    pub(crate) const fn owes_bare_acks(&self) -> bool {
        self.duplicate_acks > 0 || !self.duplicates.is_empty()
    }

    fn receive_island(&mut self, seq: SeqNum, end: SeqNum, payload: &mut Payload<'_>) -> Arrival {
        self.ack_now = true;
        self.delayed_ack.be_quick();
        if let Some(part) = self.islands.overlap((seq, end)) {
            self.report_duplicate(part);
        }
        // They cost memory beside their data: no more than the buffer may.
        let most = (self.buffer / MEMORY_OF_ISLAND).max(MIN_ISLANDS);
        match self.islands.insert(seq, end, payload, most) {
            Ok(true) => Arrival::OutOfOrder,
            Ok(false) => Arrival::Duplicate,
            Err(NoRoom) => Arrival::NoRoom,
        }
    }
}
