//! The stack's own disciplines in front of a link.

use super::queue::Queue;
use crate::buf::TxPacket;
use crate::qdisc::{Dropped, Qdisc, Queued};
use crate::time::Instant;
use alloc::boxed::Box;

/// One of the stack's queueing [disciplines](crate::qdisc) as the [`Queue`] of a link.
///
/// ```
/// use net_core::qdisc::{FqCodel, FqCodelConfig};
/// use net_core::sim::{Discipline, Fabric, LinkConfig};
/// use net_core::Seed;
///
/// let mut fabric = Fabric::new(Seed::from_u64(1));
/// let [a, b] = ["a", "b"].map(|name| fabric.add_host(name));
/// let [port, _] = fabric.connect(a, b, LinkConfig::default(), LinkConfig::default());
/// let qdisc = FqCodel::new(FqCodelConfig::default(), Seed::from_u64(2));
/// fabric.set_queue(port, Box::new(Discipline::new(qdisc)));
/// ```
#[derive(Debug)]
pub struct Discipline<Q> {
    qdisc: Q,
    dropped: Dropped,
}

impl<Q: Qdisc> Discipline<Q> {
    /// A queue that `qdisc` manages.
    pub fn new(qdisc: Q) -> Self {
        Self {
            qdisc,
            dropped: Dropped::default(),
        }
    }

    /// Forgets what was dropped; how many packets.
    fn count_dropped(&mut self) -> u64 {
        let mut count = 0;
        while let Some((packet, _)) = self.dropped.pop() {
            count += u64::from(packet.segments());
        }
        count
    }
}

impl<Q: Qdisc> Queue for Discipline<Q> {
    fn enqueue(&mut self, packet: TxPacket, dropped: &mut u64, now: Instant) {
        let packet = Queued::new(Box::new(packet), now);
        self.qdisc.enqueue(packet, &mut self.dropped, now);
        *dropped += self.count_dropped();
    }

    fn dequeue(&mut self, dropped: &mut u64, now: Instant) -> Option<TxPacket> {
        let packet = self.qdisc.dequeue(&mut self.dropped, now);
        *dropped += self.count_dropped();
        packet.map(|packet| *packet.packet)
    }

    fn next_departure(&self) -> Option<Instant> {
        self.qdisc.next_departure()
    }

    fn is_empty(&self) -> bool {
        self.qdisc.is_empty()
    }

    fn bytes(&self) -> Option<usize> {
        usize::try_from(self.qdisc.stats().backlog_bytes).ok()
    }
}
