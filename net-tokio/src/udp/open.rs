//! Making datagram sockets, and what is chosen before they have an address.

use super::UdpSocket;
use crate::driver::UdpEntry;
use crate::lookup::{ToSocketAddrs, first_that};
use crate::net::Net;
use net_core::socket::Family;
use net_core::{SocketError, SocketId, Stack};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

impl UdpSocket {
    /// A socket at `addr` on the [current](Net::current) stack; each address that it stands for is
    /// tried until one can be had. Port 0 is a port of the stack's choice.
    ///
    /// # Errors
    /// The last address's, such as `AddrInUse` or `AddrNotAvailable`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future leaves no socket behind.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        Self::bind_on(&Net::current()?, addr).await
    }

    /// As [`bind`](Self::bind), on the stack `net`.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    ///
    /// # Cancel safety
    ///
    /// As for [`bind`](Self::bind).
    pub async fn bind_on<A: ToSocketAddrs>(net: &Net, addr: A) -> io::Result<Self> {
        first_that(net, addr, |addr| {
            let family = match addr {
                SocketAddr::V4(_) => Family::V4,
                SocketAddr::V6(_) => Family::V6,
            };
            let socket = Self::open(net, family)?;
            socket.bind_to(addr)?;
            Ok(socket)
        })
        .await
    }

    /// A socket for IPv4 without an address on the [current](Net::current) stack, to be configured
    /// and then [bound](Self::bind_to). Sending or connecting binds it to a port of the stack's
    /// choice.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_tokio::UdpSocket;
    /// let first = UdpSocket::new_v4()?;
    /// first.set_reuseport(true)?;
    /// first.bind_to("127.0.0.1:0".parse().unwrap())?;
    /// let second = UdpSocket::new_v4()?;
    /// second.set_reuseport(true)?;
    /// second.bind_to(first.local_addr()?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The kernel's ENFILE where the stack has as many sockets as it may.
    pub fn new_v4() -> io::Result<Self> {
        Self::new_v4_on(&Net::current()?)
    }

    /// As [`new_v4`](Self::new_v4), for IPv6, and for IPv4 too unless
    /// [`set_only_v6`](Self::set_only_v6).
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6() -> io::Result<Self> {
        Self::new_v6_on(&Net::current()?)
    }

    /// As [`new_v4`](Self::new_v4), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v4_on(net: &Net) -> io::Result<Self> {
        Self::open(net, Family::V4)
    }

    /// As [`new_v6`](Self::new_v6), on the stack `net`.
    ///
    /// # Errors
    /// As for [`new_v4`](Self::new_v4).
    pub fn new_v6_on(net: &Net) -> io::Result<Self> {
        Self::open(net, Family::V6)
    }

    fn open(net: &Net, family: Family) -> io::Result<Self> {
        Self::open_as(net, |stack| stack.udp_open(family))
    }

    /// A socket of what `open` makes: any that [`Stack::udp`] knows.
    pub(crate) fn open_as(
        net: &Net,
        open: impl FnOnce(&mut Stack) -> Result<SocketId, SocketError>,
    ) -> io::Result<Self> {
        let slot = net.engine().control(|core, _| {
            let id = open(core.stack_mut())?;
            Ok(core.add_udp(id))
        })?;
        Ok(Self::of(net, slot))
    }

    /// Takes over a fresh socket.
    pub(crate) fn of(net: &Net, slot: Arc<UdpEntry>) -> Self {
        Self {
            net: net.clone(),
            slot,
        }
    }

    /// Gives a socket from [`new_v4`](Self::new_v4) or [`new_v6`](Self::new_v6) the address `addr`;
    /// port 0 is a port of the stack's choice.
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, or `InvalidInput` where it has an address already.
    pub fn bind_to(&self, addr: SocketAddr) -> io::Result<()> {
        self.net.warn_unreachable(addr);
        self.control(|core, id| core.stack_mut().bind(id, addr))
    }

    /// Shares the port with other sockets that ask for it too, the latest of which receives
    /// (`SO_REUSEADDR`). It counts when the socket is bound.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.change(|settings| settings.reuse_address = reuseaddr)
    }

    /// The value of `SO_REUSEADDR`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.setting(|settings| settings.reuse_address)
    }

    /// Shares the port with other sockets that ask for it too; each sender's datagrams go to one of
    /// them (`SO_REUSEPORT`). It counts when the socket is bound.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.change(|settings| settings.reuse_port = reuseport)
    }

    /// The value of `SO_REUSEPORT`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.setting(|settings| settings.reuse_port)
    }

    /// Keeps an IPv6 socket from IPv4 (`IPV6_V6ONLY`).
    ///
    /// # Errors
    /// `InvalidInput` once the socket is bound.
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        self.control(|core, id| {
            if core.stack().local_addr(id)?.port() != 0 {
                return Err(SocketError::InvalidInput("only_v6 is chosen before bind"));
            }
            let stack = core.stack_mut();
            stack.change_udp(id, |settings| settings.only_v6 = only_v6)
        })
    }

    /// The value of `IPV6_V6ONLY`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.setting(|settings| settings.only_v6)
    }
}
