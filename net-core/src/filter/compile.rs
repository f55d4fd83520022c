//! From what a set of rules says to what is asked about packets.

use super::program::{
    Check, CheckKind, Code, CompiledRule, Decision, Filter, Interfaces, MAX_DEPTH, Op, Step,
};
use super::run::Run;
use super::tuples::TupleMap;
use super::{Action, Chain, Counter, FilterError, Match, Ruleset, Table, Test};
use crate::seed::Key;
use crate::stack::TokenBucket;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use smallvec::SmallVec;

impl Filter {
    /// Compiles a set of rules; `key` is for its hash tables.
    pub(crate) fn compile(ruleset: Ruleset, key: Key, now: Instant) -> Result<Self, FilterError> {
        let mut filter = Self {
            ruleset: Ruleset::default(),
            chains: Vec::new(),
            rules: Vec::new(),
            runs: Vec::new(),
            counters: Vec::new(),
            interfaces: Vec::new(),
        };
        check_tables(&ruleset)?;
        for table in &ruleset.tables {
            let names = number_chains(table, filter.chains.len())?;
            check_jumps(table)?;
            for chain in &table.chains {
                filter.add_chain(table, chain, &names, key, now)?;
            }
        }
        filter.counters = alloc::vec![Counter::default(); filter.rules.len()];
        filter.ruleset = ruleset;
        Ok(filter)
    }

    fn add_chain(
        &mut self,
        table: &Table,
        chain: &Chain,
        names: &BTreeMap<&str, u32>,
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
                    self.runs.push(run);
                    steps.push(Step::Run(place));
                    count
                }
                None => {
                    steps.push(Step::Rule(number));
                    1
                }
            };
            for rule in core::iter::once(rule).chain(others).take(taken) {
                let checks = rule.essential().map(|one| self.check(one, key, now));
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
        });
        Ok(())
    }

    fn check(&mut self, one: &Match, key: Key, now: Instant) -> Check {
        let kind = match &one.test {
            Test::ComesOver(names) => CheckKind::ComesOver(self.interfaces_named(names)),
            Test::LeavesOver(names) => CheckKind::LeavesOver(self.interfaces_named(names)),
            Test::Tuple(tuples) => {
                let mut map = TupleMap::new(&tuples.fields, key);
                for tuple in &*tuples.elements {
                    map.insert(tuple, 0);
                }
                CheckKind::Tuple(map)
            }
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
        let mut known = self.interfaces.iter();
        let known = known.position(|names| names.patterns == patterns);
        let place = known.unwrap_or_else(|| {
            self.interfaces.push(Interfaces {
                patterns: patterns.to_vec(),
                ids: SmallVec::new(),
            });
            self.interfaces.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
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

fn check_tables(ruleset: &Ruleset) -> Result<(), FilterError> {
    for (index, table) in ruleset.tables.iter().enumerate() {
        let mut before = ruleset.tables.iter().take(index);
        if before.any(|other| (other.family, &other.name) == (table.family, &table.name)) {
            return Err(FilterError::Duplicate(table.name.clone()));
        }
    }
    Ok(())
}

/// The chains of a table by name; the first gets the number `first`.
fn number_chains(table: &Table, first: usize) -> Result<BTreeMap<&str, u32>, FilterError> {
    let first = u32::try_from(first).map_err(|_| FilterError::TooManyRules)?;
    let mut names = BTreeMap::new();
    for (chain, number) in table.chains.iter().zip(first..) {
        if names.insert(chain.name.as_str(), number).is_some() {
            return Err(FilterError::Duplicate(chain.name.clone()));
        }
    }
    Ok(names)
}

/// Checks that every jump leads somewhere, and none back or too far.
fn check_jumps(table: &Table) -> Result<(), FilterError> {
    let mut walk = Walk {
        chains: (table.chains.iter())
            .map(|chain| (chain.name.as_str(), (chain, Visit::Never)))
            .collect(),
    };
    for chain in &table.chains {
        walk.visit(&chain.name, 0)?;
    }
    Ok(())
}

struct Walk<'a> {
    chains: BTreeMap<&'a str, (&'a Chain, Visit)>,
}

#[derive(Clone, Copy)]
enum Visit {
    Never,
    Now,
    /// It leads through so many chains.
    Done(usize),
}

impl<'a> Walk<'a> {
    /// Through how many chains the one of this name leads; `depth` led to it.
    fn visit(&mut self, name: &'a str, depth: usize) -> Result<usize, FilterError> {
        let Some((chain, visit)) = self.chains.get_mut(name) else {
            return Err(FilterError::NoSuchChain(name.into()));
        };
        let chain = *chain;
        if depth > 0 && chain.base.is_some() {
            return Err(FilterError::BaseChain(name.into()));
        }
        let height = match *visit {
            Visit::Now => return Err(FilterError::Loop(name.into())),
            Visit::Done(height) => height,
            Visit::Never if depth > MAX_DEPTH => 0,
            Visit::Never => {
                *visit = Visit::Now;
                let mut height = 0;
                for action in chain.rules.iter().flat_map(|rule| &rule.actions) {
                    if let Action::Jump(target) | Action::Goto(target) = action {
                        height = height.max(1 + self.visit(target, depth + 1)?);
                    }
                }
                if let Some((_, visit)) = self.chains.get_mut(name) {
                    *visit = Visit::Done(height);
                }
                height
            }
        };
        if depth + height > MAX_DEPTH {
            return Err(FilterError::TooDeep(name.into()));
        }
        Ok(height)
    }
}

/// Rules of all chains together.
const MAX_RULES: usize = 1 << 22;
