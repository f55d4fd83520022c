//! Our stack on an interface of the host, at the level of frames, in a namespace of its own.
#![cfg(target_os = "linux")]

use net_core::packet::PacketKind;
use net_core::udp::SendMeta;
use net_core::wire::EtherType;
use net_core::wire::vlan::VlanId;
use net_tokio::device::{Nic, NicStats, Tap, Trunk};
use net_tokio::{Net, PacketSocket, PingSocket, TcpListener, TcpStream};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;
use tests::hosts::pattern;
use tests::netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

const SIZE: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_millis(500);

/// The kernel is at one end of the cable, an interface without addresses at the other.
#[test]
fn streams_and_pings_cross_a_veth_pair_both_ways_in_both_families() {
    in_namespace(
        "streams_and_pings_cross_a_veth_pair_both_ways_in_both_families",
        || {
            set_up_veth();
            run(async {
                let nic = Nic::builder("veth1").build().expect("a packet socket");
                let stats = nic.stats();
                let net = Net::builder()
                    .device("eth0", nic)
                    .address("10.7.0.2/24")
                    .address("fd07::2/64")
                    .build()
                    .expect("a stack");
                net.wait_for_addresses().await;
                for (ours, theirs) in [("10.7.0.2", "10.7.0.1"), ("fd07::2", "fd07::1")] {
                    ping(&net, ip(theirs)).await;
                    kernel_connects(&net, ip(ours)).await;
                    kernel_accepts(&net, ip(theirs)).await;
                }
                untroubled(&stats);
                net.shutdown().await;
            });
        },
    );
}

#[test]
fn a_burst_for_a_packet_socket_and_one_from_it_take_few_system_calls() {
    in_namespace(
        "a_burst_for_a_packet_socket_and_one_from_it_take_few_system_calls",
        || {
            set_up_veth();
            run(async {
                let nic = Nic::builder("veth1").build().expect("a packet socket");
                let stats = nic.stats();
                let net = Net::builder()
                    .device("eth0", nic)
                    .address("10.7.0.2/24")
                    .build()
                    .expect("a stack");
                ping(&net, ip("10.7.0.1")).await;
                let ours = net_tokio::UdpSocket::bind_on(&net, "10.7.0.2:9").await;
                let ours = ours.expect("free");
                let kernel = UdpSocket::bind("10.7.0.1:9").expect("free");
                kernel.connect("10.7.0.2:9").expect("a way");
                kernel.set_read_timeout(Some(LIMIT)).expect("a limit");
                // Nobody polls meanwhile: the burst waits in the socket's ring.
                let before = stats.recv_calls();
                for number in 0..64 {
                    kernel.send(&[number; 1000]).expect("room");
                }
                let mut received = Vec::new();
                while received.len() < 64 {
                    ours.recv_many(&mut received, 64).await.expect("there");
                }
                let numbers = received.iter().map(|datagram| datagram.payload[0]);
                assert!(numbers.eq(0..64));
                let calls = stats.recv_calls() - before;
                assert!(calls < 64, "{calls} calls");
                let before = stats.send_calls();
                let to = SendMeta::to(kernel.local_addr().expect("bound"));
                let batch: Vec<_> = (0..64).map(|number| ([number; 1000], to)).collect();
                assert_eq!(ours.send_many(&batch).await.expect("room"), 64);
                let reading = spawn_blocking(move || {
                    let mut buffer = [0; 2000];
                    for number in 0..64 {
                        assert_eq!(kernel.recv(&mut buffer).expect("sent"), 1000);
                        assert_eq!(buffer[999], number);
                    }
                });
                reading.await.expect("they come in their order");
                let calls = stats.send_calls() - before;
                assert!(calls < 64, "{calls} calls");
                untroubled(&stats);
                net.shutdown().await;
            });
        },
    );
}

