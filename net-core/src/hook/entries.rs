//! Everybody who is asked about packets, in order: hooks, the chains of the filter, and what follows
//! flows.

use super::{Hook, HookId, HookPoint, PacketView, Verdict};
use crate::conntrack::{Direction, Flow, FlowStatus, Tracker, Transport};
use crate::filter::{Answer, ChainEnd, Decision, End, Filter, Gate, Log};
use crate::nat::{self, OwnAddresses, TranslationKind};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::IpHeader;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The hooks of a stack, its filter and its flows.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    /// By point, then by priority.
    entries: Vec<Entry>,
    /// A bit for each point that has one.
    points: u8,
    /// Where the entries of each point end.
    ends: [usize; POINTS],
    /// What passes each point unasked, of IPv4 and of IPv6; `None` where everything is asked about.
    gates: [[Option<Gate>; 2]; POINTS],
    next_id: u32,
    /// How often what is on its way in now has been replaced, and what is on its way out.
    depths: [u8; 2],
    pub(super) others: Others,
}

/// What is asked beside hooks.
#[derive(Debug, Default)]
pub(super) struct Others {
    filter: Option<Box<Filter>>,
    pub(super) tracker: Option<Box<Tracker>>,
    /// Whom rules ask, by number.
    queues: Vec<(u16, Box<dyn Hook>)>,
    log: Log,
    pub(super) own: OwnAddresses,
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
    /// The tracker: what the packet belongs to.
    Track,
    /// The translation of one end, and the `nat` chains about a flow's first packet.
    Translate(End),
    /// The tracker: the packet has passed.
    Confirm,
}

/// What they say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accept,
    Drop(DropReason),
    Reject(Answer, DropReason),
    /// Another packet takes its place.
    Replaced,
}

impl Outcome {
    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::Accept,
            Verdict::Drop => Self::Drop(DropReason::Hook),
            Verdict::Reject => Self::Reject(Answer::PROHIBITED, DropReason::Hook),
            Verdict::RejectWith(answer) => Self::Reject(answer, DropReason::Hook),
            Verdict::Replace => Self::Replaced,
        }
    }
}

/// Which way a packet goes that takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heading {
    /// As if it had come in so.
    In,
    /// To where its new header says.
    Out,
}

/// How often a packet may be replaced by another on its way in, and again its answer on the way out: what
/// comes from the innermost of nested tunnels finds its way back into them.
const MAX_DEPTH: u8 = 4;
/// How many points there are.
const POINTS: usize = HookPoint::PostRouting as usize + 1;

/// Where flows are followed and translated, with the priorities that Linux gives these.
const TRACKING: [(HookPoint, i32, Asked); 8] = [
    (HookPoint::PreRouting, -200, Asked::Track),
    (HookPoint::LocalOut, -200, Asked::Track),
    (HookPoint::PreRouting, -100, Asked::Translate(End::Dest)),
    (HookPoint::LocalOut, -100, Asked::Translate(End::Dest)),
    (HookPoint::LocalIn, 100, Asked::Translate(End::Source)),
    (HookPoint::PostRouting, 100, Asked::Translate(End::Source)),
    (HookPoint::LocalIn, i32::MAX, Asked::Confirm),
    (HookPoint::PostRouting, i32::MAX, Asked::Confirm),
];

impl Hooks {
    /// Whether anybody is to be asked at a point.
    #[inline]
    pub(crate) const fn is_watched(&self, at: HookPoint) -> bool {
        self.points & 1 << at as u8 != 0
    }

    /// Whether it is known that nobody at a point has anything to say about a packet: the one that begins
    /// with these bytes, of which this is the header.
    #[inline]
    pub(crate) fn lets_by(&self, at: HookPoint, ip: &IpHeader, bytes: &[u8]) -> bool {
        let gates = self.gates.get(at as usize);
        let gate = gates.and_then(|gates| gates.get(usize::from(ip.dest.is_ipv6())));
        let gate = gate.and_then(Option::as_ref);
        gate.is_some_and(|gate| gate.is_open(ip, bytes))
    }

