//! The words for parts of packets, and for what is in them.

use super::TextError;
use super::headers::{Named, named, number};
use super::names::Kind;
use super::subject::{Subject, What};
use super::tokens::{Token, Tokens};
use super::words::List;
use crate::filter::{Field, Part};
use crate::wire::ipv6_ext;
use core::fmt::{Formatter, Result as Written};

/// Parts of one layer.
struct Layer {
    /// The words in front of the name of a part.
    words: &'static str,
    /// Whether they are in front of the name of a field, too.
    has_words: bool,
    part: fn(u8) -> Part,
    /// The first name of a part is the one that is written.
    names: &'static [Name],
    /// The fields of a part that has no name.
    others: &'static [Named],
}

/// A part with a name.
struct Name {
    word: &'static str,
    number: u8,
    fields: &'static [Named],
}

const TCP: Layer = Layer {
    words: "tcp option",
    has_words: true,
    part: Part::TcpOption,
    others: &[LENGTH],
    names: &[
        name("eol", 0, &[]),
        name("nop", 1, &[]),
        name("noop", 1, &[]),
        name("maxseg", 2, &[LENGTH, number("size", 16, 16)]),
        name("mss", 2, &[LENGTH, number("size", 16, 16)]),
        name("window", 3, &[LENGTH, number("count", 16, 8)]),
        name("sack-perm", 4, &[LENGTH]),
        name("sack-permitted", 4, &[LENGTH]),
        name("sack", 5, &[LENGTH, left(16), right(48)]),
        name("sack0", 5, &[LENGTH, left(16), right(48)]),
        name("sack1", 5, &[LENGTH, left(80), right(112)]),
        name("sack2", 5, &[LENGTH, left(144), right(176)]),
        name("sack3", 5, &[LENGTH, left(208), right(240)]),
        name(
            "timestamp",
            8,
            &[LENGTH, number("tsval", 16, 32), number("tsecr", 48, 32)],
        ),
        name("md5sig", 19, &[LENGTH]),
        name("mptcp", 30, &[LENGTH, number("subtype", 16, 4)]),
        name("fastopen", 34, &[LENGTH]),
    ],
};

const IPV4: Layer = Layer {
    words: "ip option",
    has_words: true,
    part: Part::Ipv4Option,
    others: &[TYPE, LENGTH],
    names: &[
        name("lsrr", 131, ROUTE),
        name("rr", 7, ROUTE),
        name("ssrr", 137, ROUTE),
        name("ra", 148, &[TYPE, LENGTH, number("value", 16, 16)]),
    ],
};

const ROUTE: &[Named] = &[TYPE, LENGTH, number("ptr", 16, 8), number("addr", 24, 32)];

const EXTENSIONS: Layer = Layer {
    words: "exthdr",
    has_words: false,
    part: Part::Extension,
    others: &[],
    names: &[
        name("hbh", ipv6_ext::HOP_BY_HOP, &[NEXT, UNITS]),
        name(
            "rt",
            ipv6_ext::ROUTING,
            &[
                NEXT,
                UNITS,
                number("type", 16, 8),
                number("seg-left", 24, 8),
            ],
        ),
        name(
            "srh",
            ipv6_ext::ROUTING,
            &[
                number("last-entry", 32, 8),
                number("flags", 40, 8),
                number("tag", 48, 16),
            ],
        ),
        name(
            "frag",
            ipv6_ext::FRAGMENT,
            &[
                NEXT,
                number("reserved", 8, 8),
                number("frag-off", 16, 13),
                number("reserved2", 29, 2),
                number("more-fragments", 31, 1),
                number("id", 32, 32),
            ],
        ),
        name("dst", ipv6_ext::DESTINATION, &[NEXT, UNITS]),
        name(
            "mh",
            ipv6_ext::MOBILITY,
            &[
                NEXT,
                UNITS,
                named("type", 16, 8, Kind::MobilityType),
                number("reserved", 24, 8),
                number("checksum", 32, 16),
            ],
        ),
    ],
};

const ARP: Layer = Layer {
    words: "",
    has_words: false,
    part: |_| Part::Arp,
    others: &[],
    names: &[name(
        "arp",
        0,
        &[
            number("htype", 0, 16),
            named("ptype", 16, 16, Kind::EtherType),
            number("hlen", 32, 8),
            number("plen", 40, 8),
            named("operation", 48, 16, Kind::ArpOperation),
        ],
    )],
};

const TYPE: Named = number("type", 0, 8);
const UNITS: Named = number("hdrlength", 8, 8);
const NEXT: Named = named("nexthdr", 0, 8, Kind::Protocol);
const LENGTH: Named = number("length", 8, 8);

const fn name(word: &'static str, number: u8, fields: &'static [Named]) -> Name {
    Name {
        word,
        number,
        fields,
    }
}

const fn left(at: u16) -> Named {
    number("left", at, 32)
}

const fn right(at: u16) -> Named {
    number("right", at, 32)
}

impl Layer {
    const fn of(part: Part) -> Option<(&'static Self, u8)> {
        match part {
            Part::TcpOption(number) => Some((&TCP, number)),
            Part::Ipv4Option(number) => Some((&IPV4, number)),
            Part::Extension(number) => Some((&EXTENSIONS, number)),
            Part::Arp => Some((&ARP, 0)),
            Part::Network | Part::Transport => None,
        }
    }

