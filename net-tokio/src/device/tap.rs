//! The host's kernel at the other end of an Ethernet: a TAP (Linux).

use super::{Device, Overruns, Tun, TunBuilder, TunStats};
use crate::clock::Clock;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::time::Instant;
use net_core::wire::MacAddr;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

/// A TAP: Ethernet frames to and from the host's kernel, as over a cable between two network cards.
///
/// The stack is a station of its own there, with its own address; the kernel's station is the
/// interface. Put the interface into a bridge, and the stack is on that network like any machine.
///
/// ```no_run
/// use net_tokio::{Net, device::Tap};
/// # fn main() -> std::io::Result<()> {
/// let tap = Tap::builder("tap0")
///     .host_address("10.7.0.1".parse().unwrap(), 24)
///     .build()?;
/// let net = Net::builder().device("eth0", tap).address("10.7.0.2/24").build()?;
/// # Ok(())
/// # }
/// ```
///
/// As a [`Tun`], it registers with the runtime that first polls it.
#[derive(Debug)]
pub struct Tap {
    tun: Tun,
    mac: MacAddr,
}

impl Tap {
    /// A builder for the TAP called `name`, which is opened if it is there and made if not.
    #[must_use]
    pub fn builder(name: impl Into<String>) -> TapBuilder {
        TapBuilder {
            tun: TunBuilder::tap(name.into()),
            mac: None,
        }
    }

    /// The name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        self.tun.name()
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> TunStats {
        self.tun.stats()
    }
}

impl Device for Tap {
    fn caps(&self) -> DeviceCaps {
        self.tun.caps()
    }

    fn mtu(&self) -> u16 {
        self.tun.mtu()
    }

    fn mac(&self) -> Option<MacAddr> {
        Some(self.mac)
    }

    fn attach(&mut self, clock: Clock) {
        self.tun.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        self.tun.poll_recv(cx, batch, budget)
    }

    fn overruns(&self) -> Overruns {
        self.tun.overruns()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        self.tun.poll_send(cx, batch, now)
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tun.as_fd()
    }
}

/// How to open or make a [`Tap`]; what is not asked for is left as it is, as with a
/// [`TunBuilder`].
#[derive(Debug, Clone)]
pub struct TapBuilder {
    tun: TunBuilder,
    mac: Option<MacAddr>,
}

impl TapBuilder {
    /// The address of the stack's station. By default one of local administration, by chance.
    #[must_use]
    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.mac = Some(mac);
        self
    }

    /// Largest IP packet in bytes; the Ethernet header comes on top. Left alone if not given: 1500 for
    /// a new TAP.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.tun = self.tun.mtu(mtu);
        self
    }

    /// An address of the *kernel's* side, with the route to its prefix; any number of them.
    #[must_use]
    pub fn host_address(mut self, address: IpAddr, prefix_len: u8) -> Self {
        self.tun = self.tun.host_address(address, prefix_len);
        self
    }

    /// Whether super-segments and checksums may be left to the kernel and taken from it. On.
    #[must_use]
    pub fn offload(mut self, on: bool) -> Self {
        self.tun = self.tun.offload(on);
        self
    }

    /// Opens the TAP or makes it, sets it up, and brings it up.
    ///
    /// # Errors
    /// As [`TunBuilder::build`], and `InvalidInput` for an address that is a group's.
    pub fn build(self) -> io::Result<Tap> {
        let mac = match self.mac {
            Some(mac) => mac,
            None => MacAddr::local(getrandom::u64().map_err(io::Error::from)?),
        };
        if !mac.is_unicast() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{mac} is no address of a single station"),
            ));
        }
        Ok(Tap {
            tun: self.tun.build()?,
            mac,
        })
    }
}