    /// Puts a hook at a point, behind those of the same priority.
    pub(crate) fn add(&mut self, at: HookPoint, priority: i32, hook: Box<dyn Hook>) -> HookId {
        let id = HookId(self.next_id);
        self.next_id += 1;
        self.insert(at, priority, Asked::Hook(id, hook));
        self.note_points();
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
            _ => None,
        }
    }

    /// Puts a filter in the place of the one before, or takes that away.
    pub(crate) fn set_filter(&mut self, filter: Option<Filter>) {
        self.entries
            .retain(|entry| !matches!(entry.asked, Asked::Chain(_)));
        let entries: Vec<_> = filter.iter().flat_map(Filter::entries).collect();
        self.others.filter = filter.map(Box::new);
        for (at, priority, chain) in entries {
            self.insert(at, priority, Asked::Chain(chain));
        }
        self.note_points();
    }

    pub(crate) fn filter(&self) -> Option<&Filter> {
        self.others.filter.as_deref()
    }

    pub(crate) fn filter_mut(&mut self) -> Option<&mut Filter> {
        self.others.filter.as_deref_mut()
    }

    /// Begins to follow flows, or forgets them all.
    pub(crate) fn set_tracker(&mut self, tracker: Option<Tracker>) {
        self.entries
            .retain(|entry| matches!(entry.asked, Asked::Hook(..) | Asked::Chain(_)));
        if tracker.is_some() {
            for (at, priority, asked) in TRACKING {
                self.insert(at, priority, asked);
            }
        }
        self.note_points();
        self.others.tracker = tracker.map(Box::new);
    }

    /// Whether rules give packets to sockets, so that each has to be whole.
    pub(crate) fn gives(&self) -> bool {
        self.others
            .filter
            .as_ref()
            .is_some_and(|filter| filter.gives())
    }

    pub(crate) const fn log(&mut self) -> &mut Log {
        &mut self.others.log
    }

    /// The filter, and where it writes things down.
    pub(super) fn filter_and_log(&mut self) -> (Option<&mut Filter>, &mut Log) {
        (self.others.filter.as_deref_mut(), &mut self.others.log)
    }

    pub(crate) const fn log_lost(&self) -> u64 {
        self.others.log.lost()
    }

    /// Puts in whom rules ask by this number; the one before.
    pub(crate) fn set_queue(&mut self, number: u16, hook: Box<dyn Hook>) -> Option<Box<dyn Hook>> {
        let queues = &mut self.others.queues;
        let place = queues.iter_mut().find(|(other, _)| *other == number);
        if let Some((_, place)) = place {
            return Some(core::mem::replace(place, hook));
        }
        queues.push((number, hook));
        None
    }

    /// Asks those at a point. What they change of the IP header is read anew.
    pub(crate) fn ask(
        &mut self,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        now: Instant,
    ) -> Outcome {
        let others = &mut self.others;
        let [end, begin] = [at as usize, (at as usize).wrapping_sub(1)]
            .map(|point| self.ends.get(point).copied().unwrap_or_default());
        for entry in self.entries.get_mut(begin..end).unwrap_or_default() {
            let outcome = match &mut entry.asked {
                Asked::Hook(_, hook) => packet.pass(hook.as_mut(), at, now),
                Asked::Chain(number) => others.filter(*number, at, packet, now),
                Asked::Track => others.track(packet, now),
                Asked::Translate(end) => others.translate(*end, at, packet, now),
                Asked::Confirm => others.confirm(packet),
            };
            if outcome != Outcome::Accept {
                return outcome;
            }
        }
        Outcome::Accept
    }

    /// A packet is about to pass again as another; whether it may.
    pub(crate) const fn descend(&mut self, heading: Heading) -> bool {
        let depth = &mut self.depths[heading as usize];
        let may = *depth < MAX_DEPTH;
        if may {
            *depth += 1;
        }
        may
    }

    /// It has.
    pub(crate) const fn ascend(&mut self, heading: Heading) {
        let depth = &mut self.depths[heading as usize];
        *depth = depth.saturating_sub(1);
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
    }

    /// Notes at which points somebody is asked, who that is, and what passes unasked, once that has changed.
    fn note_points(&mut self) {
        let entries = self.entries.iter();
        self.points = entries.fold(0, |points, entry| points | 1 << entry.at as u8);
        for (point, end) in self.ends.iter_mut().enumerate() {
            *end = self
                .entries
                .partition_point(|entry| entry.at as usize <= point);
        }
        let mut begin = 0;
        for (gates, &end) in self.gates.iter_mut().zip(&self.ends) {
            let entries = self.entries.get(begin..end).unwrap_or_default();
            *gates = [true, false].map(|is_v4| self.others.gate(entries, is_v4));
            begin = end;
        }
    }
}

impl Others {
    /// What passes these unasked, if they are chains.
    fn gate(&self, entries: &[Entry], is_v4: bool) -> Option<Gate> {
        let chains: Option<Vec<u32>> = { entries.iter() }
            .map(|entry| match entry.asked {
                Asked::Chain(number) => Some(number),
                _ => None,
            })
            .collect();
        self.filter.as_ref()?.gate(chains?.into_iter(), is_v4)
    }

    /// Asks a chain.
    #[inline]
    fn filter(
        &mut self,
        chain: u32,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        now: Instant,
    ) -> Outcome {
        let Some(filter) = &mut self.filter else {
            return Outcome::Accept;
        };
        let tracker = self.tracker.as_deref_mut();
        let mark = *packet.mark;
        let decision = filter.ask(chain, at, packet, tracker, &mut self.log, now);
        let outcome = match decision {
            Decision::Accept | Decision::Translate(_) => Outcome::Accept,
            Decision::Drop => Outcome::Drop(DropReason::Filter),
            Decision::Reject(answer) => Outcome::Reject(answer, DropReason::Filter),
            Decision::Queue { number, bypass } => self.queue(number, bypass, at, packet, now),
        };
        let filter = self.filter.as_ref();
        if *packet.mark != mark && filter.is_some_and(|filter| filter.routes_anew(chain)) {
            packet.goes_anew = true;
        }
        outcome
    }

