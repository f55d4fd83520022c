//! A set of rules as packets meet it.

use super::fields::Fields;
use super::matching::{Around, Check};
use super::run::{Need, Run};
use super::{Answer, ChainKind, ChainPolicy, Counter, Log, Rule, Ruleset, TableFamily, Tproxy};
use crate::conntrack::{FlowState, Tracked, Tracker};
use crate::hook::{HookPoint, PacketView};
use crate::nat::Translation;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use smallvec::SmallVec;

/// A [`Ruleset`] compiled, with its counters.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(super) ruleset: Ruleset,
    pub(super) chains: Vec<Code>,
    pub(super) rules: Vec<CompiledRule>,
    pub(super) runs: Vec<Run>,
    /// By rule.
    pub(super) counters: Vec<Counter>,
    pub(super) around: Around,
    pub(super) needs_flows: bool,
    /// Whether it gives packets to sockets.
    pub(super) gives: bool,
    /// Whether it asks for what is in front of packets.
    pub(super) asks_for_frames: bool,
    /// The base chains of the kind `nat`, in the order of their priorities.
    pub(super) nat_chains: Vec<(HookPoint, u32)>,
    /// Those of the family `arp`.
    pub(super) arp_chains: Vec<(HookPoint, u32)>,
}

/// A chain.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) steps: Vec<Step>,
    pub(super) family: TableFamily,
    pub(super) policy: ChainPolicy,
    /// Where packets enter it, and with which priority.
    pub(super) entry: Option<(HookPoint, i32)>,
    pub(super) kind: ChainKind,
}

/// A step in a chain.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The rule of this number.
    Rule(u32),
    /// The first that holds in the run of this number, where the packet has what any of it needs.
    Run(Need, u32),
}

impl Step {
    /// Whether it is worth a look.
    #[inline]
    fn may_hold(&self, packet: &Fields<'_, '_>) -> bool {
        match self {
            Self::Rule(_) => true,
            Self::Run(need, _) => need.is_met(packet),
        }
    }
}

/// A rule.
#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) checks: Box<[Check]>,
    pub(super) actions: Box<[Op]>,
}

/// An action, names resolved.
#[derive(Debug)]
pub(super) enum Op {
    End(Decision),
    Mark { keep: u32, set: u32 },
    FlowMark(u32),
    Untrack,
    Tproxy(Tproxy),
    Log(String),
    Jump(u32),
    Goto(u32),
    Return,
}

/// What a chain says about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    Drop,
    Reject(Answer),
    Queue { number: u16, bypass: bool },
    Translate(Translation),
}

/// How far rules lead from one chain to the next.
pub(super) const MAX_DEPTH: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Place {
    chain: u32,
    step: u32,
}

/// What a rule leads to, or the end of a chain.
enum Next {
    Return,
    Jump(u32),
    Goto(u32),
    End(Decision),
}

