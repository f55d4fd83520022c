//! Room for the headers of one packet, filled from the back to the front.

use core::fmt;
use core::ops::{Deref, DerefMut};

/// Ethernet with a VLAN tag (18), IPv6 (40) and TCP with all its options (60) fit, and behind them a
/// payload of [`SMALL_PAYLOAD`], with room to spare for IP options.
const CAPACITY: usize = 248;

/// A payload of up to so many bytes lies behind the headers: copying it costs less than naming the
/// memory that it lies in.
pub(crate) const SMALL_PAYLOAD: usize = 96;

/// The headers of a packet to send, and its payload if that is small.
///
/// Each layer prepends its header to what the layer above has written, as headroom is used in the
/// kernel's socket buffers; nothing is moved.
///
/// ```
/// let mut head = net_core::buf::HeadBuf::new();
/// head.prepend(2).copy_from_slice(b"cp");
/// head.prepend(2).copy_from_slice(b"ip");
/// assert_eq!(&head[..], b"ipcp");
/// ```
pub struct HeadBuf {
    bytes: [u8; CAPACITY],
    start: u8,
}

impl HeadBuf {
    /// An empty head with all its room in front.
    #[must_use]
    pub const fn new() -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "CAPACITY is below 256")]
        Self {
            bytes: [0; CAPACITY],
            start: CAPACITY as u8,
        }
    }

    /// Room for `len` more bytes in front, to be filled by the caller.
    ///
    /// # Panics
    /// If all together exceeds 248 bytes, which no combination of ours does.
    pub fn prepend(&mut self, len: usize) -> &mut [u8] {
        let end = usize::from(self.start);
        let start = end
            .checked_sub(len)
            .expect("headers and a small payload fit");
        self.start = u8::try_from(start).expect("below 248");
        &mut self.bytes[start..end]
    }

    /// Takes all headers off.
    pub const fn clear(&mut self) {
        #[expect(clippy::cast_possible_truncation, reason = "CAPACITY is below 256")]
        {
            self.start = CAPACITY as u8;
        }
    }

    /// Takes `len` bytes off the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn strip(&mut self, len: usize) {
        assert!(len <= self.len(), "strips only what was prepended");
        self.start += u8::try_from(len).expect("at most 248");
    }
}

impl Clone for HeadBuf {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.clone_from(self);
        copy
    }

    /// Copies the headers alone, not the room in front of them.
    fn clone_from(&mut self, other: &Self) {
        self.start = other.start;
        let start = usize::from(other.start);
        self.bytes[start..].copy_from_slice(&other.bytes[start..]);
    }
}

impl Default for HeadBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for HeadBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

impl DerefMut for HeadBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[usize::from(self.start)..]
    }
}

impl fmt::Debug for HeadBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeadBuf").field(&&self[..]).finish()
    }
}
