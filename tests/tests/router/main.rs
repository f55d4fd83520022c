//! Our stack as a router, firewall and translator between two kernels: a client's namespace and a
//! server's, each behind a TUN of ours.
#![cfg(target_os = "linux")]

mod advertises;
mod anycast;
mod between;
mod ethernet;
mod leased;
mod options;
mod outside;
mod redirects;
mod serve;
mod tools;

use net_tokio::device::Tun;
use net_tokio::{Interface, Net};
use outside::Outside;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;
use tests::hosts::pattern;
use tokio::runtime::{Builder, Runtime};

const RULES: &str = r#"
table inet router {
    chain pre {
        type nat hook prerouting priority dstnat
        iifname "wan0" tcp dport 80 dnat to 10.7.0.9:8080
    }
    chain post {
        type nat hook postrouting priority srcnat
        oifname "wan0" masquerade
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "lan0" oifname "wan0" ct state new accept
        ct status dnat accept
        reject with icmpx admin-prohibited
    }
}
"#;

/// What our router runs on, beside the thread of the test.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn kernels_meet_through_our_translation_and_firewall() {
    let name = "kernels_meet_through_our_translation_and_firewall";
    tests::netns::run(name, || {
        let runtime = runtime();
        let net = runtime.block_on(async { router() });
        let outside = Outside::new();
        let route = outside.run(|| ip_command(["route", "add", "10.7.0.0/24", "dev", "wan0"]));
        route.join().expect("set up");
        a_stream_goes_out_with_the_routers_address(&outside);
        datagrams_come_back(&outside);
        a_closed_port_outside_is_reported();
        a_published_port_leads_to_the_client(&outside);
        what_nobody_asked_for_stays_outside(&outside);
        let flows = net.track_stats().expect("the rules ask about flows");
        assert!(flows.begun >= 4 && flows.related >= 1, "{flows:?}");
        runtime.block_on(net.shutdown());
    });
}

/// Our stack between `lan0`, whose other end stays here, and `wan0`.
fn router() -> Net {
    let net = Net::builder().build().expect("a stack");
    let lan = Tun::builder("lan0").host_address(ip("10.7.0.9"), 24);
    let lan = Interface::new("lan0", lan.build().expect("a TUN"));
    net.attach(lan.address("10.7.0.1/24")).expect("attached");
    let wan = Tun::builder("wan0").build().expect("a TUN");
    let wan = Interface::new("wan0", wan).address("10.9.0.1/24");
    net.attach(wan).expect("attached");
    net.set_filter(RULES.parse().expect("rules"))
        .expect("rules that can be");
    for interface in ["lan0", "wan0"] {
        net.set_forwarding(interface, true).expect("it is there");
    }
    ip_command(["route", "add", "default", "dev", "lan0"]);
    net
}

fn a_stream_goes_out_with_the_routers_address(outside: &Outside) {
    let bound = outside.run(|| TcpListener::bind("10.9.0.9:0").expect("a port"));
    let listener = bound.join().expect("bound");
    let server = listener.local_addr().expect("bound");
    let echo = outside.run(move || {
        let (mut stream, peer) = listener.accept().expect("a client");
        limit(&stream);
        let mut data = vec![0; SIZE];
        stream.read_exact(&mut data).expect("all of it");
        stream.write_all(&data).expect("and back");
        peer
    });
    let mut stream = TcpStream::connect_timeout(&server, LIMIT).expect("connected");
    limit(&stream);
    let sent: Vec<u8> = (0..SIZE).map(pattern).collect();
    stream.write_all(&sent).expect("all of it");
    let mut received = vec![0; SIZE];
    stream.read_exact(&mut received).expect("and back");
    assert!(received == sent, "a megabyte comes back as it was");
    assert_eq!(echo.join().expect("served").ip(), ip("10.9.0.1"));
}

fn datagrams_come_back(outside: &Outside) {
    let bound = outside.run(|| UdpSocket::bind("10.9.0.9:0").expect("a port"));
    let socket = bound.join().expect("bound");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    let server = socket.local_addr().expect("bound");
    let echo = outside.run(move || {
        let mut buffer = [0; 4000];
        let (len, peer) = socket.recv_from(&mut buffer).expect("a datagram");
        socket.send_to(&buffer[..len], peer).expect("sent");
    });
    let client = UdpSocket::bind("10.7.0.9:0").expect("a port");
    client.set_read_timeout(Some(LIMIT)).expect("a limit");
    // Two fragments or more, both ways.
    let sent: Vec<u8> = (0..3000).map(pattern).collect();
    client.send_to(&sent, server).expect("sent");
    let mut buffer = [0; 4000];
    let (len, peer) = client.recv_from(&mut buffer).expect("an answer");
    assert_eq!(peer, server);
    assert!(buffer[..len] == sent[..], "a datagram comes back as it was");
    echo.join().expect("served");
}

fn a_closed_port_outside_is_reported() {
    let client = UdpSocket::bind("10.7.0.9:0").expect("a port");
    client.set_read_timeout(Some(LIMIT)).expect("a limit");
    client.connect("10.9.0.9:9").expect("a peer");
    client.send(b"anybody?").expect("sent");
    let error = client.recv(&mut [0; 9]).expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

fn a_published_port_leads_to_the_client(outside: &Outside) {
    let listener = TcpListener::bind("10.7.0.9:8080").expect("a port");
    let caller = outside.run(|| {
        let to: SocketAddr = "10.9.0.1:80".parse().expect("an address");
        let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("connected");
        limit(&stream);
        let mut word = [0; 5];
        stream.read_exact(&mut word).expect("a word");
        word
    });
    let (mut stream, peer) = listener.accept().expect("a caller");
    assert_eq!(peer.ip(), ip("10.9.0.9"));
    stream.write_all(b"hello").expect("sent");
    assert_eq!(&caller.join().expect("called"), b"hello");
}

fn what_nobody_asked_for_stays_outside(outside: &Outside) {
    let _listener = TcpListener::bind("10.7.0.9:8081").expect("a port");
    let caller = outside.run(|| {
        let to: SocketAddr = "10.7.0.9:8081".parse().expect("an address");
        TcpStream::connect_timeout(&to, LIMIT).map(drop)
    });
    let error = caller.join().expect("tried").expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{error}");
}

fn limit(stream: &TcpStream) {
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.set_write_timeout(Some(LIMIT)).expect("a limit");
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Runs `ip` (iproute2).
fn ip_command<const N: usize>(words: [&str; N]) {
    let status = Command::new("ip").args(words).status().expect("iproute2");
    assert!(status.success(), "ip {words:?}");
}

const SIZE: usize = 1 << 20;
const LIMIT: Duration = Duration::from_secs(20);
