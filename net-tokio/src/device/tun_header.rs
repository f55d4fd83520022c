//! The header of a tunnel, which stands in front of each packet that a descriptor gives and takes.

use net_core::stats::DropReason;
use net_core::wire::EtherType;

/// What a descriptor has in front of the IP header of each packet, both ways.
///
/// That is a matter of who opened it and how, not of the system that the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TunHeader {
    /// Nothing: `VpnService` of Android, a TUN of Linux with `IFF_NO_PI`, sockets of one's own.
    #[default]
    None,
    /// The number of the address family, in four bytes in network order. A packet whose family is
    /// neither of both is dropped.
    AddressFamily {
        /// The number for IPv4: 2 everywhere.
        ipv4: u32,
        /// The number for IPv6, which each system has its own for: 30 for those of Apple, 28 for
        /// FreeBSD, 24 for OpenBSD and NetBSD.
        ipv6: u32,
    },
    /// What a TUN of Linux without `IFF_NO_PI` has (`struct tun_pi`): two bytes of flags, by which the
    /// kernel says whether the packet was cut off, and the EtherType.
    PacketInfo,
}

impl TunHeader {
    /// A `utun` of macOS and iOS.
    pub const UTUN: Self = Self::AddressFamily { ipv4: 2, ipv6: 30 };

    /// How many bytes it has.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::AddressFamily { .. } | Self::PacketInfo => LEN,
        }
    }

    /// Whether `header`, which has the length of one, says what `packet` is.
    pub(super) fn check(self, header: &[u8], packet: &[u8]) -> Result<(), DropReason> {
        let Ok(header) = <[u8; LEN]>::try_from(header) else {
            return Ok(());
        };
        let version = match self {
            Self::None => return Ok(()),
            Self::AddressFamily { ipv4, ipv6 } => match u32::from_be_bytes(header) {
                family if family == ipv4 => 4,
                family if family == ipv6 => 6,
                _ => return Err(DropReason::EtherType),
            },
            Self::PacketInfo => {
                let [flags0, flags1, type0, type1] = header;
                if u16::from_ne_bytes([flags0, flags1]) & CUT_OFF != 0 {
                    return Err(DropReason::Truncated);
                }
                match EtherType(u16::from_be_bytes([type0, type1])) {
                    EtherType::IPV4 => 4,
                    EtherType::IPV6 => 6,
                    _ => return Err(DropReason::EtherType),
                }
            }
        };
        match packet.first() {
            None => Err(DropReason::Truncated),
            Some(first) if first >> 4 == version => Ok(()),
            Some(_) => Err(DropReason::IpVersion),
        }
    }

    /// What goes in front of a packet with this beginning, of which the first [`len`](Self::len) bytes
    /// count; `None` if it is no IP.
    pub(super) fn emit(self, packet: &[u8]) -> Option<[u8; LEN]> {
        let is_ipv4 = match packet.first().map(|first| first >> 4) {
            _ if self == Self::None => return Some([0; LEN]),
            Some(4) => true,
            Some(6) => false,
            _ => return None,
        };
        Some(match self {
            Self::None => [0; LEN],
            Self::AddressFamily { ipv4, ipv6 } => if is_ipv4 { ipv4 } else { ipv6 }.to_be_bytes(),
            Self::PacketInfo => {
                let ethertype = if is_ipv4 {
                    EtherType::IPV4
                } else {
                    EtherType::IPV6
                };
                let [type0, type1] = ethertype.0.to_be_bytes();
                [0, 0, type0, type1]
            }
        })
    }
}

/// The longest.
pub(super) const LEN: usize = 4;
/// The packet had no room in the buffer of its reader (`TUN_PKT_STRIP`).
const CUT_OFF: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_front_says_what_the_packet_is_and_nothing_else_does() {
        let none: [(TunHeader, &[u8], &[u8]); 1] = [(TunHeader::None, &[], &[])];
        for (header, v4, v6) in none.into_iter().chain([
            (TunHeader::UTUN, &[0, 0, 0, 2][..], &[0, 0, 0, 30][..]),
            (
                TunHeader::AddressFamily { ipv4: 2, ipv6: 28 },
                &[0, 0, 0, 2],
                &[0, 0, 0, 28],
            ),
            (TunHeader::PacketInfo, &[0, 0, 8, 0], &[0, 0, 0x86, 0xdd]),
        ]) {
            for (bytes, packet) in [(v4, [0x45]), (v6, [0x60])] {
                let emitted = header.emit(&packet).expect("an IP packet");
                assert_eq!(&emitted[..header.len()], bytes);
                assert_eq!(header.check(bytes, &packet), Ok(()));
            }
            if header == TunHeader::None {
                continue;
            }
            assert_eq!(header.emit(&[0x10]), None);
            assert_eq!(header.emit(&[]), None);
            assert_eq!(header.check(v4, &[0x60]), Err(DropReason::IpVersion));
            assert_eq!(header.check(v6, &[0x45]), Err(DropReason::IpVersion));
            assert_eq!(header.check(v4, &[]), Err(DropReason::Truncated));
            assert_eq!(
                header.check(&[0, 0, 0, 9], &[0x45]),
                Err(DropReason::EtherType)
            );
        }
        let [flag0, flag1] = CUT_OFF.to_ne_bytes();
        let cut_off = TunHeader::PacketInfo.check(&[flag0, flag1, 8, 0], &[0x45]);
        assert_eq!(cut_off, Err(DropReason::Truncated));
    }
}
