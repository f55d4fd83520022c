//! One connection as all handles on it see it.

use super::{family_of, slot_ready, tokio_ready};
use crate::driver::{Core, TcpEntry};
use crate::error::to_io;
use crate::net::Net;
use crate::options::IpLayer;
use crate::shared::{Fault, Ready as SlotReady, Stop, Touch};
use bytes::{BufMut, Bytes};
use net_core::socket::{Operation, Summary, TcpOption, TcpSettings};
use net_core::tcp::TcpInfo;
use net_core::{Instant, SocketError, SocketId};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::task::coop;

/// A connection that an application holds: its stack and its slot. Dropping it closes it.
pub(crate) struct Conn {
    net: Net,
    pub(super) slot: Arc<TcpEntry>,
}

impl Conn {
    /// Takes over a connection that was accepted on `net`.
    pub(super) fn new(net: Net, slot: Arc<TcpEntry>) -> Self {
        Self { net, slot }
    }

    /// Opens a connection to `addr`.
    pub(super) async fn connect(net: &Net, addr: SocketAddr) -> io::Result<Self> {
        let opened = net.engine().act(|core, now| {
            let id = core.stack_mut().tcp_open(family_of(addr))?;
            let begun = begin(core, id, addr, &mut Bytes::new(), now);
            if begun.is_err() {
                core.stack_mut().close(id, now);
            }
            begun
        });
        let conn = Self::new(net.clone(), opened?);
        conn.established().await?;
        Ok(conn)
    }

    /// Begins to open a connection from the socket `id`, which it then has; from the front of
    /// `first` it takes what it may send first.
    pub(super) fn begin(
        net: &Net,
        id: SocketId,
        addr: SocketAddr,
        first: &mut Bytes,
    ) -> io::Result<Self> {
        let opened = net
            .engine()
            .act(|core, now| begin(core, id, addr, first, now));
        Ok(Self::new(net.clone(), opened?))
    }

    /// Waits until the connection is established, or has failed.
    pub(crate) async fn established(&self) -> io::Result<()> {
        poll_fn(|cx| self.slot.poll_connect(cx.waker()))
            .await
            .map_err(|fault| self.net.engine().explain(fault))
    }

