//! How stacks and sockets end.

use net_core::Seed;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Driver, Net, TcpListener, TcpStream, UdpSocket};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime;
use tokio::time::{Instant, sleep, timeout};

/// Two stacks on the ends of a link.
fn hosts(link: LinkConfig) -> (Net, Net) {
    let (left, right) = pair(link.clone(), link, Seed::from_u64(42));
    let host = |device, address: &str| {
        Net::builder()
            .device("link0", device)
            .address(address)
            .seed(Seed::from_u64(7))
            .build()
            .expect("build")
    };
    (host(left, "10.0.0.1/24"), host(right, "10.0.0.2/24"))
}

fn new_runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime")
}

fn slow() -> LinkConfig {
    LinkConfig {
        delay: Duration::from_millis(50),
        ..LinkConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_delivers_what_was_written() {
    let (client_net, server_net) = hosts(slow());
    let listener = TcpListener::bind_on(&server_net, "10.0.0.2:80")
        .await
        .expect("bind");
    let mut client = TcpStream::connect_on(&client_net, "10.0.0.2:80")
        .await
        .expect("connect");
    let (mut server, _) = listener.accept().await.expect("accept");
    let sent = vec![7; 1_000_000];
    client.write_all(&sent).await.expect("write");
    drop(client);
    drop(client_net);
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.expect("read");
    assert!(got == sent);
}

#[tokio::test(start_paused = true)]
async fn virtual_time_is_the_time_of_the_link() {
    let (client_net, server_net) = hosts(slow());
    let listener = TcpListener::bind_on(&server_net, "10.0.0.2:80")
        .await
        .expect("bind");
    let began = Instant::now();
    let _client = TcpStream::connect_on(&client_net, "10.0.0.2:80")
        .await
        .expect("connect");
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(100) && took <= Duration::from_millis(110),
        "one round trip, not {took:?}"
    );
    drop(listener);
}

#[tokio::test(start_paused = true)]
async fn shutdown_delivers_and_then_fails_what_is_held() {
    let (client_net, server_net) = hosts(slow());
    let listener = TcpListener::bind_on(&server_net, "10.0.0.2:80")
        .await
        .expect("bind");
    let mut client = TcpStream::connect_on(&client_net, "10.0.0.2:80")
        .await
        .expect("connect");
    let (mut server, _) = listener.accept().await.expect("accept");
    let reader = tokio::spawn(async move {
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.expect("read");
        got.len()
    });
    client.write_all(&[1; 300_000]).await.expect("write");
    client_net.shutdown().await;
    assert_eq!(reader.await.expect("no panic"), 300_000);
    let error = client.write(b"x").await.expect_err("shut down");
    assert!(error.to_string().contains("shut down"), "{error}");
    let error = UdpSocket::bind_on(&client_net, "10.0.0.1:0")
        .await
        .expect_err("shut down");
    assert!(error.to_string().contains("shut down"), "{error}");
    client_net.shutdown().await;
}

#[tokio::test]
async fn shutdown_ends_a_pending_accept() {
    let net = Net::builder().build().expect("build");
    let listener = TcpListener::bind_on(&net, "127.0.0.1:0")
        .await
        .expect("bind");
    let accept = tokio::spawn(async move { listener.accept().await.map(drop) });
    tokio::task::yield_now().await;
    net.shutdown().await;
    let error = accept.await.expect("no panic").expect_err("shut down");
    assert!(error.to_string().contains("shut down"), "{error}");
}

#[test]
fn sockets_fail_when_the_drivers_runtime_ends() {
    let (first, second) = (new_runtime(), new_runtime());
    let (net, mut client, _server, listener) = first.block_on(async {
        let net = Net::builder().build().expect("build");
        let listener = TcpListener::bind_on(&net, "127.0.0.1:0")
            .await
            .expect("bind");
        let client = TcpStream::connect_on(&net, listener.local_addr().expect("bound"))
            .await
            .expect("connect");
        let (server, _) = listener.accept().await.expect("accept");
        (net, client, server, listener)
    });
    let datagrams = second.block_on(UdpSocket::bind_on(&net, "127.0.0.1:0"));
    let datagrams = datagrams.expect("bind");
    let waiting = second.spawn(async move {
        let (read, received) = tokio::join!(
            async { client.read(&mut [0]).await.expect_err("no driver") },
            async { datagrams.recv(&mut [0]).await.expect_err("no driver") },
        );
        for error in [read, received] {
            assert!(error.to_string().contains("runtime"), "{error}");
        }
        client
    });
    second.block_on(tokio::task::yield_now());
    drop(first);
    second.block_on(async {
        let mut client = timeout(Duration::from_secs(5), waiting)
            .await
            .expect("woken")
            .expect("no panic");
        for error in [
            client.write(b"x").await.expect_err("no driver"),
            listener.accept().await.map(drop).expect_err("no driver"),
            TcpStream::connect_on(&net, "127.0.0.1:9")
                .await
                .expect_err("no driver"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Other);
            assert!(error.to_string().contains("runtime"), "{error}");
        }
    });
}

#[test]
fn the_process_wide_stack_outlives_runtimes() {
    let run = |work: fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        new_runtime().block_on(work());
    };
    for _ in 0..3 {
        run(|| {
            Box::pin(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
                let mut client = TcpStream::connect(listener.local_addr().expect("bound"))
                    .await
                    .expect("connect");
                let (mut server, _) = listener.accept().await.expect("accept");
                client.write_all(b"x").await.expect("write");
                server.read_exact(&mut [0]).await.expect("read");
            })
        });
    }
}

