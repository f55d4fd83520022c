//! Local addresses.

use super::host::udp_sharing;
use super::net::{TcpListener, TcpSocket, UdpSocket};
use super::{Log, World, rows};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;

rows![
    twice,
    which_streams_go_together,
    which_datagram_sockets_go_together,
    a_foreign_address,
    a_bound_socket_again,
    an_unbound_socket,
    the_port_of_a_connection,
    ephemeral_ports,
    broadcast_addresses,
    the_same_port_in_two_protocols,
];

const ADDRESSES: [&str; 5] = ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"];

fn socket_at(addr: SocketAddr, address: bool, port: bool) -> io::Result<TcpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(address)?;
    socket.set_reuseport(port)?;
    socket.bind(addr)?;
    Ok(socket)
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

async fn twice(world: &World, log: &mut Log) {
    let first = TcpListener::bind(world.any_port()).await.expect("a port");
    let addr = first.local_addr().expect("bound");
    log.wait("listener", TcpListener::bind(addr)).await;
    log.note("socket", socket_at(addr, false, false).map(drop));
    let first = UdpSocket::bind(world.any_port()).await.expect("a port");
    log.wait(
        "datagrams",
        UdpSocket::bind(first.local_addr().expect("bound")),
    )
    .await;
}

async fn which_streams_go_together(_: &World, log: &mut Log) {
    for first in ADDRESSES {
        for second in ADDRESSES {
            for (address, port) in [(false, false), (true, false), (false, true), (true, true)] {
                let label = format!("{first} and {second}, address {address}, port {port}");
                let one = socket_at(at(first, 0), address, port).expect("a port");
                let number = one.local_addr().expect("bound").port();
                let two = socket_at(at(second, number), address, port);
                log.note(
                    format!("{label}, bind"),
                    two.as_ref()
                        .map(drop)
                        .map_err(|error| io::Error::from(error.kind())),
                );
                let Ok(two) = two else { continue };
                let one = one.listen(8);
                log.say(format!("{label}, listen"), one.is_ok());
                log.note(format!("{label}, listen too"), two.listen(8).map(drop));
            }
        }
    }
}

async fn which_datagram_sockets_go_together(_: &World, log: &mut Log) {
    for first in ADDRESSES {
        for second in ADDRESSES {
            for (address, port) in [(false, false), (true, false), (false, true), (true, true)] {
                let label = format!("{first} and {second}, address {address}, port {port}");
                let one = udp_sharing(at(first, 0), address, port).expect("a port");
                let number = one.local_addr().expect("bound").port();
                log.note(
                    label,
                    udp_sharing(at(second, number), address, port).map(drop),
                );
            }
        }
    }
}

async fn a_foreign_address(world: &World, log: &mut Log) {
    let foreign = SocketAddr::new(world.nowhere().ip(), 0);
    log.wait("listener", TcpListener::bind(foreign)).await;
    log.note("socket", socket_at(foreign, false, false).map(drop));
    log.wait("datagrams", UdpSocket::bind(foreign)).await;
}

async fn a_bound_socket_again(world: &World, log: &mut Log) {
    let socket = socket_at(world.any_port(), false, false).expect("a port");
    log.note("bind", socket.bind(world.any_port()));
}

async fn an_unbound_socket(world: &World, log: &mut Log) {
    let socket = if world.v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    };
    let socket = socket.expect("a socket");
    log.note("address", socket.local_addr());
    log.note("error", socket.take_error());
    let listener = socket.listen(8);
    let address = listener.and_then(|listener| listener.local_addr());
    log.note(
        "listening",
        address.map(|addr| (addr.ip(), addr.port() >= 1024)),
    );
}

async fn the_port_of_a_connection(world: &World, log: &mut Log) {
    let (client, server) = super::pair(world.loopback()).await;
    let ends = [client.local_addr(), server.local_addr()].map(|addr| addr.expect("open"));
    for (whose, end) in ["client", "server"].into_iter().zip(ends) {
        log.note(format!("{whose}'s"), socket_at(end, false, false).map(drop));
        log.note(
            format!("{whose}'s with reuse"),
            socket_at(end, true, false).map(drop),
        );
    }
    drop(client);
    super::settled().await;
    drop(server);
    super::settled().await;
    // The end that was closed first is in TIME_WAIT now.
    for (whose, end) in ["client", "server"].into_iter().zip(ends) {
        log.note(
            format!("{whose}'s afterwards"),
            socket_at(end, false, false).map(drop),
        );
        let listener = TcpListener::bind(end).await;
        log.note(format!("{whose}'s by a listener"), listener.map(drop));
    }
}

async fn ephemeral_ports(world: &World, log: &mut Log) {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let to = listener.local_addr().expect("bound");
    let mut ports = HashSet::new();
    let mut streams = Vec::new();
    let mut outside = 0;
    for _ in 0..100 {
        let stream = super::TcpStream::connect(to).await.expect("a listener");
        let port = stream.local_addr().expect("open").port();
        outside += usize::from(!(32768..=60999).contains(&port));
        ports.insert(port);
        streams.push((stream, listener.accept().await));
    }
    log.say("different", ports.len());
    log.say("outside of the range", outside);
}

async fn broadcast_addresses(_: &World, log: &mut Log) {
    for address in ["255.255.255.255:0", "10.7.0.255:0"] {
        let bound = UdpSocket::bind(address).await;
        log.note(
            address,
            bound.and_then(|socket| Ok(socket.local_addr()?.ip())),
        );
    }
}

async fn the_same_port_in_two_protocols(world: &World, log: &mut Log) {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    log.say("both", UdpSocket::bind(addr).await.is_ok());
}
