//! Options of streams and listeners.

use crate::world::{A_WHILE, SERVER, World};
use net_core::config::CongestionAlgorithm;
use net_core::socket::TcpOption;
use net_tokio::{Net, TcpListener, TcpSocket, TcpStream};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

#[tokio::test(start_paused = true)]
async fn a_cork_joins_what_is_written_in_parts() {
    let world = World::new();
    let (mut client, mut server) = world.pair().await;
    client.set_nodelay(true).expect("alive");
    client.write_all(b"one").await.expect("room");
    client.write_all(b"two").await.expect("room");
    assert_eq!(world.tap.payloads(), [3, 3]);
    let mut corked = client.cork().expect("alive");
    assert!(corked.settings().expect("alive").cork);
    corked.write_all(b"three").await.expect("room");
    corked.write_all(b"four").await.expect("room");
    assert_eq!(world.tap.payloads(), []);
    drop(corked);
    assert_eq!(world.tap.payloads(), [9]);
    let mut got = [0; 15];
    server.read_exact(&mut got).await.expect("data");
    assert_eq!(&got, b"onetwothreefour");
}

#[tokio::test(start_paused = true)]
async fn keepalive_ends_a_connection_to_a_dead_peer() {
    let world = World::new();
    let socket = world.socket();
    socket.set_keepalive(true).expect("alive");
    for option in [
        TcpOption::KeepAliveTime(Duration::from_secs(30)),
        TcpOption::KeepAliveInterval(Duration::from_secs(5)),
        TcpOption::KeepAliveProbes(4),
    ] {
        socket.set_option(option).expect("in range");
    }
    let (mut client, _server) = world.connect(socket).await;
    let settings = client.settings().expect("alive");
    assert_eq!(settings.keepalive_time, Duration::from_secs(30));
    assert_eq!(settings.keepalive_interval, Duration::from_secs(5));
    assert_eq!(settings.keepalive_probes, 4);
    world.cut();
    let began = Instant::now();
    let error = client.read(&mut [0]).await.expect_err("dead");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let took = began.elapsed().as_secs();
    assert!(
        (48..=52).contains(&took),
        "30 s and four times 5 s, not {took} s"
    );
}

#[tokio::test(start_paused = true)]
async fn the_user_timeout_bounds_the_wait_for_acknowledgements() {
    let world = World::new();
    let (mut client, _server) = world.pair().await;
    let limit = Duration::from_secs(7);
    let option = TcpOption::UserTimeout(Some(limit));
    client.set_option(option).expect("in range");
    assert_eq!(client.settings().expect("alive").user_timeout, Some(limit));
    world.cut();
    client.write_all(b"anyone?").await.expect("room");
    let began = Instant::now();
    let error = client.read(&mut [0]).await.expect_err("nobody");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let took = began.elapsed().as_secs();
    assert!((6..=14).contains(&took), "about 7 s, not {took} s");
}

#[tokio::test(start_paused = true)]
async fn segments_are_as_large_as_the_socket_says() {
    let world = World::new();
    let socket = world.socket();
    socket
        .set_option(TcpOption::MaxSegment(500))
        .expect("in range");
    let (mut client, mut server) = world.connect(socket).await;
    assert_eq!(client.settings().expect("alive").max_segment, Some(500));
    client.write_all(&[0; 3000]).await.expect("room");
    server.read_exact(&mut [0; 3000]).await.expect("data");
    // Timestamps take twelve bytes of each.
    let payloads = world.tap.payloads();
    assert!(payloads.iter().all(|len| *len <= 488), "{payloads:?}");
    assert_eq!(client.info().expect("alive").send_mss, 488);
}

#[tokio::test(start_paused = true)]
async fn buffers_bound_what_is_written_and_what_is_received() {
    let world = World::new();
    let socket = world.socket();
    socket.set_send_buffer_size(20_000).expect("alive");
    let (client, server) = world.connect(socket).await;
    let option = TcpOption::RecvBuffer(10_000);
    server.set_option(option).expect("in range");
    assert_eq!(server.settings().expect("alive").recv_buffer, 10_000);
    let mut written = 0;
    while let Ok(Ok(())) = timeout(A_WHILE, client.writable()).await {
        written += client.try_write(&[0; 1000]).expect("room");
    }
    // The receiver had promised more before its buffer was made smaller, and keeps the promise.
    assert!((20_000..=100_000).contains(&written), "{written}");
    let unread = server.info().expect("alive").unread;
    let waiting = written - unread;
    assert!(
        (15_000..=20_000).contains(&waiting),
        "{waiting} of the send buffer"
    );
}

