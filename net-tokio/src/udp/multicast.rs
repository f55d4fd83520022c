//! Multicast groups of datagram sockets: who is heard, and where what is sent to a group goes.

use super::UdpSocket;
use crate::options::byte;
use net_core::multicast::MembershipChange;
use net_core::socket::MulticastSettings;
use net_core::{IfaceId, SocketError, Stack};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

impl UdpSocket {
    /// Whether what is sent to IPv4 groups comes back to members on this host (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.multicast(|settings| settings.loop_v4)
    }

    /// Says whether what is sent to IPv4 groups comes back to members on this host. On by default.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.set_multicast(|settings| settings.loop_v4 = on)
    }

    /// The time to live of packets to IPv4 groups (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.multicast(|settings| settings.ttl.into())
    }

    /// Sets the time to live of packets to IPv4 groups, 0–255: 1 by default, the link alone; with 0
    /// they stay on this host.
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        let ttl = hops(ttl)?;
        self.set_multicast(|settings| settings.ttl = ttl)
    }

    /// As [`multicast_loop_v4`](Self::multicast_loop_v4), for IPv6 (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// `Unsupported` for an IPv4 socket.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.check_read_v6()?;
        self.multicast(|settings| settings.loop_v6)
    }

    /// As [`set_multicast_loop_v4`](Self::set_multicast_loop_v4), for IPv6.
    ///
    /// # Errors
    /// The kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.check_write_v6()?;
        self.set_multicast(|settings| settings.loop_v6 = on)
    }

    /// The hop limit of packets to IPv6 groups (`IPV6_MULTICAST_HOPS`).
    ///
    /// # Errors
    /// `Unsupported` for an IPv4 socket.
    pub fn multicast_hops_v6(&self) -> io::Result<u32> {
        self.check_read_v6()?;
        self.multicast(|settings| settings.hops.into())
    }

    /// As [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4), for IPv6.
    ///
    /// # Errors
    /// `InvalidInput` for another number, the kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn set_multicast_hops_v6(&self, limit: u32) -> io::Result<()> {
        self.check_write_v6()?;
        let limit = hops(limit)?;
        self.set_multicast(|settings| settings.hops = limit)
    }

    /// An address of the interface that packets to IPv4 groups leave over (`IP_MULTICAST_IF`);
    /// unspecified: where routes lead.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn multicast_if_v4(&self) -> io::Result<Ipv4Addr> {
        self.control(|core, id| {
            let stack = core.stack();
            let chosen = stack.udp_settings(id)?.multicast.iface_v4;
            let mut ifaces = stack.ifaces();
            let config = ifaces.find(|(iface, _)| Some(*iface) == chosen);
            let addresses = config.into_iter().flat_map(|(_, config)| &config.addresses);
            let v4 = addresses.filter_map(|cidr| match cidr.address {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            });
            Ok({ v4 }.next().unwrap_or(Ipv4Addr::UNSPECIFIED))
        })
    }

    /// Has packets to IPv4 groups leave over the interface with the address `interface`; unspecified:
    /// where routes lead.
    ///
    /// # Errors
    /// `AddrNotAvailable` for an address that no interface has.
    pub fn set_multicast_if_v4(&self, interface: &Ipv4Addr) -> io::Result<()> {
        let interface = *interface;
        self.control(|core, id| {
            let stack = core.stack_mut();
            let iface = match interface.is_unspecified() {
                true => None,
                false => Some(
                    stack
                        .iface_of(interface.into())
                        .ok_or(SocketError::AddressNotAvailable)?,
                ),
            };
            stack.change_udp(id, |settings| settings.multicast.iface_v4 = iface)
        })
    }

    /// The number of the interface that packets to IPv6 groups leave over (`IPV6_MULTICAST_IF`); 0:
    /// where routes lead.
    ///
    /// # Errors
    /// `Unsupported` for an IPv4 socket.
    pub fn multicast_if_v6(&self) -> io::Result<u32> {
        self.check_read_v6()?;
        self.multicast(|settings| settings.iface_v6.map_or(0, IfaceId::number))
    }

    /// Has packets to IPv6 groups leave over the interface numbered `interface`, which is 1 for the
    /// first one of the stack; 0: where routes lead.
    ///
    /// # Errors
    /// The kernel's ENODEV for an interface that is not there, its ENOPROTOOPT for an IPv4 socket.
    pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
        self.check_write_v6()?;
        self.control(|core, id| {
            let stack = core.stack_mut();
            let iface = numbered(stack, interface)?;
            stack.change_udp(id, |settings| settings.multicast.iface_v6 = iface)
        })
    }

    /// Whether the socket hears IPv4 groups that other sockets have joined (`IP_MULTICAST_ALL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn multicast_all_v4(&self) -> io::Result<bool> {
        self.multicast(|settings| settings.all_v4)
    }

    /// Says whether the socket hears IPv4 groups that other sockets have joined. On by default, as in
    /// Linux.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_multicast_all_v4(&self, on: bool) -> io::Result<()> {
        self.set_multicast(|settings| settings.all_v4 = on)
    }

    /// As [`multicast_all_v4`](Self::multicast_all_v4), for IPv6 (`IPV6_MULTICAST_ALL`).
    ///
    /// # Errors
    /// `Unsupported` for an IPv4 socket.
    pub fn multicast_all_v6(&self) -> io::Result<bool> {
        self.check_read_v6()?;
        self.multicast(|settings| settings.all_v6)
    }

    /// As [`set_multicast_all_v4`](Self::set_multicast_all_v4), for IPv6.
    ///
    /// # Errors
    /// The kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn set_multicast_all_v6(&self, on: bool) -> io::Result<()> {
        self.check_write_v6()?;
        self.set_multicast(|settings| settings.all_v6 = on)
    }

    /// Joins a group on the interface with the address `interface`; unspecified: that which routes to
    /// the group lead to. At most 20 groups a socket.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_tokio::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// let group = Ipv4Addr::new(239, 1, 2, 3);
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    /// socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
    /// socket.send_to(b"hello", (group, socket.local_addr()?.port())).await?;
    /// let mut buf = [0; 16];
    /// assert_eq!(socket.recv(&mut buf).await?, 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `AddrInUse` where it is joined already, `InvalidInput` for an address that is no group's, the
    /// kernel's ENODEV where there is no such interface.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.change_v4(multiaddr, interface, MembershipChange::Join)
    }

    /// Joins a group on the interface numbered `interface`, which is 1 for the first one of the stack;
    /// 0: that which routes to the group lead to.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](Self::join_multicast_v4); the kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.change_v6(*multiaddr, interface, MembershipChange::Join)
    }

    /// Leaves a group joined by [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    /// `AddrNotAvailable` where it was not joined.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.change_v4(multiaddr, interface, MembershipChange::Leave)
    }

    /// Leaves a group joined by [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    /// `AddrNotAvailable` where it was not joined.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.change_v6(*multiaddr, interface, MembershipChange::Leave)
    }

    /// Hears `source` of a group, and those sources that were named like this before and no others
    /// (`IP_ADD_SOURCE_MEMBERSHIP`; RFC 4607). At most 10 sources of a group.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](Self::join_multicast_v4); `AddrNotAvailable` where it is heard already,
    /// `InvalidInput` where sources are blocked.
    pub fn join_ssm_v4(
        &self,
        source: &Ipv4Addr,
        group: &Ipv4Addr,
        interface: &Ipv4Addr,
    ) -> io::Result<()> {
        let change = MembershipChange::JoinSource((*source).into());
        self.change_v4(*group, *interface, change)
    }

    /// Hears `source` no more; with the last source the group is left (`IP_DROP_SOURCE_MEMBERSHIP`).
    ///
    /// # Errors
    /// `AddrNotAvailable` or `InvalidInput` where it was not heard.
    pub fn leave_ssm_v4(
        &self,
        source: &Ipv4Addr,
        group: &Ipv4Addr,
        interface: &Ipv4Addr,
    ) -> io::Result<()> {
        let change = MembershipChange::LeaveSource((*source).into());
        self.change_v4(*group, *interface, change)
    }

    /// As [`join_ssm_v4`](Self::join_ssm_v4), for IPv6 (`MCAST_JOIN_SOURCE_GROUP`).
    ///
    /// # Errors
    /// As [`join_ssm_v4`](Self::join_ssm_v4); the kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn join_ssm_v6(
        &self,
        source: &Ipv6Addr,
        group: &Ipv6Addr,
        interface: u32,
    ) -> io::Result<()> {
        let change = MembershipChange::JoinSource((*source).into());
        self.change_v6(*group, interface, change)
    }

    /// As [`leave_ssm_v4`](Self::leave_ssm_v4), for IPv6 (`MCAST_LEAVE_SOURCE_GROUP`).
    ///
    /// # Errors
    /// As [`leave_ssm_v4`](Self::leave_ssm_v4).
    pub fn leave_ssm_v6(
        &self,
        source: &Ipv6Addr,
        group: &Ipv6Addr,
        interface: u32,
    ) -> io::Result<()> {
        let change = MembershipChange::LeaveSource((*source).into());
        self.change_v6(*group, interface, change)
    }

    /// Hears all sources but `source`, and others that were blocked before, of a group that was joined
    /// on the interface numbered `interface`; 0: that which routes lead to (`MCAST_BLOCK_SOURCE`).
    ///
    /// # Errors
    /// `InvalidInput` where the group was not joined, or single sources were; `AddrNotAvailable` where
    /// the source is blocked already.
    pub fn block_source(&self, source: IpAddr, group: IpAddr, interface: u32) -> io::Result<()> {
        self.change_membership(group, MembershipChange::BlockSource(source), |stack| {
            numbered(stack, interface)
        })
    }

    /// Undoes [`block_source`](Self::block_source) (`MCAST_UNBLOCK_SOURCE`).
    ///
    /// # Errors
    /// `InvalidInput` or `AddrNotAvailable` where it was not blocked.
    pub fn unblock_source(&self, source: IpAddr, group: IpAddr, interface: u32) -> io::Result<()> {
        self.change_membership(group, MembershipChange::UnblockSource(source), |stack| {
            numbered(stack, interface)
        })
    }

    fn change_v4(
        &self,
        group: Ipv4Addr,
        interface: Ipv4Addr,
        change: MembershipChange,
    ) -> io::Result<()> {
        self.change_membership(group.into(), change, |stack| {
            if interface.is_unspecified() {
                return Ok(None);
            }
            let iface = stack.iface_of(interface.into());
            iface.map(Some).ok_or(SocketError::NoSuchInterface)
        })
    }

    fn change_v6(
        &self,
        group: Ipv6Addr,
        interface: u32,
        change: MembershipChange,
    ) -> io::Result<()> {
        self.check_write_v6()?;
        self.change_membership(group.into(), change, |stack| numbered(stack, interface))
    }

    fn change_membership(
        &self,
        group: IpAddr,
        change: MembershipChange,
        interface: impl FnOnce(&Stack) -> Result<Option<IfaceId>, SocketError>,
    ) -> io::Result<()> {
        self.control(|core, id| {
            let now = core.now();
            let iface = interface(core.stack())?;
            core.stack_mut()
                .change_membership(id, group, iface, change, now)
        })?;
        // Routers are told now, whatever else there is to do.
        self.net.engine().ring();
        Ok(())
    }

    fn multicast<R>(&self, f: impl FnOnce(&MulticastSettings) -> R) -> io::Result<R> {
        self.setting(|settings| f(&settings.multicast))
    }

    fn set_multicast(&self, f: impl FnOnce(&mut MulticastSettings)) -> io::Result<()> {
        self.change(|settings| f(&mut settings.multicast))
    }

    fn check_read_v6(&self) -> io::Result<()> {
        self.ip()
            .check_v6(SocketError::Unsupported("IPv6 options of an IPv4 socket"))
    }

    fn check_write_v6(&self) -> io::Result<()> {
        self.ip().check_v6(SocketError::NoSuchOption)
    }
}

/// The interface of that number; 0 leaves it open.
fn numbered(stack: &Stack, number: u32) -> Result<Option<IfaceId>, SocketError> {
    let iface = IfaceId::from_number(number);
    match iface {
        None if number == 0 => Ok(None),
        Some(iface) if stack.ifaces().any(|(other, _)| other == iface) => Ok(Some(iface)),
        _ => Err(SocketError::NoSuchInterface),
    }
}

/// A number of hops; as in the kernel, −1 is the default.
fn hops(number: u32) -> io::Result<u8> {
    match number.cast_signed() {
        -1 => Ok(1),
        _ => byte(number, "a number of hops is 0 to 255"),
    }
}
