//! Multicast in the stack: who joins which group, and which way packets to groups take.

use super::Stack;
use super::ip_input::Arrival;
use crate::buf::{Checksum, HeadBuf, RxPacket, TxPacket};
use crate::error::SocketError;
use crate::iface::{Iface, IfaceId, IfaceKind};
use crate::ip::{Delivery, IpMeta, Path};
use crate::multicast::{Filter, MembershipChange};
use crate::socket::{Family, IpSettings, MulticastSettings, SocketId};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::ethernet::{self, solicited_node};
use crate::wire::{IpHeader, ipv4, transport};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// Changes what a datagram socket hears of a group on an interface; `None` names that which routes
    /// to the group lead to.
    ///
    /// The interface then takes packets of the group, and routers of the link are told (IGMPv3 and
    /// MLDv2, or what an older router speaks). All memberships of a socket end with it.
    ///
    /// ```
    /// use net_core::iface::{IfaceConfig, IfaceKind};
    /// use net_core::multicast::MembershipChange;
    /// use net_core::socket::Family;
    /// use net_core::{Config, DeviceCaps, Instant, Seed, Stack};
    /// let now = Instant::ZERO;
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), now);
    /// let config = IfaceConfig {
    ///     name: "tun0".into(),
    ///     kind: IfaceKind::PointToPoint,
    ///     mtu: 1500,
    ///     addresses: Vec::new(),
    /// };
    /// let tun0 = stack.add_iface(config, DeviceCaps::default())?;
    /// let socket = stack.udp_open(Family::V4)?;
    /// let group = "239.1.2.3".parse().unwrap();
    /// stack.change_membership(socket, group, Some(tun0), MembershipChange::Join, now)?;
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    ///
    /// # Errors
    /// Those of Linux: `InvalidInput` for an address that is no group's, or a filter of the other mode;
    /// `NoSuchInterface`; `AddressInUse` for a group that was joined; `AddressNotAvailable` for one
    /// that was not, or a source that is named already or is not; `NoBufferSpace` beyond 20 groups of
    /// a socket, 10 sources of a group, and 1,024 groups of an interface; `NoSuchOption` for another
    /// kind of socket, and for an IPv6 group of an IPv4 socket.
    pub fn change_membership(
        &mut self,
        id: SocketId,
        group: IpAddr,
        iface: Option<IfaceId>,
        change: MembershipChange,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.clock = now;
        let socket = match self.kind(id)? {
            super::Kind::Udp => self.udp_socket(id)?,
            super::Kind::Tcp | super::Kind::Packet | super::Kind::Plugged => {
                return Err(SocketError::NoSuchOption);
            }
        };
        if socket.family == Family::V4 && group.is_ipv6() {
            return Err(SocketError::NoSuchOption);
        }
        let (full, at) = {
            let joined = &socket.memberships;
            (joined.len() >= MAX_MEMBERSHIPS, joined.len())
        };
        check_group(group, change)?;
        let iface = self.group_iface(group, iface)?;
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        let before = own.memberships(group).group(group);
        let before = before.and_then(|group| group.member(id));
        let is_new = before.is_none();
        let filter = Filter::changed(before, change)?;
        if is_new && (full || !own.memberships(group).has_room(group)) {
            return Err(SocketError::NoBufferSpace);
        }
        let is_member = filter.is_some();
        self.change_group(iface, group, |entry| entry.set_member(id, filter), now);
        if let Some(socket) = self.sockets.udp_mut(id) {
            let joined = &mut socket.memberships;
            match (is_new, is_member) {
                (true, true) => joined.insert(at, (iface, group)),
                (false, false) => joined.retain(|other| *other != (iface, group)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The interface that has the address.
    #[must_use]
    pub fn iface_of(&self, address: IpAddr) -> Option<IfaceId> {
        self.addresses.iface_of(address)
    }

    /// Ends every membership of a socket that is gone.
    pub(super) fn leave_groups(&mut self, id: SocketId, joined: Vec<(IfaceId, IpAddr)>) {
        let now = self.clock;
        for (iface, group) in joined {
            self.change_group(iface, group, |group| group.set_member(id, None), now);
        }
    }

    /// Takes the memberships of an interface that is gone from their sockets.
    pub(super) fn forget_memberships(&mut self, iface: IfaceId, gone: &mut Iface) {
        let timers = [gone.membership_timer, gone.autoconf.timer];
        for timer in timers.into_iter().flatten() {
            self.wheel.cancel(timer);
        }
        for (_, group) in gone.all_memberships().iter().flat_map(|each| each.groups()) {
            for member in group.members() {
                if let Some(socket) = self.sockets.udp_mut(member) {
                    socket.memberships.retain(|(over, _)| *over != iface);
                }
            }
        }
    }

    /// Listens to the group in which an address is asked for, or no more (RFC 4861 §7.2.1).
    pub(super) fn hold_solicited_node(&mut self, iface: IfaceId, address: IpAddr, on: bool) {
        if let IpAddr::V6(address) = address
            && self.mac(iface).is_some()
        {
            self.hold_group(iface, solicited_node(address), on);
        }
    }

    /// The stack itself joins or leaves a group.
    pub(super) fn hold_group(&mut self, iface: IfaceId, group: Ipv6Addr, on: bool) {
        let now = self.clock;
        let edit = |group: &mut crate::multicast::Group| match on {
            true => group.hold(),
            false => group.release(),
        };
        self.change_group(iface, group.into(), edit, now);
    }

    /// Whether packets to `group` from `source` are for this host, over this interface.
    pub(super) fn is_member(&self, iface: IfaceId, group: IpAddr, source: IpAddr) -> bool {
        group == IpAddr::V4(ethernet::ALL_HOSTS)
            || group == IpAddr::V6(ethernet::ALL_NODES)
            || self
                .iface(iface)
                .is_some_and(|own| own.memberships(group).wants(group, source))
    }

    /// The interface that a group is joined on.
    fn group_iface(&self, group: IpAddr, iface: Option<IfaceId>) -> Result<IfaceId, SocketError> {
        let found = match iface {
            Some(iface) => self.iface(iface).map(|_| iface),
            None => self.route(group, None).ok().map(|path| path.iface),
        };
        found
            .or_else(|| self.first_iface(group).filter(|_| iface.is_none()))
            .ok_or(SocketError::NoSuchInterface)
    }

    /// The interface for IPv6 groups that no route leads to: as in Linux, each has a route to all
    /// groups.
    fn first_iface(&self, group: IpAddr) -> Option<IfaceId> {
        let mut ifaces = self.ifaces();
        let (first, _) = ifaces.find(|(_, config)| {
            config.kind != IfaceKind::Loopback
                && config.addresses.iter().any(|cidr| cidr.address.is_ipv6())
        })?;
        group.is_ipv6().then_some(first)
    }

    /// The way of packets to a group: over the interface that the socket is bound to or names, that of
    /// the source, or where routes lead.
    pub(super) fn route_to_group(
        &self,
        ip: &IpSettings,
        settings: &MulticastSettings,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Path, SocketError> {
        let named = ip.iface().or_else(|| settings.iface_to(group));
        let of_source = || {
            source
                .filter(IpAddr::is_ipv4)
                .and_then(|source| self.iface_of(source))
        };
        let Some(iface) = named.or_else(of_source) else {
            return match (self.route_for(ip, group, source), self.first_iface(group)) {
                (Err(SocketError::NetworkUnreachable), Some(iface)) => {
                    self.path_to_group(ip, iface, group, source)
                }
                (path, _) => path,
            };
        };
        self.path_to_group(ip, iface, group, source)
    }

    fn path_to_group(
        &self,
        ip: &IpSettings,
        iface: IfaceId,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Path, SocketError> {
        if let Some(source) = source {
            self.check_source(ip, source)?;
        }
        let own = self.iface(iface).ok_or(SocketError::NoSuchInterface)?;
        let source = source
            .or_else(|| own.source_for(group))
            .ok_or(SocketError::AddressNotAvailable)?;
        Ok(self.path(iface, own, source, group))
    }

    /// Gives what is sent to a group back to its members here, and says how far it goes; the packet, if
    /// it is to leave this host.
    pub(super) fn send_to_group(
        &mut self,
        path: &Path,
        settings: &MulticastSettings,
        meta: &mut IpMeta,
        options: &[u8],
        packet: Box<TxPacket>,
    ) -> Option<Box<TxPacket>> {
        meta.ttl = settings.hops_to(meta.dest);
        let loops_by_itself = self
            .iface(path.iface)
            .is_none_or(|own| own.config.kind == IfaceKind::Loopback);
        if settings.loops(meta.dest)
            && !loops_by_itself
            && self.is_member(path.iface, meta.dest, meta.source)
        {
            self.loop_back(path.iface, meta, options, &packet);
        }
        if meta.ttl == 0 && !loops_by_itself {
            self.recycle(packet);
            return None;
        }
        Some(packet)
    }

    /// Takes in a copy of a packet that is about to leave without its IP header.
    fn loop_back(&mut self, over: IfaceId, meta: &IpMeta, options: &[u8], packet: &TxPacket) {
        let mut head = HeadBuf::new();
        let header = IpHeader {
            ttl: meta.ttl,
            tos: meta.tos,
            ..IpHeader::new(meta.source, meta.dest, meta.protocol, packet.len())
        };
        header.emit(&mut head);
        if !options.is_empty() {
            ipv4::insert_options(&mut head, options);
        }
        let header = IpHeader {
            header_len: head.len(),
            ..header
        };
        let mut bytes = BytesMut::with_capacity(head.len() + packet.len());
        bytes.extend_from_slice(&head);
        packet.copy_to(&mut bytes);
        let mut copy = RxPacket::from_frame(bytes);
        copy.meta.gso = packet.meta.gso;
        copy.meta.checksum = Checksum::Verified;
        if !meta.has_checksum {
            transport::leave_checksum(&mut copy, &header);
        }
        let arrival = Arrival {
            ip: header,
            delivery: Delivery::Multicast,
            over,
            given_to: None,
            packet: &mut copy,
        };
        match self.local_deliver(arrival, self.clock) {
            // Nobody here needs to want it.
            Ok(()) | Err(DropReason::NoSocket | DropReason::UnknownProtocol) => {}
            Err(reason) => self.stats.count_drop(reason),
        }
    }
}

/// Checks that addresses are a group's and a source's.
fn check_group(group: IpAddr, change: MembershipChange) -> Result<(), SocketError> {
    if !group.is_multicast() {
        return Err(SocketError::InvalidInput("a group has a multicast address"));
    }
    let Some(source) = change.source() else {
        return Ok(());
    };
    if source.is_multicast() || source.is_unspecified() || source.is_ipv4() != group.is_ipv4() {
        return Err(SocketError::InvalidInput(
            "a source has a unicast address of the group's family",
        ));
    }
    Ok(())
}

/// Groups that one socket may join (Linux's `igmp_max_memberships`).
const MAX_MEMBERSHIPS: usize = 20;
