//! Tables, their sets and chains.

use super::TextError;
use super::names::Kind;
use super::rule::{Context, rule};
use super::subject::What;
use super::tokens::{Token, Tokens};
use super::values::{Elements, NamedSet, elements};
use crate::filter::{
    Base, Chain, ChainKind, ChainPolicy, End, Field, Ruleset, StationField, Table, TableFamily,
};
use crate::hook::HookPoint;
use alloc::vec::Vec;

/// Reads all tables.
pub(super) fn ruleset(tokens: &mut Tokens<'_>) -> Result<Ruleset, TextError> {
    let mut ruleset = Ruleset::default();
    loop {
        tokens.skip_breaks();
        match tokens.next() {
            Token::End => return Ok(ruleset),
            Token::Word("table") => {}
            _ => return Err(tokens.error("table goes here")),
        }
        let table = table(tokens)?;
        let is_there = |other: &Table| (other.family, &other.name) == (table.family, &table.name);
        if ruleset.tables.iter().any(is_there) {
            return Err(tokens.error("there is a table of this name above"));
        }
        ruleset.tables.push(table);
    }
}

fn table(tokens: &mut Tokens<'_>) -> Result<Table, TextError> {
    let family = match tokens.peek() {
        Token::Word("ip") => Some(TableFamily::Ip),
        Token::Word("ip6") => Some(TableFamily::Ip6),
        Token::Word("inet") => Some(TableFamily::Inet),
        Token::Word("arp") => Some(TableFamily::Arp),
        _ => None,
    };
    if family.is_some() {
        tokens.next();
    }
    let mut table = Table {
        name: tokens.word("the name of the table")?.into(),
        family: family.unwrap_or(TableFamily::Ip),
        chains: Vec::new(),
    };
    let (mut sets, mut jumps) = (Vec::new(), Vec::new());
    tokens.expect_sign("{")?;
    loop {
        tokens.skip_breaks();
        match tokens.next() {
            Token::Sign("}") => break,
            Token::Word("set") => sets.push(set(tokens)?),
            Token::Word("chain") => {
                let name = tokens.word("the name of the chain")?;
                if table.chains.iter().any(|chain| chain.name == name) {
                    return Err(tokens.error("there is a chain of this name above"));
                }
                let sets = &sets[..];
                let translations = Vec::new();
                let mut context = Context {
                    sets,
                    family: table.family,
                    jumps,
                    translations,
                };
                table.chains.push(chain(name, tokens, &mut context)?);
                jumps = context.jumps;
            }
            _ => return Err(tokens.error("set, chain or } goes here")),
        }
    }
    for (name, place) in jumps {
        let chain = table.chains.iter().find(|chain| chain.name == name);
        let problem = match chain {
            None => alloc::format!("there is no chain \"{name}\" in this table"),
            Some(chain) if chain.base.is_some() => {
                alloc::format!("chain \"{name}\" has a hook, and cannot be jumped to")
            }
            Some(_) => continue,
        };
        return Err(tokens.error_at(place, problem));
    }
    Ok(table)
}

fn set(tokens: &mut Tokens<'_>) -> Result<NamedSet, TextError> {
    let name = tokens.word("the name of the set")?.into();
    let (mut parts, mut content) = (Vec::new(), None);
    tokens.expect_sign("{")?;
    loop {
        tokens.skip_breaks();
        match tokens.next() {
            Token::Sign("}") => break,
            Token::Word("type") => {
                parts.push(part(tokens)?);
                while tokens.take_word(".") {
                    parts.push(part(tokens)?);
                }
            }
            Token::Word("flags") => {
                if tokens.word("interval")? != "interval" {
                    return Err(tokens.error("interval is the only flag there is"));
                }
            }
            // Ranges that touch always become one.
            Token::Word("auto-merge") => {}
            Token::Word("elements") if !parts.is_empty() => {
                tokens.expect_sign("=")?;
                content = Some(elements(tokens, &parts)?);
            }
            Token::Word("elements") => return Err(tokens.error("the type goes first")),
            _ => return Err(tokens.error("one of type, flags, elements and } goes here")),
        }
    }
    let empty = match parts[..] {
        [] => return Err(tokens.error("the set has no type")),
        [What::Address(_)] => Elements::Addresses(core::iter::empty().collect()),
        [What::Station(_)] => Elements::Stations(core::iter::empty().collect()),
        [What::ComesOver] => Elements::Names(Vec::new()),
        [_] => Elements::Numbers(core::iter::empty().collect()),
        _ => Elements::Tuples([].into()),
    };
    Ok(NamedSet {
        name,
        elements: content.unwrap_or(empty),
    })
}

