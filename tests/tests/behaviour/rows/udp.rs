//! Datagrams that arrive.

use super::host::udp_sharing;
use super::net::UdpSocket;
use super::{Log, World, rows};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{Interest, ReadBuf};

rows![
    there_and_back,
    what_does_not_fit,
    no_bytes,
    peeking,
    peeking_at_the_sender,
    nothing_there,
    buffers_of_all_kinds,
    connected_sockets_filter,
    connecting_again,
    sockets_on_the_wildcard,
    sockets_on_the_ipv6_wildcard,
    mapped_addresses,
    shared_ports,
    several_tasks,
    readiness,
    addresses,
];

async fn socket(world: &World) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(world.any_port()).await.expect("a port");
    let addr = socket.local_addr().expect("bound");
    (socket, addr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn there_and_back(world: &World, log: &mut Log) {
    let ((a, a_addr), (b, b_addr)) = (socket(world).await, socket(world).await);
    log.note("send_to", a.send_to(b"hello", b_addr).await);
    let mut buf = [0; 16];
    let received = b.recv_from(&mut buf).await;
    log.note(
        "recv_from",
        received.map(|(len, from)| (text(&buf[..len]), from == a_addr)),
    );
    a.connect(b_addr).await.expect("alive");
    log.note("peer_addr", a.peer_addr().map(|peer| peer == b_addr));
    log.note("send", a.send(b"again").await);
    log.note("recv", b.recv(&mut buf).await);
    let polled = poll_fn(|cx| a.poll_send(cx, b"third")).await;
    log.note("poll_send", polled);
    let mut room = ReadBuf::new(&mut buf);
    let polled = poll_fn(|cx| b.poll_recv_from(cx, &mut room)).await;
    log.note("poll_recv_from", polled.map(|from| from == a_addr));
    log.say("filled", text(room.filled()));
    log.note("try_send_to", b.try_send_to(b"back", a_addr));
    log.note("recv", a.recv(&mut buf).await);
}

async fn what_does_not_fit(world: &World, log: &mut Log) {
    let ((a, _), (b, b_addr)) = (socket(world).await, socket(world).await);
    for _ in 0..5 {
        a.send_to(b"hello", b_addr).await.expect("sent");
    }
    let mut buf = [0; 3];
    log.wait("peek", b.peek(&mut buf)).await;
    log.wait("recv", b.recv(&mut buf)).await;
    log.say("got", text(&buf));
    log.note("recv_from", b.recv_from(&mut buf).await.map(|(len, _)| len));
    let mut room = ReadBuf::new(&mut buf);
    log.note("poll_recv", poll_fn(|cx| b.poll_recv(cx, &mut room)).await);
    log.say("filled", text(room.filled()));
    let mut grows = Vec::with_capacity(2);
    log.note("recv_buf", b.recv_buf(&mut grows).await);
    log.say("grown to", text(&grows));
    log.wait("recv of no bytes", b.recv(&mut [])).await;
    log.note("nothing left", b.try_recv(&mut buf));
}

async fn no_bytes(world: &World, log: &mut Log) {
    let ((a, _), (b, b_addr)) = (socket(world).await, socket(world).await);
    log.note("send_to", a.send_to(b"", b_addr).await);
    log.wait("readable", b.readable()).await;
    log.wait("recv", b.recv(&mut [0; 4])).await;
    a.connect(b_addr).await.expect("alive");
    log.note("send", a.send(b"").await);
    log.note("try_send", a.try_send(b""));
    log.wait("recv", b.recv(&mut [0; 4])).await;
    log.wait("recv", b.recv(&mut [])).await;
    log.wait("recv", b.recv(&mut [0; 4])).await;
}

async fn peeking(world: &World, log: &mut Log) {
    let ((a, a_addr), (b, b_addr)) = (socket(world).await, socket(world).await);
    a.send_to(b"first", b_addr).await.expect("sent");
    a.send_to(b"second", b_addr).await.expect("sent");
    let mut buf = [0; 16];
    for len in [0, 2, 16] {
        log.wait(format!("peek {len}"), b.peek(&mut buf[..len]))
            .await;
        let peeked = b.peek_from(&mut buf[..len]).await;
        log.note(
            format!("peek_from {len}"),
            peeked.map(|(len, from)| (len, from == a_addr)),
        );
        let peeked = b.try_peek_from(&mut buf[..len]);
        log.note(
            format!("try_peek_from {len}"),
            peeked.map(|(len, from)| (len, from == a_addr)),
        );
        log.note(format!("try_peek {len}"), b.try_peek(&mut buf[..len]));
    }
    let mut room = ReadBuf::new(&mut buf);
    log.note("poll_peek", poll_fn(|cx| b.poll_peek(cx, &mut room)).await);
    log.say("filled", text(room.filled()));
    log.wait("recv", b.recv(&mut buf)).await;
    log.wait("peek", b.peek(&mut buf)).await;
}

async fn peeking_at_the_sender(world: &World, log: &mut Log) {
    let ((a, a_addr), (b, b_addr)) = (socket(world).await, socket(world).await);
    log.note("nothing", b.try_peek_sender());
    log.wait("nothing", b.peek_sender()).await;
    a.send_to(b"", b_addr).await.expect("sent");
    log.note(
        "peek_sender",
        b.peek_sender().await.map(|from| from == a_addr),
    );
    log.note(
        "try_peek_sender",
        b.try_peek_sender().map(|from| from == a_addr),
    );
    let polled = poll_fn(|cx| b.poll_peek_sender(cx)).await;
    log.note("poll_peek_sender", polled.map(|from| from == a_addr));
    log.note("still there", b.try_recv(&mut [0; 4]));
}

async fn nothing_there(world: &World, log: &mut Log) {
    let (socket, _) = socket(world).await;
    let mut buf = [0; 4];
    log.wait("recv", socket.recv(&mut buf)).await;
    log.wait("recv of no bytes", socket.recv(&mut [])).await;
    log.wait("readable", socket.readable()).await;
    log.note("try_recv", socket.try_recv(&mut buf));
    log.note("try_recv of no bytes", socket.try_recv(&mut []));
    log.note("try_recv_from", socket.try_recv_from(&mut buf));
    log.note("try_peek", socket.try_peek(&mut buf));
    log.note(
        "try_recv_buf",
        socket.try_recv_buf(&mut Vec::with_capacity(4)),
    );
    log.note("try_io", socket.try_io(Interest::READABLE, || Ok("called")));
    let polled = poll_fn(|cx| Poll::Ready(socket.poll_recv_ready(cx).is_pending())).await;
    log.say("poll_recv_ready waits", polled);
    log.wait("writable", socket.writable()).await;
}

async fn buffers_of_all_kinds(world: &World, log: &mut Log) {
    let ((a, _), (b, b_addr)) = (socket(world).await, socket(world).await);
    for _ in 0..4 {
        a.send_to(b"hello", b_addr).await.expect("sent");
    }
    b.readable().await.expect("data");
    let mut grows = b"have ".to_vec();
    log.note("try_recv_buf", b.try_recv_buf(&mut grows));
    grows.reserve(64);
    log.note("recv_buf", b.recv_buf(&mut grows).await);
    log.note(
        "try_recv_buf_from",
        b.try_recv_buf_from(&mut grows).map(|(len, _)| len),
    );
    log.note(
        "recv_buf_from",
        b.recv_buf_from(&mut grows).await.map(|(len, _)| len),
    );
    log.say("got", text(&grows));
}

async fn connected_sockets_filter(world: &World, log: &mut Log) {
    let ((a, a_addr), (b, b_addr)) = (socket(world).await, socket(world).await);
    let (stranger, _) = socket(world).await;
    stranger.send_to(b"before", a_addr).await.expect("sent");
    a.readable().await.expect("data");
    a.connect(b_addr).await.expect("alive");
    stranger.send_to(b"after", a_addr).await.expect("sent");
    b.send_to(b"friend", a_addr).await.expect("sent");
    let mut buf = [0; 16];
    for _ in 0..3 {
        log.wait("recv", a.recv(&mut buf)).await;
        log.say("got", text(&buf[..6]));
    }
    log.wait(
        "send_to another",
        a.send_to(b"x", stranger.local_addr().expect("bound")),
    )
    .await;
    log.wait("which receives it", stranger.recv(&mut buf)).await;
    log.note("peer_addr", a.peer_addr().map(|peer| peer == b_addr));
}

async fn connecting_again(world: &World, log: &mut Log) {
    let ((a, a_addr), (b, b_addr)) = (socket(world).await, socket(world).await);
    let (c, c_addr) = socket(world).await;
    a.connect(b_addr).await.expect("alive");
    log.note("again", a.connect(c_addr).await);
    log.note("peer_addr", a.peer_addr().map(|peer| peer == c_addr));
    b.send_to(b"old", a_addr).await.expect("sent");
    c.send_to(b"new", a_addr).await.expect("sent");
    let mut buf = [0; 3];
    log.wait("recv", a.recv(&mut buf)).await;
    log.say("got", text(&buf));
    log.note("to itself", a.connect(a_addr).await);
    log.note("send", a.send(b"own").await);
    log.wait("recv", a.recv(&mut buf)).await;
    log.say("got", text(&buf));
}

async fn sockets_on_the_wildcard(world: &World, log: &mut Log) {
    let server = UdpSocket::bind(world.wildcard()).await.expect("a port");
    let bound = server.local_addr().expect("bound");
    log.say("bound", bound.ip());
    let client = UdpSocket::bind(world.wildcard()).await.expect("a port");
    let mut buf = [0; 4];
    for to in [world.loopback(), world.own(), world.wildcard().ip()] {
        log.note(
            format!("to {to}"),
            client.send_to(b"ping", (to, bound.port())).await,
        );
        let from = server.recv_from(&mut buf).await.expect("data").1;
        log.say("from", from.ip());
        log.note("back", server.send_to(b"pong", from).await);
        log.note(
            "from",
            client.recv_from(&mut buf).await.map(|(_, from)| from.ip()),
        );
    }
    client
        .connect((world.loopback(), bound.port()))
        .await
        .expect("alive");
    log.note("connected", client.local_addr().map(|addr| addr.ip()));
}

async fn sockets_on_the_ipv6_wildcard(_: &World, log: &mut Log) {
    let server = UdpSocket::bind("[::]:0").await.expect("a port");
    let port = server.local_addr().expect("bound").port();
    let client = UdpSocket::bind("0.0.0.0:0").await.expect("a port");
    let mut buf = [0; 4];
    client
        .send_to(b"ping", ("127.0.0.1", port))
        .await
        .expect("sent");
    let from = server.recv_from(&mut buf).await.expect("data").1;
    log.say("from", from.ip());
    log.note("back", server.send_to(b"pong", from).await);
    log.note(
        "from",
        client.recv_from(&mut buf).await.map(|(_, from)| from.ip()),
    );
}

async fn mapped_addresses(_: &World, log: &mut Log) {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = server.local_addr().expect("bound").port();
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().expect("an address"), port);
    let client = UdpSocket::bind("[::]:0").await.expect("a port");
    let mut buf = [0; 4];
    log.note("mapped", client.send_to(b"ping", mapped).await);
    log.note(
        "from",
        server.recv_from(&mut buf).await.map(|(_, from)| from.ip()),
    );
    log.note("connect", client.connect(mapped).await);
    log.note("local", client.local_addr().map(|addr| addr.ip()));
    log.note("peer", client.peer_addr().map(|addr| addr.ip()));
    let bound = UdpSocket::bind("[::ffff:127.0.0.1]:0").await;
    log.note(
        "bound",
        bound.and_then(|socket| Ok(socket.local_addr()?.ip())),
    );
}

