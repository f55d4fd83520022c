//! What sockets of the core answer to uses, misuses and many users at once.

use net_core::socket::{Family, IpOption, PathMtuMode, TcpOption};
use net_core::tcp::SendFlags;
use net_core::time::Duration;
use net_core::{Config, SocketError, SocketId};
use std::net::SocketAddr;
use tests::hosts::{Impairment, Pair, address, pattern};

const MINUTE: Duration = Duration::from_secs(60);

fn pair(change: impl FnOnce(&mut Config)) -> Pair {
    let mut config = Config::default();
    change(&mut config);
    Pair::new(1, 1500, &config, Impairment::default())
}

/// SPEC 13.
#[test]
fn two_stacks_bind_the_same_address_and_port() {
    let mut pair = pair(|_| {});
    for host in &mut pair.hosts {
        let id = host.stack.tcp_open(Family::V4).expect("a socket");
        let any = SocketAddr::new(Family::V4.unspecified(), 80);
        assert_eq!(host.stack.bind(id, any), Ok(()));
    }
}

/// How many connections host 1 has to accept now.
fn accept_all(pair: &mut Pair, listener: SocketId) -> usize {
    let stack = &mut pair.hosts[1].stack;
    std::iter::from_fn(|| stack.accept(listener).ok()).count()
}

/// SPEC 22: `somaxconn` bounds what listen() asks for.
#[test]
fn a_backlog_is_at_most_what_the_stack_allows() {
    let mut pair = pair(|config| config.tcp.max_backlog = 2);
    let (listener, addr) = pair.listen(false, 1000);
    for _ in 0..10 {
        pair.open(0, addr);
    }
    pair.run(Duration::from_millis(500));
    // As in the kernel, a backlog of 2 holds three.
    assert_eq!(accept_all(&mut pair, listener), 3);
    pair.run(MINUTE);
    assert_eq!(accept_all(&mut pair, listener), 3, "the others wait");
}

/// SPEC 23.
#[test]
fn listening_again_changes_nothing_but_the_backlog() {
    let mut pair = pair(|_| {});
    let (listener, addr) = pair.listen(false, 0);
    pair.open(0, addr);
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.hosts[1].stack.listen(listener, 10), Ok(()));
    for _ in 0..5 {
        pair.open(0, addr);
    }
    pair.run(Duration::from_millis(100));
    assert_eq!(accept_all(&mut pair, listener), 6);
}

/// SPEC 24.
#[test]
fn a_port_that_was_taken_between_bind_and_listen_is_in_use() {
    let mut pair = pair(|_| {});
    let now = pair.now;
    let stack = &mut pair.hosts[1].stack;
    let ids = [0; 2].map(|_| {
        let id = stack.tcp_open(Family::V4).expect("a socket");
        stack
            .set_tcp_option(id, TcpOption::ReuseAddress(true), now)
            .expect("an option");
        stack
            .bind(id, SocketAddr::new(address(1, false), 80))
            .expect("shared");
        id
    });
    assert_eq!(stack.listen(ids[0], 1), Ok(()));
    assert_eq!(stack.listen(ids[1], 1), Err(SocketError::AddressInUse));
}

/// SPEC 28.
#[test]
fn only_listeners_accept() {
    let mut pair = pair(|_| {});
    let (client, server) = pair.connect(false);
    for (host, id) in [(0, client), (1, server)] {
        let outcome = pair.hosts[host].stack.accept(id);
        assert!(matches!(outcome, Err(SocketError::InvalidInput(_))));
    }
}

/// SPEC 30.
#[test]
fn a_second_connect_says_where_the_first_stands() {
    let mut pair = pair(|_| {});
    let (_, addr) = pair.listen(false, 1);
    let client = pair.open(0, addr);
    let again = |pair: &mut Pair| pair.hosts[0].stack.connect(client, addr, pair.now);
    assert_eq!(again(&mut pair), Err(SocketError::AlreadyInProgress));
    pair.run(Duration::from_millis(100));
    assert_eq!(again(&mut pair), Err(SocketError::AlreadyConnected));
}

