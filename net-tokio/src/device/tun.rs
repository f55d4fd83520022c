//! The host's kernel at the other end: a TUN (Linux).

mod open;

pub use open::TunBuilder;

use super::framing::{Counters, Framing, Stop};
use super::{Device, sys};
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::time::Instant;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::runtime::Handle;

/// A TUN: IP packets to and from the host's kernel, as over a cable to a router.
///
/// The stack's own address is given to the stack; what [`TunBuilder::host_address`] gives is the
/// kernel's, which is the gateway for the stack.
///
/// ```no_run
/// use net_tokio::device::Tun;
/// # fn main() -> std::io::Result<()> {
/// let tun = Tun::builder("tun0")
///     .mtu(1500)
///     .host_address("10.7.0.1".parse().unwrap(), 24)
///     .build()?;
/// println!("{} is up", tun.name());
/// # Ok(())
/// # }
/// ```
///
/// It registers with the runtime that first polls it, so it may be built outside of one. A thread
/// without a runtime waits on the descriptor (`poll(2)`, see [`AsFd`]) and uses
/// [`try_recv`](Self::try_recv) and [`try_send`](Self::try_send).
#[derive(Debug)]
pub struct Tun {
    /// What it is called in errors.
    kind: &'static str,
    name: String,
    mtu: u16,
    caps: DeviceCaps,
    io: Io,
    framing: Framing,
    counters: Arc<Counters>,
}

impl Tun {
    /// A builder for the TUN called `name`, which is opened if it is there and made if not.
    #[must_use]
    pub fn builder(name: impl Into<String>) -> TunBuilder {
        TunBuilder::new(name.into())
    }

    /// The name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> TunStats {
        TunStats {
            counters: self.counters.clone(),
        }
    }

    /// Receives up to `budget` packets that are there now and appends them to `batch`; how many,
    /// at least one unless `budget` is 0.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; anything else is the end of the device.
    pub fn try_recv(&mut self, batch: &mut RxBatch, budget: usize) -> io::Result<usize> {
        let (count, stop) = self.framing.recv(self.io.fd(), batch, budget);
        match stop {
            Stop::WouldBlock if count == 0 => Err(io::ErrorKind::WouldBlock.into()),
            Stop::Fatal(error) if count == 0 => Err(gone(self.kind, &self.name, &error)),
            _ => Ok(count),
        }
    }

    /// Sends packets from the front of `batch` and takes them out of it.
    ///
    /// # Errors
    /// `WouldBlock` if the device is full, with the rest in order; anything else is its end.
    pub fn try_send(&mut self, batch: &mut TxBatch) -> io::Result<()> {
        match self.framing.send(self.io.fd(), batch) {
            Stop::Done => Ok(()),
            Stop::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Stop::Fatal(error) => Err(gone(self.kind, &self.name, &error)),
        }
    }
}

impl Device for Tun {
    fn caps(&self) -> DeviceCaps {
        self.caps
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
        let registered = self.io.registered()?;
        let fd = registered.fd.get_ref().as_fd();
        // After clear_ready() only another poll arms the waker.
        loop {
            let mut guard = ready!(registered.poll_readable(cx))
                .map_err(|error| gone(self.kind, &self.name, &error))?;
            let (count, stop) = self.framing.recv(fd, batch, budget);
            match stop {
                Stop::WouldBlock => guard.clear_ready(),
                Stop::Fatal(error) if count == 0 => {
                    return Poll::Ready(Err(gone(self.kind, &self.name, &error)));
                }
                Stop::Done | Stop::Fatal(_) => return Poll::Ready(Ok(count)),
            }
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        _now: Instant,
    ) -> Poll<io::Result<()>> {
        if batch.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let registered = self.io.registered()?;
        let fd = registered.fd.get_ref().as_fd();
        loop {
            let mut guard = ready!(registered.fd.poll_write_ready(cx))?;
            match self.framing.send(fd, batch) {
                Stop::Done => return Poll::Ready(Ok(())),
                Stop::WouldBlock => guard.clear_ready(),
                Stop::Fatal(error) => return Poll::Ready(Err(gone(self.kind, &self.name, &error))),
            }
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
    }
}

/// Counters of a [`Tun`].
#[derive(Debug, Clone)]
pub struct TunStats {
    counters: Arc<Counters>,
}

impl TunStats {
    /// Packets received and dropped because their vnet header was missing or untrue.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.counters.malformed.load(Ordering::Relaxed)
    }

    /// Packets sent that the kernel did not take: out of memory, or the interface was down.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

/// The descriptor, and its registration with the runtime that first polls it.
#[derive(Debug)]
struct Io {
    fd: Arc<OwnedFd>,
    registration: Option<Registration>,
}

#[derive(Debug)]
struct Registration {
    fd: AsyncFd<Arc<OwnedFd>>,
    /// A duplicate, for the removal of the interface: the kernel reports that as a mere error,
    /// which wakes no reader.
    end: AsyncFd<Arc<OwnedFd>>,
}

impl Io {
    fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Arc::new(fd),
            registration: None,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn registered(&mut self) -> io::Result<&Registration> {
        match &mut self.registration {
            Some(registered) => Ok(registered),
            none => {
                Handle::try_current().map_err(|_| io::Error::other(NO_RUNTIME))?;
                Ok(none.insert(Registration {
                    fd: sys::register(self.fd.clone())?,
                    end: sys::register_for_end(Arc::new(self.fd.try_clone()?))?,
                }))
            }
        }
    }
}

impl Registration {
    /// Ready when there is something to read, or nothing ever again.
    fn poll_readable(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, Arc<OwnedFd>>>> {
        match self.fd.poll_read_ready(cx) {
            Poll::Pending if self.end.poll_write_ready(cx).is_ready() => {
                Poll::Ready(Err(Errno::BADFD.into()))
            }
            readiness => readiness,
        }
    }
}

fn gone(kind: &str, name: &str, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the {kind} {name} is of no more use ({error}); it was probably removed"),
    )
}

const NO_RUNTIME: &str =
    "a TUN is polled inside a tokio runtime; elsewhere use try_recv and try_send";
