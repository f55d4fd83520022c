//! A proxy of `tokio::io::copy_bidirectional`, through which each side closes its direction.

use crate::world::{World, everywhere};
use net_tokio::{TcpListener, TcpStream};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::task::JoinHandle;

/// A proxy on the client's stack to a listener of the server's.
async fn proxy(world: &World, to: SocketAddr) -> (SocketAddr, JoinHandle<(u64, u64)>) {
    let listener = TcpListener::bind_on(&world.client, "127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let at = listener.local_addr().expect("bound");
    let world = world.clone();
    let running = tokio::spawn(async move {
        let (mut inner, _) = listener.accept().await.expect("a connection");
        let mut outer = world.connect(to).await;
        copy_bidirectional(&mut inner, &mut outer)
            .await
            .expect("both directions")
    });
    (at, running)
}

#[test]
fn what_is_asked_ends_before_it_is_answered() {
    everywhere(|world| async move {
        let (listener, to) = world.listen().await;
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await.expect("data");
            question.reverse();
            stream.write_all(&question).await.expect("half open");
            stream.shutdown().await.expect("half open");
        });
        let (at, running) = proxy(&world, to).await;
        let mut stream = TcpStream::connect_on(&world.client, at)
            .await
            .expect("a proxy");
        let mut question: Vec<u8> = (0..500_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        stream.write_all(&question).await.expect("open");
        stream.shutdown().await.expect("open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("data");
        question.reverse();
        assert!(answer == question);
        assert_eq!(running.await.expect("no panic"), (500_000, 500_000));
        serving.await.expect("no panic");
    });
}

#[test]
fn what_is_answered_ends_before_it_is_asked() {
    everywhere(|world| async move {
        let (listener, to) = world.listen().await;
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.write_all(&[1; 100_000]).await.expect("open");
            stream.shutdown().await.expect("open");
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.expect("data");
            rest.len()
        });
        let (at, running) = proxy(&world, to).await;
        let mut stream = TcpStream::connect_on(&world.client, at)
            .await
            .expect("a proxy");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("data");
        assert_eq!(answer.len(), 100_000);
        stream.write_all(&[2; 200_000]).await.expect("half open");
        stream.shutdown().await.expect("half open");
        assert_eq!(serving.await.expect("no panic"), 200_000);
        assert_eq!(running.await.expect("no panic"), (200_000, 100_000));
    });
}
