//! Datagrams to many: each goes to every socket that it is for.

use super::Stack;
use super::ip_input::Arrival;
use crate::iface::IfaceId;
use crate::socket::SocketId;
use crate::stats::DropReason;
use crate::udp::{Datagram, DatagramSocket};
use crate::wire::UdpHeader;
use core::net::{IpAddr, SocketAddr};
use smallvec::SmallVec;

impl Stack {
    /// Gives the datagrams of a packet to a group or to everybody to every socket that hears it.
    pub(super) fn udp_to_many(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        header: &UdpHeader,
        arrival: Arrival<'_>,
    ) -> Result<(), DropReason> {
        let over = arrival.over;
        let takers: SmallVec<[SocketId; 16]> = self
            .udp
            .ports
            .bound(local)
            .filter(|&id| {
                let socket = self.sockets.udp(id);
                socket.is_some_and(|socket| self.hears(id, socket, local, remote, over))
            })
            .collect();
        if takers.is_empty() {
            return Err(DropReason::NoSocket);
        }
        self.udp_each(
            (local, remote),
            header,
            arrival,
            false,
            |stack, datagram: Datagram| {
                for &id in &takers {
                    if let Err(reason) = stack.udp_queue(id, datagram.clone()) {
                        stack.stats.count_drop(reason);
                    }
                }
                Ok(())
            },
        )
    }

    /// Whether a socket that is bound to the port hears what goes from `remote` to `local`, a group or
    /// a broadcast address. A connected socket has an address of its own, and so hears nothing but its
    /// peer, and that only if it was bound to the address of the many.
    fn hears(
        &self,
        id: SocketId,
        socket: &DatagramSocket,
        local: SocketAddr,
        remote: SocketAddr,
        over: IfaceId,
    ) -> bool {
        let of_peer = socket.peer.is_none_or(|peer| {
            let bound = socket
                .bound
                .is_some_and(|bound| bound.addr.ip() == local.ip());
            peer.remote == remote && bound
        });
        of_peer
            && socket.settings.ip.takes_from(over)
            && self.listens(id, socket, local.ip(), remote.ip(), over)
    }

    /// Whether a socket listens to a source of a group, if it is one.
    fn listens(
        &self,
        id: SocketId,
        socket: &DatagramSocket,
        group: IpAddr,
        source: IpAddr,
        over: IfaceId,
    ) -> bool {
        if !group.is_multicast() {
            return true;
        }
        let joined = self
            .iface(over)
            .and_then(|own| own.memberships(group).group(group))
            .and_then(|group| group.member(id));
        match joined {
            Some(filter) => filter.allows(source),
            None => socket.settings.multicast.hears_all(group),
        }
    }
}
