//! Packets kept for a capture.

use super::pcapng::{self, Direction, LinkType};
use crate::buf::{Checksum, RxPacket, TxPacket, crossing};
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::BytesMut;

/// Packets in the order of time; the older half gives way when there are too many.
#[derive(Debug)]
pub(super) struct Log {
    older: Half,
    newer: Half,
    /// Bytes that each half may grow to.
    limit: usize,
    scratch: BytesMut,
}

/// Packets one behind the other, each with its checksum complete.
#[derive(Debug, Default)]
struct Half {
    bytes: Vec<u8>,
    /// When each came, and where it ends.
    ends: Vec<(Instant, usize)>,
}

impl Log {
    /// A log that keeps the last `limit` bytes, or up to half of that when it has just let go of the
    /// older half.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            older: Half::default(),
            newer: Half::default(),
            limit: limit / 2,
            scratch: BytesMut::new(),
        }
    }

    pub(super) fn keep_sent(&mut self, packet: &TxPacket, at: Instant) {
        self.scratch.clear();
        packet.copy_to(&mut self.scratch);
        self.keep(packet.meta.checksum, at);
    }

    pub(super) fn keep_received(&mut self, packet: &RxPacket, at: Instant) {
        self.scratch.clear();
        self.scratch.extend_from_slice(&packet.frame);
        for chunk in &packet.frags {
            self.scratch.extend_from_slice(&chunk.bytes);
        }
        self.keep(packet.meta.checksum, at);
    }

    fn keep(&mut self, checksum: Checksum, at: Instant) {
        crossing::complete(checksum, &mut self.scratch);
        if self.newer.bytes.len() + self.scratch.len() > self.limit {
            core::mem::swap(&mut self.older, &mut self.newer);
            self.newer.bytes.clear();
            self.newer.ends.clear();
        }
        let Half { bytes, ends } = &mut self.newer;
        bytes.extend_from_slice(&self.scratch);
        ends.push((at, bytes.len()));
    }

    fn packets(&self) -> impl Iterator<Item = (Instant, &[u8])> {
        self.older.packets().chain(self.newer.packets())
    }
}

impl Half {
    fn packets(&self) -> impl Iterator<Item = (Instant, &[u8])> {
        self.ends.iter().scan(0, |begin, &(at, end)| {
            let packet = self.bytes.get(*begin..end)?;
            *begin = end;
            Some((at, packet))
        })
    }
}

/// An interface of a capture: its name and what it sent and received.
pub(super) struct Tap<'a> {
    pub(super) name: String,
    pub(super) sent: Option<&'a Log>,
    pub(super) received: Option<&'a Log>,
}

/// The capture of several interfaces, in the order of time.
pub(super) fn capture(taps: &[Tap<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    pcapng::section(&mut out);
    let mut entries = Vec::new();
    for (interface, tap) in (0_u32..).zip(taps) {
        pcapng::interface(&mut out, &tap.name, LinkType::Raw);
        let logs = [
            (tap.received, Direction::Inbound),
            (tap.sent, Direction::Outbound),
        ];
        for (log, direction) in logs {
            let packets = log.into_iter().flat_map(Log::packets);
            entries.extend(packets.map(|(at, bytes)| (at, bytes, interface, direction)));
        }
    }
    // Stable: what happened at one time stays in order of interfaces.
    entries.sort_by_key(|(at, ..)| *at);
    for (at, bytes, interface, direction) in entries {
        let record = pcapng::Record {
            interface,
            nanos: at.as_nanos(),
            direction,
            bytes,
            len: bytes.len(),
        };
        pcapng::packet(&mut out, &record);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_newest_within_its_limit() {
        let mut log = Log::new(1000);
        for number in 0..100_u8 {
            let packet = RxPacket::from_frame(BytesMut::from(&[number; 60][..]));
            log.keep_received(&packet, Instant::from_nanos(number.into()));
        }
        let kept: Vec<_> = log.packets().map(|(at, bytes)| (at, bytes[0])).collect();
        assert!(
            (500 / 60..=1000 / 60).contains(&kept.len()),
            "{}",
            kept.len()
        );
        let last = kept.last().copied();
        assert_eq!(last, Some((Instant::from_nanos(99), 99)));
        assert!(kept.is_sorted());
    }
}
