//! Trains: datagrams of one flow that leave one behind another, as one super-packet.
//!
//! Where an application sends one datagram after another, each costs a system call and a way through the
//! kernel of its own. To a device that cuts super-packets of UDP they are handed over as one, just as if
//! the application had asked for it (`UDP_SEGMENT`); the wire sees the same datagrams. Only what waits
//! anyway is joined: nobody waits for company.

use super::gso::put;
use super::vnet;
use crate::buf::{Checksum, Gso, GsoKind, TxMeta, TxPacket};
use crate::udp::SendMeta;
use crate::wire::checksum::checksum_after;
use crate::wire::{ip, ipv4, ipv6, udp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes that a super-packet has at most behind the link's header.
const MAX_LEN: usize = u16::MAX as usize;

/// Packets that may leave as one.
#[derive(Debug, Clone, Copy)]
pub struct Train<'a> {
    packets: &'a [Box<TxPacket>],
    first: Datagram<'a>,
    /// Payload bytes of all.
    payload_len: usize,
}

impl<'a> Train<'a> {
    /// The longest train at the front of `packets`; `None` where the first stays alone.
    ///
    /// A train is of datagrams from one port to another whose headers differ in nothing that the
    /// receiver is told, equally long but for the last, which may be shorter: at most 64 and at most
    /// 64 KiB. The device is to complete their checksums, and routers must not fragment them: then the
    /// identification of IPv4, which cutting counts up, says nothing (RFC 6864 §4).
    #[must_use]
    #[inline]
    pub fn at_front(packets: &'a [Box<TxPacket>]) -> Option<Self> {
        let (packet, others) = packets.split_first()?;
        if others.is_empty() {
            return None;
        }
        let first = Datagram::of(packet)?;
        let (mut count, mut payload_len) = (1, first.payload_len);
        for packet in others.iter().take(SendMeta::MAX_SEGMENTS - 1) {
            let Some(next) = Datagram::of(packet).filter(|next| first.may_be_followed_by(next))
            else {
                break;
            };
            let headers = first.headers.len() - first.link_len;
            if headers + payload_len + next.payload_len > MAX_LEN {
                break;
            }
            count += 1;
            payload_len += next.payload_len;
            if next.payload_len < first.payload_len {
                break;
            }
        }
        Some(Self {
            packets: packets.get(..count).filter(|all| all.len() > 1)?,
            first,
            payload_len,
        })
    }

    /// How many packets it is made of; at least two.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> usize {
        self.packets.len()
    }

    /// The headers of its first packet.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.first.headers
    }

    /// Appends it as one packet to `out`, behind the [header](vnet) that says how to cut it.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let Datagram {
            meta,
            headers,
            payload_len,
            ..
        } = self.first;
        let meta = TxMeta {
            gso: u16::try_from(payload_len).ok().map(|size| Gso {
                kind: GsoKind::Udp,
                size,
                ecn: false,
            }),
            header_len: u16::try_from(headers.len()).unwrap_or(0),
            ..*meta
        };
        out.extend_from_slice(&vnet::header(&meta, headers.len()));
        let start = out.len();
        out.extend_from_slice(headers);
        if let Some(headers) = out.get_mut(start..) {
            self.lengthen(headers);
        }
        for packet in self.packets {
            out.extend_from_slice(packet.head.get(headers.len()..).unwrap_or_default());
            for piece in &packet.body {
                out.extend_from_slice(piece);
            }
        }
    }

    /// Makes the first datagram's headers those of all.
    fn lengthen(&self, headers: &mut [u8]) {
        let ip = self.first.link_len;
        let udp = headers.len() - udp::HEADER_LEN;
        let more = u16::try_from(self.payload_len - self.first.payload_len).unwrap_or(0);
        let longer = |headers: &mut [u8], at: usize| {
            let old = word(headers, at).unwrap_or(0);
            put(headers, at, old.wrapping_add(more).to_be_bytes());
            (old, old.wrapping_add(more))
        };
        if udp - ip == ipv4::MIN_HEADER_LEN {
            let (old, new) = longer(headers, ip + ipv4::LENGTH_OFFSET);
            let sum = word(headers, ip + ipv4::CHECKSUM_OFFSET).unwrap_or(0);
            let sum = checksum_after(sum, old, new);
            put(headers, ip + ipv4::CHECKSUM_OFFSET, sum.to_be_bytes());
        } else {
            longer(headers, ip + ipv6::LENGTH_OFFSET);
        }
        let (old, new) = longer(headers, udp + udp::LENGTH_OFFSET);
        // What stands there is the sum of the pseudo-header, which has the length too.
        let sum = word(headers, udp + udp::CHECKSUM_OFFSET).unwrap_or(0);
        let sum = !checksum_after(!sum, old, new);
        put(headers, udp + udp::CHECKSUM_OFFSET, sum.to_be_bytes());
    }
}

