//! What the rows need of the kernel's sockets beyond `tokio::net`.

use super::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// A datagram socket at `addr` with `SO_REUSEADDR` and `SO_REUSEPORT` as said.
pub(crate) fn udp_sharing(addr: SocketAddr, address: bool, port: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(address)?;
    socket.set_reuse_port(port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}
