//! ARP packets for IPv4 over Ethernet (RFC 826).

use super::ethernet::MacAddr;
use crate::stats::DropReason;
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a packet.
pub const LEN: usize = 28;

/// Whether a packet asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArpOperation {
    /// Who has the target's protocol address?
    Request,
    /// The sender has the sender's protocol address.
    Reply,
}

/// What an ARP packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpPacket {
    /// Question or answer.
    pub operation: ArpOperation,
    /// Link-layer address of the sender (`ar$sha`).
    pub sender_mac: MacAddr,
    /// IPv4 address of the sender (`ar$spa`); 0.0.0.0 in a probe (RFC 5227 §1.1).
    pub sender_ip: Ipv4Addr,
    /// Link-layer address of the target (`ar$tha`); nothing in a request.
    pub target_mac: MacAddr,
    /// IPv4 address of the target (`ar$tpa`).
    pub target_ip: Ipv4Addr,
}

/// The packet as it lies in memory.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Fixed {
    hardware: U16,
    protocol: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender_ip: [u8; 4],
    target_mac: MacAddr,
    target_ip: [u8; 4],
}

impl ArpPacket {
    /// A question for the station that has `target`.
    #[must_use]
    pub const fn request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            operation: ArpOperation::Request,
            sender_mac,
            sender_ip,
            target_mac: MacAddr::ZERO,
            target_ip: target,
        }
    }

    /// The answer of `mac` to a question.
    #[must_use]
    pub const fn reply_to(question: &Self, mac: MacAddr) -> Self {
        Self {
            operation: ArpOperation::Reply,
            sender_mac: mac,
            sender_ip: question.target_ip,
            target_mac: question.sender_mac,
            target_ip: question.sender_ip,
        }
    }

    /// Whether it only asks if somebody uses the target address, before the sender does (RFC 5227
    /// §1.1).
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.operation == ArpOperation::Request && self.sender_ip.is_unspecified()
    }

    /// Reads what follows the Ethernet header. What is behind it is padding.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] below 28 bytes; [`DropReason::Arp`] for other networks than
    /// Ethernet and IPv4, other operations than question and answer, and a sender that is no single
    /// station.
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        let (fixed, _) = Fixed::ref_from_prefix(bytes).map_err(|_| DropReason::Truncated)?;
        let networks = (fixed.hardware.get(), fixed.protocol.get());
        let lengths = (fixed.hardware_len, fixed.protocol_len);
        if networks != (ETHERNET, IPV4) || lengths != (6, 4) {
            return Err(DropReason::Arp);
        }
        let operation = match fixed.operation.get() {
            REQUEST => ArpOperation::Request,
            REPLY => ArpOperation::Reply,
            _ => return Err(DropReason::Arp),
        };
        if !fixed.sender_mac.is_unicast() {
            return Err(DropReason::Arp);
        }
        Ok(Self {
            operation,
            sender_mac: fixed.sender_mac,
            sender_ip: Ipv4Addr::from(fixed.sender_ip),
            target_mac: fixed.target_mac,
            target_ip: Ipv4Addr::from(fixed.target_ip),
        })
    }

    /// The packet as it follows the Ethernet header.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LEN] {
        zerocopy::transmute!(Fixed {
            hardware: U16::new(ETHERNET),
            protocol: U16::new(IPV4),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(match self.operation {
                ArpOperation::Request => REQUEST,
                ArpOperation::Reply => REPLY,
            }),
            sender_mac: self.sender_mac,
            sender_ip: self.sender_ip.octets(),
            target_mac: self.target_mac,
            target_ip: self.target_ip.octets(),
        })
    }
}

const ETHERNET: u16 = 1;
const IPV4: u16 = 0x0800;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
