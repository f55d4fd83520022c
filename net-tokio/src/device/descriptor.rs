//! The descriptor of a device of the host, and how the driver waits at it.

use super::framing::{Framing, Stop};
use super::sys;
use net_core::buf::{RxBatch, TxBatch};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::runtime::Handle;

/// An open device of the host that gives and takes a packet with each call.
#[derive(Debug)]
pub(super) struct Descriptor {
    /// What it is called in errors: its kind, and its name.
    kind: &'static str,
    name: String,
    io: Io,
    framing: Framing,
}

impl Descriptor {
    pub(super) fn new(kind: &'static str, name: String, fd: OwnedFd, framing: Framing) -> Self {
        Self {
            kind,
            name,
            io: Io::new(fd),
            framing,
        }
    }

    /// The name of the interface.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The descriptor itself, for as long as the device is there.
    pub(super) fn share(&self) -> Weak<OwnedFd> {
        Arc::downgrade(&self.io.fd)
    }

    /// Receives up to `budget` packets that are there now; see [`Tun::try_recv`](super::Tun::try_recv).
    pub(super) fn try_recv(&mut self, batch: &mut RxBatch, budget: usize) -> io::Result<usize> {
        loop {
            let (count, stop) = self.framing.recv(self.io.fd(), batch, budget);
            match stop {
                Stop::WouldBlock if count == 0 => return Err(io::ErrorKind::WouldBlock.into()),
                Stop::Fatal(error) if count == 0 => {
                    return Err(gone(self.kind, &self.name, &error));
                }
                // Nothing but what had to be dropped: there may be more.
                Stop::Done if count == 0 && budget > 0 => {}
                _ => return Ok(count),
            }
        }
    }

    /// Sends packets from the front of `batch`; see [`Tun::try_send`](super::Tun::try_send).
    pub(super) fn try_send(&mut self, batch: &mut TxBatch) -> io::Result<()> {
        match self.framing.send(self.io.fd(), batch) {
            Stop::Done => Ok(()),
            Stop::WouldBlock => Err(io::ErrorKind::WouldBlock.into()),
            Stop::Fatal(error) => Err(gone(self.kind, &self.name, &error)),
        }
    }

    /// See [`Device::poll_recv`](super::Device::poll_recv).
    pub(super) fn poll_recv(
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
                Stop::Done if count == 0 && budget > 0 => {
                    // Nothing but what had to be dropped; others get their turn before there is more.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stop::Done | Stop::Fatal(_) => return Poll::Ready(Ok(count)),
            }
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
        }
    }

    /// See [`Device::poll_send`](super::Device::poll_send).
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
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

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
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

const NO_RUNTIME: &str = "a device of the host is polled inside a tokio runtime; a TUN elsewhere by try_recv and try_send";
