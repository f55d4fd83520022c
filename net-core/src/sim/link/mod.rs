//! One direction of a link: the model behind every simulated network and every device in memory.

mod chance;
mod config;
mod counters;
mod flight;
mod line;
mod motion;
mod passing;
mod queue;
#[cfg(test)]
mod tests;

pub use config::{GilbertElliott, LinkConfig, Outage};
pub use counters::LinkCounters;
pub use passing::Passing;
pub(super) use passing::replace;
pub use queue::Queue;

use super::record::Log;
use crate::buf::crossing::FRAME;
use crate::buf::{Pool, RxBatch, RxPacket, TxBatch, TxPacket};
use crate::seed::Rng;
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use chance::Chance;
use core::fmt;
use flight::Flight;
use line::Line;
use queue::DropTail;

/// One direction of a link: packets go in at one end and come out at the other, later, changed, in
/// another order, or never, as its [`LinkConfig`] says.
///
/// It follows the rules of a [`Stack`](crate::Stack): bring packets in with [`send`](Self::send) or
/// [`forward`](Self::forward), take them out with [`receive`](Self::receive), and ask
/// [`poll_timeout`](Self::poll_timeout) when to do that. What happens in between, it makes up for in
/// the order and at the nanosecond in which it would have happened, however late it is asked.
///
/// ```
/// use net_core::buf::{RxBatch, TxPacket};
/// use net_core::sim::{Link, LinkConfig};
/// use net_core::time::{Duration, Instant};
/// let config = LinkConfig { delay: Duration::from_millis(20), ..LinkConfig::default() };
/// let mut link = Link::new(config, net_core::Seed::from_u64(1).rng("link"));
/// link.send(&TxPacket::default(), Instant::ZERO);
/// let at = link.poll_timeout().unwrap();
/// assert_eq!(at, Instant::from_millis(20));
/// assert_eq!(link.receive(&mut RxBatch::default(), 64, at), 1);
/// ```
pub struct Link {
    config: LinkConfig,
    impairs: bool,
    chance: Chance,
    line: Line,
    waiting: Waiting,
    flight: Flight,
    /// Bytes in flight, with an overhead for each packet, and how many there may be.
    held: usize,
    room: usize,
    frames: Pool,
    /// Empty between calls; keeps its room.
    segments: TxBatch,
    /// What is to become of the link, in order of time.
    changes: VecDeque<(Instant, LinkConfig)>,
    lose_if: Option<Predicate>,
    /// Packets that have left.
    departed: u64,
    counters: LinkCounters,
    /// What entered at the sender's end, whatever became of it.
    sent_log: Option<Box<Log>>,
    /// What came out at the receiver's end.
    received_log: Option<Box<Log>>,
    closed: bool,
}

