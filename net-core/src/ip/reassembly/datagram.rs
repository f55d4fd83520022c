//! The fragments of one datagram, until all are there.

use crate::buf::{Chunk, RxMeta, RxPacket, is_wasteful};
use crate::iface::IfaceId;
use crate::ip::Delivery;
use crate::stats::DropReason;
use crate::wire::ip::{self, ECN_CE, ECN_MASK, Fragment};
use crate::wire::ipv6_ext::FRAGMENT_LEN;
use crate::wire::{IpHeader, ipv4, ipv6};
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// A fragment whose header has been understood.
#[derive(Debug)]
pub(crate) struct Arrived<'a> {
    /// Its headers up to the end of the Fragment header, if there is one.
    pub(crate) header: &'a IpHeader,
    /// Where it belongs.
    pub(crate) place: Fragment,
    /// Which field of an IPv6 packet names the Fragment header.
    pub(crate) named_at: usize,
    /// Which interface it came over.
    pub(crate) over: IfaceId,
    /// Whether it is for this host alone.
    pub(crate) delivery: Delivery,
}

/// What has become of a datagram with a new fragment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More is to come.
    Waits,
    /// The fragment was there before.
    Duplicate,
    /// All of it is there.
    Complete,
}

/// The fragments of a datagram that are there: in order, none of them overlapping another.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// What the first fragment was; its headers are the datagram's.
    pub(super) first: Option<First>,
    pieces: Vec<Piece>,
    /// Payload bytes that are there.
    received: u32,
    /// Payload bytes of the whole datagram, once the last fragment is there.
    end: Option<u32>,
    /// Which codepoints of ECN the fragments had, a bit for each.
    ecn: u8,
    /// Bytes of the largest fragment, its headers included.
    largest: u16,
}

/// The first fragment.
#[derive(Debug)]
pub(super) struct First {
    /// Headers, and payload up to the end of the buffer; the rest is in its [`Piece`].
    pub(super) frame: BytesMut,
    pins: u32,
    pub(super) header: IpHeader,
    named_at: usize,
    pub(super) over: IfaceId,
    pub(super) delivery: Delivery,
}

/// The payload of a fragment, but for what lies in the frame of the first one.
#[derive(Debug)]
pub(super) struct Piece {
    start: u32,
    end: u32,
    chunks: SmallVec<[Chunk; 1]>,
}

/// A fragment taken out of the packet it came in.
#[derive(Debug)]
pub(super) struct Taken {
    first: Option<First>,
    piece: Piece,
    more: bool,
    ecn: u8,
    /// Bytes that it had with its headers.
    total: u16,
}

impl Taken {
    /// Takes a fragment out of its packet; what holds more memory alive than it is worth is copied.
    pub(super) fn new(packet: &mut RxPacket, arrived: &Arrived<'_>) -> Result<Self, DropReason> {
        let header = arrived.header;
        let in_frame = packet
            .frame
            .len()
            .checked_sub(header.header_len)
            .ok_or(DropReason::Truncated)?;
        let start = u32::from(arrived.place.offset);
        let len = u32::try_from(header.payload_len).map_err(|_| DropReason::BadFragment)?;
        let (frame, pins) = if is_wasteful(in_frame, packet.meta.pins) {
            let len = u32::try_from(packet.frame.len()).unwrap_or(u32::MAX);
            (BytesMut::from(&packet.frame[..]), len)
        } else {
            (core::mem::take(&mut packet.frame), packet.meta.pins)
        };
        let mut chunks = SmallVec::new();
        let first = if start == 0 {
            Some(First {
                frame,
                pins,
                header: *header,
                named_at: arrived.named_at,
                over: arrived.over,
                delivery: arrived.delivery,
            })
        } else {
            let mut bytes = frame.freeze();
            bytes.advance(header.header_len);
            chunks.push(Chunk { bytes, pins });
            None
        };
        chunks.extend(packet.frags.drain(..).map(copy_out));
        Ok(Self {
            first,
            piece: Piece {
                start,
                end: start + len,
                chunks,
            },
            more: arrived.place.more,
            ecn: header.tos & ECN_MASK,
            total: u16::try_from(header.total_len()).unwrap_or(u16::MAX),
        })
    }

    /// Bytes of memory that keeping it costs.
    pub(super) fn cost(&self) -> usize {
        let first = self.first.as_ref().map_or(0, |first| first.pins as usize);
        let chunks = self.piece.chunks.iter().map(|chunk| chunk.pins as usize);
        first + chunks.sum::<usize>() + Pieces::OVERHEAD
    }
}

impl Pieces {
    /// Memory that a fragment costs beside its bytes.
    const OVERHEAD: usize = 128;

