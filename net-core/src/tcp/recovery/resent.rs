//! What was sent more than once: the latest transmission of each range, and their order in time.

use super::ranges::{Position, RangeMap, Ranges, Span};
use super::sack::is_full;
use super::sent::Transmission;
use crate::time::Instant;
use alloc::collections::VecDeque;

/// Ranges whose latest retransmission one connection remembers, whatever is outstanding. Past it only what
/// was sent again before, and the first segment, is sent again, until some is acknowledged.
const MAX_RESENT: usize = 8192;

/// Entries of the queue that may be stale beside as many as there are ranges.
const MAX_STALE: usize = 64;

/// The latest transmission of ranges that were sent more than once.
#[derive(Debug, Default)]
pub(crate) struct Resent {
    ranges: RangeMap<Transmission>,
    /// What left when, oldest first. Entries of what was acknowledged, lost or sent again since are
    /// stale; they go when their turn comes.
    queue: VecDeque<(Instant, Span)>,
}

impl Resent {
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether no more ranges should be added for now, with so many bytes outstanding.
    pub(crate) fn is_full(&self, outstanding: u32) -> bool {
        is_full(self.count(), MAX_RESENT, outstanding)
    }

    /// How many ranges there are.
    pub(crate) fn count(&self) -> usize {
        self.ranges.count()
    }

    /// Bytes in them.
    pub(crate) fn bytes(&self) -> u32 {
        let spans = self.ranges.all().map(|(span, _)| span);
        spans.map(|(start, end)| end.distance_from(start)).sum()
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.queue.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
        self.queue.clear();
    }

    /// Whether the byte at `at` was sent more than once.
    pub(crate) fn holds(&self, at: Position) -> bool {
        self.ranges.holding(at).is_some()
    }

    /// When the byte at `at` last left again, and how many bytes from there on did with it.
    pub(crate) fn at(&self, at: Position) -> Option<(Instant, u32)> {
        let ((_, end), transmission) = self.ranges.holding(at)?;
        Some((transmission.sent_at, end.distance_from(at)))
    }

    /// The first part of `from..to` that was sent once.
    pub(crate) fn next_gap(&self, from: Position, to: Position) -> Option<Span> {
        self.ranges.next_gap(from, to)
    }

    /// `span` leaves again.
    pub(crate) fn on_sent(&mut self, span: Span, transmission: Transmission) {
        self.ranges.cut(span, |_, _| {});
        self.ranges.put(span, transmission);
        self.queue.push_back((transmission.sent_at, span));
        if self.queue.len() > 2 * self.ranges.count() + MAX_STALE {
            let ranges = &self.ranges;
            self.queue
                .retain(|&(sent_at, span)| parts(ranges, sent_at, span).next().is_some());
        }
    }

    /// Nothing is lost any more: everything takes its place in the order of time again.
    pub(crate) fn requeue(&mut self) {
        self.queue.clear();
        let ranges = self.ranges.all();
        self.queue
            .extend(ranges.map(|(span, transmission)| (transmission.sent_at, span)));
        self.queue.make_contiguous().sort_unstable();
    }

    /// `span` has arrived; calls `each` with its parts that were sent more than once, in order.
    pub(crate) fn take(&mut self, span: Span, mut each: impl FnMut(Span, &Transmission)) {
        self.ranges
            .cut(span, |part, transmission| each(part, &transmission));
    }

    /// Everything in front of `to` has arrived.
    pub(crate) fn take_front(&mut self, to: Position) {
        self.ranges.cut_front(to, |_, _| {});
        if self.ranges.is_empty() {
            self.queue.clear();
            self.queue.shrink_to(MAX_RESENT);
        }
    }

    /// The retransmission that left first, of those of which something is neither acknowledged nor
    /// `lost`; its range from there on.
    pub(crate) fn oldest(&mut self, lost: &Ranges) -> Option<(Instant, Span)> {
        while let Some((sent_at, span)) = self.queue.front_mut() {
            let mut parts = parts(&self.ranges, *sent_at, *span);
            if let Some(alive) = parts.find_map(|(start, end)| lost.next_gap(start, end)) {
                // What lies in front of it is not looked at again.
                span.0 = alive.0;
                return Some((*sent_at, *span));
            }
            self.queue.pop_front();
        }
        None
    }

    /// What remains of the retransmission of `span` at `sent_at` is lost; how many bytes that adds
    /// to `lost`.
    pub(crate) fn lose(&self, (sent_at, span): (Instant, Span), lost: &mut Ranges) -> u32 {
        parts(&self.ranges, sent_at, span)
            .map(|part| lost.insert(part))
            .sum()
    }
}

/// The parts of `span` whose latest transmission is that of `sent_at`.
fn parts(
    ranges: &RangeMap<Transmission>,
    sent_at: Instant,
    (start, end): Span,
) -> impl Iterator<Item = Span> {
    ranges
        .within(start, end)
        .filter(move |(_, transmission)| transmission.sent_at == sent_at)
        .map(|(part, _)| part)
}
