//! Addresses that no interface has: what comes for them, and what is sent from them.

use net_core::Seed;
use net_core::iface::IpCidr;
use net_core::udp::SendMeta;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Net, TcpListener, TcpSocket, TcpStream, UdpSocket};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A client, and the stack that its default routes lead to.
fn link() -> (Net, Net) {
    let config = LinkConfig::default;
    let (near, far) = pair(config(), config(), Seed::from_u64(7));
    let client = Net::builder()
        .device("link0", near)
        .address("10.0.0.1/24")
        .address("fd00::1/64")
        .route("0.0.0.0/0", ip("10.0.0.2"))
        .route("::/0", ip("fd00::2"));
    let server = Net::builder()
        .device("link0", far)
        .address("10.0.0.2/24")
        .address("fd00::2/64");
    let client = client.build().expect("a stack");
    (client, server.build().expect("a stack"))
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(address: &str, prefix_len: u8) -> IpCidr {
    let address = ip(address);
    IpCidr {
        address,
        prefix_len,
    }
}

/// Places beyond the client's link.
const ELSEWHERE: [&str; 3] = ["192.0.2.7:80", "192.0.2.8:80", "[2001:db8::7]:80"];

#[tokio::test(start_paused = true)]
async fn one_listener_serves_every_address_of_a_local_route() {
    let (client, server) = link();
    let routes = server.routes();
    routes.add_local(prefix("192.0.2.0", 24)).expect("a route");
    routes
        .ip_route("add local 2001:db8::/32 dev lo")
        .expect("a route");
    let listener = TcpListener::bind_on(&server, "[::]:80").await;
    let listener = listener.expect("a port");
    let socket = UdpSocket::bind_on(&server, "[::]:80").await;
    let socket = socket.expect("a port");
    for to in ELSEWHERE.map(addr) {
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect_on(&client, to));
        let (mut ours, mut theirs) = (ours.expect("a client").0, theirs.expect("connected"));
        let local = ours.local_addr().expect("connected");
        assert_eq!((local.ip().to_canonical(), local.port()), (to.ip(), 80));
        ours.write_all(b"hello").await.expect("sent");
        let mut word = [0; 5];
        theirs.read_exact(&mut word).await.expect("a word");
        let wildcard = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let asker = UdpSocket::bind_on(&client, wildcard).await.expect("a port");
        asker.connect(to).await.expect("a way");
        asker.send(b"question").await.expect("sent");
        let asked = socket.recv_datagram().await.expect("a datagram");
        assert_eq!(asked.dest.ip().to_canonical(), to.ip());
        let meta = SendMeta {
            source: Some(asked.dest.ip()),
            ..SendMeta::to(asked.source)
        };
        socket.send_with(b"answer", meta).await.expect("sent");
        // It is connected, and hears nobody else.
        assert_eq!(asker.recv(&mut [0; 9]).await.expect("an answer"), 6);
    }
    assert!(
        routes
            .remove_local(prefix("192.0.2.0", 24))
            .expect("a change")
    );
    let gone = UdpSocket::bind_on(&server, "192.0.2.7:80").await;
    let error = gone.expect_err("not ours any more");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
}

/// Everything that comes over the link goes to the sockets with port 1080.
const EVERYTHING: &str = "
    table inet proxy {
        chain pre {
            type filter hook prerouting priority mangle
            iifname link0 meta l4proto { tcp, udp } tproxy to :1080 accept
        }
    }";

#[tokio::test(start_paused = true)]
async fn a_proxy_takes_every_connection_and_every_datagram() {
    let (client, server) = link();
    server
        .set_filter(EVERYTHING.parse().expect("rules"))
        .expect("they fit");
    let socket = TcpSocket::new_v6_on(&server).expect("a socket");
    socket.set_transparent(true).expect("an option");
    socket.bind(addr("[::]:1080")).expect("a port");
    let listener = socket.listen(16).expect("a listener");
    let socket = UdpSocket::new_v6_on(&server).expect("a socket");
    socket.set_transparent(true).expect("an option");
    socket.bind_to(addr("[::]:1080")).expect("a port");
    for to in ["192.0.2.7:80", "198.51.100.8:443", "[2001:db8::7]:9"].map(addr) {
        let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect_on(&client, to));
        let (mut ours, mut theirs) = (ours.expect("a client").0, theirs.expect("connected"));
        assert!(
            ours.transparent().expect("an option"),
            "what is accepted is, too"
        );
        let local = ours.local_addr().expect("connected");
        assert_eq!(
            (local.ip().to_canonical(), local.port()),
            (to.ip(), to.port())
        );
        ours.write_all(b"hello").await.expect("sent");
        let mut word = [0; 5];
        theirs.read_exact(&mut word).await.expect("a word");
        let wildcard = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let asker = UdpSocket::bind_on(&client, wildcard).await.expect("a port");
        asker.connect(to).await.expect("a way");
        asker.send(b"question").await.expect("sent");
        let asked = socket.recv_datagram().await.expect("a datagram");
        let answer = SendMeta::answer(&asked);
        socket.send_with(b"answer", answer).await.expect("sent");
        assert_eq!(asker.recv(&mut [0; 9]).await.expect("an answer"), 6);
    }
}

