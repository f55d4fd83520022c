//! Datagram sockets over the loopback stack of the process.

use net_tokio::{Net, UdpSocket};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{Interest, ReadBuf};
use tokio::time::timeout;

async fn pair() -> (UdpSocket, UdpSocket) {
    let a = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    let b = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    a.connect(b.local_addr().expect("bound"))
        .await
        .expect("connect");
    b.connect(a.local_addr().expect("bound"))
        .await
        .expect("connect");
    (a, b)
}

#[tokio::test]
async fn a_datagram_comes_back_from_an_echo_server() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let server = UdpSocket::bind(address).await.expect("bind");
        let to = server.local_addr().expect("bound");
        let echo = tokio::spawn(async move {
            let mut buf = [0; 2048];
            for _ in 0..100 {
                let (len, peer) = server.recv_from(&mut buf).await.expect("receive");
                server.send_to(&buf[..len], peer).await.expect("send");
            }
        });
        let client = UdpSocket::bind(address).await.expect("bind");
        for number in 0..100_u32 {
            client
                .send_to(&number.to_be_bytes(), to)
                .await
                .expect("send");
            let mut buf = [0; 16];
            let (len, peer) = client.recv_from(&mut buf).await.expect("receive");
            assert_eq!((&buf[..len], peer), (&number.to_be_bytes()[..], to));
        }
        echo.await.expect("no panic");
    }
}

