//! Connections that move from one stack to another (`TCP_REPAIR`).

use super::TcpStream;
use super::conn::Conn;
use crate::net::Net;
use std::error::Error;
use std::fmt;
use std::io;
use std::task::Waker;

/// Why a stream could not be frozen, and the stream, which is as it was.
#[derive(Debug)]
pub struct FreezeError {
    /// It can be used on.
    pub stream: TcpStream,
    /// The reason.
    pub error: io::Error,
}

impl fmt::Display for FreezeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection stays where it is: {}", self.error)
    }
}

impl Error for FreezeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<FreezeError> for io::Error {
    /// The reason alone: the stream is dropped, which closes it.
    fn from(refused: FreezeError) -> Self {
        refused.error
    }
}

/// A connection goes on in another stack that has the same address, in this process or another, without the
/// peer noticing more than a pause (`TCP_REPAIR`).
///
/// Packets to the address have to go to the stack that thaws it by then. Neither call waits for anything, so there
/// is no future that could be dropped on the way.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Net, TcpListener, TcpStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, _) = listener.accept().await?;
/// client.write_all(b"before").await?;
/// let frozen = server.freeze()?;
/// client.write_all(b" and after").await?;
///
/// // Here it goes on where it was: there is no other stack.
/// let mut server = TcpStream::thaw(&frozen)?;
/// let mut words = [0; 16];
/// server.read_exact(&mut words).await?;
/// assert_eq!(&words, b"before and after");
/// # Ok(())
/// # }
/// ```
impl TcpStream {
    /// Takes the connection out of its stack, as bytes for [`thaw_on`](Self::thaw_on) of another one: what was
    /// received and not read, what was written and not acknowledged, urgent data, numbers, windows and what the
    /// handshake settled. Its options stay behind.
    ///
    /// The peer is told nothing. For two minutes ([`frozen_time`](net_core::config::TcpConfig::frozen_time)), or
    /// until it is thawed there again, the stack drops what the peer sends without an answer; later it answers
    /// with a reset.
    ///
    /// # Errors
    /// `NotConnected`, and `InvalidInput` once writing is shut down or where nobody could go on with it: see
    /// [`freeze_tcp`](net_core::Stack::freeze_tcp). The error gives the stream back, with all that was to be read.
    pub fn freeze(self) -> Result<Vec<u8>, FreezeError> {
        self.conn.freeze().map_err(|error| FreezeError {
            stream: self,
            error,
        })
    }

    /// Goes on with a connection that was [frozen](Self::freeze), on the [current](Net::current) stack.
    ///
    /// # Errors
    /// As for [`thaw_on`](Self::thaw_on).
    pub fn thaw(frozen: &[u8]) -> io::Result<Self> {
        Self::thaw_on(&Net::current()?, frozen)
    }

    /// As [`thaw`](Self::thaw), on the stack `net`. What was unacknowledged leaves again at once, and what was
    /// not read can be read; options are those of a new socket.
    ///
    /// # Errors
    /// `InvalidInput` for bytes that are no connection, `AddrInUse` if there is one between these ends,
    /// `NetworkUnreachable` and so on where connecting to the peer from that address would fail so. The bytes
    /// may be tried again, there or elsewhere.
    pub fn thaw_on(net: &Net, frozen: &[u8]) -> io::Result<Self> {
        let conn = Conn::thaw(net, frozen)?;
        Ok(Self { conn })
    }
}

impl Conn {
    fn freeze(&self) -> io::Result<Vec<u8>> {
        let mut wakes = Vec::new();
        let frozen = self.net().engine().act(|core, _| {
            let frozen = core.freeze(&self.slot, &mut wakes)?;
            self.slot.detach();
            Ok(frozen)
        });
        wakes.into_iter().for_each(Waker::wake);
        frozen
    }

    fn thaw(net: &Net, frozen: &[u8]) -> io::Result<Self> {
        let thawed = net.engine().act(|core, now| {
            let id = core.stack_mut().thaw_tcp(frozen, now)?;
            Ok(core.add_tcp(id))
        });
        Ok(Self::new(net.clone(), thawed?))
    }
}
