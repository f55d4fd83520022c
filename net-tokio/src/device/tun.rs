//! The host's kernel at the other end: a TUN (Linux).

mod adopt;
mod open;

pub use open::TunBuilder;

use super::descriptor::Descriptor;
use super::framing::{Counters, Framing};
use super::netlink::Netlink;
use super::{Device, Overruns};
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::time::Instant;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

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
    mtu: u16,
    caps: DeviceCaps,
    descriptor: Descriptor,
    counters: Arc<Counters>,
    queue: Arc<KernelQueue>,
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
        self.descriptor.name()
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> TunStats {
        TunStats {
            fd: self.descriptor.share(),
            counters: self.counters.clone(),
            queue: self.queue.clone(),
        }
    }

    /// Receives up to `budget` packets that are there now and appends them to `batch`; how many. That is 0
    /// where all that were read had to be dropped: there may be more.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; anything else is the end of the device.
    pub fn try_recv(&mut self, batch: &mut RxBatch, budget: usize) -> io::Result<usize> {
        self.descriptor.try_recv(batch, budget)
    }

    /// Sends packets from the front of `batch` and takes them out of it.
    ///
    /// # Errors
    /// `WouldBlock` if the device is full, with the rest in order; anything else is its end.
    pub fn try_send(&mut self, batch: &mut TxBatch) -> io::Result<()> {
        self.descriptor.try_send(batch)
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

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Counters of a [`Tun`].
#[derive(Debug, Clone)]
pub struct TunStats {
    fd: Weak<OwnedFd>,
    counters: Arc<Counters>,
    queue: Arc<KernelQueue>,
}

impl TunStats {
    /// Packets that the kernel dropped since the device was opened because the stack had not fetched
    /// those before: its queue (`txqueuelen`) was full. They are what the kernel tells of the interface
    /// (`ip -s link`: TX dropped), as long as that is in the network namespace in which it was opened. Of a
    /// TUN with several queues the first tells of all, and the others of none.
    #[must_use]
    pub fn overruns(&self) -> Option<u64> {
        // Behind its end the interface may be another.
        let open = self.fd.upgrade().is_some();
        self.queue.overruns(open)
    }

    /// Packets received and dropped because what stands in front of them, the vnet header above all, was
    /// missing or untrue.
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

/// What the kernel counts of the packets that are to come out of a device.
#[derive(Debug)]
struct KernelQueue {
    asked: Asked,
    /// The index of its interface.
    index: u32,
    /// What had been dropped before the device was opened.
    before: u64,
    /// What has been dropped since, as far as it is known.
    known: AtomicU64,
}

/// Who is asked for the count.
#[derive(Debug)]
enum Asked {
    /// The kernel, by a socket of the namespace in which the device was opened, whoever asks later.
    Kernel(Netlink),
    /// Another queue of the same device, for all.
    First,
    /// Nobody: the host lets nobody ask, or the interface may be in another namespace.
    Nobody,
}

impl KernelQueue {
    fn of(index: u32) -> Self {
        let mut queue = Self {
            asked: Netlink::open().map_or(Asked::Nobody, Asked::Kernel),
            index,
            before: 0,
            known: AtomicU64::new(0),
        };
        queue.before = queue.dropped().unwrap_or(0);
        queue
    }

    /// One of which nothing is counted here.
    fn uncounted(asked: Asked) -> Self {
        Self {
            asked,
            index: 0,
            before: 0,
            known: AtomicU64::new(0),
        }
    }

    /// What the kernel says now.
    fn dropped(&self) -> Option<u64> {
        match &self.asked {
            Asked::Kernel(netlink) => netlink.dropped_to_send(self.index).ok(),
            Asked::First | Asked::Nobody => None,
        }
    }

    fn overruns(&self, open: bool) -> Option<u64> {
        if let Asked::Nobody = self.asked {
            return None;
        }
        if open && let Some(dropped) = self.dropped() {
            let since = dropped.saturating_sub(self.before);
            self.known.fetch_max(since, Ordering::Relaxed);
        }
        Some(self.known.load(Ordering::Relaxed))
    }
}
