//! Where what has come was to go before it was sent here by `dnat` or `redirect`.

use super::Stack;
use super::sockets::Kind;
use crate::conntrack::Tuple;
use crate::error::SocketError;
use crate::socket::{SocketId, present};
use crate::udp::{Datagram, Speaks};
use crate::wire::ip;
use core::net::SocketAddr;

impl Stack {
    /// Where a connection was to go when it began (`SO_ORIGINAL_DST`): to the local address, or, if a
    /// rule has sent it here, to the destination that its client knows. Of a connection that began here it
    /// is the destination before that was translated. The flow is found by the connection's addresses and
    /// ports with one hash, in both families, also of a connected UDP socket.
    ///
    /// # Errors
    /// [`NoSuchFlow`](SocketError::NoSuchFlow), as the kernel's ENOENT: the socket is not connected, flows are
    /// not [followed](Self::set_tracking), or this one has been forgotten. `NoSuchSocket`; `NoSuchOption`
    /// for a packet socket, or one of a plugged protocol.
    pub fn original_dst(&self, id: SocketId) -> Result<SocketAddr, SocketError> {
        let (ends, protocol) = match self.kind(id)? {
            Kind::Tcp => {
                let socket = self.sockets.tcp(id).ok_or(SocketError::NoSuchSocket)?;
                (socket.local.zip(socket.remote), ip::TCP)
            }
            Kind::Udp => {
                let socket = self.udp_socket(id)?;
                let peer = socket.peer.filter(|_| socket.speaks == Speaks::Udp);
                (peer.map(|peer| (peer.local, peer.remote)), ip::UDP)
            }
            Kind::Packet | Kind::Plugged => return Err(SocketError::NoSuchOption),
        };
        let (local, remote) = ends.ok_or(SocketError::NoSuchFlow)?;
        self.original_dest(id, local, remote, protocol)
    }

    /// The same for a datagram that a UDP socket has received; to be asked soon, since a flow of one
    /// datagram is forgotten after half a minute
    /// ([`Timeouts::udp`](crate::conntrack::Timeouts::udp)).
    ///
    /// # Errors
    /// As for [`original_dst`](Self::original_dst).
    pub fn original_dst_of(
        &self,
        id: SocketId,
        datagram: &Datagram,
    ) -> Result<SocketAddr, SocketError> {
        if self.udp_socket(id)?.speaks != Speaks::Udp {
            return Err(SocketError::NoSuchFlow);
        }
        self.original_dest(id, datagram.dest, datagram.source, ip::UDP)
    }

    /// The flow is known by the packets that answer: from here to there.
    fn original_dest(
        &self,
        id: SocketId,
        local: SocketAddr,
        remote: SocketAddr,
        protocol: u8,
    ) -> Result<SocketAddr, SocketError> {
        let answer = Tuple {
            source: local.ip().to_canonical(),
            dest: remote.ip().to_canonical(),
            protocol,
            source_port: local.port(),
            dest_port: remote.port(),
        };
        let dest = (self.hooks.tracker()).and_then(|tracker| tracker.original_dest(&answer));
        let dest = dest.ok_or(SocketError::NoSuchFlow)?;
        Ok(present(dest, self.family(id)?))
    }
}