    /// What a second attempt to connect says.
    pub(crate) fn connect_again(&self, addr: SocketAddr) -> io::Result<()> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, now| core.stack_mut().connect(id, addr, now))
    }

    /// The stack.
    pub(super) fn net(&self) -> &Net {
        &self.net
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, _| core.stack().local_addr(id))
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, _| core.stack().peer_addr(id))
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let explain = |fault: Fault| self.net.engine().explain(fault);
        Ok(self.slot.take_error().map(explain))
    }

    pub(super) fn settings<R>(&self, f: impl FnOnce(&TcpSettings) -> R) -> io::Result<R> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, _| core.stack().tcp_settings(id).map(f))
    }

    /// The options of the IP layer.
    pub(super) fn ip(&self) -> IpLayer<'_> {
        IpLayer::new(&self.net, self.slot.id())
    }

    pub(super) fn set_option(&self, option: TcpOption) -> io::Result<()> {
        let id = self.slot.id();
        self.net
            .engine()
            .act(|core, now| core.stack_mut().set_tcp_option(id, option, now))
    }

    /// Lets go of what [`TcpOption::Cork`] holds back, without waiting.
    pub(super) fn uncork(&self) {
        self.net.engine().uncork(self.slot.id());
    }

    pub(super) fn info(&self) -> io::Result<TcpInfo> {
        let id = self.slot.id();
        self.net.engine().control(|core, now| {
            let tcp = core.stack_mut().tcp(id, now);
            let tcp = tcp.ok_or(SocketError::NoSuchSocket)?;
            tcp.info().ok_or(SocketError::NotConnected)
        })
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let wanted = slot_ready(interest);
        if wanted.is_empty() {
            return Ok(Ready::EMPTY);
        }
        Ok(tokio_ready(
            coop::cooperative(self.slot.ready(wanted)).await,
        ))
    }

    pub(super) fn try_io<R>(
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

    /// Ends one or both directions; what was written before is still delivered.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.peer_addr()?;
        if how != Shutdown::Read {
            self.shutdown_write()?;
        }
        if how != Shutdown::Write {
            let id = self.slot.id();
            let engine = self.net.engine();
            engine.act(|core, now| {
                let direction = net_core::socket::Shutdown::Read;
                core.stack_mut().shutdown(id, direction, now)
            })?;
        }
        Ok(())
    }

    /// Dissolves the connection; its socket, which is the caller's from now on.
    pub(super) fn disconnect(self) -> io::Result<(Net, SocketId)> {
        let id = self.slot.id();
        self.net.engine().act(|core, now| {
            core.stack_mut().disconnect(id, now)?;
            core.detach_slot(id);
            self.slot.detach();
            Ok(())
        })?;
        Ok((self.net.clone(), id))
    }

    pub(super) fn summary(&self) -> io::Result<Summary> {
        let id = self.slot.id();
        self.net
            .engine()
            .control(|core, _| core.stack().summary(id))
    }

    /// Asks the policy whether this end may receive, or send.
    #[inline]
    pub(super) fn permit(&self, interest: SlotReady) -> io::Result<()> {
        if !self.net.engine().is_policed() {
            return Ok(());
        }
        let socket = self.slot.id();
        let operation = match interest.contains(SlotReady::WRITE) {
            true => Operation::Send {
                socket,
                to: None,
                source: None,
                source_port: None,
            },
            false => Operation::Recv { socket },
        };
        self.net.engine().permit(&operation).map_err(to_io)
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        self.slot.poll_readable(cx.waker()).map(|()| {
            coop.made_progress();
            Ok(())
        })
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        self.slot.poll_writable(cx.waker()).map(|()| {
            coop.made_progress();
            Ok(())
        })
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, SlotReady::READ, |waker| {
            self.slot
                .read_by(buf.remaining(), Some(waker), |bytes| buf.put_slice(bytes))
        })
        .map_ok(drop)
    }

    pub(super) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let peeked = self.poll(cx, SlotReady::READ, |waker| {
            let count = self.slot.peek(buf.initialize_unfilled(), Some(waker))?;
            Ok((count, Touch::None))
        });
        peeked.map_ok(|count| {
            buf.advance(count);
            count
        })
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let pool = self.net.engine().pool();
        self.poll(cx, SlotReady::WRITE, |waker| {
            self.slot.write(data, pool, Some(waker))
        })
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let pool = self.net.engine().pool();
        self.poll(cx, SlotReady::WRITE, |waker| {
            self.slot.write_vectored(slices, pool, Some(waker))
        })
    }

    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.permit(SlotReady::READ)?;
        self.finish(self.slot.read(buf, None))
    }

    pub(super) fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.permit(SlotReady::READ)?;
        let room = bufs.iter().map(|buf| buf.len()).sum();
        let mut free = bufs.iter_mut().flat_map(|buf| buf.iter_mut());
        self.finish(self.slot.read_by(room, None, |bytes| {
            // In this order: a place is only taken for a byte that is there.
            bytes
                .iter()
                .zip(free.by_ref())
                .for_each(|(byte, into)| *into = *byte);
        }))
    }

    pub(super) fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.permit(SlotReady::READ)?;
        let room = buf.chunk_mut().len();
        self.finish(
            self.slot
                .read_with(room, None, |bytes| buf.put_slice(bytes)),
        )
    }

    pub(super) async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait(SlotReady::READ, || {
            Ok((self.slot.peek(buf, None)?, Touch::None))
        })
        .await
    }

    pub(super) async fn read_chunk(&self, max: usize) -> io::Result<Option<Bytes>> {
        let chunk = self
            .wait(SlotReady::READ, || self.slot.read_chunk(max, None))
            .await?;
        Ok((max == 0 || !chunk.is_empty()).then_some(chunk))
    }

    /// Throws received bytes away.
    pub(super) async fn discard(&self, max: usize) -> io::Result<usize> {
        self.wait(SlotReady::READ, || self.slot.read_with(max, None, |_| {}))
            .await
    }

    pub(super) fn try_discard(&self, max: usize) -> io::Result<usize> {
        self.permit(SlotReady::READ)?;
        self.finish(self.slot.read_with(max, None, |_| {}))
    }

    /// Reads until `buf` is full or nothing more will come. An error waits for the next call where
    /// something was read before it.
    pub(super) async fn read_full(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            let some = buf.filled().len() > before;
            let attempt = || match self.slot.is_drained() && some {
                true => Ok((0, Touch::None)),
                false => self
                    .slot
                    .read_with(buf.remaining(), None, |bytes| buf.put_slice(bytes)),
            };
            if self.wait(SlotReady::READ, attempt).await? == 0 {
                break;
            }
        }
        Ok(buf.filled().len() - before)
    }

    pub(super) fn recv_lowat(&self) -> u64 {
        self.slot.recv_lowat()
    }

    /// Sets `SO_RCVLOWAT`, to half of the receive buffer at most: a sender that the window stops
    /// could not send more.
    pub(super) fn set_recv_lowat(&self, bytes: u64) -> io::Result<()> {
        let most = self.settings(|settings| settings.recv_buffer / 2)? as u64;
        let bytes = u32::try_from(bytes.min(most)).unwrap_or(u32::MAX);
        let mut wakes = Vec::new();
        self.slot.set_recv_lowat(bytes, &mut wakes);
        wakes.into_iter().for_each(Waker::wake);
        Ok(())
    }

    pub(super) fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.permit(SlotReady::WRITE)?;
        self.finish(self.slot.write(data, self.net.engine().pool(), None))
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.permit(SlotReady::WRITE)?;
        let pool = self.net.engine().pool();
        self.finish(self.slot.write_vectored(slices, pool, None))
    }

    pub(super) async fn write_chunk(&self, chunk: &mut Bytes) -> io::Result<()> {
        let pool = self.net.engine().pool();
        while !chunk.is_empty() {
            self.wait(SlotReady::WRITE, || self.slot.push_bytes(chunk, pool, None))
                .await?;
        }
        Ok(())
    }

    /// Ends the writing; where it is over anyway, that is no error.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        let engine = self.net.engine();
        let operation = Operation::Shutdown {
            socket: self.slot.id(),
            how: net_core::socket::Shutdown::Write,
        };
        engine.permit(&operation).map_err(to_io)?;
        self.finish_writing();
        Ok(())
    }

    /// Ends the writing without waiting for anything, and so without asking a policy: for a drop.
    pub(super) fn finish_writing(&self) {
        let touch = self.slot.shutdown_write();
        self.net.engine().post(&self.slot, touch);
    }

    pub(super) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("socket", &self.slot.id())
            .field("ready", &self.slot.readiness())
            .finish()
    }

    /// An operation that may register the task's waker.
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        interest: SlotReady,
        mut attempt: impl FnMut(&Waker) -> Result<(R, Touch), Stop>,
    ) -> Poll<io::Result<R>> {
        let coop = ready!(coop::poll_proceed(cx));
        self.permit(interest)?;
        match self.net.engine().attempt(|| attempt(cx.waker())) {
            Err(Stop::WouldBlock) => Poll::Pending,
            done => {
                coop.made_progress();
                Poll::Ready(self.finish(done))
            }
        }
    }

    /// An operation that any number of tasks may wait for.
    pub(super) async fn wait<R>(
        &self,
        interest: SlotReady,
        mut attempt: impl FnMut() -> Result<(R, Touch), Stop>,
    ) -> io::Result<R> {
        self.permit(interest)?;
        let engine = self.net.engine();
        let attempt = || match engine.attempt(&mut attempt) {
            Err(Stop::WouldBlock) => None,
            done => Some(done),
        };
        let done = coop::cooperative(self.slot.waiters().wait(interest, attempt)).await;
        self.finish(done)
    }

    /// See [`Engine::finish`](crate::driver::Engine::finish).
    pub(super) fn finish<R>(&self, done: Result<(R, Touch), Stop>) -> io::Result<R> {
        self.net.engine().finish(&self.slot, done)
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.net.engine().post(&self.slot, self.slot.close());
    }
}

/// Begins to open a connection from the socket `id`; from the front of `first` it takes what it may send
/// first.
fn begin(
    core: &mut Core,
    id: SocketId,
    addr: SocketAddr,
    first: &mut Bytes,
    now: Instant,
) -> Result<Arc<TcpEntry>, SocketError> {
    match core.stack_mut().connect(id, addr, now) {
        Ok(()) | Err(SocketError::InProgress) => {}
        Err(error) => return Err(error),
    }
    let mut written = 0;
    if !first.is_empty()
        && let Some(mut tcp) = core.stack_mut().tcp(id, now)
    {
        let room = usize::try_from(tcp.send_limit()).unwrap_or(usize::MAX);
        let piece = first.split_to(first.len().min(room));
        written = piece.len();
        tcp.push(piece)?;
    }
    let entry = core.add_tcp(id);
    if written > 0 {
        entry.count_written(written);
    }
    Ok(entry)
}
