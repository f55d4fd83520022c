//! Several stacks with the same addresses, a shard each: which of them a packet is for.
//!
//! The network steers what belongs to one flow to one shard (a TUN with several queues does, an Ethernet
//! card does), but not always to the right one: it forgets flows, and knows nothing of what belongs
//! together (an ICMP error and the flow that it is about). What nobody here knows may be known to the
//! shard that its port belongs to.

use super::Stack;
use super::icmp::MAX_QUOTED;
use super::icmp::read;
use super::ip_input::Arrival;
use super::raw::copy_of;
use crate::buf::{RxMeta, RxPacket};
use crate::icmp::{Quoted, complete_checksum};
use crate::iface::IfaceId;
use crate::ip::Delivery;
use crate::socket::FlowKey;
use crate::stats::DropReason;
use crate::tcp::socket::Flow;
use crate::time::Instant;
use crate::wire::transport::verify_checksum;
use crate::wire::{IcmpMessage, TcpFlags, ip, tcp};
use alloc::boxed::Box;
use core::fmt;
use core::mem;
use core::net::SocketAddr;

/// Who brings packets to other shards.
pub(super) struct Strays {
    over: IfaceId,
    hand: Box<dyn FnMut(u16, RxPacket) -> bool + Send>,
}

impl Stack {
    /// Has `hand` bring packets that come in over `over`, and that no socket here is for, to the shard
    /// that may know more: the one of this number, of those that [`PortShare`](crate::config::PortShare)
    /// counts. It says whether it could; the packet is lost otherwise. What it is given it must bring to
    /// [`handle_batch`](Self::handle_batch) of that shard as it is.
    ///
    /// A packet is handed over once. It belongs to the shard that its port does, its identifier if it is
    /// an answer to a ping. An ICMP error about a packet of TCP, of UDP, or a ping that nobody here has sent is
    /// offered to all, if its checksum is right, if it has 1,280 bytes at most, and no more often than the
    /// stack sends errors. Packets to many (broadcast, multicast) stay where they arrive. Raw sockets have their
    /// copy where a packet arrives first, and where there is one of its protocol the packet has to pass the hooks
    /// of [`LocalIn`](crate::hook::HookPoint::LocalIn) there. It has passed those of
    /// [`PreRouting`](crate::hook::HookPoint::PreRouting) by then, and passes all of the other stack.
    pub fn hand_strays(
        &mut self,
        over: IfaceId,
        hand: impl FnMut(u16, RxPacket) -> bool + Send + 'static,
    ) {
        let hand = Box::new(hand);
        self.strays = Some(Strays { over, hand });
    }

    /// Hands a packet over if there is nothing here for it; whether it did.
    pub(super) fn hand_over(
        &mut self,
        arrival: &mut Arrival<'_>,
        now: Instant,
    ) -> Result<bool, DropReason> {
        let Some(strays) = self.strays.as_ref() else {
            return Ok(false);
        };
        let may_stray = self.config.port_share.count() > 1
            && strays.over == arrival.over
            && matches!(arrival.delivery, Delivery::Local | Delivery::Anycast)
            && arrival.given_to.is_none()
            && !arrival.packet.meta.handed_over;
        let whose = may_stray.then(|| self.whose(arrival)).flatten();
        match whose {
            None => return Ok(false),
            Some(Whose::Anybody) if !self.limits.offer.take(self.clock) => return Ok(false),
            Some(_) => {}
        }
        if self.raw_hears(arrival.ip.protocol) {
            if !self.comes_in(arrival, now)? {
                return Ok(true);
            }
            self.raw_input(arrival);
        }
        let Some(mut strays) = self.strays.take() else {
            return Ok(false);
        };
        match whose {
            None => {}
            Some(Whose::Shard(index)) => {
                self.hand_to(&mut strays, index, mem::take(arrival.packet));
            }
            Some(Whose::Anybody) => {
                let share = self.config.port_share;
                complete_checksum(arrival.packet);
                for index in (0..share.count()).filter(|&index| index != share.index()) {
                    let copy = RxPacket::from_frame(copy_of(arrival.packet, 0));
                    self.hand_to(&mut strays, index, copy);
                }
            }
        }
        self.strays = Some(strays);
        Ok(true)
    }

