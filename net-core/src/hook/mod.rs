//! Hooks: where a packet's way can be looked at, changed and ended.
//!
//! Every packet passes some of five [points](HookPoint). What comes in for this host passes
//! `PreRouting` and `LocalIn`; what goes on to others `PreRouting`, `Forward` and `PostRouting`; what
//! this host sends `LocalOut` and `PostRouting`. At each point the hooks that were put there are asked
//! in the order of their priorities, until one does not accept. Where there is none, a packet pays one
//! comparison.

use crate::filter::{Answer, Decision, Filter, Log};
use crate::iface::IfaceId;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{IpHeader, ip};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Where on its way a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HookPoint {
    /// It has come in, and its header is in order; nobody knows yet where it goes.
    PreRouting,
    /// It is for this host.
    LocalIn,
    /// It goes on to somebody else.
    Forward,
    /// This host sends it.
    LocalOut,
    /// It is about to leave.
    PostRouting,
}

/// What a hook says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Ask the next one.
    Accept,
    /// The packet vanishes, and is counted.
    Drop,
    /// As `Drop`, and the sender is told that it may not (RFC 1812 §5.2.7.1, code 13; RFC 4443 §3.1,
    /// code 1), if it is at `LocalIn` or `Forward`: elsewhere this is the same as `Drop`.
    Reject,
    /// As `Reject`, with an answer of one's choice.
    RejectWith(Answer),
}

/// One who is asked about packets.
pub trait Hook: fmt::Debug + Send {
    /// Looks at a packet, and may change its bytes and its mark. Who changes what a checksum covers
    /// brings the checksum in order; where a packet goes on depends on what is changed before that is
    /// decided, at [`HookPoint::PreRouting`].
    fn apply(&mut self, at: HookPoint, packet: &mut PacketView<'_>, now: Instant) -> Verdict;
}

/// The name of a hook that was put somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HookId(u32);

/// A packet as a hook sees it.
#[derive(Debug)]
pub struct PacketView<'a> {
    /// Its IP header.
    pub ip: IpHeader,
    /// It from the IP header on, as far as it lies in one piece: the headers, at least.
    pub bytes: &'a mut [u8],
    /// Its length in bytes, IP header included; a super-segment's is that of the whole.
    pub len: usize,
    /// The interface that it came in over, if it did.
    pub came_over: Option<IfaceId>,
    /// The interface that it leaves over, if that is known and it does.
    pub leaves_over: Option<IfaceId>,
    /// Its mark: the socket's, or what a hook made it.
    pub mark: &'a mut u32,
}

impl PacketView<'_> {
    /// Source and destination port of TCP and UDP; later fragments have none.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        let is_later = self
            .ip
            .fragment
            .is_some_and(|fragment| fragment.offset != 0);
        if is_later || !matches!(self.ip.protocol, ip::TCP | ip::UDP) {
            return None;
        }
        let &[a, b, c, d] = self.bytes.get(self.ip.header_len..)?.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }
}

/// The hooks of a stack, and the chains of its filter among them.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    /// By point, then by priority.
    entries: Vec<Entry>,
    /// A bit for each point that has one.
    points: u8,
    next_id: u32,
    filter: Option<Box<Filter>>,
    /// Whom rules ask, by number.
    queues: Vec<(u16, Box<dyn Hook>)>,
    pub(crate) log: Log,
}

#[derive(Debug)]
struct Entry {
    at: HookPoint,
    priority: i32,
    asked: Asked,
}

/// Who is asked.
#[derive(Debug)]
enum Asked {
    Hook(HookId, Box<dyn Hook>),
    /// The chain of this number.
    Chain(u32),
}

/// What they say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accept,
    Drop(DropReason),
    Reject(Answer, DropReason),
}

impl Outcome {
    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Drop => Self::Drop(DropReason::Hook),
            Verdict::Reject => Self::Reject(Answer::PROHIBITED, DropReason::Hook),
            Verdict::RejectWith(answer) => Self::Reject(answer, DropReason::Hook),
        }
    }
}

impl Hooks {
    /// Whether anybody is to be asked at a point.
    #[inline]
    pub(crate) const fn is_watched(&self, at: HookPoint) -> bool {
        self.points & 1 << at as u8 != 0
    }

    /// Puts a hook at a point, behind those of the same priority.
    pub(crate) fn add(&mut self, at: HookPoint, priority: i32, hook: Box<dyn Hook>) -> HookId {
        let id = HookId(self.next_id);
        self.next_id += 1;
        self.insert(at, priority, Asked::Hook(id, hook));
        id
    }

