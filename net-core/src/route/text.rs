//! Routes and rules as the words of `ip route` and `ip rule`.

use super::table::masked;
use super::{Decision, Reject, Route, Rule, RuleAction, Selector, TableId};
use crate::iface::{IfaceId, IpCidr};
use crate::text::{ParseError, Words};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a text asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `add`, or nothing: there must be no route to the prefix with the metric.
    Add,
    /// `append`: beside those that are there.
    Append,
    /// `replace`: in the place of those that are there.
    Replace,
    /// `del`.
    Delete,
}

/// A change of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) verb: Verb,
    pub(crate) table: TableId,
    pub(crate) prefix: IpCidr,
    pub(crate) via: Option<IpAddr>,
    pub(crate) iface: Option<IfaceId>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) metric: u32,
    pub(crate) kind: Kind,
}

/// The type of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It leads on (`unicast`, or nothing).
    Unicast,
    /// It ends at this host (`local`).
    Local,
    /// Nothing goes there (`blackhole`, `unreachable`, `prohibit`).
    Reject(Reject),
}

impl Change {
    /// Reads `[add|append|replace|del] [local|blackhole|unreachable|prohibit] PREFIX [via ADDRESS]
    /// [dev NAME] [src ADDRESS] [metric N] [table N]`; `iface` finds a name. Local routes are in the local
    /// table, unless another is named.
    pub(crate) fn parse(
        text: &str,
        iface: impl Fn(&str) -> Option<IfaceId>,
    ) -> Result<Self, ParseError> {
        let mut words = Words::new(text);
        let verb = match words.peek() {
            Some("append") => Verb::Append,
            Some("replace") => Verb::Replace,
            Some("del" | "delete") => Verb::Delete,
            _ => Verb::Add,
        };
        if matches!(
            words.peek(),
            Some("add" | "append" | "replace" | "del" | "delete")
        ) {
            words.next();
        }
        let kind = words.peek().and_then(kind_named);
        if kind.is_some() {
            words.next();
        }
        let kind = kind.unwrap_or(Kind::Unicast);
        let is_v6 = text.split_whitespace().any(|word| word.contains(':'));
        let mut change = Self {
            verb,
            table: match kind {
                Kind::Local => TableId::LOCAL,
                Kind::Unicast | Kind::Reject(_) => TableId::MAIN,
            },
            prefix: prefix(&mut words, is_v6)?,
            via: None,
            iface: None,
            source: None,
            metric: 0,
            kind,
        };
        while let Some(word) = words.next() {
            match word {
                "via" => change.via = Some(words.value("address")?),
                "dev" => change.iface = Some(device(&mut words, &iface)?),
                "src" => change.source = Some(words.value("address")?),
                "metric" => change.metric = words.value("number")?,
                "table" => change.table = table(&mut words)?,
                _ => return Err(words.error("one of via, dev, src, metric and table goes here")),
            }
        }
        Ok(change)
    }

    /// Whether a route in the table is one that is to be deleted.
    pub(crate) fn is_meant(&self, decision: &Decision, metric: u32) -> bool {
        let fits_metric = self.metric == 0 || self.metric == metric;
        fits_metric
            && match (decision, self.kind) {
                (Decision::Reject(other), Kind::Reject(reject)) => *other == reject,
                (Decision::Local, Kind::Local) => true,
                (Decision::Route(route), Kind::Unicast) => {
                    self.via.is_none_or(|via| route.via == Some(via))
                        && self.iface.is_none_or(|iface| route.iface == iface)
                        && self
                            .source
                            .is_none_or(|source| route.source == Some(source))
                }
                _ => false,
            }
    }
}

/// Reads `[not] [from PREFIX] [to PREFIX] [fwmark N[/MASK]] [tos N] [iif NAME] [oif NAME] [uidrange N-N]
/// [lookup TABLE | blackhole | unreachable | prohibit] [priority N]`; with whether a priority is said, which is
/// `priority` otherwise.
pub(crate) fn parse_rule(
    words: &mut Words<'_>,
    priority: u32,
    iface: impl Fn(&str) -> Option<IfaceId>,
) -> Result<(Rule, bool), ParseError> {
    let mut rule = Rule {
        priority,
        selector: Selector::default(),
        action: RuleAction::Table(TableId::MAIN),
    };
    let (mut acts, mut is_placed) = (false, false);
    while let Some(word) = words.next() {
        let selector = &mut rule.selector;
        match word {
            "not" => selector.negated = true,
            "from" => selector.from = some_prefix(words)?,
            "to" => selector.to = some_prefix(words)?,
            "fwmark" => selector.mark = Some(mark(words)?),
            "tos" | "dsfield" => selector.tos = Some(number(words)?),
            "iif" => selector.over = Some(device(words, &iface)?),
            "oif" => selector.out = Some(device(words, &iface)?),
            "uidrange" => selector.owner = Some(owners(words)?),
            "priority" | "pref" => {
                rule.priority = words.value("number")?;
                is_placed = true;
            }
            "lookup" | "table" => {
                rule.action = RuleAction::Table(table(words)?);
                acts = true;
            }
            other => {
                let reject = reject_named(other).ok_or_else(|| {
                    words.error(
                        "one of not, from, to, fwmark, tos, iif, oif, uidrange, lookup and priority goes here",
                    )
                })?;
                rule.action = RuleAction::Reject(reject);
                acts = true;
            }
        }
    }
    if acts {
        Ok((rule, is_placed))
    } else {
        Err(words.missing("what to do (lookup, blackhole, unreachable or prohibit)"))
    }
}