    fn hand_to(&mut self, strays: &mut Strays, index: u16, mut packet: RxPacket) {
        let RxMeta {
            checksum,
            gso,
            pins,
            ..
        } = packet.meta;
        packet.meta = RxMeta {
            checksum,
            gso,
            pins,
            handed_over: true,
            ..RxMeta::default()
        };
        if (strays.hand)(index, packet) {
            self.stats.strays += 1;
        } else {
            self.stats.count_drop(DropReason::NoSocket);
        }
    }

    /// Whether a connection is here. One that was frozen may go on in another shard.
    fn has_connection(&self, key: &FlowKey) -> bool {
        let flow = self.tcp.flows.get(key);
        flow.is_some_and(|flow| !matches!(flow, Flow::Frozen(_)))
    }

    /// Who else may know what a packet is for; `None` if it is for somebody here, or for nobody.
    fn whose(&self, arrival: &Arrival<'_>) -> Option<Whose> {
        let header = &arrival.ip;
        let bytes = arrival.packet.frame.get(header.header_len..)?;
        let &[source0, source1, dest0, dest1, ..] = bytes else {
            return None;
        };
        let remote = SocketAddr::new(header.source, u16::from_be_bytes([source0, source1]));
        let local = SocketAddr::new(header.dest, u16::from_be_bytes([dest0, dest1]));
        match header.protocol {
            ip::TCP => {
                let owner = self.other_owner(local.port())?;
                let is_known = self.has_connection(&FlowKey::new(local, remote));
                let flags = bytes.get(tcp::OFFSET_FLAGS_OFFSET..)?.first_chunk()?;
                let flags = TcpFlags::from_bits_truncate(u16::from_be_bytes(*flags));
                let is_answer = flags.contains(TcpFlags::SYN | TcpFlags::ACK);
                let is_heard = || {
                    let listener = self.tcp.ports.lookup(local, arrival.over, || 0);
                    listener.is_some() && !is_answer
                };
                (!is_known && !is_heard()).then_some(Whose::Shard(owner))
            }
            ip::UDP => {
                let owner = self.other_owner(local.port())?;
                let is_known = self.udp.flows.get(&FlowKey::new(local, remote)).is_some()
                    || self.udp.ports.lookup(local, arrival.over, || 0).is_some();
                (!is_known).then_some(Whose::Shard(owner))
            }
            ip::ICMP | ip::ICMPV6 => match read(arrival).ok()? {
                IcmpMessage::EchoReply { ident, .. } => {
                    let owner = self.other_owner(ident)?;
                    let local = SocketAddr::new(header.dest, ident);
                    let asker = self.udp.echoes.lookup(local, arrival.over, || 0);
                    asker.is_none().then_some(Whose::Shard(owner))
                }
                message if message.is_error() => {
                    let quoted = Quoted::parse(arrival.packet, header.header_len)?;
                    if !self.is_ours(&quoted, header) {
                        return None;
                    }
                    let is_known = match quoted.ip.protocol {
                        ip::TCP => {
                            let flow = FlowKey::new(quoted.local(), quoted.remote());
                            self.has_connection(&flow)
                        }
                        // Sockets of several shards may have the port of an unconnected one.
                        ip::UDP => {
                            let asker = self.asker(&quoted, arrival.over);
                            let asker = asker.and_then(|id| self.sockets.udp(id));
                            asker.is_some_and(|socket| socket.sends_to(quoted.remote()))
                        }
                        ip::ICMP | ip::ICMPV6 => self.asker(&quoted, arrival.over).is_some(),
                        _ => return None,
                    };
                    let is_right = arrival.packet.len() <= MAX_QUOTED
                        && verify_checksum(arrival.packet, header).is_ok();
                    (!is_known && is_right).then_some(Whose::Anybody)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The shard that a port belongs to, if it is another.
    fn other_owner(&self, port: u16) -> Option<u16> {
        let share = self.config.port_share;
        let owner = share.owner(port);
        (owner != share.index()).then_some(owner)
    }
}

/// Whom a packet may belong to.
enum Whose {
    Shard(u16),
    Anybody,
}

impl fmt::Debug for Strays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strays")
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}
