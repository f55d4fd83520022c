//! What only Linux has: TUNs, packet sockets, and what it tells of interfaces.

use bytes::BytesMut;
use net_core::wire::EtherType;
use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};
use smallvec::SmallVec;
use std::ffi::{c_int, c_short};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What a TUN accepts from the kernel: `TUN_F_*` of `linux/if_tun.h`.
pub(in crate::device) mod offload {
    pub(in crate::device) const CSUM: u32 = 0x01;
    pub(in crate::device) const TSO4: u32 = 0x02;
    pub(in crate::device) const TSO6: u32 = 0x04;
    pub(in crate::device) const TSO_ECN: u32 = 0x08;
    pub(in crate::device) const USO4: u32 = 0x20;
    pub(in crate::device) const USO6: u32 = 0x40;
}

const TUNSETOFFLOAD: Opcode = opcode::write::<c_int>(b'T', 208);
const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);
const TUNGETIFF: Opcode = opcode::read::<std::ffi::c_uint>(b'T', 210);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<c_int>(b'T', 216);
const TUNSETVNETLE: Opcode = opcode::write::<c_int>(b'T', 220);
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCGIFMTU: Opcode = 0x8921;
const SIOCGIFHWADDR: Opcode = 0x8927;

/// A second descriptor for the same open device, which outlives `device`.
pub(in crate::device) fn duplicate(device: &tun::Device) -> io::Result<OwnedFd> {
    // SAFETY: the device owns the descriptor and lives through the call.
    unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) }.try_clone_to_owned()
}

/// The interface that an open TUN or TAP is attached to: its name, and the flags (`IFF_TUN` and others)
/// that it was attached with.
pub(in crate::device) fn tun_interface(fd: impl AsFd) -> io::Result<(String, c_int)> {
    let mut request = named("");
    // SAFETY: TUNGETIFF writes an ifreq, whatever its opcode says about the size.
    unsafe { ioctl(fd, Updater::<TUNGETIFF, _>::new(&mut request)) }?;
    // SAFETY: the call above has written this member; every bit pattern is an integer.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok((name_of(&request), c_int::from(flags)))
}

/// Attaches an open node to the TUN or TAP called `name`, which is made if it is not there, as `flags`
/// (`IFF_TUN` and others) say; the name that it has.
pub(in crate::device) fn attach(fd: impl AsFd, name: &str, flags: c_int) -> io::Result<String> {
    let mut request = named(name);
    request.ifr_ifru.ifru_flags = c_short::try_from(flags).map_err(io::Error::other)?;
    // SAFETY: TUNSETIFF reads and writes an ifreq, whatever its opcode says about the size.
    unsafe { ioctl(fd, Updater::<TUNSETIFF, _>::new(&mut request)) }?;
    Ok(name_of(&request))
}

/// Says which offloads the kernel may use towards us.
pub(in crate::device) fn set_offload(fd: impl AsFd, flags: u32) -> io::Result<()> {
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
pub(in crate::device) fn set_vnet_header_len(fd: impl AsFd, len: c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    unsafe { ioctl(fd, Setter::<TUNSETVNETHDRSZ, c_int>::new(len)) }?;
    Ok(())
}

/// Makes the fields of the vnet header little-endian on every machine.
pub(in crate::device) fn set_vnet_little_endian(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: TUNSETVNETLE reads an int.
    unsafe { ioctl(fd, Setter::<TUNSETVNETLE, c_int>::new(1)) }?;
    Ok(())
}

/// Whether the interface `name` is up.
pub(in crate::device) fn is_up(socket: impl AsFd, name: &str) -> io::Result<bool> {
    let mut request = named(name);
    // SAFETY: SIOCGIFFLAGS reads the name of an ifreq and writes its flags.
    unsafe { ioctl(socket, Updater::<SIOCGIFFLAGS, _>::new(&mut request)) }?;
    // SAFETY: the call above has written this member; every bit pattern is an integer.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(c_int::from(flags) & libc::IFF_UP != 0)
}

/// The MTU of the interface `name`.
pub(in crate::device) fn mtu(socket: impl AsFd, name: &str) -> io::Result<c_int> {
    let mut request = named(name);
    // SAFETY: SIOCGIFMTU reads the name of an ifreq and writes its MTU.
    unsafe { ioctl(socket, Updater::<SIOCGIFMTU, _>::new(&mut request)) }?;
    // SAFETY: the call above has written this member; every bit pattern is an integer.
    Ok(unsafe { request.ifr_ifru.ifru_mtu })
}

/// Whether the interface `name` is an Ethernet.
pub(in crate::device) fn is_ethernet(socket: impl AsFd, name: &str) -> io::Result<bool> {
    let mut request = named(name);
    // SAFETY: SIOCGIFHWADDR reads the name of an ifreq and writes its hardware address.
    unsafe { ioctl(socket, Updater::<SIOCGIFHWADDR, _>::new(&mut request)) }?;
    // SAFETY: the call above has written this member; every bit pattern is an address.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };
    Ok(address.sa_family == libc::ARPHRD_ETHER)
}

/// A request about the interface `name`.
fn named(name: &str) -> libc::ifreq {
    // SAFETY: an ifreq of zeros is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (place, &byte) in request.ifr_name.iter_mut().zip(name.as_bytes()).take(room) {
        *place = byte.cast_signed();
    }
    request
}

