//! Several stacks with the same addresses, behind a device that steers as badly as can be: whatever comes,
//! comes to the first.

use futures::StreamExt;
use futures::stream::select_all;
use net_core::stats::DropReason;
use net_tokio::device::{Channel, Packets, channel};
use net_tokio::{Net, PingSocket, RawSocket, Shards, TcpListener, TcpStream, UdpSocket};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const COUNT: usize = 3;
const SHARDS: [&str; 2] = ["10.0.0.1", "fd00::1"];
const PEER: [&str; 2] = ["10.0.0.9", "fd00::9"];

/// The shards, and another host.
fn hosts() -> (Shards, Net) {
    let (devices, ends): (Vec<Channel>, Vec<Packets>) = (0..COUNT).map(|_| channel(1500)).unzip();
    let shards = Shards::build("eth0", devices, |builder| {
        builder.address("10.0.0.1/24").address("fd00::1/64")
    });
    let (device, end) = channel(1500);
    let peer = Net::builder()
        .device("eth0", device)
        .address("10.0.0.9/24")
        .address("fd00::9/64")
        .build()
        .expect("a stack");
    let (to_peer, from_peer) = end.split();
    let (sinks, streams): (Vec<_>, Vec<_>) = ends.into_iter().map(StreamExt::split).unzip();
    let to_first = sinks.into_iter().next().expect("a shard");
    tokio::spawn(select_all(streams).map(Ok).forward(to_peer));
    tokio::spawn(from_peer.map(Ok).forward(to_first));
    (shards.expect("shards"), peer)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

fn strays(shards: &Shards) -> Vec<u64> {
    shards.nets().map(|net| net.stats().strays).collect()
}

/// Nobody has refused anything.
fn assert_all_were_found(shards: &Shards) {
    for net in shards.nets() {
        let stats = net.stats();
        assert_eq!(stats.drops(DropReason::NoSocket), 0);
        assert_eq!(stats.drops(DropReason::IcmpIrrelevant), 0);
        assert_eq!(stats.tcp_resets_sent, 0);
    }
}

async fn echo(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
    }
}

#[tokio::test]
async fn connections_from_every_shard_work_though_their_answers_come_to_another() {
    let (shards, peer) = hosts();
    let (mut ends, mut open) = (BTreeSet::new(), Vec::new());
    for theirs in PEER {
        let listener = TcpListener::bind_on(&peer, (ip(theirs), 0)).await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(echo(listener));
        for shard in 0..shards.len() {
            let asking = shards.spawn(shard, async move {
                let mut streams = Vec::new();
                for _ in 0..20 {
                    // On the stack of the thread that it runs on.
                    let mut stream = TcpStream::connect(to).await.unwrap();
                    stream.write_all(&[7; 5000]).await.unwrap();
                    let mut back = [0; 5000];
                    stream.read_exact(&mut back).await.unwrap();
                    assert_eq!(back, [7; 5000]);
                    streams.push(stream);
                }
                let thread = std::thread::current();
                assert_eq!(thread.name(), Some(&*format!("net-tokio shard {shard}")));
                streams
            });
            // Open until the counts are taken: of what ends say twice, one comes to nobody.
            open.push(in_time(asking).await.unwrap());
            for stream in open.last().into_iter().flatten() {
                let local = stream.local_addr().unwrap();
                assert_eq!(usize::from(local.port()) % COUNT, shard);
                assert!(ends.insert(local), "{local} twice");
            }
        }
    }
    assert_eq!(ends.len(), 2 * COUNT * 20);
    assert_all_were_found(&shards);
    let [first, others @ ..] = &strays(&shards)[..] else {
        panic!("there are shards");
    };
    assert!(*first >= 2 * 40 * 2, "{first} were handed on");
    assert!(others.iter().all(|&count| count == 0));
}

#[tokio::test]
async fn datagrams_fragments_and_pings_find_the_shard_that_asked() {
    let (shards, peer) = hosts();
    for theirs in PEER {
        let server = UdpSocket::bind_on(&peer, (ip(theirs), 0)).await.unwrap();
        let to = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = vec![0; 10_000];
            while let Ok((len, from)) = server.recv_from(&mut buffer).await {
                let _ = server.send_to(&buffer[..len], from).await;
            }
        });
        for (shard, net) in shards.nets().enumerate() {
            let socket = UdpSocket::bind_on(net, (unspecified(to), 0)).await.unwrap();
            let mut buffer = vec![0; 10_000];
            for len in [1, 1000, 9000] {
                socket.send_to(&vec![3; len], to).await.unwrap();
                let (got, from) = in_time(socket.recv_from(&mut buffer)).await.unwrap();
                assert_eq!((got, from), (len, to), "shard {shard}");
            }
            let ping = if to.is_ipv4() {
                PingSocket::new_v4_on(net).unwrap()
            } else {
                PingSocket::new_v6_on(net).unwrap()
            };
            ping.request(to.ip(), 5, b"ping").await.unwrap();
            let reply = in_time(ping.reply()).await.unwrap();
            assert_eq!(reply.seq, 5);
        }
    }
    assert_all_were_found(&shards);
}

