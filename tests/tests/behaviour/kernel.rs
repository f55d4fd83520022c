//! What the rows need of the kernel's sockets beyond `tokio::net`.

use super::net::UdpSocket;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
pub(crate) use tests::nft::load as set_filter;

/// A datagram socket at `addr` with `SO_REUSEADDR` and `SO_REUSEPORT` as said.
pub(crate) fn udp_sharing(addr: SocketAddr, address: bool, port: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(address)?;
    socket.set_reuse_port(port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}

/// Has packets to groups leave over the link.
pub(crate) fn send_to_groups_over(socket: &UdpSocket, v4: Ipv4Addr, v6: u32) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => SockRef::from(socket).set_multicast_if_v4(&v4),
        SocketAddr::V6(_) => SockRef::from(socket).set_multicast_if_v6(v6),
    }
}

/// Hears one more source of a group, or one fewer.
pub(crate) fn set_source(
    socket: &UdpSocket,
    [source, group, interface]: [Ipv4Addr; 3],
    on: bool,
) -> io::Result<()> {
    let socket = SockRef::from(socket);
    match on {
        true => socket.join_ssm_v4(&source, &group, &interface),
        false => socket.leave_ssm_v4(&source, &group, &interface),
    }
}

/// Whether groups are heard that others have joined.
pub(crate) fn set_hears_all(socket: &UdpSocket, on: bool) -> io::Result<()> {
    SockRef::from(socket).set_multicast_all_v4(on)
}

/// The number of the link's interface.
pub(crate) fn link_number() -> u32 {
    tests::netns::index_of("tun7").expect("there is a link")
}
