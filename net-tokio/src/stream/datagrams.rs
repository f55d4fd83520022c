//! A datagram socket as a stream and a sink.

use crate::UdpSocket;
use bytes::Bytes;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Datagrams with their addresses, received and sent.
///
/// Receiving copies nothing. `S` is the socket, a reference to it, or an `Arc` of it, so that both
/// directions may live in different tasks.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use futures::{SinkExt, StreamExt};
/// use net_tokio::UdpSocket;
/// use net_tokio::stream::Datagrams;
/// let mut a = Datagrams::new(UdpSocket::bind("127.0.0.1:0").await?);
/// let mut b = Datagrams::new(UdpSocket::bind("127.0.0.1:0").await?);
/// a.send(("hello".into(), b.socket().local_addr()?)).await?;
/// let (payload, from) = b.next().await.expect("it never ends")?;
/// assert_eq!((&payload[..], from), (&b"hello"[..], a.socket().local_addr()?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "streams and sinks do nothing unless polled"]
pub struct Datagrams<S = UdpSocket> {
    socket: S,
    /// What the socket had no room for yet.
    unsent: Option<(Bytes, SocketAddr)>,
}

impl<S> Unpin for Datagrams<S> {}

impl<S: Borrow<UdpSocket>> Datagrams<S> {
    /// The datagrams of `socket`.
    pub fn new(socket: S) -> Self {
        Self {
            socket,
            unsent: None,
        }
    }

    /// The socket.
    pub fn socket(&self) -> &UdpSocket {
        self.socket.borrow()
    }

    /// The socket, alone again. What was not flushed is lost.
    pub fn into_inner(self) -> S {
        self.socket
    }
}

impl<S: Borrow<UdpSocket>> Stream for Datagrams<S> {
    type Item = io::Result<(Bytes, SocketAddr)>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let received = ready!(self.socket().poll_recv_datagram(cx));
        Poll::Ready(Some(received.map(|datagram| {
            let source = datagram.source;
            (datagram.payload, source)
        })))
    }
}

impl<S: Borrow<UdpSocket>> FusedStream for Datagrams<S> {
    fn is_terminated(&self) -> bool {
        false
    }
}

/// An error is about the datagram that was flushed, or about an earlier one; the next may be sent all
/// the same.
impl<S: Borrow<UdpSocket>> Sink<(Bytes, SocketAddr)> for Datagrams<S> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: (Bytes, SocketAddr)) -> io::Result<()> {
        self.unsent = Some(item);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((payload, to)) = &self.unsent {
            let sent = ready!(self.socket().poll_send_to(cx, payload, *to));
            self.unsent = None;
            sent?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
