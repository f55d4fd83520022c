//! What a match is about: the words in front of its value.

use super::TextError;
use super::names::Kind;
use super::tokens::Tokens;
use crate::filter::{End, ExtensionHeader, Field};
use crate::wire::ip;

/// What is compared, and what a packet has to be for that to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) what: What,
    /// A field and the value that it has to have.
    pub(super) implies: Option<(Field, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Number(Field, Kind),
    Address(End),
    ComesOver,
    LeavesOver,
    Extension(ExtensionHeader),
}

impl Subject {
    const fn number(field: Field, kind: Kind) -> Self {
        Self {
            what: What::Number(field, kind),
            implies: None,
        }
    }

    const fn plain(what: What) -> Self {
        let implies = None;
        Self { what, implies }
    }

    const fn of(self, field: Field, value: u32) -> Self {
        let implies = Some((field, value));
        Self { implies, ..self }
    }
}

/// Reads the subject that the word `first` begins; `None` if none begins so.
pub(super) fn subject(first: &str, tokens: &mut Tokens<'_>) -> Result<Option<Subject>, TextError> {
    Ok(Some(match first {
        "ip" => v4(tokens)?.of(Field::Version, 4),
        "ip6" => v6(tokens)?.of(Field::Version, 6),
        "tcp" => tcp(tokens)?.of(Field::Protocol, ip::TCP.into()),
        "udp" => udp(tokens)?.of(Field::Protocol, ip::UDP.into()),
        "th" => ports(tokens)?,
        "icmp" => {
            let kinds = (Kind::IcmpType, Kind::IcmpCode);
            icmp(tokens, kinds)?.of(Field::Protocol, ip::ICMP.into())
        }
        "icmpv6" => {
            let kinds = (Kind::Icmp6Type, Kind::Icmp6Code);
            icmp(tokens, kinds)?.of(Field::Protocol, ip::ICMPV6.into())
        }
        "frag" => fragment(tokens)?,
        "exthdr" => Subject::plain(What::Extension(extension(tokens)?)),
        "meta" => meta(tokens)?,
        "ct" => flow(tokens)?,
        "iifname" | "iif" => Subject::plain(What::ComesOver),
        "oifname" | "oif" => Subject::plain(What::LeavesOver),
        "mark" => Subject::number(Field::Mark, Kind::Number(u32::MAX)),
        _ => return Ok(None),
    }))
}

