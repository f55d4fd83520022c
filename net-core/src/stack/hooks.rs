//! Packets pass the hooks on their way.

use super::Stack;
use super::ip_input::Arrival;
use super::ip_output::Passage;
use super::track::pull_quotation;
use crate::buf::{RxPacket, TxPacket};
use crate::error::SocketError;
use crate::hook::{Hook, HookId, HookPoint, Outcome, PacketView};
use crate::iface::IfaceId;
use crate::ip::Origin;
use crate::qdisc::Sender;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::IpHeader;
use alloc::boxed::Box;

impl Stack {
    /// Puts a hook at a point of every packet's way. Hooks with lower priorities are asked first; of
    /// equals, the older one.
    ///
    /// ```
    /// use net_core::hook::{Hook, HookPoint, PacketView, Verdict};
    /// use net_core::{Config, Instant, Seed, Stack};
    ///
    /// /// Lets no Telnet in.
    /// #[derive(Debug)]
    /// struct NoTelnet;
    ///
    /// impl Hook for NoTelnet {
    ///     fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
    ///         match packet.ports() {
    ///             Some((_, 23)) => Verdict::Reject,
    ///             _ => Verdict::Accept,
    ///         }
    ///     }
    /// }
    ///
    /// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// let id = stack.add_hook(HookPoint::LocalIn, 0, Box::new(NoTelnet));
    /// assert!(stack.remove_hook(id).is_some());
    /// ```
    pub fn add_hook(&mut self, at: HookPoint, priority: i32, hook: Box<dyn Hook>) -> HookId {
        self.hooks.add(at, priority, hook)
    }

    /// Takes a hook away; `None` if it is gone already.
    pub fn remove_hook(&mut self, id: HookId) -> Option<Box<dyn Hook>> {
        self.hooks.remove(id)
    }

    /// Lets a packet that has come in pass the hooks at a point, and reads its header anew; whether it goes
    /// on, and not another in its place.
    #[inline]
    pub(super) fn pass_in(
        &mut self,
        at: HookPoint,
        arrival: &mut Arrival<'_>,
        leaves_over: Option<IfaceId>,
        now: Instant,
    ) -> Result<bool, DropReason> {
        if self.hooks.lets_by(at, &arrival.ip, &arrival.packet.frame) {
            return Ok(true);
        }
        self.ask_about(at, arrival, leaves_over, now)
    }

    #[inline(never)]
    fn ask_about(
        &mut self,
        at: HookPoint,
        arrival: &mut Arrival<'_>,
        leaves_over: Option<IfaceId>,
        now: Instant,
    ) -> Result<bool, DropReason> {
        let len = arrival.packet.len();
        let RxPacket { frame, meta, .. } = &mut *arrival.packet;
        let mut view = PacketView {
            ip: &mut arrival.ip,
            bytes: frame,
            len,
            came_over: Some(arrival.over),
            leaves_over,
            mark: &mut meta.mark,
            tracked: &mut meta.tracked,
            checksum: meta.checksum,
            front: None,
            given_to: None,
            goes_anew: false,
        };
        match self.hooks.ask(at, &mut view, now) {
            Outcome::Accept => {
                arrival.given_to = view.given_to.or(arrival.given_to);
                Ok(true)
            }
            Outcome::Replaced => {
                let front = *view.front.ok_or(DropReason::Hook)?;
                match leaves_over {
                    Some(out) if !front.headers.is_empty() => {
                        self.forward_replaced(arrival, out, front)?;
                    }
                    // What comes out of a tunnel has to pass all that an arrival has to.
                    _ => self.replace_in(arrival, front, now)?,
                }
                Ok(false)
            }
            Outcome::Reject(answer, reason) if at != HookPoint::PostRouting => {
                if at == HookPoint::PreRouting {
                    // Whose it is decides who answers, and whether.
                    arrival.delivery = self.input_route(arrival)?;
                }
                self.reject(arrival.reborrow(), answer, now);
                Err(reason)
            }
            Outcome::Drop(reason) | Outcome::Reject(_, reason) => Err(reason),
        }
    }

    /// Lets a finished packet of this host pass the hooks on its way out. One that has got another
    /// destination, or another mark in a chain of the kind [`Route`](crate::filter::ChainKind::Route), leaves
    /// another way, and not this one: what is of one link, or for many, stays on its own. Where it leaves
    /// another way, it counts against the send buffer of its `owner` as it would have.
    #[inline]
    pub(crate) fn pass_out(
        &mut self,
        iface: IfaceId,
        origin: Origin,
        packet: &mut TxPacket,
        owner: Option<Sender>,
    ) -> Passage {
        let watched = self.hooks.is_watched(HookPoint::LocalOut)
            || self.hooks.is_watched(HookPoint::PostRouting);
        if !watched {
            return Passage::Leaves;
        }
        self.pass_out_watched(iface, origin, packet, owner)
    }

    fn pass_out_watched(
        &mut self,
        iface: IfaceId,
        origin: Origin,
        packet: &mut TxPacket,
        owner: Option<Sender>,
    ) -> Passage {
        if self.hooks.is_tracking() {
            pull_quotation(packet);
        }
        let dest = |packet: &TxPacket| {
            let header = IpHeader::parse_quoted(&packet.head);
            header.map(|header| header.dest)
        };
        let before = dest(packet);
        let passage = self.pass_out_at(HookPoint::LocalOut, None, iface, packet);
        let stays = before == dest(packet)
            && (passage == Passage::Leaves || before.is_ok_and(|dest| self.keeps_its_link(dest)));
        match passage {
            Passage::Leaves | Passage::LeavesAnew if stays => {
                self.pass_out_at(HookPoint::PostRouting, None, iface, packet)
            }
            Passage::Leaves | Passage::LeavesAnew => self.reroute(packet, origin, owner),
            ended => ended,
        }
    }

    /// Lets a finished packet pass the hooks at a point.
    pub(super) fn pass_out_at(
        &mut self,
        at: HookPoint,
        came_over: Option<IfaceId>,
        leaves_over: IfaceId,
        packet: &mut TxPacket,
    ) -> Passage {
        if !self.hooks.is_watched(at) {
            return Passage::Leaves;
        }
        let (len, now) = (packet.len(), self.clock);
        let Ok(mut ip) = IpHeader::parse_quoted(&packet.head) else {
            return Passage::Leaves;
        };
        if self.hooks.lets_by(at, &ip, &packet.head) {
            return Passage::Leaves;
        }
        let mut view = PacketView {
            ip: &mut ip,
            bytes: &mut packet.head,
            len,
            came_over,
            leaves_over: Some(leaves_over),
            mark: &mut packet.meta.mark,
            tracked: &mut packet.meta.tracked,
            checksum: packet.meta.checksum,
            front: None,
            given_to: None,
            goes_anew: false,
        };
        match self.hooks.ask(at, &mut view, now) {
            Outcome::Accept if view.goes_anew => Passage::LeavesAnew,
            Outcome::Accept => Passage::Leaves,
            Outcome::Replaced => {
                match view.front {
                    Some(front) => self.replace_out(at, came_over, leaves_over, packet, *front),
                    None => self.stats.count_drop(DropReason::Hook),
                }
                Passage::Moved
            }
            Outcome::Drop(reason) => {
                self.stats.count_drop(reason);
                Passage::Refused(SocketError::Filtered)
            }
            Outcome::Reject(answer, reason) => {
                if at == HookPoint::LocalOut {
                    self.reject_own(leaves_over, packet, answer, now);
                }
                self.stats.count_drop(reason);
                Passage::Refused(SocketError::Filtered)
            }
        }
    }
}
