//! The TCP header (RFC 9293 §3.1).

use super::tcp_options::TcpOptions;
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header without options.
pub const MIN_HEADER_LEN: usize = 20;

/// Bytes of a header with all the options that fit.
pub const MAX_HEADER_LEN: usize = 60;

/// Where in the header the checksum is.
pub const CHECKSUM_OFFSET: usize = 16;

/// Where in the header the sequence number is.
pub(crate) const SEQ_OFFSET: usize = 4;
/// Where in the header the data offset and the flags are: 16 bits, the window behind them.
pub(crate) const OFFSET_FLAGS_OFFSET: usize = 12;

bitflags::bitflags! {
    /// Control bits.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct TcpFlags: u16 {
        /// No more data from the sender.
        const FIN = 0x001;
        /// Synchronise sequence numbers.
        const SYN = 0x002;
        /// Reset the connection.
        const RST = 0x004;
        /// Push.
        const PSH = 0x008;
        /// The acknowledgement number is valid.
        const ACK = 0x010;
        /// The urgent pointer is valid.
        const URG = 0x020;
        /// ECN echo (RFC 3168 §6.1).
        const ECE = 0x040;
        /// Congestion window reduced (RFC 3168 §6.1).
        const CWR = 0x080;
        /// Accurate ECN (RFC 9768); once the nonce sum.
        const AE = 0x100;
    }
}

/// What a TCP header says.
///
/// ```
/// use net_core::buf::HeadBuf;
/// use net_core::wire::{TcpFlags, TcpHeader};
/// let header = TcpHeader { source_port: 80, dest_port: 4711, flags: TcpFlags::ACK, ..TcpHeader::default() };
/// let mut head = HeadBuf::new();
/// header.emit(&mut head);
/// assert_eq!(TcpHeader::parse(&head), Ok(header));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpHeader {
    /// Port it came from.
    pub source_port: u16,
    /// Port it is for.
    pub dest_port: u16,
    /// Number of the first payload byte, or of SYN.
    pub seq: SeqNum,
    /// Number of the next byte that the sender expects, if [`TcpFlags::ACK`] is set.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window, not scaled.
    pub window: u16,
    /// Urgent pointer, if [`TcpFlags::URG`] is set.
    pub urgent: u16,
    /// Bytes of the header, options included; set by [`parse`](Self::parse), not looked at by
    /// [`emit`](Self::emit).
    pub header_len: usize,
    /// Options.
    pub options: TcpOptions,
}

/// The fixed part of the header as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    source_port: U16,
    dest_port: U16,
    seq: U32,
    ack: U32,
    offset_flags: U16,
    window: U16,
    checksum: U16,
    urgent: U16,
}

impl TcpHeader {
    /// Reads the header at the front of `bytes`, which may go on with payload.
    ///
    /// Options that are malformed end the reading of options, not of the segment
    /// (RFC 9293 §3.1, MUST-7).
    ///
    /// # Errors
    /// The reason to drop the segment: it is cut off, or the data offset is below 5.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        let (fixed, _) = Fixed::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        let offset_flags = fixed.offset_flags.get();
        let header_len = usize::from(offset_flags >> 12) * 4;
        if header_len < MIN_HEADER_LEN {
            return Err(DropReason::TransportHeader);
        }
        let options = bytes
            .get(MIN_HEADER_LEN..header_len)
            .ok_or(DropReason::Truncated)?;
        Ok(Self {
            source_port: fixed.source_port.get(),
            dest_port: fixed.dest_port.get(),
            seq: SeqNum::new(fixed.seq.get()),
            ack: SeqNum::new(fixed.ack.get()),
            flags: TcpFlags::from_bits_truncate(offset_flags),
            window: fixed.window.get(),
            urgent: fixed.urgent.get(),
            header_len,
            options: TcpOptions::parse(options),
        })
    }

    /// Prepends the header with its options; the checksum is left 0 and filled in by
    /// [`fill_checksum`](super::transport::fill_checksum). How many bytes that were.
    #[inline]
    pub fn emit(&self, head: &mut HeadBuf) -> usize {
        let header_len = MIN_HEADER_LEN + self.options.emit(head);
        let words = u16::try_from(header_len / 4).unwrap_or(0);
        let fixed = Fixed {
            source_port: U16::new(self.source_port),
            dest_port: U16::new(self.dest_port),
            seq: U32::new(self.seq.get()),
            ack: U32::new(self.ack.get()),
            offset_flags: U16::new(words << 12 | self.flags.bits()),
            window: U16::new(self.window),
            checksum: U16::ZERO,
            urgent: U16::new(self.urgent),
        };
        head.prepend(MIN_HEADER_LEN)
            .copy_from_slice(fixed.as_bytes());
        header_len
    }
}

impl Default for TcpHeader {
    fn default() -> Self {
        Self {
            source_port: 0,
            dest_port: 0,
            seq: SeqNum::new(0),
            ack: SeqNum::new(0),
            flags: TcpFlags::empty(),
            window: 0,
            urgent: 0,
            header_len: MIN_HEADER_LEN,
            options: TcpOptions::default(),
        }
    }
}

/// Bytes of the header at the front of `bytes` as its data offset says, 20–60; `None` if it is too
/// short to say so or says less.
#[inline]
pub(crate) fn header_len(bytes: &[u8]) -> Option<usize> {
    let len = usize::from(bytes.get(OFFSET_FLAGS_OFFSET)? >> 4) * 4;
    (len >= MIN_HEADER_LEN).then_some(len)
}
