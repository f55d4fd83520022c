//! When datagrams leave (`SO_TIMESTAMPING`).

use super::UdpSocket;
use crate::shared::Ready;
use net_core::SocketError;
use net_core::udp::DatagramTime;
use std::io;
use tokio::task::coop;

/// Whoever wants to know when a datagram leaves says so in its [`SendMeta`](net_core::udp::SendMeta), and
/// by which name. The times wait beside the datagrams received until they are taken, up to 192; others
/// are lost.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_core::tcp::{TransmitStage, TransmitStages};
/// use net_core::udp::{SendMeta, WantTimes};
/// use net_tokio::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// let meta = SendMeta {
///     times: Some(WantTimes {
///         id: 7,
///         stages: TransmitStages::SENT,
///     }),
///     ..SendMeta::to(server.local_addr()?)
/// };
/// client.send_with(b"what time is it?", meta).await?;
/// let sent = client.transmit_time().await?;
/// assert_eq!((sent.id, sent.stage), (7, TransmitStage::Sent));
/// let received = server.recv_datagram().await?;
/// assert!(received.at >= sent.at);
/// # Ok(())
/// # }
/// ```
impl UdpSocket {
    /// Takes the oldest time that waits (`MSG_ERRQUEUE`), by the stack's clock.
    ///
    /// # Errors
    /// `WouldBlock` where there is none (yet).
    pub fn try_transmit_time(&self) -> io::Result<DatagramTime> {
        self.control(|core, id| {
            let mut udp = core.stack_mut().udp(id).ok_or(SocketError::NoSuchSocket)?;
            udp.transmit_time().ok_or(SocketError::WouldBlock)
        })
    }

    /// As [`try_transmit_time`](Self::try_transmit_time), when there is one.
    ///
    /// # Errors
    /// When the stack has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where the future is dropped, no time was taken.
    pub async fn transmit_time(&self) -> io::Result<DatagramTime> {
        let attempt = || match self.try_transmit_time() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            done => Some(done),
        };
        coop::cooperative(self.slot.waiters().wait(Ready::TIMED, attempt)).await
    }
}
