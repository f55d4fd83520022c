//! Rulesets as text again: what is printed reads as the same rules.

use super::headers::Header;
use super::names::Kind;
use super::parts::write_part;
use super::words::{
    AddressList, Bits, FieldName, Names, NumberList, StationList, address_name, kind,
};
use crate::filter::{
    Action, Base, ChainKind, ChainPolicy, End, Field, Match, Numbers, Rule, Ruleset, Table,
    TableFamily, Test, TupleField, TupleValue, Tuples,
};
use crate::hook::HookPoint;
use core::fmt::{self, Display, Formatter, Result};

impl Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.tables.iter().try_for_each(|table| table.fmt(f))
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.show(f, |_| Ok(()))
    }
}

impl Table {
    /// Writes the table, with what `behind` writes behind each rule.
    pub(in crate::filter) fn show<W: fmt::Write>(
        &self,
        f: &mut W,
        mut behind: impl FnMut(&mut W) -> Result,
    ) -> Result {
        writeln!(f, "table {} {} {{", self.family, self.name)?;
        for chain in &self.chains {
            writeln!(f, "\tchain {} {{", chain.name)?;
            if let Some(base) = chain.base {
                writeln!(f, "\t\t{base}")?;
            }
            for rule in &chain.rules {
                write!(f, "\t\t{rule}")?;
                behind(f)?;
                f.write_char('\n')?;
            }
            f.write_str("\t}\n")?;
        }
        f.write_str("}\n")
    }
}

impl Display for TableFamily {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Arp => "arp",
        })
    }
}

impl Display for Base {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let hook = match self.at {
            HookPoint::PreRouting => "prerouting",
            HookPoint::LocalIn => "input",
            HookPoint::Forward => "forward",
            HookPoint::LocalOut => "output",
            HookPoint::PostRouting => "postrouting",
        };
        let policy = match self.policy {
            ChainPolicy::Accept => "accept",
            ChainPolicy::Drop => "drop",
        };
        let kind = match self.kind {
            ChainKind::Filter => "filter",
            ChainKind::Nat => "nat",
            ChainKind::Route => "route",
        };
        let priority = self.priority;
        write!(
            f,
            "type {kind} hook {hook} priority {priority}; policy {policy};"
        )
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut separator = "";
        for one in &self.matches {
            if !self.is_implied(one) {
                f.write_str(separator)?;
                self.show_match(one, f)?;
                separator = " ";
            }
        }
        for action in &self.actions {
            write!(f, "{separator}{action}")?;
            separator = " ";
        }
        if separator.is_empty() {
            f.write_str("counter")?;
        }
        Ok(())
    }
}

impl Rule {
    /// The number that a field has to have.
    fn required(&self, field: Field) -> Option<u32> {
        self.matches.iter().find_map(|one| match &one.test {
            Test::Number(other, numbers) if *other == field && !one.negated => numbers.single(),
            _ => None,
        })
    }

    /// The words for a field in this rule.
    fn name(&self, field: Field) -> FieldName {
        FieldName {
            field,
            protocol: self.required(Field::Protocol),
            version: self.required(Field::Version),
            has_types: self.has_types(),
        }
    }

    /// Whether packets have to be of the types that have the fields of their protocol.
    fn has_types(&self) -> bool {
        let types = self.types();
        types.is_none_or(|types| {
            let mut matches = self.matches.iter();
            matches
                .any(|one| one.test == Test::Number(Field::IcmpType, types.clone()) && !one.negated)
        })
    }

    /// The types of ICMP messages that have the fields of the protocol which packets have to be of.
    fn types(&self) -> Option<Numbers> {
        let header = self.required(Field::Protocol).and_then(Header::of)?;
        Some(header.types()?.into_iter().map(|one| one..=one).collect())
    }

    /// Whether the words for another match say this one too.
    fn is_implied(&self, one: &Match) -> bool {
        if let Test::Number(Field::IcmpType, numbers) = &one.test {
            let is_of_types = !one.negated && self.types().as_ref() == Some(numbers);
            let header = self.required(Field::Protocol).and_then(Header::of);
            let mut fields = self.matches.iter().flat_map(|other| other.test.fields());
            let is_of_header = |field| header.is_some_and(|header| header.field(field).is_some());
            return is_of_types && fields.any(is_of_header);
        }
        let Test::Number(field @ (Field::Protocol | Field::Version), numbers) = &one.test else {
            return false;
        };
        let Some(number) = numbers.single().filter(|_| !one.negated) else {
            return false;
        };
        let is_named = |other: Field| self.name(other).implies() == Some((*field, number));
        let mut fields = self.matches.iter().flat_map(|other| other.test.fields());
        fields.any(is_named)
            || self.matches.iter().any(|other| match &other.test {
                Test::Address(_, addresses) => {
                    *field == Field::Version && number == addresses.version()
                }
                Test::RoutingAddress(..) => (*field, number) == (Field::Version, 6),
                Test::Tuple(tuples) => *field == Field::Version && tuples.version() == Some(number),
                _ => false,
            })
            || self.actions.iter().any(|action| match action {
                Action::Reject(answer) => answer.implies() == Some((*field, number)),
                _ => false,
            })
    }

