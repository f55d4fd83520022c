//! What a link does to packets: rate, delay, loss and the rest, for one direction.

use net_core::seed::Rng;
use net_core::time::{Duration, Instant};
use std::collections::VecDeque;

/// One direction of a link: how packets that one end sends reach the other.
///
/// The default is perfect: as fast as memory, without delay or loss, MTU 1500. A link without a
/// rate makes its sender wait where it has no room; one with a rate drops.
///
/// ```
/// use net_core::time::Duration;
/// use net_tokio::device::LinkConfig;
/// let dsl = LinkConfig {
///     rate_bps: Some(16_000_000),
///     delay: Duration::from_millis(10),
///     loss_ppm: 5_000, // 0.5 %
///     ..LinkConfig::default()
/// };
/// assert!(dsl.impairs());
/// assert!(!LinkConfig::default().impairs());
/// ```
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Bits per second of whole IP packets; `None` (or 0) is as fast as memory.
    pub rate_bps: Option<u64>,
    /// Time from the departure of the last bit to its arrival.
    pub delay: Duration,
    /// Up to this much is added to the delay of each packet, at random; order is kept.
    pub jitter: Duration,
    /// Packets lost, per million.
    pub loss_ppm: u32,
    /// Bytes that may wait for their turn on a link with a rate; what comes on top is dropped. One
    /// packet always finds room. 256 KiB.
    pub queue_bytes: usize,
    /// Packets that arrive twice, per million.
    pub duplicate_ppm: u32,
    /// Packets that later ones overtake, per million: they take half the delay longer, at least
    /// 1 ms.
    pub reorder_ppm: u32,
    /// Packets that arrive with one bit flipped, per million.
    pub corrupt_ppm: u32,
    /// Largest packet in bytes, 576–65535; larger ones are dropped. 1500.
    pub mtu: u16,
    /// Super-segments and checksums that are not computed may be handed over. They cross a perfect
    /// link as they are; a link that impairs cuts them first, so that rate and loss see packets
    /// of the MTU.
    pub offload: bool,
}

impl LinkConfig {
    /// Whether packets arrive otherwise than they were sent, or later.
    #[must_use]
    pub fn impairs(&self) -> bool {
        self.rate().is_some()
            || self.delay > Duration::ZERO
            || self.jitter > Duration::ZERO
            || [
                self.loss_ppm,
                self.duplicate_ppm,
                self.reorder_ppm,
                self.corrupt_ppm,
            ]
            .iter()
            .any(|&share| share > 0)
    }

    /// Bits per second, if that is limited at all.
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate_bps.filter(|&rate| rate > 0)
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate_bps: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss_ppm: 0,
            queue_bytes: 256 * 1024,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            corrupt_ppm: 0,
            mtu: 1500,
            offload: false,
        }
    }
}

/// Decides the fate of each packet of one direction.
#[derive(Debug)]
pub(super) struct Impairment {
    config: LinkConfig,
    rng: Rng,
    queue: SerialQueue,
    last_arrival: Instant,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives, possibly twice.
    Arrives {
        at: Instant,
        again: Option<Instant>,
        /// A bit to flip, as a random number to be reduced to the packet's length.
        flip: Option<u64>,
        overtaken: bool,
    },
    /// The queue in front of the link has no room.
    QueueFull,
    /// The link loses it.
    Lost,
}

impl Impairment {
    pub(super) fn new(config: LinkConfig, rng: Rng) -> Self {
        Self {
            config,
            rng,
            queue: SerialQueue::default(),
            last_arrival: Instant::ZERO,
        }
    }

    /// Takes a packet of `len` bytes onto the link. What is lost has used its rate all the same.
    pub(super) fn admit(&mut self, len: usize, now: Instant) -> Fate {
        let departure = match self.config.rate() {
            None => now,
            Some(rate) => match self.queue.enter(len, self.config.queue_bytes, rate, now) {
                Some(departure) => departure,
                None => return Fate::QueueFull,
            },
        };
        if self.happens(self.config.loss_ppm) {
            return Fate::Lost;
        }
        let overtaken = self.happens(self.config.reorder_ppm);
        let at = self.arrival(departure, overtaken);
        let again = self
            .happens(self.config.duplicate_ppm)
            .then(|| self.arrival(departure, false));
        let flip = self
            .happens(self.config.corrupt_ppm)
            .then(|| self.rng.next_u64());
        Fate::Arrives {
            at,
            again,
            flip,
            overtaken,
        }
    }

