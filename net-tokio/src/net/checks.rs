//! Addresses that are being checked, waited for.

use super::{InterfaceStatus, Net};
use net_core::autoconf::AddressState;
use std::time::Duration;

impl Net {
    /// Waits until no address is being [checked](crate::Interface::check_addresses) any more: each is used, or is
    /// not because somebody else has it. An interface that configures itself may get more of them later.
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
    /// # Panics
    /// Where an address is being checked, outside of a tokio runtime whose time is enabled, as
    /// [`tokio::time::sleep`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the checks go on when the future is dropped.
    pub async fn wait_for_addresses(&self) {
        let is_checked = |each: &InterfaceStatus| {
            let mut states = each.states.iter();
            states.all(|status| status.state != AddressState::Tentative)
        };
        while !self.interfaces().iter().all(is_checked) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);
