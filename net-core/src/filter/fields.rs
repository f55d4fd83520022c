//! What rules look at: the fields of a packet's headers and what the stack knows about it.

use super::parts::{MAX_BITS, Part, Sought, bits};
use crate::conntrack::{Direction, Flow, FlowStatus, Transport};
use crate::hook::PacketView;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{Chain, FRAGMENT, is_extension as is_known_extension};
use crate::wire::{EtherType, IpHeader, ip, ipv6, tcp};
use core::net::IpAddr;

/// A number that a packet has, or has not: then no test of it holds, not even a negated one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// 4 or 6.
    Version,
    /// Protocol number, of IPv6 that behind the extension headers.
    Protocol,
    /// Source port of TCP, UDP, UDP-Lite, DCCP and SCTP.
    SourcePort,
    /// Destination port.
    DestPort,
    /// The eight control bits of TCP, as [`TcpFlags`](crate::wire::TcpFlags) has them.
    TcpFlags,
    /// Length of the TCP header in units of four bytes, as it stands there.
    TcpDataOffset,
    /// Type of an ICMP or ICMPv6 message.
    IcmpType,
    /// Its code.
    IcmpCode,
    /// The type of an IP packet in Ethernet frames (RFC 894, RFC 2464), whatever link it came over.
    EtherType,
    /// Differentiated services code point (RFC 2474).
    Dscp,
    /// The bits of explicit congestion notification (RFC 3168).
    Ecn,
    /// Length of the IPv4 header in units of four bytes, as it stands there.
    HeaderLength,
    /// Flow label of an IPv6 packet (RFC 6437).
    FlowLabel,
    /// Time to live or hop limit; of what is forwarded, that with which it came.
    HopLimit,
    /// Bytes of the packet, headers included; of a super-segment all of it.
    Length,
    /// Position of a fragment in its packet, in units of eight bytes; 0 for what is no fragment.
    FragmentOffset,
    /// 1 if more fragments follow.
    MoreFragments,
    /// The packet's mark.
    Mark,
    /// The [bit](crate::conntrack::FlowState::bit) of how it stands to the flows that are known.
    FlowState,
    /// 0 if it goes as the first packet of its flow, 1 if against that.
    FlowDirection,
    /// What is known about its flow: the bits `SEEN_REPLY`, `ASSURED`, `SNAT` and `DNAT` of
    /// [`FlowStatus`](crate::conntrack::FlowStatus), which are the kernel's.
    FlowStatus,
    /// The mark of its flow.
    FlowMark,
    /// One to four bytes of the IP header, in network order.
    Network {
        /// Where, in bytes from the header's beginning.
        at: u8,
        /// How many; others are [refused](super::FilterError::Field).
        len: u8,
    },
    /// One to four bytes of what is behind the IP headers.
    Transport {
        /// Where, in bytes.
        at: u8,
        /// How many; others are [refused](super::FilterError::Field).
        len: u8,
    },
    /// One to 32 bits of a part of the packet, in network order, if all of them lie in it and in the packet.
    ///
    /// Whole bytes of the packet or of what is behind the IP headers are kept as `Network` and `Transport`, where
    /// those can say it.
    Bits {
        /// Which part.
        part: Part,
        /// Where, in bits from the part's beginning; 0 is the highest of the first byte.
        at: u16,
        /// How many; others are [refused](super::FilterError::Field).
        len: u8,
    },
}

impl Field {
    /// Whether so many bits or bytes make a number.
    pub(super) const fn has_size(self) -> bool {
        match self {
            Self::Network { len, .. } | Self::Transport { len, .. } => matches!(len, 1..=4),
            Self::Bits { len, .. } => matches!(len, 1..=MAX_BITS),
            _ => true,
        }
    }
}

/// An end of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Dest,
}

impl End {
    /// The address of a packet at this end.
    #[inline]
    pub(super) const fn address(self, ip: &IpHeader) -> &IpAddr {
        match self {
            Self::Source => &ip.source,
            Self::Dest => &ip.dest,
        }
    }
}

