//! How packets move through a link: into the queue, onto the line, and on their way.

use super::{Link, Outage, Passing, Waiting, charge, passing};
use crate::buf::crossing::{carried, shared};
use crate::buf::{Pool, RxPacket, TxPacket};
use crate::offload::gso;
use crate::time::{Duration, Instant};

impl Link {
    /// Whether super-segments are cut before anything else.
    pub(super) fn cuts(&self) -> bool {
        self.impairs || !self.config.offload
    }

    /// Cuts a super-segment, so that rate and loss see what a wire would carry.
    pub(super) fn send_cut(&mut self, packet: &TxPacket, now: Instant) {
        let mut segments = core::mem::take(&mut self.segments);
        if gso::segment(packet, self.config.offload, &mut segments).is_err() {
            self.counters.malformed += 1;
        }
        for segment in segments.packets() {
            self.enter(segment, now);
        }
        segments.clear();
        self.segments = segments;
    }

    pub(super) fn enter(&mut self, packet: &TxPacket, now: Instant) {
        if !self.passes(packet.len(), packet.meta.gso.is_some()) {
            return;
        }
        if let Some(log) = &mut self.sent_log {
            log.keep_sent(packet, now);
        }
        if !self.impairs {
            let packet = self.convert(packet);
            self.fly(Instant::ZERO, packet);
        } else if matches!(self.waiting, Waiting::Custom(_)) {
            self.enqueue(packet, now);
        } else if self.has_room(packet.len(), now) {
            let packet = self.convert(packet);
            self.wait(packet, now);
        }
    }

    /// Whether the link is wide enough for a packet, or it is dropped and counted.
    pub(super) fn passes(&mut self, len: usize, is_super: bool) -> bool {
        let limit = |most: u16| len > usize::from(most) && !is_super;
        if limit(self.config.mtu) {
            self.counters.too_big += 1;
        } else if self.config.black_hole.is_some_and(limit) {
            self.counters.black_holed += 1;
        } else if self.held >= self.room {
            self.counters.queue_full += 1;
        } else {
            return true;
        }
        false
    }

    /// Whether a packet that comes now goes through the drop-tail queue.
    fn queues(&self) -> bool {
        self.config.rate().is_some() || !self.waiting.is_empty() || self.is_held()
    }

    fn is_held(&self) -> bool {
        self.config.outage == Some(Outage::Hold)
    }

    /// Whether the drop-tail queue takes a packet, or it is dropped and counted.
    pub(super) fn has_room(&mut self, len: usize, now: Instant) -> bool {
        let carries = self.line.carries(now);
        let Waiting::DropTail(queue) = &self.waiting else {
            return true;
        };
        let room = !self.queues() || queue.has_room(len, carries, &self.config);
        self.counters.queue_full += u64::from(!room);
        room
    }

    /// Puts a packet at the end of the drop-tail queue, and on the line if that is free.
    pub(super) fn wait(&mut self, mut packet: RxPacket, now: Instant) {
        if !self.queues() {
            return self.depart(packet, now);
        }
        let carries = self.line.carries(now);
        let Waiting::DropTail(queue) = &mut self.waiting else {
            return self.depart(packet, now);
        };
        let full = self
            .config
            .mark_bytes
            .is_some_and(|mark| queue.bytes() + carries > mark);
        if full && passing::mark(&mut packet.frame) {
            self.counters.marked += 1;
        }
        if queue.is_empty() {
            self.line.wait_until(now);
        }
        queue.push(packet);
        self.advance(now);
    }

    /// Hands a packet to the queueing discipline.
    fn enqueue(&mut self, packet: &TxPacket, now: Instant) {
        let Waiting::Custom(queue) = &mut self.waiting else {
            return;
        };
        if queue.is_empty() {
            self.line.wait_until(now);
        }
        queue.enqueue(packet.clone(), &mut self.counters.queue_full, now);
        self.advance(now);
    }

