//! The flows of a stack: following them, looking at them, and what translating them needs.

use super::Stack;
use crate::buf::TxPacket;
use crate::conntrack::{FlowInfo, TrackConfig, TrackStats, Tracker};
use crate::filter::Filter;
use crate::hook::HookPoint;
use crate::stats::DropReason;
use crate::wire::{IpHeader, icmp, ip, transport};
use core::net::IpAddr;

impl Stack {
    /// Follows the flows that packets belong to, with these settings, or no longer. Flows that were
    /// followed before are forgotten.
    ///
    /// A filter that asks about flows, or translates them, has them followed with default settings if
    /// nothing else was said.
    ///
    /// ```
    /// use net_core::conntrack::TrackConfig;
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// stack.set_tracking(Some(TrackConfig::default()));
    /// assert_eq!(stack.flows().count(), 0);
    /// ```
    pub fn set_tracking(&mut self, config: Option<TrackConfig>) {
        self.tracking = config.is_some();
        self.track(config);
    }

    /// Has flows followed if the filter needs it, and not if only another filter did.
    pub(super) fn track_for_filter(&mut self) {
        let needed = self.hooks.filter().is_some_and(Filter::needs_flows);
        match (needed, self.hooks.is_tracking()) {
            (true, false) => self.track(Some(TrackConfig::default())),
            (false, true) if !self.tracking => self.track(None),
            _ => {}
        }
    }

    fn track(&mut self, config: Option<TrackConfig>) {
        let tracker = config.map(|config| Tracker::new(config, self.track_seed, self.clock));
        self.hooks.set_tracker(tracker);
    }

    /// The flows that are followed, in no order that means anything.
    pub fn flows(&self) -> impl Iterator<Item = FlowInfo> {
        let tracker = self.hooks.tracker().into_iter();
        tracker.flat_map(|tracker| tracker.flows(self.clock))
    }

    /// What following flows has come to; `None` while none are followed.
    #[must_use]
    pub fn track_stats(&self) -> Option<TrackStats> {
        self.hooks.tracker().map(Tracker::stats)
    }

    /// Notes the first address of each family of every interface: what flows are translated to.
    pub(super) fn note_own_addresses(&mut self) {
        let mut own = alloc::vec::Vec::new();
        for (id, config) in self.ifaces() {
            let addresses = config.addresses.iter().map(|cidr| cidr.address);
            for is_v4 in [true, false] {
                let mut usable = addresses.clone().filter(|address| match address {
                    IpAddr::V4(address) => is_v4 && !address.is_link_local(),
                    IpAddr::V6(address) => !is_v4 && !address.is_unicast_link_local(),
                });
                own.extend(usable.next().map(|address| (id, address)));
            }
        }
        self.hooks.set_own(own);
    }

    /// Sends a packet of this host on that has got another destination.
    pub(super) fn reroute(&mut self, packet: &mut TxPacket, dest: IpAddr) {
        let mut moved = self.new_packet();
        core::mem::swap(&mut *moved, packet);
        let now = self.clock;
        let Ok(path) = self.route(dest, None) else {
            self.stats.count_drop(DropReason::NoRoute);
            self.recycle(moved);
            return;
        };
        if !self.pass_out_at(HookPoint::PostRouting, None, path.iface, &mut moved) {
            self.recycle(moved);
            return;
        }
        if moved.meta.gso.is_none() && !path.caps.tx_checksum {
            transport::complete_checksum(&mut moved);
        }
        moved.meta.departure = moved.meta.departure.max(now);
        self.link_output(&path, moved, None, now);
    }
}

/// Has the headers that an ICMP error of this host quotes lie in one piece with its own.
pub(super) fn pull_quotation(packet: &mut TxPacket) {
    let Ok(header) = IpHeader::parse_quoted(&packet.head) else {
        return;
    };
    let is_icmp = matches!(header.protocol, ip::ICMP | ip::ICMPV6);
    let has_all = packet.head.len() > header.header_len + icmp::HEADER_LEN;
    let Some(first) = packet.body.first_mut().filter(|_| is_icmp && !has_all) else {
        return;
    };
    let taken = first.split_to(first.len().min(MAX_QUOTED));
    if first.is_empty() {
        packet.body.remove(0);
    }
    let head = packet.head.clone();
    packet.head.clear();
    packet.head.prepend(taken.len()).copy_from_slice(&taken);
    packet.head.prepend(head.len()).copy_from_slice(&head);
}

/// Bytes of a quotation that have the headers of what it quotes: IPv6, and eight bytes more.
const MAX_QUOTED: usize = 80;
