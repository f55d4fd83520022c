//! Ranges of the sequence space in order: the index in which loss recovery looks things up.
//!
//! Every operation is a look-up in a balanced tree, O(log n), and what it removes was put in once:
//! a hostile peer can choose the ranges but not make one of them cost more.

use alloc::collections::BTreeMap;
use core::ops::Add;

/// A sequence number without its wrap: bytes since the connection began, so that there is an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(not(test), derive(PartialOrd, Ord))]
pub(crate) struct Position(u64);

impl Position {
    /// Bytes from `earlier` to here; 0 if that is not earlier.
    pub(crate) fn distance_from(self, earlier: Self) -> u32 {
        u32::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(u32::MAX)
    }

    /// The position in front of this one.
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl Add<u32> for Position {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.saturating_add(u64::from(bytes)))
    }
}

/// From the first position to the one behind the last.
pub(crate) type Span = (Position, Position);

/// Disjoint spans with something known of each.
#[derive(Debug)]
pub(crate) struct RangeMap<T> {
    spans: BTreeMap<Position, (Position, T)>,
}

impl<T> Default for RangeMap<T> {
    fn default() -> Self {
        Self {
            spans: BTreeMap::new(),
        }
    }
}

impl<T: Copy> RangeMap<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// How many spans there are.
    pub(crate) fn count(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
    }

    pub(crate) fn first(&self) -> Option<Span> {
        let (&start, &(end, _)) = self.spans.first_key_value()?;
        Some((start, end))
    }

    /// Everything that is known, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Span, T)> {
        self.spans
            .iter()
            .map(|(&start, &(end, value))| ((start, end), value))
    }

    /// The spans from the last to the first.
    pub(crate) fn backwards(&self) -> impl Iterator<Item = Span> {
        self.spans
            .iter()
            .rev()
            .map(|(&start, &(end, _))| (start, end))
    }

    /// The span that holds `at`, and what is known of it.
    pub(crate) fn holding(&self, at: Position) -> Option<(Span, T)> {
        let (&start, &(end, value)) = self.spans.range(..=at).next_back()?;
        (at < end).then_some(((start, end), value))
    }

    /// The first span that begins at or behind `at`.
    fn following(&self, at: Position) -> Option<Span> {
        let (&start, &(end, _)) = self.spans.range(at..).next()?;
        Some((start, end))
    }

    /// The first span within `from..to` that no span covers.
    pub(crate) fn next_gap(&self, mut from: Position, to: Position) -> Option<Span> {
        while from < to {
            if let Some(((_, end), _)) = self.holding(from) {
                from = end;
                continue;
            }
            let end = self.following(from).map_or(to, |(start, _)| start.min(to));
            return Some((from, end));
        }
        None
    }

    /// Puts `value` on `span`, of which nothing was known.
    pub(crate) fn put(&mut self, (start, end): Span, value: T) {
        if start < end {
            self.spans.insert(start, (end, value));
        }
    }

    /// Forgets what is known of `from..to`; calls `removed` with each part, in order.
    pub(crate) fn cut(&mut self, (from, to): Span, mut removed: impl FnMut(Span, T)) {
        if self.spans.is_empty() || from >= to {
            return;
        }
        if let Some(((start, end), value)) = self.holding(from)
            && start < from
        {
            self.spans.insert(start, (from, value));
            self.put((to, end), value);
            removed((from, end.min(to)), value);
        }
        while let Some((&start, _)) = self.spans.range(from..to).next() {
            let Some((end, value)) = self.spans.remove(&start) else {
                return;
            };
            self.put((to, end), value);
            removed((start, end.min(to)), value);
        }
    }

    /// Forgets everything in front of `to`; calls `removed` with each part, in order.
    pub(crate) fn cut_front(&mut self, to: Position, mut removed: impl FnMut(Span, T)) {
        while let Some(entry) = self.spans.first_entry()
            && *entry.key() < to
        {
            let (start, (end, value)) = entry.remove_entry();
            self.put((to, end), value);
            removed((start, end.min(to)), value);
        }
    }

    /// What is known of `from..to`, part by part, in order.
    pub(crate) fn within(&self, from: Position, to: Position) -> impl Iterator<Item = (Span, T)> {
        let valid = from < to;
        let first = self.holding(from);
        let first = first.filter(|&((start, _), _)| valid && start < from);
        let rest = valid.then(|| self.spans.range(from..to));
        let rest = rest.into_iter().flatten();
        let rest = rest.map(|(&start, &(end, value))| ((start, end), value));
        first
            .into_iter()
            .chain(rest)
            .map(move |((start, end), value)| ((start.max(from), end.min(to)), value))
    }
}