/// A packet taken apart, as far as it takes to find its fields.
#[derive(Debug)]
pub(crate) struct Fields<'a, 'p> {
    pub(crate) view: &'a mut PacketView<'p>,
    end: ChainEnd,
    pub(super) sought: Sought,
    flow: Option<&'a Flow>,
    /// What a rule makes of the mark of the flow.
    pub(crate) flow_mark: Option<u32>,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// Takes a packet apart.
    #[inline]
    pub(crate) fn of(view: &'a mut PacketView<'p>, flow: Option<&'a Flow>) -> Self {
        let mut fields = Self {
            end: ChainEnd::of_none(view.ip),
            sought: Sought::default(),
            view,
            flow,
            flow_mark: None,
        };
        // Where it lies: who copies what was just written in parts waits for it.
        fields.end.go_along(fields.view);
        fields
    }

    #[inline]
    pub(super) fn protocol(&self) -> u32 {
        self.end.protocol.into()
    }

    #[inline]
    pub(super) fn dest_port(&self) -> Option<u32> {
        self.port(2)
    }

    /// The value of a field, if the packet has it.
    #[inline]
    pub(crate) fn read(&self, field: Field) -> Option<u32> {
        match field {
            Field::Protocol => Some(self.protocol()),
            Field::SourcePort => self.port(0),
            Field::DestPort => self.dest_port(),
            other => self.read_other(other),
        }
    }

    fn read_other(&self, field: Field) -> Option<u32> {
        Some(match field {
            Field::Version => match self.view.ip.dest {
                IpAddr::V4(_) => 4,
                IpAddr::V6(_) => 6,
            },
            Field::EtherType => EtherType::of_ip(self.view.ip.dest).0.into(),
            Field::TcpFlags if self.end.protocol == ip::TCP => {
                let at = tcp::OFFSET_FLAGS_OFFSET + 1;
                u32::from(*self.transport_header().get(at)?)
            }
            Field::TcpDataOffset if self.end.protocol == ip::TCP => {
                let at = u8::try_from(tcp::OFFSET_FLAGS_OFFSET).ok()?;
                number(self.transport_header(), at, 1)? >> 4
            }
            Field::HeaderLength if self.view.ip.dest.is_ipv4() => {
                number(self.view.bytes, 0, 1)? & 0xf
            }
            Field::FlowLabel if self.view.ip.dest.is_ipv6() => {
                number(self.view.bytes, 0, 4)? & 0xf_ffff
            }
            Field::IcmpType => return self.icmp(0),
            Field::IcmpCode => return self.icmp(1),
            Field::Dscp => u32::from(self.view.ip.tos >> 2),
            Field::Ecn => u32::from(self.view.ip.tos & ip::ECN_MASK),
            Field::HopLimit => self.view.ip.ttl.into(),
            Field::Length => u32::try_from(self.view.len).unwrap_or(u32::MAX),
            Field::FragmentOffset => self.fragment().map_or(0, |place| place.offset / 8).into(),
            Field::MoreFragments => self.fragment().is_some_and(|place| place.more).into(),
            Field::Mark => *self.view.mark,
            Field::FlowState => self.view.tracked.state()?.bit(),
            Field::FlowDirection => match self.view.tracked.direction()? {
                Direction::Original => 0,
                Direction::Reply => 1,
            },
            Field::FlowStatus => (self.flow?.status & FlowStatus::NAMED).bits().into(),
            Field::FlowMark => match self.flow_mark {
                Some(mark) => mark,
                None => self.flow?.mark,
            },
            Field::Network { at, len } => return number(self.view.bytes, at, len),
            Field::Transport { at, len } => return number(self.transport_header(), at, len),
            Field::Bits { part, at, len } => return self.bits(part, at, len),
            Field::TcpFlags
            | Field::TcpDataOffset
            | Field::HeaderLength
            | Field::FlowLabel
            | Field::Protocol
            | Field::SourcePort
            | Field::DestPort => return None,
        })
    }

    /// An address of the packet.
    #[inline]
    pub(crate) const fn address(&self, end: End) -> IpAddr {
        *end.address(self.view.ip)
    }

    /// Whether the packet has such a part; `None` if it is of the other IP version.
    pub(super) fn has(&self, part: Part) -> Option<bool> {
        let is_v4 = self.view.ip.dest.is_ipv4();
        match part {
            Part::Ipv4Option(_) if !is_v4 => None,
            Part::Extension(_) if is_v4 => None,
            part => Some(part.find(self).is_some()),
        }
    }

