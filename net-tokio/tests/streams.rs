//! Streams over the loopback stack of the process.

use bytes::Bytes;
use net_tokio::{Net, TcpListener, TcpSocket, TcpStream};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::task::yield_now;
use tokio::time::timeout;

async fn pair() -> (TcpStream, TcpStream) {
    pair_at("127.0.0.1:0").await
}

async fn pair_at(address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).await.expect("bind");
    let to = listener.local_addr().expect("bound");
    let (client, server) = tokio::join!(TcpStream::connect(to), listener.accept());
    let (server, peer) = server.expect("accept");
    let client = client.expect("connect");
    assert_eq!(peer, client.local_addr().expect("open"));
    assert_eq!(to, client.peer_addr().expect("open"));
    (client, server)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

#[tokio::test]
async fn bytes_come_back_from_an_echo_server() {
    for address in ["127.0.0.1:0", "[::1]:0", "localhost:0"] {
        let (mut client, mut server) = pair_at(address).await;
        let echo = tokio::spawn(async move {
            let (mut read, mut write) = server.split();
            tokio::io::copy(&mut read, &mut write).await.expect("copy")
        });
        for len in [1, 2, 100, 1460, 65_536, 300_000] {
            let sent = pattern(len);
            let (mut read, mut write) = client.split();
            let write = async { write.write_all(&sent).await.expect("write") };
            let mut got = vec![0; len];
            let read = async { read.read_exact(&mut got).await.expect("read") };
            tokio::join!(write, read);
            assert!(got == sent, "{len} bytes from {address}");
        }
        drop(client);
        assert_eq!(echo.await.expect("no panic"), 367_099);
    }
}

#[tokio::test]
async fn the_end_comes_after_the_data() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"last words").await.expect("write");
    drop(client);
    let mut words = Vec::new();
    server.read_to_end(&mut words).await.expect("read");
    assert_eq!(words, b"last words");
    assert_eq!(server.read(&mut [0]).await.expect("still the end"), 0);
    let ready = server.ready(Interest::READABLE).await.expect("ready");
    assert!(ready.is_read_closed());
}

#[tokio::test]
async fn half_a_connection_stays_open() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"question").await.expect("write");
    client.shutdown().await.expect("shutdown");
    let late = client.write(b"x").await.expect_err("shut down");
    assert_eq!(late.kind(), ErrorKind::BrokenPipe);
    let mut question = Vec::new();
    server.read_to_end(&mut question).await.expect("read");
    server.write_all(b"answer").await.expect("write");
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("read");
    assert_eq!(
        (&question[..], &answer[..]),
        (&b"question"[..], &b"answer"[..])
    );
}

#[tokio::test]
async fn copy_bidirectional_carries_half_closes() {
    let (mut left, mut left_end) = pair().await;
    let (mut right_end, mut right) = pair().await;
    let proxy = tokio::spawn(async move {
        tokio::io::copy_bidirectional(&mut left_end, &mut right_end)
            .await
            .expect("copy")
    });
    left.write_all(b"ping").await.expect("write");
    left.shutdown().await.expect("shutdown");
    let mut got = Vec::new();
    right.read_to_end(&mut got).await.expect("read");
    assert_eq!(got, b"ping");
    right.write_all(b"pong!").await.expect("write");
    right.shutdown().await.expect("shutdown");
    got.clear();
    left.read_to_end(&mut got).await.expect("read");
    assert_eq!(got, b"pong!");
    assert_eq!(proxy.await.expect("no panic"), (4, 5));
}

#[tokio::test]
async fn unread_data_resets_the_peer() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"nobody reads this").await.expect("write");
    server.write_all(b"before").await.expect("write");
    drop(server);
    let mut before = [0; 6];
    client.read_exact(&mut before).await.expect("data first");
    let error = client.read(&mut [0]).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(error.raw_os_error(), reset_number());
    let error = client.write(b"x").await.expect_err("over");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

fn reset_number() -> Option<i32> {
    cfg!(target_os = "linux").then_some(104)
}

