//! ICMP messages of both versions, by what they mean.

/// Code of [`IcmpMessage::TimeExceeded`]: on the way.
pub const HOPS_EXCEEDED: u8 = 0;

/// What an ICMP or ICMPv6 message says in its first eight bytes.
///
/// Errors are followed by the packet that they quote, echoes by their data.
/// [`icmpv4`](super::icmpv4) and [`icmpv6`](super::icmpv6) read and write it; their codes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpMessage {
    /// A request to send the data behind it back.
    EchoRequest {
        /// Who asks.
        ident: u16,
        /// The how-manieth it is.
        seq: u16,
    },
    /// The answer.
    EchoReply {
        /// Who asked.
        ident: u16,
        /// The how-manieth it was.
        seq: u16,
    },
    /// The destination cannot be reached.
    Unreachable {
        /// Why; the constants of the version's module.
        code: u8,
    },
    /// A link on the way is too narrow; ICMPv4 says "fragmentation needed".
    PacketTooBig {
        /// That link's MTU; 0 if the router does not say (ICMPv4 before RFC 1191).
        mtu: u32,
    },
    /// The time to live or the time for reassembly ran out.
    TimeExceeded {
        /// 0: on the way; 1: in reassembly.
        code: u8,
    },
    /// A header field that nobody understands.
    ParameterProblem {
        /// What about it.
        code: u8,
        /// Its position in the quoted packet, in bytes.
        pointer: u32,
    },
    /// Anything else.
    Other {
        /// Type of the message.
        kind: u8,
        /// Code of the message.
        code: u8,
        /// Its second four bytes.
        rest: u32,
    },
}

impl IcmpMessage {
    /// Whether it reports an error about a packet that it quotes. No error is ever sent about one
    /// of those (RFC 1122 §3.2.2, RFC 4443 §2.4(e)).
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::PacketTooBig { .. }
                | Self::TimeExceeded { .. }
                | Self::ParameterProblem { .. }
        )
    }
}

/// The first eight bytes of any message as they lie in memory.
pub(super) struct Raw {
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) rest: u32,
}

/// Code of [`IcmpMessage::TimeExceeded`], in both versions: the time to live ran out on the way.
pub const HOP_LIMIT_EXCEEDED: u8 = 0;
/// Code of [`IcmpMessage::TimeExceeded`], in both versions: not all fragments came in time.
pub const REASSEMBLY_TIME_EXCEEDED: u8 = 1;

/// Bytes in front of the data or of the quoted packet.
pub const HEADER_LEN: usize = 8;

/// Where in the message the checksum is.
pub const CHECKSUM_OFFSET: usize = 2;

impl Raw {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let &[kind, code, _, _, a, b, c, d] = bytes.first_chunk::<HEADER_LEN>()?;
        Some(Self {
            kind,
            code,
            rest: u32::from_be_bytes([a, b, c, d]),
        })
    }

    pub(super) fn write(&self, head: &mut crate::buf::HeadBuf) {
        let [a, b, c, d] = self.rest.to_be_bytes();
        let bytes = [self.kind, self.code, 0, 0, a, b, c, d];
        head.prepend(HEADER_LEN).copy_from_slice(&bytes);
    }

    /// The two halves of the second four bytes.
    pub(super) const fn halves(&self) -> (u16, u16) {
        let [a, b, c, d] = self.rest.to_be_bytes();
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }
}

pub(super) const fn join(high: u16, low: u16) -> u32 {
    (high as u32) << 16 | low as u32
}
