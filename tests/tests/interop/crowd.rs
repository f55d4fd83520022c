//! Many connections at once.

use crate::kernel::{Peer, blocking};
use crate::matrix::{Opener, Row, World, each_row, rows};
use net_tokio::{TcpListener, TcpStream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as KernelListener};
use tests::netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// Connections with every combination, and with one of them.
const MANY: u32 = 300;
const VERY_MANY: u32 = 5000;

#[test]
fn three_hundred_connections_are_echoed() {
    each_row(
        "crowd::three_hundred_connections_are_echoed",
        async |world| match world.row.opener {
            Opener::Kernel => kernel_clients(&world, MANY).await,
            Opener::Ours => our_clients(&world).await,
        },
    );
}

#[test]
fn five_thousand_connections_are_echoed() {
    let name = "crowd::five_thousand_connections_are_echoed";
    if let Err(why) = make_room(u64::from(VERY_MANY) + 100) {
        return netns::skip(name, &why);
    }
    let row = Row {
        offload: true,
        multi: false,
        v6: false,
        opener: Opener::Kernel,
        mtu: 1500,
    };
    rows(name, &[row], async |world| {
        kernel_clients(&world, VERY_MANY).await;
    });
}

/// Raises the limit of descriptors, of which each of the kernel's connections has one. What is started
/// in the namespace inherits it.
fn make_room(descriptors: u64) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= descriptors) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(descriptors),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("no more than {:?} descriptors: {error}", limit.maximum))
}

async fn kernel_clients(world: &World, count: u32) {
    let listener = world.listen();
    let to = listener.local_addr().expect("bound");
    let server = tokio::spawn(echo(listener, count));
    blocking(move || kernel_round_trips(to, count)).await;
    server.await.expect("the server does not panic");
}

/// Accepts the whole crowd and gives back what each sends.
async fn echo(listener: TcpListener, count: u32) {
    let mut streams = JoinSet::new();
    for _ in 0..count {
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
fn kernel_round_trips(to: SocketAddr, count: u32) {
    let peers: Vec<_> = (0..count)
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
    for number in 0..MANY {
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
    let peers: Vec<_> = (0..MANY).map(|_| Peer::accept(listener).0).collect();
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