#[tokio::test]
async fn zero_linger_resets_the_peer() {
    let (client, mut server) = pair().await;
    client.set_zero_linger().expect("alive");
    assert_eq!(client.linger().expect("alive"), Some(Duration::ZERO));
    drop(client);
    let error = server.read(&mut [0]).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accept");
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let clients: Vec<_> = (0..200_usize)
        .map(|number| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(to).await.expect("connect");
                let sent = pattern(1000 + number * 37);
                stream.write_all(&sent).await.expect("write");
                stream.shutdown().await.expect("shutdown");
                let mut got = Vec::new();
                stream.read_to_end(&mut got).await.expect("read");
                assert!(got == sent);
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
}

#[tokio::test]
async fn owned_halves_live_apart_and_come_together() {
    let (client, mut server) = pair().await;
    let (mut read, mut write) = client.into_split();
    assert!(write.is_write_vectored());
    write.write_all(b"one").await.expect("write");
    let (other, _server) = pair().await;
    let (other_read, other_write) = other.into_split();
    let error = read.reunite(other_write).expect_err("strangers");
    assert!(error.to_string().contains("reunite"));
    let stranger;
    (read, stranger) = (error.0, error.1);
    other_read.reunite(stranger).expect("a pair");
    let client = write.reunite(read).expect("a pair");
    let (mut read, write) = client.into_split();
    drop(write);
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.expect("the end");
    assert_eq!(got, b"one", "dropping the write half shuts down writing");
    server.write_all(b"two").await.expect("write");
    let mut two = [0; 3];
    read.read_exact(&mut two).await.expect("reading goes on");
}

/// As [`tokio::net::tcp::WriteHalf`]: only an owned half ends something with its drop.
#[tokio::test]
async fn a_borrowed_write_half_that_is_dropped_shuts_nothing_down() {
    let (mut client, mut server) = pair().await;
    {
        let (_, write) = client.split();
        write.writable().await.expect("open");
    }
    client.write_all(b"still open").await.expect("write");
    let mut words = [0; 10];
    server.read_exact(&mut words).await.expect("read");
    assert_eq!(&words, b"still open");
    let more = server.try_read(&mut [0]).expect_err("no end either");
    assert_eq!(more.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_forgotten_write_half_shuts_nothing_down() {
    let (client, mut server) = pair().await;
    let (read, write) = client.into_split();
    write.forget();
    let waiting = timeout(Duration::from_millis(20), server.read(&mut [0])).await;
    assert!(waiting.is_err(), "no end yet");
    drop(read);
    assert_eq!(server.read(&mut [0]).await.expect("the end"), 0);
}

#[tokio::test]
async fn peeking_leaves_the_bytes() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"hello").await.expect("write");
    let mut buf = [0; 16];
    assert_eq!(server.peek(&mut buf).await.expect("peek"), 5);
    assert_eq!(server.peek(&mut buf[..2]).await.expect("peek"), 2);
    assert_eq!(server.read(&mut buf).await.expect("read"), 5);
    assert_eq!(&buf[..5], b"hello");
    client.shutdown().await.expect("shutdown");
    assert_eq!(server.peek(&mut buf).await.expect("the end"), 0);
}

#[tokio::test]
async fn try_methods_do_not_wait() {
    let (client, server) = pair().await;
    let blocked = server.try_read(&mut [0; 4]).expect_err("nothing yet");
    assert_eq!(blocked.kind(), ErrorKind::WouldBlock);
    client.writable().await.expect("writable");
    assert_eq!(client.try_write(b"abcdef").expect("room"), 6);
    server.readable().await.expect("readable");
    let (mut first, mut second) = ([0; 2], [0; 3]);
    let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(server.try_read_vectored(&mut bufs).expect("there"), 5);
    assert_eq!((&first, &second), (b"ab", b"cde"));
    let mut rest = Vec::with_capacity(8);
    assert_eq!(server.try_read_buf(&mut rest).expect("there"), 1);
    assert_eq!(rest, b"f");
    let mut written = 0;
    let block = vec![0; 1 << 20];
    let full = loop {
        match client.try_write(&block) {
            Ok(len) => written += len,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    assert!(written > 0);
    server.readable().await.expect("readable");
    let ready = server
        .ready(Interest::READABLE | Interest::WRITABLE)
        .await
        .expect("ready");
    assert!(ready.is_readable() && ready.is_writable());
}

#[tokio::test]
async fn vectored_reads_go_across_pieces() {
    let (mut client, server) = pair().await;
    let data: Vec<u8> = (0..60_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    for part in data.chunks(20_000) {
        client.write_all(part).await.expect("sent");
        // So that each arrives on its own.
        yield_now().await;
    }
    let mut got = Vec::<u8>::new();
    while got.len() < data.len() {
        server.readable().await.expect("readable");
        let (mut first, mut second) = ([0; 25_001], [0; 30_000]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        if let Ok(len) = server.try_read_vectored(&mut bufs) {
            let both = first.iter().chain(&second);
            got.extend(both.take(len));
        }
    }
    assert!(got == data, "bytes were moved");
}

#[tokio::test]
async fn vectored_writes_keep_their_order() {
    let (mut client, mut server) = pair().await;
    assert!(client.is_write_vectored());
    let bufs = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two "),
        IoSlice::new(b"three"),
    ];
    assert_eq!(client.write_vectored(&bufs).await.expect("write"), 13);
    drop(client);
    let mut got = String::new();
    server.read_to_string(&mut got).await.expect("read");
    assert_eq!(got, "one two three");
}

#[tokio::test]
async fn chunks_go_through_without_copies() {
    let (client, server) = pair().await;
    let sent = Bytes::from(pattern(3_000_000));
    let whole = sent.clone();
    let writer = tokio::spawn(async move {
        let mut rest = whole;
        client.write_chunk(&mut rest).await.expect("write");
        assert!(rest.is_empty());
    });
    let mut at = 0;
    while let Some(chunk) = server.read_chunk(usize::MAX).await.expect("read") {
        assert!(chunk == sent[at..at + chunk.len()]);
        at += chunk.len();
    }
    assert_eq!(at, sent.len());
    writer.await.expect("no panic");
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_back() {
    let (mut client, mut server) = pair().await;
    const TOTAL: usize = 64 << 20;
    let writer = tokio::spawn(async move {
        let block = pattern(1 << 20);
        for _ in 0..TOTAL >> 20 {
            client.write_all(&block).await.expect("write");
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!writer.is_finished(), "64 MiB do not fit into the buffers");
    let mut got = 0;
    let mut buf = vec![0; 100_000];
    while got < TOTAL {
        let len = server.read(&mut buf).await.expect("read");
        assert_ne!(len, 0);
        assert_eq!(buf[0], pattern(1 << 20)[got % (1 << 20)]);
        got += len;
    }
    writer.await.expect("no panic");
    assert_eq!(server.read(&mut buf).await.expect("the end"), 0);
}

#[tokio::test]
async fn socket_options_read_back() {
    let socket = TcpSocket::new_v4().expect("room");
    socket.set_reuseaddr(true).expect("alive");
    socket.set_keepalive(true).expect("alive");
    socket.set_nodelay(true).expect("alive");
    socket.set_send_buffer_size(123_456).expect("alive");
    socket.set_tos_v4(0x20).expect("alive");
    assert!(socket.reuseaddr().expect("alive"));
    assert!(socket.keepalive().expect("alive"));
    assert!(socket.nodelay().expect("alive"));
    assert_eq!(socket.send_buffer_size().expect("alive"), 246_912);
    assert_eq!(socket.tos_v4().expect("alive"), 0x20);
    socket
        .bind("127.0.0.1:0".parse().expect("literal"))
        .expect("bind");
    let listener = socket.listen(4).expect("listen");
    let client = TcpSocket::new_v4().expect("room");
    let client = client
        .connect(listener.local_addr().expect("bound"))
        .await
        .expect("connect");
    client.set_nodelay(true).expect("alive");
    assert!(client.nodelay().expect("alive"));
    client.set_ttl(9).expect("alive");
    assert_eq!(client.ttl().expect("alive"), 9);
    assert!(client.take_error().expect("alive").is_none());
    assert!(client.info().is_ok());
    drop(TcpSocket::new_v6().expect("room"));
}

#[tokio::test(start_paused = true)]
async fn loopback_needs_no_time() {
    timeout(Duration::from_secs(5), async {
        let (mut client, mut server) = pair().await;
        let mut buf = [0; 8];
        for _ in 0..1000 {
            client.write_all(b"ping").await.expect("write");
            server.read_exact(&mut buf[..4]).await.expect("read");
            server.write_all(b"pong").await.expect("write");
            client.read_exact(&mut buf[..4]).await.expect("read");
        }
    })
    .await
    .expect("no timer was needed");
}

/// With the driver on the same thread nobody else can have moved the packet in between.
#[tokio::test]
async fn a_writer_moves_its_own_packets_unless_told_not_to() {
    let bytes = pattern(100_000);
    for inline in [true, false] {
        let net = Net::builder().inline_rounds(inline).build().expect("a net");
        let listener = TcpListener::bind_on(&net, "127.0.0.1:0").await;
        let listener = listener.expect("bind");
        let to = listener.local_addr().expect("bound");
        let opened = tokio::join!(TcpStream::connect_on(&net, to), listener.accept());
        let (mut client, mut server) = (opened.0.expect("connect"), opened.1.expect("accept").0);
        assert_eq!(client.try_write(b"now").expect("room"), 3);
        let mut buf = [0; 3];
        assert_eq!(server.try_read(&mut buf).is_ok(), inline);
        if !inline {
            server.read_exact(&mut buf).await.expect("read");
        }
        assert_eq!(&buf, b"now");
        let mut received = vec![0; bytes.len()];
        let (sent, read) = tokio::join!(client.write_all(&bytes), server.read_exact(&mut received));
        sent.expect("written");
        assert_eq!(read.expect("read"), bytes.len());
        assert!(received == bytes, "the same bytes");
    }
}
