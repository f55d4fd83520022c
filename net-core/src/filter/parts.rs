//! Parts of a packet: headers, and what has to be looked for in lists, as options and extension headers.

use super::fields::Fields;
use crate::wire::{ip, ipv4, ipv4_options, ipv6_ext, tcp, tcp_options};
use core::cell::OnceCell;
use core::net::Ipv6Addr;

/// A part that a packet may have; of several of a kind, the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The option of TCP of this kind (RFC 9293 §3.1), from its kind on.
    ///
    /// They are looked for as Linux does it, not as they are for the stack: an end of the list is one byte
    /// long and what is behind it is looked at, and so is what follows a length of zero; the last byte of a
    /// list is no option.
    TcpOption(u8),
    /// The option of IPv4 with this type (RFC 791 §3.1), from its type on, where all options are as they should
    /// be.
    Ipv4Option(u8),
    /// The extension header of IPv6 with this protocol number (RFC 8200 §4), Authentication and Mobility
    /// headers included.
    Extension(u8),
    /// The packet, from the IP header on.
    Network,
    /// An ARP packet (RFC 826); in tables of the family [`Arp`](super::TableFamily::Arp).
    Arp,
    /// What is behind the IP headers; later fragments have nothing of it.
    Transport,
}

impl Part {
    /// Whether a packet may lack it in a way that rules ask for: the packet and its headers are no such part.
    pub(super) const fn is_sought(self) -> bool {
        match self {
            Self::TcpOption(_) | Self::Ipv4Option(_) | Self::Extension(_) => true,
            Self::Network | Self::Arp | Self::Transport => false,
        }
    }

    /// The bytes of it that a packet has.
    pub(super) fn find<'a>(self, packet: &'a Fields<'_, '_>) -> Option<&'a [u8]> {
        match self {
            Self::TcpOption(kind) if packet.protocol() == ip::TCP.into() => {
                tcp_option(packet.transport_header(), kind)
            }
            Self::Ipv4Option(kind) if packet.view.ip.dest.is_ipv4() => {
                let options = ipv4::MIN_HEADER_LEN..packet.view.ip.header_len;
                let options = packet.view.bytes.get(options)?;
                let is_sound = || ipv4_options::check(options).is_ok();
                let is_sound = *packet.sought.has_sound_options.get_or_init(is_sound);
                is_sound.then(|| ipv4_options::find(options, kind))?
            }
            Self::Extension(kind) if packet.view.ip.dest.is_ipv6() => {
                let bytes = &*packet.view.bytes;
                let places = || ipv6_ext::Places::of(bytes);
                (packet.sought.extensions.get_or_init(places)).find(bytes, kind)
            }
            Self::Network | Self::Arp => Some(packet.view.bytes),
            Self::Transport => Some(packet.transport_header()),
            Self::TcpOption(_) | Self::Ipv4Option(_) | Self::Extension(_) => None,
        }
    }
}

/// What has been found out about a packet because a rule asked for it: the next one need not look again.
#[derive(Debug, Default)]
pub(super) struct Sought {
    extensions: OnceCell<ipv6_ext::Places>,
    has_sound_options: OnceCell<bool>,
}

/// The address of this number, counted from 1, in the Routing header: an intermediate address of the type 0
/// (RFC 2460 §4.4), or a segment of the type 4 (RFC 8754 §2).
pub(super) fn routing_address(packet: &Fields<'_, '_>, number: u8) -> Option<Ipv6Addr> {
    let header = Part::Extension(ipv6_ext::ROUTING).find(packet)?;
    let at = ROUTING_ADDRESSES + usize::from(number.checked_sub(1)?) * 16;
    let address: &[u8; 16] = header.get(at..)?.first_chunk()?;
    Some(Ipv6Addr::from(*address))
}

/// The first option of a kind. Every step is at least one byte, of 40 at most.
fn tcp_option(segment: &[u8], kind: u8) -> Option<&[u8]> {
    let header_len = usize::from(segment.get(tcp::OFFSET_FLAGS_OFFSET)? >> 4) * 4;
    let mut rest = segment.get(tcp::MIN_HEADER_LEN..header_len)?;
    while let &[first, len, ..] = rest {
        let len = match first {
            tcp_options::END | tcp_options::NOP => 1,
            _ => usize::from(len.max(1)),
        };
        if first == kind {
            return rest.get(..len);
        }
        rest = rest.get(len..)?;
    }
    None
}

/// Some bits as a number, 32 at most; the first is the highest of the first byte.
pub(super) fn bits(bytes: &[u8], at: u16, len: u8) -> Option<u32> {
    let (first, last) = (usize::from(at), usize::from(at) + usize::from(len));
    if !(1..=MAX_BITS).contains(&len) {
        return None;
    }
    let bytes = bytes.get(first / 8..last.div_ceil(8))?;
    let all = bytes.iter();
    let all = all.fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    let wanted = all >> (last.next_multiple_of(8) - last) & u64::from(u32::MAX >> (MAX_BITS - len));
    u32::try_from(wanted).ok()
}

pub(super) const MAX_BITS: u8 = 32;
/// Where in a Routing header the first address is.
const ROUTING_ADDRESSES: usize = 8;
