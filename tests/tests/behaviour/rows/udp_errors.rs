//! Datagrams that do not arrive.

use super::host::set_filter;
use super::net::UdpSocket;
use super::{Log, World, rows, settled};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use tokio::io::ReadBuf;

rows![
    nobody_to_send_to,
    a_closed_port,
    a_closed_port_and_an_open_socket,
    what_routers_and_hosts_say,
    no_route,
    a_foreign_source,
    too_long,
    broadcast,
    port_zero,
    the_other_family,
    no_address,
    a_device_that_is_full,
    a_filter_on_the_way_out,
];

async fn socket(world: &World) -> UdpSocket {
    UdpSocket::bind(world.any_port()).await.expect("a port")
}

async fn nobody_to_send_to(world: &World, log: &mut Log) {
    let socket = socket(world).await;
    log.wait("send", socket.send(b"x")).await;
    log.note("try_send", socket.try_send(b"x"));
    log.note("peer_addr", socket.peer_addr());
}

/// A socket connected to a port that nobody has.
async fn refused(world: &World) -> UdpSocket {
    let other = socket(world).await;
    let socket = socket(world).await;
    socket
        .connect(other.local_addr().expect("bound"))
        .await
        .expect("alive");
    socket
}

async fn a_closed_port(world: &World, log: &mut Log) {
    let mut buf = [0; 4];
    let socket = refused(world).await;
    log.wait("send", socket.send(b"x")).await;
    log.wait("recv", socket.recv(&mut buf)).await;
    log.note("told once", socket.try_recv(&mut buf));
    log.wait("send", socket.send(b"x")).await;
    log.wait("recv again", socket.recv(&mut buf)).await;
    log.wait("send", socket.send(b"x")).await;
    log.wait("readable", socket.readable()).await;
    log.wait("send says it too", socket.send(b"x")).await;
    log.wait("send", socket.send(b"x")).await;
    log.wait("readable", socket.readable()).await;
    log.note(
        "take_error",
        socket
            .take_error()
            .map(|error| error.map(|error| error.kind())),
    );
    log.note("take_error", socket.take_error());
    log.wait("send", socket.send(b"x")).await;
    log.wait("peek", socket.peek(&mut buf)).await;
    log.wait("send", socket.send(b"x")).await;
    log.wait("readable", socket.readable()).await;
    log.note("try_recv", socket.try_recv(&mut buf));
    let mut room = ReadBuf::new(&mut buf);
    let polled = poll_fn(|cx| Poll::Ready(socket.poll_recv(cx, &mut room).is_pending())).await;
    log.say("poll_recv waits", polled);
    log.wait("recv", socket.recv(&mut [0; 4])).await;
}

async fn a_closed_port_and_an_open_socket(world: &World, log: &mut Log) {
    let closed = socket(world).await.local_addr().expect("bound");
    let socket = socket(world).await;
    for _ in 0..3 {
        log.wait("send_to", socket.send_to(b"x", closed)).await;
    }
    log.wait("recv", socket.recv(&mut [0; 4])).await;
    log.note("take_error", socket.take_error());
}

async fn what_routers_and_hosts_say(world: &World, log: &mut Log) {
    for number in 3..=6 {
        let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
        socket.connect(world.host(number)).await.expect("a route");
        log.wait(format!("host {number}, send"), socket.send(b"x"))
            .await;
        log.wait(format!("host {number}, recv"), socket.recv(&mut [0; 4]))
            .await;
    }
}

async fn no_route(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    log.wait("send_to", socket.send_to(b"x", world.nowhere()))
        .await;
    log.note("try_send_to", socket.try_send_to(b"x", world.nowhere()));
    log.wait("connect", socket.connect(world.nowhere())).await;
}

async fn a_foreign_source(world: &World, log: &mut Log) {
    let socket = socket(world).await;
    log.wait(
        "from the loopback to the link",
        socket.send_to(b"x", world.host(2)),
    )
    .await;
    log.wait("connect", socket.connect(world.host(2))).await;
}

