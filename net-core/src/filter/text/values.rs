//! What fields are compared with: single values, ranges, sets.

use super::TextError;
use super::names::Kind;
use super::subject::What;
use super::tokens::{Token, Tokens};
use crate::filter::addresses::prefixes_between;
use crate::filter::{Addresses, Numbers, Stations, TupleValue};
use crate::iface::IpCidr;
use crate::wire::MacAddr;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;

/// A set that has a name.
#[derive(Debug)]
pub(super) struct NamedSet {
    pub(super) name: String,
    pub(super) elements: Elements,
}

/// What is in a set.
#[derive(Debug, Clone)]
pub(super) enum Elements {
    Addresses(Addresses),
    Numbers(Numbers),
    Stations(Stations),
    /// Of interfaces.
    Names(Vec<String>),
    /// Rules that name the set share them.
    Tuples(Arc<[Vec<TupleValue>]>),
}

/// Reads an address, a prefix or a range of addresses.
pub(super) fn addresses(tokens: &mut Tokens<'_>) -> Result<Vec<IpCidr>, TextError> {
    let word = tokens.word("an address")?;
    let wrong = || tokens.error(format_args!("\"{word}\" is no address, prefix or range"));
    if let Some((first, last)) = word.split_once('-') {
        let ends = first.parse().ok().zip(last.parse().ok());
        let prefixes = ends.and_then(|(first, last)| prefixes_between(first, last));
        return prefixes.ok_or_else(wrong);
    }
    let Some((address, len)) = word.split_once('/') else {
        let address: IpAddr = word.parse().map_err(|_| wrong())?;
        return Ok(alloc::vec![IpCidr::host(address)]);
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = IpCidr::max_prefix_len(address);
    let len = len.parse().ok().filter(|len| *len <= most);
    let prefix_len = len.ok_or_else(wrong)?;
    Ok(alloc::vec![IpCidr {
        address,
        prefix_len,
    }])
}

/// Reads the address of a station.
pub(super) fn station(tokens: &mut Tokens<'_>) -> Result<MacAddr, TextError> {
    tokens.value("address of a station")
}

/// Reads the name of an interface.
pub(super) fn interface(tokens: &mut Tokens<'_>) -> Result<String, TextError> {
    tokens.name("the name of an interface").map(String::from)
}

/// Reads a number or a range.
pub(super) fn range(tokens: &mut Tokens<'_>, kind: Kind) -> Result<RangeInclusive<u32>, TextError> {
    let word = tokens.word(kind.what())?;
    let wrong = || tokens.error(format_args!("\"{word}\" is no {}", kind.what()));
    if let Some(number) = kind.number(word) {
        return Ok(number..=number);
    }
    if kind == Kind::Ipv4Address && word.contains('/') {
        let prefix = word.split_once('/').and_then(|(address, len)| {
            let address = kind.number(address)?;
            let len: u32 = len.parse().ok().filter(|len| *len <= u32::BITS)?;
            let host = u32::MAX.checked_shr(len).unwrap_or(0);
            Some(address & !host..=address | host)
        });
        return prefix.ok_or_else(wrong);
    }
    let (low, high) = word.split_once('-').ok_or_else(wrong)?;
    let ends = kind.number(low).zip(kind.number(high));
    let ends = ends.filter(|(low, high)| low <= high);
    ends.map(|(low, high)| low..=high).ok_or_else(wrong)
}

/// Reads one number.
pub(super) fn number(tokens: &mut Tokens<'_>, kind: Kind) -> Result<u32, TextError> {
    let range = range(tokens, kind)?;
    if range.start() == range.end() {
        Ok(*range.start())
    } else {
        Err(tokens.error("one number goes here, not a range"))
    }
}

/// Reads names of bits: `syn`, `syn,ack`, `syn|ack`, `(syn|ack)`, or a number.
pub(super) fn bits(tokens: &mut Tokens<'_>, kind: Kind) -> Result<u32, TextError> {
    let in_parentheses = tokens.take_sign("(");
    let mut bits = number(tokens, kind)?;
    while tokens.take_sign("|") || tokens.take_sign(",") {
        bits |= number(tokens, kind)?;
    }
    if in_parentheses {
        tokens.expect_sign(")")?;
    }
    Ok(bits)
}

/// Reads what is between braces: elements that `one` reads, with commas between them.
pub(super) fn list<'a, T>(
    tokens: &mut Tokens<'a>,
    mut one: impl FnMut(&mut Tokens<'a>) -> Result<T, TextError>,
) -> Result<Vec<T>, TextError> {
    tokens.expect_sign("{")?;
    let mut elements = Vec::new();
    loop {
        tokens.skip_breaks();
        if tokens.take_sign("}") {
            return Ok(elements);
        }
        elements.push(one(tokens)?);
        tokens.skip_breaks();
        if !tokens.take_sign(",") {
            tokens.expect_sign("}")?;
            return Ok(elements);
        }
    }
}

/// Reads the elements of a set of such parts.
pub(super) fn elements(tokens: &mut Tokens<'_>, parts: &[What]) -> Result<Elements, TextError> {
    Ok(match parts {
        [What::Station(_)] => Elements::Stations(list(tokens, station)?.into_iter().collect()),
        [What::ComesOver] => Elements::Names(list(tokens, interface)?),
        [What::Address(_) | What::RoutingAddress(_) | What::ArpAddress(_)] => {
            let prefixes = list(tokens, addresses)?;
            Elements::Addresses(prefixes.into_iter().flatten().collect())
        }
        [What::Number(_, kind)] => {
            let ranges = list(tokens, |tokens| range(tokens, *kind))?;
            Elements::Numbers(ranges.into_iter().collect())
        }
        parts => Elements::Tuples(list(tokens, |tokens| tuple(tokens, parts))?.into()),
    })
}

fn tuple(tokens: &mut Tokens<'_>, parts: &[What]) -> Result<Vec<TupleValue>, TextError> {
    let mut values = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        if index > 0 && !tokens.take_word(".") {
            tokens.next();
            return Err(tokens.error("\".\" and the next part of the tuple go here"));
        }
        values.push(match part {
            What::Address(_) => TupleValue::Address(tokens.value("address")?),
            What::Number(_, kind) => TupleValue::Number(number(tokens, *kind)?),
            What::Station(_) => TupleValue::Station(station(tokens)?),
            _ => return Err(tokens.error("tuples have addresses, numbers and stations only")),
        });
    }
    Ok(values)
}

