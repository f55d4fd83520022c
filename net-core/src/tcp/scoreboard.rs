//! What was sent, when, and what became of it: one record per transmission.

use super::SeqNum;
use crate::time::{Duration, Instant};
use alloc::collections::VecDeque;
use bitflags::bitflags;

/// Records one connection keeps; past it, what is sent joins the last one and selective
/// acknowledgements split no more (a peer that acknowledges every other byte, or nothing, must not
/// make us remember each).
const MAX_RECORDS: usize = 8192;

/// DupThresh (RFC 6675 §2).
pub(crate) const DUP_THRESH: u32 = 3;

bitflags! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Mark: u8 {
        /// Selectively acknowledged.
        const SACKED = 1;
        /// Considered lost and not sent again since.
        const LOST = 2;
        /// The sender was limited by the application when it was sent.
        const APP_LIMITED = 4;
    }
}

/// One transmission: a range of sequence numbers and the state of delivery when it left.
#[derive(Debug, Clone, Copy)]
struct Record {
    start: SeqNum,
    end: SeqNum,
    sent_at: Instant,
    /// Bytes delivered over the connection's life when this was sent.
    delivered: u64,
    delivered_at: Instant,
    retransmits: u8,
    mark: Mark,
}

impl Record {
    const fn len(&self) -> u32 {
        self.end.distance_from(self.start)
    }
}

/// What an acknowledgement brought.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delivery {
    /// Bytes acknowledged for the first time.
    pub(crate) bytes: u32,
    /// Round-trip time of the newest of them that was sent only once (Karn).
    pub(crate) rtt: Option<Duration>,
    /// The newest of them was sent while the application limited the sender.
    pub(crate) app_limited: bool,
    /// Time over which `bytes` beyond the newest record's own were delivered.
    pub(crate) interval: Duration,
    newest_sent_at: Instant,
}

/// The records of one connection, in sequence order.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    records: VecDeque<Record>,
    /// Bytes in records that are SACKED.
    sacked: u32,
    /// Bytes in records that are LOST.
    lost: u32,
    /// Bytes delivered over the connection's life, and when that last grew.
    delivered: u64,
    delivered_at: Instant,
    /// When the newest delivered record was sent: what was sent well before it and is not
    /// delivered is late (RFC 8985's view of time).
    newest_delivered: Instant,
}

impl Scoreboard {
    pub(crate) const fn sacked(&self) -> u32 {
        self.sacked
    }

    pub(crate) const fn lost(&self) -> u32 {
        self.lost
    }

