//! Merging in software: runs of TCP segments into super-segments, for devices that deliver every
//! segment on its own.

mod segment;

use crate::buf::{Checksum, Chunk, Gso, GsoKind, RxBatch, RxPacket};
use crate::wire::checksum::{Sum, checksum_after};
use crate::wire::{TcpFlags, ip, ipv4, ipv6, tcp};
use bytes::Buf;
use segment::{Class, Common, Segment, classify};
use smallvec::SmallVec;

/// Flows whose segments may come in turns.
const FLOWS: usize = 8;

/// Bytes that a super-segment has at most, headers included.
const MAX_LEN: usize = 65535;

/// Pieces that a super-segment has at most: 64 KiB of segments for an MTU of 1280 and more.
const MAX_PIECES: usize = 56;

/// Merges segments of a flow that follow each other in `batch`; the order within a flow stays.
///
/// A run is merged where nothing but the payload would be lost: the same addresses, ports, hop
/// limit, traffic class, flow label, acknowledgement number, window and options, no flag but ACK
/// and, on the last, PSH; sequence numbers without a gap; payloads of equal length, but the last
/// may be shorter. Checksums are verified first, and marked so; packets with a wrong one stay in the
/// batch as they are.
///
/// The merged packet keeps the first one's frame, with the IP length (and header checksum) and PSH
/// brought up to date; the other payloads follow as pieces without a copy. Its transport checksum
/// field is the first one's and thus wrong for the whole: `meta.checksum` says
/// [`Verified`](Checksum::Verified), and [`gso::segment`](super::gso::segment) makes new ones.
pub fn merge(batch: &mut RxBatch) {
    let packets = batch.packets_mut();
    if packets.len() < 2 {
        return;
    }
    let mut runs = Runs::default();
    let mut kept = 0;
    for at in 0..packets.len() {
        let waiting = packets.len() - at;
        let (done, rest) = packets.split_at_mut(at);
        let merged = rest
            .first_mut()
            .is_some_and(|packet| runs.take(packet, done, kept, waiting));
        if !merged {
            if kept != at {
                packets.swap(kept, at);
            }
            kept += 1;
        }
    }
    for run in runs.0 {
        run.finish(packets);
    }
    batch.truncate(kept);
}

/// The runs that may still grow, oldest first.
#[derive(Default)]
struct Runs(SmallVec<[Run; FLOWS]>);

/// What became of a flow's segments so far.
struct Run {
    /// Where its first packet is.
    index: usize,
    common: Common,
    ports: [u8; 4],
    next_seq: u32,
    /// Payload length of all but the last.
    size: usize,
    /// Length of the whole packet.
    total_len: usize,
    count: u16,
    push: bool,
}

impl Runs {
    /// Merges `packet` with one in `done`; `false` if it stays, at position `kept`.
    fn take(
        &mut self,
        packet: &mut RxPacket,
        done: &mut [RxPacket],
        kept: usize,
        waiting: usize,
    ) -> bool {
        if let Some(run) = self.0.iter_mut().find(|run| run.has_ports_of(packet))
            && let Some(first) = done.get_mut(run.index)
            && let Some((segment, sum)) = run.read_next(packet, first)
        {
            if !Segment::is_intact(packet, segment.header_len, sum) {
                return false;
            }
            run.grow(&segment, packet, first, waiting);
            if segment.push || segment.payload_len < run.size {
                self.close(segment.ports, done);
            }
            return true;
        }
        let segment = match classify(packet) {
            Class::Data(segment) => segment,
            Class::Alone(ports) => {
                self.close(ports, done);
                return false;
            }
            Class::Other => return false,
        };
        packet.meta.checksum = Checksum::Verified;
        self.close(segment.ports, done);
        if !segment.push
            && let Some(common) = Common::of(&segment, &packet.frame)
        {
            if self.0.len() == FLOWS {
                self.0.remove(0).finish(done);
            }
            self.0.push(Run {
                index: kept,
                common,
                ports: segment.ports,
                next_seq: segment.end_seq(),
                size: segment.payload_len,
                total_len: segment.header_len + segment.payload_len,
                count: 1,
                push: false,
            });
        }
        false
    }

    fn close(&mut self, ports: [u8; 4], done: &mut [RxPacket]) {
        if let Some(at) = self.0.iter().position(|run| run.ports == ports) {
            self.0.remove(at).finish(done);
        }
    }
}

