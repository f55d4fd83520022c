//! The scoreboard (RFC 2018 §5, RFC 6675 §3): what is outstanding, and what became of it.
//!
//! As long as everything arrives in order it is a queue of records, one for each transmission, and
//! the three indices beside it are empty. A loss fills them: what was selectively acknowledged,
//! what is considered lost, and what was sent again. None of them cuts the records, so a selective
//! acknowledgement costs look-ups in balanced trees whatever the peer puts into it.

use super::delivery::Delivery;
use super::ranges::{Position, Ranges, Span};
use super::rate::DeliveryRate;
use super::resent::Resent;
use super::sent::Sent;
use crate::tcp::SeqNum;
use crate::tcp::congestion::LostTransmission;
use crate::time::{Duration, Instant};

/// Spans of selectively acknowledged data that one connection remembers. Past it, what would add
/// another is ignored and sent again: a peer that acknowledges every other byte must not make us
/// remember each.
const MAX_SACKED: usize = 8192;

/// What we send makes more entries than the least where so much is outstanding for each of them: long fat
/// paths have more segments under way. A record takes a sixteenth of that, a range sent again a fifth.
const BYTES_PER_ENTRY: u32 = 1024;

/// Whether `count` entries are as many as there may be with so many bytes outstanding; `least` always may.
pub(super) const fn is_full(count: usize, least: usize, outstanding: u32) -> bool {
    count >= least && count >= (outstanding / BYTES_PER_ENTRY) as usize
}

/// DupThresh (RFC 6675 §2).
pub(crate) const DUP_THRESH: u32 = 3;

/// What is outstanding on one connection.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    /// SND.UNA, and where it is.
    una: SeqNum,
    base: Position,
    sent: Sent,
    sacked: Ranges,
    lost: Ranges,
    resent: Resent,
    /// What was sent once and lies in front of this is acknowledged or lost: the search for losses
    /// need not look there again.
    judged: Position,
    /// The end of what has arrived furthest ahead (RFC 8985's RACK.fack).
    fack: Position,
    pub(crate) rate: DeliveryRate,
}

/// What a search by time found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    /// Bytes newly considered lost.
    pub(crate) lost: u32,
    /// Where the last of them ends that had left once only.
    pub(crate) end: Option<SeqNum>,
    /// When the newest retransmission among them left.
    pub(crate) resent_at: Option<Instant>,
    /// When what is not lost yet will be.
    pub(crate) next_at: Option<Instant>,
}

impl Scoreboard {
    /// Bytes selectively acknowledged.
    pub(crate) const fn sacked(&self) -> u32 {
        self.sacked.bytes()
    }

    /// Bytes considered lost and not sent again since.
    pub(crate) const fn lost(&self) -> u32 {
        self.lost.bytes()
    }

    /// Bytes outstanding that were sent more than once.
    pub(crate) fn resent(&self) -> u32 {
        self.resent.bytes()
    }

    /// Bytes delivered over the connection's life.
    pub(crate) const fn delivered(&self) -> u64 {
        self.rate.delivered
    }

    /// Whether something is lost, or left again and has not arrived so far.
    pub(crate) fn is_repairing(&self) -> bool {
        !(self.lost.is_empty() && self.resent.is_empty())
    }

