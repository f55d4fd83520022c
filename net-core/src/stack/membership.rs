//! Messages about memberships in multicast groups: IGMP (RFC 3376) and MLD (RFC 3810) in the stack.

use super::ip_input::Arrival;
use super::ip_output::Passage;
use super::{Stack, TimerKey};
use crate::buf::TxPacket;
use crate::iface::IfaceId;
use crate::ip::{Origin, Path};
use crate::multicast::{Context, Group, Say, Told};
use crate::socket::IpSettings;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ipv6_ext::{Chain, ExtensionOption, HOP_BY_HOP};
use crate::wire::membership::{Query, Record, Sources, Version};
use crate::wire::{
    IpHeader, Membership, ethernet, igmp, ip, ipv4, ipv4_options, ipv6, mld, transport,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl Stack {
    /// Changes who listens to a group on an interface, and tells routers.
    pub(super) fn change_group(
        &mut self,
        iface: IfaceId,
        address: IpAddr,
        edit: impl FnOnce(&mut Group),
        now: Instant,
    ) {
        let Some(own) = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut) else {
            return;
        };
        let mut cx = Context {
            now,
            rng: &mut self.rng,
        };
        let said = own.memberships_mut(address).change(address, edit, &mut cx);
        self.membership_say(iface, address.is_ipv4(), said, now);
        self.membership_settle(iface);
    }

    /// Takes in an IGMP message. Reports of others are looked at for the sake of old routers alone.
    pub(super) fn igmp_input(
        &mut self,
        arrival: &Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Arrival { ip, packet, .. } = arrival;
        let end = ip.total_len();
        let message = packet.frame.get(ip.header_len..end);
        let message = igmp::parse(message.ok_or(DropReason::Truncated)?)?;
        if let Membership::Query(query) = &message {
            let options = packet.frame.get(ipv4::MIN_HEADER_LEN..ip.header_len);
            let alerts = options.is_some_and(ipv4_options::has_router_alert);
            let passes = match query.version {
                // RFC 1112 appendix I: to all hosts of the link, which no router sends on.
                Version::First => ip.dest == IpAddr::V4(ethernet::ALL_HOSTS),
                // RFC 3376 §9.1: hosts SHOULD ignore what routers would not have looked at.
                _ => alerts,
            };
            if !passes {
                return Err(DropReason::Membership);
            }
        }
        self.membership_input(arrival.over, &message, now);
        Ok(())
    }

    /// Takes in an MLD message whose checksum is right (RFC 3810 §6.2, RFC 2710 §4).
    pub(super) fn mld_input(
        &mut self,
        arrival: &Arrival<'_>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Arrival { ip, packet, .. } = arrival;
        let is_of_link = match ip.source {
            IpAddr::V6(source) => source.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        };
        if ip.ttl != 1 || !is_of_link || !has_router_alert(&packet.frame) {
            return Err(DropReason::Membership);
        }
        let message = packet.frame.get(ip.header_len..ip.total_len());
        let message = mld::parse(message.ok_or(DropReason::Truncated)?)?;
        self.membership_input(arrival.over, &message, now);
        Ok(())
    }

    fn membership_input(&mut self, over: IfaceId, message: &Membership<'_>, now: Instant) {
        let Some(own) = self.ifaces.get_mut(over.index()).and_then(Option::as_mut) else {
            return;
        };
        match message {
            Membership::Query(query) => {
                let query: &Query<'_> = query;
                self.stats.membership_queries += 1;
                let mut cx = Context {
                    now,
                    rng: &mut self.rng,
                };
                own.memberships_mut(query.group)
                    .handle_query(query, &mut cx);
            }
            Membership::Member { group, .. } => {
                own.memberships_mut(*group).handle_member(*group, now);
            }
            // They are for routers.
            Membership::Leave { .. } | Membership::Report(_) => return,
        }
        self.membership_settle(over);
    }

    /// Says what is due about the groups of an interface.
    pub(super) fn membership_timeout(&mut self, iface: IfaceId, now: Instant) {
        let Some(own) = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut) else {
            return;
        };
        own.membership_timer = None;
        let mut cx = Context {
            now,
            rng: &mut self.rng,
        };
        let [v4, v6] = own
            .all_memberships()
            .each_mut()
            .map(|memberships| memberships.handle_timeout(&mut cx));
        self.membership_say(iface, true, v4, now);
        self.membership_say(iface, false, v6, now);
        self.membership_settle(iface);
    }

    /// Sets the timer of an interface to when something is due.
    fn membership_settle(&mut self, iface: IfaceId) {
        let Some(own) = self.ifaces.get_mut(iface.index()).and_then(Option::as_mut) else {
            return;
        };
        let families = own.all_memberships().iter();
        let next = families.filter_map(|memberships| memberships.next()).min();
        let armed = own.membership_timer;
        if next == armed.and_then(|timer| self.wheel.deadline(timer)) {
            return;
        }
        if let Some(timer) = own.membership_timer.take() {
            self.wheel.cancel(timer);
        }
        own.membership_timer = next.map(|at| self.wheel.insert(TimerKey::Membership(iface), at));
    }

    /// Sends messages over an interface.
    fn membership_say(&mut self, iface: IfaceId, v4: bool, said: Vec<Say>, now: Instant) {
        for say in said {
            match say {
                Say::Report(told) => self.report(iface, v4, &told, now),
                Say::Member { version, group } => match group {
                    IpAddr::V4(group) => {
                        let message = igmp::emit_member(version, group);
                        self.igmp_send(iface, group, message, now);
                    }
                    IpAddr::V6(group) => {
                        self.mld_send(iface, group, &mld::emit_member(group), now);
                    }
                },
                Say::Leave { group } => match group {
                    IpAddr::V4(group) => {
                        let message = igmp::emit_leave(group);
                        self.igmp_send(iface, igmp::ALL_ROUTERS, message, now);
                    }
                    IpAddr::V6(group) => {
                        let dest = ethernet::ALL_ROUTERS;
                        self.mld_send(iface, dest, &mld::emit_done(group), now);
                    }
                },
            }
        }
    }

    /// Sends as many reports as these records need.
    fn report(&mut self, iface: IfaceId, v4: bool, told: &[Told], now: Instant) {
        let to = told.first().map(|told| told.group);
        let own = self.iface(iface).zip(to);
        let mtu = own.map_or(0, |(own, group)| own.mtu_to(group));
        let headers = if v4 { IGMP_HEADERS } else { MLD_HEADERS };
        let room = usize::from(mtu).saturating_sub(headers);
        let octets: Vec<Octets> = told.iter().map(Octets::of).collect();
        let records = told.iter().zip(&octets).map(|(told, octets)| Record {
            kind: told.kind,
            group: told.group,
            sources: octets.sources(),
        });
        let mut report: Vec<Record<'_>> = Vec::new();
        let mut len = 0;
        for record in records {
            if len + record.len() > room && !report.is_empty() {
                self.send_report(iface, v4, &report, now);
                (len, report) = (0, Vec::new());
            }
            len += record.len();
            report.push(record);
        }
        if !report.is_empty() {
            self.send_report(iface, v4, &report, now);
        }
    }

    fn send_report(&mut self, iface: IfaceId, v4: bool, records: &[Record<'_>], now: Instant) {
        if v4 {
            let message = igmp::emit_report(records);
            self.igmp_send(iface, igmp::ALL_ROUTERS_V3, message, now);
        } else {
            let message = mld::emit_report(records);
            self.mld_send(iface, mld::ALL_ROUTERS_V2, &message, now);
        }
    }

    /// Sends an IGMP message: one hop, internetwork control, with Router Alert (RFC 3376 §4).
    fn igmp_send(&mut self, iface: IfaceId, dest: Ipv4Addr, message: Vec<u8>, now: Instant) {
        let dest = IpAddr::V4(dest);
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let Some(path) = self.membership_path(iface, dest, nobody) else {
            return;
        };
        let mut packet = self.new_packet();
        let header = IpHeader {
            ttl: 1,
            tos: INTERNETWORK_CONTROL,
            ..IpHeader::new(path.source, dest, igmp::PROTOCOL, message.len())
        };
        packet.body.push(Bytes::from(message));
        ipv4::emit_with_router_alert(&header, &mut packet.head);
        packet.meta.checksum = crate::buf::Checksum::Verified;
        packet.meta.departure = now;
        self.membership_output(&path, packet, now);
    }

    /// Sends an MLD message: one hop, with Router Alert (RFC 3810 §5).
    fn mld_send(&mut self, iface: IfaceId, dest: Ipv6Addr, message: &[u8], now: Instant) {
        let dest = IpAddr::V6(dest);
        let nobody = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let Some(mut path) = self.membership_path(iface, dest, nobody) else {
            return;
        };
        // RFC 3810 §5.2.13: from a link-local address, or while there is none from nowhere.
        let own = self.iface(iface);
        let of_link = own.and_then(|own| own.source_for(ethernet::ALL_NODES.into()));
        path.source = of_link
            .filter(|source| matches!(source, IpAddr::V6(v6) if v6.is_unicast_link_local()))
            .unwrap_or(nobody);
        let mut packet = self.new_packet();
        let (front, rest) = message.split_at(message.len().min(igmp::MIN_LEN));
        packet.body.push(Bytes::copy_from_slice(rest));
        packet.head.prepend(front.len()).copy_from_slice(front);
        transport::fill_checksum(&mut packet, path.source, dest, ip::ICMPV6, false);
        let alert = packet.head.prepend(mld::ROUTER_ALERT.len());
        alert.copy_from_slice(&mld::ROUTER_ALERT);
        let header = IpHeader {
            ttl: 1,
            ..IpHeader::new(path.source, dest, HOP_BY_HOP, packet.len())
        };
        header.emit(&mut packet.head);
        packet.meta.departure = now;
        self.membership_output(&path, packet, now);
    }

    fn membership_output(&mut self, path: &Path, mut packet: Box<TxPacket>, now: Instant) {
        let origin = Origin::of(&IpSettings::default());
        if self.pass_out(path.iface, origin, &mut packet, None) != Passage::Leaves {
            self.recycle(packet);
            return;
        }
        self.stats.membership_reports += 1;
        self.link_output(path, packet, None, now);
    }

    /// The way of a message over an interface, from `otherwise` if that has no address.
    fn membership_path(&self, iface: IfaceId, dest: IpAddr, otherwise: IpAddr) -> Option<Path> {
        let own = self.iface(iface)?;
        let source = own.source_for(dest).unwrap_or(otherwise);
        Some(self.path(iface, own, source, dest))
    }
}

