//! Receiving beyond what tokio's stream can do.

use super::TcpStream;
use bytes::Bytes;
use std::io;
use tokio::io::ReadBuf;

impl TcpStream {
    /// Takes received bytes without copying: at least one and at most `max`. `None` at the end of
    /// the stream.
    ///
    /// The bytes lie in the buffer that they were received into; who keeps a small piece keeps that
    /// buffer. `max` of zero gives an empty piece at once.
    ///
    /// # Errors
    /// The connection's, such as `ConnectionReset`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was taken.
    pub async fn read_chunk(&self, max: usize) -> io::Result<Option<Bytes>> {
        self.conn.read_chunk(max).await
    }

    /// Reads until `buf` is full, as with `MSG_WAITALL`; how many bytes, which is fewer only where the
    /// stream ends or fails first. An error comes out of the next call where something was read.
    ///
    /// # Errors
    /// The connection's, such as `ConnectionReset`, where nothing was read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, what was read is in `buf`.
    pub async fn read_full(&self, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
        self.conn.read_full(buf).await
    }

    /// Throws away what is there to read, up to `max` bytes, as `MSG_TRUNC` does; how many. Zero at
    /// the end of the stream.
    ///
    /// # Errors
    /// The connection's, such as `ConnectionReset`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was thrown away.
    pub async fn discard(&self, max: usize) -> io::Result<usize> {
        self.conn.discard(max).await
    }

    /// As [`discard`](Self::discard), at once.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, or the connection's error.
    pub fn try_discard(&self, max: usize) -> io::Result<usize> {
        self.conn.try_discard(max)
    }

    /// How many bytes have to be there for the stream to be readable (`SO_RCVLOWAT`).
    #[must_use]
    pub fn recv_lowat(&self) -> u64 {
        self.conn.recv_lowat()
    }

    /// Makes the stream readable only when `bytes` are there, or none will come any more
    /// (`SO_RCVLOWAT`). At least one, and at most half of the receive buffer.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_recv_lowat(&self, bytes: u64) -> io::Result<()> {
        self.conn.set_recv_lowat(bytes)
    }
}
