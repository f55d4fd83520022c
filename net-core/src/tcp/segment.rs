//! A segment as it arrives, ready for the state machine.

use super::SeqNum;
use crate::buf::{RecvQueue, RxPacket};
use crate::iface::IfaceId;
use crate::stats::DropReason;
use crate::wire::ip::ECN_MASK;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};
use bytes::Buf;
use core::net::SocketAddr;

/// The data of one segment: what is left of its packet behind the headers.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    packet: &'a mut RxPacket,
    len: u32,
    arrived: u32,
}

impl<'a> Payload<'a> {
    /// What lies behind the first `headers` bytes of a packet.
    ///
    /// # Errors
    /// `Truncated` if the headers do not lie in its frame.
    pub(crate) fn behind(packet: &'a mut RxPacket, headers: usize) -> Result<Self, DropReason> {
        if packet.frame.len() < headers {
            return Err(DropReason::Truncated);
        }
        packet.frame.advance(headers);
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        Ok(Self {
            packet,
            len,
            arrived: len,
        })
    }

    /// Bytes of payload that the segment had when it came, in the window or not.
    pub(crate) const fn arrived(&self) -> u32 {
        self.arrived
    }

    /// Bytes of payload.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes `count` bytes off the front.
    pub(crate) fn trim_front(&mut self, count: u32) {
        let count = count.min(self.len);
        self.len -= count;
        let mut left = count as usize;
        let part = self.packet.frame.len().min(left);
        self.packet.frame.advance(part);
        left -= part;
        let mut gone = 0;
        for piece in &mut self.packet.frags {
            let part = piece.bytes.len().min(left);
            piece.bytes.advance(part);
            left -= part;
            if !piece.bytes.is_empty() {
                break;
            }
            gone += 1;
        }
        self.packet.frags.drain(..gone);
    }

    /// Keeps the first `keep` bytes.
    pub(crate) fn truncate(&mut self, keep: u32) {
        if keep < self.len {
            self.len = keep;
            self.packet.truncate(keep as usize);
        }
    }

    /// Moves all of it behind what is in `queue`; nothing is left.
    pub(crate) fn move_to(&mut self, queue: &mut RecvQueue) {
        self.len = 0;
        let frame = &mut self.packet.frame;
        if !frame.is_empty() {
            queue.push_frame(frame, self.packet.meta.pins);
        }
        queue.push_all(&mut self.packet.frags);
    }
}

/// ECT(0): the sender understands congestion marks.
pub(crate) const ECN_CAPABLE: u8 = 2;

/// A received segment (RFC 9293 §3.3.1's SEG variables).
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    /// SEG.SEQ: of the first byte, or of SYN.
    pub(crate) seq: SeqNum,
    /// SEG.ACK; meaningful with the ACK flag.
    pub(crate) ack: SeqNum,
    /// Control bits.
    pub(crate) flags: TcpFlags,
    /// SEG.WND as it stands in the header, unscaled.
    pub(crate) window: u16,
    /// SEG.UP, meaningful with the URG flag.
    pub(crate) urgent: u16,
    /// Options.
    pub(crate) options: &'a TcpOptions,
    /// The data.
    pub(crate) payload: Payload<'a>,
    /// Payload bytes of each wire segment that this one stands for, or its length.
    pub(crate) wire_size: u32,
    /// The IP header's ECN field.
    pub(crate) ecn: u8,
    /// Which interface it came over.
    pub(crate) over: IfaceId,
    /// Whose listener it is for if not for that of its destination.
    pub(crate) given_to: Option<SocketAddr>,
    /// The mark of the packet that it came in.
    pub(crate) mark: u32,
}

impl<'a> Segment<'a> {
    /// A segment from its parsed header.
    #[must_use]
    pub(crate) fn new(
        header: &'a TcpHeader,
        payload: Payload<'a>,
        gso_size: Option<u16>,
        tos: u8,
        over: IfaceId,
    ) -> Self {
        Self {
            seq: header.seq,
            ack: header.ack,
            flags: header.flags,
            window: header.window,
            urgent: header.urgent,
            options: &header.options,
            wire_size: gso_size.map_or(payload.len(), u32::from).max(1),
            payload,
            ecn: tos & ECN_MASK,
            over,
            given_to: None,
            mark: 0,
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