/// The name of the interface that a request is about.
fn name_of(request: &libc::ifreq) -> String {
    let name = request.ifr_name.iter().map(|byte| byte.cast_unsigned());
    let name: Vec<u8> = name.take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&name).into_owned()
}

/// Sets a number among the options of a packet socket.
pub(in crate::device) fn set_packet_option(
    fd: impl AsFd,
    option: c_int,
    value: c_int,
) -> io::Result<()> {
    set_option(fd, option, &value)
}

/// Lets the interface with this index take the frames of every station for the packet socket.
pub(in crate::device) fn make_promiscuous(fd: impl AsFd, index: c_int) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: PROMISCUOUS,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(fd, libc::PACKET_ADD_MEMBERSHIP, &request)
}

fn set_option<T>(fd: impl AsFd, option: c_int, value: &T) -> io::Result<()> {
    let len = socklen(value);
    // SAFETY: the kernel reads `len` bytes, those of `value`.
    let result = unsafe {
        let (fd, value) = (fd.as_fd().as_raw_fd(), (&raw const *value).cast());
        libc::setsockopt(fd, libc::SOL_PACKET, option, value, len)
    };
    check(result)
}

/// Frames that the packet socket lost for want of room since it was last asked.
pub(in crate::device) fn take_overruns(fd: impl AsFd) -> io::Result<u32> {
    // Packets, and those of them that were dropped (`struct tpacket_stats`).
    let [_, drops] = numbers_of(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
    Ok(drops)
}

/// Packets that a socket of the host has dropped, for want of room above all (`SK_MEMINFO_DROPS`).
pub(in crate::device) fn socket_drops(fd: impl AsFd) -> io::Result<u32> {
    let [.., drops] = numbers_of::<MEMORY_NUMBERS>(fd, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    Ok(drops)
}

/// Receives what is there, up to a datagram for each of `places`, by one system call; their lengths, in
/// order. It does not wait, even where the socket blocks.
///
/// # Errors
/// What `recvmmsg` says where there is none.
pub(in crate::device) fn receive_each(
    fd: &impl AsFd,
    places: &mut [IoSliceMut<'_>],
) -> io::Result<SmallVec<[usize; 16]>> {
    let mut messages: SmallVec<[libc::mmsghdr; 16]> = places
        .iter_mut()
        .map(|place| {
            // SAFETY: a message header of zeros is a valid one.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            // One is laid out as an iovec is.
            message.msg_hdr.msg_iov = (&raw mut *place).cast();
            message.msg_hdr.msg_iovlen = 1;
            message
        })
        .collect();
    let many = libc::c_uint::try_from(messages.len()).unwrap_or(libc::c_uint::MAX);
    // SAFETY: there are `many` headers, each of which names one piece of writable memory and no other; all
    // of them live through the call.
    let received = unsafe {
        let (fd, headers) = (fd.as_fd().as_raw_fd(), messages.as_mut_ptr());
        // An int, but for musl.
        let flags = libc::MSG_DONTWAIT as _;
        libc::recvmmsg(fd, headers, many, flags, std::ptr::null_mut())
    };
    check(received)?;
    messages.truncate(usize::try_from(received).unwrap_or(0));
    let len = |message: libc::mmsghdr| usize::try_from(message.msg_len).unwrap_or(0);
    Ok(messages.into_iter().map(len).collect())
}

/// An option of a socket that is so many numbers; those that this kernel does not have are 0.
fn numbers_of<const COUNT: usize>(
    fd: impl AsFd,
    level: c_int,
    option: c_int,
) -> io::Result<[u32; COUNT]> {
    let mut numbers = [0; COUNT];
    let mut len = socklen(&numbers);
    // SAFETY: the kernel writes up to `len` bytes, those of `numbers`, and how many into `len`.
    let result = unsafe {
        let (fd, numbers) = (fd.as_fd().as_raw_fd(), (&raw mut numbers).cast());
        libc::getsockopt(fd, level, option, numbers, &raw mut len)
    };
    check(result).map(|()| numbers)
}

/// Numbers of `SO_MEMINFO` up to the one of what was dropped.
const MEMORY_NUMBERS: usize = 9;

/// Binds a packet socket to the interface with this index, for frames of every protocol.
pub(in crate::device) fn bind_to_interface(fd: impl AsFd, index: c_int) -> io::Result<()> {
    // SAFETY: an address of zeros is a valid one.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = FAMILY_PACKET;
    address.sll_protocol = EVERY_PROTOCOL.to_be();
    address.sll_ifindex = index;
    let len = socklen(&address);
    // SAFETY: the kernel reads `len` bytes, those of `address`.
    let result = unsafe { libc::bind(fd.as_fd().as_raw_fd(), (&raw const address).cast(), len) };
    check(result)
}

/// As [`receive_each`] from a packet socket with `PACKET_AUXDATA`, into the spare room of each of `buffers`,
/// at most [`MOST_FRAMES`], which grow by what they get. For each, the type and the rest of the VLAN tag that
/// the kernel has taken out of the frame, as they were in it.
///
/// # Errors
/// As for [`receive_each`].
pub(in crate::device) fn read_frames(
    fd: impl AsFd,
    buffers: &mut [BytesMut],
) -> io::Result<SmallVec<[Option<[u16; 2]>; MOST_FRAMES]>> {
    let mut pieces: SmallVec<[libc::iovec; MOST_FRAMES]> = buffers
        .iter_mut()
        .map(|buffer| {
            let spare = buffer.spare_capacity_mut();
            libc::iovec {
                iov_base: spare.as_mut_ptr().cast(),
                iov_len: spare.len(),
            }
        })
        .collect();
    // Words, as control messages begin at multiples of theirs.
    let mut controls = [[0_usize; 16]; MOST_FRAMES];
    let mut messages: SmallVec<[libc::mmsghdr; MOST_FRAMES]> = pieces
        .iter_mut()
        .zip(&mut controls)
        .map(|(piece, control)| {
            // SAFETY: a message header of zeros is a valid one.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_iov = &raw mut *piece;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = size_of_val(control);
            message
        })
        .collect();
    let many = libc::c_uint::try_from(messages.len()).unwrap_or(libc::c_uint::MAX);
    // SAFETY: there are `many` headers, each of which names one piece of writable memory, spare room of a
    // buffer of its own, and a control buffer of its own, both with their lengths; all live through the
    // call.
    let received = unsafe {
        let (fd, headers) = (fd.as_fd().as_raw_fd(), messages.as_mut_ptr());
        libc::recvmmsg(fd, headers, many, 0, std::ptr::null_mut())
    };
    check(received)?;
    let received = messages.iter().take(usize::try_from(received).unwrap_or(0));
    let mut tags = SmallVec::new();
    for (buffer, message) in buffers.iter_mut().zip(received) {
        let filled = usize::try_from(message.msg_len).unwrap_or(0);
        // SAFETY: the first `filled` spare bytes have been written to.
        unsafe { buffer.set_len(buffer.len() + filled) };
        // SAFETY: the kernel has written the header and the control buffer, which is still there.
        tags.push(unsafe { tag_in(&message.msg_hdr) });
    }
    Ok(tags)
}

/// The VLAN tag that the control data of a frame tells of.
///
/// # Safety
/// The header is one that the kernel has written, and its control buffer is there.
unsafe fn tag_in(message: &libc::msghdr) -> Option<[u16; 2]> {
    // SAFETY: as the caller says.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const *message) };
    if first.is_null() {
        return None;
    }
    // SAFETY: it is not null, so it points at a whole header in the control buffer.
    let header = unsafe { &*first };
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    // SAFETY: behind the header of this type are the bytes of a tpacket_auxdata, aligned or not.
    let about: libc::tpacket_auxdata = unsafe {
        libc::CMSG_DATA(first)
            .cast::<libc::tpacket_auxdata>()
            .read_unaligned()
    };
    let says = |bit| about.tp_status & bit != 0;
    let ethertype = if says(libc::TP_STATUS_VLAN_TPID_VALID) {
        about.tp_vlan_tpid
    } else {
        EtherType::VLAN.0
    };
    says(libc::TP_STATUS_VLAN_VALID).then_some([ethertype, about.tp_vlan_tci])
}

/// Frames that one call of [`read_frames`] reads at most: as many as the driver takes in a row.
pub(in crate::device) const MOST_FRAMES: usize = 8;

fn socklen<T>(_: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("small")
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `AF_PACKET`, `ETH_P_ALL` and `PACKET_MR_PROMISC`, as wide as their fields.
const FAMILY_PACKET: u16 = 17;
const EVERY_PROTOCOL: u16 = 3;
const PROMISCUOUS: u16 = 1;
