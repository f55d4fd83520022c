//! Runs of rules that look at the same fields, as one lookup.

use super::addresses::PrefixMap;
use super::chunks::Prefixes;
use super::fields::{End, Field, Fields};
use super::tuples::{TupleField, TupleMap, TupleValue, fits};
use super::{Action, Match, Numbers, Rule, Test};
use crate::iface::IpCidr;
use crate::seed::Key;
use crate::wire::IpHeader;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Rules in a row that each compare the same fields for equality, or the same address with prefixes,
/// and that all decide.
#[derive(Debug)]
pub(super) enum Run {
    /// The first rule that holds, by prefix.
    Prefixes { end: End, rules: Arc<Prefixes> },
    /// The first rule that holds, by tuple, where these fields have some of these values.
    Tuples {
        wanted: Box<[(Field, Numbers)]>,
        rules: TupleMap,
    },
}

/// What a packet has to have so that any rule of a run may hold. Most packets lack it for most runs, which
/// takes a few comparisons to tell, and no look at the run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Need {
    /// An address: one of IPv4 with these bits, if any of IPv4 will do, or one of IPv6, if any of those will.
    Address {
        end: End,
        v4: Option<Bits>,
        v6: bool,
    },
    Protocol(u32),
    /// A protocol, and a destination port from one to another.
    Port {
        protocol: u32,
        first: u32,
        last: u32,
    },
    /// It is not known what.
    Unknown,
}

/// Bits of an address, and which of them matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    bits: u32,
    mask: u32,
}

impl Need {
    pub(super) fn of(run: &Run) -> Self {
        let wanted = match run {
            Run::Prefixes { end, rules } => {
                let v4 = rules.all().shared();
                let v4 = v4.map(|(bits, mask)| Bits { bits, mask });
                let (end, v6) = (*end, rules.all().has_v6());
                return Self::Address { end, v4, v6 };
            }
            Run::Tuples { wanted, .. } => wanted,
        };
        let numbers = |field| wanted.iter().find(|(other, _)| *other == field);
        let Some(protocol) = numbers(Field::Protocol).and_then(|(_, one)| one.single()) else {
            return Self::Unknown;
        };
        let mut ports = numbers(Field::DestPort)
            .into_iter()
            .flat_map(|(_, ports)| ports.ranges());
        match (ports.next(), ports.last()) {
            (Some(first), last) => Self::Port {
                protocol,
                last: *last.as_ref().unwrap_or(&first).end(),
                first: *first.start(),
            },
            (None, _) => Self::Protocol(protocol),
        }
    }

    #[inline]
    pub(super) fn is_met(self, packet: &Fields<'_, '_>) -> bool {
        self.is_met_by(packet.view.ip, packet.protocol(), || packet.dest_port())
    }

    /// Whether the packet with this header, whose transport has this number and goes to this port, has it.
    #[inline]
    pub(super) fn is_met_by(
        self,
        ip: &IpHeader,
        protocol: u32,
        dest_port: impl FnOnce() -> Option<u32>,
    ) -> bool {
        match self {
            Self::Address { end, v4, v6 } => match end.address(ip) {
                IpAddr::V4(address) => v4.is_some_and(|v4| v4.are_of(address.to_bits())),
                IpAddr::V6(_) => v6,
            },
            Self::Protocol(wanted) => protocol == wanted,
            Self::Port {
                protocol: wanted,
                first,
                last,
            } => {
                let is_among = |port| first <= port && port <= last;
                protocol == wanted && dest_port().is_some_and(is_among)
            }
            Self::Unknown => true,
        }
    }

    /// Whether a packet of IPv4, or else of IPv6, may have it.
    pub(super) const fn is_for(self, is_v4: bool) -> bool {
        match self {
            Self::Address { v4, .. } if is_v4 => v4.is_some(),
            Self::Address { v6, .. } => v6,
            _ => true,
        }
    }
}

impl Bits {
    #[inline]
    const fn are_of(self, address: u32) -> bool {
        (address ^ self.bits) & self.mask == 0
    }
}

impl Run {
    /// Makes one of the rules at the front, if there are enough of a kind; with how many it took.
    pub(super) fn of_first(rules: &[Rule], first: u32, key: Key) -> Option<(Self, usize)> {
        let shape = Shape::of(rules.first()?)?;
        let like = |rule: &&Rule| Shape::of(rule).as_ref() == Some(&shape);
        let count = rules.iter().take_while(like).count();
        if count < MIN_RULES {
            return None;
        }
        let numbered = rules.iter().take(count).zip(first..);
        let run = match shape {
            Shape::Prefixes(end) => Self::Prefixes {
                end,
                rules: Arc::new(Prefixes::of(first_by_prefix(numbered)?)),
            },
            Shape::Tuples(fields) => Self::of_tuples(&fields, numbered, key),
        };
        Some((run, count))
    }

