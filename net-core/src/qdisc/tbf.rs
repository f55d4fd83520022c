//! A rate with bursts: the token bucket filter, `tbf`.

use super::units::{Size, Time};
use super::{AnyQdisc, Dropped, Fifo, Qdisc, QdiscStats, Queued, Rate};
use crate::stats::DropReason;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use core::fmt;

/// How a [`Tbf`] limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TbfConfig {
    /// The rate in the long run; at least 1 byte a second.
    pub rate: Rate,
    /// Bytes that may leave at once after a pause; a larger packet never fits and is dropped.
    pub burst: u32,
    /// A limit of the rate also within a burst, with the bytes that may leave at once (`mtu` or
    /// `minburst`).
    pub peak: Option<(Rate, u32)>,
    /// Bytes that may wait, where no other discipline is inside.
    pub limit: u64,
}

impl TbfConfig {
    /// A rate and a burst, with room for what leaves in 50 ms beyond the burst.
    #[must_use]
    pub const fn new(rate: Rate, burst: u32) -> Self {
        Self {
            rate,
            burst,
            peak: None,
            limit: rate.bytes() / 20 + burst as u64,
        }
    }
}

/// Lets packets of another discipline leave at a rate.
///
/// Tokens are counted in billionths of a byte, so a nanosecond at any whole rate is a whole number
/// of them and nothing is ever rounded: over any time, no more than `burst + rate × time` leaves, and
/// no less where packets wait.
#[derive(Debug)]
pub struct Tbf {
    config: TbfConfig,
    bucket: Bucket,
    peak: Option<Bucket>,
    inner: Box<AnyQdisc>,
    /// Taken out of `inner`, it waits for its tokens.
    head: Option<Queued>,
    /// When `head` has its tokens.
    ready_at: Instant,
    stats: QdiscStats,
}

impl Tbf {
    /// A filter in front of a queue of [`TbfConfig::limit`] bytes, its buckets full at `now`.
    #[must_use]
    pub fn new(config: TbfConfig, now: Instant) -> Self {
        Self::around(config, Fifo::bytes(config.limit), now)
    }

    /// A filter in front of another discipline, which has its own limit.
    #[must_use]
    pub fn around(config: TbfConfig, inner: impl Into<AnyQdisc>, now: Instant) -> Self {
        Self {
            bucket: Bucket::new(config.rate, config.burst, now),
            peak: config
                .peak
                .map(|(rate, burst)| Bucket::new(rate, burst, now)),
            config,
            inner: Box::new(inner.into()),
            head: None,
            ready_at: Instant::ZERO,
            stats: QdiscStats::default(),
        }
    }

    /// The discipline inside.
    #[must_use]
    pub const fn inner(&self) -> &AnyQdisc {
        &self.inner
    }

    /// Whether a packet can ever have its tokens.
    fn fits(&self, len: u32) -> bool {
        len <= self.config.burst && self.config.peak.is_none_or(|(_, burst)| len <= burst)
    }

    /// How long `len` bytes have to wait for their tokens.
    fn wait_for(&mut self, len: u32, now: Instant) -> Duration {
        let peak = self.peak.as_mut().map(|bucket| bucket.wait_for(len, now));
        self.bucket
            .wait_for(len, now)
            .max(peak.unwrap_or(Duration::ZERO))
    }

    fn count_drops(&mut self, before: usize, dropped: &Dropped) {
        self.stats.dropped += (dropped.len() - before) as u64;
    }
}

impl Qdisc for Tbf {
    fn kind(&self) -> &'static str {
        "tbf"
    }

    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        let before = dropped.len();
        if self.fits(packet.wire_len) {
            self.inner.enqueue(packet, dropped, now);
        } else {
            dropped.push(packet, DropReason::TooBig);
        }
        self.count_drops(before, dropped);
    }

    fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        let before = dropped.len();
        let head = self
            .head
            .take()
            .or_else(|| self.inner.dequeue(dropped, now));
        self.count_drops(before, dropped);
        let head = head?;
        let wait = self.wait_for(head.wire_len, now);
        if !wait.is_zero() {
            self.stats.overlimits += 1;
            self.ready_at = now + wait;
            self.head = Some(head);
            return None;
        }
        self.bucket.take(head.wire_len);
        if let Some(peak) = &mut self.peak {
            peak.take(head.wire_len);
        }
        let packets = u64::from(head.segments());
        self.stats.on_passed(u64::from(head.wire_len), packets);
        Some(head)
    }

    fn next_departure(&self) -> Option<Instant> {
        match self.head {
            Some(_) => Some(self.ready_at),
            None => self.inner.next_departure(),
        }
    }

    fn evict(&mut self) -> Option<Queued> {
        self.head.take().or_else(|| self.inner.evict())
    }

    fn stats(&self) -> QdiscStats {
        let inner = self.inner.stats();
        let head = self.head.as_ref().map_or(0, |head| head.wire_len);
        QdiscStats {
            backlog_bytes: inner.backlog_bytes + u64::from(head),
            backlog_packets: inner.backlog_packets + u64::from(self.head.is_some()),
            ..self.stats
        }
    }

    fn len(&self) -> usize {
        self.inner.len() + usize::from(self.head.is_some())
    }

    fn limit(&self) -> Option<usize> {
        self.inner.limit()
    }

    fn splits(&self) -> bool {
        true
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.details(f)
    }
}

impl fmt::Display for Tbf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TbfConfig {
            rate,
            burst,
            peak,
            limit,
        } = self.config;
        write!(f, "rate {rate} burst {}", Size(burst.into()))?;
        if let Some((rate, burst)) = peak {
            write!(f, " peakrate {rate} minburst {}", Size(burst.into()))?;
        }
        let beyond = limit.saturating_sub(burst.into());
        match rate.time_for(beyond) {
            Some(latency) => write!(f, " lat {}", Time(latency)),
            None => write!(f, " limit {}", Size(limit)),
        }
    }
}

/// Tokens that come at a rate, up to a burst.
#[derive(Debug)]
struct Bucket {
    rate: u64,
    /// In billionths of a byte, as `tokens`.
    burst: u128,
    tokens: u128,
    filled_at: Instant,
}

impl Bucket {
    fn new(rate: Rate, burst: u32, now: Instant) -> Self {
        let burst = u128::from(burst) * UNIT;
        Self {
            rate: rate.bytes().max(1),
            burst,
            tokens: burst,
            filled_at: now,
        }
    }

    fn wait_for(&mut self, len: u32, now: Instant) -> Duration {
        let elapsed = now.saturating_since(self.filled_at).as_nanos();
        let gained = elapsed.saturating_mul(u128::from(self.rate));
        self.tokens = self.tokens.saturating_add(gained).min(self.burst);
        self.filled_at = self.filled_at.max(now);
        let missing = (u128::from(len) * UNIT).saturating_sub(self.tokens);
        let nanos = missing.div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn take(&mut self, len: u32) {
        self.tokens = self.tokens.saturating_sub(u128::from(len) * UNIT);
    }
}

/// Tokens of one byte: a byte a second gives one token a nanosecond.
const UNIT: u128 = 1_000_000_000;