/// A prefix, `None` for `all`.
fn some_prefix(words: &mut Words<'_>) -> Result<Option<IpCidr>, ParseError> {
    if words.take("all") {
        return Ok(None);
    }
    prefix(words, false).map(Some)
}

fn prefix(words: &mut Words<'_>, default_is_v6: bool) -> Result<IpCidr, ParseError> {
    let Some(word) = words.next() else {
        return Err(words.missing("a prefix"));
    };
    if word == "default" {
        let address = if default_is_v6 {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        return Ok(IpCidr {
            address,
            prefix_len: 0,
        });
    }
    let (address, len) = word
        .split_once('/')
        .map_or((word, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address
        .parse()
        .map_err(|_| words.error(format_args!("\"{word}\" is no prefix")))?;
    let most = IpCidr::max_prefix_len(address);
    let prefix_len = len
        .map_or(Ok(most), str::parse)
        .ok()
        .filter(|&len| len <= most);
    let prefix_len = prefix_len.ok_or_else(|| {
        words.error(format_args!(
            "the length of this prefix is a number up to {most}"
        ))
    })?;
    Ok(masked(address, prefix_len))
}

fn device(
    words: &mut Words<'_>,
    iface: impl Fn(&str) -> Option<IfaceId>,
) -> Result<IfaceId, ParseError> {
    let Some(name) = words.next() else {
        return Err(words.missing("the name of an interface"));
    };
    iface(name).ok_or_else(|| words.error(format_args!("there is no interface \"{name}\"")))
}

fn table(words: &mut Words<'_>) -> Result<TableId, ParseError> {
    if words.take("main") {
        return Ok(TableId::MAIN);
    }
    if words.take("default") {
        return Ok(TableId::DEFAULT);
    }
    if words.take("local") {
        return Ok(TableId::LOCAL);
    }
    words.value("number of a table").map(TableId)
}

/// A number, also in hexadecimal digits behind `0x`.
fn number<T: TryFrom<u32>>(words: &mut Words<'_>) -> Result<T, ParseError> {
    let Some(word) = words.next() else {
        return Err(words.missing("a number"));
    };
    number_in(word)
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| words.error(format_args!("\"{word}\" is no number that fits")))
}

fn number_in(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

fn mark(words: &mut Words<'_>) -> Result<(u32, u32), ParseError> {
    let Some(word) = words.next() else {
        return Err(words.missing("a mark"));
    };
    let (value, mask) = word.split_once('/').unwrap_or((word, "0xffffffff"));
    number_in(value)
        .zip(number_in(mask))
        .ok_or_else(|| words.error(format_args!("\"{word}\" is no mark with or without a mask")))
}

/// The first and the last of a range of owners.
fn owners(words: &mut Words<'_>) -> Result<(u32, u32), ParseError> {
    let Some(word) = words.next() else {
        return Err(words.missing("a range of owners"));
    };
    word.split_once('-')
        .and_then(|(first, last)| number_in(first).zip(number_in(last)))
        .filter(|(first, last)| first <= last)
        .ok_or_else(|| {
            words.error(format_args!(
                "\"{word}\" is no range of owners, the lower number first (1000-1999)"
            ))
        })
}

fn kind_named(word: &str) -> Option<Kind> {
    match word {
        "unicast" => Some(Kind::Unicast),
        "local" => Some(Kind::Local),
        word => reject_named(word).map(Kind::Reject),
    }
}

fn reject_named(word: &str) -> Option<Reject> {
    Some(match word {
        "blackhole" => Reject::Blackhole,
        "unreachable" => Reject::Unreachable,
        "prohibit" => Reject::Prohibit,
        _ => return None,
    })
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
        })
    }
}

/// A line of what `ip route` prints: the words that would add the route again.
pub(crate) struct Line<'a> {
    pub(crate) table: TableId,
    pub(crate) prefix: IpCidr,
    pub(crate) metric: u32,
    pub(crate) decision: Decision,
    pub(crate) iface: &'a dyn Fn(IfaceId) -> Option<&'a str>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decision {
            Decision::Route(_) => {}
            Decision::Local => f.write_str("local ")?,
            Decision::Reject(reject) => write!(f, "{reject} ")?,
        }
        match self.prefix.prefix_len {
            0 => f.write_str("default")?,
            len => write!(f, "{}/{len}", self.prefix.address)?,
        }
        if let Decision::Route(Route {
            via, iface, source, ..
        }) = self.decision
        {
            if let Some(via) = via {
                write!(f, " via {via}")?;
            }
            write!(f, " dev {}", (self.iface)(iface).unwrap_or("?"))?;
            if let Some(source) = source {
                write!(f, " src {source}")?;
            }
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        match (self.decision, self.table) {
            // Without a word they would be added to the local table.
            (Decision::Local, TableId::MAIN) => f.write_str(" table main"),
            (Decision::Local, TableId(number)) if self.table != TableId::LOCAL => {
                write!(f, " table {number}")
            }
            _ => Ok(()),
        }
    }
}
