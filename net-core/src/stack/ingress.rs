//! The way in: from a batch of received packets to the protocol of each.

use super::Stack;
use crate::buf::{RxBatch, RxPacket};
use crate::iface::IfaceId;
use crate::offload::gro;
use crate::stats::DropReason;
use crate::time::Instant;

impl Stack {
    /// Takes in what a device received, and leaves the batch empty.
    pub fn handle_batch(&mut self, iface: IfaceId, batch: &mut RxBatch, now: Instant) {
        self.clock = now;
        if self
            .iface(iface)
            .is_some_and(|iface| iface.caps.software_gro)
        {
            gro::merge(batch);
        }
        for packet in batch.packets_mut() {
            self.stats.rx_packets += 1;
            self.stats.rx_bytes += packet.len() as u64;
            if let Err(reason) = self.link_input(iface, packet, now) {
                self.stats.count_drop(reason);
            }
        }
        batch.clear();
    }

    /// Takes in one packet as the link carried it.
    fn link_input(
        &mut self,
        iface: IfaceId,
        packet: &mut RxPacket,
        now: Instant,
    ) -> Result<(), DropReason> {
        // The links there are so far carry IP packets alone.
        self.ip_input(iface, packet, now)
    }
}
