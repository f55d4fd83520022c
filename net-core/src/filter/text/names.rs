//! Numbers that have names.

use crate::conntrack::{FlowState, FlowStatus};
use core::fmt::{Display, Formatter, Result};
use core::net::Ipv4Addr;

/// How the value of a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number up to this.
    Number(u32),
    /// An IPv4 address.
    Ipv4Address,
    /// The name or number of a protocol.
    Protocol,
    /// The type of an ICMP message.
    IcmpType,
    /// The type of an ICMPv6 message.
    Icmp6Type,
    /// The code of an ICMP "unreachable".
    IcmpCode,
    /// The code of an ICMPv6 "unreachable".
    Icmp6Code,
    /// A code point of RFC 2474 and its successors.
    Dscp,
    /// Two bits.
    Ecn,
    /// IPv4 or IPv6.
    Family,
    /// Control bits of TCP.
    TcpFlag,
    /// The type of a frame.
    EtherType,
    /// What an ARP packet is for.
    ArpOperation,
    /// The type of a Mobility Header.
    MobilityType,
    /// The type of a packet of DCCP.
    DccpType,
    /// The type of a message of IGMP.
    IgmpType,
    /// How a packet stands to flows.
    FlowState,
    /// Which way it goes.
    Direction,
    /// What is known about its flow.
    FlowStatus,
}

impl Kind {
    /// A number of so many bits: one at least, 32 at most.
    pub(super) const fn up_to(bits: u8) -> Self {
        Self::Number(u32::MAX >> (32 - bits))
    }

    /// Whether a name stands for one bit of several.
    pub(super) const fn is_bits(self) -> bool {
        matches!(self, Self::TcpFlag | Self::FlowState | Self::FlowStatus)
    }

    /// The number that a word stands for.
    pub(super) fn number(self, word: &str) -> Option<u32> {
        let names = self.names().iter();
        let named = names.copied().find(|(name, _)| *name == word);
        let named = named.map(|(_, number)| number);
        let address = match self {
            Self::Ipv4Address => word.parse().ok().map(Ipv4Addr::to_bits),
            _ => None,
        };
        named.or(address).or_else(|| {
            let number = match word.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => word.parse(),
            };
            number.ok().filter(|number| *number <= self.most())
        })
    }

    /// The name of a number.
    pub(super) fn name(self, number: u32) -> Option<&'static str> {
        let names = self.names().iter();
        let named = names.copied().find(|(_, other)| *other == number);
        named.map(|(name, _)| name)
    }

    /// Whether any number has a name.
    pub(super) const fn has_names(self) -> bool {
        !self.names().is_empty()
    }

    /// Writes a number by its name, if it has one.
    pub(super) fn write(self, number: u32, f: &mut Formatter<'_>) -> Result {
        match self.name(number) {
            Some(name) => f.write_str(name),
            None if self == Self::Ipv4Address => Ipv4Addr::from_bits(number).fmt(f),
            None => number.fmt(f),
        }
    }

    /// What such a value is called.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Ipv4Address => "address",
            Self::Protocol => "protocol",
            Self::IcmpType | Self::Icmp6Type => "type of an ICMP message",
            Self::IcmpCode | Self::Icmp6Code => "code of an ICMP message",
            Self::Dscp => "code point",
            Self::Ecn => "congestion mark",
            Self::Family => "family",
            Self::TcpFlag => "control bit of TCP",
            Self::EtherType => "type of a frame",
            Self::ArpOperation => "operation of ARP",
            Self::MobilityType => "type of a Mobility Header",
            Self::DccpType => "type of a packet of DCCP",
            Self::IgmpType => "type of a message of IGMP",
            Self::FlowState => "state of a flow",
            Self::Direction => "direction",
            Self::FlowStatus => "status of a flow",
        }
    }

    /// The largest value.
    pub(super) const fn most(self) -> u32 {
        match self {
            Self::Number(most) => most,
            Self::Ipv4Address => u32::MAX,
            Self::Dscp => 63,
            Self::Ecn => 3,
            Self::DccpType => 15,
            Self::EtherType | Self::ArpOperation => 0xffff,
            Self::Family | Self::Direction => 0,
            _ => 255,
        }
    }

    const fn names(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Number(_) | Self::Ipv4Address => &[],
            Self::Protocol => PROTOCOLS,
            Self::IcmpType => ICMP_TYPES,
            Self::Icmp6Type => ICMP6_TYPES,
            Self::IcmpCode => ICMP_CODES,
            Self::Icmp6Code => ICMP6_CODES,
            Self::Dscp => CODE_POINTS,
            Self::Ecn => &[("not-ect", 0), ("ect1", 1), ("ect0", 2), ("ce", 3)],
            Self::Family => &[("ipv4", 4), ("ipv6", 6)],
            Self::TcpFlag => TCP_FLAGS,
            Self::EtherType => ETHER_TYPES,
            Self::ArpOperation => ARP_OPERATIONS,
            Self::MobilityType => MOBILITY_TYPES,
            Self::DccpType => DCCP_TYPES,
            Self::IgmpType => IGMP_TYPES,
            Self::FlowState => FLOW_STATES,
            Self::Direction => &[("original", 0), ("reply", 1)],
            Self::FlowStatus => FLOW_STATUS,
        }
    }
}

