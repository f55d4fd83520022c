//! An interface that a real `dnsmasq` on the kernel's side configures by DHCP.
#![cfg(target_os = "linux")]

use net_core::iface::IpCidr;
use net_core::packet::{FrameClass, PacketKind};
use net_core::wire::EtherType;
use net_tokio::device::Tap;
use net_tokio::{Dhcp, Lease, Net, PacketSocket, TcpStream, lookup_host_on};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use tests::dnsmasq::{self, Dnsmasq};
use tokio::time::timeout;

#[test]
fn a_real_dnsmasq_leases_an_address_and_gets_it_back() {
    let name = "a_real_dnsmasq_leases_an_address_and_gets_it_back";
    with_dnsmasq(name, leased());
}

/// RFC 3442, RFC 3397, RFC 2132 §5.1.
#[test]
fn a_real_dnsmasq_tells_routes_domains_and_the_size_of_packets() {
    let name = "a_real_dnsmasq_tells_routes_domains_and_the_size_of_packets";
    with_dnsmasq(name, told());
}

/// RFC 2131 §4.4.5.
#[test]
fn a_lease_is_renewed_by_its_server_rebound_by_another_and_ends() {
    let name = "a_lease_is_renewed_by_its_server_rebound_by_another_and_ends";
    with_dnsmasq(name, extended());
}

/// RFC 2131 §3.1, 5.
#[test]
fn an_address_that_the_kernel_has_is_declined_and_another_one_leased() {
    let name = "an_address_that_the_kernel_has_is_declined_and_another_one_leased";
    with_dnsmasq(name, declined());
}

fn with_dnsmasq(name: &str, body: impl Future<Output = ()>) {
    if !dnsmasq::is_there(name) {
        return;
    }
    tests::netns::run(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(body);
    });
}

async fn leased() {
    let tap = Tap::builder("tap0")
        .host_address(SERVER.into(), 24)
        .host_address(Ipv4Addr::new(10, 7, 0, 53).into(), 24)
        .build()
        .expect("a TAP");
    let net = Net::builder().device("eth0", tap).build().expect("a stack");
    let dnsmasq = Dnsmasq::start("tap0", SERVER);
    let mut dhcp = Dhcp::start(&net, "eth0").expect("an Ethernet");
    let lease = bound(&mut dhcp).await;
    assert!((50..=60).contains(&lease.ip().octets()[3]), "{lease:?}");
    assert_eq!((lease.server, lease.address.prefix_len), (SERVER, 24));
    assert_eq!(lease.dns_servers, [Ipv4Addr::new(10, 7, 0, 53)]);
    assert_eq!(lease.domain.as_deref(), Some("example.test"));
    assert_eq!(lease.duration, Some(Duration::from_secs(120)));
    // By the server and in the domain that the lease names.
    let found: Vec<_> = lookup_host_on(&net, "db:80")
        .await
        .expect("known")
        .collect();
    assert_eq!(found, [SocketAddr::from(([10, 7, 0, 99], 80))]);
    // Over the default route, as nothing else says where that is.
    let stream = connected_elsewhere(&net).await;
    let local = stream.local_addr().expect("connected");
    assert_eq!(local.ip(), IpAddr::V4(lease.ip()));
    assert!(dnsmasq.leases().contains(&lease.ip().to_string()));
    (timeout(LIMIT, dhcp.release()).await)
        .expect("in time")
        .expect("sent");
    let interfaces = net.interfaces();
    let eth0 = interfaces.iter().find(|each| each.name == "eth0");
    assert!(eth0.expect("it is there").addresses.is_empty());
    let nobody = lookup_host_on(&net, "db:80").await.map(drop);
    let nobody = nobody.expect_err("the server went with the lease");
    assert_eq!(nobody.kind(), ErrorKind::Unsupported);
    until_free(&dnsmasq, &lease).await;
    net.shutdown().await;
}