    /// Asks the one with this number.
    #[inline(never)]
    fn queue(
        &mut self,
        number: u16,
        bypass: bool,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        now: Instant,
    ) -> Outcome {
        let mut queues = self.queues.iter_mut();
        match queues.find(|(other, _)| *other == number) {
            Some((_, hook)) => packet.pass(hook.as_mut(), at, now),
            None if bypass => Outcome::Accept,
            None => Outcome::Drop(DropReason::Filter),
        }
    }

    #[inline(never)]
    fn track(&mut self, packet: &mut PacketView<'_>, now: Instant) -> Outcome {
        if let Some(tracker) = &mut self.tracker {
            match transport_of(packet) {
                Some(transport) => {
                    tracker.track(packet, transport, now);
                    if self.own.forget_lost(tracker, packet.tracked) {
                        tracker.track(packet, transport, now);
                    }
                }
                None => tracker.refuse(packet),
            }
        }
        Outcome::Accept
    }

    #[inline(never)]
    fn confirm(&mut self, packet: &mut PacketView<'_>) -> Outcome {
        let Some(tracker) = &mut self.tracker else {
            return Outcome::Accept;
        };
        match tracker.confirm(*packet.tracked) {
            Ok(tracked) => {
                *packet.tracked = tracked;
                Outcome::Accept
            }
            Err(reason) => Outcome::Drop(reason),
        }
    }

    /// Translates one end of a packet; of a flow's first it is settled before to what.
    #[inline(never)]
    fn translate(
        &mut self,
        end: End,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        now: Instant,
    ) -> Outcome {
        let tracked = *packet.tracked;
        let pending = (self.tracker.as_deref_mut()).and_then(|one| one.take_pending(tracked));
        if let Some(mut flow) = pending {
            let settled = match end {
                End::Source => FlowStatus::SOURCE_SETTLED,
                End::Dest => FlowStatus::DEST_SETTLED,
            };
            if !flow.status.contains(settled)
                && let Err(reason) = self.settle(end, at, packet, &mut flow, now)
            {
                return Outcome::Drop(reason);
            }
            if let Some(tracker) = &mut self.tracker {
                tracker.put_pending(flow);
            }
        }
        let flow = (self.tracker.as_deref()).and_then(|tracker| tracker.flow(tracked));
        let Some(flow) = flow.filter(|flow| nat::changes(flow, end, tracked)) else {
            return Outcome::Accept;
        };
        let transport = transport_of(packet);
        let Some(transport) = transport.filter(|transport| nat::reaches(packet, transport)) else {
            // Half a translation would tell what is behind it.
            return Outcome::Drop(DropReason::ExtensionHeader);
        };
        nat::translate(packet, transport, end, flow, tracked);
        Outcome::Accept
    }

    /// Settles to what one end of a flow is translated.
    fn settle(
        &mut self,
        end: End,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        flow: &mut Flow,
        now: Instant,
    ) -> Result<(), DropReason> {
        let decision = match &mut self.filter {
            Some(filter) => filter.ask_nat(at, packet, &mut self.log, now),
            None => Decision::Accept,
        };
        let translation = match decision {
            Decision::Translate(translation) => Some(translation),
            Decision::Drop | Decision::Reject(_) => return Err(DropReason::Filter),
            Decision::Accept | Decision::Queue { .. } => None,
        };
        let over = match translation.map(|translation| translation.kind) {
            Some(TranslationKind::Masquerade) => packet.leaves_over,
            Some(TranslationKind::Redirect) => packet.came_over,
            _ => None,
        };
        let is_v4 = flow.tuple(Direction::Original).dest.is_ipv4();
        let own = over.and_then(|iface| self.own.of(iface, is_v4));
        let Some(tracker) = &mut self.tracker else {
            return Ok(());
        };
        nat::bind(tracker, flow, end, translation.as_ref(), own)
    }
}

/// Where the transport header of a packet is; fragments have none, nor what follows a broken chain.
#[inline]
fn transport_of(packet: &PacketView<'_>) -> Option<Transport> {
    ChainEnd::of(packet).transport(packet)
}

impl PacketView<'_> {
    /// Asks a hook, and reads anew what it may have changed.
    #[inline(never)]
    fn pass(&mut self, hook: &mut dyn Hook, at: HookPoint, now: Instant) -> Outcome {
        let outcome = Outcome::of(hook.apply(at, self, now));
        if outcome != Outcome::Accept {
            return outcome;
        }
        self.front = None;
        match IpHeader::parse_quoted(self.bytes) {
            Ok(header) => {
                self.ip.source = header.source;
                self.ip.dest = header.dest;
                self.ip.tos = header.tos;
                self.ip.ttl = header.ttl;
                Outcome::Accept
            }
            Err(reason) => Outcome::Drop(reason),
        }
    }
}
