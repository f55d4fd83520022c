//! A TUN that somebody else has opened.

use super::open::{MTU_MIN, negotiate};
use super::{Counters, Descriptor, Framing, KernelQueue, Tun};
use crate::device::{Prefix, sys};
use net_core::DeviceCaps;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

impl Tun {
    /// The TUN behind a descriptor that somebody else has opened and perhaps passed on (`SCM_RIGHTS`), for
    /// IP packets of up to `mtu` bytes (68 or more).
    ///
    /// Where it was opened without `IFF_NO_PI`, `prefix` is [`Prefix::PacketInfo`], else [`Prefix::None`];
    /// the kernel does not tell that, nor the MTU of an interface that may be in another network namespace.
    /// It does tell whether there is a vnet header (`IFF_VNET_HDR`): then its length and byte order and the
    /// offloads are set as the stack likes them, for all queues of the TUN. Addresses, MTU and state of the
    /// interface are its maker's affair. It takes no privilege, and sets the descriptor to be non-blocking,
    /// for all that share it. What its queue loses is not known ([`TunStats::overruns`] is 0).
    ///
    /// [`TunStats::overruns`]: super::TunStats::overruns
    ///
    /// # Errors
    /// `InvalidInput` for an MTU below 68, for a TAP, and for what is neither (there is
    /// [`PacketFd`](crate::device::PacketFd) for that); else what the kernel says.
    pub fn from_fd(fd: impl Into<OwnedFd>, prefix: Prefix, mtu: u16) -> io::Result<Self> {
        let fd = fd.into();
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        if mtu < MTU_MIN {
            return Err(invalid(format!("an MTU is at least {MTU_MIN}, not {mtu}")));
        }
        let (name, flags) = sys::tun_interface(&fd).map_err(|error| {
            invalid(format!(
                "the descriptor is no TUN that is attached to an interface ({error}); for another kind \
                 there is PacketFd"
            ))
        })?;
        if flags & libc::IFF_TUN == 0 {
            return Err(invalid(format!("{name} is a TAP, which has frames")));
        }
        let vnet = flags & libc::IFF_VNET_HDR != 0;
        let caps = if vnet {
            negotiate(&fd, true)?
        } else {
            DeviceCaps {
                software_gro: true,
                ..DeviceCaps::default()
            }
        };
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        let counters = Arc::new(Counters::default());
        let framing = Framing::new(vnet, 0, mtu, counters.clone()).with_trains(caps.uso);
        let framing = framing.with_prefix(prefix);
        Ok(Self {
            descriptor: Descriptor::new("TUN", name, fd, framing),
            mtu,
            caps,
            counters,
            queue: Arc::new(KernelQueue::unknown()),
        })
    }
}
