//! The words for fields, values and actions.

use super::headers::Header;
use super::names::Kind;
use super::parts;
use crate::filter::{
    Action, Addresses, Answer, Audience, End, Field, Limit, Numbers, Part, StationField, Stations,
    TupleValue, Tuples,
};
use crate::iface::IpCidr;
use crate::time::Duration;
use crate::wire::ip;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Display, Formatter, Result};

/// A field, as it is called where packets have to be of this protocol and IP version.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldName {
    pub(super) field: Field,
    pub(super) protocol: Option<u32>,
    pub(super) version: Option<u32>,
    /// Whether they have to be of the types that have the fields of the protocol.
    pub(super) has_types: bool,
}

const TCP: u32 = ip::TCP as u32;
const ICMP: u32 = ip::ICMP as u32;
const ICMPV6: u32 = ip::ICMPV6 as u32;

impl FieldName {
    /// What a packet has to be where the name is used.
    pub(super) fn implies(self) -> Option<(Field, u32)> {
        match (self.field, self.protocol, self.version) {
            (Field::TcpFlags | Field::TcpDataOffset, ..) => Some((Field::Protocol, TCP)),
            (Field::Bits { part, .. }, ..) => match part {
                Part::TcpOption(_) => Some((Field::Protocol, TCP)),
                Part::Ipv4Option(_) => Some((Field::Version, 4)),
                Part::Extension(_) => Some((Field::Version, 6)),
                Part::Network | Part::Arp => None,
                Part::Transport => self.header_with_it(),
            },
            (Field::Transport { .. } | Field::SourcePort | Field::DestPort, ..) => {
                self.header_with_it()
            }
            (Field::HeaderLength, ..) => Some((Field::Version, 4)),
            (Field::FlowLabel, ..) => Some((Field::Version, 6)),
            (Field::IcmpType | Field::IcmpCode, Some(protocol @ (ICMP | ICMPV6)), _) => {
                Some((Field::Protocol, protocol))
            }
            (Field::Dscp | Field::Ecn | Field::HopLimit, _, Some(version @ (4 | 6))) => {
                Some((Field::Version, version))
            }
            _ => None,
        }
    }

    /// The protocol whose header has the field.
    fn header_with_it(self) -> Option<(Field, u32)> {
        let header = self.header()?;
        let is_port = matches!(self.field, Field::SourcePort | Field::DestPort);
        let has_it =
            is_port && header.has_ports || self.has_types && header.field(self.field).is_some();
        has_it.then_some((Field::Protocol, header.protocol.into()))
    }

    /// The header that packets have where the name is used.
    fn header(self) -> Option<&'static Header> {
        self.protocol.and_then(Header::of)
    }
}

impl Display for FieldName {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let implied = self.implies();
        let layer = match (implied, self.field) {
            (Some((Field::Protocol, protocol)), _) => {
                Header::of(protocol).map_or("meta", |header| header.word)
            }
            (_, Field::IcmpType | Field::IcmpCode) => "icmp",
            (Some((Field::Version, 4)), _) => "ip",
            (Some((Field::Version, _)), _) => "ip6",
            (_, Field::SourcePort | Field::DestPort) => "th",
            (_, Field::FlowState | Field::FlowDirection | Field::FlowStatus | Field::FlowMark) => {
                "ct"
            }
            _ => "meta",
        };
        let name = match self.field {
            Field::Transport { .. }
            | Field::Bits {
                part: Part::Transport,
                ..
            } if implied.is_some() => {
                let named = self.header().and_then(|header| header.field(self.field));
                named.map_or("", |(name, _)| name)
            }
            Field::Version => "nfproto",
            Field::EtherType => "protocol",
            Field::Protocol => "l4proto",
            Field::SourcePort => "sport",
            Field::DestPort => "dport",
            Field::TcpFlags => "flags",
            Field::TcpDataOffset => "doff",
            Field::HeaderLength => "hdrlength",
            Field::FlowLabel => "flowlabel",
            Field::IcmpType => "type",
            Field::IcmpCode => "code",
            Field::Dscp => "dscp",
            Field::Ecn => "ecn",
            Field::HopLimit if layer == "ip" => "ttl",
            Field::HopLimit => "hoplimit",
            Field::Length => "length",
            Field::FragmentOffset => "frag-off",
            Field::MoreFragments => "more-fragments",
            Field::Mark | Field::FlowMark => "mark",
            Field::FlowState => "state",
            Field::FlowDirection => "direction",
            Field::FlowStatus => "status",
            Field::Network { at, len } => {
                return write!(f, "@nh,{},{}", u32::from(at) * 8, u32::from(len) * 8);
            }
            Field::Transport { at, len } => {
                return write!(f, "@th,{},{}", u32::from(at) * 8, u32::from(len) * 8);
            }
            Field::Bits { part, at, len } => return parts::write_bits(part, at, len, f),
        };
        write!(f, "{layer} {name}")
    }
}

