//! A stack for each queue of a TUN, all with the same addresses, against the kernel.
#![cfg(target_os = "linux")]

use net_core::stats::DropReason;
use net_tokio::device::Tun;
use net_tokio::{Shards, TcpListener, TcpStream, UdpSocket};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;
use tests::netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const COUNT: usize = 3;
const CONNECTIONS: usize = 200;
const OURS: [&str; 2] = ["10.7.0.2", "fd07::2"];
const THEIRS: [&str; 2] = ["10.7.0.1", "fd07::1"];
const LIMIT: Duration = Duration::from_secs(20);

/// SPEC 115: what belongs to a flow comes to the thread of who reads it.
#[test]
fn connections_to_one_address_are_divided_among_shards_and_stay_there() {
    let name = "connections_to_one_address_are_divided_among_shards_and_stay_there";
    in_namespace(name, async |shards| {
        let mut open = Vec::new();
        for ours in OURS {
            let listeners = shards.listen((ip(ours), 0)).await.expect("a port");
            let to = listeners[0].local_addr().expect("bound");
            for (shard, listener) in listeners.into_iter().enumerate() {
                shards.spawn(shard, serve(shard, listener));
            }
            let kernel = thread::spawn(move || kernel_connects(to));
            let (served, streams) = joined(kernel).await;
            open.push(streams);
            assert_eq!(served.iter().sum::<usize>(), CONNECTIONS);
            assert!(served.iter().all(|&count| count > 0), "{served:?}");
            println!("{ours}: {served:?} connections");
        }
        assert_nothing_strayed(shards);
    });
}

#[test]
fn shards_connect_to_the_kernel_and_never_from_the_same_port() {
    let name = "shards_connect_to_the_kernel_and_never_from_the_same_port";
    in_namespace(name, async |shards| {
        let (mut open, mut theirs_open) = (Vec::new(), Vec::new());
        for theirs in THEIRS {
            let listener = std::net::TcpListener::bind((ip(theirs), 0)).expect("a port");
            let to = listener.local_addr().expect("bound");
            let kernel = thread::spawn(move || {
                let mut streams = Vec::new();
                for _ in 0..CONNECTIONS * COUNT {
                    let (mut stream, _) = listener.accept().expect("a connection");
                    let mut word = [0; 4];
                    stream.read_exact(&mut word).expect("received");
                    stream.write_all(&word).expect("sent");
                    streams.push(stream);
                }
                streams
            });
            let asking: Vec<_> = (0..COUNT)
                .map(|shard| shards.spawn(shard, ask(to)))
                .collect();
            let mut ends = BTreeSet::new();
            for (shard, asked) in asking.into_iter().enumerate() {
                for stream in asked.await.expect("answers") {
                    let end = stream.local_addr().expect("open");
                    assert_eq!(usize::from(end.port()) % COUNT, shard);
                    assert!(ends.insert(end), "{end} twice");
                    open.push(stream);
                }
            }
            assert_eq!(ends.len(), CONNECTIONS * COUNT);
            theirs_open.push(joined(kernel).await);
        }
        assert_nothing_refused(shards);
        // A SYN-ACK is there before the TUN has noted from which queue the SYN came: two of three stray.
        let strays: u64 = shards.nets().map(|net| net.stats().strays).sum();
        assert!(strays > 0);
    });
}

#[test]
fn datagrams_of_one_sender_stay_on_one_shard() {
    let name = "datagrams_of_one_sender_stay_on_one_shard";
    in_namespace(name, async |shards| {
        for (ours, theirs) in OURS.into_iter().zip(THEIRS) {
            let sockets = shards.bind_udp((ip(ours), 0)).await.expect("a port");
            let to = sockets[0].local_addr().expect("bound");
            for (shard, socket) in sockets.into_iter().enumerate() {
                shards.spawn(shard, answer(shard, socket));
            }
            let kernel = thread::spawn(move || {
                let mut served = [0; COUNT];
                for _ in 0..CONNECTIONS {
                    let socket = std::net::UdpSocket::bind((ip(theirs), 0)).expect("a port");
                    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
                    socket.connect(to).expect("a way");
                    let mut shard = None;
                    for _ in 0..3 {
                        socket.send(b"who?").expect("sent");
                        let mut answer = [0];
                        socket.recv(&mut answer).expect("an answer");
                        assert_eq!(*shard.get_or_insert(answer[0]), answer[0]);
                    }
                    served[usize::from(shard.expect("three answers"))] += 1;
                }
                served
            });
            let served = joined(kernel).await;
            assert!(served.iter().all(|&count| count > 0), "{served:?}");
        }
        assert_nothing_strayed(shards);
    });
}