/// What the name of a type stands for.
fn part(tokens: &mut Tokens<'_>) -> Result<What, TextError> {
    Ok(match tokens.word("a type")? {
        "ipv4_addr" | "ipv6_addr" => What::Address(End::Source),
        "inet_service" => What::Number(Field::DestPort, Kind::Number(u16::MAX.into())),
        "inet_proto" => What::Number(Field::Protocol, Kind::Protocol),
        "mark" => What::Number(Field::Mark, Kind::Number(u32::MAX)),
        "ether_addr" => What::Station(StationField::Source),
        "ifname" => What::ComesOver,
        "icmp_type" => What::Number(Field::IcmpType, Kind::IcmpType),
        "icmpv6_type" => What::Number(Field::IcmpType, Kind::Icmp6Type),
        _ => {
            return Err(tokens.error(
                "one of ipv4_addr, ipv6_addr, ether_addr, inet_service, inet_proto, mark, ifname, \
                 icmp_type and icmpv6_type goes here",
            ));
        }
    })
}

fn chain(
    name: &str,
    tokens: &mut Tokens<'_>,
    context: &mut Context<'_>,
) -> Result<Chain, TextError> {
    let mut chain = Chain {
        name: name.into(),
        ..Chain::default()
    };
    tokens.expect_sign("{")?;
    loop {
        tokens.skip_breaks();
        match tokens.peek() {
            Token::Sign("}") => {
                tokens.next();
                return Ok(chain);
            }
            Token::Word("type") => {
                tokens.next();
                if chain.base.is_some() || !chain.rules.is_empty() {
                    return Err(tokens.error("the type goes first, once"));
                }
                let place = tokens.place();
                let base = base(tokens)?;
                if context.family == TableFamily::Arp && !base.is_for_arp() {
                    let problem = "chains of the family arp are filters at input or output";
                    return Err(tokens.error_at(place, problem));
                }
                chain.base = Some(base);
            }
            Token::End => {
                tokens.next();
                return Err(tokens.error("a rule or } goes here"));
            }
            Token::Word("policy") => {
                tokens.next();
                let Some(base) = &mut chain.base else {
                    return Err(tokens.error("only a chain with a hook has a policy"));
                };
                base.policy = match tokens.word("accept or drop")? {
                    "accept" => ChainPolicy::Accept,
                    "drop" => ChainPolicy::Drop,
                    _ => return Err(tokens.error("accept or drop goes here")),
                };
            }
            _ => {
                chain.rules.push(rule(tokens, context)?);
                let Some((kind, place)) = context.translations.pop() else {
                    continue;
                };
                if chain.base.is_some_and(|base| !base.translates(kind)) {
                    let problem = "flows cannot be translated so in a chain of this type and hook";
                    return Err(tokens.error_at(place, problem));
                }
            }
        }
    }
}

/// `filter|nat|route hook HOOK priority PRIORITY`.
fn base(tokens: &mut Tokens<'_>) -> Result<Base, TextError> {
    let kind = match tokens.word("filter, nat or route")? {
        "filter" => ChainKind::Filter,
        "nat" => ChainKind::Nat,
        "route" => ChainKind::Route,
        _ => return Err(tokens.error("filter, nat or route goes here")),
    };
    if !tokens.take_word("hook") {
        tokens.next();
        return Err(tokens.error("hook goes here"));
    }
    let at = match tokens.word("a hook")? {
        "prerouting" => HookPoint::PreRouting,
        "input" => HookPoint::LocalIn,
        "forward" => HookPoint::Forward,
        "output" => HookPoint::LocalOut,
        "postrouting" => HookPoint::PostRouting,
        _ => {
            return Err(
                tokens.error("one of prerouting, input, forward, output and postrouting goes here")
            );
        }
    };
    if !tokens.take_word("priority") {
        tokens.next();
        return Err(tokens.error("priority goes here"));
    }
    Ok(Base {
        at,
        priority: priority(tokens)?,
        policy: ChainPolicy::Accept,
        kind,
    })
}

/// A number, or a name with or without a distance from it.
fn priority(tokens: &mut Tokens<'_>) -> Result<i32, TextError> {
    let word = tokens.word("a priority")?;
    let named = match word {
        "raw" => -300,
        "mangle" => -150,
        "dstnat" => -100,
        "filter" => 0,
        "security" => 50,
        "srcnat" => 100,
        number => {
            let number = number.parse();
            return number.map_err(|_| tokens.error(format_args!("\"{word}\" is no priority")));
        }
    };
    let sign = if tokens.take_word("+") {
        1
    } else if tokens.take_word("-") {
        -1
    } else {
        return Ok(named);
    };
    let distance: i32 = tokens.value("number")?;
    Ok(distance.saturating_mul(sign).saturating_add(named))
}