async fn shared_ports(world: &World, log: &mut Log) {
    let first = udp_sharing(world.any_port(), true, false).expect("a port");
    let addr = first.local_addr().expect("bound");
    let second = udp_sharing(addr, true, false).expect("shared");
    let (client, _) = socket(world).await;
    client.send_to(b"who", addr).await.expect("sent");
    log.wait("the later one", second.recv(&mut [0; 4])).await;
    log.note("the earlier one", first.try_recv(&mut [0; 4]));
    let sockets: Vec<_> = (0..4)
        .scan(world.any_port(), |addr, _| {
            let socket = udp_sharing(*addr, false, true).expect("shared");
            *addr = socket.local_addr().expect("bound");
            Some(socket)
        })
        .collect();
    let addr = sockets[0].local_addr().expect("bound");
    let mut clients = Vec::new();
    for _ in 0..64 {
        let (client, _) = socket(world).await;
        client.send_to(b"who", addr).await.expect("sent");
        clients.push(client);
    }
    let mut total = 0;
    let mut busy = 0;
    for socket in &sockets {
        let mut count = 0;
        while tokio::time::timeout(
            std::time::Duration::from_millis(50),
            socket.recv(&mut [0; 4]),
        )
        .await
        .is_ok()
        {
            count += 1;
        }
        total += count;
        busy += usize::from(count > 0);
    }
    log.say("all", total);
    log.say("several sockets", busy > 1);
}

