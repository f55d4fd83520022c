//! Taking connections.

use super::net::{TcpListener, TcpSocket, TcpStream};
use super::{Log, World, rows};
use std::collections::HashSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::AsyncReadExt;
use tokio::task::yield_now;

rows![
    addresses,
    in_order,
    nobody_comes,
    a_dropped_accept,
    fifty_tasks,
    out_of_sockets,
    a_listener_on_the_wildcard,
    a_listener_on_the_ipv6_wildcard,
    what_a_connection_inherits,
    a_full_backlog,
    a_client_that_has_gone,
    a_listener_that_goes,
];

async fn listener(world: &World) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(world.any_port()).await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    (listener, addr)
}

async fn addresses(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    let client = TcpStream::connect(to).await.expect("a listener");
    let (server, from) = listener.accept().await.expect("a connection");
    log.note("from", client.local_addr().map(|addr| addr == from));
    log.note("local", server.local_addr().map(|addr| addr == to));
    log.note("peer", server.peer_addr().map(|addr| addr == from));
}

async fn in_order(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(TcpStream::connect(to).await.expect("a listener"));
    }
    for client in &clients {
        let (_, from) = listener.accept().await.expect("a connection");
        log.note("in order", client.local_addr().map(|addr| addr == from));
    }
}

async fn nobody_comes(world: &World, log: &mut Log) {
    let (listener, _) = listener(world).await;
    log.wait("accept", async { listener.accept().await.map(drop) })
        .await;
    let polled = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx).is_pending())).await;
    log.say("poll_accept waits", polled);
}

async fn a_dropped_accept(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    for _ in 0..20 {
        let mut client = None;
        {
            let mut accept = pin!(listener.accept());
            let polled = poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx).is_pending())).await;
            log.say("waits", polled);
            client.replace(TcpStream::connect(to).await.expect("a listener"));
            // Woken, perhaps, and dropped before it is polled again.
            yield_now().await;
        }
        let accepted = listener.accept().await.expect("not lost");
        log.note(
            "accepted",
            client
                .expect("set")
                .local_addr()
                .map(|addr| addr == accepted.1),
        );
    }
}

async fn fifty_tasks(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    let listener = Arc::new(listener);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.accept().await.expect("a connection") })
        })
        .collect();
    yield_now().await;
    let mut clients = HashSet::new();
    let mut streams = Vec::new();
    for _ in 0..50 {
        let stream = TcpStream::connect(to).await.expect("a listener");
        clients.insert(stream.local_addr().expect("open"));
        streams.push(stream);
    }
    let mut accepted = HashSet::new();
    for task in tasks {
        let (stream, from) = task.await.expect("no panic");
        accepted.insert(from);
        streams.push(stream);
    }
    log.say("each once", clients == accepted);
}

async fn out_of_sockets(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    let client = TcpStream::connect(to).await.expect("a listener");
    let mut spent = Vec::new();
    let error = loop {
        match TcpSocket::new_v4() {
            Ok(socket) => spent.push(socket),
            Err(error) => break error,
        }
    };
    log.note("one more", Err::<(), _>(error));
    log.wait("accept", async { listener.accept().await.map(drop) })
        .await;
    drop(spent);
    let late = TcpStream::connect(to).await;
    log.say("afterwards", late.is_ok());
    let accepted = listener.accept().await;
    log.say("accepted", accepted.is_ok());
    drop(client);
}

async fn a_listener_on_the_wildcard(world: &World, log: &mut Log) {
    let listener = TcpListener::bind(world.wildcard()).await.expect("a port");
    let bound = listener.local_addr().expect("bound");
    log.say("bound", bound.ip());
    for to in [world.loopback(), world.own()] {
        let client = TcpStream::connect((to, bound.port()))
            .await
            .expect("a listener");
        let (server, from) = listener.accept().await.expect("a connection");
        log.note("local", server.local_addr().map(|addr| addr.ip()));
        log.say("from", from.ip());
        drop(client);
    }
}

async fn a_listener_on_the_ipv6_wildcard(_: &World, log: &mut Log) {
    let listener = TcpListener::bind("[::]:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for to in ["127.0.0.1", "::1", "10.7.0.1", "::ffff:10.7.0.1"] {
        let client = TcpStream::connect((to, port)).await.expect("a listener");
        let (server, from) = listener.accept().await.expect("a connection");
        log.note(
            format!("{to}, local"),
            server.local_addr().map(|addr| addr.ip()),
        );
        log.note(
            format!("{to}, peer"),
            server.peer_addr().map(|addr| addr.ip()),
        );
        log.say(format!("{to}, from"), from.ip());
        drop(client);
    }
}

async fn what_a_connection_inherits(world: &World, log: &mut Log) {
    let socket = if world.v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    };
    let socket = socket.expect("a socket");
    socket.set_nodelay(true).expect("alive");
    socket.set_keepalive(true).expect("alive");
    socket.set_zero_linger().expect("alive");
    socket.bind(world.any_port()).expect("a port");
    let listener = socket.listen(8).expect("a port of its own");
    listener.set_ttl(77).expect("alive");
    log.note("listener's ttl", listener.ttl());
    let client = TcpStream::connect(listener.local_addr().expect("bound")).await;
    let (server, _) = listener.accept().await.expect("a connection");
    log.note("nodelay", server.nodelay());
    log.note("linger", server.linger());
    log.note("ttl", server.ttl());
    drop(client);
}

async fn a_full_backlog(world: &World, log: &mut Log) {
    let socket = if world.v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    };
    let socket = socket.expect("a socket");
    socket.bind(world.any_port()).expect("a port");
    let listener = socket.listen(1).expect("a port of its own");
    let to = listener.local_addr().expect("bound");
    let mut clients = Vec::new();
    for number in 0..2 {
        let client = TcpStream::connect(to).await;
        log.say(format!("client {number}"), client.is_ok());
        clients.push(client);
    }
    let mut third = pin!(TcpStream::connect(to));
    log.wait("one too many", async { third.as_mut().await.map(drop) })
        .await;
    log.say("accepted", listener.accept().await.is_ok());
    log.say("accepted", listener.accept().await.is_ok());
    // Its SYN is sent again.
    log.say("the last", third.await.is_ok());
}

async fn a_client_that_has_gone(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    let client = TcpStream::connect(to).await.expect("a listener");
    client.try_write(b"bye").expect("room");
    drop(client);
    let (mut server, _) = listener.accept().await.expect("a connection");
    let mut got = String::new();
    log.wait("read", server.read_to_string(&mut got)).await;
    log.say("got", got);
    let client = TcpStream::connect(to).await.expect("a listener");
    client.set_zero_linger().expect("alive");
    drop(client);
    let (mut server, _) = listener.accept().await.expect("reset, and still there");
    log.wait("read after reset", server.read(&mut [0; 4])).await;
}

async fn a_listener_that_goes(world: &World, log: &mut Log) {
    let (listener, to) = listener(world).await;
    let mut waiting = TcpStream::connect(to).await.expect("a listener");
    drop(listener);
    log.wait("who waits", waiting.read(&mut [0; 4])).await;
    log.wait("who comes late", async {
        TcpStream::connect(to).await.map(drop)
    })
    .await;
}
