//! System calls that the crates in use have no safe form of. All unsafe code is here.

#![expect(unsafe_code, reason = "system calls take pointers and descriptors")]

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub(super) use linux::*;

use bytes::BytesMut;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime of the caller.
pub(crate) fn register(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an OwnedFd is open, always says the same number, and nobody can close it while the
    // AsyncFd owns a share of it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// Reads one packet into the spare room of `buffer` and lengthens it by what it got.
///
/// # Errors
/// What `read` says.
pub(super) fn read_packet(fd: impl AsFd, buffer: &mut BytesMut) -> io::Result<()> {
    let (filled, _) = rustix::io::read(fd, buffer.spare_capacity_mut())?;
    let filled = filled.len();
    // SAFETY: the first `filled` spare bytes have been written to.
    unsafe { buffer.set_len(buffer.len() + filled) };
    Ok(())
}
