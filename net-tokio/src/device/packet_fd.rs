//! Packets over a descriptor that somebody else has opened (Unix).

use super::descriptor::Descriptor;
use super::framing::{Counters, Framing};
use super::{Device, Prefix};
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::stats::DropReason;
use net_core::time::Instant;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::net::SocketType;
use rustix::net::sockopt::socket_type;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// A descriptor that somebody else has opened, and that gives and takes one IP packet with each call.
///
/// Where the system sets up the tunnel and hands over its descriptor, that is the way to a stack: the one
/// of Android's `VpnService` ([`Prefix::None`]), the `utun` of macOS and of a packet tunnel of iOS
/// ([`Prefix::UTUN`]), a TUN of Linux that a privileged process has opened and passed on
/// (`SCM_RIGHTS`), or one end of a pair of sockets towards another process. For a TUN of Linux there is
/// also `Tun::from_fd`, which asks the kernel how it was opened and uses its offloads.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Net, device::{PacketFd, Prefix}};
/// use std::os::unix::net::UnixDatagram;
///
/// // From Java: `OwnedFd::from_raw_fd(parcelFileDescriptor.detachFd())`.
/// let (fd, _theirs) = UnixDatagram::pair()?;
/// let device = PacketFd::new(fd, Prefix::None, 1500)?.named("vpn0");
/// let net = Net::builder().device("vpn0", device).address("10.7.0.2/24").build()?;
/// # Ok(())
/// # }
/// ```
///
/// As a `Tun`, it registers with the runtime that first polls it; a thread without a runtime waits on the
/// descriptor ([`AsFd`]) and uses [`try_recv`](Self::try_recv) and [`try_send`](Self::try_send). The
/// device ends when the other end of it is closed, as far as the descriptor tells: a `SOCK_DGRAM` socket
/// does not.
#[derive(Debug)]
pub struct PacketFd {
    descriptor: Descriptor,
    mtu: u16,
    counters: Arc<Counters>,
}

impl PacketFd {
    /// A device over `fd`, with `prefix` in front of each packet, for IP packets of up to `mtu` bytes (68
    /// or more). What is longer than that is cut off when it is read, and dropped by the stack.
    ///
    /// The descriptor is closed with the device. It is set to be non-blocking, which goes for all that
    /// share it: duplicates, and processes that it came from.
    ///
    /// # Errors
    /// `InvalidInput` for an MTU below 68, and for a descriptor that keeps no boundaries between packets
    /// or does not go both ways: a stream socket, a pipe, a file, one that is open for reading alone. Else
    /// what the system says about a descriptor that is of no use.
    pub fn new(fd: impl Into<OwnedFd>, prefix: Prefix, mtu: u16) -> io::Result<Self> {
        let fd = fd.into();
        if mtu < MTU_MIN {
            return Err(invalid(format!("an MTU is at least {MTU_MIN}, not {mtu}")));
        }
        let empty_is_end = check_kind(&fd)?;
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        let counters = Arc::new(Counters::default());
        let mut framing = Framing::new(false, 0, mtu, counters.clone()).with_prefix(prefix);
        if empty_is_end {
            framing = framing.with_end();
        }
        let name = fd.as_raw_fd().to_string();
        Ok(Self {
            descriptor: Descriptor::new("descriptor", name, fd, framing),
            mtu,
            counters,
        })
    }

    /// What it is called in errors. By default the number of the descriptor.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.descriptor.rename(name.into());
        self
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> PacketFdStats {
        PacketFdStats {
            counters: self.counters.clone(),
        }
    }

    /// Receives up to `budget` packets that are there now and appends them to `batch`; how many,
    /// at least one unless `budget` is 0.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; anything else is the end of the device, and `UnexpectedEof` that
    /// the other end was closed.
    pub fn try_recv(&mut self, batch: &mut RxBatch, budget: usize) -> io::Result<usize> {
        self.descriptor.try_recv(batch, budget)
    }

    /// Sends packets from the front of `batch` and takes them out of it.
    ///
    /// # Errors
    /// `WouldBlock` if the descriptor has no room, with the rest in order; anything else is the end of
    /// the device.
    pub fn try_send(&mut self, batch: &mut TxBatch) -> io::Result<()> {
        self.descriptor.try_send(batch)
    }
}

impl Device for PacketFd {
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
        self.descriptor.poll_recv(cx, batch, budget)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        _now: Instant,
    ) -> Poll<io::Result<()>> {
        self.descriptor.poll_send(cx, batch)
    }
}

impl AsFd for PacketFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Counters of a [`PacketFd`].
#[derive(Debug, Clone)]
pub struct PacketFdStats {
    counters: Arc<Counters>,
}

impl PacketFdStats {
    /// Packets received and dropped because of their [`Prefix`]; the stack knows nothing of them.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.counters.malformed.load(Ordering::Relaxed)
    }

    /// Those of [`malformed`](Self::malformed) that were dropped for one reason: `Truncated` where the
    /// packet ends before its prefix does, has nothing behind it, or was cut off by the kernel,
    /// `EtherType` where the prefix is of another protocol, and `IpVersion` where it contradicts the
    /// packet. 0 for every other.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped(reason)
    }

    /// Packets sent that the descriptor did not take, or that are no IP and so have no prefix.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

/// Refuses what keeps no packet boundaries; whether an empty read is the end, as it is but for sockets
/// of datagrams, which may be empty.
fn check_kind(fd: &OwnedFd) -> io::Result<bool> {
    let what = match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Socket => match socket_type(fd)? {
            SocketType::STREAM => "a stream socket",
            kind => return Ok(kind != SocketType::DGRAM && kind != SocketType::RAW),
        },
        FileType::Fifo => "a pipe",
        FileType::RegularFile | FileType::Directory => "a file",
        _ if !fcntl_getfl(fd)?.contains(OFlags::RDWR) => {
            return Err(invalid(
                "the descriptor does not go both ways: open it for reading and writing".into(),
            ));
        }
        _ => return Ok(true),
    };
    Err(invalid(format!(
        "{what} keeps no boundaries between packets: hand over a TUN, or an end of a pair of sockets of \
         the type SOCK_SEQPACKET or SOCK_DGRAM"
    )))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// What IPv4 asks of every link (RFC 791).
const MTU_MIN: u16 = 68;
