//! Cutting a packet that is too large for its link into fragments (RFC 791 §3.2, RFC 8200 §4.5).

use crate::buf::{Checksum, HeadBuf, Rest, TxMeta, TxPacket};
use crate::stats::DropReason;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{FRAGMENT_LEN, fragment_header, unfragmentable};
use crate::wire::{IpHeader, ip, ipv4, ipv4_options, ipv6, transport};

/// A packet on its way into fragments, each of which fits a link.
pub(crate) struct Fragments<'a> {
    /// The headers that every fragment has, up to where the packet is cut.
    shared: &'a [u8],
    /// The headers behind them, which only the first fragment has.
    transport: &'a [u8],
    rest: Rest<'a>,
    meta: TxMeta,
    version: Version,
    id: u32,
    /// Where the payload belongs in that of a packet of which this is a fragment already; 0 if it is none.
    base: usize,
    /// Others of that packet follow behind this one.
    more: bool,
    /// Payload bytes of each fragment but the last; a multiple of eight.
    room: usize,
    /// Payload bytes that are in a fragment already.
    offset: usize,
    /// Payload bytes of the whole packet.
    total: usize,
}

#[derive(Clone, Copy)]
enum Version {
    V4,
    V6 {
        /// The protocol number that the Fragment header takes the place of, and where that is.
        next_header: u8,
        named_at: usize,
    },
}

impl<'a> Fragments<'a> {
    /// Cuts a finished packet for a link that takes `mtu` bytes. A checksum that was left to the
    /// device is completed first: nobody else sees all of the packet. `id` is the identification. A
    /// fragment of IPv4 is cut into smaller ones of the same packet (RFC 791 §3.2).
    ///
    /// # Errors
    /// [`DropReason::TooBig`] if the headers alone leave no room, [`DropReason::BadOffload`] for a
    /// super-segment, which is to be segmented first, [`DropReason::BadFragment`] for a fragment of a packet
    /// of over 65,535 bytes, and the reason if it is no packet.
    pub(crate) fn new(packet: &'a mut TxPacket, mtu: u16, id: u32) -> Result<Self, DropReason> {
        if packet.meta.gso.is_some() {
            return Err(DropReason::BadOffload);
        }
        transport::complete_checksum(packet);
        let packet = &*packet;
        let mut place = None;
        let (shared_len, version, fragment_len) = match ip::version(&packet.head) {
            Some(4) => {
                let header = IpHeader::parse_quoted(&packet.head)?;
                place = header.fragment;
                (header.header_len, Version::V4, 0)
            }
            Some(6) => {
                let (len, named_at) = unfragmentable(&packet.head)?;
                let next_header = packet.head.get(named_at).copied().unwrap_or(0);
                let version = Version::V6 {
                    next_header,
                    named_at,
                };
                (len, version, FRAGMENT_LEN)
            }
            _ => return Err(DropReason::IpVersion),
        };
        let (shared, transport) = packet
            .head
            .split_at_checked(shared_len)
            .ok_or(DropReason::Truncated)?;
        let room = usize::from(mtu).saturating_sub(shared_len + fragment_len) & !7;
        if room == 0 || transport.len() > room {
            return Err(DropReason::TooBig);
        }
        let total = transport.len() + packet.body_len();
        let base = place.map_or(0, |place| usize::from(place.offset));
        if base + total > usize::from(u16::MAX) {
            return Err(DropReason::BadFragment);
        }
        Ok(Self {
            shared,
            transport,
            rest: Rest::new(&packet.body),
            meta: packet.meta,
            version,
            id,
            base,
            more: place.is_some_and(|place| place.more),
            room,
            offset: 0,
            total,
        })
    }

    /// The number of fragments of a packet of `len` bytes is not larger than this.
    pub(crate) const fn at_most(len: usize, mtu: u16) -> usize {
        if len <= mtu as usize {
            return 1;
        }
        // All headers of a fragment of our own, and what the multiple of eight costs.
        let room = (mtu as usize).saturating_sub(ipv6::HEADER_LEN + FRAGMENT_LEN + 7);
        len.div_ceil(if room == 0 { 1 } else { room })
    }

    /// How many fragments there will be.
    pub(crate) const fn count(&self) -> usize {
        self.total.div_ceil(self.room)
    }

    /// Makes the empty `packet` the next fragment; `false` if there is none.
    pub(crate) fn next_into(&mut self, packet: &mut TxPacket) -> bool {
        let len = self.room.min(self.total - self.offset);
        if len == 0 {
            return false;
        }
        let first = self.offset == 0;
        let transport = if first { self.transport } else { &[] };
        self.rest
            .take(len - transport.len(), &mut packet.body, false);
        packet
            .head
            .prepend(transport.len())
            .copy_from_slice(transport);
        let place = Fragment {
            offset: u16::try_from(self.base + self.offset).unwrap_or(u16::MAX),
            more: self.more || self.offset + len < self.total,
            id: self.id,
        };
        match self.version {
            Version::V4 => emit_v4(self.shared, place, len, &mut packet.head),
            Version::V6 {
                next_header,
                named_at,
            } => {
                packet
                    .head
                    .prepend(FRAGMENT_LEN)
                    .copy_from_slice(&fragment_header(next_header, place));
                emit_v6(self.shared, named_at, len, &mut packet.head);
            }
        }
        packet.meta = self.meta;
        packet.meta.checksum = Checksum::Verified;
        self.offset += len;
        true
    }
}

/// Prepends the IPv4 header of a fragment with `len` bytes of payload.
fn emit_v4(shared: &[u8], place: Fragment, len: usize, head: &mut HeadBuf) {
    let header = head.prepend(shared.len());
    header.copy_from_slice(shared);
    if place.offset > 0
        && let Some(options) = header.get_mut(ipv4::MIN_HEADER_LEN..)
    {
        ipv4_options::keep_copied(options);
    }
    let total = u16::try_from(shared.len() + len).unwrap_or(u16::MAX);
    ipv4::set_fragment(header, total, place);
}

/// Prepends the IPv6 header, and what else is in front of the Fragment header, of a fragment with
/// `len` bytes of payload.
fn emit_v6(shared: &[u8], named_at: usize, len: usize, head: &mut HeadBuf) {
    let header = head.prepend(shared.len());
    header.copy_from_slice(shared);
    let payload_len = shared.len() - ipv6::HEADER_LEN + FRAGMENT_LEN + len;
    ipv6::set_payload_len(header, payload_len);
    if let Some(field) = header.get_mut(named_at) {
        *field = crate::wire::ipv6_ext::FRAGMENT;
    }
}
