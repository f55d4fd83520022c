//! What a received ICMP error means to the socket that it concerns.

use crate::error::SocketError;
use crate::wire::{IcmpMessage, icmpv4, icmpv6};

/// The meaning of an ICMP error about a packet of ours.
///
/// A hard error ends an attempt to connect and is reported; a soft one is only kept in mind for
/// when a timeout needs a reason (RFC 1122 §4.2.3.9, RFC 5461).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// The destination refuses for good.
    pub(crate) hard: Option<SocketError>,
    /// It cannot be reached at the moment.
    pub(crate) soft: Option<SocketError>,
    /// The path carries packets of so many bytes only.
    pub(crate) mtu: Option<u16>,
}

/// MTUs to try when a router does not tell its own (RFC 1191 §7.1).
const PLATEAUS: [u16; 9] = [32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296];

const PROHIBITED: SocketError =
    SocketError::PermissionDenied("a firewall or policy on the way prohibits it");

impl IcmpError {
    /// The meaning of an ICMPv4 error about a packet of `quoted_len` bytes; codes as in RFC 1122
    /// §3.2.2.1 and RFC 1812 §5.2.7.1.
    pub(crate) fn from_v4(message: &IcmpMessage, quoted_len: usize) -> Option<Self> {
        match *message {
            IcmpMessage::Unreachable { code } => Some(match code {
                icmpv4::NET_UNREACHABLE | 11 => Self::soft(SocketError::NetworkUnreachable),
                icmpv4::HOST_UNREACHABLE | 5 | 12 => Self::soft(SocketError::HostUnreachable),
                icmpv4::PROTOCOL_UNREACHABLE | icmpv4::PORT_UNREACHABLE => {
                    Self::hard(SocketError::ConnectionRefused)
                }
                6 | 9 => Self::hard(SocketError::NetworkUnreachable),
                7 | 8 | 10 | 13 | 14 | 15 => Self::hard(SocketError::HostUnreachable),
                _ => return None,
            }),
            IcmpMessage::PacketTooBig { mtu } => Some(Self::too_big(match mtu {
                0 => plateau_below(quoted_len),
                mtu => u16::try_from(mtu).unwrap_or(u16::MAX),
            })),
            IcmpMessage::TimeExceeded { .. } => Some(Self::soft(SocketError::HostUnreachable)),
            IcmpMessage::ParameterProblem { .. } => {
                Some(Self::soft(SocketError::ConnectionRefused))
            }
            _ => None,
        }
    }

    /// The meaning of an ICMPv6 error (RFC 4443 §3).
    pub(crate) fn from_v6(message: &IcmpMessage) -> Option<Self> {
        match *message {
            IcmpMessage::Unreachable { code } => Some(match code {
                icmpv6::NO_ROUTE => Self::soft(SocketError::NetworkUnreachable),
                icmpv6::PROHIBITED | 5 | 6 => Self::hard(PROHIBITED),
                2 | icmpv6::ADDRESS_UNREACHABLE => Self::soft(SocketError::HostUnreachable),
                icmpv6::PORT_UNREACHABLE => Self::hard(SocketError::ConnectionRefused),
                _ => return None,
            }),
            // Every link takes 1,280 bytes (RFC 8200 §5): who says less is not believed (RFC 8201 §4).
            IcmpMessage::PacketTooBig { mtu } if mtu < 1280 => None,
            IcmpMessage::PacketTooBig { mtu } => {
                Some(Self::too_big(u16::try_from(mtu).unwrap_or(u16::MAX)))
            }
            IcmpMessage::TimeExceeded { .. } => Some(Self::soft(SocketError::HostUnreachable)),
            IcmpMessage::ParameterProblem { code, .. } => {
                Some(if code == icmpv6::UNKNOWN_NEXT_HEADER {
                    Self::hard(SocketError::ConnectionRefused)
                } else {
                    Self::soft(SocketError::ConnectionRefused)
                })
            }
            _ => None,
        }
    }

    /// What it means that the neighbour on the way does not answer.
    pub(crate) const fn unreachable_neighbor() -> Self {
        Self::soft(SocketError::HostUnreachable)
    }

    const fn hard(error: SocketError) -> Self {
        Self {
            hard: Some(error),
            soft: None,
            mtu: None,
        }
    }

    const fn soft(error: SocketError) -> Self {
        Self {
            hard: None,
            soft: Some(error),
            mtu: None,
        }
    }

    const fn too_big(mtu: u16) -> Self {
        Self {
            hard: None,
            soft: None,
            mtu: Some(mtu),
        }
    }
}

/// The largest usual MTU below the length of the packet that was too big.
fn plateau_below(len: usize) -> u16 {
    PLATEAUS
        .into_iter()
        .find(|&mtu| usize::from(mtu) < len)
        .unwrap_or(68)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_or_protocol_unreachable_is_hard() {
        for code in [icmpv4::PROTOCOL_UNREACHABLE, icmpv4::PORT_UNREACHABLE] {
            let error = IcmpError::from_v4(&IcmpMessage::Unreachable { code }, 100).unwrap();
            assert_eq!(error.hard, Some(SocketError::ConnectionRefused));
        }
        let code = icmpv6::PORT_UNREACHABLE;
        let error = IcmpError::from_v6(&IcmpMessage::Unreachable { code }).unwrap();
        assert_eq!(error.hard, Some(SocketError::ConnectionRefused));
    }

    #[test]
    fn a_network_unreachable_is_soft() {
        let error = IcmpError::from_v4(&IcmpMessage::Unreachable { code: 0 }, 100).unwrap();
        assert_eq!(error.soft, Some(SocketError::NetworkUnreachable));
        assert_eq!(error.hard, None);
    }

    #[test]
    fn a_router_that_does_not_tell_its_mtu_makes_us_take_the_next_plateau() {
        let mtu = |len| {
            IcmpError::from_v4(&IcmpMessage::PacketTooBig { mtu: 0 }, len)
                .and_then(|error| error.mtu)
        };
        assert_eq!(mtu(1500), Some(1492));
        assert_eq!(mtu(1492), Some(1006));
        assert_eq!(mtu(100), Some(68));
    }

    #[test]
    fn an_ipv6_mtu_below_1280_is_not_believed() {
        let mtu = |mtu| IcmpError::from_v6(&IcmpMessage::PacketTooBig { mtu });
        assert_eq!(mtu(1279), None);
        assert_eq!(mtu(1280).and_then(|error| error.mtu), Some(1280));
    }
}
