//! What an interface does below IP, changed while the stack runs: its queue, its neighbours, and which
//! sources it believes.

use super::Net;
use net_core::SocketError;
use net_core::iface::{IfaceId, ReversePath};
use net_core::qdisc::{AnyQdisc, QdiscStats};
use net_core::wire::MacAddr;
use net_core::{Instant, Stack};
use std::io;
use std::net::IpAddr;

impl Net {
    /// Puts another queueing discipline in front of an interface's device, in place of `pfifo_fast`. It is
    /// made with the stack's time. Packets that wait move over as far as the new one holds them; its
    /// statistics begin anew.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_core::Seed;
    /// use net_core::qdisc::{FqCodel, FqCodelConfig};
    /// use net_tokio::Net;
    /// use net_tokio::device::Switch;
    /// let switch = Switch::new();
    /// let net = Net::builder().device("eth0", switch.port()).build()?;
    /// let seed = Seed::from_u64(7);
    /// net.set_qdisc("eth0", |_| FqCodel::new(FqCodelConfig::default(), seed))?;
    /// assert!(net.qdisc_report("eth0")?.starts_with("qdisc fq_codel 0: dev eth0 root"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface; or that the stack has ended.
    pub fn set_qdisc<Q: Into<AnyQdisc>>(
        &self,
        interface: &str,
        make: impl FnOnce(Instant) -> Q,
    ) -> io::Result<()> {
        self.change_link(interface, |stack, iface, now| {
            stack.set_qdisc(iface, make(now), now)
        })
    }

    /// What an interface's discipline is and has done, as `tc -s qdisc` prints it.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface.
    pub fn qdisc_report(&self, interface: &str) -> io::Result<String> {
        self.look_at_link(interface, |stack, iface| {
            stack.qdisc_report(iface).map(|report| report.to_string())
        })
    }

    /// The numbers of [`qdisc_report`](Self::qdisc_report).
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface.
    pub fn qdisc_stats(&self, interface: &str) -> io::Result<QdiscStats> {
        self.look_at_link(interface, Stack::qdisc_stats)
    }

    /// Says where a neighbour on an Ethernet is, for good: it is not asked, and what others say does not
    /// change it. [`neighbors`](Self::neighbors) lists them all.
    ///
    /// # Errors
    /// `InvalidInput` for an interface that is no Ethernet, an address that no single host has, and a
    /// station that is a group; the kernel's ENODEV where there is no such interface; or that the stack
    /// has ended.
    pub fn set_neighbor(&self, interface: &str, address: IpAddr, mac: MacAddr) -> io::Result<()> {
        self.change_link(interface, |stack, iface, _| {
            stack.set_neighbor(iface, address, mac)
        })
    }

    /// Forgets a neighbour, also one of [`set_neighbor`](Self::set_neighbor). Packets that wait for it are
    /// dropped.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface; or that the stack has ended.
    pub fn remove_neighbor(&self, interface: &str, address: IpAddr) -> io::Result<()> {
        self.change_link(interface, |stack, iface, _| {
            stack.remove_neighbor(iface, address);
            Ok(())
        })
    }

    /// Starts or stops answering for an address of somebody else, who is reached through this host (RFC 4861
    /// §7.2.8, RFC 1027).
    ///
    /// # Errors
    /// As for [`set_neighbor`](Self::set_neighbor).
    pub fn set_neighbor_proxy(&self, interface: &str, address: IpAddr, on: bool) -> io::Result<()> {
        self.change_link(interface, |stack, iface, _| {
            stack.set_neighbor_proxy(iface, address, on)
        })
    }

    /// Tells everybody on an interface's Ethernet where its addresses are, once (RFC 5227 §2.3, RFC 4861
    /// §7.2.6): for a host that has taken them over from another.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface; or that the stack has ended.
    pub fn announce(&self, interface: &str) -> io::Result<()> {
        self.change_link(interface, |stack, iface, now| stack.announce(iface, now))
    }

    /// Which sources may come in over an interface, by whether the routes lead back to them (RFC 3704). Off
    /// by default.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface; or that the stack has ended.
    pub fn set_reverse_path(&self, interface: &str, check: ReversePath) -> io::Result<()> {
        self.change_link(interface, |stack, iface, _| {
            stack.set_reverse_path(iface, check)
        })
    }

    fn change_link(
        &self,
        interface: &str,
        change: impl FnOnce(&mut Stack, IfaceId, Instant) -> Result<(), SocketError>,
    ) -> io::Result<()> {
        let iface = self.interface_id(interface)?;
        self.engine()
            .act(|core, now| change(core.stack_mut(), iface, now))
    }

    fn look_at_link<R>(
        &self,
        interface: &str,
        look: impl FnOnce(&Stack, IfaceId) -> Option<R>,
    ) -> io::Result<R> {
        let iface = self.interface_id(interface)?;
        let found = self.engine().look(|core| look(core.stack(), iface));
        found.ok_or_else(|| crate::error::to_io(SocketError::NoSuchInterface))
    }
}