/// SPEC 97: the kernel takes tags out of frames on their way to a packet socket, and they are back in
/// their places; on their way through a TAP they are where they were.
#[test]
fn tags_survive_the_kernel_on_their_way_through_tap_and_packet_socket() {
    in_namespace(
        "tags_survive_the_kernel_on_their_way_through_tap_and_packet_socket",
        || {
            run(async {
                let tap = Tap::builder("tap0").build().expect("a TAP");
                quiet("tap0");
                let nic = Nic::builder("tap0").build().expect("a packet socket");
                let stats = nic.stats();
                let one = Trunk::new(tap).expect("an Ethernet");
                let two = Trunk::new(nic).expect("an Ethernet");
                let host = |trunk: &Trunk, number: u8| {
                    let mut net = Net::builder();
                    for id in [10, 20] {
                        let port = VlanId::new(id).map(|id| trunk.vlan(id));
                        let port = port.expect("a number").expect("the first");
                        let address = format!("10.7.{id}.{number}/24");
                        net = net.device(format!("eth0.{id}"), port).address(address);
                    }
                    let untagged = trunk.untagged().expect("the first");
                    let net = net.device("eth0", untagged);
                    let net = net.address(format!("10.7.0.{number}/24"));
                    net.build().expect("a stack")
                };
                let (one, two) = (host(&one, 1), host(&two, 2));
                for id in [10, 0, 20] {
                    ping(&one, IpAddr::from([10, 7, id, 2])).await;
                    ping(&two, IpAddr::from([10, 7, id, 1])).await;
                    between(&one, &two, IpAddr::from([10, 7, id, 2])).await;
                    between(&two, &one, IpAddr::from([10, 7, id, 1])).await;
                }
                let of_each_vlan = |net: &Net| {
                    let neighbors = net.neighbors();
                    let known = neighbors.iter().filter(|each| each.mac.is_some());
                    known.count()
                };
                assert_eq!((of_each_vlan(&one), of_each_vlan(&two)), (3, 3));
                untroubled(&stats);
                one.shutdown().await;
                two.shutdown().await;
            });
        },
    );
}

/// IEEE 802.1ad: the tag of a provider has a type of its own, which the kernel takes out, too.
#[test]
fn the_tag_of_a_provider_keeps_its_type() {
    in_namespace("the_tag_of_a_provider_keeps_its_type", || {
        run(async {
            let tap = Tap::builder("tap0").build().expect("a TAP");
            quiet("tap0");
            let nic = Nic::builder("tap0").build().expect("a packet socket");
            let host = Net::builder().device("eth0", tap);
            let one = host.address("10.7.0.1/24").build().expect("a stack");
            let host = Net::builder().device("eth0", nic);
            let two = host.address("10.7.0.2/24").build().expect("a stack");
            let raw = |net, ethertype| PacketSocket::new_on(net, PacketKind::Raw, ethertype);
            let sender = raw(&one, EtherType::NONE).expect("a socket");
            sender
                .bind(Some("eth0"), EtherType::NONE)
                .expect("it exists");
            let taps = raw(&two, EtherType::ALL).expect("a socket");
            for ethertype in [[0x88, 0xa8], [0x81, 0x00]] {
                let mut frame = vec![0xff; 12];
                frame.extend_from_slice(&ethertype);
                frame.extend_from_slice(&[0x20, 10, 0x88, 0xb5]);
                frame.resize(100, 7);
                sender.send(&frame).await.expect("sent");
                let got = taps.recv().await.expect("a frame");
                assert_eq!(got.payload, frame);
            }
            one.shutdown().await;
            two.shutdown().await;
        });
    });
}

/// The kernel keeps what nobody fetches for so long as there is room, and counts the rest.
#[test]
fn frames_that_find_the_ring_full_are_counted() {
    in_namespace("frames_that_find_the_ring_full_are_counted", || {
        set_up_veth();
        run(async {
            let nic = Nic::builder("veth1").build().expect("a packet socket");
            let stats = nic.stats();
            assert_eq!(stats.overruns(), 0);
            let kernel = UdpSocket::bind("10.7.0.1:0").expect("a port");
            kernel.set_broadcast(true).expect("an option");
            for _ in 0..FLOOD {
                kernel.send_to(&[7; 1000], "10.7.0.255:9").expect("sent");
            }
            assert!((1..FLOOD).contains(&stats.overruns()));
            // What was kept is fetched, and the interface works on.
            let net = Net::builder().device("eth0", nic).address("10.7.0.2/24");
            let net = net.build().expect("a stack");
            ping(&net, ip("10.7.0.1")).await;
            // Each counts once; beside them there is the ping.
            let fetched = net.stats().rx_packets;
            let counted = fetched + stats.overruns();
            assert!(
                fetched > 20 && counted < FLOOD + 100,
                "{fetched}, {counted}"
            );
            net.shutdown().await;
        });
    });
}

