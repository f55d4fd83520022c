//! What a set of rules must not be: names that lead nowhere, twice, in circles or too deep, and
//! what can be done in other places only.

use super::program::MAX_DEPTH;
use super::{Action, Base, Chain, ChainKind, FilterError, Ruleset, Table, Test};
use crate::hook::HookPoint;
use crate::nat::TranslationKind;
use alloc::collections::BTreeMap;

pub(super) fn check_tables(ruleset: &Ruleset) -> Result<(), FilterError> {
    for (index, table) in ruleset.tables.iter().enumerate() {
        let mut before = ruleset.tables.iter().take(index);
        if before.any(|other| (other.family, &other.name) == (table.family, &table.name)) {
            return Err(FilterError::Duplicate(table.name.clone()));
        }
    }
    Ok(())
}

/// Checks that rules ask for fields and parts that can be.
pub(super) fn check_fields(table: &Table) -> Result<(), FilterError> {
    let can_be = |chain: &&Chain| {
        let matches = chain.rules.iter().flat_map(|rule| &rule.matches);
        matches.map(|one| &one.test).all(Test::can_be)
    };
    match table.chains.iter().find(|chain| !can_be(chain)) {
        Some(chain) => Err(FilterError::Field(chain.name.clone())),
        None => Ok(()),
    }
}

/// The chains of a table by name; the first gets the number `first`.
pub(super) fn number_chains(
    table: &Table,
    first: usize,
) -> Result<BTreeMap<&str, u32>, FilterError> {
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
pub(super) fn check_jumps(table: &Table) -> Result<(), FilterError> {
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

/// Checks that flows are translated, packets given to sockets, routed anew and rejected only where that has
/// an effect; jumps have been checked.
pub(super) fn check_places(table: &Table) -> Result<(), FilterError> {
    let bases = table.chains.iter();
    for (chain, base) in bases.filter_map(|chain| Some((chain, chain.base?))) {
        if base.kind == ChainKind::Route && base.at != HookPoint::LocalOut {
            return Err(FilterError::Route(chain.name.clone()));
        }
        let (mut reached, mut next) = (alloc::vec![chain], 0);
        while let Some(here) = reached.get(next).copied() {
            next += 1;
            for action in here.rules.iter().flat_map(|rule| &rule.actions) {
                match action {
                    Action::Translate(translation) if !base.translates(translation.kind) => {
                        return Err(FilterError::Translation(chain.name.clone()));
                    }
                    Action::Tproxy(_) if !base.gives() => {
                        return Err(FilterError::Tproxy(chain.name.clone()));
                    }
                    Action::Reject(_) if base.at == HookPoint::PostRouting => {
                        return Err(FilterError::Reject(chain.name.clone()));
                    }
                    Action::Jump(name) | Action::Goto(name) => {
                        let target = table.chains.iter().find(|other| other.name == *name);
                        let is_new = |target: &&Chain| {
                            !reached.iter().any(|other| other.name == target.name)
                        };
                        let target = target.filter(is_new);
                        reached.extend(target);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

impl Base {
    /// Whether packets can be given to sockets here.
    fn gives(&self) -> bool {
        self.kind == ChainKind::Filter && self.at == HookPoint::PreRouting
    }

    /// Whether flows can be translated so here.
    pub(super) fn translates(&self, kind: TranslationKind) -> bool {
        let place = match kind {
            TranslationKind::Source => {
                matches!(self.at, HookPoint::PostRouting | HookPoint::LocalIn)
            }
            TranslationKind::Masquerade => self.at == HookPoint::PostRouting,
            TranslationKind::Dest => {
                matches!(self.at, HookPoint::PreRouting | HookPoint::LocalOut)
            }
            TranslationKind::Redirect => self.at == HookPoint::PreRouting,
        };
        self.kind == ChainKind::Nat && place
    }
}
