//! Datagram sockets: the twin of tokio's.

mod batch;
mod multicast;
mod open;
mod options;
#[cfg(feature = "quinn")]
mod quic;
mod recv;
mod send;
mod times;

#[cfg(feature = "quinn")]
pub use quic::QuicSocket;

use crate::driver::{Core, UdpEntry};
use crate::lookup::{ToSocketAddrs, first_that};
use crate::net::Net;
use crate::shared::{Fault, Stop, Touch};
use crate::tcp::{slot_ready, tokio_ready};
use net_core::udp::Datagram;
use net_core::{SocketError, SocketId};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, Ready};
use tokio::task::coop;

/// A UDP socket, as `tokio::net::UdpSocket`.
///
/// Errors that the network reports, such as `ConnectionRefused` for a datagram to a closed port, come
/// out of whichever operation is next.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.connect(server.local_addr()?).await?;
/// client.send(b"hello").await?;
/// let mut buf = [0; 16];
/// let (len, peer) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..len], peer), (&b"hello"[..], client.local_addr()?));
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    net: Net,
    slot: Arc<UdpEntry>,
}

impl UdpSocket {
    /// The stack that the socket belongs to.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.control(|core, id| core.stack().local_addr(id))
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    /// `NotConnected` where it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.control(|core, id| core.stack().peer_addr(id))
    }

    /// Where a datagram that has been received was to go, before a rule sent it here by `dnat` or
    /// `redirect` (`SO_ORIGINAL_DST`). To be asked soon: a flow of one datagram is forgotten after half a
    /// minute.
    ///
    /// # Errors
    /// The kernel's ENOENT (`NotFound`) where flows are not followed, or this one has been forgotten.
    pub fn original_dst(&self, datagram: &Datagram) -> io::Result<SocketAddr> {
        self.control(|core, id| core.stack().original_dst_of(id, datagram))
    }

    /// Bytes that packets to the peer may have now, IP header included (`IP_MTU`): what the link takes,
    /// or less where a router has said so in the last ten minutes.
    ///
    /// # Errors
    /// `NotConnected` where it has no peer.
    pub fn path_mtu(&self) -> io::Result<u16> {
        self.control(|core, id| core.stack().path_mtu(id))
    }

    /// Makes `addr` the destination of [`send`](Self::send) and the only source to receive from.
    ///
    /// # Errors
    /// The last address's, such as `NetworkUnreachable`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it does not wait.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        first_that(&self.net, addr, |addr| {
            self.control(|core, id| {
                let now = core.now();
                core.stack_mut().connect(id, addr, now)
            })
        })
        .await
    }

    /// Undoes [`connect`](Self::connect).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn disconnect(&self) -> io::Result<()> {
        self.control(|core, id| {
            let now = core.now();
            core.stack_mut().disconnect(id, now)
        })
    }

    /// Waits until the socket is ready for something in `interest`, and says for what.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness is a level, nothing is used up.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let wanted = slot_ready(interest);
        if wanted.is_empty() {
            return Ok(Ready::EMPTY);
        }
        Ok(tokio_ready(
            coop::cooperative(self.slot.ready(wanted)).await,
        ))
    }

    /// Waits until a datagram is there.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](Self::ready).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until there is room to send.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`ready`](Self::ready).
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// As [`readable`](Self::readable), to be polled. Only the last task that polled for receiving is
    /// woken.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        self.slot.poll_readable(cx.waker()).map(|()| {
            coop.made_progress();
            Ok(())
        })
    }

    /// As [`writable`](Self::writable), to be polled. Only the last task that polled for sending is
    /// woken.
    ///
    /// # Errors
    /// None: a stack that has ended counts as ready, and the next operation says so.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        self.slot.poll_writable(cx.waker()).map(|()| {
            coop.made_progress();
            Ok(())
        })
    }

    /// Runs `f`, which is to try something on this socket, if the socket is ready for `interest`.
    ///
    /// # Errors
    /// `WouldBlock` where it is not ready, or what `f` returned.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        if self.slot.readiness().intersects(slot_ready(interest)) {
            f()
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    /// Runs `f`, which is to try something on this socket, each time that the socket becomes ready
    /// for `interest`, until it returns anything but `WouldBlock`.
    ///
    /// # Errors
    /// What `f` returned last.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `f`: between its calls nothing is held.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(interest).await?;
            match f() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::task::yield_now().await;
                }
                done => return done,
            }
        }
    }

    /// Takes the pending error, as `SO_ERROR`.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let explain = |fault: Fault| self.net.engine().explain(fault);
        Ok(self.slot.take_error().map(explain))
    }

    fn control<R>(
        &self,
        f: impl FnOnce(&mut Core, SocketId) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        let id = self.slot.id();
        let result = self.net.engine().control(|core, _| f(core, id));
        // It may have been another address, or an option.
        self.slot.unvet();
        result
    }

    /// See [`Engine::finish`](crate::driver::Engine::finish).
    fn finish<R>(&self, done: Result<(R, Touch), Stop>) -> io::Result<R> {
        self.net.engine().finish(&self.slot, done)
    }

    /// An operation that may register the task's waker.
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&std::task::Waker) -> Result<(R, Touch), Stop>,
    ) -> Poll<io::Result<R>> {
        let coop = ready!(coop::poll_proceed(cx));
        match self.net.engine().attempt(|| attempt(cx.waker())) {
            Err(Stop::WouldBlock) => Poll::Pending,
            done => {
                coop.made_progress();
                Poll::Ready(self.finish(done))
            }
        }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.net.engine().post(&self.slot, self.slot.close());
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("socket", &self.slot.id())
            .finish()
    }
}
