//! A listener as a stream.

use crate::{TcpListener, TcpStream};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::borrow::Borrow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The connections that a listener accepts; from [`TcpListener::incoming`].
///
/// It never ends by itself. `L` is the listener, a reference to it, or an `Arc` of it.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Connections<L = TcpListener> {
    listener: L,
}

impl TcpListener {
    /// The connections accepted here, as a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use futures::StreamExt;
    /// use net_tokio::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let server = listener.incoming().next().await.expect("it never ends")?;
    /// assert_eq!(server.peer_addr()?, client.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Connections<&Self> {
        Connections::new(self)
    }

    /// As [`incoming`](Self::incoming), with the listener inside.
    pub fn into_incoming(self) -> Connections {
        Connections::new(self)
    }
}

impl<L: Borrow<TcpListener>> Connections<L> {
    /// The connections that `listener` accepts.
    pub fn new(listener: L) -> Self {
        Self { listener }
    }

    /// The listener.
    pub fn listener(&self) -> &TcpListener {
        self.listener.borrow()
    }

    /// The listener, alone again.
    pub fn into_inner(self) -> L {
        self.listener
    }
}

impl<L: Borrow<TcpListener>> Stream for Connections<L> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.listener().poll_accept(cx);
        accepted.map(|accepted| Some(accepted.map(|(stream, _)| stream)))
    }
}

impl<L: Borrow<TcpListener>> FusedStream for Connections<L> {
    fn is_terminated(&self) -> bool {
        false
    }
}