/// A set of positions: spans that join where they touch, and how many bytes they are.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    map: RangeMap<()>,
    bytes: u32,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Bytes in all spans together.
    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// How many spans there are.
    pub(crate) fn count(&self) -> usize {
        self.map.count()
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
        self.bytes = 0;
    }

    pub(crate) fn first(&self) -> Option<Span> {
        self.map.first()
    }

    /// The spans from the last to the first.
    pub(crate) fn backwards(&self) -> impl Iterator<Item = Span> {
        self.map.backwards()
    }

    /// The span that holds `at`.
    pub(crate) fn holding(&self, at: Position) -> Option<Span> {
        self.map.holding(at).map(|(span, ())| span)
    }

    /// The first span within `from..to` that is not in the set.
    pub(crate) fn next_gap(&self, from: Position, to: Position) -> Option<Span> {
        self.map.next_gap(from, to)
    }

    /// Whether `span` overlaps or touches one that is there, so that adding it adds no span.
    pub(crate) fn touches(&self, (from, to): Span) -> bool {
        let before = self.map.spans.range(..=to).next_back();
        before.is_some_and(|(_, &(end, ()))| end >= from)
    }

    /// Adds a span; how many bytes were not in the set.
    pub(crate) fn insert(&mut self, (from, to): Span) -> u32 {
        if from >= to {
            return 0;
        }
        let spans = &mut self.map.spans;
        let (mut start, mut old_end) = (from, from);
        // The usual case: the span in front grows.
        if let Some((&before, (end, ()))) = spans.range_mut(..=from).next_back()
            && *end >= from
        {
            if *end >= to {
                return 0;
            }
            (start, old_end) = (before, *end);
            *end = to;
        } else {
            spans.insert(from, (to, ()));
        }
        let mut added = to.distance_from(old_end);
        let mut reach = to;
        while let Some((&next, &(end, ()))) = spans.range(old_end..=to).find(|(at, _)| **at > start)
        {
            added -= end.min(to).distance_from(next.max(old_end));
            reach = reach.max(end);
            spans.remove(&next);
        }
        if reach > to
            && let Some((end, ())) = spans.get_mut(&start)
        {
            *end = reach;
        }
        self.bytes += added;
        added
    }

    /// Takes a span out; how many bytes of it were in the set.
    pub(crate) fn remove(&mut self, span: Span) -> u32 {
        let mut removed = 0;
        self.map
            .cut(span, |(start, end), ()| removed += end.distance_from(start));
        self.bytes -= removed;
        removed
    }

    /// Takes everything in front of `to` out; how many bytes that was.
    pub(crate) fn remove_front(&mut self, to: Position) -> u32 {
        let mut removed = 0;
        self.map
            .cut_front(to, |(start, end), ()| removed += end.distance_from(start));
        self.bytes -= removed;
        removed
    }
}

#[cfg(test)]
pub(super) use counted::comparisons;

/// In tests every comparison is counted: that is what looking things up costs.
#[cfg(test)]
mod counted {
    use super::Position;
    use core::cmp::Ordering;
    use std::cell::Cell;

    std::thread_local! {
        static COMPARISONS: Cell<u64> = const { Cell::new(0) };
    }

    /// How many positions this thread has compared.
    pub(in super::super) fn comparisons() -> u64 {
        COMPARISONS.get()
    }

    impl PartialOrd for Position {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Position {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0.cmp(&other.0)
        }
    }
}