/// How the values of a field are written.
pub(super) fn kind(name: FieldName) -> Kind {
    match (name.field, name.protocol) {
        (Field::Version, _) => Kind::Family,
        (Field::EtherType, _) => Kind::EtherType,
        (Field::Protocol, _) => Kind::Protocol,
        (Field::TcpFlags, _) => Kind::TcpFlag,
        (Field::FlowState, _) => Kind::FlowState,
        (Field::FlowDirection, _) => Kind::Direction,
        (Field::FlowStatus, _) => Kind::FlowStatus,
        (Field::IcmpType, Some(ICMPV6)) => Kind::Icmp6Type,
        (Field::IcmpType, _) => Kind::IcmpType,
        (Field::IcmpCode, Some(ICMPV6)) => Kind::Icmp6Code,
        (Field::IcmpCode, _) => Kind::IcmpCode,
        (Field::Dscp, _) => Kind::Dscp,
        (Field::Ecn, _) => Kind::Ecn,
        (
            Field::Transport { .. }
            | Field::Bits {
                part: Part::Transport,
                ..
            },
            _,
        ) => {
            let named = name.header().and_then(|header| header.field(name.field));
            named.map_or(Kind::Number(u32::MAX), |(_, kind)| kind)
        }
        (Field::Bits { part, at, len }, _) => parts::kind(part, at, len),
        _ => Kind::Number(u32::MAX),
    }
}

pub(super) const fn address_name(end: End, version: u32) -> &'static str {
    match (end, version) {
        (End::Source, 6) => "ip6 saddr",
        (End::Source, _) => "ip saddr",
        (End::Dest, 6) => "ip6 daddr",
        (End::Dest, _) => "ip daddr",
    }
}

impl Addresses {
    /// That of the first address.
    pub(super) fn version(&self) -> u32 {
        match self.prefixes().first() {
            Some(prefix) if prefix.address.is_ipv6() => 6,
            _ => 4,
        }
    }
}

impl Tuples {
    /// That of the first address, if there are any.
    pub(super) fn version(&self) -> Option<u32> {
        let mut first = self.elements.first()?.iter();
        first.find_map(|value| match value {
            TupleValue::Address(address) => Some(if address.is_ipv6() { 6 } else { 4 }),
            TupleValue::Number(_) | TupleValue::Station(_) => None,
        })
    }
}

impl Answer {
    /// What a packet has to be where the words for the answer are used.
    pub(super) fn implies(self) -> Option<(Field, u32)> {
        match self {
            Self::TcpReset => Some((Field::Protocol, TCP)),
            _ if self.name().is_some() => None,
            Self::Unreachable { v6, .. } => match Self::PORT_UNREACHABLE {
                Self::Unreachable { v6: usual, .. } if v6 == usual => Some((Field::Version, 4)),
                _ => Some((Field::Version, 6)),
            },
        }
    }

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::PORT_UNREACHABLE => "port-unreachable",
            Self::PROHIBITED => "admin-prohibited",
            Self::NO_ROUTE => "no-route",
            Self::HOST_UNREACHABLE => "host-unreachable",
            _ => return None,
        })
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
            Self::Reject(Answer::PORT_UNREACHABLE) => f.write_str("reject"),
            Self::Reject(answer) => write!(f, "reject with {answer}"),
            Self::Log(prefix) if prefix.is_empty() => f.write_str("log"),
            Self::Log(prefix) => write!(f, "log prefix \"{prefix}\""),
            Self::Mark { keep: 0, set } => write!(f, "meta mark set {set:#x}"),
            Self::Mark { keep, set } => {
                write!(f, "meta mark set meta mark & {keep:#x} ^ {set:#x}")
            }
            Self::FlowMark(mark) => write!(f, "ct mark set {mark:#x}"),
            Self::Untrack => f.write_str("notrack"),
            Self::Tproxy(target) => target.fmt(f),
            Self::Translate(translation) => translation.fmt(f),
            Self::Queue { number, bypass } => {
                let bypass = if *bypass { " bypass" } else { "" };
                write!(f, "queue num {number}{bypass}")
            }
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(name) = self.name() {
            return write!(f, "icmpx {name}");
        }
        let (version, code, kind) = match (self, self.implies()) {
            (Self::TcpReset, _) => return f.write_str("tcp reset"),
            (Self::Unreachable { v4, .. }, Some((_, 4))) => ("icmp", v4, Kind::IcmpCode),
            (Self::Unreachable { v6, .. }, _) => ("icmpv6", v6, Kind::Icmp6Code),
        };
        match kind.name((*code).into()) {
            Some(name) => write!(f, "{version} {name}"),
            None => write!(f, "{version} {code}"),
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let units = [
            (1, "second"),
            (60, "minute"),
            (3600, "hour"),
            (86_400, "day"),
            (604_800, "week"),
        ];
        // So many permits in a unit, if that is what the interval comes from.
        let per = |seconds| {
            let unit = Duration::from_secs(seconds);
            let count = unit.as_nanos().checked_div(self.interval.as_nanos())?;
            let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
            (unit.checked_div(count) == Some(self.interval)).then_some(count)
        };
        let fitting = units
            .into_iter()
            .find_map(|(seconds, unit)| Some((per(seconds)?, unit)));
        let (count, unit) = fitting.unwrap_or((1, "week"));
        write!(f, "{count}/{unit} burst {} packets", self.burst)
    }
}

