//! What rules look at: the fields of a packet's headers and what the stack knows about it.

use crate::conntrack::{Direction, Flow, Tracked, Transport};
use crate::hook::PacketView;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{
    Chain, DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING, is_extension as is_known_extension,
};
use crate::wire::{IpHeader, ip, ipv6, tcp};
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
    /// Type of an ICMP or ICMPv6 message.
    IcmpType,
    /// Its code.
    IcmpCode,
    /// Differentiated services code point (RFC 2474).
    Dscp,
    /// The bits of explicit congestion notification (RFC 3168).
    Ecn,
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
    /// What is known about its flow: the bits of [`FlowStatus`](crate::conntrack::FlowStatus).
    FlowStatus,
    /// The mark of its flow.
    FlowMark,
    /// Up to four bytes of the IP header, in network order.
    Network {
        /// Where, in bytes from the header's beginning.
        at: u8,
        /// How many.
        len: u8,
    },
    /// Up to four bytes of what is behind the IP headers.
    Transport {
        /// Where, in bytes.
        at: u8,
        /// How many.
        len: u8,
    },
}

/// An end of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Dest,
}

/// An IPv6 extension header that a packet may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtensionHeader {
    /// Options for every hop.
    HopByHop,
    /// A list of nodes to visit.
    Routing,
    /// The packet is a fragment.
    Fragment,
    /// Options for the destination.
    Destination,
}

impl ExtensionHeader {
    const fn of(protocol: u8) -> Option<Self> {
        Some(match protocol {
            HOP_BY_HOP => Self::HopByHop,
            ROUTING => Self::Routing,
            FRAGMENT => Self::Fragment,
            DESTINATION => Self::Destination,
            _ => return None,
        })
    }
}

/// A packet taken apart.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) view: &'a PacketView<'a>,
    pub(crate) ip: &'a IpHeader,
    protocol: u8,
    /// What an extension header says about that; of IPv4 the header does.
    fragment: Option<Fragment>,
    /// A bit for each kind of extension header.
    extensions: u8,
    /// What the chain of extension headers leads to is not known.
    is_broken: bool,
    /// Empty in later fragments.
    transport: &'a [u8],
    /// The packet's mark, as rules have made it.
    pub(crate) mark: u32,
    /// What it is tracked as, as rules have made it.
    pub(crate) tracked: Tracked,
    flow: Option<&'a Flow>,
    /// What a rule makes of the mark of the flow.
    pub(crate) flow_mark: Option<u32>,
}

impl<'a> Fields<'a> {
    /// Takes a packet apart.
    #[inline]
    pub(crate) fn of(packet: &'a PacketView<'a>, flow: Option<&'a Flow>) -> Self {
        let next_header = packet.bytes.get(ipv6::NEXT_HEADER_OFFSET).copied();
        if packet.ip.dest.is_ipv6() && next_header.is_some_and(is_known_extension) {
            return Self::of_chain(packet, flow);
        }
        Self::behind(ChainEnd::of_none(packet.ip), packet, flow)
    }

    /// Takes apart one with extension headers. Apart from the others, which so stay in registers.
    #[cold]
    fn of_chain(packet: &'a PacketView<'a>, flow: Option<&'a Flow>) -> Self {
        let end = ChainEnd::find(packet.ip, packet.bytes);
        Self::behind(end, packet, flow)
    }

    #[inline]
    fn behind(end: ChainEnd, packet: &'a PacketView<'a>, flow: Option<&'a Flow>) -> Self {
        let ip = &*packet.ip;
        let transport = match end.fragment.or(ip.fragment) {
            Some(Fragment { offset: 1.., .. }) => None,
            _ => packet.bytes.get(end.at..),
        };
        Self {
            view: packet,
            ip,
            protocol: end.protocol,
            fragment: end.fragment,
            extensions: end.extensions,
            is_broken: end.is_broken,
            transport: transport.unwrap_or_default(),
            mark: *packet.mark,
            tracked: *packet.tracked,
            flow,
            flow_mark: None,
        }
    }

