//! What a router advertises on its interfaces, changed while it runs.

use super::Net;
use crate::error::to_io;
use net_core::advertising::{Inconsistency, RouterAdvertising};
use net_core::{IfaceId, SocketError};
use std::io;

/// What a router advertises on one of its interfaces (RFC 4861 §6.2), to look at and to change while it runs. A
/// handle, cheap to clone; from [`Net::advertising`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_core::advertising::{AdvPrefix, RouterAdvertising};
/// use net_tokio::device::Switch;
/// use net_tokio::{Interface, Net};
/// let net = Net::builder().build()?;
/// let lan = Interface::new("lan0", Switch::new().port()).check_addresses(false);
/// net.attach(lan.address("fe80::1/64").address("fd07::1/64"))?;
/// net.set_forwarding("lan0", true)?;
/// let advertising = net.advertising("lan0")?;
/// advertising.set(RouterAdvertising {
///     adv_send_advertisements: true,
///     adv_prefix_list: vec![AdvPrefix::new("fd07::".parse().unwrap(), 64)],
///     ..RouterAdvertising::default()
/// })?;
/// assert!(advertising.is_advertising());
/// // For maintenance: hosts are to leave by another router.
/// let config = advertising.config()?;
/// advertising.set(RouterAdvertising {
///     adv_default_lifetime: Some(std::time::Duration::ZERO),
///     ..config
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Advertising {
    net: Net,
    iface: IfaceId,
}

impl Net {
    /// What the stack advertises as a router on an interface, to change while it runs. The handle is of the
    /// interface that has the name now, and of no later one.
    ///
    /// # Errors
    /// The kernel's ENODEV where there is no such interface.
    pub fn advertising(&self, interface: &str) -> io::Result<Advertising> {
        Ok(Advertising {
            net: self.clone(),
            iface: self.interface_id(interface)?,
        })
    }
}

impl Advertising {
    /// Says what is advertised from now on, in place of what was. Hosts hear of it at once, or three seconds
    /// after the last advertisement, and twice more at most 16 seconds after each other. Without `adv_send_advertisements` they
    /// hear that this is no router any more.
    /// [`Stack::set_router_advertising`](net_core::Stack::set_router_advertising) tells more.
    ///
    /// # Errors
    /// `InvalidInput` with the rule of the RFCs that the configuration breaks, for an interface that is no
    /// Ethernet or whose MTU is below 1280, and for one that
    /// [configures itself](crate::Interface::autoconfigure) if it is to advertise; the kernel's ENODEV where the
    /// interface is gone; or that the stack has ended. Nothing changes then.
    pub fn set(&self, config: RouterAdvertising) -> io::Result<()> {
        let iface = self.iface;
        let set = self.net.engine().act(|core, now| {
            let stack = core.stack_mut();
            Ok(stack.set_router_advertising(iface, config, now))
        })?;
        set.map_err(|error| match error {
            SocketError::InvalidInput(rule) => io::Error::new(io::ErrorKind::InvalidInput, rule),
            other => to_io(other),
        })
    }

    /// What is advertised, with what is left of lifetimes that count down.
    ///
    /// # Errors
    /// The kernel's ENODEV where the interface is gone; or that the stack has ended.
    pub fn config(&self) -> io::Result<RouterAdvertising> {
        let config = self
            .net
            .engine()
            .control(|core, now| Ok(core.stack().router_advertising(self.iface, now)))?;
        config.ok_or_else(|| to_io(SocketError::NoSuchInterface))
    }

    /// Whether it advertises: it is told to, [forwards](Net::set_forwarding), and has a link-local address that
    /// is no longer checked.
    #[must_use]
    pub fn is_advertising(&self) -> bool {
        let engine = self.net.engine();
        engine.look(|core| core.stack().is_advertising(self.iface))
    }

    /// What another router on the link has advertised last against what this one does, if any has (RFC 4861
    /// §6.2.7). `Stats::router_inconsistencies` counts all of that, and the log of `tracing` has it once a
    /// minute.
    #[must_use]
    pub fn inconsistency(&self) -> Option<Inconsistency> {
        let engine = self.net.engine();
        engine.look(|core| core.stack().router_inconsistency(self.iface))
    }
}
