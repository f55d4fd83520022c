//! What the options of a handshake come to: window shifts, the first window, the MSS.

use super::context::Negotiated;
use crate::must::must;
use crate::socket::TcpSettings;

/// Rcv.Wind.Shift and Snd.Wind.Shift: windows are scaled both ways or not at all (RFC 7323 §2.3).
pub(super) fn shifts(facts: &Negotiated) -> (u8, u8) {
    match facts.peer_scale {
        Some(peer) => (facts.our_scale, peer),
        None if must("7323 MUST 2.3.3") => (0, 0),
        None => (facts.our_scale, 0),
    }
}

/// The shift with which the window field can express `buffer` bytes (RFC 7323 §2.3: at most 14).
pub(crate) fn window_scale(buffer: usize) -> u8 {
    (0..14)
        .find(|&shift| buffer >> shift <= 0xffff)
        .unwrap_or(14)
}

/// The window in our SYN or SYN-ACK, which is never scaled.
pub(crate) fn initial_window(settings: &TcpSettings) -> u32 {
    u32::try_from(settings.recv_buffer)
        .unwrap_or(u32::MAX)
        .min(0xffff)
}

/// The MSS of a peer that sends no MSS option (RFC 9293 MUST-15; IPv6: RFC 8200 §5's 1280 − 60).
pub(crate) fn default_mss(v6: bool) -> u16 {
    match v6 {
        _ if !must("9293 MUST-15") => u16::MAX,
        true => 1220,
        false => 536,
    }
}
