//! Cutting the payload of a received super-packet into its datagrams.

use crate::buf::{Chunk, RxPacket, is_wasteful};
use crate::stats::DropReason;
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// The payload of a packet, to be taken in datagrams of one piece each.
///
/// Datagrams stay in the buffer that they were received into, and share the memory that it costs;
/// one that would hold more than `2 × payload + 256` bytes alive, or lies in two buffers, is copied
/// out.
#[derive(Debug)]
pub(crate) struct Cutter {
    pieces: smallvec::IntoIter<[Chunk; 2]>,
    current: Chunk,
}

impl Cutter {
    /// What lies behind the first `headers` bytes of a packet. Its frame stays with it if it is
    /// better copied.
    ///
    /// # Errors
    /// `Truncated` if the headers do not lie in its frame.
    pub(crate) fn new(packet: &mut RxPacket, headers: usize) -> Result<Self, DropReason> {
        let payload = packet.frame.get(headers..).ok_or(DropReason::Truncated)?;
        let pins = packet.meta.pins;
        let first = if is_wasteful(payload.len(), pins) {
            Chunk {
                bytes: Bytes::copy_from_slice(payload),
                pins: pins_of(payload.len()),
            }
        } else {
            let mut bytes = core::mem::take(&mut packet.frame).freeze();
            bytes.advance(headers);
            Chunk { bytes, pins }
        };
        Ok(Self::of(first, core::mem::take(&mut packet.frags)))
    }

    fn of(current: Chunk, pieces: SmallVec<[Chunk; 2]>) -> Self {
        Self {
            pieces: pieces.into_iter(),
            current,
        }
    }

    /// The next `len` bytes, fewer at the end, and the memory that keeping them costs.
    pub(crate) fn cut(&mut self, len: usize) -> (Bytes, u32) {
        while self.current.bytes.is_empty() && self.advance() {}
        let available = self.current.bytes.len();
        if len > available {
            return self.gather(len);
        }
        let share = u64::from(self.current.pins) * len as u64 / available.max(1) as u64;
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        self.current.pins = self.current.pins.saturating_sub(share);
        let bytes = self.current.bytes.split_to(len);
        if is_wasteful(len, share) {
            (Bytes::copy_from_slice(&bytes), pins_of(len))
        } else {
            (bytes, share)
        }
    }

    /// Copies the next `len` bytes out of several pieces.
    fn gather(&mut self, len: usize) -> (Bytes, u32) {
        let mut joined = BytesMut::with_capacity(len);
        while joined.len() < len {
            let part = self.current.bytes.len().min(len - joined.len());
            joined.extend_from_slice(self.current.bytes.get(..part).unwrap_or_default());
            self.current.bytes.advance(part);
            if self.current.bytes.is_empty() && !self.advance() {
                break;
            }
        }
        (joined.freeze(), pins_of(len))
    }

    /// Goes on to the next piece; whether there is one.
    fn advance(&mut self) -> bool {
        match self.pieces.next() {
            Some(piece) => {
                self.current = piece;
                true
            }
            None => false,
        }
    }
}

fn pins_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(bytes: &'static [u8], pins: u32) -> Chunk {
        Chunk {
            bytes: Bytes::from_static(bytes),
            pins,
        }
    }

    #[test]
    fn cuts_across_the_ends_of_pieces() {
        let pieces = [chunk(b"abc", 3), chunk(b"", 9), chunk(b"defgh", 5)];
        let mut cutter = Cutter::of(Chunk::default(), pieces.into_iter().collect());
        let parts: std::vec::Vec<Bytes> = [2, 2, 3, 1].map(|len| cutter.cut(len).0).into();
        assert_eq!(parts, [&b"ab"[..], b"cd", b"efg", b"h"]);
        assert_eq!(cutter.cut(0).0, Bytes::new());
    }

    #[test]
    fn datagrams_share_the_memory_of_their_buffer() {
        let mut cutter = Cutter::of(chunk(&[7; 300], 600), SmallVec::new());
        let pins: std::vec::Vec<u32> = [100, 100, 100].map(|len| cutter.cut(len).1).into();
        assert_eq!(pins, [200, 200, 200]);
    }

    #[test]
    fn copies_a_small_datagram_out_of_a_large_buffer() {
        let mut cutter = Cutter::of(chunk(b"tiny", 65_536), SmallVec::new());
        assert_eq!(cutter.cut(4), (Bytes::from_static(b"tiny"), 4));
    }
}
