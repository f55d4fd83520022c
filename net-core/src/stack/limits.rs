//! Limits on what strangers can make the stack do.

use crate::config::Config;
use crate::time::{Duration, Instant};

/// Token buckets for the answers that a stranger's packet can provoke, one for each kind so that
/// one flood does not silence the others.
#[derive(Debug)]
pub(crate) struct AnswerLimits {
    /// ICMP errors (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f)).
    pub(crate) icmp: TokenBucket,
    /// Those of them that say how much fits: Packet Too Big and "fragmentation needed".
    pub(crate) too_big: TokenBucket,
    /// Resets for segments that belong to no connection.
    pub(crate) reset: TokenBucket,
    /// Challenge ACKs (RFC 5961 §7).
    pub(crate) challenge: TokenBucket,
    /// Answers to who asks for the station of an address.
    pub(crate) neighbor: TokenBucket,
    /// ICMP errors that are offered to other shards.
    pub(crate) offer: TokenBucket,
    /// Better first hops told to senders, of which any packet may be the cause (RFC 4861 §8.2).
    pub(crate) redirect: TokenBucket,
}

impl AnswerLimits {
    /// Full buckets.
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let bucket = TokenBucket::new(config.answers_per_second, config.answer_burst, now);
        Self {
            icmp: bucket,
            too_big: bucket,
            reset: bucket,
            challenge: bucket,
            neighbor: bucket,
            offer: bucket,
            redirect: TokenBucket::every(REDIRECT_INTERVAL, REDIRECT_BURST, now),
        }
    }
}

/// Permits that come at a steady rate and may be saved up to a burst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    /// Time that one permit takes to come; zero if there are none.
    interval: Duration,
    burst: u32,
    /// When the bucket would have been full, had nothing been taken since.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let interval = Duration::from_secs(1)
            .checked_div(per_second)
            .unwrap_or(Duration::ZERO);
        Self::every(interval, burst, now)
    }

    /// A full bucket into which a permit comes every `interval`.
    pub(crate) const fn every(interval: Duration, burst: u32, now: Instant) -> Self {
        Self {
            interval,
            burst,
            full_at: now,
        }
    }

    /// Takes one permit; whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.interval.is_zero() || self.burst == 0 {
            return false;
        }
        let full_at = self.full_at.max(now) + self.interval;
        let granted = full_at.saturating_since(now) <= self.interval.saturating_mul(self.burst);
        if granted {
            self.full_at = full_at;
        }
        granted
    }
}

/// The bytes of memory that all queues together hold alive, against the stack's limit.
#[derive(Debug)]
pub(crate) struct Budget {
    used: usize,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    /// Takes `bytes` if they are there; whether they were.
    pub(crate) fn try_charge(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left();
        if fits {
            self.used += bytes;
        }
        fits
    }

    /// A part of what is in use changes from `charged` to `bytes`.
    pub(crate) const fn recharge(&mut self, charged: &mut usize, bytes: usize) {
        self.used = (self.used + bytes).saturating_sub(*charged);
        *charged = bytes;
    }

    /// Whether half of it is in use.
    pub(crate) const fn is_tight(&self) -> bool {
        self.used >= self.limit / 2
    }

    /// Bytes that are there.
    pub(crate) const fn left(&self) -> usize {
        self.limit.saturating_sub(self.used)
    }

    /// Gives `bytes` back.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Whether nothing more is to be promised to anyone.
    pub(crate) const fn is_spent(&self) -> bool {
        self.used >= self.limit
    }

    /// Bytes in use.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }
}

/// Time between two redirects, of which so many may come at once.
const REDIRECT_INTERVAL: Duration = Duration::from_millis(100);
const REDIRECT_BURST: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::new(1000, 3, Instant::ZERO);
        let now = Instant::from_millis(5);
        assert_eq!((0..9).filter(|_| bucket.take(now)).count(), 3);
        let later = now + Duration::from_millis(2);
        assert_eq!((0..9).filter(|_| bucket.take(later)).count(), 2);
        let much_later = now + Duration::from_secs(9);
        assert_eq!((0..9).filter(|_| bucket.take(much_later)).count(), 3);
    }

    #[test]
    fn a_bucket_without_rate_or_burst_gives_nothing() {
        assert!(!TokenBucket::new(0, 5, Instant::ZERO).take(Instant::from_millis(9)));
        assert!(!TokenBucket::new(5, 0, Instant::ZERO).take(Instant::from_millis(9)));
    }

    #[test]
    fn a_budget_never_exceeds_its_limit() {
        let mut budget = Budget::new(10);
        assert!(budget.try_charge(7));
        assert!(!budget.try_charge(4));
        budget.release(7);
        assert!(budget.try_charge(10));
        assert_eq!(budget.used(), 10);
    }
}