    /// Takes a hook away.
    pub(crate) fn remove(&mut self, id: HookId) -> Option<Box<dyn Hook>> {
        let is_it = |entry: &Entry| matches!(&entry.asked, Asked::Hook(other, _) if *other == id);
        let place = self.entries.iter().position(is_it)?;
        let gone = self.entries.remove(place);
        self.note_points();
        match gone.asked {
            Asked::Hook(_, hook) => Some(hook),
            Asked::Chain(_) => None,
        }
    }

    /// Puts a filter in the place of the one before, or takes that away.
    pub(crate) fn set_filter(&mut self, filter: Option<Filter>) {
        self.entries
            .retain(|entry| matches!(entry.asked, Asked::Hook(..)));
        self.note_points();
        for (at, priority, chain) in filter.iter().flat_map(Filter::entries) {
            self.insert(at, priority, Asked::Chain(chain));
        }
        self.filter = filter.map(Box::new);
    }

    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.filter.as_deref()
    }

    pub(crate) fn filter_mut(&mut self) -> Option<&mut Filter> {
        self.filter.as_deref_mut()
    }

    /// Puts in whom rules ask by this number; the one before.
    pub(crate) fn set_queue(&mut self, number: u16, hook: Box<dyn Hook>) -> Option<Box<dyn Hook>> {
        let mut queues = self.queues.iter_mut();
        if let Some((_, place)) = queues.find(|(other, _)| *other == number) {
            return Some(core::mem::replace(place, hook));
        }
        self.queues.push((number, hook));
        None
    }

    /// Asks those at a point. What they change of the IP header is read anew.
    pub(crate) fn ask(
        &mut self,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        now: Instant,
    ) -> Outcome {
        for entry in self.entries.iter_mut().filter(|entry| entry.at == at) {
            let outcome = match &mut entry.asked {
                Asked::Hook(_, hook) => packet.pass(hook.as_mut(), at, now),
                Asked::Chain(number) => {
                    let Some(filter) = &mut self.filter else {
                        continue;
                    };
                    let decision = filter.ask(*number, at, packet, &mut self.log, now);
                    follow(decision, &mut self.queues, at, packet, now)
                }
            };
            if outcome != Outcome::Accept {
                return outcome;
            }
        }
        Outcome::Accept
    }

    /// Puts an entry behind those of the same priority.
    fn insert(&mut self, at: HookPoint, priority: i32, asked: Asked) {
        let place = self
            .entries
            .partition_point(|other| (other.at, other.priority) <= (at, priority));
        let entry = Entry {
            at,
            priority,
            asked,
        };
        self.entries.insert(place, entry);
        self.points |= 1 << at as u8;
    }

    fn note_points(&mut self) {
        let entries = self.entries.iter();
        self.points = entries.fold(0, |points, entry| points | 1 << entry.at as u8);
    }
}

/// What a chain's decision comes to.
#[inline]
fn follow(
    decision: Decision,
    queues: &mut [(u16, Box<dyn Hook>)],
    at: HookPoint,
    packet: &mut PacketView<'_>,
    now: Instant,
) -> Outcome {
    match decision {
        Decision::Accept => Outcome::Accept,
        Decision::Drop => Outcome::Drop(DropReason::Filter),
        Decision::Reject(answer) => Outcome::Reject(answer, DropReason::Filter),
        Decision::Queue { number, bypass } => {
            let queue = queues.iter_mut().find(|(other, _)| *other == number);
            match queue {
                Some((_, hook)) => packet.pass(hook.as_mut(), at, now),
                None if bypass => Outcome::Accept,
                None => Outcome::Drop(DropReason::Filter),
            }
        }
    }
}

impl PacketView<'_> {
    /// Asks a hook, and reads anew what it may have changed.
    fn pass(&mut self, hook: &mut dyn Hook, at: HookPoint, now: Instant) -> Outcome {
        let outcome = Outcome::of(hook.apply(at, self, now));
        if outcome != Outcome::Accept {
            return outcome;
        }
        match IpHeader::parse_quoted(self.bytes) {
            Ok(header) => {
                self.ip = IpHeader {
                    source: header.source,
                    dest: header.dest,
                    tos: header.tos,
                    ttl: header.ttl,
                    ..self.ip
                };
                Outcome::Accept
            }
            Err(reason) => Outcome::Drop(reason),
        }
    }
}