/// RFC 4291 §2.6.1: of the prefix on the link, where the shards are a router.
#[tokio::test]
async fn datagrams_to_an_anycast_address_find_the_shard_that_has_the_port() {
    let (shards, peer) = hosts();
    for net in shards.nets() {
        net.set_forwarding("eth0", true).unwrap();
    }
    let asker = UdpSocket::bind_on(&peer, (ip(PEER[1]), 0)).await.unwrap();
    for (shard, net) in shards.nets().enumerate() {
        let socket = UdpSocket::bind_on(net, (ip("::"), 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        asker.send_to(b"hello", (ip("fd00::"), port)).await.unwrap();
        let mut buffer = [0; 9];
        let (got, from) = in_time(socket.recv_from(&mut buffer)).await.unwrap();
        assert_eq!(
            (&buffer[..got], from.ip()),
            (&b"hello"[..], ip(PEER[1])),
            "shard {shard}"
        );
    }
    assert_all_were_found(&shards);
}

fn unspecified(like: SocketAddr) -> IpAddr {
    if like.is_ipv4() {
        ip("0.0.0.0")
    } else {
        ip("::")
    }
}

/// Whose port it is about says nothing: a listener's is that of every shard.
#[tokio::test]
async fn an_icmp_error_finds_the_shard_of_its_flow() {
    let (shards, peer) = hosts();
    for theirs in PEER {
        let here = unspecified(SocketAddr::new(ip(theirs), 0));
        // All of them stay open: each shard has a socket of that port, but only one has sent there.
        for socket in &shards.bind_udp((here, 0)).await.unwrap() {
            let free = UdpSocket::bind_on(&peer, (ip(theirs), 0)).await.unwrap();
            let to = free.local_addr().unwrap();
            drop(free);
            socket.connect(to).await.unwrap();
            socket.send(b"anyone?").await.unwrap();
            let error = in_time(socket.recv(&mut [0])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    }
}

/// It chooses its identifiers itself: whose port that would be says nothing of who asked.
#[tokio::test]
async fn a_raw_socket_hears_all_that_its_shard_receives() {
    let (shards, _peer) = hosts();
    let socket = RawSocket::new_v4_on(shards.net(0), 1).unwrap();
    for ident in 0..3_u8 {
        let mut request = [8, 0, 0, 0, 0, ident, 0, 1];
        let sum = !(0x0800 + u16::from(ident) + 1);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
        socket.send_to(&request, ip(PEER[0])).await.unwrap();
        let mut packet = [0; 100];
        let (len, _) = in_time(socket.recv_from(&mut packet)).await.unwrap();
        assert_eq!((packet[20], packet[25], len), (0, ident, 28));
    }
}

/// What an input chain drops no socket has, though it would have gone on to another shard.
#[tokio::test]
async fn a_raw_socket_hears_nothing_that_the_filter_of_its_shard_drops() {
    let (shards, _peer) = hosts();
    let net = shards.net(0);
    let socket = RawSocket::new_v4_on(net, 1).unwrap();
    let rules = "table ip t { chain c { type filter hook input priority 0
        icmp type echo-reply @th,32,16 < 3 drop; } }";
    net.set_filter(rules.parse().unwrap()).unwrap();
    for ident in 0..4_u8 {
        let mut request = [8, 0, 0, 0, 0, ident, 0, 1];
        let sum = !(0x0800 + u16::from(ident) + 1);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
        socket.send_to(&request, ip(PEER[0])).await.unwrap();
    }
    let mut packet = [0; 100];
    let (len, _) = in_time(socket.recv_from(&mut packet)).await.unwrap();
    assert_eq!((packet[25], len), (3, 28), "the others are dropped");
    assert_eq!(net.stats().drops(DropReason::Filter), 3);
}

#[tokio::test]
async fn what_nobody_knows_is_refused_once() {
    let (shards, peer) = hosts();
    for ours in SHARDS {
        for port in 20_000..20_003 {
            let socket = UdpSocket::bind_on(&peer, (unspecified(SocketAddr::new(ip(ours), 0)), 0));
            let socket = socket.await.unwrap();
            socket.connect((ip(ours), port)).await.unwrap();
            socket.send(b"anyone?").await.unwrap();
            let error = in_time(socket.recv(&mut [0])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let connecting = TcpStream::connect_on(&peer, (ip(ours), port));
            let error = in_time(connecting).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    }
    // The ports' owners have refused them.
    for net in shards.nets() {
        let stats = net.stats();
        // One for each question, and for each time that a slow machine asks again.
        assert!(stats.drops(DropReason::NoSocket) >= 4);
        assert!(stats.tcp_resets_sent >= 2);
    }
    let [first, others @ ..] = &strays(&shards)[..] else {
        panic!("there are shards");
    };
    assert!(*first >= 8 && others.iter().all(|&count| count == 0));
}

#[tokio::test]
async fn every_shard_listens_at_one_address_and_they_end_together() {
    let (shards, peer) = hosts();
    let listeners = shards.listen((ip(SHARDS[0]), 0)).await.unwrap();
    let to = listeners[0].local_addr().unwrap();
    assert_eq!(listeners.len(), COUNT);
    for (net, listener) in shards.nets().zip(&listeners) {
        assert_eq!(listener.local_addr().unwrap(), to);
        let again = TcpListener::bind_on(net, to).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AddrInUse);
    }
    let mut listeners = listeners.into_iter();
    shards.spawn(0, echo(listeners.next().unwrap()));
    let mut stream = TcpStream::connect_on(&peer, to).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    in_time(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(strays(&shards), [0; COUNT]);
    drop(stream);
    let nets: Vec<Net> = shards.nets().cloned().collect();
    in_time(shards.shutdown()).await;
    for net in nets {
        assert!(TcpListener::bind_on(&net, to).await.is_err());
    }
}

#[tokio::test]
async fn there_is_no_host_of_no_shards() {
    let none = Shards::build("eth0", Vec::<Channel>::new(), |builder| builder);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidInput);
    let refused = Shards::build("eth0", [channel(1500).0], |builder| {
        builder.address("no address")
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}
