//! The way in: from a batch of received packets to the protocol of each.

use super::Stack;
use crate::buf::RxBatch;
use crate::iface::{IfaceId, IfaceKind};
use crate::offload::gro;
use crate::time::Instant;

impl Stack {
    /// Takes in what a device received, and leaves the batch empty.
    pub fn handle_batch(&mut self, iface: IfaceId, batch: &mut RxBatch, now: Instant) {
        self.clock = now;
        for packet in batch.packets() {
            self.stats.rx_packets += 1;
            self.stats.rx_bytes += packet.len() as u64;
        }
        let Some((kind, caps)) = self
            .iface(iface)
            .map(|iface| (iface.config.kind, iface.caps))
        else {
            batch.clear();
            return;
        };
        if let IfaceKind::Ethernet(mac) = kind {
            batch.retain(|frame| self.ethernet_input(iface, mac, frame, now));
        } else if self.taps.hears_incoming() {
            self.tap_packets(iface, batch.packets(), now);
        }
        if caps.software_gro {
            gro::merge(batch);
        }
        for packet in batch.packets_mut() {
            if let Err(reason) = self.ip_input(iface, packet, now) {
                self.stats.count_drop(reason);
            }
        }
        batch.clear();
    }
}
