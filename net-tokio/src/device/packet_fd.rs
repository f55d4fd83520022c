//! Packets over a descriptor that somebody else has opened (Unix).

use super::descriptor::{Descriptor, invalid};
use super::framing::{Counters, Framing, OtherEnd};
use super::{Device, Overruns, TunHeader, check_mtu};
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::stats::DropReason;
use net_core::time::Instant;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::net::sockopt::socket_type;
use rustix::net::{AddressFamily, SocketType, getpeername};
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// A descriptor that somebody else has opened, and that gives and takes one IP packet with each call.
///
/// Where the system sets up the tunnel and hands over its descriptor, that is the way to a stack: the one
/// of Android's `VpnService` ([`TunHeader::None`]), the `utun` of macOS and of a packet tunnel of iOS
/// ([`TunHeader::UTUN`]), a TUN of Linux that a privileged process has opened and passed on
/// (`SCM_RIGHTS`), or one end of a pair of sockets towards another process. For a TUN of Linux there is
/// also `Tun::from_fd`, which asks the kernel how it was opened and uses its offloads.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Net, device::{PacketFd, TunHeader}};
/// use std::os::unix::net::UnixDatagram;
///
/// // From Java: `OwnedFd::from_raw_fd(parcelFileDescriptor.detachFd())`.
/// let (fd, _theirs) = UnixDatagram::pair()?;
/// let device = PacketFd::new(fd, TunHeader::None, 1500)?.named("vpn0");
/// let net = Net::builder().device("vpn0", device).address("10.7.0.2/24").build()?;
/// # Ok(())
/// # }
/// ```
///
/// As a `Tun`, it registers with the runtime that first polls it; a thread without a runtime waits on the
/// descriptor ([`AsFd`]) and uses [`try_recv`](Self::try_recv) and [`try_send`](Self::try_send).
///
/// The device ends when the descriptor is shut down or its other end is closed. On Linux a socket of the
/// type `SOCK_SEQPACKET` tells that at once, and one of the type `SOCK_DGRAM` when something is sent. It has
/// been run on Linux alone; for macOS and Android it is checked that it compiles. On Apple's systems a full
/// `SOCK_DGRAM` socket says so by an error that counts the packet as
/// [refused](PacketFdStats::refused), where on Linux it is held back.
#[derive(Debug)]
pub struct PacketFd {
    descriptor: Descriptor,
    mtu: u16,
    counters: Arc<Counters>,
}

