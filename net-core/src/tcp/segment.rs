//! A segment as it arrives, ready for the state machine.

use super::SeqNum;
use crate::buf::Chunk;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};
use bytes::Buf;
use smallvec::SmallVec;

/// Received bytes of one segment: the rest of the frame and the pieces behind it.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    pieces: SmallVec<[Chunk; 2]>,
    len: u32,
}

impl Payload {
    /// Payload of these pieces, in order.
    #[must_use]
    pub fn new(pieces: SmallVec<[Chunk; 2]>) -> Self {
        let len = pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        Self {
            pieces,
            len: u32::try_from(len).unwrap_or(u32::MAX),
        }
    }

    /// Bytes of payload.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes `count` bytes off the front.
    pub fn trim_front(&mut self, mut count: u32) {
        count = count.min(self.len);
        self.len -= count;
        let mut left = count as usize;
        while left > 0 {
            let Some(front) = self.pieces.first_mut() else {
                return;
            };
            let part = front.bytes.len().min(left);
            front.bytes.advance(part);
            left -= part;
            if front.bytes.is_empty() {
                self.pieces.remove(0);
            }
        }
    }

    /// Keeps the first `keep` bytes.
    pub fn truncate(&mut self, keep: u32) {
        if keep >= self.len {
            return;
        }
        self.len = keep;
        let mut left = keep as usize;
        self.pieces.retain(|piece| {
            let part = piece.bytes.len().min(left);
            piece.bytes.truncate(part);
            left -= part;
            part > 0
        });
    }

    /// The pieces, in order.
    pub fn into_pieces(self) -> impl Iterator<Item = Chunk> {
        self.pieces.into_iter()
    }
}

/// The two ECN bits of TOS and traffic class (RFC 3168 §5).
pub(crate) const ECN_MASK: u8 = 3;
/// ECT(0): the sender understands congestion marks.
pub(crate) const ECN_CAPABLE: u8 = 2;
const CONGESTION_EXPERIENCED: u8 = 3;

/// A received segment (RFC 9293 §3.3.1's SEG variables).
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// SEG.SEQ: of the first byte, or of SYN.
    pub(crate) seq: SeqNum,
    /// SEG.ACK; meaningful with the ACK flag.
    pub(crate) ack: SeqNum,
    /// Control bits.
    pub(crate) flags: TcpFlags,
    /// SEG.WND as it stands in the header, unscaled.
    pub(crate) window: u16,
    /// Options.
    pub(crate) options: TcpOptions,
    /// The data.
    pub(crate) payload: Payload,
    /// Payload bytes of each wire segment that this one stands for, or its length.
    pub(crate) wire_size: u32,
    /// The IP header carried Congestion Experienced.
    pub(crate) congestion_experienced: bool,
}

impl Segment {
    /// A segment from its parsed header.
    #[must_use]
    pub(crate) fn new(
        header: &TcpHeader,
        payload: Payload,
        gso_size: Option<u16>,
        tos: u8,
    ) -> Self {
        Self {
            seq: header.seq,
            ack: header.ack,
            flags: header.flags,
            window: header.window,
            options: header.options,
            wire_size: gso_size.map_or(payload.len(), u32::from).max(1),
            payload,
            congestion_experienced: tos & ECN_MASK == CONGESTION_EXPERIENCED,
        }
    }

    /// SEG.LEN: data plus one each for SYN and FIN.
    #[must_use]
    pub(crate) fn seq_len(&self) -> u32 {
        let controls = u32::from(self.has(TcpFlags::SYN)) + u32::from(self.has(TcpFlags::FIN));
        self.payload.len().saturating_add(controls)
    }

    /// How many segments on the wire this one stands for.
    #[must_use]
    pub(crate) fn wire_count(&self) -> u32 {
        self.payload.len().div_ceil(self.wire_size).max(1)
    }

    /// Whether all of `flags` are set.
    #[must_use]
    pub(crate) const fn has(&self, flags: TcpFlags) -> bool {
        self.flags.contains(flags)
    }
}