    fn show_match(&self, one: &Match, f: &mut Formatter<'_>) -> Result {
        let not = if one.negated { "!= " } else { "" };
        match &one.test {
            Test::Number(field, numbers) => {
                let name = self.name(*field);
                // Without a sign the name of a bit stands for any value that has it.
                let is_flag = kind(name).is_bits() && numbers.single().is_some();
                let exact = if is_flag && !one.negated { "== " } else { not };
                write!(f, "{name} {exact}{}", NumberList(numbers, kind(name)))
            }
            Test::Masked {
                field,
                mask,
                wanted,
            } => {
                let name = self.name(*field);
                let sign = if one.negated { "!=" } else { "==" };
                let wanted = wanted.single().unwrap_or_default();
                write!(f, "{name} & {mask:#x} {sign} {wanted:#x}")
            }
            Test::AnyBit(field, bits) => {
                let name = self.name(*field);
                let sign = if one.negated { "==" } else { "!=" };
                match kind(name) {
                    kind if kind.is_bits() && !one.negated => {
                        write!(f, "{name} {}", Bits(*bits, kind))
                    }
                    _ => write!(f, "{name} & {bits:#x} {sign} 0"),
                }
            }
            Test::Address(end, addresses) => {
                let name = address_name(*end, addresses.version());
                write!(f, "{name} {not}{}", AddressList(addresses))
            }
            Test::ComesOver(names) => write!(f, "iifname {not}{}", Names(names)),
            Test::LeavesOver(names) => write!(f, "oifname {not}{}", Names(names)),
            Test::Tuple(tuples) => self.show_tuples(tuples, not, f),
            Test::RoutingAddress(number, addresses) => {
                write!(f, "srh sid[{number}] {not}{}", AddressList(addresses))
            }
            Test::Station(field, stations) => write!(f, "{field} {not}{}", StationList(stations)),
            Test::OverEthernet => write!(f, "meta iiftype {not}ether"),
            Test::SentTo(audience) => write!(f, "meta pkttype {not}{audience}"),
            Test::ArpAddress(end, addresses) => {
                let name = match end {
                    End::Source => "arp saddr ip",
                    End::Dest => "arp daddr ip",
                };
                write!(f, "{name} {not}{}", AddressList(addresses))
            }
            Test::Has(part) => {
                write_part(*part, f)?;
                f.write_str(if one.negated { " missing" } else { " exists" })
            }
            Test::Limit(limit) => {
                let over = if one.negated { "over " } else { "" };
                write!(f, "limit rate {over}{limit}")
            }
        }
    }

    fn show_tuples(&self, tuples: &Tuples, not: &str, f: &mut Formatter<'_>) -> Result {
        for (index, field) in tuples.fields.iter().enumerate() {
            let dot = if index > 0 { " . " } else { "" };
            match field {
                TupleField::Address(end) => {
                    let version = tuples.version().unwrap_or(4);
                    write!(f, "{dot}{}", address_name(*end, version))?;
                }
                TupleField::Number(field) => write!(f, "{dot}{}", self.name(*field))?,
                TupleField::Station(field) => write!(f, "{dot}{field}")?,
            }
        }
        write!(f, " {not}{{")?;
        for (index, tuple) in tuples.elements.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { " " })?;
            for (index, (field, value)) in tuples.fields.iter().zip(tuple).enumerate() {
                f.write_str(if index > 0 { " . " } else { "" })?;
                match (field, value) {
                    (_, TupleValue::Address(address)) => address.fmt(f)?,
                    (TupleField::Number(field), TupleValue::Number(number))
                        if kind(self.name(*field)) == Kind::Ipv4Address =>
                    {
                        Kind::Ipv4Address.write(*number, f)?;
                    }
                    (_, TupleValue::Number(number)) => number.fmt(f)?,
                    (_, TupleValue::Station(station)) => station.fmt(f)?,
                }
            }
        }
        f.write_str(" }")
    }
}
