//! Readiness.

use super::net::TcpStream;
use super::{Log, World, pair, rows};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, Ready};
use tokio::task::yield_now;
use tokio::time::timeout;

rows![
    of_a_fresh_connection,
    of_data_and_the_end,
    of_a_full_buffer,
    of_a_reset,
    of_our_own_end,
    for_nothing,
    of_two_readers,
    try_io,
    async_io,
];

/// The bits that mean the same on every platform.
fn bits(ready: Ready) -> String {
    let bits = [
        ("readable", ready.is_readable()),
        ("writable", ready.is_writable()),
        ("read closed", ready.is_read_closed()),
        ("write closed", ready.is_write_closed()),
        ("error", ready.is_error()),
    ];
    let set: Vec<_> = bits.iter().filter(|bit| bit.1).map(|bit| bit.0).collect();
    set.join(", ")
}

async fn note(log: &mut Log, label: &str, stream: &TcpStream, interest: Interest) {
    log.wait(label, async { stream.ready(interest).await.map(bits) })
        .await;
}

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

async fn of_a_fresh_connection(world: &World, log: &mut Log) {
    let (client, server) = pair(world.loopback()).await;
    note(log, "client, to read", &client, Interest::READABLE).await;
    note(log, "client, to write", &client, Interest::WRITABLE).await;
    note(log, "server, both", &server, BOTH).await;
}

async fn of_data_and_the_end(world: &World, log: &mut Log) {
    let (client, mut server) = pair(world.loopback()).await;
    server.write_all(b"x").await.expect("room");
    note(log, "data", &client, Interest::READABLE).await;
    log.note("read", client.try_read(&mut [0; 4]));
    log.note("read again", client.try_read(&mut [0; 4]));
    note(log, "nothing", &client, Interest::READABLE).await;
    server.shutdown().await.expect("open");
    note(log, "end", &client, Interest::READABLE).await;
    note(log, "end, to write", &client, Interest::WRITABLE).await;
    log.note("read at the end", client.try_read(&mut [0; 4]));
    note(log, "end again", &client, Interest::READABLE).await;
}

async fn of_a_full_buffer(world: &World, log: &mut Log) {
    let (client, mut server) = pair(world.loopback()).await;
    let mut written = 0;
    // Until nothing makes room any more, however late whoever drives the stack has its turn.
    loop {
        while let Ok(count) = client.try_write(&[7; 65536]) {
            written += count;
        }
        if timeout(QUIET, client.writable()).await.is_ok() {
            continue;
        }
        match client.try_write(b"x") {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    log.note("full", client.try_write(b"x"));
    log.wait("writable", client.writable()).await;
    note(log, "ready", &client, Interest::WRITABLE).await;
    let mut left = written;
    let mut buf = vec![0; 1 << 20];
    while left > 0 {
        left -= server.read(&mut buf).await.expect("data");
    }
    log.wait("writable after all was read", client.writable())
        .await;
    log.say("room", client.try_write(b"x").is_ok());
}

async fn of_a_reset(world: &World, log: &mut Log) {
    let (client, server) = pair(world.loopback()).await;
    server.set_zero_linger().expect("alive");
    drop(server);
    client.readable().await.expect("woken");
    note(log, "to read", &client, Interest::READABLE).await;
    note(log, "to write", &client, Interest::WRITABLE).await;
    log.note("read", client.try_read(&mut [0; 4]));
    log.note("read again", client.try_read(&mut [0; 4]));
}

async fn of_our_own_end(world: &World, log: &mut Log) {
    let (mut client, mut server) = pair(world.loopback()).await;
    client.shutdown().await.expect("open");
    note(log, "to write", &client, Interest::WRITABLE).await;
    server.shutdown().await.expect("open");
    client.readable().await.expect("woken");
    note(log, "to read", &client, Interest::READABLE).await;
    note(log, "both", &client, BOTH).await;
}

async fn for_nothing(world: &World, log: &mut Log) {
    let (client, _server) = pair(world.loopback()).await;
    note(log, "errors only", &client, Interest::ERROR).await;
    note(log, "priority only", &client, Interest::PRIORITY).await;
}

/// Of two tasks that wait for the same bytes one finds none, and waits again.
async fn of_two_readers(world: &World, log: &mut Log) {
    let (client, mut server) = pair(world.loopback()).await;
    let client = Arc::new(client);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                loop {
                    client.readable().await?;
                    match client.try_read(&mut [0; 4]) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        done => return done,
                    }
                }
            })
        })
        .collect();
    yield_now().await;
    let mut total = 0;
    for _ in 0..2 {
        server.write_all(b"abcd").await.expect("room");
        for _ in 0..20 {
            yield_now().await;
        }
    }
    for reader in readers {
        total += reader.await.expect("no panic").expect("data");
    }
    log.say("both have read", total);
}

async fn try_io(world: &World, log: &mut Log) {
    let (client, mut server) = pair(world.loopback()).await;
    log.note(
        "nothing",
        client.try_io(Interest::READABLE, || Ok("called")),
    );
    server.write_all(b"x").await.expect("room");
    client.readable().await.expect("open");
    log.note("data", client.try_io(Interest::READABLE, || Ok("called")));
    let blocks = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    log.note("no luck", client.try_io(Interest::READABLE, blocks));
    log.wait("after it", client.readable()).await;
}

async fn async_io(world: &World, log: &mut Log) {
    let (client, mut server) = pair(world.loopback()).await;
    log.wait(
        "nothing",
        client.async_io(Interest::READABLE, || Ok("called")),
    )
    .await;
    server.write_all(b"x").await.expect("room");
    log.wait("data", client.async_io(Interest::READABLE, || Ok("called")))
        .await;
    let fails = || Err::<(), _>(io::ErrorKind::NotFound.into());
    log.wait("an error", client.async_io(Interest::READABLE, fails))
        .await;
}

/// Who has had nothing to do for so long has nothing left to do.
const QUIET: Duration = Duration::from_millis(300);
