//! Holding partial segments back while a message is put together.

use super::TcpStream;
use net_core::socket::TcpOption;
use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

/// A stream whose partial segments wait for company (`TCP_CORK`), until it drops; from
/// [`TcpStream::cork`].
///
/// It is the stream in all other respects. What waits leaves after 200 ms all the same, as in Linux.
#[must_use = "the cork is pulled when it drops"]
pub struct Corked<'a> {
    stream: &'a mut TcpStream,
}

impl TcpStream {
    /// Holds partial segments back until what is returned drops, so that a message that is written
    /// in parts leaves in full segments, even with [`set_nodelay`](Self::set_nodelay).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # use net_tokio::{TcpListener, TcpStream};
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let mut stream = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (mut peer, _) = listener.accept().await?;
    /// let mut corked = stream.cork()?;
    /// corked.write_all(b"head").await?;
    /// corked.write_all(b"body").await?;
    /// drop(corked);
    /// # let mut got = [0; 8];
    /// # peer.read_exact(&mut got).await?;
    /// # assert_eq!(&got, b"headbody");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn cork(&mut self) -> io::Result<Corked<'_>> {
        self.set_option(TcpOption::Cork(true))?;
        Ok(Corked { stream: self })
    }
}

impl Deref for Corked<'_> {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        self.stream
    }
}

impl DerefMut for Corked<'_> {
    fn deref_mut(&mut self) -> &mut TcpStream {
        self.stream
    }
}

impl Drop for Corked<'_> {
    fn drop(&mut self) {
        self.stream.conn.uncork();
    }
}

impl fmt::Debug for Corked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Corked").field(&self.stream).finish()
    }
}
