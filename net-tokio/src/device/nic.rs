//! A network interface of the host, below its IP (Linux).

use super::descriptor::Descriptor;
use super::framing::{Counters, Framing};
use super::{Device, Overruns, sys};
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::time::Instant;
use net_core::wire::{MacAddr, ethernet};
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// A network interface of the host at the level of frames (`AF_PACKET`): a network card, or one end of
/// a `veth` pair.
///
/// The stack is a station of its own on that network, beside the host's: an interface that is here for
/// the stack alone should have no address there. It takes CAP_NET_RAW. VLAN tags are in the frames,
/// as on the wire. The device ends when the interface goes down.
///
/// ```no_run
/// use net_tokio::{Net, device::Nic};
/// # fn main() -> std::io::Result<()> {
/// let nic = Nic::builder("eth1").build()?;
/// let net = Net::builder().device("eth0", nic).address("10.7.0.2/24").build()?;
/// # Ok(())
/// # }
/// ```
///
/// As a [`Tun`](super::Tun), it registers with the runtime that first polls it.
#[derive(Debug)]
pub struct Nic {
    descriptor: Descriptor,
    mac: MacAddr,
    mtu: u16,
    caps: DeviceCaps,
    counters: Arc<Counters>,
    overruns: Arc<AtomicU64>,
}

impl Nic {
    /// A builder for a device over the interface called `name`.
    #[must_use]
    pub fn builder(name: impl Into<String>) -> NicBuilder {
        NicBuilder {
            name: name.into(),
            mac: None,
            offload: true,
        }
    }

    /// The name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> NicStats {
        NicStats {
            fd: self.descriptor.share(),
            counters: self.counters.clone(),
            overruns: self.overruns.clone(),
        }
    }
}

impl Device for Nic {
    fn caps(&self) -> DeviceCaps {
        self.caps
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn mac(&self) -> Option<MacAddr> {
        Some(self.mac)
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        self.descriptor.poll_recv(cx, batch, budget)
    }

    fn overruns(&self) -> Overruns {
        let stats = self.stats();
        Overruns::asked(move || stats.overruns())
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

impl AsFd for Nic {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Counters of a [`Nic`].
#[derive(Debug, Clone)]
pub struct NicStats {
    fd: Weak<OwnedFd>,
    counters: Arc<Counters>,
    overruns: Arc<AtomicU64>,
}

impl NicStats {
    /// Frames that the kernel dropped because the stack had not fetched those before: the receive ring
    /// was full.
    #[must_use]
    pub fn overruns(&self) -> u64 {
        // The kernel's own count begins anew each time.
        let more = self.fd.upgrade().and_then(|fd| sys::take_overruns(fd).ok());
        let more = u64::from(more.unwrap_or(0));
        self.overruns.fetch_add(more, Ordering::Relaxed) + more
    }

    /// System calls by which the kernel has given frames, up to eight with each.
    #[must_use]
    pub fn recv_calls(&self) -> u64 {
        self.counters.recv_calls.load(Ordering::Relaxed)
    }

    /// System calls by which the kernel has taken frames: up to 64 with each, but for super-segments.
    #[must_use]
    pub fn send_calls(&self) -> u64 {
        self.counters.send_calls.load(Ordering::Relaxed)
    }

    /// Frames received and dropped because of what the kernel said about their offloads.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.counters.malformed.load(Ordering::Relaxed)
    }

    /// Frames sent that the kernel did not take: its queue was full, or the interface down.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

/// How to open a [`Nic`].
#[derive(Debug, Clone)]
pub struct NicBuilder {
    name: String,
    mac: Option<MacAddr>,
    offload: bool,
}

impl NicBuilder {
    /// The address of the stack's station. By default one of local administration, by chance.
    #[must_use]
    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.mac = Some(mac);
        self
    }

    /// Whether super-segments and checksums may be left to the interface. On. They are taken from it
    /// in any case.
    #[must_use]
    pub fn offload(mut self, on: bool) -> Self {
        self.offload = on;
        self
    }

    /// Opens a packet socket on the interface, and makes that promiscuous.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_RAW; the kernel's ENODEV where there is no such interface;
    /// `InvalidInput` for one that is down or no Ethernet, or an address that is a group's;
    /// `Unsupported` on a big-endian host.
    pub fn build(self) -> io::Result<Nic> {
        let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let name = self.name;
        if cfg!(target_endian = "big") {
            // The vnet header of packet sockets has the byte order of the host.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mac = match self.mac {
            Some(mac) => mac,
            None => MacAddr::local(getrandom::u64().map_err(io::Error::from)?),
        };
        if !mac.is_unicast() {
            return Err(invalid(format!("{mac} is no address of a single station")));
        }
        let fd = packet_socket().map_err(|error| {
            let text =
                format!("cannot open a packet socket for {name} ({error}): it takes CAP_NET_RAW");
            io::Error::new(error.kind(), text)
        })?;
        let index = name_to_index(&fd, &name)?;
        let index = i32::try_from(index).map_err(io::Error::other)?;
        if !sys::is_ethernet(&fd, &name)? {
            return Err(invalid(format!("{name} is no Ethernet")));
        }
        if !sys::is_up(&fd, &name)? {
            return Err(invalid(format!("{name} is down: `ip link set {name} up`")));
        }
        let mtu = u16::try_from(sys::mtu(&fd, &name)?).unwrap_or(u16::MAX);
        // All of it before the socket hears of anything.
        for option in [
            libc::PACKET_VNET_HDR,
            libc::PACKET_AUXDATA,
            libc::PACKET_IGNORE_OUTGOING,
        ] {
            sys::set_packet_option(&fd, option, 1)?;
        }
        sys::make_promiscuous(&fd, index)?;
        sys::bind_to_interface(&fd, index)?;
        let counters = Arc::new(Counters::default());
        let framing = Framing::new(true, ethernet::HEADER_LEN, mtu, counters.clone());
        Ok(Nic {
            descriptor: Descriptor::new("interface", name, fd, framing.for_packet_socket()),
            mac,
            mtu,
            caps: DeviceCaps {
                tx_checksum: self.offload,
                tso: self.offload,
                uso: false,
                software_gro: true,
                one_piece: false,
            },
            counters,
            overruns: Arc::new(AtomicU64::new(0)),
        })
    }
}

/// A packet socket that hears of nothing yet.
fn packet_socket() -> io::Result<OwnedFd> {
    Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None).map(OwnedFd::from)
}
