//! Receiving: low-water mark, all at once, peeking, discarding, truncation.

use crate::world::{A_WHILE, World};
use net_tokio::UdpSocket;
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_as_many_bytes_as_the_stream_is_set_to() {
    let world = World::new();
    let (mut client, mut server) = world.pair().await;
    server.set_recv_lowat(10).expect("alive");
    assert_eq!(server.recv_lowat(), 10);
    client.write_all(b"123456789").await.expect("room");
    let mut buf = [0; 16];
    let waiting = timeout(A_WHILE, server.read(&mut buf)).await;
    assert!(waiting.is_err(), "nine are not ten");
    let not_yet = server.try_read(&mut buf).expect_err("not ten");
    assert_eq!(not_yet.kind(), ErrorKind::WouldBlock);
    assert!(timeout(A_WHILE, server.readable()).await.is_err());
    let more = async { client.write_all(b"0").await.expect("room") };
    let (got, ()) = tokio::join!(server.read(&mut buf), more);
    assert_eq!(got.expect("ten"), 10);
    // Fewer where none follow.
    client.write_all(b"end").await.expect("room");
    client.shutdown().await.expect("open");
    assert_eq!(server.read(&mut buf).await.expect("the rest"), 3);
    assert_eq!(server.read(&mut buf).await.expect("the end"), 0);
}

#[tokio::test(start_paused = true)]
async fn setting_fewer_bytes_wakes_who_waits_for_more() {
    let world = World::new();
    let (mut client, server) = world.pair().await;
    server.set_recv_lowat(10).expect("alive");
    client.write_all(b"123").await.expect("room");
    let fewer = async {
        tokio::time::sleep(A_WHILE).await;
        server.set_recv_lowat(0).expect("alive");
    };
    let (readable, ()) = tokio::join!(server.readable(), fewer);
    readable.expect("three are enough");
    // Never more than the window lets a sender send.
    server.set_recv_lowat(u64::MAX).expect("alive");
    let settings = server.settings().expect("alive");
    assert_eq!(server.recv_lowat(), settings.recv_buffer as u64 / 2);
}

/// `MSG_WAITALL`: a hundred asked for, sixty and then the end: sixty.
#[tokio::test(start_paused = true)]
async fn reading_in_full_ends_early_only_with_the_stream() {
    let world = World::new();
    let (mut client, server) = world.pair().await;
    let mut room = [0; 100];
    let writes = async {
        for _ in 0..10 {
            client.write_all(&[7; 16]).await.expect("room");
            tokio::time::sleep(A_WHILE).await;
        }
        client.shutdown().await.expect("open");
    };
    let reads = async {
        let mut buf = ReadBuf::new(&mut room);
        assert_eq!(server.read_full(&mut buf).await.expect("data"), 100);
        buf.clear();
        assert_eq!(server.read_full(&mut buf).await.expect("data"), 60);
        assert_eq!(buf.filled(), &[7; 60]);
        buf.clear();
        assert_eq!(server.read_full(&mut buf).await.expect("the end"), 0);
    };
    tokio::join!(writes, reads);
}

#[tokio::test(start_paused = true)]
async fn reading_in_full_loses_nothing_when_it_is_dropped() {
    let world = World::new();
    let (mut client, server) = world.pair().await;
    client.write_all(b"first").await.expect("room");
    let mut room = [0; 8];
    let mut buf = ReadBuf::new(&mut room);
    let waiting = timeout(A_WHILE, server.read_full(&mut buf)).await;
    assert!(waiting.is_err(), "five are not eight");
    client.write_all(b"second").await.expect("room");
    assert_eq!(server.read_full(&mut buf).await.expect("data"), 3);
    assert_eq!(buf.filled(), b"firstsec");
}

#[tokio::test(start_paused = true)]
async fn an_error_behind_data_comes_with_the_next_call() {
    let world = World::new();
    let (mut client, server) = world.pair().await;
    client.write_all(b"last words").await.expect("room");
    server.readable().await.expect("data");
    client.set_zero_linger().expect("alive");
    drop(client);
    let mut room = [0; 100];
    let mut buf = ReadBuf::new(&mut room);
    assert_eq!(server.read_full(&mut buf).await.expect("data first"), 10);
    let error = server
        .read_full(&mut buf)
        .await
        .expect_err("then the reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read_full(&mut buf).await.expect("once"), 0);
}

/// `MSG_TRUNC` on a stream.
#[tokio::test(start_paused = true)]
async fn discarded_bytes_are_gone() {
    let world = World::new();
    let (mut client, mut server) = world.pair().await;
    let nothing = server.try_discard(5).expect_err("nothing yet");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    client.write_all(b"headbody").await.expect("room");
    assert_eq!(server.discard(4).await.expect("data"), 4);
    let mut buf = [0; 8];
    assert_eq!(server.read(&mut buf).await.expect("data"), 4);
    assert_eq!(&buf[..4], b"body");
    client.shutdown().await.expect("open");
    assert_eq!(server.discard(4).await.expect("the end"), 0);
}

#[tokio::test]
async fn the_length_of_a_truncated_datagram_is_told() {
    let (a, b) = (
        UdpSocket::bind("127.0.0.1:0").await.expect("a port"),
        UdpSocket::bind("127.0.0.1:0").await.expect("a port"),
    );
    let to = b.local_addr().expect("bound");
    a.send_to(b"a long datagram", to).await.expect("sent");
    let mut buf = [0; 6];
    let (len, from) = b.recv_trunc(&mut buf).await.expect("data");
    assert_eq!((len, &buf), (15, b"a long"));
    assert_eq!(from, a.local_addr().expect("bound"));
    let gone = b.try_recv(&mut buf).expect_err("the rest is gone");
    assert_eq!(gone.kind(), ErrorKind::WouldBlock);
}

#[tokio::test(start_paused = true)]
async fn peeking_past_several_segments_shows_what_is_read_then() {
    let world = World::new();
    let (mut client, mut server) = world.pair().await;
    client.set_nodelay(true).expect("alive");
    let sent: Vec<u8> = (0..5000_u32)
        .map(|number| number.to_be_bytes()[3])
        .collect();
    client.write_all(&sent).await.expect("room");
    tokio::time::sleep(A_WHILE).await;
    let (mut peeked, mut read) = (vec![0; 5000], vec![0; 5000]);
    assert_eq!(server.peek(&mut peeked).await.expect("data"), 5000);
    server.read_exact(&mut read).await.expect("data");
    assert!(peeked == sent && read == sent);
}
