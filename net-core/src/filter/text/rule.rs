//! A rule: matches, statements, a verdict.

use super::TextError;
use super::names::Kind;
use super::subject::{Subject, What, raw, subject};
use super::tokens::{Token, Tokens};
use super::translation::{kind_of, tproxy, translation};
use super::values::{
    Elements, NamedSet, addresses, bits, elements, interface, is_set, named, number, range, station,
};
use crate::filter::{
    Action, Answer, Audience, Field, Limit, Match, Numbers, Rule, TableFamily, Test, TupleField,
    Tuples,
};
use crate::nat::TranslationKind;
use crate::time::Duration;
use alloc::string::String;
use alloc::vec::Vec;

/// What a rule may refer to, and where it jumps.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) sets: &'a [NamedSet],
    /// That of the table.
    pub(super) family: TableFamily,
    /// The chains jumped to, and where in the text.
    pub(super) jumps: Vec<(String, usize)>,
    /// Translations, and where.
    pub(super) translations: Vec<(TranslationKind, usize)>,
}

/// Reads one rule up to the end of its line.
pub(super) fn rule(tokens: &mut Tokens<'_>, context: &mut Context<'_>) -> Result<Rule, TextError> {
    let mut rule = Rule::new();
    while !matches!(tokens.peek(), Token::Break | Token::End | Token::Sign("}")) {
        if tokens.take_sign("@") {
            let subject = raw(tokens)?;
            check_family(&subject, tokens, context)?;
            rule.matches.push(single(subject.what, tokens, context)?);
            continue;
        }
        let word = tokens.word("a match, a statement or a verdict")?;
        if (rule.actions.last())
            .is_some_and(|last| last.is_final() || matches!(last, Action::Jump(_)))
        {
            return Err(tokens.error("a verdict ends its rule; begin another line"));
        }
        let place = tokens.place();
        if let Some(action) = action(word, tokens, &mut rule, context)? {
            if context.family == TableFamily::Arp && !action.is_for_arp() {
                return Err(tokens.error_at(place, "this cannot be done with ARP packets"));
            }
            rule.actions.push(action);
        } else if word != "counter" {
            if !rule.actions.is_empty() {
                return Err(tokens.error("matches go in front of what the rule does"));
            }
            matching(word, tokens, &mut rule, context)?;
        }
    }
    Ok(rule)
}

