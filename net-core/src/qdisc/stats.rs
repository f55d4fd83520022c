//! The statistics of a discipline, as `tc -s qdisc` prints them.

use super::{AnyQdisc, Qdisc, Queued};
use core::fmt;

/// What a discipline has done, and what waits in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QdiscStats {
    /// Bytes that left, on the wire.
    pub sent_bytes: u64,
    /// Packets that left; a super-segment counts as what it stands for.
    pub sent_packets: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// How often a packet had to wait for the discipline's rate; `fq`, which keeps to that of the sender, tells
    /// of it itself.
    pub overlimits: u64,
    /// Packets that the device had no room for and gave back.
    pub requeues: u64,
    /// Bytes that wait.
    pub backlog_bytes: u64,
    /// Packets that wait.
    pub backlog_packets: u64,
}

impl QdiscStats {
    pub(super) fn on_enqueued(&mut self, packet: &Queued) {
        self.backlog_bytes += u64::from(packet.wire_len);
        self.backlog_packets += 1;
    }

    /// A packet was taken out, to leave or not.
    pub(super) fn on_removed(&mut self, packet: &Queued) {
        self.backlog_bytes = self
            .backlog_bytes
            .saturating_sub(u64::from(packet.wire_len));
        self.backlog_packets = self.backlog_packets.saturating_sub(1);
    }

    pub(super) fn on_sent(&mut self, packet: &Queued) {
        self.on_removed(packet);
        self.on_passed(u64::from(packet.wire_len), u64::from(packet.segments()));
    }

    /// Packets left that did not have to wait.
    pub(super) const fn on_passed(&mut self, bytes: u64, packets: u64) {
        self.sent_bytes += bytes;
        self.sent_packets += packets;
    }
}

/// One discipline's entry in what `tc -s qdisc show` prints.
#[derive(Debug)]
pub struct QdiscReport<'a> {
    pub(crate) qdisc: &'a AnyQdisc,
    pub(crate) device: &'a str,
    pub(crate) stats: QdiscStats,
}

impl fmt::Display for QdiscReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            qdisc,
            device,
            stats,
        } = self;
        let kind = qdisc.kind();
        write!(f, "qdisc {kind} 0: dev {device} root refcnt 1 {qdisc}")?;
        write!(
            f,
            "\n Sent {} bytes {} pkt (dropped {}, overlimits {} requeues {}) \
             \n backlog {}b {}p requeues {}",
            stats.sent_bytes,
            stats.sent_packets,
            stats.dropped,
            stats.overlimits,
            stats.requeues,
            stats.backlog_bytes,
            stats.backlog_packets,
            stats.requeues,
        )?;
        qdisc.details(f)
    }
}
