//! Our stack on an Ethernet with the kernel: a TAP in a namespace of its own.
#![cfg(target_os = "linux")]

use net_core::neighbor::NeighborState;
use net_tokio::device::{PacketIo, PcapTap, Tap};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::hosts::pattern;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

const OURS: [&str; 2] = ["10.7.0.2", "fd07::2"];
const THEIRS: [&str; 2] = ["10.7.0.1", "fd07::1"];

#[test]
fn streams_and_datagrams_cross_a_tap_both_ways_in_both_families() {
    in_namespace(
        "streams_and_datagrams_cross_a_tap_both_ways_in_both_families",
        true,
    );
}

#[test]
fn a_tap_without_offload_carries_the_same() {
    in_namespace("a_tap_without_offload_carries_the_same", false);
}

/// As on Windows, where that crate is the way to Wintun.
#[test]
fn a_device_of_the_crate_tun_carries_the_same() {
    tests::netns::run("a_device_of_the_crate_tun_carries_the_same", || {
        runtime().block_on(async {
            let mut config = tun::Configuration::default();
            config.tun_name("tun0").address(THEIRS[0]);
            config.netmask("255.255.255.0").mtu(1500).up();
            let device = tun::create_as_async(&config).expect("a TUN");
            let status = std::process::Command::new("ip")
                .args(["address", "add", "fd07::1/64", "dev", "tun0", "nodad"])
                .status();
            assert!(status.expect("ip").success());
            let device = PacketIo::new(device, 1500).expect("a device");
            let net = Net::builder()
                .device("tun0", device)
                .address("10.7.0.2/24")
                .address("fd07::2/64")
                .build()
                .expect("a stack");
            both_ways(&net).await;
            net.shutdown().await;
        });
    });
}

fn in_namespace(name: &str, offload: bool) {
    tests::netns::run(name, || {
        runtime().block_on(exchange(offload));
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn exchange(offload: bool) {
    let tap = Tap::builder("tap0")
        .offload(offload)
        .host_address(ip(THEIRS[0]), 24)
        .host_address(ip(THEIRS[1]), 64)
        .build()
        .expect("a TAP");
    let capture = Capture::default();
    let device = PcapTap::new(tap, "tap0", capture.clone()).expect("a capture");
    let net = Net::builder()
        .device("eth0", device)
        .address("10.7.0.2/24")
        .address("fd07::2/64")
        .build()
        .expect("a stack");
    net.wait_for_addresses().await;
    both_ways(&net).await;
    let known = net.neighbors();
    for theirs in THEIRS {
        let station = known.iter().find(|each| each.address == ip(theirs));
        let station = station.expect("it has been talked to");
        assert!(station.mac.is_some(), "{station:?}");
        assert_ne!(station.state, NeighborState::Incomplete);
    }
    net.shutdown().await;
    capture.shows_ethernet();
}

async fn both_ways(net: &Net) {
    for (ours, theirs) in OURS.into_iter().zip(THEIRS) {
        kernel_connects(net, ip(ours)).await;
        kernel_accepts(net, ip(theirs)).await;
        datagrams(net, ip(ours), ip(theirs)).await;
    }
}

/// The kernel sends a megabyte to our echo and reads it back.
async fn kernel_connects(net: &Net, ours: IpAddr) {
    let listener = TcpListener::bind_on(net, (ours, 0)).await.expect("a port");
    let to = listener.local_addr().expect("bound");
    let kernel = spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect_timeout(&to, LIMIT).expect("connected");
        limit(&stream);
        let sent = data();
        let mut writer = stream.try_clone().expect("a second handle");
        let writing = std::thread::spawn(move || writer.write_all(&data()).expect("sent"));
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).expect("received");
        writing.join().expect("sent");
        assert!(back == sent);
    });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let (mut reader, mut writer) = stream.split();
    let echo = tokio::io::copy(&mut reader, &mut writer);
    let count = tokio::time::timeout(LIMIT, echo).await.expect("in time");
    assert_eq!(count.expect("echoed"), SIZE as u64);
    kernel.await.expect("the kernel's side");
}

/// Our stack connects to a listener of the kernel's.
async fn kernel_accepts(net: &Net, theirs: IpAddr) {
    let listener = std::net::TcpListener::bind((theirs, 0)).expect("a port");
    let to = listener.local_addr().expect("bound");
    let kernel = spawn_blocking(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        limit(&stream);
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("received");
        assert!(got == data());
    });
    let mut stream = TcpStream::connect_on(net, to).await.expect("connected");
    stream.write_all(&data()).await.expect("sent");
    stream.shutdown().await.expect("finished");
    assert_eq!(stream.read(&mut [0]).await.expect("the end"), 0);
    kernel.await.expect("the kernel's side");
}

async fn datagrams(net: &Net, ours: IpAddr, theirs: IpAddr) {
    let socket = UdpSocket::bind_on(net, (ours, 0)).await.expect("a port");
    let kernel = std::net::UdpSocket::bind((theirs, 0)).expect("a port");
    kernel.set_read_timeout(Some(LIMIT)).expect("a limit");
    let to: SocketAddr = kernel.local_addr().expect("bound");
    socket.send_to(b"question", to).await.expect("sent");
    let kernel = spawn_blocking(move || {
        let mut buffer = [0; 64];
        let (len, from) = kernel.recv_from(&mut buffer).expect("received");
        assert_eq!(&buffer[..len], b"question");
        kernel.send_to(b"answer", from).expect("sent");
    });
    let mut buffer = [0; 64];
    let (len, from) = socket.recv_from(&mut buffer).await.expect("received");
    assert_eq!((&buffer[..len], from), (&b"answer"[..], to));
    kernel.await.expect("the kernel's side");
}

/// What the tap has written.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// Link type 1 is Ethernet; behind it is at least an ARP question of the broadcast address.
    fn shows_ethernet(&self) {
        let bytes = self.0.lock().expect("whole").clone();
        let interface = bytes[28..].to_vec();
        assert_eq!(interface[..4], 1_u32.to_le_bytes(), "an interface block");
        assert_eq!(interface[8..10], 1_u16.to_le_bytes(), "Ethernet");
        let arp = [0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00];
        assert!(bytes.windows(arp.len()).any(|window| window == arp));
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn data() -> Vec<u8> {
    (0..SIZE).map(pattern).collect()
}

fn limit(stream: &std::net::TcpStream) {
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.set_write_timeout(Some(LIMIT)).expect("a limit");
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const SIZE: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(20);
