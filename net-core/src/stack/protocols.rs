//! Protocols over IP that the embedder speaks: whom their packets and the errors about them go to.

use super::Stack;
use super::ip_input::Arrival;
use crate::error::SocketError;
use crate::hook::ProtocolHandler;
use crate::icmp::Quoted;
use crate::time::Instant;
use crate::wire::{icmp, igmp, ip, ipv6_ext};
use alloc::boxed::Box;

impl Stack {
    /// Hands packets of a protocol over IP to a handler from now on, or to nobody; the handler before.
    /// Raw sockets get them as well. To send such packets, open a raw socket.
    ///
    /// ```
    /// use net_core::hook::ProtocolHandler;
    /// use net_core::wire::IpHeader;
    /// use net_core::{Config, IfaceId, Instant, Seed, Stack};
    ///
    /// /// Counts packets.
    /// #[derive(Debug, Default)]
    /// struct Count(u64);
    ///
    /// impl ProtocolHandler for Count {
    ///     fn handle_packet(&mut self, _: &IpHeader, _: &[u8], _: IfaceId, _: Instant) -> bool {
    ///         self.0 += 1;
    ///         true
    ///     }
    /// }
    ///
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// assert!(stack.set_protocol(200, Some(Box::new(Count::default())))?.is_none());
    /// assert!(stack.set_protocol(200, None)?.is_some());
    /// assert!(stack.set_protocol(6, None).is_err());
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput`](SocketError::InvalidInput): the stack speaks it itself, or it is the number of an
    /// extension header.
    pub fn set_protocol(
        &mut self,
        protocol: u8,
        handler: Option<Box<dyn ProtocolHandler>>,
    ) -> Result<Option<Box<dyn ProtocolHandler>>, SocketError> {
        let is_own = matches!(
            protocol,
            ip::TCP | ip::UDP | ip::ICMP | ip::ICMPV6 | igmp::PROTOCOL
        );
        if is_own || ipv6_ext::is_extension(protocol) {
            return Err(SocketError::InvalidInput(
                "the stack speaks this protocol itself",
            ));
        }
        let place = self.protocols.iter().position(|(it, _)| *it == protocol);
        let before = place.map(|place| self.protocols.swap_remove(place).1);
        self.protocols
            .extend(handler.map(|handler| (protocol, handler)));
        Ok(before)
    }

    fn protocol(&mut self, protocol: u8) -> Option<&mut Box<dyn ProtocolHandler>> {
        let mut all = self.protocols.iter_mut();
        all.find(|(it, _)| *it == protocol).map(|(_, it)| it)
    }

    /// Hands a packet to the handler of its protocol; whether there is one and it made sense to it.
    pub(super) fn protocol_input(
        &mut self,
        protocol: u8,
        arrival: &mut Arrival<'_>,
        now: Instant,
    ) -> bool {
        let Some(handler) = self.protocol(protocol) else {
            return false;
        };
        arrival.packet.pull(usize::MAX);
        let payload = arrival.packet.frame.get(arrival.ip.header_len..);
        payload
            .is_some_and(|payload| handler.handle_packet(&arrival.ip, payload, arrival.over, now))
    }

    /// Tells the handler of a protocol about an error; whether there is one.
    pub(super) fn protocol_error(
        &mut self,
        arrival: &Arrival<'_>,
        quoted: &Quoted,
        now: Instant,
    ) -> bool {
        let Some(handler) = self.protocol(quoted.ip.protocol) else {
            return false;
        };
        let message = arrival.packet.frame.get(arrival.ip.header_len..);
        let message = message.unwrap_or_default();
        let kind = message
            .first_chunk()
            .map_or((0, 0), |&[kind, code]| (kind, code));
        let rest = message.get(icmp::HEADER_LEN + quoted.ip.header_len..);
        handler.handle_error(kind, &quoted.ip, rest.unwrap_or_default(), now);
        true
    }
}
