//! Received bytes of one segment.

use crate::buf::Chunk;
use smallvec::SmallVec;

/// Received bytes of one segment: the rest of the frame and the pieces behind it.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    pieces: SmallVec<[Chunk; 2]>,
}

impl Payload {
    /// Payload of these pieces, in order.
    #[must_use]
    pub fn new(pieces: SmallVec<[Chunk; 2]>) -> Self {
        Self { pieces }
    }

    /// Bytes of payload.
    #[must_use]
    pub fn len(&self) -> u32 {
        let len: usize = self.pieces.iter().map(|piece| piece.bytes.len()).sum();
        u32::try_from(len).unwrap_or(u32::MAX)
    }
}