#[tokio::test(start_paused = true)]
async fn unsent_bytes_stay_below_their_mark() {
    let world = World::new();
    let socket = world.socket();
    let option = TcpOption::NotSentLowat(4000);
    socket.set_option(option).expect("in range");
    let (client, _server) = world.connect(socket).await;
    assert_eq!(client.settings().expect("alive").notsent_lowat, 4000);
    world.cut();
    while let Ok(Ok(())) = timeout(A_WHILE, client.writable()).await {
        client.try_write(&[0; 1000]).expect("room");
        let unsent = client.info().expect("alive").unsent;
        assert!(unsent < 8_000, "{unsent} unsent");
    }
    let unsent = client.info().expect("alive").unsent;
    assert!(unsent >= 2000, "{unsent} unsent");
}

#[tokio::test(start_paused = true)]
async fn congestion_control_is_chosen_by_name() {
    let world = World::new();
    for name in ["reno", "cubic", "dctcp", "bbr"] {
        let algorithm: CongestionAlgorithm = name.parse().expect("known");
        let socket = world.socket();
        socket
            .set_option(TcpOption::Congestion(algorithm))
            .expect("early enough");
        let (client, _server) = world.connect(socket).await;
        assert_eq!(client.info().expect("alive").congestion.name(), name);
    }
    assert!("vegas".parse::<CongestionAlgorithm>().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_listener_for_ipv6_only_takes_no_ipv4() {
    let net = Net::builder().build().expect("a stack");
    let bind = |only_v6| {
        let socket = TcpSocket::new_v6_on(&net).expect("a socket");
        socket
            .set_option(TcpOption::OnlyV6(only_v6))
            .expect("in time");
        socket
            .bind("[::]:80".parse().expect("an address"))
            .expect("free");
        assert_eq!(socket.settings().expect("alive").only_v6, only_v6);
        socket.listen(8).expect("free")
    };
    let both = bind(false);
    TcpStream::connect_on(&net, "127.0.0.1:80")
        .await
        .expect("a listener");
    drop(both);
    let _one = bind(true);
    TcpStream::connect_on(&net, "[::1]:80")
        .await
        .expect("a listener");
    let error = TcpStream::connect_on(&net, "127.0.0.1:80").await;
    let error = error.expect_err("IPv6 only");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_deferring_listener_hands_connections_out_with_their_data() {
    let world = World::new();
    let listener = TcpListener::bind_on(&world.server, SERVER).await;
    let listener = listener.expect("free");
    let option = TcpOption::DeferAccept(Some(Duration::from_secs(10)));
    listener.set_option(option).expect("in range");
    let client = TcpStream::connect_on(&world.client, SERVER).await;
    let mut client = client.expect("it does not notice");
    let waiting = timeout(A_WHILE, listener.accept()).await;
    assert!(waiting.is_err(), "nothing was said");
    client.write_all(b"hello").await.expect("room");
    let (server, _) = listener.accept().await.expect("a connection");
    assert_eq!(server.try_read(&mut [0; 8]).expect("data is there"), 5);
}

#[tokio::test(start_paused = true)]
async fn quick_acknowledgements_do_not_wait_for_company() {
    let world = World::new();
    let (client, mut server) = world.pair().await;
    let mut wait = async |quick| {
        client.set_quickack(quick).expect("alive");
        assert_eq!(client.quickack().expect("alive"), quick);
        server.set_nodelay(true).expect("alive");
        let mut longest = Duration::ZERO;
        for _ in 0..40 {
            server.write_all(b"x").await.expect("room");
            let began = Instant::now();
            while server.info().expect("alive").send_queue > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            longest = longest.max(began.elapsed());
        }
        longest
    };
    let quick = wait(true).await;
    assert!(
        quick < Duration::from_millis(30),
        "one round trip, not {quick:?}"
    );
    let delayed = wait(false).await;
    assert!(
        delayed > Duration::from_millis(45),
        "it waits, not {delayed:?}"
    );
}
