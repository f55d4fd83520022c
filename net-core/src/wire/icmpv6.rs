//! ICMP for IPv6 (RFC 4443).

use super::icmp::{IcmpMessage, Raw, join};
use crate::buf::HeadBuf;
use crate::stats::DropReason;

/// Code of [`IcmpMessage::Unreachable`]: no route.
pub const NO_ROUTE: u8 = 0;
/// Code of [`IcmpMessage::Unreachable`]: forbidden by an administrator.
pub const PROHIBITED: u8 = 1;
/// Code of [`IcmpMessage::Unreachable`]: the address does not answer.
pub const ADDRESS_UNREACHABLE: u8 = 3;
/// Code of [`IcmpMessage::Unreachable`]: nobody has the port.
pub const PORT_UNREACHABLE: u8 = 4;
/// Code of [`IcmpMessage::ParameterProblem`]: a field with a value that cannot be.
pub const ERRONEOUS_FIELD: u8 = 0;
/// Code of [`IcmpMessage::ParameterProblem`]: a next header that nobody knows.
pub const UNKNOWN_NEXT_HEADER: u8 = 1;
/// Code of [`IcmpMessage::ParameterProblem`]: an option that nobody knows.
pub const UNKNOWN_OPTION: u8 = 2;
/// Code of [`IcmpMessage::ParameterProblem`]: a first fragment without all headers (RFC 7112 §5).
pub const INCOMPLETE_FIRST_FRAGMENT: u8 = 3;

/// The types from here on are no errors (RFC 4443 §2.1).
const FIRST_INFORMATION: u8 = 128;
const REDIRECT: u8 = 137;
const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// Reads the message at the front of `bytes`; the checksum is verified elsewhere.
///
/// # Errors
/// [`DropReason::Truncated`] below eight bytes.
pub fn parse(bytes: &[u8]) -> Result<IcmpMessage, DropReason> {
    let raw = Raw::read(bytes).ok_or(DropReason::Truncated)?;
    let (ident, seq) = raw.halves();
    Ok(match (raw.kind, raw.code) {
        (ECHO_REQUEST, 0) => IcmpMessage::EchoRequest { ident, seq },
        (ECHO_REPLY, 0) => IcmpMessage::EchoReply { ident, seq },
        (UNREACHABLE, code) => IcmpMessage::Unreachable { code },
        // The code is set to 0 by the sender and ignored by the receiver (RFC 4443 §3.2).
        (PACKET_TOO_BIG, _) => IcmpMessage::PacketTooBig { mtu: raw.rest },
        (TIME_EXCEEDED, code) => IcmpMessage::TimeExceeded { code },
        (PARAMETER_PROBLEM, code) => IcmpMessage::ParameterProblem {
            code,
            pointer: raw.rest,
        },
        (kind, code) => IcmpMessage::Other {
            kind,
            code,
            rest: raw.rest,
        },
    })
}

/// Whether messages of this type are neither errors (RFC 4443 §2.1) nor redirects, so that errors may be sent
/// about them (§2.4(e)).
pub(crate) const fn is_query(kind: u8) -> bool {
    kind >= FIRST_INFORMATION && kind != REDIRECT
}

/// Prepends the message with its checksum left 0.
pub fn emit(message: &IcmpMessage, head: &mut HeadBuf) {
    let (kind, code, rest) = match *message {
        IcmpMessage::EchoRequest { ident, seq } => (ECHO_REQUEST, 0, join(ident, seq)),
        IcmpMessage::EchoReply { ident, seq } => (ECHO_REPLY, 0, join(ident, seq)),
        IcmpMessage::Unreachable { code } => (UNREACHABLE, code, 0),
        IcmpMessage::PacketTooBig { mtu } => (PACKET_TOO_BIG, 0, mtu),
        IcmpMessage::TimeExceeded { code } => (TIME_EXCEEDED, code, 0),
        IcmpMessage::ParameterProblem { code, pointer } => (PARAMETER_PROBLEM, code, pointer),
        IcmpMessage::Other { kind, code, rest } => (kind, code, rest),
    };
    Raw { kind, code, rest }.write(head);
}