/// Decides whether a packet is lost.
type Predicate = Box<dyn FnMut(&Passing<'_>) -> bool + Send>;

/// What stands in front of the line.
#[derive(Debug)]
enum Waiting {
    DropTail(DropTail),
    Custom(Box<dyn Queue>),
}

impl Link {
    /// A link with nothing on it. All its chance comes from `rng`.
    #[must_use]
    pub fn new(config: LinkConfig, rng: Rng) -> Self {
        let mut link = Self {
            impairs: false,
            chance: Chance::new(rng),
            line: Line::default(),
            waiting: Waiting::DropTail(DropTail::default()),
            flight: Flight::default(),
            held: 0,
            room: 0,
            frames: Pool::new(0, 0),
            segments: TxBatch::default(),
            changes: VecDeque::new(),
            lose_if: None,
            departed: 0,
            counters: LinkCounters::default(),
            sent_log: None,
            received_log: None,
            closed: false,
            config: LinkConfig::default(),
        };
        link.configure(config);
        link
    }

    /// What it does to packets now.
    #[must_use]
    pub const fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// What it has done so far.
    #[must_use]
    pub const fn counters(&self) -> &LinkCounters {
        &self.counters
    }

    /// Puts another queueing discipline in front of the line, in place of the drop-tail queue and of
    /// `queue_bytes`, `queue_packets` and `mark_bytes`. What waited in that one is gone.
    pub fn set_queue(&mut self, queue: Box<dyn Queue>) {
        self.waiting = Waiting::Custom(queue);
        self.impairs = true;
    }

    /// Loses, beside what the configuration says, every packet for which `predicate` is true. It is
    /// asked once for each, in the order in which they leave, also about those that are lost anyway.
    pub fn lose_if(&mut self, predicate: impl FnMut(&Passing<'_>) -> bool + Send + 'static) {
        self.lose_if = Some(Box::new(predicate));
        self.impairs = true;
    }

    /// From `at` on the link is another one: its rate, its delay, whether it works at all. Packets
    /// that wait or are under way stay where they are.
    pub fn change_at(&mut self, at: Instant, config: LinkConfig) {
        let place = self.changes.partition_point(|(other, _)| *other <= at);
        self.changes.insert(place, (at, config));
        self.impairs = true;
    }

    /// Whether its sender should wait: it has no rate at which it could drop, and holds all it can.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held >= self.room && self.config.rate().is_none()
    }

    /// Takes a packet from a sender.
    pub fn send(&mut self, packet: &TxPacket, now: Instant) {
        self.counters.sent += 1;
        self.counters.sent_bytes += packet.len() as u64;
        self.advance(now);
        if self.closed {
            self.counters.closed += 1;
        } else if packet.meta.gso.is_some() && self.cuts() {
            self.send_cut(packet, now);
        } else {
            self.enter(packet, now);
        }
    }

    /// Takes a packet that came over another link.
    pub fn forward(&mut self, packet: RxPacket, now: Instant) {
        if packet.meta.gso.is_some() && self.cuts() || matches!(self.waiting, Waiting::Custom(_)) {
            return self.send(&passing::to_send(packet), now);
        }
        self.counters.sent += 1;
        self.counters.sent_bytes += packet.len() as u64;
        self.advance(now);
        if self.closed {
            self.counters.closed += 1;
        } else if self.passes(packet.len(), packet.meta.gso.is_some()) {
            if let Some(log) = &mut self.sent_log {
                log.keep_received(&packet, now);
            }
            if !self.impairs {
                self.fly(Instant::ZERO, packet);
            } else if self.has_room(packet.len(), now) {
                self.wait(packet, now);
            }
        }
    }

    /// Moves up to `budget` packets that have arrived into `batch`; how many.
    pub fn receive(&mut self, batch: &mut RxBatch, budget: usize, now: Instant) -> usize {
        self.advance(now);
        let mut count = 0;
        while count < budget
            && let Some(packet) = self.flight.pop(now)
        {
            self.held = self.held.saturating_sub(charge(&packet));
            self.counters.delivered += 1;
            self.counters.delivered_bytes += packet.len() as u64;
            if let Some(log) = &mut self.received_log {
                log.keep_received(&packet, now);
            }
            batch.push(packet);
            count += 1;
        }
        count
    }

    /// When [`receive`](Self::receive) may have something; not before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = self.flight.next();
        let Some(start) = self.next_start() else {
            // What a closed queue holds moves when the link changes.
            let change = self.changes.front().map(|(at, _)| *at);
            return match change.filter(|_| !self.waiting.is_empty()) {
                Some(change) => Some(next.map_or(change, |next| next.min(change))),
                None => next,
            };
        };
        let mut bound = start + self.config.delay;
        if let Some((change, _)) = self.changes.front() {
            bound = bound.min((*change).max(start));
        }
        Some(next.map_or(bound, |next| next.min(bound)))
    }

    /// Nobody will take what is under way; those packets are for the caller to drop.
    pub fn close(&mut self) -> impl Sized + use<> {
        self.closed = true;
        self.held = 0;
        self.counters.closed += self.flight.len() as u64;
        core::mem::take(&mut self.flight)
    }

    /// Keeps what enters, the last `limit` bytes of it, for a capture.
    pub(super) fn record_sent(&mut self, limit: usize) {
        self.sent_log = Some(Box::new(Log::new(limit)));
    }

    /// Keeps what comes out likewise.
    pub(super) fn record_received(&mut self, limit: usize) {
        self.received_log = Some(Box::new(Log::new(limit)));
    }

    pub(super) fn logs(&self) -> (Option<&Log>, Option<&Log>) {
        (self.sent_log.as_deref(), self.received_log.as_deref())
    }

    /// Bytes that wait for their turn, the packet under way included; `None` where a discipline
    /// stands in front of the line that does not count them.
    #[must_use]
    pub fn queued_bytes(&self, now: Instant) -> Option<usize> {
        let waiting = match &self.waiting {
            Waiting::DropTail(queue) => queue.bytes(),
            Waiting::Custom(queue) => queue.bytes()?,
        };
        Some(waiting + self.line.carries(now))
    }

    /// Takes a configuration into use.
    fn configure(&mut self, mut config: LinkConfig) {
        config.lose.sort_unstable();
        let frame = if config.offload {
            FRAME
        } else {
            usize::from(config.mtu).max(2048)
        };
        if self.frames.pins() as usize != frame {
            self.frames = Pool::new(frame, POOL);
        }
        self.room = if config.rate().is_some() {
            256 << 20
        } else if config.delay + config.jitter > Duration::ZERO {
            64 << 20
        } else {
            4 << 20
        };
        self.impairs = self.impairs || config.impairs();
        if self.config.rate_bps != config.rate_bps {
            self.line.on_new_rate();
        }
        self.config = config;
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        match self {
            Self::DropTail(queue) => queue.is_empty(),
            Self::Custom(queue) => queue.is_empty(),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("config", &self.config)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

fn charge(packet: &RxPacket) -> usize {
    packet.len() + 256
}

/// Receive buffers that a link remembers.
const POOL: usize = 2048;
