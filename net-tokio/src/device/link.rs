//! One direction of an in-memory link: what is under way, and who waits.

use super::crossing::{FRAME, carried, shared};
use super::impair::{Fate, Impairment, LinkConfig};
use super::pool::Pool;
use crate::clock::Clock;
use net_core::buf::{RxBatch, RxPacket, TxBatch, TxPacket};
use net_core::offload::gso;
use net_core::seed::Seed;
use net_core::time::{Duration, Instant};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// What happened in one direction of a link; a handle that outlives the device's owner.
#[derive(Debug, Clone)]
pub struct LinkStats {
    pub(super) link: Arc<Link>,
}

impl LinkStats {
    /// The counters as they are now.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        self.link.state().counters
    }
}

/// Counters of one direction of a link. A super-segment counts once as sent; where the link cuts it,
/// all other counters count its segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCounters {
    /// Packets that the sender handed over.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets that the receiver has taken.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Dropped: lost on the way.
    pub lost: u64,
    /// Dropped: no room in the queue.
    pub queue_full: u64,
    /// Dropped: larger than the MTU.
    pub too_big: u64,
    /// Dropped: a super-segment whose headers contradict it.
    pub malformed: u64,
    /// Dropped: the other end is gone.
    pub closed: u64,
    /// Packets that got a bit flipped.
    pub corrupted: u64,
    /// Packets that were sent on twice.
    pub duplicated: u64,
    /// Packets that were held back for later ones to overtake.
    pub overtaken: u64,
}

/// One direction, shared by both ends.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) config: LinkConfig,
    impairs: bool,
    /// Bytes, with an overhead for each packet, that may be under way.
    room: usize,
    pub(super) clock: Clock,
    state: Mutex<LinkState>,
}

/// What changes about a [`Link`].
#[derive(Debug)]
pub(super) struct LinkState {
    impairment: Impairment,
    frames: Pool,
    /// Empty between calls; keeps its room.
    segments: TxBatch,
    /// In the order of arrival.
    flying: VecDeque<Flying>,
    held: usize,
    counters: LinkCounters,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    closed: bool,
}

#[derive(Debug)]
struct Flying {
    at: Instant,
    packet: RxPacket,
}

