//! A sent packet becomes a received one.

use super::{Checksum, Chunk, Pool, RxMeta, RxPacket, TxPacket};
use crate::wire::checksum::Sum;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// The packet as its receiver sees it when memory carries it: headers copied, payload shared. What
/// was `Partial` stays so, and a super-segment stays whole. `frames` has buffers of [`FRAME`] bytes or
/// more.
#[must_use]
pub fn shared(packet: &TxPacket, frames: &mut Pool) -> RxPacket {
    let (small, large) = if packet.body_len() <= COPIED {
        (&packet.body[..], &[][..])
    } else {
        (&[][..], &packet.body[..])
    };
    let frame = frames.filled(|frame| {
        frame.extend_from_slice(&packet.head);
        for piece in small {
            frame.extend_from_slice(piece);
        }
    });
    RxPacket {
        frame,
        frags: large.iter().map(shared_chunk).collect(),
        meta: RxMeta {
            checksum: packet.meta.checksum,
            gso: packet.meta.gso,
            pins: frames.pins(),
            ..RxMeta::default()
        },
    }
}

/// The packet as its receiver sees it when a wire carries it: every byte copied, the checksum
/// completed by the sender and unknown to the receiver. `frames` has buffers of the MTU or more.
#[must_use]
pub fn carried(packet: &TxPacket, frames: &mut Pool) -> RxPacket {
    RxPacket {
        frame: frames.filled(|frame| copy_completed(packet, frame)),
        frags: SmallVec::new(),
        meta: RxMeta {
            checksum: Checksum::Unknown,
            gso: packet.meta.gso,
            pins: frames.pins(),
            ..RxMeta::default()
        },
    }
}

/// Appends every byte of the packet to `out`, its checksum completed there.
pub fn copy_completed(packet: &TxPacket, out: &mut BytesMut) {
    let at = out.len();
    packet.copy_to(out);
    let ip = at + usize::from(packet.meta.link_len);
    complete(packet.meta.checksum, &mut out[ip..]);
}

/// Completes the checksum of an IP packet in one piece if it is `Partial`. Fields that point outside
/// the packet leave it as it is.
pub fn complete(checksum: Checksum, packet: &mut [u8]) {
    let Checksum::Partial { start, offset } = checksum else {
        return;
    };
    let Some(transport) = packet.get_mut(usize::from(start)..) else {
        return;
    };
    let mut sum = Sum::new();
    sum.add_bytes(transport);
    // 0 says "no checksum" in UDP and is the same as 0xffff elsewhere (RFC 768).
    let folded = match sum.fold() {
        0 => 0xffff,
        folded => folded,
    };
    let field = usize::from(offset)..usize::from(offset) + 2;
    if let Some(field) = transport.get_mut(field) {
        field.copy_from_slice(&folded.to_be_bytes());
    }
}

fn shared_chunk(piece: &Bytes) -> Chunk {
    Chunk {
        bytes: piece.clone(),
        pins: u32::try_from(piece.len()).unwrap_or(u32::MAX),
    }
}

/// Payload up to this many bytes is copied behind the headers instead of being shared.
const COPIED: usize = 256;
/// Size of the buffers that [`shared`] needs: headers and small payload.
pub const FRAME: usize = 128 + COPIED;
