//! What holds one queue short: CoDel (RFC 8289) for flows that listen, and BLUE, which drops at random,
//! for those that do not. The two together are called COBALT.

use super::super::Queued;
use super::super::codel::mark;
use crate::seed::Rng;
use crate::time::{Duration, Instant};

/// What the queues of a tin are held to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The wait that a standing queue may cost.
    pub(super) target: Duration,
    /// How long the wait must stay above that before the first signal.
    pub(super) interval: Duration,
    /// What a packet of full size takes at the tin's rate.
    pub(super) packet_time: Duration,
}

impl Limits {
    /// Those for a rate: at a low one, a queue cannot be shorter than a packet and a half.
    pub(super) fn new(target: Duration, rtt: Duration, packet_time: Duration) -> Self {
        let fitted = target.max(packet_time * 3 / 2);
        Self {
            target: fitted,
            interval: (rtt + (fitted - target)).max(fitted * 2),
            packet_time,
        }
    }

    /// `interval / sqrt(count)` after `from`, in whole nanoseconds (RFC 8289 §5.2).
    fn after(&self, from: Instant, count: u32) -> Instant {
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let squared = u128::from(interval) * u128::from(interval) / u128::from(count.max(1));
        from.plus_nanos(u64::try_from(squared.isqrt()).unwrap_or(u64::MAX))
    }
}

/// The state of one queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cobalt {
    /// How fast signals follow each other; it falls slowly once the wait is short.
    count: u32,
    /// When the next signal, or the next fall, is due. Without a count, nothing is.
    next: Instant,
    /// The wait is above the target.
    late: bool,
    /// BLUE: of 2³² packets, how many are dropped.
    share: u32,
    /// When that changed last.
    changed: Instant,
    /// When the queue was found empty, if it still is.
    emptied: Option<Instant>,
}

/// What is to become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It leaves as it is.
    Pass,
    /// It leaves, and says that there was congestion.
    Marked,
    /// It is dropped.
    Drop,
}

impl Cobalt {
    /// Whether it drops at random.
    pub(super) const fn is_blue(&self) -> bool {
        self.share > 0
    }

    /// Judges the packet that is about to leave, and marks it if that is enough.
    pub(super) fn judge(
        &mut self,
        limits: &Limits,
        packet: &mut Queued,
        rng: &mut Rng,
        now: Instant,
    ) -> Verdict {
        let due = self.count > 0 && now >= self.next;
        let waited = now.saturating_since(packet.since);
        let late = waited > limits.target && waited > limits.packet_time * 4;
        if late && !self.late {
            self.next = limits.after(now, self.count);
        }
        self.late = late;
        let mut verdict = Verdict::Pass;
        if late {
            self.count = self.count.max(1);
            if due {
                verdict = self.signal(limits, packet, now);
            }
        } else if due {
            self.fall(limits, now);
        }
        if self.share > 0 && rng.next_u32() < self.share {
            verdict = Verdict::Drop;
        }
        verdict
    }

    /// A signal is due.
    fn signal(&mut self, limits: &Limits, packet: &mut Queued, now: Instant) -> Verdict {
        self.count = self.count.saturating_add(1);
        self.next = limits.after(self.next, self.count);
        if mark(packet) {
            // One mark says as much as many.
            self.next = self.next.max(now);
            return Verdict::Marked;
        }
        Verdict::Drop
    }

    /// A packet of the queue had to go since there was no room.
    pub(super) fn on_overflow(&mut self, limits: &Limits, now: Instant) {
        if now.saturating_since(self.changed) > limits.target {
            self.share = self.share.saturating_add(SHARE_UP);
            self.changed = now;
        }
        self.late = true;
        self.next = now;
        self.count = self.count.max(1);
    }

    /// The queue was found empty.
    pub(super) fn on_emptied(&mut self, limits: &Limits, now: Instant) {
        self.late = false;
        self.emptied = Some(now);
        if now.saturating_since(self.changed) > limits.target {
            self.lower_share(1, now);
        }
        if self.count > 0 && now >= self.next {
            self.count -= 1;
            self.next = limits.after(self.next, self.count);
        }
    }

    /// The queue had been empty, and is no more.
    pub(super) fn on_awake(&mut self, limits: &Limits, now: Instant) {
        if let Some(emptied) = self.emptied.take() {
            let idle = now.saturating_since(emptied.max(self.changed));
            let steps = idle.as_nanos() / limits.target.as_nanos().max(1);
            self.lower_share(u32::try_from(steps).unwrap_or(u32::MAX), now);
        }
        if self.count > 0 && now >= self.next {
            self.fall(limits, now);
        }
    }

    /// Lowers the count by one for each time that was due.
    fn fall(&mut self, limits: &Limits, now: Instant) {
        // All falls take 2 interval × sqrt(count).
        let root = self.count.isqrt() + 1;
        if now.saturating_since(self.next) >= limits.interval * 2 * root {
            self.count = 0;
        }
        let mut budget = FALLS;
        while self.count > 0 && now >= self.next && budget > 0 {
            self.count -= 1;
            self.next = limits.after(self.next, self.count);
            budget -= 1;
        }
    }

    /// Lowers BLUE's share: once where the queue is found empty, and once for each target's time for which
    /// it stays so. While packets wait it stays, since they may be so few only because of it.
    fn lower_share(&mut self, steps: u32, now: Instant) {
        if self.share > 0 && steps > 0 {
            self.share = self.share.saturating_sub(SHARE_DOWN.saturating_mul(steps));
            self.changed = now;
        }
    }
}

/// 1/256.
const SHARE_UP: u32 = 1 << 24;
/// 1/4096.
const SHARE_DOWN: u32 = 1 << 20;
/// By how much the count falls at most for one packet.
const FALLS: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// However long packets waited without an overflow before: that may be BLUE's doing.
    #[test]
    fn blues_share_falls_only_while_the_queue_is_empty() {
        let target = Duration::from_millis(5);
        let limits = Limits::new(target, target * 20, Duration::ZERO);
        let mut cobalt = Cobalt::default();
        let mut now = Instant::from_millis(1000);
        for _ in 0..100 {
            now += target * 2;
            cobalt.on_overflow(&limits, now);
        }
        let share = cobalt.share;
        assert_eq!(share, 100 * SHARE_UP);
        now += target * 2000;
        cobalt.on_emptied(&limits, now);
        assert_eq!(cobalt.share, share - SHARE_DOWN);
        now += target * 3;
        cobalt.on_awake(&limits, now);
        assert_eq!(cobalt.share, share - 4 * SHARE_DOWN);
        // It leaves before it is looked at again: the queue was not found empty.
        now += target * 100;
        cobalt.on_awake(&limits, now);
        assert_eq!(cobalt.share, share - 4 * SHARE_DOWN);
    }
}