/// A connection goes on from its client's own address: the far end sees no proxy.
#[tokio::test(start_paused = true)]
async fn a_proxy_connects_onwards_with_its_clients_address() {
    let (server, proxy) = link();
    let listener = TcpListener::bind_on(&server, "10.0.0.1:80").await;
    let listener = listener.expect("a port");
    let socket = TcpSocket::new_v4_on(&proxy).expect("a socket");
    let client = addr("192.0.2.9:5000");
    let error = socket.bind(client).expect_err("it has not asked");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    socket.set_transparent(true).expect("an option");
    socket.bind(client).expect("as it likes");
    let (accepted, stream) = tokio::join!(listener.accept(), socket.connect(addr("10.0.0.1:80")));
    assert_eq!(accepted.expect("a client").1, client);
    assert_eq!(
        stream.expect("connected").local_addr().expect("bound"),
        client
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_rule_has_redirected_tells_where_it_was_to_go() {
    let (client, server) = link();
    let listener = TcpListener::bind_on(&server, "0.0.0.0:3128").await;
    let listener = listener.expect("a port");
    let socket = UdpSocket::bind_on(&server, "0.0.0.0:3128").await;
    let socket = socket.expect("a port");
    let to = addr("10.0.0.2:3128");
    let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect_on(&client, to));
    let error = ours.expect("a client").0.original_dst();
    let error = error.expect_err("nobody follows flows");
    assert_eq!(
        (error.kind(), error.raw_os_error()),
        (ErrorKind::NotFound, Some(2))
    );
    drop(theirs);
    let rules = "table inet nat { chain pre { type nat hook prerouting priority dstnat
        meta l4proto { tcp, udp } redirect to :3128; } }";
    server
        .set_filter(rules.parse().expect("rules"))
        .expect("they fit");
    let to = addr("192.0.2.7:80");
    let (ours, theirs) = tokio::join!(listener.accept(), TcpStream::connect_on(&client, to));
    assert_eq!(
        theirs.expect("connected").peer_addr().expect("connected"),
        to
    );
    let (ours, _) = ours.expect("a client");
    assert_eq!(ours.local_addr().expect("connected"), addr("10.0.0.2:3128"));
    assert_eq!(ours.original_dst().expect("a flow"), to);
    let asker = UdpSocket::bind_on(&client, "0.0.0.0:0")
        .await
        .expect("a port");
    asker.send_to(b"question", to).await.expect("sent");
    let asked = socket.recv_datagram().await.expect("a datagram");
    assert_eq!(socket.original_dst(&asked).expect("a flow"), to);
}

/// A mark that makes an address this host's counts also on arrival: the loopback device keeps it.
#[tokio::test(start_paused = true)]
async fn a_marked_socket_reaches_its_own_host_by_a_local_route_of_the_mark() {
    let net = Net::builder().build().expect("a stack");
    let routes = net.routes();
    routes
        .ip_rule("add fwmark 1 lookup 100")
        .expect("a selector");
    routes
        .ip_route("add local 192.0.2.0/24 dev lo table 100")
        .expect("a route");
    let (any, to) = ("0.0.0.0:53", addr("192.0.2.7:53"));
    let socket = UdpSocket::bind_on(&net, any).await.expect("a port");
    let asker = UdpSocket::bind_on(&net, "0.0.0.0:0").await.expect("a port");
    asker.send_to(b"x", to).await.expect_err("no way");
    asker.set_mark(1).expect("a mark");
    asker.send_to(b"question", to).await.expect("a way");
    let asked = tokio::time::timeout(Duration::from_secs(9), socket.recv_datagram()).await;
    let asked = asked.expect("it arrives").expect("a datagram");
    assert_eq!((&asked.payload[..], asked.dest), (&b"question"[..], to));
}
