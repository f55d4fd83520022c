//! The course of connections and queues over time.

mod chart;
mod csv;
mod plot;

pub use chart::{Chart, Line, Unit};
pub use csv::queue_to_csv;
pub use plot::queue_chart;

use super::fabric::{Fabric, PortId};
use crate::tcp::{Limit, TcpInfo};
use crate::time::{Duration, Instant};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Samples of connections and queues, taken every so often.
#[derive(Debug)]
pub struct Tracer {
    interval: Duration,
    next: Instant,
    now: Instant,
    connections: BTreeMap<(usize, u32), Series>,
    queues: Vec<(PortId, Vec<QueueSample>)>,
}

/// The course of one connection, as its sender sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// In the order of time.
    pub samples: Vec<Sample>,
}

/// A connection at one moment; see [`TcpInfo`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Congestion window in bytes.
    pub cwnd: u32,
    /// Slow start threshold in bytes, once there is one.
    pub slow_start_threshold: Option<u32>,
    /// Bytes in flight.
    pub in_flight: u32,
    /// The peer's window in bytes.
    pub send_window: u32,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Pacing rate in bytes a second, where there is pacing.
    pub pacing_rate: Option<u64>,
    /// Bytes acknowledged so far.
    pub delivered: u64,
    /// Retransmissions so far.
    pub retransmits: u32,
    /// Retransmission timeouts so far.
    pub timeouts: u32,
    /// What it would need to send more.
    pub limit: Limit,
}

/// A link's queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSample {
    /// When.
    pub at: Instant,
    /// Bytes that wait; 0 where the discipline does not tell.
    pub bytes: usize,
    /// Packets dropped so far, for want of room.
    pub dropped: u64,
    /// Packets marked so far.
    pub marked: u64,
}

impl Tracer {
    pub(super) fn new(interval: Duration, queues: Vec<PortId>, now: Instant) -> Self {
        assert!(!interval.is_zero(), "samples need time between them");
        Self {
            interval,
            next: now,
            now,
            connections: BTreeMap::new(),
            queues: queues.into_iter().map(|port| (port, Vec::new())).collect(),
        }
    }

    /// The connections that were sampled, by the index of their node and by the number that their
    /// application gave them.
    pub fn connections(&self) -> impl Iterator<Item = ((usize, u32), &Series)> {
        self.connections.iter().map(|(key, series)| (*key, series))
    }

    /// The queues that were sampled, in the order in which they were asked for.
    pub fn queues(&self) -> impl Iterator<Item = (PortId, &[QueueSample])> {
        self.queues
            .iter()
            .map(|(port, samples)| (*port, &samples[..]))
    }

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Begins a round of samples.
    pub(super) fn begin(&mut self, now: Instant) {
        self.now = now;
        self.next = now + self.interval;
    }

    pub(super) fn sample(&mut self, node: usize, number: u32, info: &TcpInfo) {
        let threshold = info.slow_start_threshold;
        let sample = Sample {
            at: self.now,
            cwnd: info.cwnd,
            slow_start_threshold: (threshold < u32::MAX).then_some(threshold),
            in_flight: info.in_flight,
            send_window: info.send_window,
            rtt: info.rtt,
            rto: info.rto,
            pacing_rate: info.pacing_rate,
            delivered: info.delivered,
            retransmits: info.retransmits,
            timeouts: info.timeouts,
            limit: info.limit,
        };
        let series = self.connections.entry((node, number)).or_default();
        series.samples.push(sample);
    }

    pub(super) fn sample_queues(&mut self, fabric: &Fabric) {
        for (port, samples) in &mut self.queues {
            let link = fabric.link(*port);
            samples.push(QueueSample {
                at: self.now,
                bytes: link.queued_bytes(self.now).unwrap_or(0),
                dropped: link.counters().queue_full,
                marked: link.counters().marked,
            });
        }
    }
}
