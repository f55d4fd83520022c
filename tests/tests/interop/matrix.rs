//! The combinations that every test runs through, and the world that each of them makes.

use crate::kernel::{Peer, blocking};
use crate::longest::{Longest, Watched};
use net_core::socket::TcpOption;
use net_core::stats::DropReason;
use net_core::{Config, DeviceCaps};
use net_tokio::device::{Device as _, Tun};
use net_tokio::{Net, TcpListener, TcpSocket, TcpStream};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use std::{fmt, fs, thread};
use tests::netns;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// One combination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The TUN takes and gives super-segments and leaves checksums to the other side.
    pub(crate) offload: bool,
    /// The stack and its sockets run on several threads.
    pub(crate) multi: bool,
    /// IPv6, else IPv4.
    pub(crate) v6: bool,
    /// Who connects.
    pub(crate) opener: Opener,
    /// Largest IP packet.
    pub(crate) mtu: u16,
}

/// The side that begins: connects, or sends the first datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opener {
    Kernel,
    Ours,
}

/// Our stack at one end of a TUN, the kernel at the other.
pub(crate) struct World {
    pub(crate) row: Row,
    pub(crate) net: Net,
    /// What the kernel has agreed to do on the TUN.
    pub(crate) caps: DeviceCaps,
    /// The kernel's address on the TUN.
    pub(crate) host: IpAddr,
    /// Our stack's address.
    pub(crate) stack: IpAddr,
    /// Options of our sockets, set before the connection is made.
    pub(crate) options: Vec<TcpOption>,
    /// The longest packet that our stack has sent.
    pub(crate) longest: Longest,
}

/// Runs the test `test_name` in a namespace, once per row at MTU 1500.
pub(crate) fn each_row(test_name: &str, body: impl AsyncFn(World)) {
    rows(test_name, &Row::all(), body);
}

/// Runs the test `test_name` in a namespace, once per given row.
pub(crate) fn rows(test_name: &str, rows: &[Row], body: impl AsyncFn(World)) {
    rows_with(test_name, rows, |_| {}, body);
}

/// The same where our stack is configured otherwise.
pub(crate) fn rows_with(
    test_name: &str,
    rows: &[Row],
    change: impl Fn(&mut Config),
    body: impl AsyncFn(World),
) {
    run(test_name, rows, LIMIT, change, body);
}

/// Runs the test `test_name` in a namespace, once per given row, each of which may take `limit`.
pub(crate) fn rows_within(
    test_name: &str,
    rows: &[Row],
    limit: Duration,
    body: impl AsyncFn(World),
) {
    run(test_name, rows, limit, |_| {}, body);
}

fn run(
    test_name: &str,
    rows: &[Row],
    limit: Duration,
    change: impl Fn(&mut Config),
    body: impl AsyncFn(World),
) {
    netns::run_for(test_name, Duration::from_secs(60) + limit, || {
        for row in rows {
            println!("{row}");
            row.run(limit, &change, &body);
        }
    });
}

impl Row {
    /// Every combination at MTU 1500.
    pub(crate) fn all() -> Vec<Self> {
        const BOTH: [bool; 2] = [false, true];
        let mut all = Vec::new();
        for offload in BOTH {
            for multi in BOTH {
                for v6 in BOTH {
                    for opener in [Opener::Kernel, Opener::Ours] {
                        all.push(Self {
                            offload,
                            multi,
                            v6,
                            opener,
                            mtu: 1500,
                        });
                    }
                }
            }
        }
        all
    }

    /// Those on one thread.
    pub(crate) fn on_one_thread() -> Vec<Self> {
        Self::all().into_iter().filter(|row| !row.multi).collect()
    }

    /// Bytes of the IP header.
    pub(crate) fn ip_header(self) -> u16 {
        if self.v6 { 40 } else { 20 }
    }

    fn run(self, limit: Duration, change: &impl Fn(&mut Config), body: &impl AsyncFn(World)) {
        self.runtime().block_on(async {
            let world = self.world(change);
            let net = world.net.clone();
            timeout(limit, body(world))
                .await
                .unwrap_or_else(|_| panic!("{self} took longer than {limit:?}"));
            let stats = net.stats();
            // Whatever the test did, no packet between the two was malformed.
            for reason in MALFORMED {
                assert_eq!(stats.drops(reason), 0, "{reason}");
            }
            net.shutdown().await;
        });
    }

