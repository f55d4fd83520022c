//! Packets kept for a capture.

use super::pcapng::{self, Direction};
use crate::buf::{Checksum, RxPacket, TxPacket, crossing};
use crate::time::Instant;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::BytesMut;

/// Packets in the order of time; the oldest give way when there are too many.
#[derive(Debug)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
    limit: usize,
    scratch: BytesMut,
}

/// One packet, with its checksum complete.
#[derive(Debug)]
struct Entry {
    at: Instant,
    bytes: Vec<u8>,
}

impl Log {
    /// A log that keeps the last `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            limit,
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
        self.bytes += self.scratch.len() + ENTRY;
        self.entries.push_back(Entry {
            at,
            bytes: self.scratch.to_vec(),
        });
        while self.bytes > self.limit
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.bytes.len() + ENTRY;
        }
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
        pcapng::interface(&mut out, &tap.name);
        let logs = [
            (tap.received, Direction::Inbound),
            (tap.sent, Direction::Outbound),
        ];
        for (log, direction) in logs {
            let log = log.into_iter().flat_map(|log| &log.entries);
            entries.extend(log.map(|entry| (entry, interface, direction)));
        }
    }
    // Stable: what happened at one time stays in order of interfaces.
    entries.sort_by_key(|(entry, ..)| entry.at);
    for (entry, interface, direction) in entries {
        let record = pcapng::Record {
            interface,
            nanos: entry.at.as_nanos(),
            direction,
            bytes: &entry.bytes,
            len: entry.bytes.len(),
        };
        pcapng::packet(&mut out, &record);
    }
    out
}

/// What an entry costs beside its bytes.
const ENTRY: usize = 64;
