//! Options of datagram sockets.

use super::UdpSocket;
use crate::error::to_io;
use net_core::SocketError;
use net_core::socket::UdpSettings;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

impl UdpSocket {
    /// Whether the socket may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.settings(|settings| settings.broadcast)
    }

    /// Lets the socket send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.change(|settings| settings.broadcast = on)
    }

    /// The time to live, or hop limit, of packets sent (`IP_TTL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn ttl(&self) -> io::Result<u32> {
        self.control(|core, id| {
            let own = core.stack().udp_settings(id)?.ttl;
            Ok(own.unwrap_or(core.stack().config().ttl).into())
        })
    }

    /// Sets the time to live of packets sent, 1–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        match u8::try_from(ttl) {
            Ok(ttl @ 1..) => self.change(|settings| settings.ttl = Some(ttl)),
            _ => Err(invalid("a time to live is 1 to 255")),
        }
    }

    /// The type of service of IPv4 packets sent (`IP_TOS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.settings(|settings| settings.tos.into())
    }

    /// As [`tos_v4`](Self::tos_v4).
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "renamed to tos_v4"]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// Sets the type of service of IPv4 packets sent, 0–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.set_tclass_v6(tos)
    }

    /// As [`set_tos_v4`](Self::set_tos_v4).
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    #[deprecated = "renamed to set_tos_v4"]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// The traffic class of IPv6 packets sent (`IPV6_TCLASS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// Sets the traffic class of IPv6 packets sent, 0–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        let tos = u8::try_from(tclass)
            .map_err(|_| invalid("a type of service or traffic class is 0 to 255"))?;
        self.change(|settings| settings.tos = tos)
    }

    /// Limits the memory that unread datagrams may hold, in bytes (`SO_RCVBUF`, not doubled).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.change(|settings| settings.recv_buffer = size)
    }

    /// Limits the datagrams that may wait to be sent, in bytes (`SO_SNDBUF`, not doubled).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.change(|settings| settings.send_buffer = size)?;
        self.slot.set_send_buffer(size);
        Ok(())
    }

    /// The interface that the socket is bound to (`SO_BINDTODEVICE`): none.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.settings(|_| None)
    }

    /// Binds the socket to an interface (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    /// `Unsupported` for any interface; `None` is what every socket has.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        match interface {
            None => self.settings(|_| ()),
            Some(_) => self.unsupported("SO_BINDTODEVICE"),
        }
    }

    /// Whether multicast datagrams come back to this host.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.unsupported(MULTICAST)
    }

    /// As [`multicast_loop_v4`](Self::multicast_loop_v4), to set it.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn set_multicast_loop_v4(&self, _on: bool) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    /// The time to live of multicast packets sent.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.unsupported(MULTICAST)
    }

    /// As [`multicast_ttl_v4`](Self::multicast_ttl_v4), to set it.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn set_multicast_ttl_v4(&self, _ttl: u32) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    /// As [`multicast_loop_v4`](Self::multicast_loop_v4), for IPv6.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.unsupported(MULTICAST)
    }

    /// As [`multicast_loop_v6`](Self::multicast_loop_v6), to set it.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn set_multicast_loop_v6(&self, _on: bool) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    /// Joins a multicast group on the interface with the address `interface`.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn join_multicast_v4(&self, _multiaddr: Ipv4Addr, _interface: Ipv4Addr) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    /// Joins a multicast group on the interface numbered `interface`.
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn join_multicast_v6(&self, _multiaddr: &Ipv6Addr, _interface: u32) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    /// Leaves a group joined by [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn leave_multicast_v4(&self, _multiaddr: Ipv4Addr, _interface: Ipv4Addr) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    /// Leaves a group joined by [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    /// `Unsupported`: this stack has no multicast yet.
    pub fn leave_multicast_v6(&self, _multiaddr: &Ipv6Addr, _interface: u32) -> io::Result<()> {
        self.unsupported(MULTICAST)
    }

    fn settings<R>(&self, f: impl FnOnce(&UdpSettings) -> R) -> io::Result<R> {
        self.control(|core, id| core.stack().udp_settings(id).map(f))
    }

    fn change(&self, f: impl FnOnce(&mut UdpSettings)) -> io::Result<()> {
        self.control(|core, id| core.stack_mut().udp_settings_mut(id).map(f))
    }
}

fn invalid(what: &'static str) -> io::Error {
    to_io(SocketError::InvalidInput(what))
}

const MULTICAST: &str = "multicast";