const PROTOCOLS: &[(&str, u32)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("comp", 108),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("udplite", 136),
];

const ICMP_TYPES: &[(&str, u32)] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
];

const ICMP6_TYPES: &[(&str, u32)] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("mld2-listener-report", 143),
];

const ICMP_CODES: &[(&str, u32)] = &[
    ("net-unreachable", 0),
    ("host-unreachable", 1),
    ("prot-unreachable", 2),
    ("port-unreachable", 3),
    ("net-prohibited", 9),
    ("host-prohibited", 10),
    ("admin-prohibited", 13),
];

const ICMP6_CODES: &[(&str, u32)] = &[
    ("no-route", 0),
    ("admin-prohibited", 1),
    ("addr-unreachable", 3),
    ("port-unreachable", 4),
    ("policy-fail", 5),
    ("reject-route", 6),
];

const CODE_POINTS: &[(&str, u32)] = &[
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];

const TCP_FLAGS: &[(&str, u32)] = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("psh", 8),
    ("ack", 16),
    ("urg", 32),
    ("ecn", 64),
    ("cwr", 128),
];

const ETHER_TYPES: &[(&str, u32)] = &[
    ("ip", 0x0800),
    ("arp", 0x0806),
    ("8021q", 0x8100),
    ("vlan", 0x8100),
    ("ip6", 0x86dd),
    ("8021ad", 0x88a8),
];

const ARP_OPERATIONS: &[(&str, u32)] = &[
    ("request", 1),
    ("reply", 2),
    ("rrequest", 3),
    ("rreply", 4),
    ("inrequest", 8),
    ("inreply", 9),
    ("nak", 10),
];

const MOBILITY_TYPES: &[(&str, u32)] = &[
    ("binding-refresh-request", 0),
    ("home-test-init", 1),
    ("careof-test-init", 2),
    ("home-test", 3),
    ("careof-test", 4),
    ("binding-update", 5),
    ("binding-acknowledgement", 6),
    ("binding-error", 7),
    ("fast-binding-update", 8),
    ("fast-binding-acknowledgement", 9),
    ("fast-binding-advertisement", 10),
    ("experimental-mobility-header", 11),
    ("home-agent-switch-message", 12),
];

const DCCP_TYPES: &[(&str, u32)] = &[
    ("request", 0),
    ("response", 1),
    ("data", 2),
    ("ack", 3),
    ("dataack", 4),
    ("closereq", 5),
    ("close", 6),
    ("reset", 7),
    ("sync", 8),
    ("syncack", 9),
];

const IGMP_TYPES: &[(&str, u32)] = &[
    ("membership-query", 0x11),
    ("membership-report-v1", 0x12),
    ("membership-report-v2", 0x16),
    ("leave-group", 0x17),
    ("membership-report-v3", 0x22),
];

const FLOW_STATES: &[(&str, u32)] = &[
    ("invalid", FlowState::Invalid.bit()),
    ("established", FlowState::Established.bit()),
    ("related", FlowState::Related.bit()),
    ("new", FlowState::New.bit()),
    ("untracked", FlowState::Untracked.bit()),
];

const FLOW_STATUS: &[(&str, u32)] = &[
    ("seen-reply", FlowStatus::SEEN_REPLY.bits() as u32),
    ("assured", FlowStatus::ASSURED.bits() as u32),
    ("snat", FlowStatus::SNAT.bits() as u32),
    ("dnat", FlowStatus::DNAT.bits() as u32),
];
