//! The payload of a datagram to send.

use crate::buf::{SMALL_PAYLOAD, TxPacket};
use bytes::Bytes;

/// A payload in the application's memory or in shared memory.
#[derive(Debug)]
pub(crate) enum Outgoing<'a> {
    /// To be copied.
    Copied(&'a [u8]),
    /// To be handed on.
    Shared(Bytes),
}

impl Outgoing<'_> {
    /// The same in shared memory, from where it can be cut.
    pub(crate) fn shared(self) -> Self {
        match self {
            Self::Copied(bytes) => Self::Shared(Bytes::copy_from_slice(bytes)),
            shared @ Self::Shared(_) => shared,
        }
    }

    /// Its bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Copied(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }

    /// Puts it into a packet that has no headers yet.
    pub(crate) fn put(self, packet: &mut TxPacket) {
        match self {
            Self::Copied(bytes) if bytes.len() <= SMALL_PAYLOAD => {
                packet.head.prepend(bytes.len()).copy_from_slice(bytes);
            }
            Self::Copied(bytes) => packet.body.push(Bytes::copy_from_slice(bytes)),
            Self::Shared(bytes) if bytes.is_empty() => {}
            Self::Shared(bytes) => packet.body.push(bytes),
        }
    }
}
