//! A stream in halves: the twins of tokio's.

use super::TcpStream;
use bytes::BufMut;
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

/// The reading half of a [`TcpStream`], borrowed; from [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a [`TcpStream`], borrowed; from [`TcpStream::split`].
///
/// Dropping it does nothing; [`shutdown`](tokio::io::AsyncWriteExt::shutdown) ends the writing.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a [`TcpStream`]; from [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The writing half of a [`TcpStream`]; from [`TcpStream::into_split`].
///
/// Dropping it shuts down writing, as [`shutdown`](tokio::io::AsyncWriteExt::shutdown) does, but asks no
/// [policy](crate::NetBuilder::policy): it waits for nothing, and a drop could tell nobody of a refusal.
/// [`forget`](Self::forget) does not shut down.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    shutdown_on_drop: bool,
}

/// The halves given to `reunite` come from different streams.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

pub(super) fn split_owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let read = OwnedReadHalf {
        stream: Arc::clone(&stream),
    };
    let write = OwnedWriteHalf {
        stream,
        shutdown_on_drop: true,
    };
    (read, write)
}

/// What every reading half has; its stream is in the field `$field`.
macro_rules! reading {
    ($field:tt) => {
        /// As [`TcpStream::poll_peek`].
        ///
        /// # Errors
        /// The connection's, such as `ConnectionReset`.
        pub fn poll_peek(
            &mut self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<usize>> {
            self.$field.poll_peek(cx, buf)
        }

        /// As [`TcpStream::peek`].
        ///
        /// # Errors
        /// The connection's, such as `ConnectionReset`.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: nothing is taken.
        pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.$field.peek(buf).await
        }

        /// As [`TcpStream::ready`].
        ///
        /// # Errors
        /// None: a stack that has ended counts as ready, and the next operation says so.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: readiness is a level, nothing is used up.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$field.ready(interest).await
        }

        /// As [`TcpStream::readable`].
        ///
        /// # Errors
        /// None: a stack that has ended counts as ready, and the next operation says so.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: readiness is a level, nothing is used up.
        pub async fn readable(&self) -> io::Result<()> {
            self.$field.readable().await
        }

        /// As [`TcpStream::try_read`].
        ///
        /// # Errors
        /// `WouldBlock` where nothing is there, or the connection's error.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.$field.try_read(buf)
        }

        /// As [`TcpStream::try_read_vectored`].
        ///
        /// # Errors
        /// `WouldBlock` where nothing is there, or the connection's error.
        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.$field.try_read_vectored(bufs)
        }

        /// As [`TcpStream::try_read_buf`].
        ///
        /// # Errors
        /// `WouldBlock` where nothing is there, or the connection's error.
        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.$field.try_read_buf(buf)
        }
    };
}

/// What every writing half has.
macro_rules! writing {
    ($field:tt) => {
        /// As [`TcpStream::ready`].
        ///
        /// # Errors
        /// None: a stack that has ended counts as ready, and the next operation says so.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: readiness is a level, nothing is used up.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.$field.ready(interest).await
        }

        /// As [`TcpStream::writable`].
        ///
        /// # Errors
        /// None: a stack that has ended counts as ready, and the next operation says so.
        ///
        /// # Cancel safety
        ///
        /// Cancel safe: readiness is a level, nothing is used up.
        pub async fn writable(&self) -> io::Result<()> {
            self.$field.writable().await
        }

        /// As [`TcpStream::try_write`].
        ///
        /// # Errors
        /// `WouldBlock` without room, `BrokenPipe` after shutdown, or the connection's error.
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.$field.try_write(buf)
        }

        /// As [`TcpStream::try_write_vectored`].
        ///
        /// # Errors
        /// `WouldBlock` without room, `BrokenPipe` after shutdown, or the connection's error.
        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.$field.try_write_vectored(bufs)
        }
    };
}

/// The addresses of the stream that a half belongs to.
macro_rules! addresses {
    ($field:tt) => {
        /// As [`TcpStream::peer_addr`].
        ///
        /// # Errors
        /// `NotConnected` once the connection is gone.
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.$field.peer_addr()
        }

        /// As [`TcpStream::local_addr`].
        ///
        /// # Errors
        /// When the stack has ended.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.$field.local_addr()
        }
    };
}

impl ReadHalf<'_> {
    reading!(0);
    addresses!(0);
}

impl WriteHalf<'_> {
    writing!(0);
    addresses!(0);
}

impl OwnedReadHalf {
    /// Puts the stream together again.
    ///
    /// # Errors
    /// Gives the halves back where they come from different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }

    reading!(stream);
    addresses!(stream);
}

impl OwnedWriteHalf {
    /// Puts the stream together again.
    ///
    /// # Errors
    /// Gives the halves back where they come from different streams.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops the half without shutting down writing.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    writing!(stream);
    addresses!(stream);
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.stream, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    Ok(Arc::into_inner(read.stream).expect("the two halves were the only owners"))
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if mem::take(&mut self.shutdown_on_drop) {
            self.stream.conn.finish_writing();
        }
    }
}

/// The traits of two halves whose stream is in the field `$field`.
macro_rules! read_and_write {
    ($read:ty, $write:ty, $field:tt) => {
        impl AsyncRead for $read {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.$field.conn.poll_read(cx, buf)
            }
        }

        impl AsyncWrite for $write {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.$field.conn.poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.$field.conn.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.$field.conn.shutdown_write())
            }
        }

        impl AsRef<TcpStream> for $read {
            fn as_ref(&self) -> &TcpStream {
                &self.$field
            }
        }

        impl AsRef<TcpStream> for $write {
            fn as_ref(&self) -> &TcpStream {
                &self.$field
            }
        }
    };
}

read_and_write!(ReadHalf<'_>, WriteHalf<'_>, 0);
read_and_write!(OwnedReadHalf, OwnedWriteHalf, stream);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl Error for ReuniteError {}