/// SPEC 118.
#[test]
fn what_was_never_connected_is_not_read() {
    let mut pair = pair(|_| {});
    let (listener, _) = pair.listen(false, 1);
    let fresh = pair.hosts[1].stack.tcp_open(Family::V4).expect("a socket");
    for id in [listener, fresh] {
        assert_eq!(
            pair.recv(1, id, &mut [0; 8]),
            Err(SocketError::NotConnected)
        );
    }
}

/// One connection of several between the hosts.
struct Flow {
    ids: [SocketId; 2],
    sent: usize,
    received: usize,
}

impl Flow {
    fn several(pair: &mut Pair, count: usize) -> Vec<Self> {
        let flow = |_| {
            let (client, server) = pair.connect(false);
            Self {
                ids: [client, server],
                sent: 0,
                received: 0,
            }
        };
        (0..count).map(flow).collect()
    }

    /// Host 0 sends what there is room for, of `len` bytes.
    fn write(&mut self, pair: &mut Pair, len: usize) {
        while self.sent < len {
            let end = len.min(self.sent + 8192);
            let data: Vec<u8> = (self.sent..end).map(pattern).collect();
            match pair.send(0, self.ids[0], &data) {
                Ok(count) => self.sent += count,
                Err(error) => {
                    assert_eq!(error, SocketError::WouldBlock);
                    return;
                }
            }
        }
    }

    /// Host 1 reads what there is.
    fn read(&mut self, pair: &mut Pair) {
        let mut buf = [0; 16384];
        loop {
            match pair.recv(1, self.ids[1], &mut buf) {
                Ok(count) => {
                    for &byte in &buf[..count] {
                        assert_eq!(byte, pattern(self.received));
                        self.received += 1;
                    }
                }
                Err(error) => {
                    assert_eq!(error, SocketError::WouldBlock);
                    return;
                }
            }
        }
    }
}

/// SPEC 59: a budget for a fraction of what all flows would like to keep.
#[test]
fn a_small_memory_budget_slows_a_hundred_flows_and_stops_none() {
    const LEN: usize = 200_000;
    let mut pair = pair(|config| config.memory = 500_000);
    let mut flows = Flow::several(&mut pair, 100);
    let until = pair.now + MINUTE * 60;
    while flows.iter().any(|flow| flow.received < LEN) {
        for flow in &mut flows {
            flow.write(&mut pair, LEN);
            flow.read(&mut pair);
        }
        let used = pair.hosts.each_ref().map(|host| host.stack.memory_used());
        assert!(used.into_iter().max() < Some(2_500_000), "{used:?}");
        assert!(pair.step(until), "stuck");
    }
}

/// SPEC 116.
#[test]
fn a_reader_that_sleeps_slows_no_other_connection() {
    const LEN: usize = 3_000_000;
    let time = |sleepers: usize| {
        let mut pair = pair(|_| {});
        let mut flows = Flow::several(&mut pair, 1 + sleepers);
        for flow in &mut flows[1..] {
            flow.write(&mut pair, 8 << 20);
        }
        pair.run(MINUTE);
        let (begin, until) = (pair.now, pair.now + MINUTE);
        while flows[0].received < LEN {
            flows[0].write(&mut pair, LEN);
            flows[0].read(&mut pair);
            assert!(pair.step(until), "stuck");
        }
        pair.now.saturating_since(begin)
    };
    assert_eq!(time(20), time(0));
}

/// What has no mechanism behind it is refused, never ignored.
#[test]
fn what_is_not_there_yet_says_so() {
    let mut pair = pair(|_| {});
    let (client, _) = pair.connect(false);
    let now = pair.now;
    let stack = &mut pair.hosts[0].stack;
    let probe = IpOption::PathMtu(PathMtuMode::Probe);
    let urgent = stack
        .tcp(client, now)
        .expect("open")
        .send(b"!", SendFlags::URGENT)
        .map(drop);
    let datagrams = stack.udp_open(Family::V4).expect("a socket");
    for outcome in [
        stack.set_ip_option(client, probe),
        urgent,
        stack.disconnect(client),
        stack.listen(datagrams, 1),
    ] {
        assert!(matches!(outcome, Err(SocketError::Unsupported(_))));
    }
}
