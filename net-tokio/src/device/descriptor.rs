//! The descriptor of a device of the host, and how the driver waits at it.

use super::framing::{Framing, Stop, ended};
use super::sys;
use net_core::buf::{RxBatch, TxBatch};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::Weak;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
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
    /// A device over a descriptor that somebody else has opened, which is set to be non-blocking.
    pub(super) fn adopt(
        kind: &'static str,
        name: String,
        fd: OwnedFd,
        framing: Framing,
    ) -> io::Result<Self> {
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self::new(kind, name, fd, framing))
    }

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

    pub(super) fn rename(&mut self, name: String) {
        self.name = name;
    }

    /// The descriptor itself, for as long as the device is there.
    #[cfg(target_os = "linux")]
    pub(super) fn share(&self) -> Weak<OwnedFd> {
        Arc::downgrade(&self.io.fd)
    }

    /// Receives up to `budget` packets that are there now; see
    /// [`PacketFd::try_recv`](super::PacketFd::try_recv).
    pub(super) fn try_recv(&mut self, batch: &mut RxBatch, budget: usize) -> io::Result<usize> {
        let fd = self.io.fd();
        let (count, stop) = self.framing.recv(fd, batch, budget);
        let error = match stop {
            Stop::WouldBlock if count == 0 && self.framing.is_at_end(fd) => ended(),
            Stop::WouldBlock if count == 0 => return Err(io::ErrorKind::WouldBlock.into()),
            Stop::Fatal(error) if count == 0 => error,
            _ => return Ok(count),
        };
        Err(gone(self.kind, &self.name, &error))
    }

    /// Sends packets from the front of `batch`; see
    /// [`PacketFd::try_send`](super::PacketFd::try_send).
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
        let is_socket = self.framing.is_socket();
        let registered = self.io.registered()?;
        let fd = registered.get_ref().as_fd();
        // After clear_ready() only another poll arms the waker.
        loop {
            let mut guard = ready!(poll_readable(registered, is_socket, cx))
                .map_err(|error| gone(self.kind, &self.name, &error))?;
            let (count, stop) = self.framing.recv(fd, batch, budget);
            match stop {
                // It stays readable for ever, with nothing to read.
                Stop::WouldBlock if count == 0 && guard.ready().is_read_closed() => {
                    return Poll::Ready(Err(gone(self.kind, &self.name, &ended())));
                }
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
        loop {
            let room = match &self.io.writable {
                Some(writable) => Some(ready!(writable.poll_write_ready(cx))?),
                None => None,
            };
            match self.framing.send(self.io.fd(), batch) {
                Stop::Done => return Poll::Ready(Ok(())),
                Stop::Fatal(error) => return Poll::Ready(Err(gone(self.kind, &self.name, &error))),
                Stop::WouldBlock => match room {
                    Some(mut room) => room.clear_ready(),
                    None => self.io.register_writable()?,
                },
            }
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
    }
}

/// The descriptor, and its registrations with the runtime that first polls it.
///
/// Each costs a call back for every packet that the kernel has for us, so there is one as long as one
/// will do: most devices never refuse a packet for want of room.
#[derive(Debug)]
struct Io {
    fd: Arc<OwnedFd>,
    readable: Option<AsyncFd<Arc<OwnedFd>>>,
    /// A duplicate, since the device refused a packet.
    writable: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Io {
    fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Arc::new(fd),
            readable: None,
            writable: None,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn registered(&mut self) -> io::Result<&AsyncFd<Arc<OwnedFd>>> {
        register_once(&mut self.readable, Interest::READABLE, || {
            Ok(self.fd.clone())
        })
    }

    fn register_writable(&mut self) -> io::Result<()> {
        register_once(&mut self.writable, Interest::WRITABLE, || {
            self.fd.try_clone().map(Arc::new)
        })
        .map(drop)
    }
}

fn register_once(
    slot: &mut Option<AsyncFd<Arc<OwnedFd>>>,
    interest: Interest,
    fd: impl FnOnce() -> io::Result<Arc<OwnedFd>>,
) -> io::Result<&AsyncFd<Arc<OwnedFd>>> {
    match slot {
        Some(registered) => Ok(registered),
        none => {
            Handle::try_current().map_err(|_| io::Error::other(NO_RUNTIME))?;
            Ok(none.insert(sys::register(fd()?, interest)?))
        }
    }
}

/// Ready when there is something to read, or nothing ever again. The kernel reports the removal of the
/// interface as a mere error, which wakes no reader: where nobody asked for room to write it comes as
/// readiness to write. Of a socket such an error is one that passes.
fn poll_readable<'a>(
    registered: &'a AsyncFd<Arc<OwnedFd>>,
    is_socket: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<AsyncFdReadyGuard<'a, Arc<OwnedFd>>>> {
    match registered.poll_read_ready(cx) {
        Poll::Pending if !is_socket && registered.poll_write_ready(cx).is_ready() => {
            Poll::Ready(Err(REMOVED.into()))
        }
        readiness => readiness,
    }
}

pub(super) fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

fn gone(kind: &str, name: &str, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the {kind} {name} is of no more use ({error}); it was probably removed"),
    )
}

const NO_RUNTIME: &str = "a device of the host is polled inside a tokio runtime; a TUN elsewhere by try_recv and try_send";

#[cfg(any(target_os = "linux", target_os = "android"))]
const REMOVED: Errno = Errno::BADFD;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const REMOVED: Errno = Errno::NODEV;

#[cfg(test)]
mod tests {
    use super::super::tests::{batch, datagram};
    use super::*;
    use crate::device::framing::Counters;
    use std::future::poll_fn;
    use std::os::unix::net::UnixDatagram;

    /// What a socket of datagrams with room for a few takes, and what comes out at its other end.
    #[tokio::test]
    async fn what_a_full_device_refused_leaves_in_order_once_there_is_room() {
        const COUNT: u16 = 1000;
        let (near, far) = UnixDatagram::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let far = tokio::net::UnixDatagram::from_std(far).unwrap();
        let framing = Framing::new(false, 0, 1500, Arc::new(Counters::default()));
        let mut device = Descriptor::new("socket", "pair".into(), near.into(), framing);
        let mut packets = batch((0..COUNT).map(|n| datagram(&n.to_be_bytes(), false)));
        let mut waits = 0;
        let sending = poll_fn(|cx| {
            let sent = device.poll_send(cx, &mut packets);
            waits += u32::from(sent.is_pending());
            sent
        });
        let receiving = async {
            for n in 0..COUNT {
                let mut packet = [0; 100];
                let len = far.recv(&mut packet).await.unwrap();
                assert_eq!(packet[len - 2..len], n.to_be_bytes());
            }
        };
        let (sent, ()) = tokio::join!(sending, receiving);
        sent.unwrap();
        assert!(waits > 1, "it was full {waits} times");
        assert!(packets.is_empty());
    }
}
