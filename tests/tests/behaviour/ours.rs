//! What the rows need of our sockets beyond the surface of `tokio::net`.

use super::net::{Net, UdpSocket};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

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

/// Has packets to groups leave over the link.
pub(crate) fn send_to_groups_over(socket: &UdpSocket, v4: Ipv4Addr, v6: u32) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => socket.set_multicast_if_v4(&v4),
        SocketAddr::V6(_) => socket.set_multicast_if_v6(v6),
    }
}

/// Hears one more source of a group, or one fewer.
pub(crate) fn set_source(
    socket: &UdpSocket,
    [source, group, interface]: [Ipv4Addr; 3],
    on: bool,
) -> io::Result<()> {
    match on {
        true => socket.join_ssm_v4(&source, &group, &interface),
        false => socket.leave_ssm_v4(&source, &group, &interface),
    }
}

/// Whether groups are heard that others have joined.
pub(crate) fn set_hears_all(socket: &UdpSocket, on: bool) -> io::Result<()> {
    socket.set_multicast_all_v4(on)
}

/// Puts rules in place.
pub(crate) fn set_filter(rules: &str) {
    let net = Net::current().expect("a stack");
    net.set_filter(rules.parse().expect("rules"))
        .expect("rules that can be");
}

/// The number of the link's interface: behind the loopback it is the second.
pub(crate) fn link_number() -> u32 {
    2
}
