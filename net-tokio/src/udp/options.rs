//! Options of datagram sockets.

use super::UdpSocket;
use crate::options::{self, IpLayer, doubled, ip_options};
use net_core::SocketError;
use net_core::socket::UdpSettings;
use net_core::udp::QueuedError;
use std::io;

impl UdpSocket {
    /// Whether the socket may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.setting(|settings| settings.broadcast)
    }

    /// Lets the socket send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.change(|settings| settings.broadcast = on)
    }

    /// Whether datagrams over IPv4 leave without a checksum (`SO_NO_CHECK`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn no_checksum(&self) -> io::Result<bool> {
        self.setting(|settings| settings.no_checksum)
    }

    /// Lets datagrams over IPv4 leave without a checksum (`SO_NO_CHECK`); over IPv6 they always have
    /// one. It does not go with several datagrams [in one call](Self::send_with).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_no_checksum(&self, on: bool) -> io::Result<()> {
        self.change(|settings| settings.no_checksum = on)
    }

    /// Whether datagrams that a device has joined are received as one (`UDP_GRO`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn gro(&self) -> io::Result<bool> {
        self.setting(|settings| settings.gro)
    }

    /// Receives datagrams that a device has joined into one packet as one buffer (`UDP_GRO`), off by
    /// default: their size is then in [`Datagram::segment`](net_core::udp::Datagram::segment). A device
    /// joins what was [sent together](Self::send_with), be it by a kernel behind a TUN. As in Linux, other
    /// ways to receive see the buffer too, and do not tell the size: with [`recv_from`](Self::recv_from) and
    /// room for one datagram, the others that were joined with it are lost. What is sent to groups and to
    /// broadcast addresses always comes one by one.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_gro(&self, on: bool) -> io::Result<()> {
        self.change(|settings| settings.gro = on)
    }

    /// Whether the options of IPv4 packets are told (`IP_RECVOPTS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn recv_options(&self) -> io::Result<bool> {
        self.setting(|settings| settings.recv_options)
    }

    /// Tells the options of the IPv4 packets that datagrams come in
    /// ([`Datagram::options`](net_core::udp::Datagram::options), `IP_RECVOPTS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_options(&self, on: bool) -> io::Result<()> {
        self.change(|settings| settings.recv_options = on)
    }

    /// Whether ICMP errors are kept (`IP_RECVERR`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn recv_errors(&self) -> io::Result<bool> {
        self.setting(|settings| settings.recv_errors)
    }

    /// Keeps what ICMP errors say about datagrams sent (`IP_RECVERR`, `IPV6_RECVERR`), for
    /// [`try_recv_error`](Self::try_recv_error). An error then also ends the wait of whoever receives,
    /// even a soft one, and even where the socket is not connected.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_errors(&self, on: bool) -> io::Result<()> {
        self.change(|settings| settings.recv_errors = on)
    }

    /// Takes the oldest error that was kept (`MSG_ERRQUEUE`).
    ///
    /// # Errors
    /// `WouldBlock` where there is none.
    pub fn try_recv_error(&self) -> io::Result<QueuedError> {
        self.control(|core, id| {
            let mut udp = core.stack_mut().udp(id).ok_or(SocketError::NoSuchSocket)?;
            udp.recv_error().ok_or(SocketError::WouldBlock)
        })
    }

    /// The time to live of IPv4 packets sent (`IP_TTL`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn ttl(&self) -> io::Result<u32> {
        self.ip().ttl()
    }

    /// Sets the time to live of IPv4 packets sent, 1–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.ip().set_ttl(ttl)
    }

    /// The type of service of IPv4 packets sent (`IP_TOS`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn tos_v4(&self) -> io::Result<u32> {
        self.ip().tos()
    }

    /// As [`tos_v4`](Self::tos_v4).
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "renamed to tos_v4"]
    pub fn tos(&self) -> io::Result<u32> {
        self.tos_v4()
    }

    /// Sets the type of service of IPv4 packets sent: the low eight bits count, as in Linux.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        self.ip().set_tos(tos)
    }

    /// As [`set_tos_v4`](Self::set_tos_v4).
    ///
    /// # Errors
    /// When the stack has ended.
    #[deprecated = "renamed to set_tos_v4"]
    pub fn set_tos(&self, tos: u32) -> io::Result<()> {
        self.set_tos_v4(tos)
    }

    /// The traffic class of IPv6 packets sent (`IPV6_TCLASS`).
    ///
    /// # Errors
    /// `Unsupported` for an IPv4 socket.
    pub fn tclass_v6(&self) -> io::Result<u32> {
        self.ip().traffic_class()
    }

    /// Sets the traffic class of IPv6 packets sent, 0–255.
    ///
    /// # Errors
    /// `InvalidInput` for another number, the kernel's ENOPROTOOPT for an IPv4 socket.
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        self.ip().set_traffic_class(tclass)
    }

    /// Limits the memory that unread datagrams may hold, in bytes (`SO_RCVBUF`). The number is taken
    /// as it is, and reads back doubled, as in Linux.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        let size = options::size(size).max(MIN_RECV_BUFFER);
        self.change(|settings| settings.recv_buffer = size)
    }

    /// The value of `SO_RCVBUF` in bytes.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.setting(|settings| doubled(settings.recv_buffer))
    }

    /// Limits the datagrams that may wait to be sent, in bytes (`SO_SNDBUF`). The number is taken as
    /// it is, and reads back doubled, as in Linux.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        let size = options::size(size).max(MIN_SEND_BUFFER);
        self.change(|settings| settings.send_buffer = size)?;
        self.slot.set_send_buffer(size);
        Ok(())
    }

    /// The value of `SO_SNDBUF` in bytes.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.setting(|settings| doubled(settings.send_buffer))
    }

    /// The name of the interface that the socket is bound to (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.ip().device()
    }

    /// Binds the socket to an interface of the stack by its name, or to none (`SO_BINDTODEVICE`): it
    /// sends by the routes over that interface, and takes only what comes over it.
    ///
    /// # Errors
    /// The kernel's ENODEV where the stack has no interface of that name.
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.ip().bind_device(interface)
    }

    /// Every option as it is set now.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn settings(&self) -> io::Result<UdpSettings> {
        self.setting(UdpSettings::clone)
    }

    pub(crate) fn ip(&self) -> IpLayer<'_> {
        IpLayer::new(&self.net, self.slot.id())
    }

    pub(crate) fn setting<R>(&self, f: impl FnOnce(&UdpSettings) -> R) -> io::Result<R> {
        self.control(|core, id| core.stack().udp_settings(id).map(f))
    }

    pub(crate) fn change(&self, f: impl FnOnce(&mut UdpSettings)) -> io::Result<()> {
        self.control(|core, id| core.stack_mut().change_udp(id, f))
    }
}

ip_options!(UdpSocket, |socket| socket.ip());

/// The smallest send and receive buffers, in bytes; half of what Linux shows, which doubles.
const MIN_SEND_BUFFER: usize = 2304;
const MIN_RECV_BUFFER: usize = 1152;