impl Filter {
    /// The chains that packets enter: where, with which priority, and their numbers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (HookPoint, i32, u32)> {
        let entries = self.chains.iter().zip(0..);
        let filters = entries
            .filter(|(code, _)| code.kind != ChainKind::Nat && code.family != TableFamily::Arp);
        filters.filter_map(|(code, number)| code.entry.map(|(at, pri)| (at, pri, number)))
    }

    /// Whether packets that get another mark in a chain go another way.
    pub(crate) fn routes_anew(&self, chain: u32) -> bool {
        let chain = self.chains.get(chain as usize);
        chain.is_some_and(|code| code.kind == ChainKind::Route)
    }

    /// Whether it asks what belongs to which flow, or translates flows.
    pub(crate) const fn needs_flows(&self) -> bool {
        self.needs_flows
    }

    /// Whether it gives packets to sockets.
    pub(crate) const fn gives(&self) -> bool {
        self.gives
    }

    /// Asks the `nat` chains at a point about the first packet of a flow, up to the first that
    /// translates it or lets it vanish.
    pub(crate) fn ask_nat(
        &mut self,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        log: &mut Log,
        now: Instant,
    ) -> Decision {
        for index in 0..self.nat_chains.len() {
            let chain = match self.nat_chains.get(index) {
                Some((point, chain)) if *point == at => *chain,
                _ => continue,
            };
            let decision = self.ask(chain, at, packet, None, log, now);
            if !matches!(decision, Decision::Accept | Decision::Queue { .. }) {
                return decision;
            }
        }
        Decision::Accept
    }

    /// Every rule with its table, its chain and its count.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&str, &str, &Rule, Counter)> {
        let chains = self.ruleset.tables.iter().flat_map(|table| {
            let chains = table.chains.iter();
            chains.map(|chain| (table.name.as_str(), chain))
        });
        let rules = chains.flat_map(|(table, chain)| {
            let rules = chain.rules.iter();
            rules.map(move |rule| (table, chain.name.as_str(), rule))
        });
        let counted = rules.zip(&self.counters);
        counted.map(|((table, chain, rule), count)| (table, chain, rule, *count))
    }

    /// The rules as text, with their counters as comments.
    pub(crate) fn show(&self) -> String {
        let (mut text, mut counters) = (String::new(), self.counters.iter());
        for table in &self.ruleset.tables {
            let shown = table.show(&mut text, |text| {
                let Counter { packets, bytes } = counters.next().copied().unwrap_or_default();
                write!(text, " # packets {packets} bytes {bytes}")
            });
            shown.expect("strings take everything");
        }
        text
    }

    /// Asks the chain of this number about a packet.
    #[inline]
    pub(crate) fn ask(
        &mut self,
        chain: u32,
        at: HookPoint,
        packet: &mut PacketView<'_>,
        tracker: Option<&mut Tracker>,
        log: &mut Log,
        now: Instant,
    ) -> Decision {
        let flow = match &tracker {
            Some(tracker) if self.needs_flows => tracker.flow(*packet.tracked),
            _ => None,
        };
        let mut fields = Fields::of(packet, flow);
        let decision = self.decide(chain, at, &mut fields, log, now);
        if let Some(mark) = fields.flow_mark
            && let Some(flow) = tracker.and_then(|tracker| tracker.flow_mut(*packet.tracked))
        {
            flow.mark = mark;
        }
        decision
    }

    #[inline]
    fn decide(
        &mut self,
        chain: u32,
        at: HookPoint,
        packet: &mut Fields<'_, '_>,
        log: &mut Log,
        now: Instant,
    ) -> Decision {
        let Some(base) = self.chains.get(chain as usize) else {
            return Decision::Accept;
        };
        if !base.family.has(packet) {
            return Decision::Accept;
        }
        let policy = match base.policy {
            ChainPolicy::Accept => Decision::Accept,
            ChainPolicy::Drop => Decision::Drop,
        };
        let mut steps = base.steps.iter();
        let Some(first) = steps.position(|step| step.may_hold(packet)) else {
            return policy;
        };
        let step = u32::try_from(first).unwrap_or(u32::MAX);
        let mut place = Place { chain, step };
        match self.follow(&mut place, at, packet, log, now) {
            Next::Return => policy,
            Next::End(decision) => decision,
            next => {
                let decision = self.wander(next, place, at, packet, log, now);
                decision.unwrap_or(policy)
            }
        }
    }

    /// Goes where rules lead from a place; `None` if that is to the end of the chain that was entered.
    #[inline(never)]
    fn wander(
        &mut self,
        mut next: Next,
        mut place: Place,
        at: HookPoint,
        packet: &mut Fields<'_, '_>,
        log: &mut Log,
        now: Instant,
    ) -> Option<Decision> {
        let mut returns: SmallVec<[Place; MAX_DEPTH]> = SmallVec::new();
        loop {
            place = match next {
                Next::Return => returns.pop()?,
                Next::Jump(chain) => {
                    returns.push(place);
                    Place { chain, step: 0 }
                }
                Next::Goto(chain) => Place { chain, step: 0 },
                Next::End(decision) => return Some(decision),
            };
            next = self.follow(&mut place, at, packet, log, now);
        }
    }

    /// Goes along a chain as far as its rules do not lead away from it.
    #[inline(never)]
    fn follow(
        &mut self,
        place: &mut Place,
        at: HookPoint,
        packet: &mut Fields<'_, '_>,
        log: &mut Log,
        now: Instant,
    ) -> Next {
        let code = self.chains.get(place.chain as usize);
        let steps = code.and_then(|code| code.steps.get(place.step as usize..));
        for step in steps.unwrap_or_default() {
            place.step += 1;
            let number = match *step {
                Step::Rule(number) => {
                    let rule = self.rules.get_mut(number as usize);
                    let holds = |rule: &mut CompiledRule| rule.holds(packet, &self.around, now);
                    rule.is_some_and(holds).then_some(number)
                }
                Step::Run(_, run) if step.may_hold(packet) => {
                    (self.runs.get(run as usize)).and_then(|run| run.find(packet))
                }
                Step::Run(..) => None,
            };
            let Some(number) = number else {
                continue;
            };
            if let Some(counter) = self.counters.get_mut(number as usize) {
                counter.count(packet.view.len);
            }
            let rule = self.rules.get(number as usize);
            let next = rule.and_then(|rule| rule.act(at, packet, log, now));
            if let Some(next) = next {
                return next;
            }
        }
        Next::Return
    }
}

impl CompiledRule {
    fn holds(&mut self, packet: &Fields<'_, '_>, around: &Around, now: Instant) -> bool {
        let mut checks = self.checks.iter_mut();
        checks.all(|check| check.holds(packet, around, now))
    }

    /// Does what it does where it holds; `None` if the rule that follows is asked then.
    fn act(
        &self,
        at: HookPoint,
        packet: &mut Fields<'_, '_>,
        log: &mut Log,
        now: Instant,
    ) -> Option<Next> {
        for action in &self.actions {
            match action {
                Op::End(decision) => return Some(Next::End(*decision)),
                Op::Mark { keep, set } => *packet.view.mark = *packet.view.mark & keep ^ set,
                Op::FlowMark(mark) => packet.flow_mark = Some(*mark),
                Op::Untrack => *packet.view.tracked = Tracked::alone(FlowState::Untracked),
                Op::Tproxy(target) => {
                    packet.view.given_to = Some(target.socket_for(packet)?);
                }
                Op::Log(prefix) => log.write(prefix, at, packet, now),
                Op::Jump(chain) => return Some(Next::Jump(*chain)),
                Op::Goto(chain) => return Some(Next::Goto(*chain)),
                Op::Return => return Some(Next::Return),
            }
        }
        None
    }
}

impl TableFamily {
    #[inline]
    const fn has(self, packet: &Fields<'_, '_>) -> bool {
        match self {
            // Those are asked about no others.
            Self::Inet | Self::Arp => true,
            Self::Ip => packet.view.ip.dest.is_ipv4(),
            Self::Ip6 => packet.view.ip.dest.is_ipv6(),
        }
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
