//! Names by DNS, over our own sockets to a server on our own stack.

use net_core::Seed;
use net_core::autoconf::AddressState;
use net_core::wire::ndp::{Lifetime, Preference, PrefixInformation, RouterAdvert};
use net_core::wire::{NdpMessage, NdpOption, ip};
use net_tokio::device::{LinkConfig, Switch, pair};
use net_tokio::{Net, RawSocket, TcpListener, TcpStream, UdpSocket, lookup_host, lookup_host_on};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

const SERVER: &str = "10.0.0.53:53";

/// A server of DNS that knows a few names, and how often it was asked over which transport.
#[derive(Default)]
struct Server {
    datagrams: AtomicUsize,
    streams: AtomicUsize,
    /// Who is before it with answers of their own.
    liar: Option<Liar>,
}

/// A station that answers what another was asked, as if it knew the query.
struct Liar {
    socket: UdpSocket,
    /// The address of who asks, on the liar's link.
    host: Ipv6Addr,
    lies: AtomicUsize,
}

impl Liar {
    /// Tells of another address than the true answer to a query that came from the port.
    async fn answer(&self, truth: &[u8], port: u16) {
        let has_records = truth[6..8] != [0, 0];
        if has_records {
            let mut lie = truth.to_vec();
            *lie.last_mut().expect("an address") ^= 1;
            let sent = self.socket.send_to(&lie, (self.host, port)).await;
            sent.expect("a way to the host");
            self.lies.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Server {
    /// The answers for a name; `None`: it keeps silent.
    fn records(name: &str, kind: u16) -> Option<Vec<IpAddr>> {
        let all: Vec<IpAddr> = match name {
            "one.example" => vec![[10, 0, 0, 53].into(), "fd07::53".parse().expect("one")],
            "global.example" => vec![[10, 0, 0, 53].into(), "2001:db8::53".parse().expect("one")],
            "many.example" => (1..=100).map(|last| [10, 9, 9, last].into()).collect(),
            "silent.example" => return None,
            _ => Vec::new(),
        };
        let wanted = |ip: &IpAddr| kind == if ip.is_ipv4() { A } else { AAAA };
        Some(all.into_iter().filter(wanted).collect())
    }

    /// The response to a query (RFC 1035 §4.1), of at most `limit` bytes.
    fn answer(query: &[u8], limit: usize) -> Option<Vec<u8>> {
        let (mut name, mut at) = (Vec::new(), 12);
        while query[at] > 0 {
            let len = usize::from(query[at]);
            name.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_lowercase());
            at += len + 1;
        }
        let question = &query[12..at + 5];
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let name = name.join(".");
        let records = Self::records(&name, kind)?;
        let known = Self::records(&name, A).is_some_and(|records| !records.is_empty());
        let mut body = Vec::new();
        for ip in &records {
            // The name is that of the question; class IN; an hour.
            body.extend([0xc0, 12, 0, kind.to_be_bytes()[1], 0, 1, 0, 0, 14, 16]);
            let octets = match ip {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            };
            body.extend([0, u8::try_from(octets.len()).expect("short")]);
            body.extend(octets);
        }
        let truncated = 12 + question.len() + body.len() > limit;
        let count = if truncated {
            0
        } else {
            u16::try_from(records.len()).expect("few")
        };
        let mut out = query[..2].to_vec();
        out.push(0x85 | if truncated { 2 } else { 0 });
        out.push(0x80 | if known { 0 } else { NXDOMAIN });
        out.extend([0, 1]);
        out.extend(count.to_be_bytes());
        out.extend([0; 4]);
        out.extend(question);
        if !truncated {
            out.extend(body);
        }
        Some(out)
    }

    async fn run(self: Arc<Self>, net: Net, at: &str) {
        let socket = UdpSocket::bind_on(&net, at).await.expect("free");
        let listener = TcpListener::bind_on(&net, at).await.expect("free");
        let server = self.clone();
        tokio::spawn(async move {
            let mut buf = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buf).await {
                server.datagrams.fetch_add(1, Ordering::Relaxed);
                if let Some(answer) = Self::answer(&buf[..len], 512) {
                    if let Some(liar) = &server.liar {
                        liar.answer(&answer, from.port()).await;
                    }
                    socket.send_to(&answer, from).await.expect("a route");
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let server = self.clone();
                tokio::spawn(async move {
                    while let Ok(len) = stream.read_u16().await {
                        server.streams.fetch_add(1, Ordering::Relaxed);
                        let mut query = vec![0; usize::from(len)];
                        stream.read_exact(&mut query).await.expect("a query");
                        let answer = Self::answer(&query, 65_535).expect("it is known");
                        let len = u16::try_from(answer.len()).expect("it fits");
                        stream.write_u16(len).await.expect("open");
                        stream.write_all(&answer).await.expect("open");
                    }
                });
            }
        });
    }
}

/// Of virtual time, for what routers bring about.
const MINUTE: Duration = Duration::from_secs(60);

const A: u16 = 1;
const AAAA: u16 = 28;
const NXDOMAIN: u8 = 3;

/// A client and the stack of its server, on a link of 5 ms.
async fn world(
    change: impl FnOnce(net_tokio::NetBuilder) -> net_tokio::NetBuilder,
) -> (Net, Net, Arc<Server>) {
    let link = LinkConfig {
        delay: Duration::from_millis(5),
        ..LinkConfig::default()
    };
    let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
    let client = Net::builder()
        .device("link0", near)
        .address("10.0.0.1/24")
        .address("fd07::1/64")
        .dns_server(SERVER.parse().expect("an address"));
    let client = change(client).build().expect("a stack");
    let host = Net::builder()
        .device("link0", far)
        .address("10.0.0.53/24")
        .address("fd07::53/64")
        .build()
        .expect("a stack");
    let server = Arc::new(Server::default());
    server.clone().run(host.clone(), SERVER).await;
    (client, host, server)
}

async fn look_up(net: &Net, host: &str) -> Vec<String> {
    let found = lookup_host_on(net, host).await.expect("known");
    let mut found: Vec<_> = found.map(|address| address.to_string()).collect();
    found.sort();
    found
}

#[tokio::test(start_paused = true)]
async fn a_name_leads_to_addresses_of_both_families() {
    let (client, _host, server) = world(|builder| builder).await;
    let expected = ["10.0.0.53:80", "[fd07::53]:80"];
    assert_eq!(look_up(&client, "one.example:80").await, expected);
    let asked = server.datagrams.load(Ordering::Relaxed);
    assert!(
        asked >= 2 && client.stats().udp_out >= 2,
        "over our own sockets"
    );
    // The answer holds for an hour.
    assert_eq!(look_up(&client, "ONE.example.:80").await, expected);
    assert_eq!(server.datagrams.load(Ordering::Relaxed), asked);
}

/// RFC 4007 §5: all links are in the one zone of global addresses.
#[tokio::test(start_paused = true)]
async fn a_server_with_a_global_address_is_asked_whatever_zone_is_given() {
    let switch = Switch::new();
    let builder = |address: &str| {
        let builder = Net::builder().device("eth0", switch.port());
        builder.address(address)
    };
    let host = builder("fd07::53/64").build().expect("a stack");
    host.wait_for_addresses().await;
    let server = Arc::new(Server::default());
    server.clone().run(host.clone(), "[fd07::53]:53").await;
    let client = builder("fd07::1/64").dns_server("[fd07::53%9]:53".parse().expect("an address"));
    let client = client.build().expect("a stack");
    client.wait_for_addresses().await;
    for name in ["one.example:80", "many.example:80"] {
        let found = lookup_host_on(&client, name).await;
        assert!(found.expect("known").count() > 0, "{name}");
    }
    assert!(server.streams.load(Ordering::Relaxed) >= 1);
}

#[tokio::test(start_paused = true)]
async fn sockets_take_names() {
    let (client, host, _server) = world(|builder| builder).await;
    let listener = TcpListener::bind_on(&host, "10.0.0.53:80").await;
    let listener = listener.expect("free");
    let stream = TcpStream::connect_on(&client, ("one.example", 80)).await;
    let stream = stream.expect("a listener");
    let to: SocketAddr = "10.0.0.53:80".parse().expect("an address");
    assert_eq!(stream.peer_addr().expect("open"), to);
    listener.accept().await.expect("a connection");
    let receiver = UdpSocket::bind_on(&host, to).await.expect("free");
    let sender = UdpSocket::bind_on(&client, "0.0.0.0:0")
        .await
        .expect("a port");
    sender.send_to(b"x", "one.example:80").await.expect("known");
    receiver.recv(&mut [0]).await.expect("data");
    // The stack is that of the scope.
    let found = client.scope(lookup_host("one.example:7")).await;
    assert!(found.expect("known").any(|address| address.port() == 7));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_comes_by_tcp() {
    let (client, _host, server) = world(|builder| builder).await;
    let found = look_up(&client, "many.example:1").await;
    assert_eq!(found.len(), 100);
    assert!(server.streams.load(Ordering::Relaxed) >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_has_is_not_found() {
    let (client, _host, _server) = world(|builder| builder).await;
    let error = TcpStream::connect_on(&client, "nobody.example:80").await;
    let error = error.expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("nobody.example"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_silent_times_out() {
    let (client, _host, server) = world(|builder| builder).await;
    let began = Instant::now();
    let found = lookup_host_on(&client, "silent.example:80").await;
    let error = found.map(drop).expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(began.elapsed() >= Duration::from_secs(5));
    assert!(server.datagrams.load(Ordering::Relaxed) >= 2, "asked again");
}

#[tokio::test(start_paused = true)]
async fn the_table_of_hosts_is_asked_first() {
    let (client, _host, server) =
        world(|builder| builder.hosts("10.0.0.9 one.example printer\n")).await;
    assert_eq!(look_up(&client, "one.example:80").await, ["10.0.0.9:80"]);
    assert_eq!(look_up(&client, "Printer:80").await, ["10.0.0.9:80"]);
    let both = ["127.0.0.1:80", "[::1]:80"];
    assert_eq!(look_up(&client, "localhost:80").await, both);
    assert_eq!(server.datagrams.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn short_names_are_tried_below_the_search_domain() {
    let (client, _host, _server) = world(|builder| builder.dns_search("example")).await;
    let expected = ["10.0.0.53:80", "[fd07::53]:80"];
    assert_eq!(look_up(&client, "one:80").await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_resolver_does_not_keep_its_stack_up() {
    let (client, _host, _server) = world(|builder| builder).await;
    let metrics = Handle::current().metrics();
    let up = metrics.num_alive_tasks();
    // A connection to the server stays open, and so does the task that reads from it.
    look_up(&client, "many.example:1").await;
    assert!(client.sockets() >= 1 && metrics.num_alive_tasks() > up);
    drop(client);
    while metrics.num_alive_tasks() >= up {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_said_by_build() {
    let mistakes = [
        Net::builder().hosts("10.0.0.999 one"),
        Net::builder()
            .dns_server((Ipv4Addr::LOCALHOST, 53).into())
            .dns_search("a..b"),
    ];
    for builder in mistakes {
        let error = builder.build().expect_err("a mistake");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

/// RFC 6724 §6.
#[tokio::test(start_paused = true)]
async fn of_several_addresses_the_one_that_is_reached_best_comes_first() {
    let hosts = "10.0.0.9 printer\n2001:db8::9 printer\n";
    for (own, order) in [("fd07::2/64", [4, 6]), ("2001:db8::1/64", [6, 4])] {
        let (client, _host, _server) = world(|net| net.address(own).hosts(hosts)).await;
        for name in ["global.example:80", "printer:80"] {
            let found = lookup_host_on(&client, name).await.expect("known");
            let found: Vec<_> = found.map(|to| if to.is_ipv4() { 4 } else { 6 }).collect();
            assert_eq!(found, order, "{name} from {own}");
        }
    }
}

/// RFC 8106: a router of ours tells a host of ours of its DNS server, and of the domain to search.
#[tokio::test(start_paused = true)]
async fn the_server_that_a_router_names_is_asked_for_as_long_as_it_is_named() {
    let switch = Switch::new();
    let client = Net::builder().device("eth0", switch.port()).autoconfigure();
    let client = client.build().expect("a stack");
    let router = Net::builder().device("eth0", switch.port());
    let router = router.address("fe80::53/64").address("fd07::53/64");
    let router = router.build().expect("a stack");
    router.wait_for_addresses().await;
    let server = Arc::new(Server::default());
    server.clone().run(router.clone(), "[fd07::53]:53").await;
    let link_local = address_of(&client, "eth0", |own| own.is_unicast_link_local());
    let link_local = timeout(MINUTE, link_local).await.expect("in time");
    advertise(&router, link_local, "fd07::53", 600).await;
    let global = address_of(&client, "eth0", |own| !own.is_unicast_link_local());
    timeout(MINUTE, global).await.expect("in time");
    let found = lookup_host_on(&client, "one:80").await.expect("known");
    let found: Vec<_> = found.map(|address| address.to_string()).collect();
    assert_eq!(found, ["[fd07::53]:80", "10.0.0.53:80"]);
    assert!(server.datagrams.load(Ordering::Relaxed) >= 2);
    advertise(&router, link_local, "fd07::53", 0).await;
    let forgotten = async {
        while !client
            .interfaces()
            .iter()
            .all(|each| each.dns_servers.is_empty())
        {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(MINUTE, forgotten).await.expect("in time");
    let found = lookup_host_on(&client, "one:80").await.map(drop);
    let error = found.expect_err("nobody is to be asked");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

/// RFC 8106 §5.1, RFC 4007 §6: on the other link somebody else has the server's address, and answers first.
#[tokio::test(start_paused = true)]
async fn a_server_of_one_link_is_asked_over_that() {
    let (near, far) = (Switch::new(), Switch::new());
    let client = Net::builder()
        .device("eth0", near.port())
        .autoconfigure()
        .device("eth1", far.port())
        .autoconfigure();
    let client = client.build().expect("a stack");
    let station = |switch: &Switch| {
        let builder = Net::builder().device("eth0", switch.port());
        builder.address("fe80::53/64").build().expect("a stack")
    };
    let (other, router) = (station(&near), station(&far));
    other.wait_for_addresses().await;
    router.wait_for_addresses().await;
    let unasked = UdpSocket::bind_on(&other, "[fe80::53]:53").await;
    let near_host = address_of(&client, "eth0", |own| own.is_unicast_link_local());
    let liar = Liar {
        socket: unasked.expect("free"),
        host: timeout(MINUTE, near_host).await.expect("in time"),
        lies: AtomicUsize::new(0),
    };
    let server = Arc::new(Server {
        liar: Some(liar),
        ..Server::default()
    });
    server.clone().run(router.clone(), "[fe80::53]:53").await;
    let link_local = address_of(&client, "eth1", |own| own.is_unicast_link_local());
    let link_local = timeout(MINUTE, link_local).await.expect("in time");
    advertise(&router, link_local, "fe80::53", 600).await;
    let global = address_of(&client, "eth1", |own| !own.is_unicast_link_local());
    timeout(MINUTE, global).await.expect("in time");
    // By datagrams, and by a stream where that is too much for one.
    let found = lookup_host_on(&client, "one:80").await.expect("known");
    let found: Vec<_> = found.map(|address| address.to_string()).collect();
    assert_eq!(found, ["[fd07::53]:80", "10.0.0.53:80"]);
    let found = lookup_host_on(&client, "many:80").await.expect("known");
    assert_eq!(found.count(), 100);
    assert!(server.datagrams.load(Ordering::Relaxed) >= 2);
    assert!(server.streams.load(Ordering::Relaxed) >= 1);
    let liar = server.liar.as_ref().expect("there is one");
    assert_eq!(liar.lies.load(Ordering::Relaxed), 2, "for A and AAAA");
    let heard = liar.socket.try_recv_from(&mut [0; 512]);
    let nothing = heard.expect_err("nobody asks over that link");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
}

/// Waits until an interface has an address of its own making.
async fn address_of(net: &Net, name: &str, is_meant: impl Fn(Ipv6Addr) -> bool) -> Ipv6Addr {
    loop {
        let interfaces = net.interfaces();
        let all = interfaces.iter().filter(|each| each.name == name);
        let mut all = all.flat_map(|each| &each.states);
        let found = all.find_map(|status| match status.cidr.address {
            IpAddr::V6(v6) if status.state == AddressState::Preferred && is_meant(v6) => Some(v6),
            _ => None,
        });
        if let Some(found) = found {
            return found;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Tells a host of a prefix, and of a server and a domain to search for so many seconds.
async fn advertise(router: &Net, host: Ipv6Addr, server: &str, seconds: u32) {
    let message = NdpMessage::RouterAdvert(RouterAdvert {
        hop_limit: 64,
        managed: false,
        other: false,
        preference: Preference::Medium,
        lifetime: 1800,
        reachable_time: 0,
        retrans_timer: 0,
    });
    let lifetime = Lifetime(seconds);
    let servers = [server.parse::<Ipv6Addr>().expect("an address").octets()];
    let options = [
        NdpOption::Prefix(PrefixInformation {
            prefix: "fd07::".parse().expect("a prefix"),
            prefix_len: 64,
            on_link: true,
            autonomous: true,
            valid: Lifetime(7200),
            preferred: Lifetime(3600),
        }),
        NdpOption::DnsServers {
            lifetime,
            servers: &servers,
        },
        NdpOption::DnsSearch {
            lifetime,
            domains: b"\x07example\0",
        },
    ];
    let mut bytes = Vec::new();
    message.emit(&options, &mut bytes);
    let socket = RawSocket::new_v6_on(router, ip::ICMPV6).expect("a socket");
    socket.set_ttl(255).expect("a number of hops");
    let sent = socket.send_to(&bytes, host.into()).await;
    sent.expect("a way to the host");
}
