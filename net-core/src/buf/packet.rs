//! One packet on its way in or out, with what the device knows about it.

use super::HeadBuf;
use crate::conntrack::Tracked;
use crate::time::Instant;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// How far the checksum of the transport header has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// Nobody has looked: verify before use. What came over a wire is always this.
    #[default]
    Unknown,
    /// Not computed yet: the field at `start + offset` holds the pseudo-header sum, and the sum of
    /// everything from `start` to the end belongs there (the vnet header's `NEEDS_CSUM`). Right for
    /// local delivery; completed before the packet goes where it is not understood.
    Partial {
        /// Where the transport header begins, in bytes from the IP header.
        start: u16,
        /// Where in the transport header the checksum field is.
        offset: u16,
    },
    /// Verified by the device, or complete in a packet to send.
    Verified,
}

/// Which segmentation a super-segment is to get or has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over IPv4 or IPv6: datagrams of equal size but for the last.
    Udp,
}

/// A packet that stands for several on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gso {
    /// How it is cut.
    pub kind: GsoKind,
    /// Payload bytes of each resulting packet but the last (`gso_size`); never 0.
    pub size: u16,
    /// CWR is set and belongs on the first segment only.
    pub ecn: bool,
}

/// A piece of received payload and the memory that keeping it costs.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// Bytes of memory held alive by this piece: the size of the buffer it lies in.
    pub pins: u32,
}

/// What is known about a received packet beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct RxMeta {
    /// State of the transport checksum.
    pub checksum: Checksum,
    /// Set on a super-segment.
    pub gso: Option<Gso>,
    /// Bytes of memory that keeping `frame` costs.
    pub pins: u32,
    /// The link brought it to several stations.
    pub to_group: bool,
    /// Another stack with the same addresses had nothing for it ([`Stack::hand_strays`]).
    ///
    /// [`Stack::hand_strays`]: crate::Stack::hand_strays
    pub handed_over: bool,
    /// Bytes of the largest of the fragments that it was put together from, headers included; 0 where it came
    /// whole.
    pub largest_fragment: u16,
    /// The mark that a hook gave it.
    pub mark: u32,
    /// The flow that it belongs to.
    pub tracked: Tracked,
}

/// Frames up to this size stay with an emptied packet.
const KEPT_FRAME: usize = 2048;

/// A received packet: it starts at the IP header, or at the Ethernet header where that is the link's.
#[derive(Debug, Default)]
pub struct RxPacket {
    /// All headers, and payload up to the end of the buffer.
    pub frame: BytesMut,
    /// The rest of the payload, in order.
    pub frags: SmallVec<[Chunk; 2]>,
    /// What the device said about it.
    pub meta: RxMeta,
}

impl RxPacket {
    /// A packet whose bytes all lie in `frame`, with nothing known about its checksum.
    #[must_use]
    pub fn from_frame(frame: BytesMut) -> Self {
        let pins = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        Self {
            frame,
            frags: SmallVec::new(),
            meta: RxMeta {
                pins,
                ..RxMeta::default()
            },
        }
    }

    /// Drops everything that it holds, and keeps the room: that for pieces, and up to 2 KiB of the
    /// frame's memory if nobody took it.
    pub fn reset(&mut self) {
        if self.frame.capacity() <= KEPT_FRAME {
            self.frame.clear();
        } else {
            self.frame = BytesMut::new();
        }
        self.frags.clear();
        self.meta = RxMeta::default();
    }

    /// Length in bytes from the IP header to the end.
    #[must_use]
    pub fn len(&self) -> usize {
        let frags = self.frags.iter().map(|piece| piece.bytes.len());
        self.frame.len() + frags.sum::<usize>()
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.frame.truncate(len);
        let mut left = len - self.frame.len();
        self.frags.retain(|piece| {
            let part = piece.bytes.len().min(left);
            piece.bytes.truncate(part);
            left -= part;
            part > 0
        });
    }

    /// Moves bytes from the pieces into the frame until it has `len` of them, or all that there are.
    pub fn pull(&mut self, len: usize) {
        while self.frame.len() < len
            && let Some(piece) = self.frags.first_mut()
        {
            let part = piece.bytes.len().min(len - self.frame.len());
            self.frame.extend_from_slice(&piece.bytes.split_to(part));
            if piece.bytes.is_empty() {
                self.frags.remove(0);
            }
        }
    }

    /// Whether it has no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a device needs to know about a packet to send.
#[derive(Debug, Clone, Copy, Default)]
pub struct TxMeta {
    /// `Partial` where the device is to complete it, else `Verified`.
    pub checksum: Checksum,
    /// Set on a super-segment.
    pub gso: Option<Gso>,
    /// Bytes of headers in front of the payload; of a super-segment only.
    pub header_len: u16,
    /// How many of them are the link's, in front of the IP header.
    pub link_len: u8,
    /// When it is to leave.
    pub departure: Instant,
    /// The priority that its socket asked for (`SO_PRIORITY`).
    pub priority: u8,
    /// The mark that its socket gave it (`SO_MARK`).
    pub mark: u32,
    /// The flow that it belongs to.
    pub tracked: Tracked,
    /// Packet sockets have heard of it; a device that gives it back will get it again.
    pub(crate) tapped: bool,
}

/// A packet to send: headers in `head`, payload in `body`, or behind the headers if it is small.
#[derive(Debug, Clone, Default)]
pub struct TxPacket {
    /// Headers of link, IP and transport, and a small payload.
    pub head: HeadBuf,
    /// Payload, in order; at most 8 pieces. Of a super-segment all of it is here.
    pub body: SmallVec<[Bytes; 8]>,
    /// What the device needs to know.
    pub meta: TxMeta,
}

impl TxPacket {
    /// Drops everything that it holds, and keeps the room for pieces.
    pub fn reset(&mut self) {
        self.head.clear();
        self.body.clear();
        self.meta = TxMeta::default();
    }

    /// Length in bytes of headers and payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.body_len()
    }

    /// Length in bytes of the payload behind the head.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// Whether it has no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes one piece of it: where it has a body, everything lies there afterwards, and the head is
    /// empty.
    pub fn put_together(&mut self) {
        if self.body.is_empty() || (self.head.is_empty() && self.body.len() == 1) {
            return;
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.copy_to(&mut whole);
        self.head.clear();
        self.body.clear();
        self.body.push(whole.freeze());
    }

    /// A copy of the first `max` bytes, or of all if there are fewer.
    pub(crate) fn front(&self, max: usize) -> BytesMut {
        let mut front = BytesMut::with_capacity(max.min(self.len()));
        for piece in core::iter::once(&*self.head).chain(self.body.iter().map(|piece| &**piece)) {
            let left = max - front.len();
            front.extend_from_slice(piece.get(..left).unwrap_or(piece));
        }
        front
    }

    /// Appends every byte to `out`.
    pub fn copy_to(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.head);
        for piece in &self.body {
            out.extend_from_slice(piece);
        }
    }
}