/// Sources as they are on the wire.
enum Octets {
    V4(Vec<[u8; 4]>),
    V6(Vec<[u8; 16]>),
}

impl Octets {
    fn of(told: &Told) -> Self {
        let all = told.sources.iter();
        match told.group {
            IpAddr::V4(_) => Self::V4(
                all.filter_map(|source| match source {
                    IpAddr::V4(v4) => Some(v4.octets()),
                    IpAddr::V6(_) => None,
                })
                .collect(),
            ),
            IpAddr::V6(_) => Self::V6(
                all.filter_map(|source| match source {
                    IpAddr::V6(v6) => Some(v6.octets()),
                    IpAddr::V4(_) => None,
                })
                .collect(),
            ),
        }
    }

    fn sources(&self) -> Sources<'_> {
        match self {
            Self::V4(list) => Sources::V4(list),
            Self::V6(list) => Sources::V6(list),
        }
    }
}

/// Whether the Hop-by-Hop options of an IPv6 packet alert routers.
fn has_router_alert(frame: &[u8]) -> bool {
    let Some(Ok(first)) = Chain::new(frame).next() else {
        return false;
    };
    let mut options = first.options().filter_map(Result::ok);
    first.kind == HOP_BY_HOP && options.any(|option| option.kind == ExtensionOption::ROUTER_ALERT)
}

/// Bytes in front of the records of a report.
const IGMP_HEADERS: usize = ipv4::MIN_HEADER_LEN + 4 + igmp::MIN_LEN;
const MLD_HEADERS: usize = ipv6::HEADER_LEN + mld::ROUTER_ALERT.len() + igmp::MIN_LEN;
/// Type of service of IGMP messages (RFC 3376 §4).
const INTERNETWORK_CONTROL: u8 = 0xc0;
