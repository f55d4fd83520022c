//! From what a set of rules says to what is asked about packets.

use super::arp::check_family;
use super::check::{check_fields, check_jumps, check_places, check_tables, number_chains};
use super::matching::{Around, Check, CheckKind, Interfaces};
use super::program::{Code, CompiledRule, Decision, Filter, Op, Step};
use super::run::{Need, Run};
use super::tuples::{TupleMap, TupleValue, Tuples};
use super::{
    Action, Chain, ChainKind, Counter, FilterError, Match, Rule, Ruleset, Table, TableFamily, Test,
};
use crate::seed::Key;
use crate::stack::TokenBucket;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smallvec::SmallVec;

impl Filter {
    /// Compiles a set of rules; `key` is for its hash tables.
    pub(crate) fn compile(
        mut ruleset: Ruleset,
        key: Key,
        now: Instant,
    ) -> Result<Self, FilterError> {
        let chains = ruleset
            .tables
            .iter_mut()
            .flat_map(|table| &mut table.chains);
        let rules = chains.flat_map(|chain| &mut chain.rules);
        let matches = rules.flat_map(|rule| &mut rule.matches);
        matches.for_each(|one| one.test.normalize());
        let mut filter = Self {
            ruleset: Ruleset::default(),
            chains: Vec::new(),
            rules: Vec::new(),
            runs: Vec::new(),
            counters: Vec::new(),
            around: Around::default(),
            needs_flows: false,
            gives: false,
            asks_for_frames: false,
            nat_chains: Vec::new(),
            arp_chains: Vec::new(),
        };
        check_tables(&ruleset)?;
        let mut maps = Maps::default();
        for table in &ruleset.tables {
            let names = number_chains(table, filter.chains.len())?;
            check_jumps(table)?;
            check_places(table)?;
            check_family(table)?;
            check_fields(table)?;
            for chain in &table.chains {
                filter.add_chain(table, chain, &names, &mut maps, key, now)?;
            }
        }
        filter.note_needs(&ruleset);
        filter.find_nat();
        filter.find_arp();
        filter.counters = alloc::vec![Counter::default(); filter.rules.len()];
        filter.ruleset = ruleset;
        Ok(filter)
    }

    fn add_chain(
        &mut self,
        table: &Table,
        chain: &Chain,
        names: &BTreeMap<&str, u32>,
        maps: &mut Maps,
        key: Key,
        now: Instant,
    ) -> Result<(), FilterError> {
        if self.rules.len() + chain.rules.len() > MAX_RULES {
            return Err(FilterError::TooManyRules);
        }
        let (mut steps, mut rest) = (Vec::new(), &chain.rules[..]);
        while let [rule, others @ ..] = rest {
            let number = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
            let taken = match Run::of_first(rest, number, key) {
                Some((run, count)) => {
                    let place = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
                    steps.push(Step::Run(Need::of(&run), place));
                    self.runs.push(run);
                    count
                }
                None => {
                    steps.push(Step::Rule(number));
                    1
                }
            };
            for rule in core::iter::once(rule).chain(others).take(taken) {
                let checks = rule.essential().map(|one| self.check(one, maps, key, now));
                let checks = checks.collect();
                let actions = rule.actions.iter().map(|action| op(action, names));
                let actions = actions.collect();
                self.rules.push(CompiledRule { checks, actions });
            }
            rest = rest.get(taken..).unwrap_or(&[]);
        }
        self.chains.push(Code {
            steps,
            family: table.family,
            policy: chain.base.map(|base| base.policy).unwrap_or_default(),
            entry: chain.base.map(|base| (base.at, base.priority)),
            kind: chain.base.map(|base| base.kind).unwrap_or_default(),
        });
        Ok(())
    }

    /// Notes what rules ask for: that flows are followed, the headers of frames, packets for sockets.
    fn note_needs(&mut self, ruleset: &Ruleset) {
        let rules = (ruleset.tables.iter()).flat_map(|table| &table.chains);
        let rules = rules.flat_map(|chain| &chain.rules);
        let mut matches = rules.clone().flat_map(|rule| &rule.matches);
        self.asks_for_frames = matches.any(|one| one.test.asks_for_frames());
        self.needs_flows = rules.clone().any(Rule::needs_flows);
        let mut actions = rules.flat_map(|rule| &rule.actions);
        self.gives = actions.any(|action| matches!(action, Action::Tproxy(_)));
    }