#[tokio::test]
async fn peeking_leaves_the_datagram() {
    let (a, b) = pair().await;
    a.send(b"hello").await.expect("send");
    let mut buf = [0; 3];
    assert_eq!(b.peek(&mut buf).await.expect("peek"), 3);
    assert_eq!(&buf, b"hel");
    assert_eq!(
        b.peek_sender().await.expect("peek"),
        a.local_addr().expect("bound")
    );
    assert_eq!(
        b.try_peek_from(&mut buf).expect("there"),
        (3, a.local_addr().expect("bound"))
    );
    let mut whole = Vec::with_capacity(16);
    assert_eq!(b.recv_buf(&mut whole).await.expect("receive"), 5);
    assert_eq!(whole, b"hello");
    let gone = b.try_peek(&mut buf).expect_err("taken");
    assert_eq!(gone.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn what_does_not_fit_is_cut_off() {
    let (a, b) = pair().await;
    a.send(b"hello").await.expect("send");
    a.send(b"").await.expect("send");
    let mut buf = [0; 2];
    assert_eq!(b.recv(&mut buf).await.expect("receive"), 2);
    assert_eq!(b.recv(&mut buf).await.expect("receive"), 0);
    assert_eq!(
        b.try_recv(&mut buf).expect_err("nothing left").kind(),
        ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn try_methods_do_not_wait() {
    let (a, b) = pair().await;
    assert_eq!(
        b.try_recv(&mut [0]).expect_err("nothing yet").kind(),
        ErrorKind::WouldBlock
    );
    a.writable().await.expect("writable");
    assert_eq!(a.try_send(b"x").expect("room"), 1);
    assert_eq!(
        a.try_send_to(b"y", b.local_addr().expect("bound"))
            .expect("room"),
        1
    );
    b.readable().await.expect("readable");
    let mut buf = [0; 4];
    assert_eq!(b.try_recv(&mut buf).expect("there"), 1);
    let (len, from) = b.try_recv_from(&mut buf).expect("there");
    assert_eq!(
        (&buf[..len], from),
        (&b"y"[..], a.local_addr().expect("bound"))
    );
    let ready = a.ready(Interest::WRITABLE).await.expect("ready");
    assert!(ready.is_writable() && !ready.is_readable());
    let nothing = b
        .try_io(Interest::READABLE, || Ok(()))
        .expect_err("not ready");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn poll_methods_fill_a_read_buf() {
    let (a, b) = pair().await;
    let mut room = [0; 8];
    let mut buf = ReadBuf::new(&mut room);
    let receive = async {
        std::future::poll_fn(|cx| b.poll_recv_from(cx, &mut buf))
            .await
            .expect("receive")
    };
    let send = async {
        std::future::poll_fn(|cx| a.poll_send(cx, b"hi"))
            .await
            .expect("send")
    };
    let (from, sent) = tokio::join!(receive, send);
    assert_eq!((from, sent), (a.local_addr().expect("bound"), 2));
    assert_eq!(buf.filled(), b"hi");
}

#[tokio::test]
async fn a_closed_port_refuses_once() {
    let (a, b) = pair().await;
    drop(b);
    a.send(b"anyone?").await.expect("sent, for all it knows");
    let refused = timeout(Duration::from_secs(5), a.recv(&mut [0; 4]))
        .await
        .expect("an answer")
        .expect_err("nobody is there");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(
        a.try_recv(&mut [0; 4]).expect_err("told once").kind(),
        ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn misuse_fails_as_with_the_kernel() {
    // Alone on its stack: where another thread works on it, an error may wait for the next call.
    let net = Net::builder().build().expect("build");
    let socket = UdpSocket::bind_on(&net, "127.0.0.1:0").await.expect("bind");
    let kernel = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let same = |ours: std::io::Error, theirs: std::io::Error| {
        assert_eq!(
            (ours.kind(), ours.raw_os_error()),
            (theirs.kind(), theirs.raw_os_error())
        );
    };
    same(
        socket.send(b"x").await.expect_err("no peer"),
        kernel.send(b"x").await.expect_err("no peer"),
    );
    same(
        socket.peer_addr().expect_err("no peer"),
        kernel.peer_addr().expect_err("no peer"),
    );
    let long = vec![0; 65_508];
    same(
        socket
            .send_to(&long, socket.local_addr().expect("bound"))
            .await
            .expect_err("too long"),
        kernel
            .send_to(&long, kernel.local_addr().expect("bound"))
            .await
            .expect_err("too long"),
    );
    same(
        UdpSocket::bind_on(&net, socket.local_addr().expect("bound"))
            .await
            .expect_err("taken"),
        tokio::net::UdpSocket::bind(kernel.local_addr().expect("bound"))
            .await
            .expect_err("taken"),
    );
    same(
        UdpSocket::bind_on(&net, "203.0.113.1:0")
            .await
            .expect_err("not ours"),
        tokio::net::UdpSocket::bind("203.0.113.1:0")
            .await
            .expect_err("not ours"),
    );
}

#[tokio::test]
async fn a_destination_without_route_fails_at_once_on_an_idle_stack() {
    let net = Net::builder().build().expect("build");
    let socket = UdpSocket::bind_on(&net, "0.0.0.0:0").await.expect("bind");
    let error = socket
        .send_to(b"x", "203.0.113.1:9")
        .await
        .expect_err("loopback only");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[tokio::test]
async fn options_read_back() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
    socket.set_ttl(7).expect("valid");
    socket.set_tos_v4(0x10).expect("valid");
    socket.set_broadcast(true).expect("valid");
    assert_eq!(socket.ttl().expect("alive"), 7);
    assert_eq!(socket.tos_v4().expect("alive"), 0x10);
    assert!(socket.broadcast().expect("alive"));
    assert_eq!(
        socket.set_ttl(256).expect_err("too large").kind(),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn datagrams_keep_their_order_under_load() {
    let net = Net::builder().build().expect("build");
    let server = UdpSocket::bind_on(&net, "127.0.0.1:0").await.expect("bind");
    let to: SocketAddr = server.local_addr().expect("bound");
    let client = UdpSocket::bind_on(&net, "127.0.0.1:0").await.expect("bind");
    const COUNT: u32 = 20_000;
    let sender = tokio::spawn(async move {
        for number in 0..COUNT {
            client
                .send_to(&number.to_be_bytes(), to)
                .await
                .expect("send");
        }
    });
    let mut last = None;
    while last != Some(COUNT - 1) {
        let mut buf = [0; 4];
        server.recv(&mut buf).await.expect("receive");
        let number = u32::from_be_bytes(buf);
        assert!(last < Some(number), "{number} after {last:?}");
        last = Some(number);
    }
    sender.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn loopback_needs_no_time() {
    timeout(Duration::from_millis(1), async {
        let (a, b) = pair().await;
        for _ in 0..1000 {
            a.send(b"ping").await.expect("send");
            b.recv(&mut [0; 8]).await.expect("receive");
            b.send(b"pong").await.expect("send");
            a.recv(&mut [0; 8]).await.expect("receive");
        }
    })
    .await
    .expect("no timer was needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_a_socket() {
    let (a, b) = pair().await;
    let (a, b) = (std::sync::Arc::new(a), std::sync::Arc::new(b));
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let b = b.clone();
            tokio::spawn(async move { b.recv(&mut [0; 8]).await.expect("receive") })
        })
        .collect();
    for _ in 0..8 {
        a.send(b"x").await.expect("send");
    }
    for reader in readers {
        assert_eq!(reader.await.expect("no panic"), 1);
    }
}
