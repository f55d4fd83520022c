//! What a match is about: the words in front of its value.

use super::TextError;
use super::headers::Header;
use super::names::Kind;
use super::parts;
use super::tokens::{Token, Tokens};
use crate::filter::{End, Field, Part, StationField, TableFamily};

/// What is compared, and what a packet has to be for that to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) what: What,
    /// A field and the value that it has to have.
    pub(super) implies: Option<(Field, u32)>,
    /// The types of ICMP messages that have it, if others have not.
    pub(super) types: Option<[u32; 2]>,
    /// Whether it has to have come in over Ethernet.
    pub(super) over_ethernet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Number(Field, Kind),
    Address(End),
    ComesOver,
    LeavesOver,
    Part(Part),
    RoutingAddress(u8),
    Station(StationField),
    OverEthernet,
    SentTo,
    ArpAddress(End),
}

impl What {
    /// Whether packets of a family may have it.
    fn fits(self, family: TableFamily) -> bool {
        let is_arp = family == TableFamily::Arp;
        match self {
            Self::Number(field, _) => field.fits(family),
            Self::Part(_) | Self::RoutingAddress(_) | Self::Address(_) => !is_arp,
            Self::ArpAddress(_) => is_arp,
            Self::Station(field) => is_arp || field.is_of_frame(),
            Self::ComesOver | Self::LeavesOver | Self::OverEthernet | Self::SentTo => true,
        }
    }
}

impl Subject {
    /// Whether packets of a family may have what it asks for.
    pub(super) fn fits(&self, family: TableFamily) -> bool {
        let other = match family {
            TableFamily::Ip => Some((Field::Version, 6)),
            TableFamily::Ip6 => Some((Field::Version, 4)),
            TableFamily::Inet | TableFamily::Arp => None,
        };
        self.what.fits(family) && (other.is_none() || self.implies != other)
    }

    pub(super) const fn number(field: Field, kind: Kind) -> Self {
        Self {
            what: What::Number(field, kind),
            implies: None,
            types: None,
            over_ethernet: false,
        }
    }

    pub(super) const fn plain(what: What) -> Self {
        Self {
            what,
            implies: None,
            types: None,
            over_ethernet: false,
        }
    }

    /// Where packets have to have this value of a field; whether they have a part is a question without.
    const fn of(self, field: Field, value: u32) -> Self {
        let implies = match self.what {
            What::Part(_) => None,
            _ => Some((field, value)),
        };
        Self { implies, ..self }
    }
}

/// Reads the subject that the word `first` begins; `None` if none begins so.
pub(super) fn subject(first: &str, tokens: &mut Tokens<'_>) -> Result<Option<Subject>, TextError> {
    if let Some(header) = Header::named(first) {
        return field_of(header, tokens).map(Some);
    }
    Ok(Some(match first {
        "ip" => v4(tokens)?.of(Field::Version, 4),
        "ip6" => v6(tokens)?.of(Field::Version, 6),
        "th" => ports(tokens)?,
        "ether" => ethernet(tokens)?,
        "arp" => arp(tokens)?,
        "exthdr" => parts::any_extension(tokens)?.of(Field::Version, 6),
        "meta" => meta(tokens)?,
        "ct" => flow(tokens)?,
        "iifname" | "iif" => Subject::plain(What::ComesOver),
        "oifname" | "oif" => Subject::plain(What::LeavesOver),
        "mark" => Subject::number(Field::Mark, Kind::Number(u32::MAX)),
        word => match parts::extension(word, tokens)? {
            Some(subject) => subject.of(Field::Version, 6),
            None => return Ok(None),
        },
    }))
}

/// Reads `nh,BIT,BITS` or `th,BIT,BITS` behind `@`: bits of a header.
pub(super) fn raw(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let part = match tokens.word("nh or th")? {
        "nh" => Part::Network,
        "th" => Part::Transport,
        _ => {
            return Err(tokens
                .error("bits of the network (nh) or transport header (th) go here: @th,16,16"));
        }
    };
    tokens.expect_sign(",")?;
    parts::raw(part, tokens)
}

fn v4(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("a field of the IPv4 header")? {
        "saddr" => Subject::plain(What::Address(End::Source)),
        "daddr" => Subject::plain(What::Address(End::Dest)),
        "protocol" => Subject::number(Field::Protocol, Kind::Protocol),
        "hdrlength" => Subject::number(Field::HeaderLength, Kind::Number(0xf)),
        "ttl" => Subject::number(Field::HopLimit, BYTE),
        "dscp" => Subject::number(Field::Dscp, Kind::Dscp),
        "ecn" => Subject::number(Field::Ecn, Kind::Ecn),
        "length" => Subject::number(network(2, 2), SHORT),
        "id" => Subject::number(network(4, 2), SHORT),
        "frag-off" => Subject::number(network(6, 2), SHORT),
        "checksum" => Subject::number(network(10, 2), SHORT),
        "option" => parts::ipv4_option(tokens)?,
        _ => {
            return Err(tokens.error(
                "one of saddr, daddr, protocol, hdrlength, ttl, dscp, ecn, length, id, frag-off, \
                 checksum and option goes here",
            ));
        }
    })
}