async fn told() {
    let tap = Tap::builder("tap0")
        .host_address(SERVER.into(), 24)
        .host_address(Ipv4Addr::new(10, 7, 0, 53).into(), 24)
        .build()
        .expect("a TAP");
    let net = Net::builder().device("eth0", tap).build().expect("a stack");
    let routes = "192.0.2.0/24,10.7.0.1,198.51.100.0/24,0.0.0.0";
    let routes = format!("--dhcp-option=option:classless-static-route,{routes}");
    let more = [
        &routes,
        "--dhcp-option=option:mtu,1400",
        "--dhcp-option=option:domain-search,example.test,lan",
    ];
    let _dnsmasq = Dnsmasq::start_with("tap0", SERVER, &more);
    let mut dhcp = Dhcp::start(&net, "eth0").expect("an Ethernet");
    let lease = bound(&mut dhcp).await;
    let prefix = |address: [u8; 4]| IpCidr {
        address: address.into(),
        prefix_len: 24,
    };
    let routes = [
        (prefix([192, 0, 2, 0]), Some(SERVER)),
        (prefix([198, 51, 100, 0]), None),
    ];
    assert_eq!(lease.routes, routes);
    assert!(lease.routers.is_empty(), "they are told, and not read");
    assert_eq!(lease.mtu, Some(1400));
    assert_eq!(lease.search, ["example.test", "lan"]);
    let found = lookup_host_on(&net, "db:80").await.expect("known");
    let expected = SocketAddr::from(([10, 7, 0, 99], 80));
    assert_eq!(found.collect::<Vec<_>>(), [expected]);
    let stream = connected_elsewhere(&net).await;
    let info = stream.info().expect("connected");
    assert_eq!((info.path_mtu, info.advertised_mss), (Some(1400), 1360));
    let far = TcpStream::connect_on(&net, (Ipv4Addr::new(203, 0, 113, 1), 9)).await;
    let far = far.expect_err("no router leads there");
    assert_eq!(far.kind(), ErrorKind::NetworkUnreachable);
    net.shutdown().await;
}

async fn extended() {
    let tap = Tap::builder("tap0")
        .host_address(SERVER.into(), 24)
        .build()
        .expect("a TAP");
    let net = Net::builder().device("eth0", tap).build().expect("a stack");
    let sent = Sent::new(&net);
    // No lease of its is shorter than two minutes, but it may be asked again before that is over.
    let soon = [
        "--dhcp-option-force=option:T1,2",
        "--dhcp-option-force=option:T2,4",
    ];
    let dnsmasq = Dnsmasq::start_with("tap0", SERVER, &soon);
    let mut dhcp = Dhcp::start(&net, "eth0").expect("an Ethernet");
    let first = bound(&mut dhcp).await;
    let ours = first.ip();
    let request = async || loop {
        let message = sent.message().await;
        if message.kind == REQUEST && message.client == ours {
            return message.dest;
        }
    };
    let renewal = timeout(LIMIT, request()).await.expect("in time");
    assert_eq!(renewal, SERVER);
    dhcp.changed().await.expect("alive");
    assert_eq!(dhcp.lease(), Some(first.clone()));
    // Another one takes its place.
    drop(dnsmasq);
    let other = Ipv4Addr::new(10, 7, 0, 3);
    ip(&["address", "add", "10.7.0.3/24", "dev", "tap0"]);
    ip(&["address", "del", "10.7.0.1/24", "dev", "tap0"]);
    ip(&["address", "replace", "10.7.0.3/24", "dev", "tap0"]);
    let dnsmasq = Dnsmasq::start_with("tap0", other, &soon);
    let everybody = async { while request().await != Ipv4Addr::BROADCAST {} };
    timeout(LIMIT, everybody).await.expect("in time");
    let rebound = async {
        while dhcp.lease().is_some_and(|lease| lease.server == SERVER) {
            dhcp.changed().await.expect("alive");
        }
    };
    timeout(LIMIT, rebound).await.expect("in time");
    let lease = dhcp.lease().expect("it was extended");
    assert_eq!((lease.ip(), lease.server), (ours, other));
    // Then nobody answers, for two minutes.
    drop(dnsmasq);
    tokio::time::pause();
    let ended = async {
        while dhcp.lease().is_some() {
            dhcp.changed().await.expect("alive");
        }
    };
    // Of the virtual clock.
    (timeout(Duration::from_secs(600), ended).await).expect("it ends");
    tokio::time::resume();
    let interfaces = net.interfaces();
    let eth0 = interfaces.iter().find(|each| each.name == "eth0");
    let addresses = &eth0.expect("it is there").addresses;
    assert!(addresses.iter().all(|cidr| cidr.address != ours));
    let far = TcpStream::connect_on(&net, (Ipv4Addr::new(203, 0, 113, 1), 9)).await;
    let far = far.expect_err("the routes went with it");
    assert_eq!(far.kind(), ErrorKind::NetworkUnreachable);
    net.shutdown().await;
}

