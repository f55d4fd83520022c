//! Packets that are given to a socket as they are (`tproxy`).

use super::Fields;
use crate::wire::ip;
use core::net::{IpAddr, SocketAddr};

/// The socket that packets are given to, whatever address and port they are for: transparent proxies take
/// every connection and every datagram so.
///
/// A packet of TCP or UDP goes to the socket that is connected to its source from its destination; to a
/// listener or an unconnected socket that is bound to this address and port, or covers it, if there is none.
/// That socket has to be [transparent](crate::socket::IpOption::Transparent). It sees the packet's own
/// destination, as the address of an accepted connection or in
/// [`Datagram::dest`](crate::udp::Datagram::dest). Without such a socket the packet is answered as one
/// for a closed port; it never goes on to others.
///
/// Packets in fragments are put together first, but for those of IPv6 that come over an interface which
/// [forwards](crate::Stack::set_forwarding): their first fragment is dropped where the rule matches, so that no
/// packet passes the socket by in pieces.
///
/// What is for many is not given to anybody. Packets of other protocols, and those of the other IP version
/// than that of the address, are left to the rules behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tproxy {
    /// The socket's address; `None`: the packet's destination, which sockets on the wildcard address cover.
    pub address: Option<IpAddr>,
    /// The socket's port; `None`: the packet's destination port.
    pub port: Option<u16>,
}

impl Tproxy {
    /// The socket for a packet, if it may be given to one.
    pub(super) fn socket_for(&self, packet: &Fields<'_, '_>) -> Option<SocketAddr> {
        let dest = packet.view.ip.dest;
        let is_carried = [ip::TCP, ip::UDP]
            .map(u32::from)
            .contains(&packet.protocol());
        let port = packet.dest_port().filter(|_| is_carried)?;
        let port = self.port.or(u16::try_from(port).ok())?;
        let address = self.address.unwrap_or(dest);
        (address.is_ipv4() == dest.is_ipv4()).then(|| SocketAddr::new(address, port))
    }
}
