//! ICMP for IPv4 (RFC 792, RFC 1191).

use super::icmp::{IcmpMessage, Raw, join};
use crate::buf::HeadBuf;
use crate::stats::DropReason;

/// Code of [`IcmpMessage::Unreachable`]: no way to the network.
pub const NET_UNREACHABLE: u8 = 0;
/// Code of [`IcmpMessage::Unreachable`]: the host does not answer.
pub const HOST_UNREACHABLE: u8 = 1;
/// Code of [`IcmpMessage::Unreachable`]: the host has no such protocol.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Code of [`IcmpMessage::Unreachable`]: nobody has the port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`IcmpMessage::Unreachable`]: a filter or a policy of the router forbids it (RFC 1812
/// §5.2.7.1).
pub const PROHIBITED: u8 = 13;

/// Type of a message that names a better first hop, an [`IcmpMessage::Other`] with that gateway's address
/// behind its first four bytes.
pub const REDIRECT: u8 = 5;
/// Code of [`REDIRECT`]: to the one host that is quoted.
pub const REDIRECT_HOST: u8 = 1;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
/// From here on times, information and masks are asked for and told.
const TIMESTAMP: u8 = 13;
const MASK_REPLY: u8 = 18;

/// Reads the message at the front of `bytes`; the checksum is verified elsewhere.
///
/// # Errors
/// [`DropReason::Truncated`] below eight bytes.
pub fn parse(bytes: &[u8]) -> Result<IcmpMessage, DropReason> {
    let raw = Raw::read(bytes).ok_or(DropReason::Truncated)?;
    let (high, low) = raw.halves();
    Ok(match (raw.kind, raw.code) {
        (ECHO_REQUEST, 0) => IcmpMessage::EchoRequest {
            ident: high,
            seq: low,
        },
        (ECHO_REPLY, 0) => IcmpMessage::EchoReply {
            ident: high,
            seq: low,
        },
        (UNREACHABLE, FRAGMENTATION_NEEDED) => IcmpMessage::PacketTooBig { mtu: low.into() },
        (UNREACHABLE, code) => IcmpMessage::Unreachable { code },
        (TIME_EXCEEDED, code) => IcmpMessage::TimeExceeded { code },
        (PARAMETER_PROBLEM, code) => IcmpMessage::ParameterProblem {
            code,
            pointer: raw.rest >> 24,
        },
        (kind, code) => IcmpMessage::Other {
            kind,
            code,
            rest: raw.rest,
        },
    })
}

/// Whether messages of this type ask or answer (RFC 792, RFC 950), so that errors may be sent about them: what
/// is not known may be an error.
pub(crate) const fn is_query(kind: u8) -> bool {
    matches!(kind, ECHO_REPLY | ECHO_REQUEST | TIMESTAMP..=MASK_REPLY)
}

/// Prepends the message with its checksum left 0.
pub fn emit(message: &IcmpMessage, head: &mut HeadBuf) {
    let (kind, code, rest) = match *message {
        IcmpMessage::EchoRequest { ident, seq } => (ECHO_REQUEST, 0, join(ident, seq)),
        IcmpMessage::EchoReply { ident, seq } => (ECHO_REPLY, 0, join(ident, seq)),
        IcmpMessage::Unreachable { code } => (UNREACHABLE, code, 0),
        IcmpMessage::PacketTooBig { mtu } => (UNREACHABLE, FRAGMENTATION_NEEDED, mtu.min(0xffff)),
        IcmpMessage::TimeExceeded { code } => (TIME_EXCEEDED, code, 0),
        IcmpMessage::ParameterProblem { code, pointer } => {
            (PARAMETER_PROBLEM, code, pointer.min(0xff) << 24)
        }
        IcmpMessage::Other { kind, code, rest } => (kind, code, rest),
    };
    Raw { kind, code, rest }.write(head);
}