async fn several_tasks(world: &World, log: &mut Log) {
    let (server, addr) = socket(world).await;
    let server = Arc::new(server);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { server.recv_from(&mut [0; 4]).await.map(|(len, _)| len) })
        })
        .collect();
    tokio::task::yield_now().await;
    let (client, _) = socket(world).await;
    for _ in 0..50 {
        client.send_to(b"x", addr).await.expect("sent");
    }
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("no panic").expect("data");
    }
    log.say("each received", total);
}

async fn readiness(world: &World, log: &mut Log) {
    let ((a, _), (b, b_addr)) = (socket(world).await, socket(world).await);
    let bits =
        |ready: tokio::io::Ready| (ready.is_readable(), ready.is_writable(), ready.is_error());
    log.wait("fresh", async {
        a.ready(Interest::WRITABLE).await.map(bits)
    })
    .await;
    a.send_to(b"x", b_addr).await.expect("sent");
    log.wait("data", async {
        b.ready(Interest::READABLE).await.map(bits)
    })
    .await;
    log.wait("called", b.async_io(Interest::READABLE, || Ok("called")))
        .await;
    let blocks = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    log.note("no luck", b.try_io(Interest::READABLE, blocks));
}

async fn addresses(world: &World, log: &mut Log) {
    let (a, addr) = socket(world).await;
    log.say("local", addr.ip());
    log.note("peer_addr", a.peer_addr());
    let far = UdpSocket::bind(world.wildcard()).await.expect("a port");
    far.connect(world.host(2)).await.expect("a route");
    log.note(
        "local towards the link",
        far.local_addr().map(|addr| addr.ip()),
    );
    log.note("peer", far.peer_addr());
}
