//! Rules: what a packet has to be, and what happens to it then.

use super::{
    Addresses, Audience, End, Field, Numbers, Part, StationField, Stations, Tproxy, TupleField,
    Tuples,
};
use crate::nat::Translation;
use crate::time::Duration;
use crate::wire::{icmpv4, icmpv6};
use alloc::string::String;
use alloc::vec::Vec;

/// A rule: where all its matches hold, its actions are done in order.
///
/// ```
/// use net_core::filter::{Action, End, Field, Numbers, Rule, Test};
/// let no_telnet = Rule::new()
///     .when(Test::Number(Field::Protocol, Numbers::from(6)))
///     .when(Test::Number(Field::DestPort, Numbers::from(23)))
///     .then(Action::Drop);
/// assert_eq!(no_telnet.to_string(), "tcp dport 23 drop");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Looked at in order, up to the first that does not hold.
    pub matches: Vec<Match>,
    /// Done in order, up to the first that ends the rule.
    pub actions: Vec<Action>,
}

impl Rule {
    /// A rule that holds for every packet and does nothing but count it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds only where the test does.
    #[must_use]
    pub fn when(mut self, test: Test) -> Self {
        let negated = false;
        self.matches.push(Match { test, negated });
        self
    }

    /// Holds only where the test does not.
    #[must_use]
    pub fn unless(mut self, test: Test) -> Self {
        let negated = true;
        self.matches.push(Match { test, negated });
        self
    }

    /// The matches without those of the IP version that an address says too.
    pub(super) fn essential(&self) -> impl Iterator<Item = &Match> {
        self.matches.iter().filter(|one| match &one.test {
            Test::Number(Field::Version, numbers) if !one.negated => {
                let is_said = |other: &Match| match &other.test {
                    Test::Address(_, addresses) => {
                        !other.negated && numbers.single().is_some_and(|n| addresses.are_of(n))
                    }
                    _ => false,
                };
                !self.matches.iter().any(is_said)
            }
            _ => true,
        })
    }

    /// Whether it asks what belongs to which flow, or changes what is known about that.
    pub(super) fn needs_flows(&self) -> bool {
        let mut actions = self.actions.iter();
        let mut fields = self.matches.iter().flat_map(|one| one.test.fields());
        actions.any(|action| {
            matches!(
                action,
                Action::FlowMark(_) | Action::Untrack | Action::Translate(_)
            )
        }) || fields.any(|field| {
            matches!(
                field,
                Field::FlowState | Field::FlowDirection | Field::FlowStatus | Field::FlowMark
            )
        })
    }

    /// Does this too.
    #[must_use]
    pub fn then(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }
}

/// A test that is to hold, or not to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The test.
    pub test: Test,
    /// It is not to hold.
    pub negated: bool,
}

/// What a packet may have to be. A test of a field that the packet has not holds neither way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Test {
    /// The field is one of these numbers.
    Number(Field, Numbers),
    /// Under a mask it is one of these numbers.
    Masked {
        /// Which field.
        field: Field,
        /// The bits that count.
        mask: u32,
        /// What they are to be.
        wanted: Numbers,
    },
    /// One of these bits of the field is set.
    AnyBit(Field, u32),
    /// The address is one of these.
    Address(End, Addresses),
    /// The packet came in over an interface of one of these names, or of one that begins so where
    /// the last character is `*`.
    ComesOver(Vec<String>),
    /// It leaves over one.
    LeavesOver(Vec<String>),
    /// Several fields together are one of these tuples.
    Tuple(Tuples),
    /// The packet has this option or extension header; other parts are [refused](super::FilterError::Field). What is no TCP lacks every option of TCP, as for `nft`; packets of one IP
    /// version neither have nor lack what is of the other.
    Has(Part),
    /// The address of this number, counted from 1, in the Routing header of IPv6, or segment of Segment
    /// Routing (RFC 8754 §2), is one of these.
    RoutingAddress(u8, Addresses),
    /// The station of this name is one of these; what is in front of a packet has those alone that came in
    /// over Ethernet.
    Station(StationField, Stations),
    /// The packet came in over an interface to Ethernet; what this host sends did not come in.
    OverEthernet,
    /// The link brought the packet to these.
    SentTo(Audience),
    /// The protocol address of an ARP packet is one of these: that of its sender, or of its target.
    ArpAddress(End, Addresses),
    /// The rule has not come so far more often than this; negated: it has.
    Limit(Limit),
}

impl Test {
    /// Whether there can be such a field or part.
    pub(super) fn can_be(&self) -> bool {
        match self {
            Self::Has(part) => part.is_sought(),
            Self::RoutingAddress(number, _) => *number > 0,
            other => other.fields().all(Field::has_size),
        }
    }

