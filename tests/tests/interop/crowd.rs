//! Many connections at once.

use crate::kernel::{Peer, blocking};
use crate::matrix::{Opener, Row, World, each_row, rows_within};
use net_tokio::{TcpListener, TcpStream};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as KernelListener};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// Connections with every combination, and with one of them.
const MANY: u32 = 300;
const VERY_MANY: u32 = 5000;
/// Fewer would show nothing.
const MANY_ENOUGH: u32 = 1000;
/// How many of them talk at once: what they send fits into the queue of a TUN.
const AT_ONCE: usize = 250;
/// Descriptors of everything but the kernel's connections, at most.
const OTHERS: u64 = 100;

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
    let row = Row {
        offload: true,
        multi: false,
        v6: false,
        opener: Opener::Kernel,
        mtu: 1500,
    };
    rows_within(name, &[row], Duration::from_secs(60), async |world| {
        let count = make_room(VERY_MANY);
        if count < VERY_MANY {
            let few = format!("{count} connections: the limit of descriptors allows no more");
            println!("{few}");
            if count < MANY_ENOUGH {
                return tests::netns::skip(name, &few);
            }
        }
        kernel_clients(&world, count).await;
    });
}

/// Raises the limit of descriptors, of which each of the kernel's connections has one: how many of `count`
/// connections there may be.
fn make_room(count: u32) -> u32 {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(count) + OTHERS;
    if limit.current.is_none_or(|current| current >= wanted) {
        return count;
    }
    // Only who is root may have more than the hard limit.
    let granted = limit.maximum.map_or(wanted, |most| most.min(wanted));
    limit.current = Some(granted);
    setrlimit(Resource::Nofile, limit).expect("not above the hard limit");
    u32::try_from(granted.saturating_sub(OTHERS)).expect("no more than wanted")
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
    let peers: Vec<_> = (0..).zip(&peers).collect();
    for round in 0..2 {
        for some in peers.chunks(AT_ONCE) {
            for (number, peer) in some {
                let sent = peer.stream().write_all(&message(number + round));
                sent.expect("sent");
            }
            for (number, peer) in some {
                let mut answer = [0; 64];
                peer.stream().read_exact(&mut answer).expect("an answer");
                assert_eq!(answer, message(number + round));
            }
        }
    }
    for some in peers.chunks(AT_ONCE) {
        for (_, peer) in some {
            peer.finish();
        }
        for (_, peer) in some {
            assert_eq!(peer.stream().read(&mut [0]).expect("the end"), 0);
        }
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
