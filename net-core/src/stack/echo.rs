//! Echo requests for addresses that no interface has, where an application answers them.

use super::Stack;
use super::ip_input::Arrival;
use super::raw::{copy_from, datagram};
use super::raw_sockets::emit_message;
use super::udp::scoped;
use crate::buf::TxPacket;
use crate::error::SocketError;
use crate::icmp::complete_checksum;
use crate::ip::Delivery;
use crate::socket::{Family, IpOption, Operation, Request, SocketId};
use crate::stats::DropReason;
use crate::udp::{Datagram, DatagramSocket, Speaks};
use crate::wire::{IcmpMessage, icmpv4, icmpv6};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// Who takes echo requests for addresses that no interface has: one socket of each family.
#[derive(Debug, Default)]
pub(super) struct EchoTakers {
    v4: Option<SocketId>,
    v6: Option<SocketId>,
}

impl EchoTakers {
    const fn of(&self, dest: IpAddr) -> Option<SocketId> {
        match dest {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }

    /// All of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = SocketId> {
        [self.v4, self.v6].into_iter().flatten()
    }

    const fn place(&mut self, family: Family) -> &mut Option<SocketId> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl Stack {
    /// Opens the socket that receives the echo requests of a family for addresses that no interface has:
    /// those of [local routes](Self::add_local_route), and those for other hosts that come over interfaces
    /// which do not [forward](Self::set_forwarding). What is for the stack's own addresses, the stack
    /// answers. [`bind`](Self::bind) leaves only the requests for one address,
    /// [`bind_iface`](Self::bind_iface) only those of one interface.
    ///
    /// What it receives is for [`EchoRequest::of`](crate::echo::EchoRequest::of), which makes the answers
    /// that it may send: echo replies from any address, and errors, at no more than the rate of the
    /// stack's own (RFC 4443 §2.4(f)); one too many is dropped and counts as `RateLimited`. Requests that
    /// find [`recv_buffer`](crate::socket::UdpSettings::recv_buffer) full are dropped and count as
    /// `RecvBufferFull`.
    ///
    /// # Errors
    /// `AddressInUse` where there is such a socket, `TooManySockets`, or what the policy says: for it
    /// this is a raw socket of ICMP that becomes [transparent](IpOption::Transparent).
    pub fn echo_open(&mut self, family: Family) -> Result<SocketId, SocketError> {
        let protocol = Speaks::EchoAnswers.protocol(family);
        let request = Request::raw(family, protocol);
        self.permit(&Operation::Create(request))?;
        if self.echo_takers.place(family).is_some() {
            return Err(SocketError::AddressInUse);
        }
        let socket = self.datagram_open(family, Speaks::EchoAnswers)?;
        let opened = self
            .permit(&Operation::Created { socket, request })
            .and_then(|()| self.set_ip_option(socket, IpOption::Transparent(true)));
        if let Err(error) = opened {
            self.close(socket, self.clock);
            return Err(error);
        }
        *self.echo_takers.place(family) = Some(socket);
        Ok(socket)
    }

    /// The socket is closed.
    pub(super) fn echo_closed(&mut self, family: Family, id: SocketId) {
        let place = self.echo_takers.place(family);
        if *place == Some(id) {
            *place = None;
        }
    }

    /// Whether the message at `at` in a packet for another host is an echo request that an application
    /// answers in its place.
    pub(super) fn takes_echo(&self, arrival: &Arrival<'_>, at: usize) -> bool {
        let message = arrival.packet.frame.get(at..).unwrap_or_default();
        let message = match arrival.ip.dest {
            IpAddr::V4(_) => icmpv4::parse(message),
            IpAddr::V6(_) => icmpv6::parse(message),
        };
        matches!(message, Ok(IcmpMessage::EchoRequest { .. }))
            && !self.is_forwarding(arrival.over)
            && self.echo_taker(arrival).is_some()
    }

    /// The socket that wants an echo request; none where an interface has the address.
    pub(super) fn echo_taker(&self, arrival: &Arrival<'_>) -> Option<SocketId> {
        let (dest, source) = (arrival.ip.dest, arrival.ip.source);
        let id = self.echo_takers.of(dest)?;
        let socket = self.sockets.udp(id)?;
        let is_own = self.addresses.delivery(dest) != Delivery::Foreign;
        let hears = socket.hears(dest, source) && socket.settings.ip.takes_from(arrival.over);
        (!is_own && hears).then_some(id)
    }

    /// Gives an echo request to the socket that wants it, as a whole packet.
    pub(super) fn echo_request_input(
        &mut self,
        id: SocketId,
        arrival: Arrival<'_>,
    ) -> Result<(), DropReason> {
        // Before a copy is made of what would be dropped.
        if !self.sockets.udp(id).is_some_and(DatagramSocket::has_room) {
            return Err(DropReason::RecvBufferFull);
        }
        complete_checksum(arrival.packet);
        let packet = copy_from(arrival.packet, 0);
        let request = datagram(packet, &arrival.ip, arrival.over, self.clock);
        let source = scoped(SocketAddr::new(arrival.ip.source, 0), arrival.over);
        self.udp_queue(id, Datagram { source, ..request })
    }

    /// Makes the packet what an application answers to an echo request; whether it may leave now.
    pub(super) fn emit_answer(
        &mut self,
        message: Bytes,
        dest: IpAddr,
        packet: &mut TxPacket,
    ) -> Result<bool, SocketError> {
        const NO_ANSWER: SocketError = SocketError::InvalidInput(
            "an echo request is answered with an echo reply or an error, of eight bytes at least",
        );
        let parsed = match dest {
            IpAddr::V4(_) => icmpv4::parse(&message),
            IpAddr::V6(_) => icmpv6::parse(&message),
        };
        match parsed {
            Ok(answer @ IcmpMessage::EchoReply { .. }) => {
                emit_message(&answer, message, dest, packet);
                self.stats.icmp_echo_replies += 1;
            }
            Ok(error @ IcmpMessage::Unreachable { .. }) => {
                if !self.limits.icmp.take(self.clock) {
                    self.stats.count_drop(DropReason::RateLimited);
                    return Ok(false);
                }
                emit_message(&error, message, dest, packet);
                self.stats.icmp_errors_sent += 1;
            }
            _ => return Err(NO_ANSWER),
        }
        Ok(true)
    }
}