    /// Whether any rule asks for the numbers that a packet has is looked at first, number by number; what
    /// all of the rules ask for is no part of the tuples then.
    fn of_tuples<'a>(
        fields: &[TupleField],
        rules: impl Iterator<Item = (&'a Rule, u32)>,
        key: Key,
    ) -> Self {
        let values = |rule: &Rule| rule.essential().filter_map(exact).collect::<Vec<_>>();
        let rules: Vec<_> = rules.map(|(rule, number)| (values(rule), number)).collect();
        let (mut wanted, mut kept) = (Vec::new(), Vec::new());
        for (place, field) in fields.iter().enumerate() {
            let mut is_common = false;
            if let TupleField::Number(field) = field {
                let values = rules.iter().filter_map(|(values, _)| values.get(place));
                let numbers = values.filter_map(|(_, value)| match value {
                    TupleValue::Number(number) => Some(*number..=*number),
                    TupleValue::Address(_) | TupleValue::Station(_) => None,
                });
                let numbers: Numbers = numbers.collect();
                is_common = numbers.single().is_some();
                wanted.push((*field, numbers));
            }
            if !is_common {
                kept.push(place);
            }
        }
        let fields: Vec<_> = kept.iter().filter_map(|place| fields.get(*place)).collect();
        let fields: Vec<_> = fields.into_iter().copied().collect();
        let mut map = TupleMap::new(&fields, key);
        for (values, number) in &rules {
            let values = kept.iter().filter_map(|place| values.get(*place));
            let values: Vec<_> = values.map(|(_, value)| *value).collect();
            map.insert(&values, *number);
        }
        let wanted = wanted.into();
        Self::Tuples { wanted, rules: map }
    }

    /// The first of the rules that holds.
    #[inline]
    pub(super) fn find(&self, packet: &Fields<'_, '_>) -> Option<u32> {
        match self {
            Self::Prefixes { end, rules } => rules.longest(&packet.address(*end)),
            Self::Tuples { wanted, rules } => {
                let may_hold = wanted.iter().all(|(field, wanted)| {
                    let number = packet.read(*field);
                    number.is_some_and(|number| wanted.contains(number))
                });
                may_hold.then(|| rules.find(packet, None)).flatten()
            }
        }
    }
}

/// What rules of one run have in common.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Prefixes(End),
    Tuples(Vec<TupleField>),
}

impl Shape {
    fn of(rule: &Rule) -> Option<Self> {
        rule.actions.last().filter(|action| action.is_final())?;
        if rule
            .actions
            .iter()
            .any(|action| matches!(action, Action::Jump(_) | Action::Tproxy(_)))
        {
            // Behind these the rules that follow may still be asked.
            return None;
        }
        let mut essential = rule.essential();
        if let (
            Some(Match {
                test: Test::Address(end, _),
                negated: false,
            }),
            None,
        ) = (essential.next(), essential.next())
        {
            return Some(Self::Prefixes(*end));
        }
        let fields = rule.essential().map(|one| Some(exact(one)?.0));
        let fields: Vec<_> = fields.collect::<Option<_>>()?;
        (!fields.is_empty() && fits(&fields)).then_some(Self::Tuples(fields))
    }
}

/// The field and the one value that a match compares it with.
fn exact(one: &Match) -> Option<(TupleField, TupleValue)> {
    if one.negated {
        return None;
    }
    match &one.test {
        Test::Number(field, numbers) => {
            let number = TupleValue::Number(numbers.single()?);
            Some((TupleField::Number(*field), number))
        }
        Test::Address(end, addresses) => {
            let address = TupleValue::Address(addresses.single()?);
            Some((TupleField::Address(*end), address))
        }
        _ => None,
    }
}

/// The first rule that holds, for every prefix: the earliest among its own and those around it. `None` if no
/// map has room for them all.
fn first_by_prefix<'a>(rules: impl Iterator<Item = (&'a Rule, u32)>) -> Option<PrefixMap> {
    let prefixes = rules.flat_map(|(rule, number)| {
        let addresses = rule.matches.iter().filter_map(|one| match &one.test {
            Test::Address(_, addresses) => Some(addresses.prefixes()),
            _ => None,
        });
        addresses.flatten().map(move |prefix| (*prefix, number))
    });
    let mut prefixes: Vec<(IpCidr, u32)> = prefixes.collect();
    // The shortest first, and of equals the earliest: what is around a prefix is there before it.
    prefixes.sort_by_key(|(prefix, number)| (prefix.prefix_len, *number));
    let mut map = PrefixMap::new();
    for (prefix, number) in prefixes {
        if map.get(prefix).is_none() {
            let around = map.longest(prefix.address).unwrap_or(number);
            map.insert(prefix, number.min(around)).ok()?;
        }
    }
    Some(map)
}

/// Fewer rules are looked at one by one.
const MIN_RULES: usize = 8;
