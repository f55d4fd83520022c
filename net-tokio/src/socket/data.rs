//! Moving bytes through a socket whose kind is known only at run time.

use super::{NO_ADDRESS, Socket, State, datagrams};
use crate::error::to_io;
use net_core::SocketError;
use net_core::socket::Readiness;
use std::io;
use std::net::{Shutdown, SocketAddr};
use tokio::io::Interest;

impl Socket {
    /// Sends `data` to the connected peer; how many bytes. A stream whose connection is under way waits
    /// for it.
    ///
    /// # Errors
    /// `BrokenPipe` for a stream that has no connection or has ended its direction, `NotConnected` for
    /// datagrams to nobody, or what the network said.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was sent.
    pub async fn send(&self, data: &[u8]) -> io::Result<usize> {
        match &self.state {
            State::Fresh(_) | State::Listener(_) => Err(to_io(SocketError::BrokenPipe)),
            State::Stream(stream) if self.nonblocking => stream.try_write(data),
            State::Stream(stream) => {
                let attempt = || stream.try_write(data);
                stream.async_io(Interest::WRITABLE, attempt).await
            }
            datagrams!(socket) if self.nonblocking => socket.try_send(data),
            datagrams!(socket) => socket.send(data).await,
            State::Packet(socket) if self.nonblocking => socket.try_send(data),
            State::Packet(socket) => socket.send(data).await,
            State::Plugged(socket) => socket.send(data, None, self.nonblocking).await,
        }
    }

    /// Sends `data` to `to`; how many bytes. A stream has its peer, and ignores `to`, as in the kernel.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<usize> {
        match &self.state {
            datagrams!(socket) if self.nonblocking => socket.try_send_to(data, to),
            datagrams!(socket) => socket.send_to(data, to).await,
            State::Plugged(socket) => socket.send(data, Some(to), self.nonblocking).await,
            State::Packet(_) => Err(to_io(NO_ADDRESS)),
            State::Fresh(_) | State::Listener(_) | State::Stream(_) => self.send(data).await,
        }
    }

    /// Receives into `buf`; how many bytes. Zero at the end of a stream.
    ///
    /// # Errors
    /// `NotConnected` for a stream that has no connection, or what the network said.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was received.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_from(buf).await.map(|(len, _)| len)
    }

    /// As [`recv`](Self::recv), and from whom, which a stream does not say, as in the kernel.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// As for [`recv`](Self::recv).
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<SocketAddr>)> {
        let named = |(len, from)| (len, Some(from));
        match &self.state {
            State::Fresh(_) | State::Listener(_) => Err(to_io(SocketError::NotConnected)),
            State::Stream(stream) => {
                let len = match self.nonblocking {
                    true => stream.try_read(buf)?,
                    false => {
                        let attempt = || stream.try_read(buf);
                        stream.async_io(Interest::READABLE, attempt).await?
                    }
                };
                Ok((len, None))
            }
            datagrams!(socket) if self.nonblocking => socket.try_recv_from(buf).map(named),
            datagrams!(socket) => socket.recv_from(buf).await.map(named),
            State::Packet(socket) => {
                let frame = match self.nonblocking {
                    true => socket.try_recv()?,
                    false => socket.recv().await?,
                };
                let len = frame.payload.len().min(buf.len());
                buf[..len].copy_from_slice(&frame.payload[..len]);
                Ok((len, None))
            }
            State::Plugged(socket) => socket.recv(buf, self.nonblocking).await,
        }
    }

    /// Ends one or both directions of a stream.
    ///
    /// # Errors
    /// `NotConnected` for a stream that has no connection, `Unsupported` for datagrams.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.state {
            State::Fresh(_) | State::Listener(_) => Err(to_io(SocketError::NotConnected)),
            State::Stream(stream) => stream.conn.shutdown(how),
            datagrams!(_) | State::Packet(_) => Err(to_io(SocketError::Unsupported(
                "only streams have directions to shut down",
            ))),
            State::Plugged(socket) => socket.shutdown(how),
        }
    }

    /// Waits until there is something to receive or to accept, or an error to be told.
    ///
    /// # Errors
    /// When the stack has ended, for listeners and for sockets of families that were plugged in; others
    /// count as ready then, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness is a level, nothing is used up.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.state {
            State::Fresh(_) => Ok(()),
            State::Listener(listener) => listener.acceptable().await,
            State::Stream(stream) => stream.readable().await,
            datagrams!(socket) => socket.readable().await,
            State::Packet(socket) => socket.ready(Interest::READABLE).await.map(drop),
            State::Plugged(socket) => socket.ready(Readiness::READABLE).await,
        }
    }

    /// Waits until there is room to send, or sending would fail at once; for a stream that connects,
    /// until it has come to an end.
    ///
    /// # Errors
    /// When the stack has ended, for listeners and for sockets of families that were plugged in; others
    /// count as ready then, and the next operation says so.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`readable`](Self::readable).
    pub async fn writable(&self) -> io::Result<()> {
        match &self.state {
            State::Fresh(_) | State::Listener(_) => Ok(()),
            State::Stream(stream) => stream.writable().await,
            datagrams!(socket) => socket.writable().await,
            State::Packet(socket) => socket.ready(Interest::WRITABLE).await.map(drop),
            State::Plugged(socket) => socket.ready(Readiness::WRITABLE).await,
        }
    }
}
