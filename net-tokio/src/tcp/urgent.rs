//! Urgent data (RFC 9293 §3.8.5, RFC 6093): `MSG_OOB`, `SO_OOBINLINE`, `sockatmark`.

use super::TcpStream;
use super::conn::Conn;
use crate::shared::{Fault, Ready, Stop, Touch};
use net_core::SocketError;
use net_core::socket::TcpOption;
use net_core::tcp::RecvFlags;
use std::io;

/// One byte at a time may be urgent: it is announced to the peer at once, whatever waits in front of it,
/// and is read apart from the stream, at whose place it leaves a mark. New protocols should not use it
/// (RFC 6093 §5).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{TcpListener, TcpStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// let (mut server, _) = listener.accept().await?;
/// client.write_all(b"before").await?;
/// client.send_urgent(b"!").await?;
/// client.write_all(b"after").await?;
///
/// assert_eq!(server.recv_urgent().await?, b'!');
/// let mut word = [0; 20];
/// assert_eq!(server.read(&mut word).await?, 6);
/// assert!(server.is_at_mark());
/// assert_eq!(server.read(&mut word).await?, 5);
/// # Ok(())
/// # }
/// ```
impl TcpStream {
    /// Writes all of `data`, whose last byte is urgent (`MSG_OOB`).
    ///
    /// # Errors
    /// As writing: `BrokenPipe`, `ConnectionReset` …
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: where the future is dropped, a part of `data` may have been sent, without the
    /// urgent byte.
    pub async fn send_urgent(&self, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        while !rest.is_empty() {
            let put = || self.conn.put_urgent(rest);
            let count = self.conn.wait(Ready::WRITE, put).await?;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// As [`send_urgent`](Self::send_urgent), at once; how many bytes. The last one is urgent only if
    /// all are written.
    ///
    /// # Errors
    /// `WouldBlock` without room, or as for [`send_urgent`](Self::send_urgent).
    pub fn try_send_urgent(&self, data: &[u8]) -> io::Result<usize> {
        self.conn.permit(Ready::WRITE)?;
        self.conn.finish(self.conn.put_urgent(data))
    }

    /// Takes the urgent byte, however much there is to read in front of it (`MSG_OOB`); waits for one
    /// that is there or announced, or comes first of all.
    ///
    /// # Errors
    /// `InvalidInput` where urgent data stays [in the stream](Self::set_oob_inline), or when the stack
    /// has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, nothing was taken.
    pub async fn recv_urgent(&self) -> io::Result<u8> {
        let take = || match self.conn.slot.is_urgent() {
            true => self.conn.take_urgent(RecvFlags::empty()),
            false => Err(Stop::WouldBlock),
        };
        let interest = Ready::PRIORITY | Ready::ERROR | Ready::READ_CLOSED;
        let over = || self.conn.slot.is_over();
        let attempt = || match take() {
            Err(Stop::WouldBlock) if over() => Err(SocketError::InvalidInput(NONE).into()),
            done => done,
        };
        self.conn.wait(interest, attempt).await
    }

    /// As [`recv_urgent`](Self::recv_urgent), at once.
    ///
    /// # Errors
    /// `InvalidInput` where there is none, or it has been passed, or stays in the stream; `WouldBlock`
    /// where it is announced and not here yet. The kernel says so too.
    pub fn try_recv_urgent(&self) -> io::Result<u8> {
        self.conn.permit(Ready::READ)?;
        self.conn.finish(self.conn.take_urgent(RecvFlags::empty()))
    }

    /// As [`try_recv_urgent`](Self::try_recv_urgent), leaving the byte where it is.
    ///
    /// # Errors
    /// As for [`try_recv_urgent`](Self::try_recv_urgent).
    pub fn try_peek_urgent(&self) -> io::Result<u8> {
        self.conn.permit(Ready::READ)?;
        self.conn.finish(self.conn.take_urgent(RecvFlags::PEEK))
    }

    /// Whether the next byte to be read stood, or stands, behind urgent data (`sockatmark`). A read
    /// never goes across the mark; one that begins there goes on.
    #[must_use]
    pub fn is_at_mark(&self) -> bool {
        self.conn.slot.is_at_mark()
    }

    /// Whether urgent data stays in the stream (`SO_OOBINLINE`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn oob_inline(&self) -> io::Result<bool> {
        self.conn.settings(|settings| settings.oob_inline)
    }

    /// Leaves urgent data that comes from now on in the stream (`SO_OOBINLINE`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_oob_inline(&self, on: bool) -> io::Result<()> {
        self.conn.set_option(TcpOption::OobInline(on))
    }
}

impl Conn {
    /// Writes as much of `data` as there is room for, in one step with saying that its last byte is
    /// urgent, if that is among it.
    fn put_urgent(&self, data: &[u8]) -> Result<(usize, Touch), Stop> {
        let engine = self.net().engine();
        let wrote = engine.control(|core, _| {
            let wrote = self.slot.write(data, engine.pool(), None);
            if matches!(wrote, Ok((count, _)) if count == data.len()) {
                core.push_urgent(&self.slot);
            }
            Ok(wrote)
        });
        wrote.unwrap_or(Err(Stop::Fault(Fault::Gone)))
    }

    /// Takes the urgent byte, or looks at it.
    fn take_urgent(&self, flags: RecvFlags) -> Result<(u8, Touch), Stop> {
        let id = self.slot.id();
        let taken = self.net().engine().control(|core, now| {
            let tcp = core.stack_mut().tcp(id, now);
            let mut tcp = tcp.ok_or(SocketError::NoSuchSocket)?;
            // The core has not always heard yet of what the reader has passed.
            if tcp
                .urgent_mark()
                .is_some_and(|mark| self.slot.consumed() > mark)
            {
                return Ok(Err(SocketError::InvalidInput(NONE)));
            }
            let mut byte = [0];
            let taken = tcp.recv(&mut byte, RecvFlags::URGENT | flags);
            if taken.is_ok() && !flags.contains(RecvFlags::PEEK) {
                self.slot.took_urgent();
            }
            Ok(taken.map(|_| byte[0]))
        });
        match taken {
            Ok(Ok(byte)) => Ok((byte, Touch::None)),
            Ok(Err(SocketError::WouldBlock)) => Err(Stop::WouldBlock),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Stop::Fault(Fault::Gone)),
        }
    }
}

const NONE: &str = "there is no urgent data";