/// Finds the set that `@` and its name stand for; it has to have such parts.
pub(super) fn named<'s>(
    tokens: &mut Tokens<'_>,
    sets: &'s [NamedSet],
    parts: &[What],
) -> Result<&'s Elements, TextError> {
    let name = tokens.word("the name of a set")?;
    let set = sets.iter().find(|set| set.name == name);
    let Some(set) = set else {
        return Err(tokens.error(format_args!(
            "there is no set \"{name}\" above this in the table"
        )));
    };
    let is_like = match (&set.elements, parts) {
        (
            Elements::Addresses(_),
            [What::Address(_) | What::RoutingAddress(_) | What::ArpAddress(_)],
        )
        | (Elements::Stations(_), [What::Station(_)])
        | (Elements::Names(_), [What::ComesOver])
        | (Elements::Numbers(_), [What::Number(..)]) => true,
        (Elements::Tuples(tuples), parts) if parts.len() > 1 => {
            tuples.first().is_none_or(|tuple| {
                tuple.len() == parts.len()
                    && tuple.iter().zip(parts).all(|pair| {
                        matches!(
                            pair,
                            (TupleValue::Address(_), What::Address(_))
                                | (TupleValue::Number(_), What::Number(..))
                                | (TupleValue::Station(_), What::Station(_))
                        )
                    })
            })
        }
        _ => false,
    };
    if is_like {
        Ok(&set.elements)
    } else {
        Err(tokens.error(format_args!("set \"{name}\" holds something else")))
    }
}

/// Whether a set comes next: one between braces or one with a name.
pub(super) fn is_set(tokens: &Tokens<'_>) -> bool {
    matches!(tokens.peek(), Token::Sign("{" | "@"))
}