    /// Reads what is behind its words: a name, or a number where it has none, and a field of it or whether it
    /// is there; or `@NUMBER,BIT,BITS`.
    fn read(&self, tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
        if tokens.take_sign("@") {
            let part = (self.part)(tokens.value("number")?);
            tokens.expect_sign(",")?;
            return raw(part, tokens);
        }
        let word = tokens.word("an option or a header")?;
        let mut names = self.names.iter();
        let name = names.clone().find(|name| name.word == word);
        let Some(number) = name.map_or_else(|| word.parse().ok(), |name| Some(name.number)) else {
            let names = List(names.map(|name| name.word));
            return Err(tokens.error(format_args!("one of {names}, a number, @ goes here")));
        };
        let part = (self.part)(number);
        if matches!(tokens.peek(), Token::Word("exists" | "missing")) {
            return Ok(Subject::plain(What::Part(part)));
        }
        let name = name.or_else(|| names.find(|name| name.number == number));
        let fields = name.map_or(self.others, |name| name.fields);
        self.field(number, fields, &["exists", "missing"], tokens)
    }

    /// Reads the name of one of these fields of a part.
    fn field(
        &self,
        number: u8,
        fields: &[Named],
        others: &[&'static str],
        tokens: &mut Tokens<'_>,
    ) -> Result<Subject, TextError> {
        let token = tokens.next();
        let mut all = fields.iter();
        let Some(field) = all.find(|field| token == Token::Word(field.word)) else {
            let names = fields.iter().map(|field| field.word);
            let names = List(names.chain(others.iter().copied()));
            let problem = format_args!("one of {names} goes here");
            return Err(tokens.error(problem));
        };
        let &Named { at, len, kind, .. } = field;
        let part = (self.part)(number);
        Ok(Subject::number(Field::Bits { part, at, len }, kind))
    }
}

/// `BIT,BITS` of a part.
pub(super) fn raw(part: Part, tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let at = tokens.value("number of a bit")?;
    tokens.expect_sign(",")?;
    let len: u8 = tokens.value("number of bits")?;
    if !(1..=32).contains(&len) {
        return Err(tokens.error("1 to 32 bits are one number"));
    }
    let field = Field::Bits { part, at, len };
    Ok(Subject::number(field.normal(), Kind::up_to(len)))
}

/// Reads what is behind `tcp option`.
pub(super) fn tcp_option(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    TCP.read(tokens)
}

/// Reads what is behind `ip option`.
pub(super) fn ipv4_option(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    IPV4.read(tokens)
}

/// Reads what is behind `exthdr`.
pub(super) fn any_extension(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    EXTENSIONS.read(tokens)
}

/// Reads what is behind the name of an extension header, if `word` is one.
pub(super) fn extension(word: &str, tokens: &mut Tokens<'_>) -> Result<Option<Subject>, TextError> {
    let what = match word {
        "rt0" => "addr",
        "srh" => "sid",
        _ => "",
    };
    if !what.is_empty() && (word == "rt0" || tokens.peek() == Token::Word(what)) {
        if !tokens.take_word(what) {
            tokens.next();
            return Err(tokens.error(format_args!("{what}[NUMBER] goes here")));
        }
        tokens.expect_sign("[")?;
        let number = tokens.value("number from 1 to 255")?;
        tokens.expect_sign("]")?;
        if number == 0 {
            return Err(tokens.error("they are counted from 1"));
        }
        return Ok(Some(Subject::plain(What::RoutingAddress(number))));
    }
    let mut names = EXTENSIONS.names.iter();
    let Some(name) = names.find(|name| name.word == word) else {
        return Ok(None);
    };
    let others = if word == "srh" { &["sid"][..] } else { &[] };
    let subject = EXTENSIONS.field(name.number, name.fields, others, tokens);
    subject.map(Some)
}

/// Reads what is behind `arp`, but for the addresses.
pub(super) fn arp(tokens: &mut Tokens<'_>) -> Result<Subject, TextError> {
    let fields = ARP.names.first().map_or(&[][..], |name| name.fields);
    ARP.field(0, fields, &["saddr", "daddr"], tokens)
}

/// How the values of some bits are written.
pub(super) fn kind(part: Part, at: u16, len: u8) -> Kind {
    find(part, at, len).map_or(Kind::Number(u32::MAX), |(_, field)| field.kind)
}

/// Whether some bits have a name.
pub(super) fn is_named(part: Part, at: u16, len: u8) -> bool {
    find(part, at, len).is_some()
}

fn find(part: Part, at: u16, len: u8) -> Option<(&'static Name, &'static Named)> {
    let (layer, number) = Layer::of(part)?;
    let names = layer.names.iter().filter(|name| name.number == number);
    let mut fields = names.flat_map(|name| name.fields.iter().map(move |field| (name, field)));
    fields.find(|(_, field)| (field.at, field.len) == (at, len))
}

/// Writes the words for some bits of a part.
pub(super) fn write_bits(part: Part, at: u16, len: u8, f: &mut Formatter<'_>) -> Written {
    let Some((layer, number)) = Layer::of(part) else {
        return write!(f, "{}{at},{len}", words_of_whole(part));
    };
    if let Some((name, field)) = find(part, at, len) {
        if layer.has_words {
            write!(f, "{} ", layer.words)?;
        }
        return write!(f, "{} {}", name.word, field.word);
    }
    match part {
        Part::Arp => write!(f, "@nh,{at},{len}"),
        _ => write!(f, "{} @{number},{at},{len}", layer.words),
    }
}

/// Writes the words for a part.
pub(super) fn write_part(part: Part, f: &mut Formatter<'_>) -> Written {
    let Some((layer, number)) = Layer::of(part) else {
        return f.write_str(words_of_whole(part));
    };
    let name = layer.names.iter().find(|name| name.number == number);
    match name {
        Some(name) => write!(f, "{} {}", layer.words, name.word),
        None => write!(f, "{} {number}", layer.words),
    }
}

const fn words_of_whole(part: Part) -> &'static str {
    match part {
        Part::Network => "@nh,",
        _ => "@th,",
    }
}
