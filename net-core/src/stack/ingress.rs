//! The way in: from a batch of received packets to the protocol of each.

use super::Stack;
use crate::buf::RxBatch;
use crate::conntrack::AT_ONCE;
use crate::iface::{IfaceId, IfaceKind};
use crate::offload::gro;
use crate::time::Instant;
use crate::wire::{EthernetHeader, MacAddr};

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
            if self.hooks.asks_for_frames() {
                self.handle_each(iface, mac, batch, now);
                return;
            }
            batch.retain(|frame| self.ethernet_input(iface, mac, frame, now));
        } else if self.taps.hears_incoming() {
            self.tap_packets(iface, batch.packets(), now);
        }
        if caps.software_gro {
            gro::merge(batch);
        }
        for packets in batch.packets_mut().chunks_mut(AT_ONCE) {
            if let Some(tracker) = self.hooks.tracker_mut() {
                tracker.look_ahead(packets);
            }
            for (at, packet) in packets.iter_mut().enumerate() {
                if let Some(tracker) = self.hooks.tracker_mut() {
                    tracker.turn_to(at);
                }
                if let Err(reason) = self.ip_input(iface, packet, now) {
                    self.stats.count_drop(reason);
                }
            }
        }
        if let Some(tracker) = self.hooks.tracker_mut() {
            tracker.look_ahead(&[]);
        }
        batch.clear();
    }

    /// Takes in frames one by one, as rules ask for the header of each; none are merged.
    #[inline(never)]
    fn handle_each(&mut self, iface: IfaceId, mac: MacAddr, batch: &mut RxBatch, now: Instant) {
        for packet in batch.packets_mut() {
            self.hooks
                .set_frame(EthernetHeader::parse(&packet.frame).ok());
            if self.ethernet_input(iface, mac, packet, now)
                && let Err(reason) = self.ip_input(iface, packet, now)
            {
                self.stats.count_drop(reason);
            }
        }
        self.hooks.set_frame(None);
        batch.clear();
    }
}
