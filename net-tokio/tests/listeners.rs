//! Listeners on the loopback stack of the process: whom they get, and what is said where none is.

use net_tokio::{TcpListener, TcpStream};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

#[tokio::test]
async fn a_closed_port_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("bound");
    drop(listener);
    let error = TcpStream::connect(to).await.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    if cfg!(target_os = "linux") {
        assert_eq!(error.raw_os_error(), Some(111));
    }
}

#[tokio::test]
async fn a_network_without_route_is_unreachable() {
    let error = TcpStream::connect("203.0.113.1:9")
        .await
        .expect_err("loopback only");
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[tokio::test]
async fn a_listener_that_goes_resets_who_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let mut client = TcpStream::connect(listener.local_addr().expect("bound"))
        .await
        .expect("connect");
    drop(listener);
    let error = client.read(&mut [0]).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_accept_loses_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    for _ in 0..10 {
        let waiting = timeout(Duration::from_millis(1), listener.accept()).await;
        assert!(waiting.is_err(), "nobody has connected");
        let client = TcpStream::connect(listener.local_addr().expect("bound"))
            .await
            .expect("connect");
        let (_server, peer) = listener.accept().await.expect("accept");
        assert_eq!(peer, client.local_addr().expect("open"));
    }
}

#[tokio::test]
async fn each_connection_goes_to_one_acceptor() {
    let listener = std::sync::Arc::new(TcpListener::bind("127.0.0.1:0").await.expect("bind"));
    let acceptors: Vec<_> = (0..10)
        .map(|_| {
            let listener = listener.clone();
            tokio::spawn(async move { listener.accept().await.expect("accept").1 })
        })
        .collect();
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(
            TcpStream::connect(listener.local_addr().expect("bound"))
                .await
                .expect("connect"),
        );
    }
    let mut peers = Vec::new();
    for acceptor in acceptors {
        peers.push(acceptor.await.expect("no panic"));
    }
    let mut addresses: Vec<_> = clients
        .iter()
        .map(|client| client.local_addr().expect("open"))
        .collect();
    peers.sort();
    addresses.sort();
    assert_eq!(peers, addresses);
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let error = TcpListener::bind(listener.local_addr().expect("bound"))
        .await
        .expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let error = TcpListener::bind("203.0.113.1:0")
        .await
        .expect_err("not ours");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}
