//! System calls that the crates in use have no safe form of. All unsafe code is here.

#![expect(unsafe_code, reason = "system calls take pointers and descriptors")]

use bytes::BytesMut;
use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a TUN accepts from the kernel: `TUN_F_*` of `linux/if_tun.h`.
pub(super) mod offload {
    pub(in super::super) const CSUM: u32 = 0x01;
    pub(in super::super) const TSO4: u32 = 0x02;
    pub(in super::super) const TSO6: u32 = 0x04;
    pub(in super::super) const TSO_ECN: u32 = 0x08;
    pub(in super::super) const USO4: u32 = 0x20;
    pub(in super::super) const USO6: u32 = 0x40;
}

const TUNSETOFFLOAD: Opcode = opcode::write::<c_int>(b'T', 208);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
const TUNSETVNETLE: Opcode = opcode::write::<c_int>(b'T', 220);
const SIOCGIFFLAGS: Opcode = 0x8913;

/// Registers a descriptor with the runtime of the caller, for reading and writing.
pub(crate) fn register(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: an OwnedFd is open, always says the same number, and nobody can close it while the
    // AsyncFd owns a share of it.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

/// Registers a descriptor for what is always reported, error and hang-up, and next to nothing else.
/// Both come as write readiness.
pub(super) fn register_for_end(fd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: as in `register`.
    unsafe { AsyncFd::register_with_interest(fd, Interest::PRIORITY) }.map_err(io::Error::from)
}

/// A second descriptor for the same open device, which outlives `device`.
pub(super) fn duplicate(device: &tun::Device) -> io::Result<OwnedFd> {
    // SAFETY: the device owns the descriptor and lives through the call.
    unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) }.try_clone_to_owned()
}

/// Says which offloads the kernel may use towards us.
pub(super) fn set_offload(fd: impl AsFd, flags: u32) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its flags by value.
    unsafe {
        ioctl(
            fd,
            IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags as usize),
        )
    }?;
    Ok(())
}

/// Sets the length of the vnet header.
pub(super) fn set_vnet_header_len(fd: impl AsFd, len: c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    unsafe { ioctl(fd, Setter::<TUNSETVNETHDRSZ, c_int>::new(len)) }?;
    Ok(())
}

/// Makes the fields of the vnet header little-endian on every machine.
pub(super) fn set_vnet_little_endian(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: TUNSETVNETLE reads an int.
    unsafe { ioctl(fd, Setter::<TUNSETVNETLE, c_int>::new(1)) }?;
    Ok(())
}

/// Whether the interface `name` is up.
pub(super) fn is_up(socket: impl AsFd, name: &str) -> io::Result<bool> {
    // SAFETY: an ifreq of zeros is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (place, &byte) in request.ifr_name.iter_mut().zip(name.as_bytes()).take(room) {
        *place = byte.cast_signed();
    }
    // SAFETY: SIOCGIFFLAGS reads the name of an ifreq and writes its flags.
    unsafe { ioctl(socket, Updater::<SIOCGIFFLAGS, _>::new(&mut request)) }?;
    // SAFETY: the call above has written this member; every bit pattern is an integer.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(c_int::from(flags) & libc::IFF_UP != 0)
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