    #[inline]
    pub(super) fn protocol(&self) -> u32 {
        self.protocol.into()
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
            Field::Version => match self.ip.dest {
                IpAddr::V4(_) => 4,
                IpAddr::V6(_) => 6,
            },
            Field::TcpFlags if self.protocol == ip::TCP => {
                let at = tcp::OFFSET_FLAGS_OFFSET + 1;
                u32::from(*self.transport.get(at)?)
            }
            Field::IcmpType => return self.icmp(0),
            Field::IcmpCode => return self.icmp(1),
            Field::Dscp => u32::from(self.ip.tos >> 2),
            Field::Ecn => u32::from(self.ip.tos & ip::ECN_MASK),
            Field::HopLimit => self.ip.ttl.into(),
            Field::Length => u32::try_from(self.view.len).unwrap_or(u32::MAX),
            Field::FragmentOffset => self.fragment().map_or(0, |place| place.offset / 8).into(),
            Field::MoreFragments => self.fragment().is_some_and(|place| place.more).into(),
            Field::Mark => self.mark,
            Field::FlowState => self.tracked.state()?.bit(),
            Field::FlowDirection => match self.tracked.direction()? {
                Direction::Original => 0,
                Direction::Reply => 1,
            },
            Field::FlowStatus => self.flow?.status.bits().into(),
            Field::FlowMark => match self.flow_mark {
                Some(mark) => mark,
                None => self.flow?.mark,
            },
            Field::Network { at, len } => return number(self.view.bytes, at, len),
            Field::Transport { at, len } => return number(self.transport, at, len),
            Field::TcpFlags | Field::Protocol | Field::SourcePort | Field::DestPort => return None,
        })
    }

    /// An address of the packet.
    #[inline]
    pub(crate) const fn address(&self, end: End) -> IpAddr {
        match end {
            End::Source => self.ip.source,
            End::Dest => self.ip.dest,
        }
    }

    /// Whether the packet has such an extension header.
    pub(crate) const fn has(&self, kind: ExtensionHeader) -> bool {
        self.extensions & 1 << kind as u8 != 0
    }

    /// Where the transport header is; fragments have none that flows are known by, and behind a broken
    /// chain there is none.
    #[inline]
    pub(crate) fn transport(&self) -> Option<Transport> {
        let at = self.view.bytes.len() - self.transport.len();
        let protocol = self.protocol;
        (self.fragment().is_none() && !self.is_broken).then_some(Transport { protocol, at })
    }

    #[inline]
    fn fragment(&self) -> Option<Fragment> {
        self.fragment.or(self.ip.fragment)
    }

    /// Source and destination port.
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        let port = |field| self.read(field).and_then(|port| u16::try_from(port).ok());
        port(Field::SourcePort).zip(port(Field::DestPort))
    }

    #[inline]
    fn port(&self, at: usize) -> Option<u32> {
        if !matches!(self.protocol, ip::TCP | ip::UDP | DCCP | SCTP | UDP_LITE) {
            return None;
        }
        let port = self.transport.get(at..at + 2)?.first_chunk();
        Some(u16::from_be_bytes(*port?).into())
    }

    fn icmp(&self, at: u8) -> Option<u32> {
        let is_icmp = matches!(self.protocol, ip::ICMP | ip::ICMPV6);
        is_icmp.then(|| number(self.transport, at, 1)).flatten()
    }
}

/// Where the extension headers of a packet end, and what they have said.
struct ChainEnd {
    protocol: u8,
    at: usize,
    fragment: Option<Fragment>,
    extensions: u8,
    is_broken: bool,
}

impl ChainEnd {
    /// Of a packet that has none.
    #[inline]
    const fn of_none(ip: &IpHeader) -> Self {
        Self {
            protocol: ip.protocol,
            at: ip.header_len,
            fragment: None,
            extensions: 0,
            is_broken: false,
        }
    }

    /// Goes along the extension headers; what is behind a broken one is not looked at.
    fn find(ip: &IpHeader, bytes: &[u8]) -> Self {
        let (mut end, mut chain) = (Self::of_none(ip), Chain::new(bytes));
        end.at = bytes.len();
        for header in chain.by_ref() {
            let Ok(header) = header else {
                end.is_broken = true;
                return end;
            };
            if let Some(kind) = ExtensionHeader::of(header.kind) {
                end.extensions |= 1 << kind as u8;
            }
            if header.kind == FRAGMENT {
                end.fragment = Some(header.fragment());
                if header.fragment().offset != 0 {
                    end.protocol = header.next_header();
                    return end;
                }
            }
        }
        (end.protocol, end.at) = (chain.protocol(), chain.position());
        end
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