async fn declined() {
    let tap = Tap::builder("tap0")
        .host_address(SERVER.into(), 24)
        .build()
        .expect("a TAP");
    let net = Net::builder().device("eth0", tap).build().expect("a stack");
    let sent = Sent::new(&net);
    let dnsmasq = Dnsmasq::start("tap0", SERVER);
    let mut dhcp = Dhcp::start(&net, "eth0").expect("an Ethernet");
    let first = bound(&mut dhcp).await;
    (timeout(LIMIT, dhcp.release()).await)
        .expect("in time")
        .expect("sent");
    until_free(&dnsmasq, &first).await;
    // It would have the same again.
    let taken = format!("{}/32", first.ip());
    ip(&["address", "add", &taken, "dev", "tap0"]);
    let mut dhcp = Dhcp::start(&net, "eth0").expect("an Ethernet");
    let refusal = async { while sent.message().await.kind != DECLINE {} };
    timeout(LIMIT, refusal).await.expect("in time");
    assert_eq!(dhcp.lease(), None);
    // Ten seconds have to be over.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let second = bound(&mut dhcp).await;
    assert_ne!(second.ip(), first.ip());
    net.shutdown().await;
}

async fn bound(dhcp: &mut Dhcp) -> Lease {
    let bound = timeout(LIMIT, dhcp.bound()).await;
    bound.expect("in time").expect("alive")
}

/// Waits until the server knows that a lease was given back.
async fn until_free(dnsmasq: &Dnsmasq, lease: &Lease) {
    let free = async {
        while dnsmasq.leases().contains(&lease.ip().to_string()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, free).await.expect("in time");
}

/// A connection to an address of the kernel's that is not on the link.
async fn connected_elsewhere(net: &Net) -> TcpStream {
    ip(&["address", "add", "192.0.2.1/32", "dev", "lo"]);
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let stream = TcpStream::connect_on(net, (Ipv4Addr::new(192, 0, 2, 1), port));
    let stream = timeout(LIMIT, stream).await.expect("in time");
    stream.expect("connected")
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).status();
    assert!(done.expect("iproute2").success(), "{args:?}");
}

/// What our side says to servers.
struct Sent(PacketSocket);

/// Its type, where it goes to, and who says that he has which address.
struct Message {
    kind: u8,
    dest: Ipv4Addr,
    client: Ipv4Addr,
}

impl Sent {
    fn new(net: &Net) -> Self {
        let socket = PacketSocket::new_on(net, PacketKind::Cooked, EtherType::ALL);
        Self(socket.expect("a socket"))
    }

    async fn message(&self) -> Message {
        loop {
            let frame = self.0.recv().await.expect("alive");
            let is_ours = frame.class == FrameClass::Outgoing;
            if let Some(message) = message(&frame.payload).filter(|_| is_ours) {
                return message;
            }
        }
    }
}

/// Reads a packet without options of IPv4.
fn message(packet: &[u8]) -> Option<Message> {
    let address = |at: usize| {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    };
    let is_dhcp = packet.get(9) == Some(&17) && packet.get(22..24) == Some(&[0, 67]);
    let mut options = packet.get(28 + 240..).filter(|_| is_dhcp)?;
    let kind = loop {
        match *options {
            [53, 1, kind, ..] => break kind,
            [_, len, ref rest @ ..] => options = rest.get(usize::from(len)..)?,
            _ => return None,
        }
    };
    Some(Message {
        kind,
        dest: address(16)?,
        client: address(28 + 12)?,
    })
}

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
// RFC 2132 §9.6.
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;

const LIMIT: Duration = Duration::from_secs(30);