    fn runtime(self) -> Runtime {
        let mut builder = match self.multi {
            false => Builder::new_current_thread(),
            true => Builder::new_multi_thread(),
        };
        builder.enable_all().build().expect("a runtime")
    }

    fn world(self, change: &impl Fn(&mut Config)) -> World {
        let tun = Tun::builder("tun7")
            .mtu(self.mtu)
            .offload(self.offload)
            .host_address(HOST_V4, 24)
            .host_address(HOST_V6, 64)
            .build()
            .expect("a TUN");
        wait_for_ipv6();
        let mut config = Config::default();
        config.tcp.rto_initial = Duration::from_millis(200);
        change(&mut config);
        let caps = tun.caps();
        let longest = Longest::default();
        let device = Watched {
            device: tun,
            longest: longest.clone(),
        };
        let net = Net::builder()
            .config(config)
            .device("tun7", device)
            .address("10.7.0.2/24")
            .address("fd07::2/64")
            .gateway(HOST_V4)
            .gateway(HOST_V6)
            .build()
            .expect("a stack");
        let (host, stack) = if self.v6 {
            (HOST_V6, "fd07::2")
        } else {
            (HOST_V4, "10.7.0.2")
        };
        World {
            row: self,
            net,
            caps,
            host,
            stack: stack.parse().expect("an address"),
            options: Vec::new(),
            longest,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "IPv{}, {:?} opens, offload {}, {}, MTU {}",
            if self.v6 { 6 } else { 4 },
            self.opener,
            if self.offload { "on" } else { "off" },
            if self.multi {
                "several threads"
            } else {
                "one thread"
            },
            self.mtu
        )
    }
}

impl World {
    /// A connection: our end of it and the kernel's.
    pub(crate) async fn pair(&self) -> (TcpStream, Peer) {
        match self.row.opener {
            Opener::Kernel => {
                let listener = self.listen();
                let to = listener.local_addr().expect("bound");
                let peer = blocking(move || Peer::connect(to).expect("connected"));
                let (ours, from) = listener.accept().await.expect("a connection");
                let peer = peer.await;
                assert_eq!(peer.stream().local_addr().expect("connected"), from);
                (ours, peer)
            }
            Opener::Ours => {
                let listener = Peer::listen(self.host);
                let to = listener.local_addr().expect("bound");
                let ours = self.connect(to).await;
                let (peer, from) = blocking(move || Peer::accept(&listener)).await;
                assert_eq!(ours.local_addr().expect("connected"), from);
                (ours, peer)
            }
        }
    }

    /// A listener of ours on a free port.
    pub(crate) fn listen(&self) -> TcpListener {
        let socket = self.socket();
        socket.bind(SocketAddr::new(self.stack, 0)).expect("a port");
        socket.listen(1024).expect("a listener")
    }

    /// A connection of ours to `to`.
    pub(crate) async fn connect(&self, to: SocketAddr) -> TcpStream {
        self.socket().connect(to).await.expect("connected")
    }

    /// A socket of ours with the world's options.
    pub(crate) fn socket(&self) -> TcpSocket {
        let socket = match self.row.v6 {
            false => TcpSocket::new_v4_on(&self.net),
            true => TcpSocket::new_v6_on(&self.net),
        }
        .expect("a socket");
        for &option in &self.options {
            socket.set_option(option).expect("an option");
        }
        socket
    }
}

/// Waits until the kernel receives for its IPv6 address: it gets round to that after the call that
/// adds the address, and loses what comes before.
fn wait_for_ipv6() {
    let local_route = "fd070000000000000000000000000001 80 ";
    let end = Instant::now() + LIMIT;
    loop {
        let routes = fs::read_to_string("/proc/net/ipv6_route").expect("the kernel has IPv6");
        if routes.lines().any(|line| line.starts_with(local_route)) {
            return;
        }
        assert!(Instant::now() < end, "no route to the kernel's own address");
        thread::sleep(Duration::from_millis(1));
    }
}

const HOST_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 7, 0, 1));
const HOST_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, 0, 1));

/// What one row may take, where a test does not say otherwise.
const LIMIT: Duration = Duration::from_secs(10);

const MALFORMED: [DropReason; 8] = [
    DropReason::Truncated,
    DropReason::IpHeader,
    DropReason::IpChecksum,
    DropReason::TransportChecksum,
    DropReason::TransportHeader,
    DropReason::BadFlags,
    DropReason::BadAck,
    DropReason::BadOffload,
];