/// A packet that may be part of a train.
#[derive(Debug, Clone, Copy)]
struct Datagram<'a> {
    meta: &'a TxMeta,
    /// All of them, the link's among them.
    headers: &'a [u8],
    link_len: usize,
    payload_len: usize,
}

impl<'a> Datagram<'a> {
    /// `None` for what is no whole datagram with plain headers, whose checksum is left to the device.
    #[inline]
    fn of(packet: &'a TxPacket) -> Option<Self> {
        let Checksum::Partial { start, offset } = packet.meta.checksum else {
            return None;
        };
        if usize::from(offset) != udp::CHECKSUM_OFFSET || packet.meta.gso.is_some() {
            return None;
        }
        let link_len = usize::from(packet.meta.link_len);
        let at = link_len + usize::from(start);
        let headers = packet.head.get(..at + udp::HEADER_LEN)?;
        let (ip, udp) = (headers.get(link_len..at)?, headers.get(at..)?);
        let is_plain = match (ip::version(ip)?, ip.len()) {
            (4, ipv4::MIN_HEADER_LEN) => {
                ip.get(ipv4::PROTOCOL_OFFSET) == Some(&ip::UDP)
                    && word(ip, ipv4::FRAGMENT_OFFSET) == Some(ipv4::DONT_FRAGMENT)
            }
            (6, ipv6::HEADER_LEN) => ip.get(ipv6::NEXT_HEADER_OFFSET) == Some(&ip::UDP),
            _ => false,
        };
        let length = packet.len() - at;
        let says = word(udp, udp::LENGTH_OFFSET).map(usize::from);
        let payload_len = length.checked_sub(udp::HEADER_LEN).filter(|&len| len > 0)?;
        (is_plain && says == Some(length)).then_some(Self {
            meta: &packet.meta,
            headers,
            link_len,
            payload_len,
        })
    }

    /// Whether `next` is of the same flow, and no longer.
    #[inline]
    fn may_be_followed_by(&self, next: &Self) -> bool {
        let same = |range: Range<usize>| {
            self.headers
                .get(range.clone())
                .is_some_and(|part| next.headers.get(range) == Some(part))
        };
        let (ip, udp) = (self.link_len, self.headers.len() - udp::HEADER_LEN);
        next.payload_len <= self.payload_len
            && next.link_len == self.link_len
            && next.headers.len() == self.headers.len()
            && if udp - ip == ipv4::MIN_HEADER_LEN {
                // All but length, identification and checksum.
                same(0..ip + ipv4::LENGTH_OFFSET)
                    && same(ip + ipv4::FRAGMENT_OFFSET..ip + ipv4::CHECKSUM_OFFSET)
                    && same(ip + ipv4::CHECKSUM_OFFSET + 2..udp + udp::LENGTH_OFFSET)
            } else {
                same(0..ip + ipv6::LENGTH_OFFSET)
                    && same(ip + ipv6::NEXT_HEADER_OFFSET..udp + udp::LENGTH_OFFSET)
            }
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}