    /// Notes the `nat` chains, for which flows have to be followed.
    fn find_nat(&mut self) {
        let entries = self.chains.iter().zip(0..);
        let nat = entries.filter(|(code, _)| code.kind == ChainKind::Nat);
        let mut nat: Vec<_> = nat.filter_map(|(code, n)| Some((code.entry?, n))).collect();
        nat.sort_by_key(|((_, priority), _)| *priority);
        self.needs_flows |= !nat.is_empty();
        self.nat_chains = nat.into_iter().map(|((at, _), n)| (at, n)).collect();
    }

    /// Notes the chains of the family `arp`.
    fn find_arp(&mut self) {
        let entries = self.chains.iter().zip(0..);
        let arp = entries.filter(|(code, _)| code.family == TableFamily::Arp);
        let mut arp: Vec<_> = arp.filter_map(|(code, n)| Some((code.entry?, n))).collect();
        arp.sort_by_key(|((_, priority), _)| *priority);
        self.arp_chains = arp.into_iter().map(|((at, _), n)| (at, n)).collect();
    }

    fn check(&mut self, one: &Match, maps: &mut Maps, key: Key, now: Instant) -> Check {
        let kind = match &one.test {
            Test::ComesOver(names) => CheckKind::ComesOver(self.interfaces_named(names)),
            Test::LeavesOver(names) => CheckKind::LeavesOver(self.interfaces_named(names)),
            Test::Station(field, stations) => CheckKind::Station(*field, stations.clone()),
            Test::OverEthernet => CheckKind::OverEthernet,
            Test::SentTo(audience) => CheckKind::SentTo(*audience),
            Test::Tuple(tuples) => CheckKind::Tuple(maps.of(tuples, key)),
            Test::Limit(limit) => {
                CheckKind::Limit(TokenBucket::every(limit.interval, limit.burst, now))
            }
            plain => CheckKind::Plain(plain.clone()),
        };
        Check {
            kind,
            negated: one.negated,
        }
    }

    /// The place of names of interfaces.
    fn interfaces_named(&mut self, patterns: &[String]) -> u32 {
        let mut known = self.around.interfaces.iter();
        let known = known.position(|names| names.patterns == patterns);
        let place = known.unwrap_or_else(|| {
            self.around.interfaces.push(Interfaces {
                patterns: patterns.to_vec(),
                ids: SmallVec::new(),
            });
            self.around.interfaces.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }
}

/// Sets of tuples that are compiled, by where their elements lie: rules that name one set share it.
#[derive(Default)]
struct Maps(BTreeMap<*const Vec<TupleValue>, SmallVec<[Arc<TupleMap>; 1]>>);

impl Maps {
    fn of(&mut self, tuples: &Tuples, key: Key) -> Arc<TupleMap> {
        let known = self.0.entry(tuples.elements.as_ptr()).or_default();
        let alike = known.iter().find(|map| map.fields() == tuples.fields);
        if let Some(map) = alike {
            return Arc::clone(map);
        }
        let map = Arc::new(TupleMap::of(tuples, key));
        known.push(Arc::clone(&map));
        map
    }
}

fn op(action: &Action, names: &BTreeMap<&str, u32>) -> Op {
    let chain = |name: &str| *names.get(name).expect("jumps have been checked");
    match action {
        Action::Accept => Op::End(Decision::Accept),
        Action::Drop => Op::End(Decision::Drop),
        Action::Reject(answer) => Op::End(Decision::Reject(*answer)),
        Action::Queue { number, bypass } => Op::End(Decision::Queue {
            number: *number,
            bypass: *bypass,
        }),
        Action::Translate(translation) => Op::End(Decision::Translate(*translation)),
        Action::FlowMark(mark) => Op::FlowMark(*mark),
        Action::Untrack => Op::Untrack,
        Action::Tproxy(target) => Op::Tproxy(*target),
        Action::Mark { keep, set } => Op::Mark {
            keep: *keep,
            set: *set,
        },
        Action::Log(prefix) => Op::Log(prefix.clone()),
        Action::Jump(name) => Op::Jump(chain(name)),
        Action::Goto(name) => Op::Goto(chain(name)),
        Action::Return => Op::Return,
    }
}

/// Rules of all chains together.
const MAX_RULES: usize = 1 << 22;
