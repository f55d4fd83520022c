//! How connections end.

use super::net::TcpStream;
use super::{Log, World, pair, rows, settled};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

rows![
    shutdown_twice,
    a_write_after_shutdown,
    a_write_to_a_closed_peer,
    a_reset_while_reading,
    a_reset_before_writing,
    a_reset_behind_data,
    a_reset_and_take_error,
    unread_data_at_close,
    zero_linger,
    linger,
    both_at_once,
    shutdown_of_a_full_buffer,
];

/// Reads until there is nothing more to tell.
async fn drain(log: &mut Log, stream: &mut TcpStream) {
    let mut buf = [0; 16];
    for _ in 0..4 {
        log.wait("read", stream.read(&mut buf)).await;
    }
}

async fn addresses(log: &mut Log, stream: &TcpStream) {
    settled().await;
    log.note("local_addr", stream.local_addr().map(|addr| addr.ip()));
    log.note("peer_addr", stream.peer_addr().map(|addr| addr.ip()));
}

async fn shutdown_twice(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    log.wait("first", client.shutdown()).await;
    log.wait("second", client.shutdown()).await;
    drain(log, &mut server).await;
    log.wait("the other side's", server.shutdown()).await;
    drain(log, &mut client).await;
    log.wait("third", client.shutdown()).await;
    addresses(log, &client).await;
    addresses(log, &server).await;
}

async fn a_write_after_shutdown(world: &World, log: &mut Log) {
    let (mut client, _server) = pair(world.loopback()).await;
    client.shutdown().await.expect("open");
    log.wait("write", client.write(b"x")).await;
    log.note("try_write", client.try_write(b"x"));
    log.wait("writable", client.writable()).await;
    log.note("take_error", client.take_error());
}

async fn a_write_to_a_closed_peer(world: &World, log: &mut Log) {
    let (mut client, server) = pair(world.loopback()).await;
    drop(server);
    client.readable().await.expect("the end");
    log.wait("write", client.write(b"x")).await;
    // The answer is a reset.
    let error = loop {
        match client.try_write(b"x") {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    log.note("write again", Err::<(), _>(error));
    log.note("and again", client.try_write(b"x"));
    drain(log, &mut client).await;
    addresses(log, &client).await;
}

/// Our end of a connection that the other has reset.
async fn reset(world: &World) -> TcpStream {
    let (client, server) = pair(world.loopback()).await;
    server.set_zero_linger().expect("alive");
    drop(server);
    client.readable().await.expect("woken");
    client
}

async fn a_reset_while_reading(world: &World, log: &mut Log) {
    let mut client = reset(world).await;
    drain(log, &mut client).await;
    log.wait("write", client.write(b"x")).await;
    log.wait("shutdown", client.shutdown()).await;
    addresses(log, &client).await;
}

async fn a_reset_before_writing(world: &World, log: &mut Log) {
    let mut client = reset(world).await;
    log.wait("write", client.write(b"x")).await;
    log.wait("write again", client.write(b"x")).await;
    drain(log, &mut client).await;
}

async fn a_reset_behind_data(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    server.write_all(b"last words").await.expect("room");
    client.readable().await.expect("data");
    server.set_zero_linger().expect("alive");
    drop(server);
    log.wait("peek", client.peek(&mut [0; 4])).await;
    drain(log, &mut client).await;
}

async fn a_reset_and_take_error(world: &World, log: &mut Log) {
    let mut client = reset(world).await;
    log.note(
        "take_error",
        client
            .take_error()
            .map(|error| error.map(|error| error.kind())),
    );
    log.note("again", client.take_error());
    drain(log, &mut client).await;
    log.wait("write", client.write(b"x")).await;
}

async fn unread_data_at_close(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    client.write_all(b"nobody reads this").await.expect("room");
    server.write_all(b"before").await.expect("room");
    server.readable().await.expect("data");
    drop(server);
    drain(log, &mut client).await;
    log.wait("write", client.write(b"x")).await;
}

async fn zero_linger(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    server.write_all(b"thrown away?").await.expect("room");
    log.note("set", server.set_zero_linger());
    log.note("linger", server.linger());
    client
        .readable()
        .await
        .expect("what was sent is not thrown away");
    drop(server);
    drain(log, &mut client).await;
}

#[expect(deprecated, reason = "the surface has it")]
async fn linger(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    log.note("before", server.linger());
    log.note(
        "set",
        server.set_linger(Some(std::time::Duration::from_millis(2500))),
    );
    log.note("linger", server.linger());
    server.write_all(b"delivered").await.expect("room");
    drop(server);
    drain(log, &mut client).await;
    log.note("unset", client.set_linger(None));
    log.note("linger", client.linger());
}

async fn both_at_once(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    let (first, second) = tokio::join!(client.shutdown(), server.shutdown());
    log.note("client", first);
    log.note("server", second);
    drain(log, &mut client).await;
    drain(log, &mut server).await;
}

async fn shutdown_of_a_full_buffer(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    client.writable().await.expect("open");
    let mut written = 0;
    while let Ok(count) = client.try_write(&[7; 65536]) {
        written += count;
    }
    log.wait("shutdown", client.shutdown()).await;
    drop(client);
    let mut got = Vec::new();
    log.note(
        "read",
        server
            .read_to_end(&mut got)
            .await
            .map(|count| count == written),
    );
}
