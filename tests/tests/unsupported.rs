//! What has no mechanism behind it is refused, never ignored: each row of the list in `docs/mechanisms.md`.
#![cfg(target_os = "linux")]

use net_core::config::CongestionAlgorithm;
use net_core::packet::PacketKind;
use net_core::socket::{
    Domain, Entry, Family, Handler, Protocol, Request, Shutdown, SocketOps, SocketType, TcpOption,
};
use net_core::wire::EtherType;
use net_core::{Config, Instant, Seed, SocketError, SocketId, Stack};
use net_tokio::{Net, Socket, UdpSocket, lookup_host_on};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tests::documents::read;

/// A row of the list, and whether what it names refuses.
type Row = (&'static str, fn() -> Vec<bool>);

const ROWS: [Row; 9] = [
    (
        "`listen` and `accept` on sockets of datagrams and of packets",
        connections,
    ),
    (
        "addresses of packet sockets: `bind`, `connect`, `disconnect`, `local_addr`, `peer_addr`",
        addresses,
    ),
    (
        "`shutdown` on sockets of datagrams and of packets",
        directions,
    ),
    (
        "operations that a plugged protocol leaves out (`SocketOps`)",
        left_out,
    ),
    (
        "`disconnect` on sockets of a plugged protocol",
        stay_connected,
    ),
    ("fast open, asked for by a client or a listener", fast_open),
    (
        "traffic class and multicast options of IPv6, read of an IPv4 socket",
        options_of_ipv6,
    ),
    (
        "congestion control of a name that nobody has",
        unknown_congestion,
    ),
    (
        "names in no table of hosts, without the feature `dns` or a server",
        unknown_names,
    ),
];

#[test]
fn what_is_not_there_yet_says_so() {
    let document = read("docs/mechanisms.md");
    let (_, list) = document
        .split_once("## What says `Unsupported`")
        .expect("the list");
    let rows = list.lines().filter_map(|line| line.strip_prefix("| "));
    let listed: Vec<&str> = rows
        .skip(1)
        .filter_map(|row| row.split(" | ").next())
        .collect();
    assert_eq!(listed, ROWS.map(|(row, _)| row));
    for (row, refused) in ROWS {
        let refused = refused();
        assert!(
            !refused.is_empty() && !refused.contains(&false),
            "{row}: {refused:?}"
        );
    }
}

/// A stack with a socket of datagrams, one of packets, and one that has been plugged in.
struct Sockets {
    stack: Stack,
    datagrams: SocketId,
    packets: SocketId,
    plugged: SocketId,
}

/// A protocol that can do nothing.
#[derive(Debug)]
struct Nothing;

impl SocketOps for Nothing {}

impl Sockets {
    fn new() -> Self {
        let mut stack = Stack::new(Config::default(), Seed::from_u64(1), NOW);
        let (domain, socket_type) = (Domain(40), SocketType::STREAM);
        let families = stack.families_mut();
        families.register(domain).expect("a free number");
        let make = |_: Request| Ok(Box::new(Nothing) as Box<dyn SocketOps>);
        let handler = Handler::Plugged(Box::new(make));
        let entry = Entry::new(socket_type, Protocol(1), handler);
        families.add(domain, entry).expect("room");
        let request = Request {
            domain,
            socket_type,
            protocol: Protocol(1),
        };
        Self {
            datagrams: stack.udp_open(Family::V4).expect("a socket"),
            packets: stack
                .packet_open(PacketKind::Raw, EtherType::ALL)
                .expect("a socket"),
            plugged: stack.socket(request).expect("a socket"),
            stack,
        }
    }
}

fn refuses<T>(outcome: Result<T, SocketError>) -> bool {
    matches!(outcome, Err(SocketError::Unsupported(_)))
}

fn connections() -> Vec<bool> {
    let mut sockets = Sockets::new();
    let ids = [sockets.datagrams, sockets.packets];
    let listened = ids.map(|id| refuses(sockets.stack.listen(id, 1)));
    let accepted = ids.map(|id| refuses(sockets.stack.accept(id)));
    [listened.to_vec(), accepted.to_vec(), connections_of_tasks()].concat()
}

/// The same asked of net-tokio, which refuses by itself.
fn connections_of_tasks() -> Vec<bool> {
    with_net(async |net| {
        let mut refused = Vec::new();
        for mut socket in without_connections(net) {
            refused.push(is_unsupported(socket.listen(1)));
            refused.push(is_unsupported(socket.accept().await.map(drop)));
        }
        refused
    })
}

/// A socket of datagrams and one of packets, as tasks have them.
fn without_connections(net: &Net) -> [Socket; 2] {
    let every = socket2::Protocol::from(i32::from(EtherType::ALL.0.to_be()));
    [
        (socket2::Domain::IPV4, socket2::Type::DGRAM, None),
        (socket2::Domain::PACKET, socket2::Type::RAW, Some(every)),
    ]
    .map(|(domain, socket_type, protocol)| {
        Socket::new_on(net, domain, socket_type, protocol).expect("a socket")
    })
}

fn addresses() -> Vec<bool> {
    let Sockets {
        mut stack, packets, ..
    } = Sockets::new();
    vec![
        refuses(stack.bind(packets, at())),
        refuses(stack.connect(packets, at(), NOW)),
        refuses(stack.disconnect(packets, NOW)),
        refuses(stack.local_addr(packets)),
        refuses(stack.peer_addr(packets)),
    ]
}

fn directions() -> Vec<bool> {
    let mut sockets = Sockets::new();
    let ids = [sockets.datagrams, sockets.packets];
    let ended = ids.map(|id| refuses(sockets.stack.shutdown(id, Shutdown::Both, NOW)));
    let of_tasks = with_net(async |net| {
        without_connections(net)
            .map(|socket| is_unsupported(socket.shutdown(std::net::Shutdown::Both)))
    });
    [ended, of_tasks].concat()
}

fn left_out() -> Vec<bool> {
    let Sockets {
        mut stack, plugged, ..
    } = Sockets::new();
    vec![
        refuses(stack.bind(plugged, at())),
        refuses(stack.connect(plugged, at(), NOW)),
        refuses(stack.listen(plugged, 1)),
        refuses(stack.accept(plugged)),
        refuses(stack.plugged_send(plugged, b"data", None)),
        refuses(stack.plugged_recv(plugged, &mut [0])),
        refuses(stack.shutdown(plugged, Shutdown::Both, NOW)),
        refuses(stack.local_addr(plugged)),
        refuses(stack.peer_addr(plugged)),
    ]
}

fn stay_connected() -> Vec<bool> {
    let Sockets {
        mut stack, plugged, ..
    } = Sockets::new();
    vec![refuses(stack.disconnect(plugged, NOW))]
}

fn fast_open() -> Vec<bool> {
    let mut config = Config::default();
    config.tcp.fast_open.client = false;
    config.tcp.fast_open.server = false;
    let mut stack = Stack::new(config, Seed::from_u64(1), NOW);
    let id = stack.tcp_open(Family::V4).expect("a socket");
    let asked = [TcpOption::FastOpenConnect(true), TcpOption::FastOpen(1)];
    let refused = asked.map(|option| refuses(stack.set_tcp_option(id, option, NOW)));
    refused.to_vec()
}

fn options_of_ipv6() -> Vec<bool> {
    with_net(async |net| {
        let socket = UdpSocket::bind_on(net, "127.0.0.1:0")
            .await
            .expect("a port");
        let outcomes = [
            socket.tclass_v6().map(drop),
            socket.multicast_hops_v6().map(drop),
            socket.multicast_if_v6().map(drop),
            socket.multicast_loop_v6().map(drop),
            socket.multicast_all_v6().map(drop),
        ];
        outcomes.map(is_unsupported).to_vec()
    })
}

fn unknown_congestion() -> Vec<bool> {
    vec![refuses("vegas".parse::<CongestionAlgorithm>())]
}

fn unknown_names() -> Vec<bool> {
    with_net(async |net| {
        let found = lookup_host_on(net, "nobody.example:80").await;
        vec![is_unsupported(found.map(drop))]
    })
}

fn is_unsupported(outcome: std::io::Result<()>) -> bool {
    outcome.is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

fn with_net<R>(body: impl AsyncFnOnce(&Net) -> R) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { body(&Net::builder().build().expect("a stack")).await })
}

fn at() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

const NOW: Instant = Instant::ZERO;