/// Reads what is done, if `word` begins that.
fn action(
    word: &str,
    tokens: &mut Tokens<'_>,
    rule: &mut Rule,
    context: &mut Context<'_>,
) -> Result<Option<Action>, TextError> {
    Ok(Some(match word {
        "accept" => Action::Accept,
        "drop" => Action::Drop,
        "return" => Action::Return,
        "jump" => Action::Jump(target(tokens, context)?),
        "goto" => Action::Goto(target(tokens, context)?),
        "reject" => Action::Reject(answer(tokens, rule)?),
        "log" => {
            let mut prefix = "";
            if tokens.take_word("prefix") {
                prefix = tokens.name("a text between quotation marks")?;
            }
            Action::Log(prefix.into())
        }
        "queue" => {
            let mut number = 0;
            if tokens.take_word("num") || tokens.take_word("to") {
                number = tokens.value("number of a queue")?;
            }
            let bypass = tokens.take_word("bypass");
            Action::Queue { number, bypass }
        }
        "notrack" => Action::Untrack,
        "tproxy" => Action::Tproxy(tproxy(tokens)?),
        "snat" | "dnat" | "masquerade" | "redirect" => {
            context.translations.push((kind_of(word), tokens.place()));
            Action::Translate(translation(kind_of(word), tokens)?)
        }
        "meta" | "mark" | "ct" => match mark(word, tokens)? {
            Some(action) => action,
            None => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

fn target(tokens: &mut Tokens<'_>, context: &mut Context<'_>) -> Result<String, TextError> {
    let name = String::from(tokens.word("the name of a chain")?);
    context.jumps.push((name.clone(), tokens.place()));
    Ok(name)
}

/// `ct mark set N`, `meta mark set N`, or `meta mark set meta mark & KEEP ^ SET`.
fn mark(word: &str, tokens: &mut Tokens<'_>) -> Result<Option<Action>, TextError> {
    let mut ahead = tokens.clone();
    let is_setting = (word == "mark" || ahead.take_word("mark")) && ahead.take_word("set");
    if !is_setting {
        return Ok(None);
    }
    *tokens = ahead;
    let any = Kind::Number(u32::MAX);
    if !tokens.take_word("meta") {
        let set = number(tokens, any)?;
        return Ok(Some(match word {
            "ct" => Action::FlowMark(set),
            _ => Action::Mark { keep: 0, set },
        }));
    }
    if !tokens.take_word("mark") {
        tokens.next();
        return Err(tokens.error("only the mark itself can be changed: \"meta mark & N ^ N\""));
    }
    tokens.expect_sign("&")?;
    let keep = number(tokens, any)?;
    tokens.expect_sign("^")?;
    let set = number(tokens, any)?;
    Ok(Some(Action::Mark { keep, set }))
}

/// What is behind `reject`.
fn answer(tokens: &mut Tokens<'_>, rule: &mut Rule) -> Result<Answer, TextError> {
    if !tokens.take_word("with") {
        return Ok(Answer::PORT_UNREACHABLE);
    }
    let kind = tokens.word("icmp, icmpv6, icmpx or tcp")?;
    if kind == "tcp" {
        if !tokens.take_word("reset") {
            tokens.next();
            return Err(tokens.error("reset goes here"));
        }
        imply(rule, Field::Protocol, u32::from(crate::wire::ip::TCP));
        return Ok(Answer::TcpReset);
    }
    tokens.take_word("type");
    let byte = |code: u32| u8::try_from(code).unwrap_or(u8::MAX);
    let Answer::Unreachable { v4, v6 } = Answer::PORT_UNREACHABLE else {
        return Ok(Answer::PORT_UNREACHABLE);
    };
    match kind {
        "icmp" => {
            imply(rule, Field::Version, 4);
            let v4 = byte(number(tokens, Kind::IcmpCode)?);
            Ok(Answer::Unreachable { v4, v6 })
        }
        "icmpv6" => {
            imply(rule, Field::Version, 6);
            let v6 = byte(number(tokens, Kind::Icmp6Code)?);
            Ok(Answer::Unreachable { v4, v6 })
        }
        "icmpx" => match tokens.word("a code")? {
            "port-unreachable" => Ok(Answer::PORT_UNREACHABLE),
            "admin-prohibited" => Ok(Answer::PROHIBITED),
            "no-route" => Ok(Answer::NO_ROUTE),
            "host-unreachable" => Ok(Answer::HOST_UNREACHABLE),
            _ => Err(tokens.error(
                "one of port-unreachable, host-unreachable, no-route and admin-prohibited goes here",
            )),
        },
        _ => Err(tokens.error("icmp, icmpv6, icmpx or tcp goes here")),
    }
}

/// Has the rule hold only where a field has such a value, if it does not yet.
fn imply(rule: &mut Rule, field: Field, value: impl Into<Numbers>) {
    let implied = Match {
        test: Test::Number(field, value.into()),
        negated: false,
    };
    if !rule.matches.contains(&implied) {
        rule.matches.push(implied);
    }
}

/// Reads a match that begins with `word`.
fn matching(
    word: &str,
    tokens: &mut Tokens<'_>,
    rule: &mut Rule,
    context: &Context<'_>,
) -> Result<(), TextError> {
    if word == "limit" {
        rule.matches.push(limit(tokens)?);
        return Ok(());
    }
    let Some(first) = subject(word, tokens)? else {
        return Err(tokens.error(format_args!("\"{word}\" begins no match or statement")));
    };
    check_family(&first, tokens, context)?;
    let mut subjects = alloc::vec![first];
    while tokens.take_word(".") {
        let word = tokens.word("the next part of the tuple")?;
        let Some(next) = subject(word, tokens)? else {
            return Err(tokens.error(format_args!("\"{word}\" is no part of a tuple")));
        };
        check_family(&next, tokens, context)?;
        subjects.push(next);
    }
    let over_ethernet = Match {
        test: Test::OverEthernet,
        negated: false,
    };
    if subjects.iter().any(|subject| subject.over_ethernet)
        && !rule.matches.contains(&over_ethernet)
    {
        rule.matches.push(over_ethernet);
    }
    for subject in &subjects {
        if let Some((field, value)) = subject.implies {
            imply(rule, field, value);
        }
        if let Some(types) = subject.types {
            imply(
                rule,
                Field::IcmpType,
                types.into_iter().map(|one| one..=one).collect::<Numbers>(),
            );
        }
    }
    let one = match &subjects[..] {
        [one] => single(one.what, tokens, context)?,
        several => tuples(several, tokens, context)?,
    };
    rule.matches.push(one);
    Ok(())
}

/// Whether the packets of the table may have what is asked for.
fn check_family(
    subject: &Subject,
    tokens: &Tokens<'_>,
    context: &Context<'_>,
) -> Result<(), TextError> {
    let family = context.family;
    if subject.fits(family) {
        return Ok(());
    }
    let problem = format_args!("packets in a table of the family {family} do not have this");
    Err(tokens.error(problem))
}

/// `limit rate [over] N/UNIT [burst N packets]`.
fn limit(tokens: &mut Tokens<'_>) -> Result<Match, TextError> {
    if !tokens.take_word("rate") {
        tokens.next();
        return Err(tokens.error("rate goes here"));
    }
    let negated = tokens.take_word("over");
    let word = tokens.word("a rate such as 10/second")?;
    let rate = word.split_once('/').and_then(|(count, unit)| {
        let seconds = match unit {
            "second" => 1,
            "minute" => 60,
            "hour" => 3600,
            "day" => 86_400,
            "week" => 604_800,
            _ => return None,
        };
        Duration::from_secs(seconds).checked_div(count.parse().ok()?)
    });
    let Some(interval) = rate.filter(|interval| !interval.is_zero()) else {
        return Err(tokens.error(format_args!(
            "\"{word}\" is no rate, such as 10/second, minute, hour, day or week"
        )));
    };
    let mut burst = DEFAULT_BURST;
    if tokens.take_word("burst") {
        burst = tokens.value("number")?;
        tokens.take_word("packets");
    }
    let test = Test::Limit(Limit { interval, burst });
    Ok(Match { test, negated })
}

/// Reads the value of one field.
fn single(what: What, tokens: &mut Tokens<'_>, context: &Context<'_>) -> Result<Match, TextError> {
    if let What::Part(part) = what {
        let negated = match tokens.word("exists or missing")? {
            "exists" => false,
            "missing" => true,
            _ => return Err(tokens.error("exists or missing goes here")),
        };
        let test = Test::Has(part);
        return Ok(Match { test, negated });
    }
    if let What::Number(field, kind) = what {
        if kind.is_bits() && !is_set(tokens) {
            return flags(field, kind, tokens);
        }
        if tokens.take_sign("&") {
            let mask = number(tokens, kind)?;
            return masked(field, mask, tokens, |tokens| number(tokens, kind));
        }
        if let Some(wanted) = compared(tokens, kind)? {
            let (test, negated) = (Test::Number(field, wanted), false);
            return Ok(Match { test, negated });
        }
    }
    let negated = tokens.take_sign("!=");
    if !negated {
        tokens.take_sign("==");
    }
    let test = match what {
        What::ComesOver => Test::ComesOver(names(tokens, context)?),
        What::LeavesOver => Test::LeavesOver(names(tokens, context)?),
        What::OverEthernet => match tokens.word("ether")? {
            "ether" => Test::OverEthernet,
            _ => return Err(tokens.error("ether goes here")),
        },
        What::SentTo => Test::SentTo(match tokens.word("host, broadcast or multicast")? {
            "host" => Audience::Host,
            "broadcast" => Audience::Broadcast,
            "multicast" => Audience::Multicast,
            _ => return Err(tokens.error("host, broadcast or multicast goes here")),
        }),
        What::Station(field) => match set(tokens, &[what], context)? {
            Some(Elements::Stations(set)) => Test::Station(field, set),
            _ => Test::Station(field, [station(tokens)?].into_iter().collect()),
        },
        What::ArpAddress(end) => match set(tokens, &[what], context)? {
            Some(Elements::Addresses(set)) => Test::ArpAddress(end, set),
            _ => Test::ArpAddress(end, addresses(tokens)?.into_iter().collect()),
        },
        What::Address(end) => match set(tokens, &[what], context)? {
            Some(Elements::Addresses(set)) => Test::Address(end, set),
            _ => Test::Address(end, addresses(tokens)?.into_iter().collect()),
        },
        What::RoutingAddress(number) => match set(tokens, &[what], context)? {
            Some(Elements::Addresses(set)) => Test::RoutingAddress(number, set),
            _ => Test::RoutingAddress(number, addresses(tokens)?.into_iter().collect()),
        },
        What::Number(field, kind) => match set(tokens, &[what], context)? {
            Some(Elements::Numbers(set)) => Test::Number(field, set),
            _ => Test::Number(field, range(tokens, kind)?.into()),
        },
        What::Part(part) => Test::Has(part),
    };
    Ok(Match { test, negated })
}

/// What is behind `tcp flags` and the like.
fn flags(field: Field, kind: Kind, tokens: &mut Tokens<'_>) -> Result<Match, TextError> {
    if tokens.take_sign("&") {
        let mask = bits(tokens, kind)?;
        return masked(field, mask, tokens, |tokens| bits(tokens, kind));
    }
    let negated = tokens.take_sign("!=");
    if negated || tokens.take_sign("==") {
        let test = Test::Number(field, bits(tokens, kind)?.into());
        return Ok(Match { test, negated });
    }
    let wanted = bits(tokens, kind)?;
    let test = if tokens.take_word("/") {
        Test::Masked {
            field,
            mask: bits(tokens, kind)?,
            wanted: wanted.into(),
        }
    } else {
        Test::AnyBit(field, wanted)
    };
    Ok(Match { test, negated })
}

/// What is behind a mask: `== N` or `!= N`.
fn masked<'a>(
    field: Field,
    mask: u32,
    tokens: &mut Tokens<'a>,
    value: impl FnOnce(&mut Tokens<'a>) -> Result<u32, TextError>,
) -> Result<Match, TextError> {
    let negated = tokens.take_sign("!=");
    if !negated {
        tokens.expect_sign("==")?;
    }
    let wanted = Numbers::from(value(tokens)?);
    let test = Test::Masked {
        field,
        mask,
        wanted,
    };
    Ok(Match { test, negated })
}

/// The numbers below or above one, where such a sign comes next.
fn compared(tokens: &mut Tokens<'_>, kind: Kind) -> Result<Option<Numbers>, TextError> {
    let Token::Sign(sign @ ("<" | "<=" | ">" | ">=")) = tokens.peek() else {
        return Ok(None);
    };
    tokens.next();
    let end = number(tokens, kind)?;
    let range = match sign {
        "<" => 0..=end.wrapping_sub(1),
        "<=" => 0..=end,
        ">" => end.saturating_add(1)..=u32::MAX,
        _ => end..=u32::MAX,
    };
    if matches!((sign, end), ("<", 0) | (">", u32::MAX)) {
        return Err(tokens.error("no number is beyond that"));
    }
    Ok(Some(range.into()))
}

/// The set that comes next, if one does.
fn set(
    tokens: &mut Tokens<'_>,
    parts: &[What],
    context: &Context<'_>,
) -> Result<Option<Elements>, TextError> {
    if tokens.take_sign("@") {
        return named(tokens, context.sets, parts).cloned().map(Some);
    }
    if is_set(tokens) {
        return elements(tokens, parts).map(Some);
    }
    Ok(None)
}

/// The names of interfaces.
fn names(tokens: &mut Tokens<'_>, context: &Context<'_>) -> Result<Vec<String>, TextError> {
    match set(tokens, &[What::ComesOver], context)? {
        Some(Elements::Names(names)) => Ok(names),
        _ => Ok(alloc::vec![interface(tokens)?]),
    }
}

/// Reads the set that several fields together are in.
fn tuples(
    subjects: &[Subject],
    tokens: &mut Tokens<'_>,
    context: &Context<'_>,
) -> Result<Match, TextError> {
    let place = tokens.place();
    let parts: Vec<What> = subjects.iter().map(|subject| subject.what).collect();
    let fields = parts.iter().map(|part| match part {
        What::Address(end) => Ok(TupleField::Address(*end)),
        What::Number(field, _) => Ok(TupleField::Number(*field)),
        What::Station(field) => Ok(TupleField::Station(*field)),
        _ => Err(tokens.error("tuples have addresses, numbers and stations only")),
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let negated = tokens.take_sign("!=");
    let Some(Elements::Tuples(elements)) = set(tokens, &parts, context)? else {
        tokens.next();
        return Err(tokens.error("a set goes here: { A . B, C . D } or @name"));
    };
    let tuples = Tuples::of(fields, elements);
    let tuples = tuples.map_err(|error| tokens.error_at(place, error))?;
    let test = Test::Tuple(tuples);
    Ok(Match { test, negated })
}

/// As in `nft`.
const DEFAULT_BURST: u32 = 5;
