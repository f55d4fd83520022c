//! What the sender of a packet is told that a filter or a hook rejects.

use super::Stack;
use super::ip_input::{Arrival, has_extensions};
use super::reassembly::LONGEST_HEADERS;
use crate::buf::{RxPacket, TxPacket};
use crate::filter::Answer;
use crate::iface::IfaceId;
use crate::ip::{IpMeta, read_chain};
use crate::socket::IpSettings;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{IcmpMessage, TcpFlags, TcpHeader, ip, transport};
use core::net::IpAddr;

impl Stack {
    /// Tells the sender of a packet that it does not get through.
    pub(super) fn reject(&mut self, mut arrival: Arrival<'_>, answer: Answer, now: Instant) {
        if arrival.is_to_many() {
            return;
        }
        match answer {
            Answer::Unreachable { v4, v6 } => {
                let code = match arrival.ip.dest {
                    IpAddr::V4(_) => v4,
                    IpAddr::V6(_) => v6,
                };
                self.send_error(arrival, &IcmpMessage::Unreachable { code }, now);
            }
            Answer::TcpReset => {
                if let Some(reset) = reset_for(&mut arrival) {
                    self.send_reset_for(&arrival, &reset, now);
                }
            }
        }
    }

    /// Tells the sender of a packet, on this host, that it does not get out.
    pub(super) fn reject_own(
        &mut self,
        over: IfaceId,
        packet: &TxPacket,
        answer: Answer,
        now: Instant,
    ) {
        let mut copy = RxPacket::default();
        if let Ok(arrival) = self.as_if_arrived(over, packet, &mut copy) {
            self.reject(arrival, answer, now);
        }
    }

    /// Sends a reset as if it came from whom the segment was for.
    fn send_reset_for(&mut self, arrival: &Arrival<'_>, reset: &TcpHeader, now: Instant) {
        if !self.limits.reset.take(now) {
            self.stats.count_drop(DropReason::RateLimited);
            return;
        }
        let Ok(path) = self.route(arrival.ip.source, None) else {
            self.stats.count_drop(DropReason::NoRoute);
            return;
        };
        let mut packet = self.new_packet();
        reset.emit(&mut packet.head);
        packet.meta.tracked = arrival.packet.meta.tracked.answer();
        self.stats.tcp_resets_sent += 1;
        self.stats.tcp_out_segments += 1;
        let (dest, ttl) = (arrival.ip.source, self.config.ttl);
        let meta = IpMeta {
            source: arrival.ip.dest,
            ..IpMeta::new(&IpSettings::default(), &path, dest, ip::TCP, ttl)
        };
        self.ip_output(&path, meta, packet, None, now);
    }
}

/// The segment that resets the connection that a packet belongs to (RFC 9293 §3.10.7.1); `None` where
/// it is no segment, a reset itself, or broken. What goes on to others has its extension headers still.
fn reset_for(arrival: &mut Arrival<'_>) -> Option<TcpHeader> {
    let mut header = arrival.ip;
    if has_extensions(&header) {
        arrival.packet.pull(LONGEST_HEADERS);
        let end = read_chain(&arrival.packet.frame, &header).ok()?;
        header = end.moved(&header)?;
    }
    if header.protocol != ip::TCP || header.fragment.is_some() {
        return None;
    }
    transport::verify_checksum(arrival.packet, &header).ok()?;
    let segment = arrival.packet.frame.get(header.header_len..)?;
    let segment = TcpHeader::parse(segment).ok()?;
    if segment.flags.contains(TcpFlags::RST) {
        return None;
    }
    let mut reset = TcpHeader {
        source_port: segment.dest_port,
        dest_port: segment.source_port,
        flags: TcpFlags::RST,
        ..TcpHeader::default()
    };
    if segment.flags.contains(TcpFlags::ACK) {
        reset.seq = segment.ack;
        return Some(reset);
    }
    let data = header.payload_len.checked_sub(segment.header_len)?;
    let controls = segment.flags & (TcpFlags::SYN | TcpFlags::FIN);
    let len = data + controls.bits().count_ones() as usize;
    reset.flags |= TcpFlags::ACK;
    reset.ack = segment.seq + u32::try_from(len).ok()?;
    Some(reset)
}