impl Link {
    pub(super) fn new(config: LinkConfig, seed: Seed, name: &'static str, clock: Clock) -> Self {
        let impairs = config.impairs();
        let frame = if config.offload && config.corrupt_ppm == 0 {
            FRAME
        } else {
            usize::from(config.mtu).max(2048)
        };
        let room = if config.rate().is_some() {
            256 << 20
        } else if config.delay + config.jitter > Duration::ZERO {
            64 << 20
        } else {
            4 << 20
        };
        Self {
            impairs,
            room,
            clock,
            state: Mutex::new(LinkState {
                impairment: Impairment::new(config.clone(), seed.rng(name)),
                frames: Pool::new(frame, 2048),
                segments: TxBatch::default(),
                flying: VecDeque::new(),
                held: 0,
                counters: LinkCounters::default(),
                reader: None,
                writer: None,
                closed: false,
            }),
            config,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkState {
    /// When the first packet arrives, by the clock of the link.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.flying.front().map(|flying| flying.at)
    }

    /// Nobody will take what is under way; those packets are for the caller to drop.
    pub(super) fn close(&mut self) -> impl Sized + use<> {
        self.closed = true;
        self.held = 0;
        self.counters.closed += self.flying.len() as u64;
        std::mem::take(&mut self.flying)
    }

    /// Whether the sender has to wait for room.
    pub(super) fn must_wait(&self, link: &Link) -> bool {
        self.held >= link.room && link.config.rate().is_none()
    }

    /// Moves up to `budget` packets that have arrived into `batch`; how many.
    pub(super) fn receive(&mut self, link: &Link, batch: &mut RxBatch, budget: usize) -> usize {
        let Some(first) = self.next_arrival() else {
            return 0;
        };
        let now = if first == Instant::ZERO {
            first
        } else {
            link.clock.now()
        };
        let mut count = 0;
        while count < budget
            && self.next_arrival().is_some_and(|at| at <= now)
            && let Some(Flying { packet, .. }) = self.flying.pop_front()
        {
            self.held = self.held.saturating_sub(charge(&packet));
            self.counters.delivered += 1;
            self.counters.delivered_bytes += packet.len() as u64;
            batch.push(packet);
            count += 1;
        }
        count
    }

    /// Takes a packet onto the link, or drops and counts it.
    pub(super) fn send(&mut self, link: &Link, packet: &TxPacket, now: Instant) {
        let len = packet.len();
        self.counters.sent += 1;
        self.counters.sent_bytes += len as u64;
        if self.closed {
            self.counters.closed += 1;
        } else if packet.meta.gso.is_some() && (link.impairs || !link.config.offload) {
            self.send_cut(link, packet, now);
        } else {
            self.send_whole(link, packet, now);
        }
    }

    /// Cuts a super-segment, so that rate and loss see what a wire would carry.
    fn send_cut(&mut self, link: &Link, packet: &TxPacket, now: Instant) {
        let mut segments = std::mem::take(&mut self.segments);
        if gso::segment(packet, link.config.offload, &mut segments).is_err() {
            self.counters.malformed += 1;
        }
        for segment in segments.drain() {
            self.send_whole(link, &segment, now);
        }
        self.segments = segments;
    }

    fn send_whole(&mut self, link: &Link, packet: &TxPacket, now: Instant) {
        if packet.len() > usize::from(link.config.mtu) && packet.meta.gso.is_none() {
            self.counters.too_big += 1;
        } else if self.held >= link.room {
            self.counters.queue_full += 1;
        } else if link.impairs {
            self.send_impaired(link, packet, now);
        } else {
            let packet = self.convert(link, packet, false);
            self.fly(Instant::ZERO, packet);
        }
    }

    fn send_impaired(&mut self, link: &Link, packet: &TxPacket, now: Instant) {
        let (at, again, flip) = match self.impairment.admit(packet.len(), now) {
            Fate::QueueFull => {
                self.counters.queue_full += 1;
                return;
            }
            Fate::Lost => {
                self.counters.lost += 1;
                return;
            }
            Fate::Arrives {
                at,
                again,
                flip,
                overtaken,
            } => {
                self.counters.overtaken += u64::from(overtaken);
                (at, again, flip)
            }
        };
        if let Some(again) = again {
            self.counters.duplicated += 1;
            let copy = self.convert(link, packet, false);
            self.fly(again, copy);
        }
        let mut arriving = self.convert(link, packet, flip.is_some());
        if let Some(bit) = flip {
            self.counters.corrupted += 1;
            flip_bit(&mut arriving.frame, bit);
        }
        self.fly(at, arriving);
    }

    fn convert(&mut self, link: &Link, packet: &TxPacket, corrupt: bool) -> RxPacket {
        if link.config.offload && !corrupt {
            shared(packet, &mut self.frames)
        } else {
            carried(packet, &mut self.frames)
        }
    }

    /// Puts the packet behind those that arrive at its time or before.
    fn fly(&mut self, at: Instant, packet: RxPacket) {
        self.held += charge(&packet);
        let behind = self
            .flying
            .iter()
            .rev()
            .take_while(|flying| flying.at > at)
            .count();
        let place = self.flying.len() - behind;
        if behind == 0 {
            self.flying.push_back(Flying { at, packet });
        } else {
            self.flying.insert(place, Flying { at, packet });
        }
    }
}

fn charge(packet: &RxPacket) -> usize {
    packet.len() + 256
}

fn flip_bit(frame: &mut [u8], random: u64) {
    let bits = frame.len() as u64 * 8;
    if bits == 0 {
        return;
    }
    let bit = random % bits;
    let index = usize::try_from(bit / 8).expect("an index into a slice");
    frame[index] ^= 1 << (bit % 8);
}
