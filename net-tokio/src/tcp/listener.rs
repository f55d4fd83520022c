//! The listener: the twin of tokio's.

use super::conn::Conn;
use super::{TcpStream, family_of};
use crate::driver::{Accepted, ListenerEntry};
use crate::lookup::{ToSocketAddrs, first_that};
use crate::net::Net;
use crate::options::{IpLayer, ip_options};
use crate::shared::{Stop, Touch};
use net_core::SocketId;
use net_core::socket::{TcpOption, TcpSettings};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::task::coop;

/// A socket that takes TCP connections, as `tokio::net::TcpListener`.
///
/// Dropping it resets the connections that nobody has accepted.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// assert_eq!(server.local_addr()?, client.peer_addr()?);
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    net: Net,
    slot: Arc<ListenerEntry>,
}

impl TcpListener {
    /// Listens at `addr` on the [current](Net::current) stack, with a backlog of 1024; each address
    /// that it stands for is tried until one can be had. Port 0 is a port of the stack's choice.
    ///
    /// # Errors
    /// The last address's, such as `AddrInUse` or `AddrNotAvailable`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future leaves no listener behind.
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
        first_that(net, addr, |addr| Self::bind_one(net, addr)).await
    }

    fn bind_one(net: &Net, addr: SocketAddr) -> io::Result<Self> {
        net.warn_unreachable(addr);
        let slot = net.engine().control(|core, now| {
            let id = core.stack_mut().tcp_open(family_of(addr))?;
            // As tokio on Unix: a server may come back while its old connections end.
            let stack = core.stack_mut();
            let listening = stack
                .set_tcp_option(id, TcpOption::ReuseAddress(true), now)
                .and_then(|()| stack.bind(id, addr))
                .and_then(|()| stack.listen(id, BACKLOG));
            match listening {
                Ok(()) => Ok(core.add_listener(id)),
                Err(error) => {
                    core.stack_mut().close(id, now);
                    Err(error)
                }
            }
        })?;
        Ok(Self {
            net: net.clone(),
            slot,
        })
    }

    /// Makes the socket `id` listen.
    pub(super) fn listen_from(net: &Net, id: SocketId, backlog: u32) -> io::Result<Self> {
        let slot =
            net.engine()
                .control(|core, now| match core.stack_mut().listen(id, backlog) {
                    Ok(()) => Ok(core.add_listener(id)),
                    Err(error) => {
                        core.stack_mut().close(id, now);
                        Err(error)
                    }
                })?;
        Ok(Self {
            net: net.clone(),
            slot,
        })
    }

    /// Waits for a connection, and returns it with its peer's address.
    ///
    /// Any number of tasks may wait; each connection wakes one of them, first come first served.
    ///
    /// # Errors
    /// When the stack has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a connection that came meanwhile goes to the next task that accepts.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = coop::cooperative(self.slot.accepted()).await;
        self.finish(accepted.map_err(Stop::Fault))
    }

    /// As [`accept`](Self::accept), to be polled. Only the last task that polled is woken.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let coop = ready!(coop::poll_proceed(cx));
        match self.slot.accept(Some(cx.waker())) {
            Err(Stop::WouldBlock) => Poll::Pending,
            done => {
                coop.made_progress();
                Poll::Ready(self.finish(done))
            }
        }
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, _| core.stack().local_addr(id))
    }

    /// The time to live of IPv4 packets sent (`IP_TTL`); accepted connections inherit it.
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

    /// Every option as it is set now.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn settings(&self) -> io::Result<TcpSettings> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, _| core.stack().tcp_settings(id).cloned())
    }

    /// Sets an option that tokio's listener has no method for; accepted connections inherit it.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range, `Unsupported` for a mechanism that this stack does
    /// not have yet.
    pub fn set_option(&self, option: TcpOption) -> io::Result<()> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, now| core.stack_mut().set_tcp_option(id, option, now))
    }

    fn ip(&self) -> IpLayer<'_> {
        IpLayer::new(&self.net, self.slot.id())
    }

    fn finish(&self, done: Result<(Accepted, Touch), Stop>) -> io::Result<(TcpStream, SocketAddr)> {
        let engine = self.net.engine();
        let ((slot, peer), touch) = done.map_err(|stop| engine.explain_stop(stop))?;
        engine.post(&self.slot, touch);
        let conn = Conn::new(self.net.clone(), slot);
        Ok((TcpStream { conn }, peer))
    }
}

ip_options!(TcpListener, |listener| listener.ip());

impl Drop for TcpListener {
    fn drop(&mut self) {
        let engine = self.net.engine();
        let (waiting, touch) = self.slot.close();
        for (connection, _) in waiting {
            engine.refuse(connection.id());
        }
        engine.post(&self.slot, touch);
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("socket", &self.slot.id())
            .finish()
    }
}

/// tokio's.
const BACKLOG: u32 = 1024;
