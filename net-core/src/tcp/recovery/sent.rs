//! What was sent, when, and how far delivery had got by then: one record per transmission.

use super::ranges::{Position, Span};
use super::sack::is_full;
use crate::time::{Duration, Instant};
use alloc::collections::VecDeque;

/// Records one connection keeps, whatever is outstanding; past it, what is sent joins the last one (a peer
/// that acknowledges nothing must not make us remember every byte).
const MAX_RECORDS: usize = 8192;

/// When something left, and the state of delivery at that moment (the `P.*` variables of
/// draft-ietf-ccwg-bbr §4.1.2.2, before it draft-cheng-iccrg-delivery-rate-estimation §3.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transmission {
    pub(crate) sent_at: Instant,
    /// When the first transmission of this flight left: the beginning of its send interval.
    pub(crate) first_sent_at: Instant,
    /// Bytes delivered over the connection's life, and when that last grew.
    pub(crate) delivered: u64,
    pub(crate) delivered_at: Instant,
    /// Bytes declared lost over the connection's life.
    pub(crate) lost: u64,
    /// Bytes in flight with this transmission.
    pub(crate) in_flight: u32,
    /// The application, not the network, limited the sender.
    pub(crate) app_limited: bool,
    /// Several transmissions share it, so it measures no round trip.
    pub(crate) joined: bool,
}

/// A range of new data and how it left. It begins where the one before it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) end: Position,
    pub(crate) transmission: Transmission,
    /// When the last of it left: later than `transmission.sent_at` where several share the record.
    until: Instant,
}

/// The first transmissions of what is outstanding: in the order of the sequence space, which is
/// that of time.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    records: VecDeque<Record>,
}

impl Sent {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.records.capacity()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.records.len()
    }

    /// Whether there are so many records, for so many bytes outstanding, that small segments should wait for
    /// company.
    pub(crate) fn is_crowded(&self, outstanding: u32) -> bool {
        is_full(self.records.len(), MAX_RECORDS / 2, outstanding / 2)
    }

    pub(crate) fn clear(&mut self) {
        self.records = VecDeque::new();
    }

    /// Everything up to `end` has left, and `outstanding` bytes of it are not acknowledged.
    pub(crate) fn push(&mut self, end: Position, outstanding: u32, transmission: Transmission) {
        let until = transmission.sent_at;
        if is_full(self.records.len(), MAX_RECORDS, outstanding)
            && let Some(last) = self.records.back_mut()
        {
            (last.end, last.until) = (end, until);
            last.transmission.joined = true;
            return;
        }
        self.records.push_back(Record {
            end,
            transmission,
            until,
        });
    }

    /// The first record.
    pub(crate) fn front(&self) -> Option<&Record> {
        self.records.front()
    }

    /// Takes the first record off.
    pub(crate) fn pop_front(&mut self) -> Option<Record> {
        let first = self.records.pop_front();
        if self.records.is_empty() && self.records.capacity() > MAX_RECORDS {
            self.records = VecDeque::new();
        }
        first
    }

    /// Where the last record ends.
    pub(crate) fn end(&self) -> Option<Position> {
        Some(self.records.back()?.end)
    }

    /// The range of the last record; its beginning is the start of the stream if it is the only one.
    pub(crate) fn last(&self) -> Option<Span> {
        let before = self.end_of_first(self.records.len().checked_sub(1)?);
        Some((before, self.end()?))
    }

    /// How the byte at `at` left.
    pub(crate) fn holding(&self, at: Position) -> Option<&Transmission> {
        let index = self.records.partition_point(|record| record.end <= at);
        Some(&self.records.get(index)?.transmission)
    }

    /// How the byte in front of `end` left.
    pub(crate) fn ending(&self, end: Position) -> Option<&Transmission> {
        let index = self.records.partition_point(|record| record.end < end);
        Some(&self.records.get(index)?.transmission)
    }

    /// When the byte in front of `end` had left at the latest.
    pub(crate) fn left_by(&self, end: Position) -> Option<Instant> {
        let index = self.records.partition_point(|record| record.end < end);
        Some(self.records.get(index)?.until)
    }

    /// The end of what left before the transmission that left at `sent_at` and ends at `end`; of
    /// one moment, what is in front in the sequence space left first (RFC 8985's `RACK_sent_after`).
    pub(crate) fn end_before(&self, (sent_at, end): (Instant, Position)) -> Position {
        let index = self.records.partition_point(|record| {
            let left_at = record.until;
            left_at < sent_at || left_at == sent_at && record.end < end
        });
        let before = self.end_of_first(index);
        match self.records.get(index) {
            Some(record) if record.until == sent_at => before.max(end),
            _ => before,
        }
    }

    /// The end of what left at least `patience` ago.
    pub(crate) fn end_by(&self, patience: Duration, now: Instant) -> Position {
        let index = self
            .records
            .partition_point(|record| record.until + patience <= now);
        self.end_of_first(index)
    }

    /// The end of the first `count` records.
    fn end_of_first(&self, count: usize) -> Position {
        let last = count
            .checked_sub(1)
            .and_then(|index| self.records.get(index));
        last.map_or(Position::default(), |record| record.end)
    }
}
