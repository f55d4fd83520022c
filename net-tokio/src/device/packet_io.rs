//! Packets over whatever reads and writes one with each call.

use super::{Device, Overruns, check_mtu};
use bytes::BytesMut;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch, crossing};
use net_core::time::Instant;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A device over anything of tokio's that gives one IP packet with each read and takes one with each write:
/// the asynchronous device of the crate `tun`, which is the way to **Wintun** on Windows, or a tunnel of the
/// program's own.
///
/// ```no_run
/// # #[cfg(any(target_os = "linux", windows))]
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use net_tokio::{Net, device::PacketIo};
/// let mut config = tun::Configuration::default();
/// config.tun_name("vpn0").address("10.7.0.1").netmask("255.255.255.0").mtu(1500).up();
/// let device = PacketIo::new(tun::create_as_async(&config)?, 1500)?;
/// let net = Net::builder().device("vpn0", device).address("10.7.0.2/24").build()?;
/// # Ok(())
/// # }
/// ```
///
/// Packets are copied once, and have complete checksums: on Linux a `Tun` does better, and on Unix a
/// `PacketFd` takes a bare descriptor. It has been run over the crate `tun` on Linux; that it compiles over
/// that crate for Windows is checked.
///
/// A write passes its packet on: nothing is flushed. The device ends with a read that fails or that comes to
/// nothing. A packet whose write fails is lost, as networks lose packets, and counts as
/// [refused](PacketIoStats::refused): Wintun fails so when its ring is full.
#[derive(Debug)]
pub struct PacketIo<T> {
    io: T,
    mtu: u16,
    buffer: Box<[u8]>,
    /// The packet at the head of what is sent, in one piece.
    flat: BytesMut,
    stats: PacketIoStats,
    /// Why nothing can be read any more, where packets came right before.
    end: Option<io::Error>,
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> PacketIo<T> {
    /// A device over `io` for IP packets of up to `mtu` bytes (68 or more).
    ///
    /// # Errors
    /// `InvalidInput` for an MTU below 68, which RFC 791 has every link carry.
    pub fn new(io: T, mtu: u16) -> io::Result<Self> {
        check_mtu(mtu)?;
        Ok(Self {
            io,
            mtu,
            buffer: vec![0; MAX_PACKET].into(),
            flat: BytesMut::new(),
            stats: PacketIoStats::default(),
            end: None,
        })
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> PacketIoStats {
        self.stats.clone()
    }
}

/// Counters of a [`PacketIo`].
#[derive(Debug, Clone, Default)]
pub struct PacketIoStats {
    refused: Arc<AtomicU64>,
}

impl PacketIoStats {
    /// Packets that were not sent: their write failed, or took a part of them.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Device for PacketIo<T> {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            software_gro: true,
            ..DeviceCaps::default()
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(Err(end));
        }
        let mut count = 0;
        while count < budget {
            let mut read = ReadBuf::new(&mut self.buffer);
            let end = match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    let text = "what packets came from has been closed";
                    io::Error::new(io::ErrorKind::UnexpectedEof, text)
                }
                Poll::Ready(Ok(())) => {
                    batch.slot().frame.extend_from_slice(read.filled());
                    count += 1;
                    continue;
                }
                Poll::Ready(Err(error)) => error,
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => break,
            };
            if count == 0 {
                return Poll::Ready(Err(end));
            }
            self.end = Some(end);
            break;
        }
        Poll::Ready(Ok(count))
    }

    fn overruns(&self) -> Overruns {
        Overruns::UNKNOWN
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        _now: Instant,
    ) -> Poll<io::Result<()>> {
        let mut done = 0;
        for packet in batch.packets() {
            self.flat.clear();
            crossing::copy_completed(packet, &mut self.flat);
            match Pin::new(&mut self.io).poll_write(cx, &self.flat) {
                Poll::Ready(Ok(len)) if len == self.flat.len() => {}
                Poll::Ready(_) => {
                    self.stats.refused.fetch_add(1, Ordering::Relaxed);
                }
                Poll::Pending => break,
            }
            done += 1;
        }
        batch.drop_front(done);
        if batch.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

/// The longest IP packet.
const MAX_PACKET: usize = 65_535;
