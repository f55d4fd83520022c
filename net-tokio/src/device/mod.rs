//! Where packets come from and go to.
//!
//! A [`Device`] is one queue with one owner, the driver of a stack. Every packet begins at its IP
//! header, or at its Ethernet header where the device is a [station](Device::mac). The kinds here:
//! [`Loopback`], the in-memory [`pair`] with impairments, the [`Switch`] for any number of stacks, the
//! [`channel`] to the program itself, the [`UdpTunnel`], the [`PacketIo`] over whatever reads and writes
//! packets, such as Wintun by the crate `tun`, on Unix the `PacketFd` over a descriptor that
//! somebody else has opened, and on Linux the `Tun`, the `Tap` and the `Nic`. A [`PcapTap`] around any of
//! them writes a capture, and a [`Trunk`] over one of frames carries several VLANs.

mod channel;
#[cfg(unix)]
mod descriptor;
#[cfg(test)]
mod ethernet_tests;
#[cfg(unix)]
mod framing;
mod link;
mod loopback;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod nic;
mod overruns;
#[cfg(unix)]
mod packet_fd;
mod packet_io;
mod pair;
mod pcap;
#[cfg(target_os = "linux")]
mod several;
mod switch;
#[cfg(unix)]
pub(crate) mod sys;
#[cfg(target_os = "linux")]
mod tap;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod tun;
#[cfg(unix)]
mod tun_header;
mod udp_tunnel;
mod vlan;
#[cfg(test)]
mod vlan_tests;

pub use channel::{Channel, Packets, channel, ethernet_channel};
pub use link::LinkStats;
pub use loopback::Loopback;
pub use net_core::sim::{LinkConfig, LinkCounters};
#[cfg(target_os = "linux")]
pub use nic::{Nic, NicBuilder, NicStats};
pub use overruns::Overruns;
#[cfg(unix)]
pub use packet_fd::{PacketFd, PacketFdStats};
pub use packet_io::{PacketIo, PacketIoStats};
pub use pair::{PairEnd, pair};
pub use pcap::{PcapStatus, PcapTap};
pub use switch::{Switch, SwitchCounters, SwitchPort};
#[cfg(target_os = "linux")]
pub use tap::{Tap, TapBuilder};
#[cfg(target_os = "linux")]
pub use tun::{Tun, TunBuilder, TunStats};
#[cfg(unix)]
pub use tun_header::TunHeader;
pub use udp_tunnel::{UdpTunnel, UdpTunnelStats};
pub use vlan::{Trunk, TrunkCounters, TrunkPort};

use crate::clock::Clock;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, TxBatch};
use net_core::time::Instant;
use net_core::wire::MacAddr;
use std::io;
use std::task::{Context, Poll, Waker};

/// One queue of packets towards somewhere. It has one owner and never blocks.
pub trait Device: Send + 'static {
    /// What it does for the stack; constant over its life.
    fn caps(&self) -> DeviceCaps;

    /// Largest IP packet in bytes that it takes; constant over its life. Super-segments are larger.
    fn mtu(&self) -> u16;

    /// The address of the station that the device is, if packets begin at an Ethernet header; `None` if
    /// they begin at the IP header. Constant over its life.
    fn mac(&self) -> Option<MacAddr> {
        None
    }

    /// Tells the device by which clock `now` and [`poll_timeout`](Self::poll_timeout) count. The
    /// driver calls it once, before anything else.
    fn attach(&mut self, clock: Clock) {
        let _ = clock;
    }

    /// Receives up to `budget` packets and appends them to `batch`.
    ///
    /// Ready with how many there were, at least one; or Pending, with the waker of `cx` registered
    /// and nothing left to receive.
    ///
    /// # Errors
    /// An error is the end of the device.
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>>;

    /// Packets that were lost before the stack fetched them, since the device is there: its receive
    /// ring was full. Stays 0 where the sender waits for room; [`Overruns::UNKNOWN`] where nobody can tell.
    fn overruns(&self) -> Overruns {
        Overruns::from(0)
    }

    /// Sends packets from the front of `batch` and takes them out of it.
    ///
    /// Ready when all have left (or were dropped, as networks do), Pending when the device is full:
    /// then the rest stays in order and the waker of `cx` is registered. The stack takes the rest back
    /// to the head of its queue, from where it comes again, in order but perhaps not all at once.
    ///
    /// # Errors
    /// An error is the end of the device.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>>;

    /// Whether a round over this device ends without a system call, so that a caller may run it.
    fn inline(&self) -> bool {
        false
    }

    /// When [`poll_recv`](Self::poll_recv) will next have something though nobody wakes: a link
    /// with delay holds packets back. It moves earlier only together with a wake.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Asks the device to wake the waker of `cx` at `at`, in place of what it was asked before;
    /// whether it will. A device that moves time itself does that, to the nanosecond, where the
    /// runtime's timer has its ticks.
    fn wake_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        let _ = (cx, at);
        false
    }
}

/// Refuses an MTU that IPv4 does not allow.
fn check_mtu(mtu: u16) -> io::Result<()> {
    if mtu < MTU_MIN {
        let text = format!("an MTU is at least {MTU_MIN}, not {mtu}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

/// What IPv4 asks of every link (RFC 791 §3.2).
const MTU_MIN: u16 = 68;

/// A device of any kind, for a choice made at run time.
impl<D: Device + ?Sized> Device for Box<D> {
    fn caps(&self) -> DeviceCaps {
        (**self).caps()
    }

    fn mtu(&self) -> u16 {
        (**self).mtu()
    }

    fn mac(&self) -> Option<MacAddr> {
        (**self).mac()
    }

    fn attach(&mut self, clock: Clock) {
        (**self).attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_recv(cx, batch, budget)
    }

    fn overruns(&self) -> Overruns {
        (**self).overruns()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        (**self).poll_send(cx, batch, now)
    }

    fn inline(&self) -> bool {
        (**self).inline()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (**self).poll_timeout()
    }

    fn wake_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        (**self).wake_at(cx, at)
    }
}

/// Wakes, if there is somebody; for after the unlock.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Keeps the waker of `cx`, cloning it only if another one is there.
pub(crate) fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}
