//! The traits of the `futures` crates.

use bytes::Bytes;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::stream::{FuturesUnordered, StreamExt, TryStreamExt};
use futures::{Sink, SinkExt, Stream};
use net_tokio::stream::{Connections, Datagrams};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = listener.local_addr().expect("bound");
    (listener, to)
}

#[tokio::test]
async fn a_listener_is_a_stream_of_connections() {
    let (listener, to) = listener().await;
    let clients: FuturesUnordered<_> = (0..5).map(|_| TcpStream::connect(to)).collect();
    let clients: Vec<_> = clients.try_collect().await.expect("a listener");
    let mut expected: Vec<_> = clients.iter().map(TcpStream::local_addr).collect();
    let servers: Vec<_> = listener.incoming().take(5).collect().await;
    let mut peers: Vec<_> = servers
        .iter()
        .map(|server| server.as_ref().expect("a connection").peer_addr())
        .collect();
    let by_port = |addr: &io::Result<SocketAddr>| addr.as_ref().expect("open").port();
    expected.sort_by_key(by_port);
    peers.sort_by_key(by_port);
    assert_eq!(format!("{peers:?}"), format!("{expected:?}"));
    // It waits, and loses nothing when it is dropped.
    let mut incoming = listener.into_incoming();
    assert!(
        timeout(Duration::from_millis(1), incoming.next())
            .await
            .is_err()
    );
    let _late = TcpStream::connect(to).await.expect("a listener");
    let shared = Arc::new(incoming.into_inner());
    let mut incoming = Connections::new(shared);
    incoming
        .next()
        .await
        .expect("never ends")
        .expect("a connection");
}

#[tokio::test]
async fn datagrams_are_forwarded_from_stream_to_sink() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let to = server.local_addr().expect("bound");
    let server = Arc::new(server);
    let (incoming, outgoing) = (Datagrams::new(server.clone()), Datagrams::new(server));
    tokio::spawn(incoming.forward(outgoing));
    let client = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let mut client = Datagrams::new(client);
    let messages = (0..100_u8).map(|number| Ok((Bytes::from(vec![number; 10]), to)));
    client
        .send_all(&mut futures::stream::iter(messages))
        .await
        .expect("sent");
    let answers: Vec<_> = client
        .by_ref()
        .take(100)
        .try_collect()
        .await
        .expect("answers");
    for (number, (payload, from)) in answers.iter().enumerate() {
        assert_eq!(payload[..], [u8::try_from(number).expect("few"); 10]);
        assert_eq!(*from, to);
    }
}

#[tokio::test]
async fn a_datagram_that_cannot_go_is_an_error_and_the_next_goes() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let own = socket.local_addr().expect("bound");
    let mut datagrams = Datagrams::new(socket);
    let nowhere = "203.0.113.1:9".parse().expect("an address");
    let error = datagrams.send(("x".into(), nowhere)).await;
    assert_eq!(
        error.expect_err("no route").kind(),
        io::ErrorKind::NetworkUnreachable
    );
    datagrams.send(("y".into(), own)).await.expect("a route");
    let (payload, _) = datagrams.next().await.expect("never ends").expect("data");
    assert_eq!(payload, "y");
}

#[tokio::test]
async fn a_scope_holds_around_futures_and_streams() {
    let net = Net::builder().build().expect("a stack");
    let bind = |_: i32| UdpSocket::bind("127.0.0.1:0");
    let sockets = net.scope(futures::stream::iter(0..3).then(bind));
    assert!(sockets.net().is_same(&net));
    assert_eq!(sockets.size_hint(), (3, Some(3)));
    let sockets: Vec<_> = sockets.try_collect().await.expect("ports");
    assert_eq!((sockets.len(), net.sockets()), (3, 3));
    let future = net.scope(UdpSocket::bind("127.0.0.1:0"));
    let elsewhere = future.into_inner().await.expect("a port");
    assert_eq!(net.sockets(), 3);
    drop((sockets, elsewhere));
}

#[tokio::test]
async fn streams_have_the_traits_of_futures_io_by_compat() {
    let (listener, to) = listener().await;
    let client = TcpStream::connect(to).await.expect("a listener");
    let (server, _) = listener.accept().await.expect("a connection");
    let (mut client, mut server) = (client.compat(), server.compat());
    client.write_all(b"hello").await.expect("room");
    client.close().await.expect("open");
    let mut got = String::new();
    server.read_to_string(&mut got).await.expect("data");
    assert_eq!(got, "hello");
    let (mut read, mut write) = server.split();
    write.write_all(b"bye").await.expect("room");
    write.close().await.expect("open");
    assert_eq!(read.read(&mut [0]).await.expect("the end"), 0);
    got.clear();
    client.read_to_string(&mut got).await.expect("data");
    assert_eq!(got, "bye");
}

#[test]
fn streams_and_sinks_may_move_between_tasks() {
    fn moves<T: Send + Unpin + 'static>() {}
    fn is_both<T>()
    where
        T: Stream<Item = io::Result<(Bytes, SocketAddr)>>
            + Sink<(Bytes, SocketAddr), Error = io::Error>,
    {
    }
    moves::<Datagrams>();
    moves::<Datagrams<Arc<UdpSocket>>>();
    moves::<Connections>();
    is_both::<Datagrams<&UdpSocket>>();
}