    /// Whether everything outstanding was sent once and nothing is known of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.sacked.is_empty() && self.lost.is_empty() && self.resent.is_empty()
    }

    /// Whether there are so many records that small segments should wait.
    pub(crate) fn is_crowded(&self) -> bool {
        self.sent.is_crowded(self.outstanding())
    }

    /// `start..end` leaves for the first time, with `in_flight` bytes in flight before it.
    pub(crate) fn on_sent(&mut self, start: SeqNum, end: SeqNum, in_flight: u32, now: Instant) {
        if self.sent.is_empty() {
            self.una = start;
        }
        let len = end.distance_from(start);
        let transmission = self.rate.transmit(len, in_flight, now);
        let end = self.position(end);
        self.sent
            .push(end, end.distance_from(self.base), transmission);
    }

    /// The first range considered lost, at most `max` bytes of it.
    pub(crate) fn next_lost(&self, max: u32) -> Option<(SeqNum, SeqNum)> {
        let (start, end) = self.lost.first()?;
        let full = self.resent.is_full(self.outstanding());
        if full && start != self.base && !self.resent.holds(start) {
            return None;
        }
        let end = end.min(start + max);
        Some((self.number(start), self.number(end)))
    }

    /// `start..end` leaves again, with `in_flight` bytes in flight before it.
    pub(crate) fn on_resent(&mut self, start: SeqNum, end: SeqNum, in_flight: u32, now: Instant) {
        let span = (self.position(start), self.position(end));
        self.lost.remove(span);
        let len = end.distance_from(start);
        let transmission = self.rate.transmit(len, in_flight, now);
        self.resent.on_sent(span, transmission);
    }

    /// When the first of what is outstanding last left again, and how many bytes of it, if it did.
    pub(crate) fn first_resent(&self) -> Option<(Instant, u32)> {
        self.resent.at(self.base)
    }

    /// What was sent last for the first time, as far as it is outstanding.
    pub(crate) fn last_sent(&self) -> Option<(SeqNum, SeqNum)> {
        let (start, end) = self.sent.last()?;
        Some((self.number(start), self.number(end)))
    }

    /// Everything before `una` is acknowledged.
    pub(crate) fn acknowledge(&mut self, una: SeqNum, delivery: &mut Delivery) {
        let to = self.position(una);
        if self.is_whole() {
            self.acknowledge_in_order(to, delivery);
        } else {
            let mut at = self.base;
            while let Some(gap) = self.sacked.next_gap(at, to) {
                self.deliver(gap, delivery);
                at = gap.1;
            }
            self.sacked.remove_front(to);
            self.lost.remove_front(to);
            self.resent.take_front(to);
            while self.sent.front().is_some_and(|record| record.end <= to) {
                self.sent.pop_front();
            }
        }
        (self.una, self.base) = (una, to);
        self.judged = self.judged.max(to);
        self.fack = self.fack.max(to);
    }

    fn acknowledge_in_order(&mut self, to: Position, delivery: &mut Delivery) {
        let Some(&first) = self.sent.front() else {
            return;
        };
        let mut last = first;
        while let Some(&record) = self.sent.front() {
            last = record;
            if record.end > to {
                break;
            }
            self.sent.pop_front();
            if record.end == to {
                break;
            }
        }
        delivery.on_original(&first.transmission, &last.transmission, to);
        self.count(to.distance_from(self.base), delivery);
    }

    /// A selective acknowledgement of `left..right`, already known to lie in the window.
    pub(crate) fn sack(&mut self, left: SeqNum, right: SeqNum, delivery: &mut Delivery) {
        let span = (self.position(left), self.position(right));
        if self.sacked.count() >= MAX_SACKED && !self.sacked.touches(span) {
            return;
        }
        let mut at = span.0;
        while let Some(gap) = self.sacked.next_gap(at, span.1) {
            self.deliver(gap, delivery);
            at = gap.1;
        }
        self.sacked.insert(span);
        self.fack = self.fack.max(span.1);
    }

    /// `gap` has arrived.
    fn deliver(&mut self, gap: Span, delivery: &mut Delivery) {
        let (start, end) = gap;
        self.lost.remove(gap);
        // The first and the last byte of those that were sent once.
        let (mut at, mut once) = (start, None);
        self.resent.take(gap, |part, transmission| {
            if at < part.0 {
                once = Some((once.map_or(at, |(first, _)| first), part.0));
            }
            at = part.1;
            delivery.on_retransmitted(transmission, part.1);
        });
        if at < end {
            once = Some((once.map_or(at, |(first, _)| first), end));
        }
        if let Some((first, last)) = once {
            if let (Some(begin), Some(finish)) = (self.sent.holding(first), self.sent.ending(last))
            {
                delivery.on_original(begin, finish, last);
            }
            delivery.reordered |= end < self.fack;
        }
        self.count(end.distance_from(start), delivery);
    }

    fn count(&mut self, bytes: u32, delivery: &mut Delivery) {
        delivery.bytes += bytes;
        self.rate.on_delivered(bytes, delivery.now);
    }

    /// RFC 6675 §4 `IsLost`: marks what was sent once and has DupThresh segments' worth of
    /// selectively acknowledged data, or DupThresh spans of it, behind it.
    pub(crate) fn mark_lost_by_count(&mut self, mss: u32) -> Found {
        let (mut bytes, mut spans, mut edge) = (0, 0, None);
        for (start, end) in self.sacked.backwards() {
            bytes += end.distance_from(start);
            spans += 1;
            if bytes > (DUP_THRESH - 1) * mss || spans == DUP_THRESH {
                edge = Some(start);
                break;
            }
        }
        edge.map_or_else(Found::default, |edge| self.lose_originals(edge))
    }

    /// RFC 8985 §6.2 step 5: marks what left before `newest`, a transmission that arrived, and has
    /// not arrived after `patience`.
    pub(crate) fn mark_lost_by_time(
        &mut self,
        newest: (Instant, Position),
        patience: Duration,
        now: Instant,
    ) -> Found {
        let mut found = Found::default();
        let edge = self.sent.end_before(newest);
        if self.judged < edge {
            let overdue = self.sent.end_by(patience, now).min(edge);
            found = self.lose_originals(overdue);
            found.next_at = self
                .last_hole(overdue, edge)
                .map(|sent_at| sent_at + patience);
        }
        while let Some((sent_at, (start, end))) = self.resent.oldest(&self.lost) {
            if sent_at > newest.0 || sent_at == newest.0 && start >= newest.1 {
                break;
            }
            if sent_at + patience > now {
                found.next_at = found.next_at.max(Some(sent_at + patience));
                break;
            }
            let last = sent_at == newest.0 && newest.1 < end;
            let before = (start, if last { newest.1 } else { end });
            let bytes = self.resent.lose((sent_at, before), &mut self.lost);
            self.rate.lost += u64::from(bytes);
            found.lost += bytes;
            found.resent_at = Some(sent_at);
            if last {
                break;
            }
        }
        found
    }

    /// RFC 8985 §6.3: marks what left `patience` ago and has not arrived.
    pub(crate) fn mark_lost_by_age(&mut self, patience: Duration, now: Instant) {
        self.mark_lost_by_time((Instant::MAX, self.end()), patience, now);
    }

    /// When the last byte of `from..to` left that has not arrived.
    fn last_hole(&self, from: Position, to: Position) -> Option<Instant> {
        let within = self.sacked.holding(to.before());
        let end = within.map_or(to, |(start, _)| start);
        self.sent.left_by(end).filter(|_| from < end)
    }

    /// The first segment is lost: three duplicate acknowledgements, a partial one (RFC 6582), or a
    /// timeout. One that was sent again since counts as lost only if `again`.
    pub(crate) fn mark_first_lost(&mut self, mss: u32, again: bool) -> u32 {
        let Some(hole) = self.sacked.next_gap(self.base, self.end()) else {
            return 0;
        };
        if hole.0 != self.base || self.resent.holds(self.base) && !again {
            return 0;
        }
        let record = self.sent.front().map_or(hole.1, |record| record.end);
        self.lose((hole.0, hole.1.min(hole.0 + mss).min(record)))
    }

    /// Everything that has not arrived is lost: the retransmission timer expired (RFC 6675 §5.1
    /// lets the selective acknowledgements stand), or packets were too big.
    pub(crate) fn mark_all_lost(&mut self) -> u32 {
        let (mut at, end, mut newly) = (self.base, self.end(), 0);
        while let Some(gap) = self.sacked.next_gap(at, end) {
            newly += self.lose(gap);
            at = gap.1;
        }
        self.judged = end;
        newly
    }

    /// Nothing is lost: the timeout or the duplicates that said so were mistaken.
    pub(crate) fn mark_none_lost(&mut self) {
        self.rate.lost -= u64::from(self.lost());
        self.lost.clear();
        self.resent.requeue();
        self.judged = self.base;
    }

    /// How the last of what is lost left for the first time.
    pub(crate) fn last_lost(&self) -> Option<LostTransmission> {
        let (_, end) = self.lost.backwards().next()?;
        let sent = self.sent.ending(end)?;
        Some(LostTransmission {
            tx_in_flight: sent.in_flight,
            lost: self.rate.lost.saturating_sub(sent.lost),
            app_limited: sent.app_limited,
        })
    }

    /// The end of what has arrived furthest ahead.
    pub(crate) fn highest_arrived(&self) -> SeqNum {
        self.number(self.fack)
    }

    /// Whether all has arrived that lies behind `from` and in front of what has arrived furthest ahead.
    pub(crate) fn has_arrived_behind(&self, from: SeqNum) -> bool {
        self.sacked
            .next_gap(self.position(from), self.fack)
            .is_none()
    }

    /// Whether the peer selectively acknowledged the byte that it says it waits for: it no longer
    /// has what it acknowledged (RFC 2018 §8 allows that).
    pub(crate) fn is_reneged(&self) -> bool {
        self.sacked.holding(self.base).is_some()
    }

    /// Forgets the selective acknowledgements.
    pub(crate) fn forget_sacks(&mut self) {
        self.sacked.clear();
        self.judged = self.base;
    }

    pub(crate) fn clear(&mut self) {
        self.sent.clear();
        self.sacked.clear();
        self.lost.clear();
        self.resent.clear();
    }

    /// What was sent once, lies in front of `edge` and has not arrived is lost.
    fn lose_originals(&mut self, edge: Position) -> Found {
        let mut found = Found::default();
        while let Some(hole) = self.sacked.next_gap(self.judged, edge) {
            let mut at = hole.0;
            while let Some(once) = self.resent.next_gap(at, hole.1) {
                let newly = self.lose(once);
                if newly > 0 {
                    found.lost += newly;
                    found.end = Some(self.number(once.1));
                }
                at = once.1;
            }
            self.judged = hole.1;
        }
        self.judged = self.judged.max(edge);
        found
    }

    fn lose(&mut self, span: Span) -> u32 {
        let newly = self.lost.insert(span);
        self.rate.lost += u64::from(newly);
        newly
    }

    /// Entries that its queues have room for.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.sent.room() + self.resent.room()
    }

    #[cfg(test)]
    pub(crate) fn record_count(&self) -> usize {
        self.sent.count()
    }

    /// How many spans the indices hold.
    #[cfg(test)]
    pub(crate) fn span_count(&self) -> usize {
        self.sacked.count() + self.lost.count() + self.resent.count()
    }

    /// The position so many bytes behind the first one.
    #[cfg(test)]
    pub(crate) fn at(&self, offset: u64) -> Position {
        let passed = u64::from(self.base.distance_from(Position::default()));
        if offset < passed {
            Position::default() + u32::try_from(offset).unwrap_or(0)
        } else {
            self.base + u32::try_from(offset - passed).unwrap_or(u32::MAX)
        }
    }

    /// Bytes that are not acknowledged, whatever is known of them.
    fn outstanding(&self) -> u32 {
        self.end().distance_from(self.base)
    }

    /// Where SND.NXT is.
    fn end(&self) -> Position {
        self.sent.end().unwrap_or(self.base)
    }

    /// Where a number at or behind SND.UNA is.
    fn position(&self, number: SeqNum) -> Position {
        self.base + number.distance_from(self.una)
    }

    fn number(&self, position: Position) -> SeqNum {
        self.una + position.distance_from(self.base)
    }
}
