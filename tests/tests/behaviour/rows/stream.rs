//! Reading and writing.

use super::net::{TcpListener, TcpStream};
use super::{Log, World, pair, rows};
use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

rows![
    bytes_and_their_end,
    nothing_to_read,
    reads_of_no_bytes,
    writes_of_no_bytes,
    peeking,
    several_buffers,
    buffers_that_grow,
    halves,
    many_bytes,
    addresses,
];

async fn bytes_and_their_end(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    log.note("write", client.write(b"hello").await);
    log.note("flush", client.flush().await);
    log.note("shutdown", client.shutdown().await);
    let mut buf = [0; 3];
    for _ in 0..4 {
        log.wait("read", server.read(&mut buf)).await;
    }
    log.note("answer", server.write(b"bye").await);
    drop(server);
    for _ in 0..3 {
        log.wait("read the answer", client.read(&mut buf)).await;
    }
}

async fn nothing_to_read(world: &World, log: &mut Log) {
    let (mut client, server) = pair(world.loopback()).await;
    let mut buf = [0; 4];
    log.wait("read", client.read(&mut buf)).await;
    log.wait("peek", client.peek(&mut buf)).await;
    log.wait("readable", client.readable()).await;
    log.note("try_read", client.try_read(&mut buf));
    log.note(
        "try_read_vectored",
        client.try_read_vectored(&mut [IoSliceMut::new(&mut buf)]),
    );
    log.note(
        "try_read_buf",
        client.try_read_buf(&mut Vec::with_capacity(4)),
    );
    log.note("take_error", client.take_error());
    drop(server);
}

async fn reads_of_no_bytes(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    log.wait("nothing there", client.read(&mut [])).await;
    log.note("nothing there, try", client.try_read(&mut []));
    log.wait("nothing there, peek", client.peek(&mut [])).await;
    server.write_all(b"x").await.expect("room");
    client.readable().await.expect("open");
    log.wait("a byte there", client.read(&mut [])).await;
    log.note("a byte there, try", client.try_read(&mut []));
    log.wait("a byte there, peek", client.peek(&mut [])).await;
    log.wait("the byte", client.read(&mut [0; 4])).await;
    server.shutdown().await.expect("open");
    client.readable().await.expect("open");
    log.wait("at the end", client.read(&mut [])).await;
    let (mut client, server) = pair(world.loopback()).await;
    server.set_zero_linger().expect("alive");
    drop(server);
    client.readable().await.expect("woken");
    log.wait("after a reset", client.read(&mut [])).await;
    log.wait("which is told later", client.read(&mut [0; 4]))
        .await;
}

async fn writes_of_no_bytes(world: &World, log: &mut Log) {
    let (mut client, server) = pair(world.loopback()).await;
    client.writable().await.expect("open");
    log.wait("write", client.write(&[])).await;
    log.note("try_write", client.try_write(&[]));
    log.note("try_write_vectored", client.try_write_vectored(&[]));
    client.shutdown().await.expect("open");
    log.wait("after shutdown", client.write(&[])).await;
    log.note("after shutdown, try", client.try_write(&[]));
    drop(server);
    let (mut client, server) = pair(world.loopback()).await;
    server.set_zero_linger().expect("alive");
    drop(server);
    client.readable().await.expect("woken");
    log.wait("after a reset", client.write(&[])).await;
    log.wait("told once", client.write(&[])).await;
}

async fn peeking(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    server.write_all(b"hello").await.expect("room");
    let mut buf = [0; 16];
    for len in [2, 5, 16] {
        log.wait(format!("peek {len}"), client.peek(&mut buf[..len]))
            .await;
        log.say("peeked", String::from_utf8_lossy(&buf[..len.min(5)]));
    }
    let mut room = [0; 3];
    let mut filled = ReadBuf::new(&mut room);
    log.note(
        "poll_peek",
        poll_fn(|cx| client.poll_peek(cx, &mut filled)).await,
    );
    log.say("filled", String::from_utf8_lossy(filled.filled()));
    log.wait("read", client.read(&mut buf)).await;
    server.shutdown().await.expect("open");
    log.wait("peek at the end", client.peek(&mut buf)).await;
    log.wait("peek at the end again", client.peek(&mut buf))
        .await;
    log.wait("read at the end", client.read(&mut buf)).await;
}

async fn several_buffers(world: &World, log: &mut Log) {
    let (client, server) = pair(world.loopback()).await;
    client.writable().await.expect("open");
    let parts = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo")];
    log.note("try_write_vectored", client.try_write_vectored(&parts));
    server.readable().await.expect("open");
    let (mut first, mut second) = ([0; 1], [0; 8]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    log.note("try_read_vectored", server.try_read_vectored(&mut parts));
    log.say("first", String::from_utf8_lossy(&first));
    log.say("second", String::from_utf8_lossy(&second[..4]));
}

async fn buffers_that_grow(world: &World, log: &mut Log) {
    let (client, mut server) = pair(world.loopback()).await;
    server.write_all(b"hello").await.expect("room");
    client.readable().await.expect("open");
    let mut buf = Vec::with_capacity(3);
    log.note("try_read_buf", client.try_read_buf(&mut buf));
    log.say("got", String::from_utf8_lossy(&buf));
    let mut client = client;
    log.wait("read_buf", client.read_buf(&mut buf)).await;
    log.say("got", String::from_utf8_lossy(&buf));
}

async fn halves(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    {
        let (mut read, mut write) = client.split();
        write.write_all(b"ping").await.expect("room");
        server.write_all(b"pong").await.expect("room");
        log.wait("borrowed peek", read.peek(&mut [0; 2])).await;
        log.wait("borrowed read", read.read(&mut [0; 2])).await;
        log.note("its stream", read.as_ref().peer_addr().map(drop));
    }
    log.wait("the other side is open", server.read(&mut [0; 16]))
        .await;
    log.wait("and stays open", server.read(&mut [0; 16])).await;
    let (mut read, write) = client.into_split();
    log.wait("owned read", read.read(&mut [0; 16])).await;
    drop(write);
    log.wait("dropped", server.read(&mut [0; 16])).await;
    server.write_all(b"still").await.expect("half open");
    log.wait("still reads", read.read(&mut [0; 16])).await;
    let (client, _server) = pair(world.loopback()).await;
    let (read, write) = client.into_split();
    let (client, _server) = pair(world.loopback()).await;
    let (other, _write) = client.into_split();
    let error = other.reunite(write).expect_err("of two streams");
    log.say("reunite", &error);
    log.say("reunite", read.reunite(error.1).is_ok());
}

async fn many_bytes(world: &World, log: &mut Log) {
    let (client, server) = pair(world.loopback()).await;
    let (mut read, mut write) = client.into_split();
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = server.into_split();
        tokio::io::copy(&mut read, &mut write).await
    });
    let sent: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move { write.write_all(&sent).await });
    let mut got = Vec::new();
    log.note("read", read.read_to_end(&mut got).await);
    log.say("equal", got == expected);
    log.note("copied", echo.await.expect("no panic"));
    log.note("written", writer.await.expect("no panic"));
}

async fn addresses(world: &World, log: &mut Log) {
    let listener = TcpListener::bind((world.own(), 0)).await.expect("a port");
    let to = listener.local_addr().expect("bound");
    let client = TcpStream::connect(to).await.expect("a listener");
    log.note("local", client.local_addr().map(|addr| addr.ip()));
    log.note("peer", client.peer_addr().map(|addr| addr == to));
    let polled = poll_fn(|cx| Poll::Ready(client.poll_write_ready(cx).is_ready())).await;
    log.say("ready to write", polled);
}
