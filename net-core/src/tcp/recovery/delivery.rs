//! What one acknowledgement brought.

use super::ranges::Position;
use super::sent::Transmission;
use crate::must::must;
use crate::time::{Duration, Instant};

/// What one acknowledgement told of our transmissions, gathered while the scoreboard takes it in.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) now: Instant,
    /// Bytes acknowledged for the first time, cumulatively or selectively.
    pub(crate) bytes: u32,
    /// Some of them were sent once.
    pub(crate) original: bool,
    /// Of some of them it is not known which of several transmissions arrived.
    pub(crate) ambiguous: bool,
    /// Some of them were sent once and lie in front of others that had arrived before (RFC 8985
    /// §6.2 step 3).
    pub(crate) reordered: bool,
    /// When the first of those that were sent once left.
    oldest: Option<Instant>,
    /// The newest transmission, and whether it was not the first of its range.
    newest: Option<(Transmission, Position, bool)>,
    /// The newest transmission that proves when it arrived: when it left, and its end.
    proven: Option<(Instant, Position)>,
    /// How to tell an ACK of a retransmission from one of what was sent first.
    test: RetransmissionTest,
}

/// RFC 8985 §6.2 step 2: whether an ACK can be that of a retransmission.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RetransmissionTest {
    /// The timestamp that the ACK echoes, on the clock of our timestamps without its offset.
    pub(crate) echo: Option<u32>,
    /// No round trip is shorter, in ns.
    pub(crate) rtt_min: u64,
}

impl Delivery {
    pub(crate) fn new(test: RetransmissionTest, now: Instant) -> Self {
        Self {
            now,
            bytes: 0,
            original: false,
            ambiguous: false,
            reordered: false,
            oldest: None,
            newest: None,
            proven: None,
            test,
        }
    }

    /// A range up to `end` has arrived that was sent once: `first` and `last` are the transmissions
    /// of its ends.
    pub(super) fn on_original(&mut self, first: &Transmission, last: &Transmission, end: Position) {
        if first.joined {
            self.ambiguous = true;
        } else {
            self.original = true;
        }
        let oldest = self.oldest.get_or_insert(first.sent_at);
        *oldest = first.sent_at.min(*oldest);
        self.proven = self.proven.max(Some((last.sent_at, end)));
        self.consider(last, end, last.joined);
    }

    /// A range up to `end` has arrived that was sent again by `transmission`.
    pub(super) fn on_retransmitted(&mut self, transmission: &Transmission, end: Position) {
        if !must("9293 MUST-18") {
            return self.on_original(transmission, transmission, end);
        }
        self.ambiguous = true;
        if self.test.passes(transmission.sent_at, self.now) {
            self.proven = self.proven.max(Some((transmission.sent_at, end)));
        }
        self.consider(transmission, end, true);
    }

    fn consider(&mut self, transmission: &Transmission, end: Position, again: bool) {
        let newer = self
            .newest
            .is_none_or(|(known, at, _)| (known.sent_at, at) <= (transmission.sent_at, end));
        if newer {
            self.newest = Some((*transmission, end, again));
        }
    }

    /// The newest transmission that arrived.
    pub(crate) fn newest(&self) -> Option<&Transmission> {
        self.newest.as_ref().map(|(transmission, ..)| transmission)
    }

    /// When the newest transmission left of which it is known that it arrived, and its end.
    pub(crate) const fn proven(&self) -> Option<(Instant, Position)> {
        self.proven
    }

    /// The round-trip time as the retransmission timer wants it: of the oldest transmission, the
    /// peer's delay of its ACK included; none if any of the data was sent twice (RFC 6298 §3).
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let oldest = self.oldest.filter(|_| !self.ambiguous)?;
        Some(self.now.saturating_since(oldest))
    }

    /// The round-trip time as congestion control wants it: of the newest transmission.
    pub(crate) fn latest_round_trip(&self) -> Option<Duration> {
        let (transmission, _, again) = self.newest.as_ref()?;
        (!again).then(|| self.now.saturating_since(transmission.sent_at))
    }
}

impl RetransmissionTest {
    /// Whether an ACK that arrives `now` can be that of a retransmission at `sent_at`.
    fn passes(&self, sent_at: Instant, now: Instant) -> bool {
        let echoed = self.echo.is_none_or(|echo| {
            #[expect(clippy::cast_possible_truncation, reason = "RFC 7323's clock wraps")]
            let stamp = sent_at.as_millis() as u32;
            echo.wrapping_sub(stamp).cast_signed() >= 0
        });
        echoed && now.nanos_since(sent_at) >= self.rtt_min
    }
}