async fn too_long(world: &World, log: &mut Log) {
    let socket = socket(world).await;
    let to = socket.local_addr().expect("bound");
    for len in [65_507, 65_508, 65_527, 65_528, 100_000] {
        let payload = vec![0; len];
        log.wait(format!("{len}"), socket.send_to(&payload, to))
            .await;
        log.note(format!("{len}, try"), socket.try_send_to(&payload, to));
    }
}

async fn broadcast(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a port");
    for to in ["10.7.0.255:9", "255.255.255.255:9"] {
        log.wait(format!("send_to {to}"), socket.send_to(b"x", to))
            .await;
        log.wait(format!("connect {to}"), socket.connect(to)).await;
    }
    socket.set_broadcast(true).expect("alive");
    let to: SocketAddr = "10.7.0.255:9".parse().expect("an address");
    log.wait("allowed", socket.send_to(b"x", to)).await;
    let packet = world.wire.next_to(to.ip()).await;
    log.say("on the link", packet.len);
    log.wait("connect, allowed", socket.connect(to)).await;
}

async fn port_zero(world: &World, log: &mut Log) {
    let socket = socket(world).await;
    let to = SocketAddr::new(world.loopback(), 0);
    log.wait("send_to", socket.send_to(b"x", to)).await;
    log.wait("connect", socket.connect(to)).await;
    log.note("peer", socket.peer_addr().map(|peer| peer.port()));
}

async fn the_other_family(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    let other: SocketAddr = if world.v6 { "127.0.0.1:9" } else { "[::1]:9" }
        .parse()
        .expect("one");
    log.wait("send_to", socket.send_to(b"x", other)).await;
    log.wait("connect", socket.connect(other)).await;
    log.note("peer", socket.peer_addr());
    log.note("local", socket.local_addr().map(|addr| addr.ip()));
}

async fn no_address(world: &World, log: &mut Log) {
    let socket = socket(world).await;
    let none: &[SocketAddr] = &[];
    log.wait("send_to", socket.send_to(b"x", none)).await;
    log.wait("connect", socket.connect(none)).await;
    log.wait("bind", async { UdpSocket::bind(none).await.map(drop) })
        .await;
}

async fn a_device_that_is_full(world: &World, log: &mut Log) {
    let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
    socket.connect(world.host(2)).await.expect("a route");
    // Nobody lets the other end of the link run meanwhile.
    let mut sent = 0;
    let error = loop {
        match socket.try_send(&[0; 1000]) {
            Ok(_) if sent == 100_000 => break None,
            Ok(_) => sent += 1,
            Err(error) => break Some(error),
        }
    };
    let full = error.is_none_or(|error| error.kind() == io::ErrorKind::WouldBlock);
    log.say("drops or would block", full);
    log.wait("writable again", async {
        loop {
            socket.writable().await?;
            match socket.try_send(b"x") {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    })
    .await;
}

/// What a rule drops or rejects fails at the call; what it rejects is answered besides.
async fn a_filter_on_the_way_out(world: &World, log: &mut Log) {
    if !tests::nft::is_there("a_filter_on_the_way_out") {
        return;
    }
    set_filter(
        "table inet t {
            chain out {
                type filter hook output priority 0
                udp dport 1001 drop
                udp dport 1002 reject
                udp dport 1003 reject with icmpx host-unreachable
            }
            chain post { type filter hook postrouting priority 0; udp dport 1004 drop; }
        }",
    );
    for port in 1001..=1004 {
        let socket = UdpSocket::bind(world.wildcard()).await.expect("a port");
        let to = SocketAddr::new(world.host(2).ip(), port);
        // A stack with a thread of its own says so at once only while that does nothing else.
        settled().await;
        log.wait(format!("{port}, send_to"), socket.send_to(b"x", to))
            .await;
        socket.connect(to).await.expect("a route");
        settled().await;
        log.wait(format!("{port}, send"), socket.send(b"x")).await;
        settled().await;
        log.note(format!("{port}, told"), socket.try_recv(&mut [0; 4]));
    }
    set_filter("");
}
