//! When bytes leave, and when the peer has them (`SO_TIMESTAMPING`).

use super::TcpStream;
use crate::shared::Ready;
use net_core::SocketError;
use net_core::tcp::{State, TransmitStages, TransmitTime};
use std::io;
use tokio::task::coop;

/// Bytes whose times are wanted are named by their place in the stream (as with
/// `SOF_TIMESTAMPING_OPT_ID`), before they are written. The times wait beside the stream until they are
/// taken, up to three for each of 64 bytes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_core::tcp::{TransmitStage, TransmitStages};
/// use net_tokio::{TcpListener, TcpStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut client = TcpStream::connect(listener.local_addr()?).await?;
/// let (mut server, _) = listener.accept().await?;
///
/// let request = b"a request";
/// let last = client.written() + request.len() as u64 - 1;
/// client.want_times(last, TransmitStages::SENT | TransmitStages::ACKNOWLEDGED)?;
/// client.write_all(request).await?;
/// server.read_exact(&mut [0; 9]).await?;
///
/// let sent = client.transmit_time().await?;
/// assert_eq!((sent.offset, sent.stage), (8, TransmitStage::Sent));
/// let acknowledged = client.transmit_time().await?;
/// assert_eq!((acknowledged.offset, acknowledged.stage), (8, TransmitStage::Acknowledged));
/// assert!(acknowledged.at >= sent.at);
/// # Ok(())
/// # }
/// ```
impl TcpStream {
    /// How many bytes have been written: the place of the one that is written next.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.conn.slot.written()
    }

    /// Asks when the byte at a place in the stream, which is yet to be written, reaches `stages`.
    ///
    /// # Errors
    /// `InvalidInput` for a byte that was written, `BrokenPipe`, `NotConnected`; ENOBUFS where 64 bytes, or
    /// their times, wait.
    pub fn want_times(&self, offset: u64, stages: TransmitStages) -> io::Result<()> {
        let id = self.conn.slot.id();
        self.conn.net().engine().control(|core, now| {
            let tcp = core.stack_mut().tcp(id, now);
            tcp.ok_or(SocketError::NoSuchSocket)?
                .want_times(offset, stages)
        })
    }

    /// Takes the oldest time that waits (`MSG_ERRQUEUE`), by the stack's clock.
    ///
    /// # Errors
    /// `WouldBlock` where there is none (yet); `NotConnected` where there is none, and the connection is
    /// over.
    pub fn try_transmit_time(&self) -> io::Result<TransmitTime> {
        let id = self.conn.slot.id();
        self.conn.net().engine().control(|core, now| {
            let tcp = core.stack_mut().tcp(id, now);
            let mut tcp = tcp.ok_or(SocketError::NoSuchSocket)?;
            let nothing = match tcp.state() {
                State::Closed | State::TimeWait => SocketError::NotConnected,
                _ => SocketError::WouldBlock,
            };
            tcp.transmit_time().ok_or(nothing)
        })
    }

    /// As [`try_transmit_time`](Self::try_transmit_time), when there is one.
    ///
    /// # Errors
    /// `NotConnected` where there is none, and the connection is over.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, no time was taken.
    pub async fn transmit_time(&self) -> io::Result<TransmitTime> {
        let attempt = || match self.try_transmit_time() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            done => Some(done),
        };
        let waiters = self.conn.slot.waiters();
        coop::cooperative(waiters.wait(Ready::TIMED, attempt)).await
    }
}
