//! Routes and rules as the words of `ip route` and `ip rule`.

use super::table::masked;
use super::{Decision, Reject, Route, Rule, RuleAction, Selector, TableId, Weight};
use crate::iface::{IfaceId, IpCidr};
use crate::text::{ParseError, Words};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smallvec::SmallVec;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) verb: Verb,
    pub(crate) table: TableId,
    pub(crate) prefix: IpCidr,
    /// One, of which nothing may be said, or those that stand behind `nexthop`.
    pub(crate) hops: SmallVec<[Hop; 1]>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) metric: u32,
    pub(crate) kind: Kind,
}

/// What is said of a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hop {
    pub(crate) via: Option<IpAddr>,
    pub(crate) iface: Option<IfaceId>,
    pub(crate) weight: Weight,
    pub(crate) onlink: bool,
}

impl Hop {
    /// Whether a route leads over it; its weight counts for nothing.
    fn fits(&self, route: &Route) -> bool {
        self.via.is_none_or(|via| route.via == Some(via))
            && self.iface.is_none_or(|iface| route.iface == iface)
    }
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
    /// [dev NAME] [src ADDRESS] [metric N] [table N] [onlink]`, and then any number of `nexthop [via ADDRESS]
    /// [dev NAME] [weight N] [onlink]` instead of `via`, `dev` and `onlink` before; `iface` finds a name.
    /// Local routes are in the local table, unless another is named.
    pub(crate) fn parse(
        text: &str,
        iface: impl Fn(&str) -> Option<IfaceId>,
    ) -> Result<Self, ParseError> {
        let mut words = Words::new(text);
        let verb = verb(&mut words);
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
            hops: SmallVec::new(),
            source: None,
            metric: 0,
            kind,
        };
        let mut only = Hop::default();
        while let Some(word) = words.next() {
            match word {
                "via" => only.via = Some(words.value("address")?),
                "dev" => only.iface = Some(device(&mut words, &iface)?),
                "onlink" => only.onlink = true,
                "src" => change.source = Some(words.value("address")?),
                "metric" => change.metric = words.value("number")?,
                "table" => change.table = table(&mut words)?,
                "nexthop" if only != Hop::default() => {
                    return Err(words.error("via, dev and onlink go behind nexthop"));
                }
                "nexthop" => {
                    change.hops = next_hops(&mut words, iface)?;
                    return Ok(change);
                }
                _ => {
                    return Err(words.error(
                        "one of via, dev, src, metric, table, onlink and nexthop goes here",
                    ));
                }
            }
        }
        change.hops.push(only);
        Ok(change)
    }

    /// Whether a route in the table is one that is to be deleted.
    pub(crate) fn is_meant(&self, decision: &Decision, metric: u32) -> bool {
        self.hops
            .iter()
            .any(|hop| self.is_over(hop, decision, metric))
    }

    /// Whether it is the one over this next hop.
    pub(crate) fn is_over(&self, hop: &Hop, decision: &Decision, metric: u32) -> bool {
        let fits_metric = self.metric == 0 || self.metric == metric;
        fits_metric
            && match (decision, self.kind) {
                (Decision::Reject(other), Kind::Reject(reject)) => *other == reject,
                (Decision::Local, Kind::Local) => true,
                (Decision::Route(route), Kind::Unicast) => {
                    let source = self.source;
                    hop.fits(route) && source.is_none_or(|source| route.source == Some(source))
                }
                _ => false,
            }
    }
}

fn verb(words: &mut Words<'_>) -> Verb {
    let verb = match words.peek() {
        Some("add") => Verb::Add,
        Some("append") => Verb::Append,
        Some("replace") => Verb::Replace,
        Some("del" | "delete") => Verb::Delete,
        _ => return Verb::Add,
    };
    words.next();
    verb
}

/// The next hops, of which the first `nexthop` is read already.
fn next_hops(
    words: &mut Words<'_>,
    iface: impl Fn(&str) -> Option<IfaceId>,
) -> Result<SmallVec<[Hop; 1]>, ParseError> {
    let mut hops = SmallVec::new();
    let mut hop = Hop::default();
    if words.peek().is_none() {
        return Err(words.missing("where the next hop is (via, dev)"));
    }
    while let Some(word) = words.next() {
        match word {
            "via" => hop.via = Some(words.value("address")?),
            "dev" => hop.iface = Some(device(words, &iface)?),
            "onlink" => hop.onlink = true,
            "weight" => hop.weight = weight(words)?,
            "nexthop" => {
                hops.push(hop);
                hop = Hop::default();
            }
            _ => {
                return Err(words.error("one of via, dev, weight, onlink and nexthop goes here"));
            }
        }
    }
    hops.push(hop);
    Ok(hops)
}

fn weight(words: &mut Words<'_>) -> Result<Weight, ParseError> {
    let number = words.value("number")?;
    Weight::new(number).ok_or_else(|| words.error("weights are 1 to 256"))
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