    /// Has each field named as the text of it reads.
    pub(super) fn normalize(&mut self) {
        match self {
            Self::Number(field, _) | Self::AnyBit(field, _) | Self::Masked { field, .. } => {
                *field = field.normal();
            }
            Self::Tuple(tuples) => {
                for part in &mut tuples.fields {
                    if let TupleField::Number(field) = part {
                        *field = field.normal();
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether it asks for what is in front of a packet.
    pub(super) fn asks_for_frames(&self) -> bool {
        match self {
            Self::Station(field, _) => field.is_of_frame(),
            Self::SentTo(_) => true,
            Self::Tuple(tuples) => tuples
                .fields
                .iter()
                .any(|part| matches!(part, TupleField::Station(field) if field.is_of_frame())),
            _ => false,
        }
    }

    /// The numbers of a packet that it looks at.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        let (one, tuple) = match self {
            Self::Number(field, _) | Self::AnyBit(field, _) | Self::Masked { field, .. } => {
                (Some(*field), &[][..])
            }
            Self::Tuple(tuples) => (None, &tuples.fields[..]),
            _ => (None, &[][..]),
        };
        let tuple = tuple.iter().filter_map(|field| match field {
            TupleField::Number(field) => Some(*field),
            TupleField::Address(_) | TupleField::Station(_) => None,
        });
        one.into_iter().chain(tuple)
    }
}

/// A token bucket: how often something may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The time in which one permit comes.
    pub interval: Duration,
    /// Permits that may be saved up.
    pub burst: u32,
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It has passed this base chain. The next one is asked.
    Accept,
    /// It vanishes, and is counted.
    Drop,
    /// It vanishes, and its sender is told, a socket of this host too; in chains that are asked at
    /// [`PostRouting`](crate::hook::HookPoint::PostRouting) it is
    /// [refused](super::FilterError::Reject). What is for many is not answered.
    Reject(Answer),
    /// Its mark becomes `mark & keep ^ set`.
    Mark {
        /// Bits that stay.
        keep: u32,
        /// Bits that are turned over then.
        set: u32,
    },
    /// The mark of its flow becomes this.
    FlowMark(u32),
    /// It is not taken for part of a flow; in front of where flows are found out, at the priority
    /// `raw` of [`PreRouting`](crate::hook::HookPoint::PreRouting) or
    /// [`LocalOut`](crate::hook::HookPoint::LocalOut).
    Untrack,
    /// A socket of this host gets it, whatever it is for, and it is not changed; at
    /// [`PreRouting`](crate::hook::HookPoint::PreRouting), in chains of the kind
    /// [`Filter`](super::ChainKind::Filter). Where it cannot be given to a socket, what is done behind
    /// this is not done either.
    Tproxy(Tproxy),
    /// Its flow is translated; in chains of the kind [`Nat`](super::ChainKind::Nat) only.
    Translate(Translation),
    /// An entry is made in the log, for
    /// [`Stack::poll_filter_log`](crate::Stack::poll_filter_log).
    Log(String),
    /// The rules of another chain are asked; if none of them decides, the next one here.
    Jump(String),
    /// The rules of another chain are asked in place of those that follow here.
    Goto(String),
    /// The chain ends here.
    Return,
    /// A [hook](crate::Stack::set_filter_queue) decides, and may change the packet.
    Queue {
        /// The number that the hook was put in under.
        number: u16,
        /// Without a hook the packet is accepted; else it is dropped.
        bypass: bool,
    },
}

impl Action {
    /// Whether no rule behind the one that does this is asked.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Accept
            | Self::Drop
            | Self::Reject(_)
            | Self::Goto(_)
            | Self::Return
            | Self::Translate(_)
            | Self::Queue { .. } => true,
            Self::FlowMark(_)
            | Self::Untrack
            | Self::Tproxy(_)
            | Self::Mark { .. }
            | Self::Log(_)
            | Self::Jump(_) => false,
        }
    }
}

/// What the sender of a rejected packet is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// That the destination cannot be reached.
    Unreachable {
        /// The code in ICMP (RFC 792, RFC 1812 §5.2.7.1).
        v4: u8,
        /// The code in ICMPv6 (RFC 4443 §3.1).
        v6: u8,
    },
    /// A TCP segment is reset (RFC 9293 §3.10.7.1); of other packets nothing is told.
    TcpReset,
}

impl Answer {
    /// There is no way to the network.
    pub const NO_ROUTE: Self = Self::Unreachable {
        v4: icmpv4::NET_UNREACHABLE,
        v6: icmpv6::NO_ROUTE,
    };
    /// The host does not answer.
    pub const HOST_UNREACHABLE: Self = Self::Unreachable {
        v4: icmpv4::HOST_UNREACHABLE,
        v6: icmpv6::ADDRESS_UNREACHABLE,
    };
    /// Nobody has the port.
    pub const PORT_UNREACHABLE: Self = Self::Unreachable {
        v4: icmpv4::PORT_UNREACHABLE,
        v6: icmpv6::PORT_UNREACHABLE,
    };
    /// An administrator forbids it.
    pub const PROHIBITED: Self = Self::Unreachable {
        v4: icmpv4::PROHIBITED,
        v6: icmpv6::PROHIBITED,
    };
}
