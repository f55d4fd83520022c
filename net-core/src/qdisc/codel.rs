//! Controlled delay (RFC 8289): drops where packets have waited too long for too long.

use super::Queued;
use super::flow::ip_header_mut;
use super::flow_queue::{FlowQueue, Packets};
use crate::time::{Duration, Instant};
use crate::wire::ip;

/// What [`FqCodel`](super::FqCodel) holds each flow's queue to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodelConfig {
    /// The wait that a standing queue may cost (RFC 8289 §4.4). 5 ms.
    pub target: Duration,
    /// How long the wait must stay above the target before a packet is dropped: about the longest
    /// usual round trip (RFC 8289 §4.3); at most 4 s. 100 ms.
    pub interval: Duration,
    /// Mark packets of ECN-capable flows instead of dropping them. On.
    pub ecn: bool,
}

impl Default for CodelConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            ecn: true,
        }
    }
}

/// What it keeps for one queue; the names are those of RFC 8289 §5.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Codel {
    /// When the wait will have been above the target for an interval; `None` while it is not.
    first_above: Option<Instant>,
    drop_next: Instant,
    count: u32,
    last_count: u32,
    dropping: bool,
}

/// What one look at a queue gave.
pub(super) struct Delivery {
    /// The packet to send.
    pub(super) packet: Option<Queued>,
    /// Whether it was marked.
    pub(super) marked: bool,
}

impl Codel {
    /// Takes the next packet to send out of `queue`, and hands those to drop to `drop`. The MTU is
    /// the backlog at which nothing is ever dropped.
    pub(super) fn dequeue(
        &mut self,
        config: &CodelConfig,
        mtu: u64,
        packets: &mut Packets,
        queue: &mut FlowQueue,
        now: Instant,
        mut drop: impl FnMut(Queued),
    ) -> Delivery {
        let mut next = |codel: &mut Self| {
            let packet = packets.pop(queue);
            let late = codel.is_late(config, packet.as_ref(), queue.bytes(), mtu, now);
            (packet, late)
        };
        let (mut packet, mut late) = next(self);
        let mut marked = false;
        if self.dropping {
            if !late {
                self.dropping = false;
            }
            while self.dropping && now >= self.drop_next {
                self.count = self.count.saturating_add(1);
                if config.ecn && packet.as_mut().is_some_and(mark) {
                    self.drop_next = self.control_law(config, self.drop_next);
                    marked = true;
                    break;
                }
                packet.into_iter().for_each(&mut drop);
                (packet, late) = next(self);
                if late {
                    self.drop_next = self.control_law(config, self.drop_next);
                } else {
                    self.dropping = false;
                }
            }
        } else if late {
            if config.ecn && packet.as_mut().is_some_and(mark) {
                marked = true;
            } else {
                packet.into_iter().for_each(&mut drop);
                (packet, _) = next(self);
            }
            self.enter_dropping(config, now);
        }
        Delivery { packet, marked }
    }

    /// Whether a packet has waited above the target, as others have for an interval
    /// (`should_drop`).
    fn is_late(
        &mut self,
        config: &CodelConfig,
        packet: Option<&Queued>,
        left: u64,
        mtu: u64,
        now: Instant,
    ) -> bool {
        let Some(packet) = packet else {
            self.first_above = None;
            return false;
        };
        let waited = now.saturating_since(packet.since);
        if waited < config.target || left <= mtu {
            self.first_above = None;
            return false;
        }
        let first_above = *self.first_above.get_or_insert(now + config.interval);
        now >= first_above
    }

    /// Begins to drop, at about the rate of the last time if that was recent.
    fn enter_dropping(&mut self, config: &CodelConfig, now: Instant) {
        self.dropping = true;
        let delta = self.count.saturating_sub(self.last_count);
        let recent = now.saturating_since(self.drop_next) < config.interval * 16;
        self.count = if delta > 1 && recent { delta } else { 1 };
        self.drop_next = self.control_law(config, now);
        self.last_count = self.count;
    }

    /// `interval / sqrt(count)` after `from`, in whole nanoseconds.
    fn control_law(&self, config: &CodelConfig, from: Instant) -> Instant {
        let interval = config.interval.min(MAX_INTERVAL).as_nanos();
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        let squared = interval.saturating_mul(interval) / u64::from(self.count.max(1));
        from + Duration::from_nanos(squared.isqrt())
    }
}

/// Marks a packet as having met congestion, if its flow knows what that means (RFC 3168 §5).
pub(super) fn mark(queued: &mut Queued) -> bool {
    ip::mark_if_capable(ip_header_mut(&mut queued.packet))
}

/// Its square in nanoseconds fits 64 bits.
const MAX_INTERVAL: Duration = Duration::from_secs(4);
