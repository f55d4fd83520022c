//! What the embedder adds to the way of packets: hooks, and protocols over IP.

use super::Net;
use net_core::hook::{Hook, HookId, HookPoint, ProtocolHandler};
use std::io;

impl Net {
    /// Puts a hook at a point of every packet's way; those with lower priorities are asked first. It runs
    /// inside the stack, and must neither use sockets of the same stack nor wait.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn add_hook(
        &self,
        at: HookPoint,
        priority: i32,
        hook: impl Hook + 'static,
    ) -> io::Result<HookId> {
        self.engine()
            .control(|core, _| Ok(core.stack_mut().add_hook(at, priority, Box::new(hook))))
    }

    /// Takes a hook away; `None` if it is gone already.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn remove_hook(&self, id: HookId) -> io::Result<Option<Box<dyn Hook>>> {
        self.engine()
            .control(|core, _| Ok(core.stack_mut().remove_hook(id)))
    }

    /// Hands packets of a protocol over IP to a handler from now on, or to nobody; the handler before. It
    /// runs inside the stack, as hooks do.
    ///
    /// ```
    /// use net_core::hook::ProtocolHandler;
    /// use net_core::wire::IpHeader;
    /// use net_core::{IfaceId, Instant};
    ///
    /// /// Says what comes.
    /// #[derive(Debug)]
    /// struct Say;
    ///
    /// impl ProtocolHandler for Say {
    ///     fn handle_packet(&mut self, ip: &IpHeader, payload: &[u8], _: IfaceId, _: Instant) -> bool {
    ///         println!("{} bytes from {}", payload.len(), ip.source);
    ///         true
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let net = net_tokio::Net::builder().build()?;
    /// net.set_protocol(200, Some(Box::new(Say)))?;
    /// assert!(net.set_protocol(6, Some(Box::new(Say))).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for what the stack speaks itself and for numbers of extension headers; or that the
    /// stack has ended.
    pub fn set_protocol(
        &self,
        protocol: u8,
        handler: Option<Box<dyn ProtocolHandler>>,
    ) -> io::Result<Option<Box<dyn ProtocolHandler>>> {
        self.engine()
            .control(|core, _| core.stack_mut().set_protocol(protocol, handler))
    }
}