/// Reads `nh,BIT,BITS` or `th,BIT,BITS` behind `@`: whole bytes of a header, four at most.
pub(super) fn raw(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let layer = tokens.word("nh or th")?;
    let wrong = "whole bytes of the network (nh) or transport header (th) go here: @th,16,16";
    let mut bytes = || {
        tokens.expect_sign(",")?;
        let bits: u8 = tokens.value("number")?;
        let whole = bits.is_multiple_of(8).then_some(bits / 8);
        whole.ok_or_else(|| tokens.error(wrong))
    };
    let (at, len) = (bytes()?, bytes()?);
    if !(1..=4).contains(&len) {
        return Err(tokens.error(wrong));
    }
    let most = u32::MAX >> (32 - u32::from(len) * 8);
    match layer {
        "nh" => Ok(Subject::number(network(at, len), Kind::Number(most))),
        "th" => Ok(Subject::number(transport(at, len), Kind::Number(most))),
        _ => Err(tokens.error(wrong)),
    }
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
        _ => {
            return Err(tokens.error(
                "one of saddr, daddr, protocol, hdrlength, ttl, dscp, ecn, length, id, frag-off and \
                 checksum goes here",
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

fn tcp(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let mut ahead = tokens.clone();
    let subject = match ahead.word("a field of the TCP header")? {
        "sport" | "dport" => return ports(tokens),
        "flags" => Subject::number(Field::TcpFlags, Kind::TcpFlag),
        "doff" => Subject::number(Field::TcpDataOffset, Kind::Number(0xf)),
        "option" => option(&mut ahead)?,
        "sequence" => Subject::number(transport(4, 4), Kind::Number(u32::MAX)),
        "ackseq" => Subject::number(transport(8, 4), Kind::Number(u32::MAX)),
        "window" => Subject::number(transport(14, 2), SHORT),
        "checksum" => Subject::number(transport(16, 2), SHORT),
        "urgptr" => Subject::number(transport(18, 2), SHORT),
        _ => {
            return Err(ahead.error(
                "one of sport, dport, flags, sequence, ackseq, doff, option, window, checksum and \
                 urgptr goes here",
            ));
        }
    };
    *tokens = ahead;
    Ok(subject)
}

/// `maxseg size` behind `option`.
fn option(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    for word in ["maxseg", "size"] {
        if tokens.word("maxseg size")? != word {
            return Err(tokens.error("maxseg size goes here"));
        }
    }
    Ok(Subject::number(Field::MaxSegmentSize, SHORT))
}

fn udp(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let mut ahead = tokens.clone();
    let subject = match ahead.word("a field of the UDP header")? {
        "sport" | "dport" => return ports(tokens),
        "length" => Subject::number(transport(4, 2), SHORT),
        "checksum" => Subject::number(transport(6, 2), SHORT),
        _ => return Err(ahead.error("one of sport, dport, length and checksum goes here")),
    };
    *tokens = ahead;
    Ok(subject)
}

fn icmp(tokens: &mut Tokens<'_>, (types, codes): (Kind, Kind)) -> Result<Subject, TextError> {
    Ok(match tokens.word("a field of the ICMP header")? {
        "type" => Subject::number(Field::IcmpType, types),
        "code" => Subject::number(Field::IcmpCode, codes),
        "id" => Subject::number(transport(4, 2), SHORT),
        "sequence" => Subject::number(transport(6, 2), SHORT),
        _ => return Err(tokens.error("one of type, code, id and sequence goes here")),
    })
}

fn fragment(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("a field of the Fragment header")? {
        "frag-off" => Subject::number(Field::FragmentOffset, Kind::Number(0x1fff)),
        "more-fragments" => Subject::number(Field::MoreFragments, Kind::Number(1)),
        _ => return Err(tokens.error("frag-off or more-fragments goes here")),
    })
}

fn meta(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    Ok(match tokens.word("what is known about the packet")? {
        "l4proto" => Subject::number(Field::Protocol, Kind::Protocol),
        "nfproto" => Subject::number(Field::Version, Kind::Family),
        "length" => Subject::number(Field::Length, Kind::Number(u32::MAX)),
        "mark" => Subject::number(Field::Mark, Kind::Number(u32::MAX)),
        "dscp" => Subject::number(Field::Dscp, Kind::Dscp),
        "ecn" => Subject::number(Field::Ecn, Kind::Ecn),
        "hoplimit" => Subject::number(Field::HopLimit, BYTE),
        "iifname" | "iif" => Subject::plain(What::ComesOver),
        "oifname" | "oif" => Subject::plain(What::LeavesOver),
        _ => {
            return Err(tokens.error(
                "one of l4proto, nfproto, length, mark, dscp, ecn, hoplimit, iifname and oifname \
                 goes here",
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

fn extension(tokens: &mut Tokens<'_>) -> Result<ExtensionHeader, TextError> {
    Ok(match tokens.word("an extension header")? {
        "hbh" => ExtensionHeader::HopByHop,
        "rt" => ExtensionHeader::Routing,
        "frag" => ExtensionHeader::Fragment,
        "dst" => ExtensionHeader::Destination,
        _ => return Err(tokens.error("one of hbh, rt, frag and dst goes here")),
    })
}

const fn network(at: u8, len: u8) -> Field {
    Field::Network { at, len }
}

const fn transport(at: u8, len: u8) -> Field {
    Field::Transport { at, len }
}

const BYTE: Kind = Kind::Number(u8::MAX as u32);
const SHORT: Kind = Kind::Number(u16::MAX as u32);
