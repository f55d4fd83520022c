//! Sockets of protocols that the embedder brought.

use crate::driver::Core;
use crate::net::Net;
use net_core::socket::{Readiness, Shutdown};
use net_core::{SocketError, SocketId};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

/// A socket that an application holds. Dropping it closes it.
pub(super) struct Plugged {
    net: Net,
    id: SocketId,
}

impl Plugged {
    pub(super) fn new(net: &Net, id: SocketId) -> Self {
        Self {
            net: net.clone(),
            id,
        }
    }

    pub(super) fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.control(|core| core.stack_mut().bind(self.id, addr))
    }

    pub(super) fn listen(&self, backlog: u32) -> io::Result<()> {
        self.control(|core| core.stack_mut().listen(self.id, backlog))
    }

    pub(super) async fn accept(&self, nonblocking: bool) -> io::Result<(Self, SocketAddr)> {
        let attempt = |core: &mut Core| core.stack_mut().accept(self.id);
        let (id, peer) = self.wait(Readiness::READABLE, nonblocking, attempt).await?;
        Ok((Self::new(&self.net, id), peer))
    }

    pub(super) async fn connect(&self, addr: SocketAddr, nonblocking: bool) -> io::Result<()> {
        let begun = self.control(|core| {
            let now = core.now();
            match core.stack_mut().connect(self.id, addr, now) {
                Err(SocketError::InProgress) if !nonblocking => Ok(false),
                done => done.map(|()| true),
            }
        })?;
        if begun {
            return Ok(());
        }
        self.ready(Readiness::WRITABLE).await?;
        self.take_error()?.map_or(Ok(()), Err)
    }

    pub(super) async fn send(
        &self,
        data: &[u8],
        to: Option<SocketAddr>,
        nonblocking: bool,
    ) -> io::Result<usize> {
        let attempt = |core: &mut Core| core.stack_mut().plugged_send(self.id, data, to);
        self.wait(Readiness::WRITABLE, nonblocking, attempt).await
    }

    pub(super) async fn recv(
        &self,
        buf: &mut [u8],
        nonblocking: bool,
    ) -> io::Result<(usize, Option<SocketAddr>)> {
        let attempt = |core: &mut Core| core.stack_mut().plugged_recv(self.id, buf);
        self.wait(Readiness::READABLE, nonblocking, attempt).await
    }

    pub(super) fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        self.control(|core| {
            let now = core.now();
            core.stack_mut().shutdown(self.id, direction(how), now)
        })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.control(|core| core.stack().local_addr(self.id))
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.control(|core| core.stack().peer_addr(self.id))
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = self.control(|core| Ok(core.stack_mut().take_error(self.id)))?;
        Ok(error.map(crate::error::to_io))
    }

    /// Waits until the protocol is ready for what is of `interest`.
    pub(super) async fn ready(&self, interest: Readiness) -> io::Result<()> {
        poll_fn(|cx| {
            let ready = |core: &mut Core| {
                let stack = core.stack_mut();
                Ok(stack.plugged_poll_ready(self.id, interest, cx))
            };
            match self.control(ready) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(_)) => Poll::Ready(Ok(())),
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// Tries until it is done, which a nonblocking socket does once.
    async fn wait<R>(
        &self,
        interest: Readiness,
        nonblocking: bool,
        mut attempt: impl FnMut(&mut Core) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        loop {
            match self.control(&mut attempt) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !nonblocking => {
                    self.ready(interest).await?;
                    // One that is always ready must not keep others from their turn.
                    tokio::task::consume_budget().await;
                }
                done => return done,
            }
        }
    }

    fn control<R>(&self, f: impl FnOnce(&mut Core) -> Result<R, SocketError>) -> io::Result<R> {
        self.net.engine().control(|core, _| f(core))
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        self.net.engine().release(self.id);
    }
}

impl fmt::Debug for Plugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugged").field("socket", &self.id).finish()
    }
}

fn direction(how: std::net::Shutdown) -> Shutdown {
    match how {
        std::net::Shutdown::Read => Shutdown::Read,
        std::net::Shutdown::Write => Shutdown::Write,
        std::net::Shutdown::Both => Shutdown::Both,
    }
}