    /// How many fragments there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Puts a fragment in its place.
    ///
    /// # Errors
    /// [`DropReason::FragmentOverlap`] if it contradicts what is there: it shares bytes with another
    /// fragment without being the same again, or the two do not agree on where the datagram ends
    /// (RFC 5722, and RFC 8200 §4.5 on duplicates). [`DropReason::BadFragment`] if the codepoints of
    /// ECN do not go together (RFC 3168 §5.3).
    pub(super) fn insert(&mut self, taken: Taken) -> Result<Progress, DropReason> {
        let overlap = Err(DropReason::FragmentOverlap);
        let Taken {
            first,
            piece,
            more,
            ecn,
            total,
        } = taken;
        let at = self.pieces.partition_point(|old| old.start < piece.start);
        if let Some(old) = self.pieces.get(at)
            && (old.start, old.end) == (piece.start, piece.end)
        {
            let last = self.end == Some(piece.end);
            let same = old
                .bytes(self.first.as_ref())
                .eq(piece.bytes(first.as_ref()));
            return if same && last != more {
                Ok(Progress::Duplicate)
            } else {
                overlap
            };
        }
        let before = at.checked_sub(1).and_then(|at| self.pieces.get(at));
        let behind = self.pieces.get(at);
        if before.is_some_and(|old| old.end > piece.start)
            || behind.is_some_and(|old| old.start < piece.end)
            || self.end.is_some_and(|end| piece.end > end || !more)
            || (!more && behind.is_some())
        {
            return overlap;
        }
        self.ecn |= 1 << ecn;
        let mixed = 1 << ECN_CE | 1;
        if self.ecn & mixed == mixed {
            return Err(DropReason::BadFragment);
        }
        if !more {
            self.end = Some(piece.end);
        }
        self.largest = self.largest.max(total);
        self.received += piece.end - piece.start;
        self.pieces.insert(at, piece);
        if let Some(first) = first {
            self.first = Some(first);
        }
        if self.end == Some(self.received) {
            Ok(Progress::Complete)
        } else {
            Ok(Progress::Waits)
        }
    }

    /// The whole datagram, as if it had never been cut; `None` if the first fragment is missing.
    pub(super) fn join(self) -> Option<RxPacket> {
        let First {
            mut frame,
            pins,
            header,
            named_at,
            ..
        } = self.first?;
        if self.ecn & 1 << ECN_CE != 0 {
            ip::mark_congestion(&mut frame);
        }
        let payload_len = self.received as usize;
        match header.dest {
            core::net::IpAddr::V4(_) => {
                let total = u16::try_from(header.header_len + payload_len).unwrap_or(0);
                let whole = Fragment {
                    offset: 0,
                    more: false,
                    id: header.id.into(),
                };
                ipv4::set_fragment(frame.get_mut(..header.header_len)?, total, whole);
            }
            core::net::IpAddr::V6(_) => {
                // The headers move over the Fragment header, behind which the datagram goes on.
                let shared = header.header_len.checked_sub(FRAGMENT_LEN)?;
                let next_header = *frame.get(shared)?;
                *frame.get_mut(named_at)? = next_header;
                let len = shared - ipv6::HEADER_LEN + payload_len;
                ipv6::set_payload_len(&mut frame, len);
                frame.copy_within(..shared, FRAGMENT_LEN);
                frame.advance(FRAGMENT_LEN);
            }
        }
        let chunks = self.pieces.into_iter().flat_map(|piece| piece.chunks);
        Some(RxPacket {
            frame,
            frags: chunks.collect(),
            meta: RxMeta {
                pins,
                largest_fragment: self.largest,
                ..RxMeta::default()
            },
        })
    }

    /// The first fragment as it came, for an error to quote, if it is there.
    pub(super) fn into_first(self) -> Option<(First, RxPacket)> {
        let mut first = self.first?;
        let piece = self.pieces.into_iter().next()?;
        let packet = RxPacket {
            frame: core::mem::take(&mut first.frame),
            frags: piece.chunks.into_iter().collect(),
            meta: RxMeta::default(),
        };
        Some((first, packet))
    }
}

impl Piece {
    /// Every byte of it; `first` is the datagram's first fragment.
    fn bytes<'a>(&'a self, first: Option<&'a First>) -> impl Iterator<Item = &'a u8> {
        let in_frame = first
            .filter(|_| self.start == 0)
            .and_then(|first| first.frame.get(first.header.header_len..))
            .unwrap_or_default();
        in_frame
            .iter()
            .chain(self.chunks.iter().flat_map(|chunk| &chunk.bytes))
    }
}

fn copy_out(chunk: Chunk) -> Chunk {
    if !is_wasteful(chunk.bytes.len(), chunk.pins) {
        return chunk;
    }
    Chunk {
        pins: u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX),
        bytes: Bytes::copy_from_slice(&chunk.bytes),
    }
}
