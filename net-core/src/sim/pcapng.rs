//! Captures in the pcapng format (draft-ietf-opsawg-pcapng), which Wireshark opens: bytes only, for
//! whoever has a file.

use alloc::vec::Vec;

/// Which way a packet went, from the host's point of view (`epb_flags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It was received.
    Inbound,
    /// It was sent.
    Outbound,
}

/// One packet of a capture.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Which of the interfaces, counted from 0 in the order of their [`interface`] blocks.
    pub interface: u32,
    /// Nanoseconds since 1970.
    pub nanos: u64,
    /// Which way it went.
    pub direction: Direction,
    /// Its bytes from the first header on, or the first of them.
    pub bytes: &'a [u8],
    /// How many bytes it had.
    pub len: usize,
}

/// Appends the head of a capture. It comes first, then the interfaces, then packets.
pub fn section(out: &mut Vec<u8>) {
    block(out, SECTION_HEADER, |out| {
        put(out, BYTE_ORDER_MAGIC.to_le_bytes());
        put(out, 1_u16.to_le_bytes());
        put(out, 0_u16.to_le_bytes());
        // Length of the section: not known.
        put(out, u64::MAX.to_le_bytes());
    });
}

/// What packets of an interface begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// An IP header.
    Raw,
}

/// Appends an interface that counts nanoseconds. Characters of its name beyond 255 bytes are left
/// out.
pub fn interface(out: &mut Vec<u8>, name: &str, link: LinkType) {
    let mut end = name.len().min(255);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let name = name.as_bytes().get(..end).unwrap_or_default();
    block(out, INTERFACE_DESCRIPTION, |out| {
        let link = match link {
            LinkType::Ethernet => LINKTYPE_ETHERNET,
            LinkType::Raw => LINKTYPE_RAW,
        };
        put(out, link.to_le_bytes());
        put(out, [0; 2]);
        // No limit to the length of packets.
        put(out, [0; 4]);
        option(out, IF_NAME, name);
        option(out, IF_TSRESOL, &[NANOSECONDS]);
        option(out, END_OF_OPTIONS, &[]);
    });
}

/// Appends a packet.
pub fn packet(out: &mut Vec<u8>, record: &Record<'_>) {
    let captured = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
    let original = u32::try_from(record.len).unwrap_or(u32::MAX);
    let flags = match record.direction {
        Direction::Inbound => 1_u32,
        Direction::Outbound => 2,
    };
    block(out, ENHANCED_PACKET, |out| {
        put(out, record.interface.to_le_bytes());
        let [low, high] = [record.nanos & 0xffff_ffff, record.nanos >> 32]
            .map(|half| u32::try_from(half).unwrap_or(0));
        put(out, high.to_le_bytes());
        put(out, low.to_le_bytes());
        put(out, captured.to_le_bytes());
        put(out, original.to_le_bytes());
        out.extend_from_slice(record.bytes);
        pad(out, record.bytes.len());
        option(out, EPB_FLAGS, &flags.to_le_bytes());
        option(out, END_OF_OPTIONS, &[]);
    });
}

/// A block: its type, its length before and behind what `fill` writes.
fn block(out: &mut Vec<u8>, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    put(out, kind.to_le_bytes());
    put(out, [0; 4]);
    fill(out);
    let len = u32::try_from(out.len() - begin + 4).unwrap_or(u32::MAX);
    put(out, len.to_le_bytes());
    if let Some(field) = out.get_mut(begin + 4..begin + 8) {
        field.copy_from_slice(&len.to_le_bytes());
    }
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    put(out, code.to_le_bytes());
    put(out, u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

/// Fills up to 32 bits what follows a field of `len` bytes.
fn pad(out: &mut Vec<u8>, len: usize) {
    out.resize(out.len() + len.next_multiple_of(4) - len, 0);
}

fn put<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Packets begin with an IPv4 or IPv6 header.
const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
/// 10⁻⁹ s.
const NANOSECONDS: u8 = 9;
const EPB_FLAGS: u16 = 2;
const END_OF_OPTIONS: u16 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_says_its_length_at_both_ends() {
        let mut out = Vec::new();
        section(&mut out);
        interface(&mut out, "eth0", LinkType::Raw);
        for len in 0..9 {
            let record = Record {
                interface: 0,
                nanos: 0x1_2345_6789,
                direction: Direction::Outbound,
                bytes: &[0xab; 9][..len],
                len: 1500,
            };
            packet(&mut out, &record);
        }
        let mut rest = &out[..];
        let mut kinds = Vec::new();
        while !rest.is_empty() {
            let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let len = word(4) as usize;
            assert_eq!(len % 4, 0);
            assert_eq!(word(len - 4) as usize, len);
            kinds.push(word(0));
            rest = &rest[len..];
        }
        assert_eq!(kinds[..2], [SECTION_HEADER, INTERFACE_DESCRIPTION]);
        assert_eq!(kinds[2..], [ENHANCED_PACKET; 9]);
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let mut out = Vec::new();
        interface(&mut out, &"ä".repeat(200), LinkType::Raw);
        let at = 16;
        let len = usize::from(u16::from_le_bytes([out[at + 2], out[at + 3]]));
        assert_eq!(len, 254);
        assert!(core::str::from_utf8(&out[at + 4..at + 4 + len]).is_ok());
    }
}