/// Many times what a socket's receive buffer has room for by default.
const FLOOD: u64 = 4000;

fn in_namespace(name: &str, body: impl FnOnce()) {
    netns::run(name, body);
}

fn run(body: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let done = runtime.block_on(async { timeout(LIMIT, body).await });
    done.expect("in time");
}

fn set_up_veth() {
    ip_command("link add veth0 type veth peer name veth1");
    quiet("veth1");
    ip_command("addr add 10.7.0.1/24 dev veth0");
    ip_command("addr add fd07::1/64 dev veth0 nodad");
    for name in ["veth0", "veth1"] {
        ip_command(&format!("link set {name} up"));
    }
}

/// Keeps the kernel from speaking IPv6 over an interface that is the stack's alone.
fn quiet(name: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    fs::write(path, "1").expect("the namespace's own");
}

fn ip_command(arguments: &str) {
    let arguments = arguments.split(' ');
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .expect("iproute2");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn untroubled(stats: &NicStats) {
    // What overran the ring has been sent again.
    let troubles = (stats.malformed(), stats.refused());
    assert_eq!(troubles, (0, 0), "overruns: {}", stats.overruns());
}

async fn ping(net: &Net, to: IpAddr) {
    let socket = match to {
        IpAddr::V4(_) => PingSocket::new_v4_on(net),
        IpAddr::V6(_) => PingSocket::new_v6_on(net),
    };
    let socket = socket.expect("a socket");
    let data = data(1400);
    // The kernel loses what comes before its address is ready.
    let reply = loop {
        socket.request(to, 1, &data).await.expect("sent");
        if let Ok(reply) = timeout(PATIENCE, socket.reply()).await {
            break reply.expect("an answer");
        }
    };
    assert_eq!((reply.from, reply.seq), (to, 1));
    assert!(reply.data == data);
}

/// The kernel sends a megabyte to our echo and reads it back.
async fn kernel_connects(net: &Net, ours: IpAddr) {
    let listener = TcpListener::bind_on(net, (ours, 0)).await.expect("a port");
    let to = listener.local_addr().expect("bound");
    let kernel = spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect_timeout(&to, LIMIT).expect("connected");
        let mut writer = stream.try_clone().expect("a second handle");
        let writing = std::thread::spawn(move || writer.write_all(&data(SIZE)).expect("sent"));
        let mut back = vec![0; SIZE];
        stream.read_exact(&mut back).expect("received");
        writing.join().expect("sent");
        assert!(back == data(SIZE));
    });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let (mut reader, mut writer) = stream.split();
    let echoed = tokio::io::copy(&mut reader, &mut writer).await;
    assert_eq!(echoed.expect("echoed"), SIZE as u64);
    kernel.await.expect("the kernel's side");
}

/// Our stack connects to a listener of the kernel's.
async fn kernel_accepts(net: &Net, theirs: IpAddr) {
    let listener = std::net::TcpListener::bind((theirs, 0)).expect("a port");
    let to = listener.local_addr().expect("bound");
    let kernel = spawn_blocking(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("received");
        assert!(got == data(SIZE));
    });
    let mut stream = TcpStream::connect_on(net, to).await.expect("connected");
    stream.write_all(&data(SIZE)).await.expect("sent");
    stream.shutdown().await.expect("finished");
    assert_eq!(stream.read(&mut [0]).await.expect("the end"), 0);
    kernel.await.expect("the kernel's side");
}

/// A stream from one stack of ours to the other.
async fn between(from: &Net, to: &Net, address: IpAddr) {
    let listener = TcpListener::bind_on(to, (address, 0))
        .await
        .expect("a port");
    let at = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect_on(from, at).await.expect("connected");
    let (mut server, _) = listener.accept().await.expect("a connection");
    let sent = data(100_000);
    let sending = async {
        client.write_all(&sent).await.expect("sent");
        client.shutdown().await.expect("finished");
    };
    let mut got = Vec::new();
    let ((), read) = tokio::join!(sending, server.read_to_end(&mut got));
    read.expect("received");
    assert!(got == sent);
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(pattern).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