    /// When the next packet that waits can begin.
    pub(super) fn next_start(&self) -> Option<Instant> {
        let free_at = self.line.free_at();
        match &self.waiting {
            _ if self.is_held() => None,
            Waiting::DropTail(queue) if queue.is_empty() => None,
            Waiting::DropTail(_) => Some(free_at),
            Waiting::Custom(queue) => Some(queue.next_departure()?.max(free_at)),
        }
    }

    /// Makes up for all that happened until `now`, in its order and at its time.
    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            let start = self.next_start().filter(|start| *start <= now);
            let change = self.changes.front().map(|(at, _)| *at);
            match (start, change.filter(|change| *change <= now)) {
                (None, None) => return,
                (Some(start), Some(change)) if start < change => self.begin(start),
                (Some(start), None) => self.begin(start),
                (_, Some(change)) => {
                    self.line.wait_until(change);
                    if let Some((_, config)) = self.changes.pop_front() {
                        self.configure(config);
                    }
                }
            }
        }
    }

    /// Puts the next packet that waits on the line.
    fn begin(&mut self, start: Instant) {
        let packet = match &mut self.waiting {
            Waiting::DropTail(queue) => queue.pop(),
            Waiting::Custom(queue) => {
                let packet = queue.dequeue(&mut self.counters.queue_full, start);
                packet.map(|packet| self.convert(&packet))
            }
        };
        let rate = self.config.rate();
        match packet {
            Some(packet) => {
                let departure = self.line.begin(packet.len(), rate, start);
                self.depart(packet, departure);
            }
            // A discipline that names a time and then has nothing is not asked again at that time.
            None => self.line.wait_until(start + Duration::from_nanos(1)),
        }
    }

    /// The last bit of a packet leaves at `departure`. What is lost has used the rate all the same.
    fn depart(&mut self, mut packet: RxPacket, departure: Instant) {
        let number = self.departed;
        self.departed += 1;
        let passing = Passing {
            number,
            at: departure,
            packet: &packet,
        };
        let picked = self.lose_if.as_mut().is_some_and(|lose| lose(&passing));
        let listed = self.config.lose.binary_search(&number).is_ok();
        if self.config.outage.is_some() {
            self.counters.outage += 1;
            return;
        }
        if self.chance.loses(&self.config, || passing.is_ack()) || picked || listed {
            self.counters.lost += 1;
            return;
        }
        if self.chance.happens(self.config.mark_ppm) && passing::mark(&mut packet.frame) {
            self.counters.marked += 1;
        }
        let held_back = self.chance.holds_back(&self.config);
        let at = departure + self.config.delay + self.chance.jitter(&self.config);
        if self.chance.happens(self.config.duplicate_ppm) {
            self.counters.duplicated += 1;
            let again = departure + self.config.delay + self.chance.jitter(&self.config);
            let copy = copy_of(&packet, &mut self.frames);
            self.held += charge(&copy);
            self.flight.push_late(again.max(at), copy);
        }
        if let Some(bit) = self.chance.flips(&self.config) {
            self.counters.corrupted += 1;
            passing::flatten(&mut packet);
            passing::flip_bit(&mut packet.frame, bit);
        }
        match held_back {
            Some(longer) => {
                self.counters.overtaken += 1;
                self.held += charge(&packet);
                let at = at.max(self.flight.last_arrival()) + longer;
                self.flight.push_late(at, packet);
            }
            None => self.fly(at, packet),
        }
    }

    pub(super) fn fly(&mut self, at: Instant, packet: RxPacket) {
        self.held += charge(&packet);
        self.flight.push(at, packet);
    }

    fn convert(&mut self, packet: &TxPacket) -> RxPacket {
        if self.config.offload {
            shared(packet, &mut self.frames)
        } else {
            carried(packet, &mut self.frames)
        }
    }
}

fn copy_of(packet: &RxPacket, frames: &mut Pool) -> RxPacket {
    RxPacket {
        frame: frames.filled(|frame| frame.extend_from_slice(&packet.frame)),
        frags: packet.frags.clone(),
        meta: packet.meta,
    }
}
