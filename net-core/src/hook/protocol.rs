//! Protocols over IP that the embedder speaks.

use crate::iface::IfaceId;
use crate::time::Instant;
use crate::wire::IpHeader;
use core::fmt;

/// Who takes in the packets of a protocol over IP, under its number; see
/// [`Stack::set_protocol`](crate::Stack::set_protocol).
pub trait ProtocolHandler: fmt::Debug + Send {
    /// Takes in a packet that is for this host, whole, from its IP headers on `payload`; whether it made
    /// sense. What does not is answered as if nobody spoke the protocol.
    fn handle_packet(&mut self, ip: &IpHeader, payload: &[u8], over: IfaceId, now: Instant)
    -> bool;

    /// Hears of an ICMP error about a packet of the protocol that this host has sent: its type and code, and
    /// the packet's IP header and what is quoted of what was behind that.
    fn handle_error(&mut self, kind: (u8, u8), ip: &IpHeader, quoted: &[u8], now: Instant) {
        let _ = (kind, ip, quoted, now);
    }
}
