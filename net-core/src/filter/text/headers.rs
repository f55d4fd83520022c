//! The words for fields behind the IP headers that lie where they always do.

use super::TextError;
use super::names::Kind;
use super::parts;
use super::subject::Subject;
use super::tokens::{Token, Tokens};
use super::words::List;
use crate::filter::{Field, Part};
use crate::wire::ip;

/// The header of a protocol.
pub(super) struct Header {
    pub(super) word: &'static str,
    pub(super) protocol: u8,
    pub(super) has_ports: bool,
    fields: &'static [Named],
}

/// Bits with a name.
pub(super) struct Named {
    pub(super) word: &'static str,
    pub(super) at: u16,
    pub(super) len: u8,
    pub(super) kind: Kind,
}

const HEADERS: &[Header] = &[
    Header {
        word: "tcp",
        protocol: 6,
        has_ports: true,
        fields: &[
            number("sequence", 32, 32),
            number("ackseq", 64, 32),
            number("window", 112, 16),
            number("checksum", 128, 16),
            number("urgptr", 144, 16),
        ],
    },
    Header {
        word: "udp",
        protocol: 17,
        has_ports: true,
        fields: &[number("length", 32, 16), number("checksum", 48, 16)],
    },
    Header {
        word: "udplite",
        protocol: 136,
        has_ports: true,
        fields: &[number("csumcov", 32, 16), number("checksum", 48, 16)],
    },
    Header {
        word: "dccp",
        protocol: 33,
        has_ports: true,
        fields: &[named("type", 67, 4, Kind::DccpType)],
    },
    Header {
        word: "sctp",
        protocol: 132,
        has_ports: true,
        fields: &[number("vtag", 32, 32), number("checksum", 64, 32)],
    },
    Header {
        word: "icmp",
        protocol: 1,
        has_ports: false,
        fields: &[number("id", 32, 16), number("sequence", 48, 16)],
    },
    Header {
        word: "icmpv6",
        protocol: 58,
        has_ports: false,
        fields: &[number("id", 32, 16), number("sequence", 48, 16)],
    },
    Header {
        word: "igmp",
        protocol: 2,
        has_ports: false,
        fields: &[
            named("type", 0, 8, Kind::IgmpType),
            number("mrt", 8, 8),
            number("checksum", 16, 16),
            named("group", 32, 32, Kind::Ipv4Address),
        ],
    },
    Header {
        word: "ah",
        protocol: 51,
        has_ports: false,
        fields: &[
            named("nexthdr", 0, 8, Kind::Protocol),
            number("hdrlength", 8, 8),
            number("reserved", 16, 16),
            number("spi", 32, 32),
            number("sequence", 64, 32),
        ],
    },
    Header {
        word: "esp",
        protocol: 50,
        has_ports: false,
        fields: &[number("spi", 0, 32), number("sequence", 32, 32)],
    },
    Header {
        word: "comp",
        protocol: 108,
        has_ports: false,
        fields: &[
            named("nexthdr", 0, 8, Kind::Protocol),
            number("flags", 8, 8),
            number("cpi", 16, 16),
        ],
    },
];

pub(super) const fn number(word: &'static str, at: u16, len: u8) -> Named {
    named(word, at, len, Kind::up_to(len))
}

pub(super) const fn named(word: &'static str, at: u16, len: u8, kind: Kind) -> Named {
    Named {
        word,
        at,
        len,
        kind,
    }
}

impl Header {
    /// That of a protocol.
    pub(super) fn of(protocol: u32) -> Option<&'static Self> {
        let mut all = HEADERS.iter();
        all.find(|header| u32::from(header.protocol) == protocol)
    }

    /// That of this name.
    pub(super) fn named(word: &str) -> Option<&'static Self> {
        HEADERS.iter().find(|header| header.word == word)
    }

    /// The types of the messages that have its fields, if others have not.
    pub(super) const fn types(&self) -> Option<[u32; 2]> {
        match self.protocol {
            ip::ICMP => Some([0, 8]),
            ip::ICMPV6 => Some([128, 129]),
            _ => None,
        }
    }

    /// Reads the name of one of its fields, if none of the `others` is meant.
    pub(super) fn read(&self, others: &str, tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
        let token = tokens.next();
        let is_it = |word| token == Token::Word(word);
        if self.has_ports && is_it("sport") {
            return Ok(Subject::number(Field::SourcePort, Kind::up_to(16)));
        }
        if self.has_ports && is_it("dport") {
            return Ok(Subject::number(Field::DestPort, Kind::up_to(16)));
        }
        let Some(field) = self.fields.iter().find(|field| is_it(field.word)) else {
            let ports = if self.has_ports { "sport, dport, " } else { "" };
            let names = List(self.fields.iter().map(|field| field.word));
            let problem = format_args!("one of {others}{ports}{names} goes here");
            return Err(tokens.error(problem));
        };
        let field_at = Field::transport(field.at, field.len);
        Ok(Subject::number(field_at, field.kind))
    }

    /// The name of a field behind the IP headers, and how its values are written.
    pub(super) fn field(&self, field: Field) -> Option<(&'static str, Kind)> {
        let mut fields = self.fields.iter();
        let named = fields.find(|named| Field::transport(named.at, named.len) == field)?;
        Some((named.word, named.kind))
    }
}

impl Field {
    /// Bits of what is behind the IP headers.
    pub(super) fn transport(at: u16, len: u8) -> Self {
        let part = Part::Transport;
        Self::Bits { part, at, len }.normal()
    }

    /// The field as which its text reads, of several for the same bits.
    pub(in crate::filter) fn normal(self) -> Self {
        let Self::Bits { part, at, len } = self else {
            return self;
        };
        let part = match part {
            Part::Arp if !parts::is_named(part, at, len) => Part::Network,
            part => part,
        };
        let whole = u8::try_from(at / 8).ok();
        let whole = whole.filter(|_| at.is_multiple_of(8) && len.is_multiple_of(8));
        match (part, whole) {
            (Part::Network, Some(at)) => Self::Network { at, len: len / 8 },
            (Part::Transport, Some(at)) => Self::Transport { at, len: len / 8 },
            _ => Self::Bits { part, at, len },
        }
    }
}
