//! Receiving datagrams.

use super::UdpSocket;
use crate::shared::{Caller, Ready, Stop, Touch};
use bytes::BufMut;
use net_core::socket::Operation;
use net_core::udp::Datagram;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::io::ReadBuf;
use tokio::task::coop;

/// What does not fit into the buffer is lost, as with the kernel; peeking loses nothing. An error that
/// the network reports ends the wait of the async methods; those that try or poll are told of it only
/// when a datagram is there, as with tokio.
impl UdpSocket {
    /// Receives a datagram into `buf`; its length, at most that of `buf`.
    ///
    /// # Errors
    /// What the network said to a datagram sent, such as `ConnectionRefused`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buf).await.map(|(len, _)| len)
    }

    /// As [`recv`](Self::recv), to be polled. Only the last task that polled for receiving is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, buf).map_ok(drop)
    }

    /// As [`recv`](Self::recv), at once.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, or as for [`recv`](Self::recv).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_recv_from(buf).map(|(len, _)| len)
    }

    /// As [`try_recv`](Self::try_recv), into the free room of `buf`.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.try_recv_buf_from(buf).map(|(len, _)| len)
    }

    /// As [`recv`](Self::recv), into the free room of `buf`.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.recv_buf_from(buf).await.map(|(len, _)| len)
    }

    /// As [`try_recv_from`](Self::try_recv_from), into the free room of `buf`.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.finish(self.take(Caller::Try))?;
        Ok(put(&datagram, buf))
    }

    /// As [`recv_from`](Self::recv_from), into the free room of `buf`.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.wait(RECEIVE, || self.take(Caller::Future)).await?;
        Ok(put(&datagram, buf))
    }

    /// Receives a datagram into `buf`; its length, at most that of `buf`, and its source.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.wait(RECEIVE, || self.take(Caller::Future)).await?;
        Ok(copy(&datagram, buf))
    }

    /// As [`recv_from`](Self::recv_from), to be polled. Only the last task that polled for receiving
    /// is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let received = self.poll(cx, |waker| self.take(Caller::Poll(waker)));
        received.map_ok(|datagram| fill(&datagram, buf))
    }

    /// As [`recv_from`](Self::recv_from), at once.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.finish(self.take(Caller::Try))?;
        Ok(copy(&datagram, buf))
    }

    /// As [`recv`](Self::recv), leaving the datagram where it is.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek_from(buf).await.map(|(len, _)| len)
    }

    /// As [`peek`](Self::peek), to be polled. Only the last task that polled for receiving is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_peek_from(cx, buf).map_ok(drop)
    }

    /// As [`peek`](Self::peek), at once.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_peek_from(buf).map(|(len, _)| len)
    }

    /// As [`recv_from`](Self::recv_from), leaving the datagram where it is.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.wait(RECEIVE, || {
            self.look(Caller::Future, |datagram| copy(datagram, buf))
        })
        .await
    }

    /// As [`peek_from`](Self::peek_from), to be polled. Only the last task that polled for receiving
    /// is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        self.poll(cx, |waker| {
            self.look(Caller::Poll(waker), |datagram| fill(datagram, buf))
        })
    }

    /// As [`peek_from`](Self::peek_from), at once.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.finish(self.look(Caller::Try, |datagram| copy(datagram, buf)))
    }

    /// The source of the next datagram, which stays where it is.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.wait(RECEIVE, || {
            self.look(Caller::Future, |datagram| datagram.source)
        })
        .await
    }

    /// As [`peek_sender`](Self::peek_sender), to be polled. Only the last task that polled for
    /// receiving is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.poll(cx, |waker| {
            self.look(Caller::Poll(waker), |datagram| datagram.source)
        })
    }

    /// As [`peek_sender`](Self::peek_sender), at once.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.finish(self.look(Caller::Try, |datagram| datagram.source))
    }

    /// As [`recv_from`](Self::recv_from), but the length is that of the whole datagram, also where
    /// `buf` is shorter (`MSG_TRUNC`).
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv_trunc(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let datagram = self.recv_datagram().await?;
        copy(&datagram, buf);
        Ok((datagram.payload.len(), datagram.source))
    }

    /// Receives a datagram as it came, without copying: payload, addresses, traffic class, hop limit.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv_datagram(&self) -> io::Result<Datagram> {
        self.wait(RECEIVE, || self.take(Caller::Future)).await
    }

    /// As [`recv_datagram`](Self::recv_datagram), to be polled. Only the last task that polled for
    /// receiving is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_datagram(&self, cx: &mut Context<'_>) -> Poll<io::Result<Datagram>> {
        self.poll(cx, |waker| self.take(Caller::Poll(waker)))
    }

    /// As [`recv_datagram`](Self::recv_datagram), at once.
    ///
    /// # Errors
    /// As for [`try_recv`](Self::try_recv).
    pub fn try_recv_datagram(&self) -> io::Result<Datagram> {
        self.finish(self.take(Caller::Try))
    }

    /// Takes the next datagram, unless the policy minds.
    fn take(&self, caller: Caller<'_>) -> Result<(Datagram, Touch), Stop> {
        self.permit_recv()?;
        self.slot.recv(caller)
    }

    /// Looks at the next datagram, unless the policy minds.
    fn look<R>(
        &self,
        caller: Caller<'_>,
        look: impl FnOnce(&Datagram) -> R,
    ) -> Result<(R, Touch), Stop> {
        self.permit_recv()?;
        self.slot.peek(caller, look)
    }

    pub(super) fn permit_recv(&self) -> Result<(), Stop> {
        let socket = self.slot.id();
        Ok(self.net.engine().permit(&Operation::Recv { socket })?)
    }

    /// Takes the next datagram if it is there and `wanted`.
    #[cfg(feature = "quinn")]
    pub(super) fn try_recv_if(&self, wanted: impl FnOnce(&Datagram) -> bool) -> Option<Datagram> {
        self.finish(self.slot.recv_if(wanted)).ok().flatten()
    }

    /// An operation that any number of tasks may wait for.
    pub(super) async fn wait<R>(
        &self,
        interest: Ready,
        mut attempt: impl FnMut() -> Result<(R, Touch), Stop>,
    ) -> io::Result<R> {
        let engine = self.net.engine();
        let attempt = || match engine.attempt(&mut attempt) {
            Err(Stop::WouldBlock) => None,
            done => Some(done),
        };
        let done = coop::cooperative(self.slot.waiters().wait(interest, attempt)).await;
        self.finish(done)
    }
}

/// Copies as much of the datagram as fits into `buf`.
fn copy(datagram: &Datagram, buf: &mut [u8]) -> (usize, SocketAddr) {
    let len = datagram.payload.len().min(buf.len());
    buf[..len].copy_from_slice(&datagram.payload[..len]);
    (len, datagram.source)
}

/// Copies as much of the datagram as fits into the rest of `buf`.
fn fill(datagram: &Datagram, buf: &mut ReadBuf<'_>) -> SocketAddr {
    let len = datagram.payload.len().min(buf.remaining());
    buf.put_slice(&datagram.payload[..len]);
    datagram.source
}

/// Copies as much of the datagram as fits into the free room of `buf`.
fn put(datagram: &Datagram, buf: &mut impl BufMut) -> (usize, SocketAddr) {
    let len = datagram.payload.len().min(buf.chunk_mut().len());
    buf.put_slice(&datagram.payload[..len]);
    (len, datagram.source)
}

/// What ends the wait of a future that receives.
pub(super) const RECEIVE: Ready = Ready::READ.union(Ready::ERROR);
