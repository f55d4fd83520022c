//! quinn.

use crate::tls::Authority;
use crate::world::{World, everywhere};
use net_core::Seed;
use net_core::udp::SendMeta;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Net, QuicSocket, UdpSocket};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::udp::{EcnCodepoint, RecvMeta};
use quinn::{AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use std::future::poll_fn;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::sync::Arc;

async fn endpoint(net: &Net, at: SocketAddr, server: Option<ServerConfig>) -> Endpoint {
    let socket = UdpSocket::bind_on(net, at).await.expect("a port");
    QuicSocket::new(socket)
        .into_endpoint(EndpointConfig::default(), server, Arc::new(TokioRuntime))
        .expect("an endpoint")
}

/// An endpoint that takes connections at `at`, and one that makes them.
async fn endpoints(client: &Net, server: &Net, at: SocketAddr) -> (Endpoint, Endpoint) {
    let (server_tls, client_tls) = Authority::new().configs();
    let server_tls = QuicServerConfig::try_from(server_tls).expect("TLS 1.3");
    let client_tls = QuicClientConfig::try_from(client_tls).expect("TLS 1.3");
    let config = ServerConfig::with_crypto(Arc::new(server_tls));
    let server = endpoint(server, at, Some(config)).await;
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let mut client = endpoint(client, any, None).await;
    client.set_default_client_config(ClientConfig::new(Arc::new(client_tls)));
    (client, server)
}

/// Gives back what comes in on each stream.
fn echo(server: Endpoint) {
    tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            tokio::spawn(async move {
                let connection = incoming.await.expect("a handshake");
                while let Ok((mut send, mut recv)) = connection.accept_bi().await {
                    tokio::spawn(async move {
                        tokio::io::copy(&mut recv, &mut send).await.expect("open");
                        send.finish().expect("open");
                    });
                }
            });
        }
    });
}

#[test]
fn streams_of_a_connection_carry_their_bytes() {
    everywhere(|world: World| async move {
        let (client, server) = endpoints(&world.client, &world.server, world.any_port()).await;
        let to = server.local_addr().expect("bound");
        echo(server);
        let connecting = client.connect(to, "server").expect("a configuration");
        let connection = connecting.await.expect("a handshake");
        let streams = (0..10_u8).map(|number| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let (mut send, mut recv) = connection.open_bi().await.expect("open");
                let sent = vec![number; 100_000];
                let expected = sent.clone();
                tokio::spawn(async move {
                    send.write_all(&sent).await.expect("open");
                    send.finish().expect("open");
                });
                let got = recv.read_to_end(1_000_000).await.expect("data");
                assert!(got == expected);
            })
        });
        for stream in futures::future::join_all(streams).await {
            stream.expect("no panic");
        }
        connection.close(0_u8.into(), b"done");
        client.wait_idle().await;
    });
}

/// Datagrams of one size leave in one packet where the device can cut it.
#[tokio::test]
async fn datagrams_leave_in_trains() {
    let link = LinkConfig {
        offload: true,
        ..LinkConfig::default()
    };
    let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
    let trains = near.stats();
    let host = |device, address| {
        let builder = Net::builder().device("link0", device);
        builder.address(address).build().expect("a stack")
    };
    let (near, far) = (host(near, "10.0.0.1/24"), host(far, "10.0.0.2/24"));
    let at = "10.0.0.2:443".parse().expect("an address");
    let (client, server) = endpoints(&near, &far, at).await;
    echo(server);
    let connecting = client.connect(at, "server").expect("a configuration");
    let connection = connecting.await.expect("a handshake");
    let (mut send, mut recv) = connection.open_bi().await.expect("open");
    tokio::spawn(async move {
        send.write_all(&vec![7; 1_000_000]).await.expect("open");
        send.finish().expect("open");
    });
    let got = recv.read_to_end(2_000_000).await.expect("data");
    assert_eq!(got.len(), 1_000_000);
    let (packets, datagrams) = (trains.counters().sent, near.stats().udp_out);
    assert!(
        datagrams > 2 * packets,
        "{datagrams} datagrams in {packets} packets"
    );
}

async fn plain_socket() -> (Net, UdpSocket, SocketAddr) {
    let net = Net::builder().build().expect("a stack");
    let socket = UdpSocket::bind_on(&net, "127.0.0.1:0")
        .await
        .expect("a port");
    let at = socket.local_addr().expect("bound");
    (net, socket, at)
}

/// RFC 9000 §13.4: a sender sets ECT(0).
#[tokio::test]
async fn packets_say_that_their_sender_understands_congestion_marks() {
    let (net, socket, at) = plain_socket().await;
    let (client, _server) = endpoints(&net, &net, "127.0.0.1:0".parse().expect("one")).await;
    let _connecting = client.connect(at, "server").expect("a configuration");
    let initial = socket.recv_datagram().await.expect("data");
    assert_eq!(initial.tos, 2);
}

#[tokio::test]
async fn marks_and_trains_are_told_as_they_arrive() {
    let (net, socket, _) = plain_socket().await;
    let receiver = UdpSocket::bind_on(&net, "0.0.0.0:0").await.expect("a port");
    let port = receiver.local_addr().expect("bound").port();
    let meta = |tos, segment| SendMeta {
        tos: Some(tos),
        segment,
        ..SendMeta::to(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let sends: [(usize, SendMeta); 4] = [
        (450, meta(2, Some(100))),
        (100, meta(2, None)),
        (100, meta(3, None)),
        (0, meta(0, None)),
    ];
    for (len, meta) in sends {
        let sent = socket.send_with(&vec![7; len], meta).await;
        assert_eq!(sent.expect("a route"), len);
    }
    let receiver = QuicSocket::new(receiver);
    let mut room = vec![[0; 2000]; 8];
    let mut bufs: Vec<_> = room.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
    let mut metas = [RecvMeta::default(); 8];
    let count = poll_fn(|cx| receiver.poll_recv(cx, &mut bufs, &mut metas)).await;
    // A shorter datagram ends its train, and a mark begins another.
    let expected = [
        (450, 100, Some(EcnCodepoint::Ect0)),
        (100, 100, Some(EcnCodepoint::Ect0)),
        (100, 100, Some(EcnCodepoint::Ce)),
        (0, 0, None),
    ];
    assert_eq!(count.expect("data"), expected.len());
    for (meta, expected) in metas.iter().zip(expected) {
        assert_eq!((meta.len, meta.stride, meta.ecn), expected);
        assert_eq!(meta.addr, socket.local_addr().expect("bound"));
        assert_eq!(meta.dst_ip, Some([127, 0, 0, 1].into()));
    }
}