    pub(crate) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether there are so many records that small segments should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= MAX_RECORDS / 2
    }

    #[cfg(test)]
    pub(crate) fn record_count(&self) -> usize {
        self.records.len()
    }

    /// `start..end` leaves for the first time.
    pub(crate) fn on_sent(&mut self, start: SeqNum, end: SeqNum, app_limited: bool, now: Instant) {
        if self.records.len() >= MAX_RECORDS
            && let Some(last) = self.records.back_mut()
            && last.end == start
            && !last.mark.intersects(Mark::SACKED | Mark::LOST)
        {
            last.end = end;
            // Its round trip is no longer one transmission's.
            last.retransmits = 1;
            return;
        }
        if self.records.is_empty() {
            // The clock of the delivery rate starts anew after an idle time.
            self.delivered_at = now;
        }
        let mark = if app_limited {
            Mark::APP_LIMITED
        } else {
            Mark::empty()
        };
        let (delivered, delivered_at) = (self.delivered, self.delivered_at);
        self.records.push_back(Record {
            start,
            end,
            sent_at: now,
            delivered,
            delivered_at,
            retransmits: 0,
            mark,
        });
    }

    /// The first range considered lost, at most `max` bytes of it.
    pub(crate) fn next_lost(&self, max: u32) -> Option<(SeqNum, SeqNum)> {
        if self.lost == 0 {
            return None;
        }
        let record = self
            .records
            .iter()
            .find(|record| record.mark.contains(Mark::LOST))?;
        Some((record.start, record.start + record.len().min(max)))
    }

    /// `start..end`, the beginning of a lost record, leaves again.
    pub(crate) fn on_retransmit(&mut self, start: SeqNum, end: SeqNum, now: Instant) {
        let Some(index) = self.find(start) else {
            return;
        };
        self.split(index, end);
        let (delivered, delivered_at) = (self.delivered, self.delivered_at);
        let Some(record) = self.records.get_mut(index) else {
            return;
        };
        if record.mark.contains(Mark::LOST) {
            self.lost -= record.len();
        }
        record.mark.remove(Mark::LOST);
        record.retransmits = record.retransmits.saturating_add(1);
        record.sent_at = now;
        record.delivered = delivered;
        record.delivered_at = delivered_at;
    }

    /// Everything before `una` is acknowledged.
    pub(crate) fn acknowledge(&mut self, una: SeqNum, delivery: &mut Delivery, now: Instant) {
        while let Some(front) = self.records.front() {
            if !front.start.before(una) {
                break;
            }
            if una.before(front.end) {
                self.split(0, una);
            }
            let Some(record) = self.records.pop_front() else {
                break;
            };
            if record.mark.contains(Mark::LOST) {
                self.lost -= record.len();
            }
            if record.mark.contains(Mark::SACKED) {
                self.sacked -= record.len();
            } else {
                self.deliver(&record, delivery, now);
            }
        }
    }

    /// A selective acknowledgement of `left..right`, already known to lie in the window.
    pub(crate) fn sack(
        &mut self,
        left: SeqNum,
        right: SeqNum,
        delivery: &mut Delivery,
        now: Instant,
    ) {
        if self.records.len() >= MAX_RECORDS {
            return;
        }
        let mut index = self
            .records
            .partition_point(|record| record.end.at_or_before(left));
        while let Some(&record) = self.records.get(index) {
            if !record.start.before(right) {
                break;
            }
            if record.mark.contains(Mark::SACKED) {
                index += 1;
                continue;
            }
            if record.start.before(left) {
                self.split(index, left);
                index += 1;
                continue;
            }
            if right.before(record.end) {
                self.split(index, right);
            }
            let Some(record) = self.records.get_mut(index) else {
                break;
            };
            if record.mark.contains(Mark::LOST) {
                self.lost -= record.len();
                record.mark.remove(Mark::LOST);
            }
            record.mark.insert(Mark::SACKED);
            let record = *record;
            self.sacked += record.len();
            self.deliver(&record, delivery, now);
            index = self.merge_sacked(index) + 1;
        }
    }

    /// RFC 6675 §4 `IsLost`, and by time for what was sent again: marks what is lost and returns
    /// how many bytes that adds.
    pub(crate) fn mark_lost(&mut self, mss: u32, reordering: Duration) -> u32 {
        let mut sacked_above = 0_u32;
        let mut newly = 0;
        for record in self.records.iter_mut().rev() {
            if record.mark.contains(Mark::SACKED) {
                sacked_above = sacked_above.saturating_add(record.len());
            } else if sacked_above > (DUP_THRESH - 1) * mss && !record.mark.contains(Mark::LOST) {
                let overdue = record.sent_at + reordering < self.newest_delivered;
                if record.retransmits == 0 || overdue {
                    record.mark.insert(Mark::LOST);
                    newly += record.len();
                }
            }
        }
        self.lost += newly;
        newly
    }

    /// The first segment is lost: three duplicate acknowledgements, or a partial one (RFC 6582).
    /// One that was sent again since counts as lost only if `again`.
    pub(crate) fn mark_first_lost(&mut self, mss: u32, again: bool) -> u32 {
        let Some(front) = self.records.front() else {
            return 0;
        };
        if front.mark.intersects(Mark::LOST | Mark::SACKED) || (front.retransmits > 0 && !again) {
            return 0;
        }
        if front.len() > mss {
            let at = front.start + mss;
            self.split(0, at);
        }
        let Some(front) = self.records.front_mut() else {
            return 0;
        };
        front.mark.insert(Mark::LOST);
        self.lost += front.len();
        front.len()
    }

    /// The retransmission timer expired: everything not delivered counts as lost (RFC 6675 §5.1
    /// lets the selective acknowledgements stand).
    pub(crate) fn mark_all_lost(&mut self) -> u32 {
        let mut newly = 0;
        for record in &mut self.records {
            if !record.mark.intersects(Mark::SACKED | Mark::LOST) {
                record.mark.insert(Mark::LOST);
                newly += record.len();
            }
        }
        self.lost += newly;
        newly
    }

    /// The peer no longer has what it acknowledged selectively (RFC 2018 §8 allows that).
    pub(crate) fn forget_sacks(&mut self) {
        for record in &mut self.records {
            record.mark.remove(Mark::SACKED);
        }
        self.sacked = 0;
    }

    pub(crate) fn clear(&mut self) {
        self.records = VecDeque::new();
        (self.sacked, self.lost) = (0, 0);
    }

    fn deliver(&mut self, record: &Record, delivery: &mut Delivery, now: Instant) {
        self.delivered += u64::from(record.len());
        self.delivered_at = now;
        self.newest_delivered = self.newest_delivered.max(record.sent_at);
        delivery.bytes += record.len();
        if record.sent_at >= delivery.newest_sent_at {
            delivery.newest_sent_at = record.sent_at;
            delivery.app_limited = record.mark.contains(Mark::APP_LIMITED);
            delivery.interval = now.saturating_since(record.delivered_at);
            delivery.rtt = (record.retransmits == 0).then(|| now.saturating_since(record.sent_at));
        }
    }

    fn find(&self, start: SeqNum) -> Option<usize> {
        let index = self
            .records
            .partition_point(|record| record.start.before(start));
        self.records
            .get(index)
            .is_some_and(|record| record.start == start)
            .then_some(index)
    }

    /// Cuts the record at `index` in two at `at`, where that lies inside.
    fn split(&mut self, index: usize, at: SeqNum) {
        let Some(record) = self.records.get_mut(index) else {
            return;
        };
        if record.start.before(at) && at.before(record.end) {
            let rest = Record {
                start: at,
                ..*record
            };
            record.end = at;
            self.records.insert(index + 1, rest);
        }
    }

    /// Joins the SACKED record at `index` with SACKED neighbours; where it ended up.
    fn merge_sacked(&mut self, mut index: usize) -> usize {
        let sacked =
            |record: Option<&Record>| record.is_some_and(|r| r.mark.contains(Mark::SACKED));
        if sacked(self.records.get(index + 1))
            && let Some(next) = self.records.remove(index + 1)
            && let Some(record) = self.records.get_mut(index)
        {
            record.end = next.end;
        }
        if index > 0
            && sacked(self.records.get(index - 1))
            && let Some(record) = self.records.remove(index)
        {
            index -= 1;
            if let Some(previous) = self.records.get_mut(index) {
                previous.end = record.end;
            }
        }
        index
    }
}
