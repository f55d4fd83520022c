//! The example `router`, part by part, with an outer address that a real `dnsmasq` leases.

use crate::outside::Outside;
use crate::{LIMIT, ip_command, limit};
use examples::router::{OutsideAddress, RouterOptions};
use net_tokio::Dhcp;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use tests::dnsmasq::{self, Dnsmasq};
use tokio::time::timeout;

#[test]
fn a_client_goes_out_with_the_address_that_is_leased_to_the_router() {
    let name = "leased::a_client_goes_out_with_the_address_that_is_leased_to_the_router";
    if !dnsmasq::is_there(name) {
        return;
    }
    tests::netns::run(name, || {
        let runtime = super::runtime();
        let options = options();
        let net = runtime.block_on(async { options.build().expect("a router") });
        ip_command(["address", "add", "10.7.0.9/24", "dev", "lan0"]);
        ip_command(["route", "add", "default", "via", "10.7.0.1"]);
        let outside = Outside::new();
        let dnsmasq = outside.run(|| Dnsmasq::start("wan0", SERVER));
        let dnsmasq = dnsmasq.join().expect("started");
        let mut dhcp = runtime.block_on(async {
            let dhcp = options.lease(&net).expect("an Ethernet");
            dhcp.expect("an address that is leased")
        });
        let leased = runtime.block_on(bound(&mut dhcp));
        the_server_sees(&outside, leased);
        a_service_of_the_router_is_shut(&outside, leased);
        assert!(dnsmasq.leases().contains(&leased.to_string()));
        runtime.block_on(async {
            let released = timeout(LIMIT, dhcp.release()).await;
            released.expect("in time").expect("given back");
            net.shutdown().await;
        });
    });
}

fn options() -> RouterOptions {
    RouterOptions {
        inside_prefix6: None,
        inside: "lan0".to_owned(),
        inside_address: "10.7.0.1/24".to_owned(),
        outside: "wan0".to_owned(),
        outside_address: OutsideAddress::Leased,
        gateway: None,
        rules: None,
    }
}

async fn bound(dhcp: &mut Dhcp) -> Ipv4Addr {
    let lease = timeout(LIMIT, dhcp.bound()).await;
    let lease = lease.expect("in time").expect("alive");
    assert_eq!(lease.routers, [SERVER]);
    lease.ip()
}

/// A stream of the kernel's client reaches the kernel's server, which takes it for the router's. The
/// server is beyond the leased network, and so behind the router that the lease names.
fn the_server_sees(outside: &Outside, leased: Ipv4Addr) {
    let bound = outside.run(|| {
        ip_command(["address", "add", "192.0.2.1/32", "dev", "lo"]);
        TcpListener::bind("192.0.2.1:0").expect("a port")
    });
    let listener = bound.join().expect("bound");
    let server = listener.local_addr().expect("bound");
    let echo = outside.run(move || {
        let (mut stream, peer) = listener.accept().expect("a client");
        limit(&stream);
        let mut word = [0; 8];
        stream.read_exact(&mut word).expect("a word");
        stream.write_all(&word).expect("and back");
        peer
    });
    let mut stream = TcpStream::connect_timeout(&server, LIMIT).expect("connected");
    limit(&stream);
    stream.write_all(b"anybody?").expect("sent");
    let mut word = [0; 8];
    stream.read_exact(&mut word).expect("and back");
    assert_eq!(&word, b"anybody?");
    assert_eq!(echo.join().expect("served").ip(), IpAddr::V4(leased));
}

/// What nobody inside has asked for does not come in: a datagram to a port where nobody listens is not
/// even refused.
fn a_service_of_the_router_is_shut(outside: &Outside, leased: Ipv4Addr) {
    let asked = outside.run(move || {
        let socket = UdpSocket::bind((SERVER, 0)).expect("a port");
        socket.set_read_timeout(Some(SILENCE)).expect("a limit");
        socket
            .connect(SocketAddr::from((leased, 9)))
            .expect("a peer");
        socket.send(b"anybody?").expect("sent");
        socket.recv(&mut [0; 9]).expect_err("nobody answers")
    });
    let error = asked.join().expect("asked");
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
}

/// The kernel's address outside.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 9);
/// A port that is shut would have said so by then.
const SILENCE: std::time::Duration = std::time::Duration::from_millis(300);