fn v6(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("a field of the IPv6 header")? {
        "saddr" => Subject::plain(What::Address(End::Source)),
        "daddr" => Subject::plain(What::Address(End::Dest)),
        "nexthdr" => Subject::number(network(6, 1), Kind::Protocol),
        "flowlabel" => Subject::number(Field::FlowLabel, Kind::Number(0xf_ffff)),
        "hoplimit" => Subject::number(Field::HopLimit, BYTE),
        "dscp" => Subject::number(Field::Dscp, Kind::Dscp),
        "ecn" => Subject::number(Field::Ecn, Kind::Ecn),
        "length" => Subject::number(network(4, 2), SHORT),
        _ => {
            return Err(tokens.error(
                "one of saddr, daddr, nexthdr, flowlabel, hoplimit, dscp, ecn and length goes here",
            ));
        }
    })
}

fn ports(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    match tokens.word("a port")? {
        "sport" => Ok(Subject::number(Field::SourcePort, SHORT)),
        "dport" => Ok(Subject::number(Field::DestPort, SHORT)),
        _ => Err(tokens.error("sport or dport goes here")),
    }
}

/// Reads what is behind the name of a protocol.
fn field_of(header: &Header, tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let subject = match (header.word, tokens.peek()) {
        ("tcp", Token::Word("flags")) => Subject::number(Field::TcpFlags, Kind::TcpFlag),
        ("tcp", Token::Word("doff")) => Subject::number(Field::TcpDataOffset, Kind::up_to(4)),
        ("tcp", Token::Word("option")) => {
            tokens.next();
            let subject = parts::tcp_option(tokens)?;
            return Ok(subject.of(Field::Protocol, header.protocol.into()));
        }
        ("icmp", Token::Word("type")) => Subject::number(Field::IcmpType, Kind::IcmpType),
        ("icmp", Token::Word("code")) => Subject::number(Field::IcmpCode, Kind::IcmpCode),
        ("icmpv6", Token::Word("type")) => Subject::number(Field::IcmpType, Kind::Icmp6Type),
        ("icmpv6", Token::Word("code")) => Subject::number(Field::IcmpCode, Kind::Icmp6Code),
        (word, _) => {
            let others = match word {
                "tcp" => "flags, doff, option, ",
                "icmp" | "icmpv6" => "type, code, ",
                _ => "",
            };
            let subject = Subject {
                types: header.types(),
                ..header.read(others, tokens)?
            };
            return Ok(subject.of(Field::Protocol, header.protocol.into()));
        }
    };
    tokens.next();
    Ok(subject.of(Field::Protocol, header.protocol.into()))
}

fn ethernet(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("a field of the Ethernet header")? {
        "saddr" => Subject::plain(What::Station(StationField::Source)),
        "daddr" => Subject::plain(What::Station(StationField::Dest)),
        "type" => Subject {
            over_ethernet: true,
            ..Subject::number(Field::EtherType, Kind::EtherType)
        },
        _ => return Err(tokens.error("one of saddr, daddr and type goes here")),
    })
}

fn arp(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let (station, end) = match tokens.peek() {
        Token::Word("saddr") => (StationField::ArpSender, End::Source),
        Token::Word("daddr") => (StationField::ArpTarget, End::Dest),
        _ => return parts::arp(tokens),
    };
    tokens.next();
    match tokens.word("ip or ether")? {
        "ip" => Ok(Subject::plain(What::ArpAddress(end))),
        "ether" => Ok(Subject::plain(What::Station(station))),
        _ => Err(tokens.error("ip or ether goes here")),
    }
}

fn meta(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("what is known about the packet")? {
        "l4proto" => Subject::number(Field::Protocol, Kind::Protocol),
        "nfproto" => Subject::number(Field::Version, Kind::Family),
        "protocol" => Subject::number(Field::EtherType, Kind::EtherType),
        "iiftype" => Subject::plain(What::OverEthernet),
        "pkttype" => Subject::plain(What::SentTo),
        "length" => Subject::number(Field::Length, Kind::Number(u32::MAX)),
        "mark" => Subject::number(Field::Mark, Kind::Number(u32::MAX)),
        "dscp" => Subject::number(Field::Dscp, Kind::Dscp),
        "ecn" => Subject::number(Field::Ecn, Kind::Ecn),
        "hoplimit" => Subject::number(Field::HopLimit, BYTE),
        "frag-off" => Subject::number(Field::FragmentOffset, Kind::Number(0x1fff)),
        "more-fragments" => Subject::number(Field::MoreFragments, Kind::Number(1)),
        "iifname" | "iif" => Subject::plain(What::ComesOver),
        "oifname" | "oif" => Subject::plain(What::LeavesOver),
        _ => {
            return Err(tokens.error(
                "one of l4proto, nfproto, protocol, iiftype, pkttype, length, mark, dscp, ecn, \
                 hoplimit, frag-off, more-fragments, iifname and oifname goes here",
            ));
        }
    })
}

fn flow(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("what is known about the flow")? {
        "state" => Subject::number(Field::FlowState, Kind::FlowState),
        "direction" => Subject::number(Field::FlowDirection, Kind::Direction),
        "status" => Subject::number(Field::FlowStatus, Kind::FlowStatus),
        "mark" => Subject::number(Field::FlowMark, Kind::Number(u32::MAX)),
        _ => return Err(tokens.error("one of state, direction, status and mark goes here")),
    })
}

const fn network(at: u8, len: u8) -> Field {
    Field::Network { at, len }
}

const BYTE: Kind = Kind::Number(u8::MAX as u32);
const SHORT: Kind = Kind::Number(u16::MAX as u32);