impl PacketFd {
    /// A device over `fd`, with `header` in front of each packet, for IP packets of up to `mtu` bytes (68
    /// or more). What is longer than that is cut off when it is read, and dropped by the stack.
    ///
    /// The descriptor is closed with the device. It is set to be non-blocking, which goes for all that
    /// share it: duplicates, and processes that it came from.
    ///
    /// # Errors
    /// `InvalidInput` for an MTU below 68, and for a descriptor that keeps no boundaries between packets
    /// or does not go both ways: a stream socket, a pipe, a file, a terminal, one that is open for reading
    /// alone. So for a socket that is not connected, that is raw, or that is one of UDP (which is for
    /// [`UdpTunnel`](super::UdpTunnel)), and on Linux for a TAP and for a TUN with a vnet header (which is for
    /// `Tun::from_fd`). Else what the system says about a descriptor that is of no use.
    pub fn new(fd: impl Into<OwnedFd>, header: TunHeader, mtu: u16) -> io::Result<Self> {
        let fd = fd.into();
        check_mtu(mtu)?;
        let other_end = other_end(&fd)?;
        let counters = Arc::new(Counters::default());
        let framing = Framing::new(false, 0, mtu, counters.clone())
            .with_tun_header(header)
            .with_other_end(other_end);
        let name = fd.as_raw_fd().to_string();
        Ok(Self {
            descriptor: Descriptor::adopt("descriptor", name, fd, framing)?,
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

    /// Receives up to `budget` packets that are there now and appends them to `batch`; how many. That is 0
    /// where all that were read had to be dropped: there may be more.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; anything else is the end of the device, and `UnexpectedEof` that
    /// it was shut down, or the other end closed.
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

    /// What the other end has lost it does not tell.
    fn overruns(&self) -> Overruns {
        Overruns::UNKNOWN
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
    /// Packets received and dropped because of their [`TunHeader`]; the stack knows nothing of them.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.counters.malformed.load(Ordering::Relaxed)
    }

    /// Those of [`malformed`](Self::malformed) that were dropped for one reason: `Truncated` where the
    /// packet ends before its header does, has nothing behind it, or was cut off by the kernel,
    /// `EtherType` where the header is of another protocol, and `IpVersion` where it contradicts the
    /// packet. 0 for every other.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped(reason)
    }

    /// Packets sent that the descriptor did not take, or that are no IP and so have no header.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

/// What is at the other end of a descriptor through which packets can go.
///
/// # Errors
/// `InvalidInput` where they cannot.
fn other_end(fd: &OwnedFd) -> io::Result<OtherEnd> {
    let what = match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::Socket => match socket_type(fd)? {
            SocketType::STREAM => "a stream socket",
            SocketType::RAW => {
                return Err(invalid(
                    "a raw socket has another format for each family: hand over a TUN",
                ));
            }
            _ => {
                check_socket(fd)?;
                return Ok(OtherEnd::Socket);
            }
        },
        FileType::CharacterDevice if fd.is_terminal() => "a terminal",
        FileType::CharacterDevice => {
            check_device(fd)?;
            return Ok(OtherEnd::Device);
        }
        FileType::Fifo => "a pipe",
        FileType::RegularFile | FileType::Directory => "a file",
        _ => "what is neither a device nor a socket",
    };
    Err(invalid(format!(
        "{what} keeps no boundaries between packets: hand over a TUN, or an end of a pair of sockets of \
         the type SOCK_SEQPACKET or SOCK_DGRAM"
    )))
}

/// Refuses a socket without another end, and one whose network drops packets and says so.
fn check_socket(fd: &OwnedFd) -> io::Result<()> {
    let peer = getpeername(fd).map_err(|error| {
        invalid(format!(
            "the socket has no other end ({error}): connect it first"
        ))
    })?;
    let family = peer.map(|peer| peer.address_family());
    if matches!(family, Some(AddressFamily::INET | AddressFamily::INET6)) {
        return Err(invalid("for a socket of UDP there is UdpTunnel"));
    }
    // A write to an end that was closed is an error, and must not end the process.
    #[cfg(target_vendor = "apple")]
    rustix::net::sockopt::set_socket_nosigpipe(fd, true)?;
    Ok(())
}

/// Refuses a device that does not go both ways, and on Linux one that has something else than a packet with
/// at most a header.
fn check_device(fd: &OwnedFd) -> io::Result<()> {
    if !fcntl_getfl(fd)?.contains(OFlags::RDWR) {
        return Err(invalid(
            "the descriptor does not go both ways: open it for reading and writing",
        ));
    }
    #[cfg(target_os = "linux")]
    check_tun(fd)?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn check_tun(fd: &OwnedFd) -> io::Result<()> {
    let (name, flags) = match super::sys::tun_interface(fd) {
        Ok(interface) => interface,
        Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {
            return Err(invalid(
                "the descriptor is attached to no interface: attach it first (TUNSETIFF)",
            ));
        }
        // It is no TUN.
        Err(_) => return Ok(()),
    };
    if flags & libc::IFF_TUN == 0 {
        return Err(invalid(format!(
            "{name} is a TAP, which has frames: open it as a Tap"
        )));
    }
    if flags & libc::IFF_VNET_HDR != 0 {
        return Err(invalid(format!(
            "{name} has vnet headers: take it over by Tun::from_fd"
        )));
    }
    // It keeps those of its last user, and they need a vnet header.
    super::sys::set_offload(fd, 0)
}
