//! Protection against wrapped sequence numbers (RFC 7323 §5).

use crate::time::{Duration, Instant};

/// The timestamp that no acceptable segment is older than (§5.3 R1).
///
/// That is TS.Recent; but while something is missing, it is what TS.Recent was at least 125 ms ago.
/// What is sent again and fills a hole carries a new timestamp, and what was sent just before it and is
/// late by reordering would be taken for an old duplicate: each of the two would lead to more of the
/// other. Linux compares with TS.Recent and pays with those retransmissions. §5.3 wants old duplicates
/// out from before the sequence numbers wrapped: what passes here is at most 250 ms old, in which they
/// wrap at 137 Gbit/s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paws {
    floor: u32,
    /// What TS.Recent was at `since`: the next floor.
    next: u32,
    since: Instant,
}

impl Paws {
    /// TS.Recent is `recent`.
    pub(crate) const fn new(recent: u32, now: Instant) -> Self {
        Self {
            floor: recent,
            next: recent,
            since: now,
        }
    }

    /// TS.Recent has become `recent`; `whole`: nothing is missing.
    pub(crate) fn advance(&mut self, recent: u32, whole: bool, now: Instant) {
        if whole {
            *self = Self::new(recent, now);
        } else if now.saturating_since(self.since) >= STEP {
            (self.floor, self.next, self.since) = (self.next, recent, now);
        }
    }

    /// Whether a segment with this timestamp is an old duplicate.
    pub(crate) const fn refuses(&self, value: u32) -> bool {
        value.wrapping_sub(self.floor).cast_signed() < 0
    }
}

/// Time between two floors while something is missing.
const STEP: Duration = Duration::from_millis(125);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_follows_at_once_where_nothing_is_missing() {
        let mut paws = Paws::new(5, Instant::ZERO);
        paws.advance(9, true, Instant::ZERO);
        assert!(paws.refuses(8) && !paws.refuses(9));
    }

    #[test]
    fn the_floor_lags_while_something_is_missing_but_not_for_ever() {
        let ms = Instant::from_millis;
        let mut paws = Paws::new(100, ms(0));
        for time in 1..=125 {
            paws.advance(100 + time, false, ms(time.into()));
            assert!(paws.refuses(99) && !paws.refuses(100));
        }
        paws.advance(350, false, ms(250));
        assert!(paws.refuses(224) && !paws.refuses(225));
    }
}
