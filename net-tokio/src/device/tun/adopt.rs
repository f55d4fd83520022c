//! A TUN that somebody else has opened.

use super::open::negotiate;
use super::{Asked, Counters, Descriptor, Framing, KernelQueue, Tun};
use crate::device::check_mtu;
use crate::device::descriptor::invalid;
use crate::device::{TunHeader, sys};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

impl Tun {
    /// The TUN behind a descriptor that somebody else has opened and perhaps passed on (`SCM_RIGHTS`), for
    /// IP packets of up to `mtu` bytes (68 or more).
    ///
    /// Where it was opened without `IFF_NO_PI`, `header` is [`TunHeader::PacketInfo`], else [`TunHeader::None`];
    /// the kernel does not tell that, nor the MTU of an interface that may be in another network namespace.
    /// It does tell whether there is a vnet header (`IFF_VNET_HDR`): its length and byte order and the
    /// offloads are set as the stack likes them, for all queues of the TUN; without the header no offload is
    /// left of those of an earlier user. Addresses, MTU and state of the
    /// interface are its maker's affair. It takes no privilege, and sets the descriptor to be non-blocking,
    /// for all that share it. What its queue loses is not known ([`TunStats::overruns`] is `None`).
    ///
    /// [`TunStats::overruns`]: super::TunStats::overruns
    ///
    /// # Errors
    /// `InvalidInput` for an MTU below 68, for a header that no TUN of Linux has, for a TAP, and for what is
    /// neither (there is [`PacketFd`](crate::device::PacketFd) for that); else what the kernel says.
    pub fn from_fd(fd: impl Into<OwnedFd>, header: TunHeader, mtu: u16) -> io::Result<Self> {
        let fd = fd.into();
        check_mtu(mtu)?;
        if matches!(header, TunHeader::AddressFamily { .. }) {
            return Err(invalid(
                "a TUN of Linux has packet information in front of packets, or nothing",
            ));
        }
        let (name, flags) = sys::tun_interface(&fd).map_err(|error| {
            invalid(format!(
                "the descriptor is no TUN that is attached to an interface ({error}); for another kind \
                 there is PacketFd"
            ))
        })?;
        // Not whether there is packet information: IFF_NO_PI reads back as set (it is IFF_NOFILTER, too).
        if flags & libc::IFF_TUN == 0 {
            return Err(invalid(format!("{name} is a TAP, which has frames")));
        }
        let vnet = flags & libc::IFF_VNET_HDR != 0;
        let caps = negotiate(&fd, vnet)?;
        let counters = Arc::new(Counters::default());
        let framing = Framing::new(vnet, 0, mtu, counters.clone()).with_trains(caps.uso);
        let framing = framing.with_tun_header(header);
        Ok(Self {
            descriptor: Descriptor::adopt("TUN", name, fd, framing)?,
            mtu,
            caps,
            counters,
            queue: Arc::new(KernelQueue::uncounted(Asked::Nobody)),
        })
    }
}
