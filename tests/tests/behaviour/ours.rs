//! What the rows need of our sockets beyond the surface of `tokio::net`.

use super::net::UdpSocket;
use std::io;
use std::net::SocketAddr;

/// A datagram socket at `addr` with `SO_REUSEADDR` and `SO_REUSEPORT` as said.
pub(crate) fn udp_sharing(addr: SocketAddr, address: bool, port: bool) -> io::Result<UdpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => UdpSocket::new_v4()?,
        SocketAddr::V6(_) => UdpSocket::new_v6()?,
    };
    socket.set_reuseaddr(address)?;
    socket.set_reuseport(port)?;
    socket.bind_to(addr)?;
    Ok(socket)
}
