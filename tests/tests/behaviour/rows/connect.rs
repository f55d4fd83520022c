//! Opening connections.

use super::net::{TcpListener, TcpSocket, TcpStream};
use super::{Log, World, rows};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

rows![
    a_port_without_listener,
    no_route,
    what_routers_and_hosts_say,
    nobody_answers,
    a_foreign_source,
    a_connect_that_is_dropped_half_way,
    one_port_to_one_destination_twice,
    one_port_to_two_destinations,
    port_zero,
    the_wildcard_as_destination,
    groups_and_broadcasts,
    the_other_family,
    mapped_addresses,
    a_socket_to_itself,
    no_address_and_no_port,
    the_next_of_several_addresses,
];

fn socket(world: &World) -> TcpSocket {
    if world.v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    }
    .expect("a socket")
}

/// A port on the loopback that nobody listens at.
async fn closed_port(world: &World) -> SocketAddr {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    listener.local_addr().expect("bound")
}

async fn a_port_without_listener(world: &World, log: &mut Log) {
    let to = closed_port(world).await;
    log.wait("connect", TcpStream::connect(to)).await;
    log.wait("socket.connect", socket(world).connect(to)).await;
}

async fn no_route(world: &World, log: &mut Log) {
    log.wait("connect", TcpStream::connect(world.nowhere()))
        .await;
}

async fn what_routers_and_hosts_say(world: &World, log: &mut Log) {
    for number in 3..=7 {
        let label = format!("host {number}");
        log.wait(label, TcpStream::connect(world.host(number)))
            .await;
    }
}

async fn a_foreign_source(world: &World, log: &mut Log) {
    let socket = socket(world);
    socket.bind(world.any_port()).expect("free");
    log.wait(
        "from the loopback to the link",
        socket.connect(world.host(2)),
    )
    .await;
}

async fn nobody_answers(world: &World, log: &mut Log) {
    if world.v6 {
        // It takes seconds, and is the same.
        return;
    }
    let mut connect = pin!(TcpStream::connect(world.host(2)));
    log.wait("at once", connect.as_mut()).await;
    log.note("in the end", connect.await);
}

async fn a_connect_that_is_dropped_half_way(world: &World, log: &mut Log) {
    if world.v6 {
        // It takes seconds, and is the same.
        return;
    }
    let to = world.host(2);
    let first = socket(world);
    first.bind(SocketAddr::new(world.own(), 0)).expect("a port");
    let from = first.local_addr().expect("bound");
    {
        let mut connect = pin!(first.connect(to));
        let polled = poll_fn(|cx| Poll::Ready(connect.as_mut().poll(cx).is_pending())).await;
        log.say("waits", polled);
        world.wire.next_to(to.ip()).await;
    }
    let second = socket(world);
    log.note("its port is free", second.bind(from));
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    log.say("SYNs sent again", world.wire.count_to(to.ip()));
}

async fn one_port_to_one_destination_twice(world: &World, log: &mut Log) {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let to = listener.local_addr().expect("bound");
    let (first, second) = (socket(world), socket(world));
    first.set_reuseaddr(true).expect("alive");
    second.set_reuseaddr(true).expect("alive");
    first.bind(world.any_port()).expect("a port");
    log.note("bind", second.bind(first.local_addr().expect("bound")));
    let first = first.connect(to).await;
    log.note(
        "first",
        first
            .as_ref()
            .map(drop)
            .map_err(|error| error.kind().into()),
    );
    log.wait("second", second.connect(to)).await;
}

async fn one_port_to_two_destinations(world: &World, log: &mut Log) {
    let listeners = [
        TcpListener::bind(world.any_port()).await.expect("a port"),
        TcpListener::bind(world.any_port()).await.expect("a port"),
    ];
    let sockets = [socket(world), socket(world)];
    let mut from = world.any_port();
    let mut streams = Vec::new();
    for (listener, socket) in listeners.iter().zip(sockets) {
        socket.set_reuseaddr(true).expect("alive");
        log.note("bind", socket.bind(from));
        from = socket.local_addr().expect("bound");
        let stream = socket.connect(listener.local_addr().expect("bound")).await;
        log.say("connect", stream.is_ok());
        streams.push(stream);
    }
}

async fn port_zero(world: &World, log: &mut Log) {
    log.wait("connect", TcpStream::connect(world.any_port()))
        .await;
}

async fn the_wildcard_as_destination(world: &World, log: &mut Log) {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let stream = TcpStream::connect((world.wildcard().ip(), port)).await;
    log.note(
        "peer",
        stream.as_ref().map_or_else(
            |error| Err(error.kind().into()),
            |stream| stream.peer_addr().map(|peer| peer.ip()),
        ),
    );
    log.note(
        "local",
        stream.and_then(|stream| stream.local_addr().map(|local| local.ip())),
    );
}

async fn groups_and_broadcasts(world: &World, log: &mut Log) {
    let destinations: &[&str] = if world.v6 {
        &["[ff02::1]:80", "[ff0e::1]:80"]
    } else {
        &["224.0.0.1:80", "255.255.255.255:80", "10.7.0.255:80"]
    };
    for to in destinations {
        log.wait(*to, TcpStream::connect(to)).await;
    }
}

async fn the_other_family(world: &World, log: &mut Log) {
    let to = SocketAddr::new(
        if world.v6 { "127.0.0.1" } else { "::1" }
            .parse()
            .expect("an address"),
        80,
    );
    log.wait("connect", socket(world).connect(to)).await;
    log.note("bind", socket(world).bind(SocketAddr::new(to.ip(), 0)));
}

async fn mapped_addresses(_: &World, log: &mut Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().expect("an address"), port);
    let stream = TcpStream::connect(mapped).await.expect("a listener");
    log.note("peer", stream.peer_addr().map(|peer| peer.ip()));
    log.note("local", stream.local_addr().map(|local| local.ip()));
    let (_, from) = listener.accept().await.expect("a connection");
    log.say("from", from.ip());
}

async fn a_socket_to_itself(world: &World, log: &mut Log) {
    let lonely = socket(world);
    lonely.bind(world.any_port()).expect("a port");
    let own = lonely.local_addr().expect("bound");
    log.wait("connect", async {
        let stream = lonely.connect(own).await?;
        stream.try_write(b"echo")?;
        stream.readable().await?;
        let mut buf = [0; 8];
        let len = stream.try_read(&mut buf)?;
        Ok((
            String::from_utf8_lossy(&buf[..len]).into_owned(),
            stream.peer_addr()? == own,
        ))
    })
    .await;
}

async fn no_address_and_no_port(_: &World, log: &mut Log) {
    log.wait("none", TcpStream::connect(&[] as &[SocketAddr]))
        .await;
    for text in ["127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":80x"] {
        log.wait(text, TcpStream::connect(text)).await;
    }
}

async fn the_next_of_several_addresses(world: &World, log: &mut Log) {
    let closed = closed_port(world).await;
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let open = listener.local_addr().expect("bound");
    let stream = TcpStream::connect(&[closed, world.nowhere(), open][..]).await;
    log.note(
        "the last",
        stream.and_then(|stream| Ok(stream.peer_addr()? == open)),
    );
    log.wait("none", TcpStream::connect(&[world.nowhere(), closed][..]))
        .await;
}
