//! Checks of addresses: which are made, and waiting for them.

use super::Net;
use net_core::autoconf::Defence;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

impl Net {
    /// Whether an interface checks addresses of IPv4 before it uses them, those that it has now, too, as with
    /// [`Interface::detect_conflicts`](crate::Interface::detect_conflicts); `None`: no more. A check that is under
    /// way goes on.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface.
    pub fn set_conflict_detection(&self, name: &str, defence: Option<Defence>) -> io::Result<()> {
        let iface = self.interface_id(name)?;
        self.engine().act(|core, now| {
            let stack = core.stack_mut();
            stack.set_conflict_detection(iface, defence, now)
        })
    }

    /// Waits until no address is being checked any more, as those of IPv6 are [by
    /// default](crate::Interface::check_addresses) and those of IPv4 [where that is
    /// wanted](crate::Interface::detect_conflicts): each is used, or is
    /// not because somebody else has it. An interface that configures itself may get more of them later. A
    /// stack that has ended checks none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_tokio::device::Switch;
    /// use net_tokio::{Net, TcpListener};
    /// let switch = Switch::new();
    /// let net = Net::builder().device("eth0", switch.port()).address("fd07::1/64").build()?;
    /// net.wait_for_addresses().await;
    /// let listener = TcpListener::bind_on(&net, "[fd07::1]:80").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the checks go on when the future is dropped.
    pub async fn wait_for_addresses(&self) {
        poll_fn(|cx| {
            let waits = self
                .engine()
                .control(|core, _| Ok(core.waits_for_checks(cx)));
            if waits.unwrap_or(false) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}