/// Two stacks on a link, each driven by a thread of its own.
fn threaded_hosts() -> (Net, Net) {
    let (left, right) = pair(slow(), slow(), Seed::from_u64(42));
    let host = |device, address: &str| {
        let builder = Net::builder().driver(Driver::Thread);
        let builder = builder.device("link0", device).address(address);
        builder.build().expect("no runtime is needed")
    };
    (host(left, "10.0.0.1/24"), host(right, "10.0.0.2/24"))
}

/// A driver's thread needs no runtime of the application: timers, transmissions and arrivals go on
/// while every one of those is blocked or gone.
#[test]
fn a_driver_thread_works_on_while_no_runtime_does() {
    let (client_net, server_net) = threaded_hosts();
    let first = new_runtime();
    let (client, mut server) = first.block_on(async {
        let listener = TcpListener::bind_on(&server_net, "10.0.0.2:80").await;
        let listener = listener.expect("bind");
        let client = TcpStream::connect_on(&client_net, "10.0.0.2:80").await;
        let (server, _) = listener.accept().await.expect("accept");
        (client.expect("connect"), server)
    });
    assert_eq!(client.try_write(&[7; 100_000]).expect("room"), 100_000);
    // Nobody polls anything now, on any runtime, and the bytes cross the link all the same.
    let before = std::time::Instant::now();
    while server_net.stats().tcp_in_segments < 50 {
        assert!(
            before.elapsed() < Duration::from_secs(10),
            "it stands still"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(first);
    new_runtime().block_on(async {
        let mut got = vec![0; 100_000];
        server.read_exact(&mut got).await.expect("read");
        assert!(got.iter().all(|byte| *byte == 7));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_driver_thread_ends_with_its_stack() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("a process has threads");
        let names = tasks.filter_map(|task| {
            let name = task.expect("an entry").path().join("comm");
            std::fs::read_to_string(name).ok()
        });
        names.filter(|name| name.starts_with("alone")).count()
    };
    let until = |count| {
        let before = std::time::Instant::now();
        while threads() != count {
            assert!(
                before.elapsed() < Duration::from_secs(10),
                "not {count} threads"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let builder = Net::builder().driver(Driver::Thread).driver_name("alone");
    let net = builder.build().expect("a thread");
    until(1);
    let socket = new_runtime().block_on(UdpSocket::bind_on(&net, "127.0.0.1:0"));
    drop(net);
    let socket = socket.expect("bind");
    let own = socket
        .local_addr()
        .expect("the socket keeps the stack alive");
    socket.try_send_to(b"x", own).expect("room");
    drop(socket);
    until(0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_times_out() {
    let (client_net, server_net) = hosts(slow());
    let listener = TcpListener::bind_on(&server_net, "10.0.0.2:80")
        .await
        .expect("bind");
    let mut client = TcpStream::connect_on(&client_net, "10.0.0.2:80")
        .await
        .expect("connect");
    server_net.shutdown_within(Duration::ZERO).await;
    drop(listener);
    client.write_all(b"anyone?").await.expect("write");
    let error = client.read(&mut [0]).await.expect_err("nobody answers");
    assert!(
        [ErrorKind::TimedOut, ErrorKind::ConnectionReset].contains(&error.kind()),
        "{error}"
    );
}

#[tokio::test]
async fn a_stack_without_handles_ends() {
    let net = Net::builder().build().expect("build");
    let metrics = runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    drop(net);
    while metrics.num_alive_tasks() == before {
        sleep(Duration::from_millis(1)).await;
    }
}