#[test]
fn a_tun_has_as_many_queues_as_it_was_made_for() {
    netns::run("a_tun_has_as_many_queues_as_it_was_made_for", || {
        for count in [0, 257] {
            let error = Tun::builder("tun9")
                .build_queues(count)
                .expect_err("no such");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        let single = Tun::builder("tun9").build().expect("a TUN");
        assert!(Tun::builder("tun9").build_queues(2).is_err());
        drop(single);
        let queues = Tun::builder("tun9").mtu(1400).build_queues(4);
        let queues = queues.expect("a TUN");
        assert_eq!(queues.len(), 4);
        assert!(queues.iter().all(|queue| queue.name() == "tun9"));
        assert!(Tun::builder("tun9").build().is_err());
    });
}

fn in_namespace(name: &str, test: impl AsyncFnOnce(&Shards)) {
    netns::run(name, || {
        let queues = Tun::builder("tun9")
            .host_address(ip(THEIRS[0]), 24)
            .host_address(ip(THEIRS[1]), 64)
            .build_queues(COUNT)
            .expect("a TUN");
        let shards = Shards::build("eth0", queues, |builder| {
            builder.address("10.7.0.2/24").address("fd07::2/64")
        });
        let shards = shards.expect("shards");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let test = tokio::time::timeout(Duration::from_secs(100), test(&shards));
            test.await.expect("in time");
            shards.shutdown().await;
        });
    });
}

/// Everything has come to the shard that it is for.
fn assert_nothing_strayed(shards: &Shards) {
    assert_nothing_refused(shards);
    for net in shards.nets() {
        assert_eq!(net.stats().strays, 0);
    }
}

/// Everything has come to a socket. Connections are to be open yet: of what their ends say twice, one
/// comes to nobody.
fn assert_nothing_refused(shards: &Shards) {
    for net in shards.nets() {
        let stats = net.stats();
        assert_eq!(stats.drops(DropReason::NoSocket), 0);
        assert_eq!(stats.tcp_resets_sent, 0);
    }
}

/// Says to each connection which shard it has found, and sends back what comes.
async fn serve(shard: usize, listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        net_tokio::spawn(async move {
            let thread = thread::current();
            assert_eq!(thread.name(), Some(&*format!("net-tokio shard {shard}")));
            let shard = u8::try_from(shard).expect("few");
            stream.write_all(&[shard]).await.expect("sent");
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write)
                .await
                .expect("echoed");
        });
    }
}

/// Connections of the kernel's, all open at once; how many each shard serves.
fn kernel_connects(to: SocketAddr) -> ([usize; COUNT], Vec<std::net::TcpStream>) {
    let mut served = [0; COUNT];
    let mut streams: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let stream = std::net::TcpStream::connect_timeout(&to, LIMIT).expect("connected");
            stream.set_read_timeout(Some(LIMIT)).expect("a limit");
            stream
        })
        .collect();
    for stream in &mut streams {
        let mut shard = [0];
        stream.read_exact(&mut shard).expect("a shard");
        served[usize::from(shard[0])] += 1;
    }
    for round in 0..3 {
        for stream in &mut streams {
            stream.write_all(&[round; 1000]).expect("sent");
        }
        for stream in &mut streams {
            let mut back = [0; 1000];
            stream.read_exact(&mut back).expect("received");
            assert_eq!(back, [round; 1000]);
        }
    }
    (served, streams)
}

/// Connections that have had their answer and stay open, so that no port is chosen again.
async fn ask(to: SocketAddr) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(to).await.expect("connected");
        stream.write_all(b"ping").await.expect("sent");
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.expect("received");
        assert_eq!(&word, b"ping");
        open.push(stream);
    }
    open
}

async fn answer(shard: usize, socket: UdpSocket) {
    let shard = u8::try_from(shard).expect("few");
    let mut buffer = [0; 16];
    while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
        socket.send_to(&[shard], from).await.expect("sent");
    }
}

async fn joined<T: Send + 'static>(thread: thread::JoinHandle<T>) -> T {
    let joining = tokio::task::spawn_blocking(|| thread.join());
    joining.await.expect("no panic").expect("the kernel's side")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
