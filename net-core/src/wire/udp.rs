//! The UDP header (RFC 768).

use crate::buf::HeadBuf;
use crate::stats::DropReason;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;

/// Where in the header the checksum is.
pub const CHECKSUM_OFFSET: usize = 6;

/// Where in the header the length is.
pub(crate) const LENGTH_OFFSET: usize = 4;

/// What a UDP header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpHeader {
    /// Port it came from; 0 if there is nothing to answer to.
    pub source_port: u16,
    /// Port it is for.
    pub dest_port: u16,
    /// Bytes of header and payload.
    pub length: u16,
    /// The checksum as it stands there; 0 means none (IPv4 only).
    pub checksum: u16,
}

/// The header as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    source_port: U16,
    dest_port: U16,
    length: U16,
    checksum: U16,
}

impl UdpHeader {
    /// Reads the header at the front of `bytes`; `payload_len` is that of the IP packet.
    ///
    /// # Errors
    /// The reason to drop the datagram: it is cut off, or its length field says less than the
    /// header or more than the packet.
    #[inline]
    pub fn parse(bytes: &[u8], payload_len: usize) -> Result<Self, DropReason> {
        let (fixed, _) = Fixed::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        let length = fixed.length.get();
        if usize::from(length) < HEADER_LEN {
            return Err(DropReason::TransportHeader);
        }
        if usize::from(length) > payload_len {
            return Err(DropReason::Truncated);
        }
        Ok(Self {
            source_port: fixed.source_port.get(),
            dest_port: fixed.dest_port.get(),
            length,
            checksum: fixed.checksum.get(),
        })
    }

    /// Prepends the header as it is; the checksum is filled in by
    /// [`fill_checksum`](super::transport::fill_checksum).
    #[inline]
    pub fn emit(&self, head: &mut HeadBuf) {
        let fixed = Fixed {
            source_port: U16::new(self.source_port),
            dest_port: U16::new(self.dest_port),
            length: U16::new(self.length),
            checksum: U16::new(self.checksum),
        };
        head.prepend(HEADER_LEN).copy_from_slice(fixed.as_bytes());
    }

    /// Bytes of payload.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        usize::from(self.length).saturating_sub(HEADER_LEN)
    }
}
