//! One listener and one UDP socket of ours serve every address and port that a kernel, whose default route
//! is our TUN, connects to.
#![cfg(target_os = "linux")]

use net_core::udp::SendMeta;
use net_tokio::device::Tun;
use net_tokio::{Interface, Net, TcpListener, TcpSocket, UdpSocket};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket as KernelSocket};
use std::process::Command;
use std::time::Duration;
use tests::hosts::pattern;
use tests::netns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Nobody has these, and no two have anything in common.
const PLACES: [&str; 6] = [
    "192.0.2.7:80",
    "198.51.100.8:443",
    "203.0.113.1:1",
    "8.8.8.8:53",
    "[2001:db8::7]:80",
    "[2001:db8:9::1]:65535",
];

const RULES: &str = r#"
table inet proxy {
    chain pre {
        type filter hook prerouting priority mangle
        iifname "tun7" ip daddr != 10.7.0.2 meta l4proto { tcp, udp } tproxy to :1080 accept
        iifname "tun7" ip6 daddr 2000::/3 meta l4proto { tcp, udp } tproxy to :1080 accept
    }
}
"#;

#[test]
fn a_kernel_reaches_every_address_and_port_through_one_listener_and_one_socket() {
    let name = "a_kernel_reaches_every_address_and_port_through_one_listener_and_one_socket";
    netns::run(name, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let net = runtime.block_on(async { proxy() });
        let (listener, socket) = runtime.block_on(async { sockets(&net) });
        runtime.spawn(echo_streams(listener));
        runtime.spawn(echo_datagrams(socket));
        for place in PLACES.map(|place| place.parse().expect("an address")) {
            a_stream_comes_back(place);
            // In one piece, and in fragments.
            for len in [1, 1000, 4000] {
                a_datagram_comes_back(place, len);
            }
        }
        runtime.block_on(net.shutdown());
    });
}

/// Our stack behind `tun7`, which all of the kernel's routes lead to.
fn proxy() -> Net {
    let tun = Tun::builder("tun7").host_address("10.7.0.1".parse().expect("an address"), 24);
    let net = Net::builder().build().expect("a stack");
    let interface = Interface::new("tun7", tun.build().expect("a TUN"))
        .address("10.7.0.2/24")
        .address("fd07::2/64");
    net.attach(interface).expect("attached");
    net.set_filter(RULES.parse().expect("rules"))
        .expect("rules that can be");
    for words in [
        "route add default dev tun7",
        "-6 address add fd07::1/64 dev tun7 nodad",
        "-6 route add default dev tun7",
    ] {
        let status = Command::new("ip").args(words.split(' ')).status();
        assert!(status.expect("iproute2").success(), "ip {words}");
    }
    net
}

fn sockets(net: &Net) -> (TcpListener, UdpSocket) {
    let any: SocketAddr = "[::]:1080".parse().expect("an address");
    let listener = TcpSocket::new_v6_on(net).expect("a socket");
    listener.set_transparent(true).expect("an option");
    listener.bind(any).expect("a port");
    let socket = UdpSocket::new_v6_on(net).expect("a socket");
    socket.set_transparent(true).expect("an option");
    socket.bind_to(any).expect("a port");
    (listener.listen(16).expect("a listener"), socket)
}

/// Says on each connection where it was to go, and gives back what comes.
async fn echo_streams(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("a client");
        tokio::spawn(async move {
            let meant = shown(stream.local_addr().expect("connected"));
            stream.write_all(meant.as_bytes()).await.expect("sent");
            let mut data = vec![0; SIZE];
            stream.read_exact(&mut data).await.expect("received");
            stream.write_all(&data).await.expect("sent");
        });
    }
}

/// Gives each datagram back, from where it was to go.
async fn echo_datagrams(socket: UdpSocket) {
    loop {
        let datagram = socket.recv_datagram().await.expect("a datagram");
        let answer = SendMeta::answer(&datagram);
        let sent = socket.send_with(&datagram.payload, answer).await;
        sent.expect("sent");
    }
}

fn a_stream_comes_back(place: SocketAddr) {
    let mut stream = TcpStream::connect_timeout(&place, LIMIT).expect("connected");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut meant = vec![0; shown(place).len()];
    stream.read_exact(&mut meant).expect("an address");
    assert_eq!(meant, shown(place).as_bytes());
    let data: Vec<u8> = (0..SIZE).map(pattern).collect();
    let mut writer = stream.try_clone().expect("a handle");
    let sending = std::thread::spawn({
        let data = data.clone();
        move || writer.write_all(&data).expect("sent")
    });
    let mut received = vec![0; SIZE];
    stream.read_exact(&mut received).expect("received");
    sending.join().expect("sent");
    assert!(received == data, "it comes back as it was");
}

fn a_datagram_comes_back(place: SocketAddr, len: usize) {
    let any = if place.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = KernelSocket::bind(any).expect("a port");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    let data: Vec<u8> = (0..len).map(pattern).collect();
    socket.send_to(&data, place).expect("sent");
    let mut buffer = vec![0; len + 1];
    let (got, from) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!(from, place);
    assert!(buffer[..got] == data[..], "it comes back as it was");
}

/// An address as its own family writes it.
fn shown(addr: SocketAddr) -> String {
    SocketAddr::new(addr.ip().to_canonical(), addr.port()).to_string()
}

const SIZE: usize = 200_000;
const LIMIT: Duration = Duration::from_secs(20);