/// One number, or several between braces.
pub(super) struct NumberList<'a>(pub(super) &'a Numbers, pub(super) Kind);

impl Display for NumberList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self(numbers, kind) = self;
        // Names are written one by one: a range of them would read as another name.
        let has_names = kind.has_names();
        let elements = numbers.ranges().flat_map(|range| {
            let (low, high) = range.into_inner();
            let few = has_names && high - low < MAX_NAMES;
            let (singles, whole) = if few || low == high {
                (Some(low..=high), None)
            } else {
                (None, Some((low, high)))
            };
            let singles = singles.into_iter().flatten().map(|number| (number, number));
            singles.chain(whole)
        });
        let elements: Vec<_> = elements.collect();
        if let [(low @ 1.., u32::MAX)] = elements[..]
            && !has_names
        {
            // Most fields have no number as large as that.
            f.write_str(">= ")?;
            return kind.write(low, f);
        }
        braced(
            f,
            elements.len() == 1,
            elements,
            |f, (low, high)| match kind {
                Kind::Ipv4Address if low != high => {
                    kind.write(low, f)?;
                    f.write_str("-")?;
                    kind.write(high, f)
                }
                _ if low != high => write!(f, "{low}-{high}"),
                _ => kind.write(low, f),
            },
        )
    }
}

/// Names in a row that are written one by one.
const MAX_NAMES: u32 = 16;

/// One prefix, or several between braces.
pub(super) struct AddressList<'a>(pub(super) &'a Addresses);

impl Display for AddressList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let prefixes = self.0.prefixes();
        braced(f, prefixes.len() == 1, prefixes, |f, prefix| {
            write!(f, "{}", prefix.address)?;
            match prefix.prefix_len {
                len if len == IpCidr::max_prefix_len(prefix.address) => Ok(()),
                len => write!(f, "/{len}"),
            }
        })
    }
}

/// One station, or several between braces.
pub(super) struct StationList<'a>(pub(super) &'a Stations);

impl Display for StationList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let stations = self.0.as_slice();
        braced(f, stations.len() == 1, stations, |f, station| {
            station.fmt(f)
        })
    }
}

impl Display for StationField {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Source => "ether saddr",
            Self::Dest => "ether daddr",
            Self::ArpSender => "arp saddr ether",
            Self::ArpTarget => "arp daddr ether",
        })
    }
}

impl Display for Audience {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
        })
    }
}

/// One name, or several between braces.
pub(super) struct Names<'a>(pub(super) &'a [String]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        braced(f, self.0.len() == 1, self.0, |f, name| {
            write!(f, "\"{name}\"")
        })
    }
}

/// Names of bits.
pub(super) struct Bits(pub(super) u32, pub(super) Kind);

impl Display for Bits {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let bits = (0..u32::BITS).map(|bit| 1 << bit);
        let set = bits.filter(|bit| self.0 & bit != 0);
        for (index, bit) in set.enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            match self.1.name(bit) {
                Some(name) => f.write_str(name)?,
                None => write!(f, "{bit:#x}")?,
            }
        }
        Ok(())
    }
}

/// Words with commas between them.
pub(super) struct List<I>(pub(super) I);

impl<I: Iterator<Item = &'static str> + Clone> Display for List<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, word) in self.0.clone().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// Writes elements between braces, or the only one without.
fn braced<T>(
    f: &mut Formatter<'_>,
    is_one: bool,
    elements: impl IntoIterator<Item = T>,
    mut one: impl FnMut(&mut Formatter<'_>, T) -> Result,
) -> Result {
    f.write_str(if is_one { "" } else { "{ " })?;
    for (index, element) in elements.into_iter().enumerate() {
        f.write_str(if index > 0 { ", " } else { "" })?;
        one(f, element)?;
    }
    f.write_str(if is_one { "" } else { " }" })
}
