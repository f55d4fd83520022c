//! Many connections at once.

use crate::kernel::{Peer, blocking};
use crate::matrix::{Opener, World, each_row};
use net_tokio::{TcpListener, TcpStream};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as KernelListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

const CONNECTIONS: u32 = 300;

#[test]
fn three_hundred_connections_are_echoed() {
    each_row(
        "crowd::three_hundred_connections_are_echoed",
        async |world| match world.row.opener {
            Opener::Kernel => kernel_clients(&world).await,
            Opener::Ours => our_clients(&world).await,
        },
    );
}

async fn kernel_clients(world: &World) {
    let listener = world.listen();
    let to = listener.local_addr().expect("bound");
    let server = tokio::spawn(echo(listener));
    blocking(move || kernel_round_trips(to)).await;
    server.await.expect("the server does not panic");
}

/// Accepts the whole crowd and gives back what each sends.
async fn echo(listener: TcpListener) {
    let mut streams = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        streams.spawn(async move {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write)
                .await
                .expect("echoed");
            write.shutdown().await.expect("connected");
        });
    }
    streams.join_all().await;
}

/// All connections exist before the first one talks; each talks twice.
fn kernel_round_trips(to: SocketAddr) {
    let peers: Vec<_> = (0..CONNECTIONS)
        .map(|_| Peer::connect(to).expect("connected"))
        .collect();
    for round in 0..2 {
        for (number, peer) in (round..).zip(&peers) {
            peer.stream().write_all(&message(number)).expect("sent");
        }
        for (number, peer) in (round..).zip(&peers) {
            let mut answer = [0; 64];
            peer.stream().read_exact(&mut answer).expect("an answer");
            assert_eq!(answer, message(number));
        }
    }
    for peer in &peers {
        peer.finish();
        assert_eq!(peer.stream().read(&mut [0]).expect("the end"), 0);
    }
}

async fn our_clients(world: &World) {
    let listener = Peer::listen(world.host);
    let to = listener.local_addr().expect("bound");
    let server = blocking(move || kernel_echo(&listener));
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let net = world.net.clone();
        clients.spawn(async move {
            let mut stream = TcpStream::connect_on(&net, to).await.expect("connected");
            stream.write_all(&message(number)).await.expect("sent");
            let mut answer = [0; 64];
            stream.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(answer, message(number));
            stream.shutdown().await.expect("connected");
            assert_eq!(stream.read(&mut answer).await.expect("the end"), 0);
        });
    }
    clients.join_all().await;
    server.await;
}

/// Answers nobody before all are there.
fn kernel_echo(listener: &KernelListener) {
    let peers: Vec<_> = (0..CONNECTIONS).map(|_| Peer::accept(listener).0).collect();
    for peer in peers {
        let mut message = [0; 64];
        peer.stream().read_exact(&mut message).expect("a message");
        peer.stream().write_all(&message).expect("sent");
    }
}

fn message(number: u32) -> [u8; 64] {
    let mut bytes = [0x5a; 64];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}
