//! The flows of a stack: following them, looking at them, and what translating them needs.

use super::Stack;
use super::ip_output::Passage;
use crate::buf::TxPacket;
use crate::conntrack::{FlowInfo, TrackConfig, TrackStats, Tracker};
use crate::error::SocketError;
use crate::filter::Filter;
use crate::hook::HookPoint;
use crate::ip::{Origin, Path};
use crate::qdisc::Sender;
use crate::socket::IpSettings;
use crate::stats::DropReason;
use crate::wire::{IpHeader, icmp, ip, transport};
use alloc::boxed::Box;
use core::net::IpAddr;
use core::ops::Range;

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

    /// The flows in some of the places that the table has for them, numbered from 0; `None` behind the last place.
    /// A flow keeps its place while it is followed, so that one that is there all the while is found once where
    /// places are asked about in pieces, whatever happens between two of them.
    ///
    /// ```
    /// use net_core::conntrack::TrackConfig;
    /// use net_core::{Config, Instant, Seed, Stack};
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// stack.set_tracking(Some(TrackConfig::default()));
    /// let (mut flows, mut first) = (Vec::new(), 0);
    /// while let Some(found) = stack.flows_in(first..first + 1024) {
    ///     flows.extend(found);
    ///     first += 1024;
    /// }
    /// assert_eq!(flows, []);
    /// ```
    pub fn flows_in(&self, places: Range<usize>) -> Option<impl Iterator<Item = FlowInfo>> {
        self.hooks.tracker()?.flows_in(places, self.clock)
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
        self.hooks.own().set(own, self.clock);
    }

    /// Sends a packet of this host by the way that leads to where it goes now, with the mark and the source
    /// that it has now: in fragments, if it is too large for that way and may be cut, and else its sender
    /// is told how large it may be.
    pub(super) fn reroute(
        &mut self,
        packet: &mut TxPacket,
        origin: Origin,
        owner: Option<Sender>,
    ) -> Passage {
        let mut moved = self.new_packet();
        core::mem::swap(&mut *moved, packet);
        let way = IpHeader::parse_quoted(&moved.head)
            .map_err(|_| SocketError::NetworkUnreachable)
            .and_then(|header| Ok((self.route_anew(&header, moved.meta.mark, origin)?, header)));
        let (path, header) = match way {
            Ok(found) => found,
            Err(error) => {
                self.stats.count_drop(DropReason::NoRoute);
                self.recycle(moved);
                return Passage::Refused(error);
            }
        };
        let passage = self.pass_out_at(HookPoint::PostRouting, None, path.iface, &mut moved);
        if passage != Passage::Leaves {
            self.recycle(moved);
            return passage;
        }
        if self.leave_anew(&path, &header, moved, owner) {
            Passage::Moved
        } else {
            Passage::Lost
        }
    }

    /// Whether packets to an address leave over the link that was chosen for them, whatever routes say: what
    /// is for many, and what is of one link.
    pub(super) fn keeps_its_link(&self, dest: IpAddr) -> bool {
        let is_of_one_link = match dest {
            IpAddr::V4(dest) => dest.is_link_local(),
            IpAddr::V6(dest) => dest.is_unicast_link_local(),
        };
        is_of_one_link || dest.is_multicast() || self.addresses.is_broadcast(dest)
    }

    /// The way of a packet of this host with this header.
    fn route_anew(
        &self,
        header: &IpHeader,
        mark: u32,
        origin: Origin,
    ) -> Result<Path, SocketError> {
        let settings = IpSettings {
            tos: header.tos,
            traffic_class: header.tos,
            mark,
            owner: origin.owner,
            iface: origin.bound,
            ..IpSettings::of_answer()
        };
        // What was to stay in this host may have to leave it now.
        let source = Some(header.source);
        let source = source.filter(|source| !source.is_loopback() && !source.is_unspecified());
        self.route_for(&settings, header.dest, source)
    }

    /// Sends a packet by another way than the one that it was finished for; whether there was room for it.
    fn leave_anew(
        &mut self,
        path: &Path,
        header: &IpHeader,
        mut packet: Box<TxPacket>,
        owner: Option<Sender>,
    ) -> bool {
        let (now, mtu) = (self.clock, usize::from(path.mtu));
        packet.meta.departure = packet.meta.departure.max(now);
        let longest = match packet.meta.gso {
            Some(gso) => usize::from(packet.meta.header_len) + usize::from(gso.size),
            None => packet.len(),
        };
        if longest <= mtu {
            if packet.meta.gso.is_none() && !path.caps.tx_checksum {
                transport::complete_checksum(&mut packet);
            }
            let owner = owner.map(|sender| sender.owner(&packet));
            return self.link_output(path, packet, owner, now);
        }
        // As over IPv6, where TCP alone never sends what has to be cut.
        let may_be_cut = match header.dest {
            IpAddr::V4(_) => !header.dont_fragment,
            IpAddr::V6(_) => header.protocol != ip::TCP,
        };
        if packet.meta.gso.is_some() || !may_be_cut {
            let said = self.too_big_now(path.iface, &packet, mtu, now);
            self.recycle(packet);
            self.stats
                .count_drop(said.err().unwrap_or(DropReason::TooBig));
            return true;
        }
        transport::complete_checksum(&mut packet);
        self.send_cut(path, header, packet, owner, now)
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