    #[inline(never)]
    fn bits(&self, part: Part, at: u16, len: u8) -> Option<u32> {
        bits(part.find(self)?, at, len)
    }

    /// What is behind the IP headers; empty in later fragments.
    #[inline]
    pub(super) fn transport_header(&self) -> &[u8] {
        match self.fragment() {
            Some(Fragment { offset: 1.., .. }) => &[],
            _ => self.view.bytes.get(self.end.at..).unwrap_or_default(),
        }
    }

    #[inline]
    fn fragment(&self) -> Option<Fragment> {
        self.end.fragment.or(self.view.ip.fragment)
    }

    /// Source and destination port.
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        let port = |field| self.read(field).and_then(|port| u16::try_from(port).ok());
        port(Field::SourcePort).zip(port(Field::DestPort))
    }

    #[inline]
    fn port(&self, at: usize) -> Option<u32> {
        if !matches!(
            self.end.protocol,
            ip::TCP | ip::UDP | DCCP | SCTP | UDP_LITE
        ) {
            return None;
        }
        let port = self.transport_header().get(at..at + 2)?.first_chunk();
        Some(u16::from_be_bytes(*port?).into())
    }

    fn icmp(&self, at: u8) -> Option<u32> {
        let is_icmp = matches!(self.end.protocol, ip::ICMP | ip::ICMPV6);
        is_icmp
            .then(|| number(self.transport_header(), at, 1))
            .flatten()
    }
}

/// Where the extension headers of a packet end, and what they have said.
#[derive(Debug)]
pub(crate) struct ChainEnd {
    protocol: u8,
    at: usize,
    /// What an extension header says about that; of IPv4 the header does.
    fragment: Option<Fragment>,
    /// What the chain leads to is not known.
    is_broken: bool,
}

impl ChainEnd {
    #[inline]
    pub(crate) fn of(packet: &PacketView<'_>) -> Self {
        let mut end = Self::of_none(packet.ip);
        end.go_along(packet);
        end
    }

    /// Where the transport header is; fragments have none that flows are known by, and behind a broken
    /// chain there is none.
    #[inline]
    pub(crate) fn transport(&self, packet: &PacketView<'_>) -> Option<Transport> {
        let is_fragment = self.fragment.or(packet.ip.fragment).is_some();
        let (protocol, at) = (self.protocol, self.at.min(packet.bytes.len()));
        (!is_fragment && !self.is_broken).then_some(Transport { protocol, at })
    }

    /// Of a packet that has none.
    #[inline]
    const fn of_none(ip: &IpHeader) -> Self {
        Self {
            protocol: ip.protocol,
            at: ip.header_len,
            fragment: None,
            is_broken: false,
        }
    }

    /// Goes along the extension headers, if there are any.
    #[inline]
    fn go_along(&mut self, packet: &PacketView<'_>) {
        if packet.ip.dest.is_ipv6()
            && let Some(next) = packet.bytes.get(ipv6::NEXT_HEADER_OFFSET)
            && is_known_extension(*next)
        {
            self.go_along_chain(packet.bytes);
        }
    }

    /// To the end of the packet, if need be: headers that make the chain too long for hosts hide nothing from
    /// rules.
    #[cold]
    fn go_along_chain(&mut self, bytes: &[u8]) {
        let mut chain = Chain::whole(bytes);
        self.at = bytes.len();
        for header in chain.by_ref() {
            let Ok(header) = header else {
                self.is_broken = true;
                return;
            };
            self.is_broken |= header.is_cut_off();
            if header.kind == FRAGMENT {
                self.fragment = Some(header.fragment());
                if header.fragment().offset != 0 {
                    self.protocol = header.next_header();
                    return;
                }
            }
        }
        (self.protocol, self.at) = (chain.protocol(), chain.position());
    }
}

/// Some bytes as a number.
#[inline]
fn number(bytes: &[u8], at: u8, len: u8) -> Option<u32> {
    let at = usize::from(at);
    let bytes = bytes.get(at..at + usize::from(len.min(4)))?;
    let number = bytes.iter();
    Some(number.fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