impl Run {
    /// Whether the packet may be of this flow.
    #[inline]
    fn has_ports_of(&self, packet: &RxPacket) -> bool {
        read::<4>(&packet.frame, self.common.ip_header_len) == Some(self.ports)
    }

    /// Reads the packet if it goes on where this run, which `first` has begun, ends. With it comes the
    /// sum of its headers; its checksum is still to be verified.
    #[inline]
    fn read_next(&self, packet: &RxPacket, first: &RxPacket) -> Option<(Segment, Sum)> {
        self.common.read_next(first, packet).filter(|(segment, _)| {
            segment.seq == self.next_seq
                && segment.payload_len <= self.size
                && self.total_len + segment.payload_len <= MAX_LEN
                && first.frags.len() + packet.frags.len() < MAX_PIECES
                && self.id_follows(&first.frame, segment.id)
        })
    }

    /// Without DF the identification must count up, as it does when the run is cut again. With DF
    /// it means nothing (RFC 6864 §4.1).
    #[inline]
    fn id_follows(&self, first: &[u8], id: Option<u16>) -> bool {
        id.is_none_or(|id| {
            read::<2>(first, ipv4::ID_OFFSET)
                .is_some_and(|first| u16::from_be_bytes(first).wrapping_add(self.count) == id)
        })
    }

    #[inline]
    fn grow(
        &mut self,
        segment: &Segment,
        packet: &mut RxPacket,
        first: &mut RxPacket,
        waiting: usize,
    ) {
        if first.frags.len() == first.frags.inline_size() {
            first.frags.reserve_exact(waiting.min(MAX_PIECES));
        }
        if packet.frame.len() > segment.header_len {
            let mut frame = core::mem::take(&mut packet.frame);
            frame.advance(segment.header_len);
            first.frags.push(Chunk {
                bytes: frame.freeze(),
                pins: packet.meta.pins,
            });
        }
        match packet.frags.pop() {
            Some(only) if packet.frags.is_empty() => first.frags.push(only),
            last => {
                first.frags.append(&mut packet.frags);
                first.frags.extend(last);
            }
        }
        self.next_seq = segment.end_seq();
        self.total_len += segment.payload_len;
        self.count = self.count.saturating_add(1);
        self.push |= segment.push;
    }

    /// Makes the first packet say what it has become.
    fn finish(self, packets: &mut [RxPacket]) {
        if self.count < 2 {
            return;
        }
        let Some(first) = packets.get_mut(self.index) else {
            return;
        };
        let frame = &mut first.frame;
        let (kind, ip_header_len) = if ip::version(frame) == Some(4) {
            let new = u16::try_from(self.total_len).unwrap_or(0);
            if let Some(old) = write(frame, ipv4::LENGTH_OFFSET, new)
                && let Some(checksum) = read::<2>(frame, ipv4::CHECKSUM_OFFSET)
            {
                let checksum = checksum_after(u16::from_be_bytes(checksum), old, new);
                write(frame, ipv4::CHECKSUM_OFFSET, checksum);
            }
            (GsoKind::Tcp4, ipv4::MIN_HEADER_LEN)
        } else {
            let new = u16::try_from(self.total_len.saturating_sub(ipv6::HEADER_LEN)).unwrap_or(0);
            write(frame, ipv6::LENGTH_OFFSET, new);
            (GsoKind::Tcp6, ipv6::HEADER_LEN)
        };
        let at = ip_header_len + tcp::OFFSET_FLAGS_OFFSET;
        if self.push
            && let Some(flags) = read::<2>(frame, at)
        {
            let flags = u16::from_be_bytes(flags) | TcpFlags::PSH.bits();
            write(frame, at, flags);
        }
        first.meta.gso = Some(Gso {
            kind,
            size: u16::try_from(self.size).unwrap_or(u16::MAX),
            ecn: false,
        });
    }
}

#[inline]
fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Puts a 16-bit field in place and returns what was there.
#[inline]
fn write(bytes: &mut [u8], at: usize, value: u16) -> Option<u16> {
    let place = bytes.get_mut(at..)?.first_chunk_mut::<2>()?;
    let old = core::mem::replace(place, value.to_be_bytes());
    Some(u16::from_be_bytes(old))
}