    fn arrival(&mut self, departure: Instant, overtaken: bool) -> Instant {
        let at = departure + self.config.delay + self.jitter();
        if overtaken {
            return at.max(self.last_arrival) + (self.config.delay / 2).max(OVERTAKEN_MIN);
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }

    fn jitter(&mut self) -> Duration {
        let most = u64::try_from(self.config.jitter.as_nanos()).unwrap_or(u64::MAX);
        if most == 0 {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.rng.below(most.saturating_add(1)))
    }

    fn happens(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.rng.below(1_000_000) < u64::from(per_million)
    }
}

/// A drop-tail queue in front of a serial line, computed without being simulated: a packet's
/// departure is known when it enters.
#[derive(Debug, Default)]
struct SerialQueue {
    waiting: VecDeque<(Instant, usize)>,
    waiting_bytes: usize,
    free_at: Instant,
    /// Bit-nanoseconds by which the line is later than `free_at`; below the rate.
    remainder: u128,
}

impl SerialQueue {
    /// When the last bit of the packet leaves, or `None` if there is no room for it.
    fn enter(&mut self, len: usize, room: usize, rate: u64, now: Instant) -> Option<Instant> {
        while let Some(&(departure, len)) = self.waiting.front()
            && departure <= now
        {
            self.waiting.pop_front();
            self.waiting_bytes -= len;
        }
        if self.waiting_bytes > 0 && self.waiting_bytes + len > room {
            return None;
        }
        if self.free_at < now {
            self.free_at = now;
            self.remainder = 0;
        }
        let bits = len as u128 * 8 * 1_000_000_000 + self.remainder;
        self.remainder = bits % u128::from(rate);
        let nanos = u64::try_from(bits / u128::from(rate)).unwrap_or(u64::MAX);
        self.free_at += Duration::from_nanos(nanos);
        self.waiting.push_back((self.free_at, len));
        self.waiting_bytes += len;
        Some(self.free_at)
    }
}

const OVERTAKEN_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use net_core::Seed;

    fn link(config: LinkConfig) -> Impairment {
        Impairment::new(config, Seed::from_u64(7).rng("link"))
    }

    fn arrival(fate: Fate) -> Instant {
        let Fate::Arrives { at, .. } = fate else {
            panic!("{fate:?}");
        };
        at
    }

    #[test]
    fn departures_follow_the_rate_to_the_nanosecond() {
        // 1500 bytes at 7 Mbit/s take 1,714,285.71… ns; the fraction must not be lost.
        let mut link = link(LinkConfig {
            rate_bps: Some(7_000_000),
            queue_bytes: usize::MAX,
            ..LinkConfig::default()
        });
        for number in 1..=1000u64 {
            let exact = number * 12_000 * 1_000_000_000 / 7_000_000;
            assert_eq!(
                arrival(link.admit(1500, Instant::ZERO)),
                Instant::from_nanos(exact)
            );
        }
    }

    #[test]
    fn an_idle_line_begins_anew() {
        let mut link = link(LinkConfig {
            rate_bps: Some(8_000_000),
            delay: Duration::from_millis(5),
            ..LinkConfig::default()
        });
        let at = |now: u64| Instant::from_micros(now + 1_000 + 5_000);
        assert_eq!(arrival(link.admit(1000, Instant::ZERO)), at(0));
        let later = Instant::from_micros(70_000);
        assert_eq!(arrival(link.admit(1000, later)), at(70_000));
    }

    #[test]
    fn a_full_queue_drops_at_the_tail() {
        let mut link = link(LinkConfig {
            rate_bps: Some(8_000_000),
            queue_bytes: 3000,
            ..LinkConfig::default()
        });
        let fates: Vec<_> = (0..4).map(|_| link.admit(1000, Instant::ZERO)).collect();
        assert_eq!(fates[3], Fate::QueueFull);
        assert!(!fates[..3].contains(&Fate::QueueFull));
        let after_one = Instant::from_micros(1_000);
        assert_ne!(link.admit(1000, after_one), Fate::QueueFull);
        assert_eq!(link.admit(1000, after_one), Fate::QueueFull);
    }

    #[test]
    fn jitter_keeps_the_order() {
        let mut link = link(LinkConfig {
            delay: Duration::from_millis(3),
            jitter: Duration::from_millis(2),
            ..LinkConfig::default()
        });
        let mut last = Instant::ZERO;
        for number in 0..1000 {
            let now = Instant::from_micros(number * 10);
            let at = arrival(link.admit(100, now));
            assert!(at >= last && at <= now.max(last) + Duration::from_millis(5));
            last = at;
        }
    }

    #[test]
    fn shares_are_met_in_the_long_run() {
        let mut link = link(LinkConfig {
            loss_ppm: 100_000,
            duplicate_ppm: 200_000,
            reorder_ppm: 50_000,
            corrupt_ppm: 10_000,
            ..LinkConfig::default()
        });
        let (mut lost, mut twice, mut late, mut corrupt) = (0, 0, 0, 0);
        for number in 0..100_000 {
            match link.admit(100, Instant::from_micros(number)) {
                Fate::Lost => lost += 1,
                Fate::QueueFull => panic!("there is no queue without a rate"),
                Fate::Arrives {
                    again,
                    flip,
                    overtaken,
                    ..
                } => {
                    twice += u32::from(again.is_some());
                    corrupt += u32::from(flip.is_some());
                    late += u32::from(overtaken);
                }
            }
        }
        assert!((9_500..10_500).contains(&lost), "{lost}");
        assert!((17_200..18_800).contains(&twice), "{twice}");
        assert!((4_200..4_800).contains(&late), "{late}");
        assert!((750..1_050).contains(&corrupt), "{corrupt}");
    }
}
