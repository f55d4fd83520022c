//! Payload that is handed out from the front, packet by packet.

use crate::wire::Sum;
use bytes::Bytes;
use smallvec::SmallVec;

/// The part of a payload that is in no packet yet.
#[derive(Debug)]
pub(crate) struct Rest<'a> {
    body: &'a [Bytes],
    /// Bytes of the first piece that are.
    position: usize,
}

impl<'a> Rest<'a> {
    /// All of a payload.
    pub(crate) const fn new(body: &'a [Bytes]) -> Self {
        Self { body, position: 0 }
    }

    /// Moves `len` bytes behind `out`; their sum, if `summed`.
    #[inline]
    pub(crate) fn take(
        &mut self,
        mut len: usize,
        out: &mut SmallVec<[Bytes; 8]>,
        summed: bool,
    ) -> Sum {
        let mut sum = Sum::new();
        while len > 0
            && let [piece, behind @ ..] = self.body
        {
            let end = piece.len().min(self.position + len);
            if end > self.position {
                let part = piece.slice(self.position..end);
                if summed {
                    sum.add_bytes(&part);
                }
                len -= part.len();
                out.push(part);
            }
            self.position = end;
            if end == piece.len() {
                self.body = behind;
                self.position = 0;
            }
        }
        sum
    }
}
