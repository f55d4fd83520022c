//! What sockets of the core answer to uses, misuses and many users at once.

use net_core::config::SynCookies;
use net_core::socket::{Established, Family, IpOption, Options, Policy, TcpOption};
use net_core::time::Duration;
use net_core::{Config, SocketError, SocketId};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
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
    let mut pair = pair(|config| {
        config.tcp.max_backlog = 2;
        // What a cookie lets in finds no room later, and nobody remembers it.
        config.tcp.syn_cookies = SynCookies::Never;
    });
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

/// SPEC 19: what is bound to port 0 may share its port with connections to others.
#[test]
fn a_port_that_is_chosen_late_is_shared_between_peers() {
    let mut pair = pair(|config| config.ephemeral_ports = 50_000..=50_003);
    let servers = [0; 3].map(|_| pair.listen(false, 16).1);
    let from = SocketAddr::new(address(0, false), 0);
    let bind = |pair: &mut Pair, late: bool| {
        let now = pair.now;
        let stack = &mut pair.hosts[0].stack;
        let id = stack.tcp_open(Family::V4).expect("a socket");
        let option = TcpOption::BindAddressNoPort(late);
        stack.set_tcp_option(id, option, now).expect("an option");
        stack.bind(id, from).map(|()| id)
    };
    let mut clients = Vec::new();
    for server in servers {
        for _ in 0..4 {
            let id = bind(&mut pair, true).expect("no port taken");
            let stack = &mut pair.hosts[0].stack;
            assert_eq!(stack.local_addr(id), Ok(from), "no port yet");
            let begun = stack.connect(id, server, pair.now);
            assert_eq!(begun, Err(SocketError::InProgress));
            assert_ne!(stack.local_addr(id).expect("open").port(), 0);
            clients.push(id);
        }
        let id = bind(&mut pair, true).expect("no port taken");
        let drained = pair.hosts[0].stack.connect(id, server, pair.now);
        assert_eq!(drained, Err(SocketError::AddressNotAvailable));
    }
    pair.run(Duration::from_secs(1));
    for id in clients {
        let tcp = pair.hosts[0].stack.tcp(id, pair.now).expect("open");
        assert!(tcp.is_connected());
    }
    // Without the option the port is the socket's own.
    assert_eq!(bind(&mut pair, false), Err(SocketError::AddressInUse));
}

/// SPEC 19: 66,000 sockets with an address and a port each, more than there are ports.
#[test]
fn more_ports_are_chosen_late_than_there_are() {
    let mut pair = pair(|config| config.ephemeral_ports = 40_000..=61_999);
    let now = pair.now;
    let stack = &mut pair.hosts[0].stack;
    let from = SocketAddr::new(address(0, false), 0);
    let servers = [80, 81, 82].map(|port| SocketAddr::new(address(1, false), port));
    let mut flows = HashSet::new();
    for _ in 0..22_000 {
        for server in servers {
            let id = stack.tcp_open(Family::V4).expect("a socket");
            let option = TcpOption::BindAddressNoPort(true);
            stack.set_tcp_option(id, option, now).expect("an option");
            stack.bind(id, from).expect("no port taken");
            let begun = stack.connect(id, server, now);
            assert_eq!(begun, Err(SocketError::InProgress));
            flows.insert((server, stack.local_addr(id).expect("bound")));
        }
    }
    assert_eq!(flows.len(), 66_000);
}

#[test]
fn a_listener_without_a_port_gets_one_at_last() {
    let mut pair = pair(|_| {});
    let now = pair.now;
    let stack = &mut pair.hosts[1].stack;
    let id = stack.tcp_open(Family::V4).expect("a socket");
    let option = TcpOption::BindAddressNoPort(true);
    stack.set_tcp_option(id, option, now).expect("an option");
    let at = SocketAddr::new(address(1, false), 0);
    stack.bind(id, at).expect("no port taken");
    stack.listen(id, 1).expect("a free port");
    let to = stack.local_addr(id).expect("bound");
    assert_eq!((to.ip(), to.port() != 0), (at.ip(), true));
    let settings = stack.tcp_settings(id).expect("open");
    assert!(settings.bind_address_no_port);
    pair.open(0, to);
    pair.run(Duration::from_secs(1));
    assert_eq!(accept_all(&mut pair, id), 1);
}

/// SPEC 46.
#[test]
fn a_disconnected_stream_can_connect_anew() {
    let mut pair = pair(|_| {});
    let (client, server) = pair.connect(false);
    pair.send(0, client, b"unheard").expect("room");
    let now = pair.now;
    assert_eq!(pair.hosts[0].stack.disconnect(client, now), Ok(()));
    let stack = &mut pair.hosts[0].stack;
    assert_eq!(stack.peer_addr(client), Err(SocketError::NotConnected));
    assert_eq!(stack.memory_used(), 0);
    pair.run(Duration::from_secs(1));
    let got = pair.recv(1, server, &mut [0; 8]);
    assert_eq!(got, Err(SocketError::ConnectionReset));
    let (listener, to) = pair.listen(false, 1);
    let begun = pair.hosts[0].stack.connect(client, to, pair.now);
    assert_eq!(begun, Err(SocketError::InProgress));
    pair.run(Duration::from_secs(1));
    let (accepted, _) = pair.hosts[1].stack.accept(listener).expect("a client");
    pair.send(0, client, b"again").expect("room");
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.recv(1, accepted, &mut [0; 8]), Ok(5));
}

#[test]
fn a_disconnected_listener_keeps_its_address_and_nothing_else() {
    let mut pair = pair(|_| {});
    let (listener, to) = pair.listen(false, 1);
    let client = pair.open(0, to);
    pair.run(Duration::from_secs(1));
    let now = pair.now;
    let stack = &mut pair.hosts[1].stack;
    assert_eq!(stack.disconnect(listener, now), Ok(()));
    assert_eq!(stack.local_addr(listener), Ok(to));
    let accepted = stack.accept(listener);
    assert!(matches!(accepted, Err(SocketError::InvalidInput(_))));
    pair.run(Duration::from_secs(1));
    let got = pair.recv(0, client, &mut [0; 8]);
    assert_eq!(got, Err(SocketError::ConnectionReset));
    let late = pair.open(0, to);
    pair.run(Duration::from_secs(1));
    let refused = pair.recv(0, late, &mut [0; 8]);
    assert_eq!(refused, Err(SocketError::ConnectionRefused));
    assert_eq!(pair.hosts[1].stack.listen(listener, 1), Ok(()));
    pair.open(0, to);
    pair.run(Duration::from_secs(1));
    assert_eq!(accept_all(&mut pair, listener), 1);
}

/// Notes connections, and sets their time to live.
#[derive(Debug)]
struct Greeter {
    seen: Arc<Mutex<Vec<Established>>>,
    hops: u8,
}

impl Policy for Greeter {
    fn established(&mut self, connection: &Established, options: &mut Options<'_>) {
        self.seen.lock().expect("no panic").push(*connection);
        options
            .set_ip(IpOption::Ttl(Some(self.hops)))
            .expect("in range");
        let late = options.set(TcpOption::OnlyV6(true));
        assert!(matches!(late, Err(SocketError::InvalidInput(_))));
        assert!(!options.settings().only_v6);
    }
}

/// SPEC 40.
#[test]
fn a_callback_at_establishment_sets_options_of_what_follows() {
    let mut pair = pair(|_| {});
    pair.tracing = true;
    let seen = [0, 1].map(|_| Arc::<Mutex<Vec<Established>>>::default());
    for (index, hops) in [(0, 7), (1, 9)] {
        let seen = seen[index].clone();
        pair.hosts[index].stack.set_policy(Greeter { seen, hops });
    }
    let (client, server) = pair.connect(false);
    for (host, id) in [(0, client), (1, server)] {
        pair.send(host, id, b"hello").expect("room");
    }
    pair.run(Duration::from_secs(1));
    for (index, socket) in [client, server].into_iter().enumerate() {
        let stack = &pair.hosts[index].stack;
        let expected = Established {
            socket,
            local: stack.local_addr(socket).expect("open"),
            remote: stack.peer_addr(socket).expect("connected"),
            passive: index == 1,
        };
        assert_eq!(*seen[index].lock().expect("no panic"), [expected]);
    }
    // SYN and SYN-ACK were earlier.
    let hops = |from| {
        let sent = pair.trace.iter().filter(move |(_, host, _)| *host == from);
        let hops: Vec<u8> = sent.map(|(.., bytes)| bytes[8]).collect();
        hops
    };
    for (index, own) in [(0, 7), (1, 9)] {
        let hops = hops(index);
        assert_eq!(hops[0], 64);
        assert!(hops.len() >= 3 && hops[1..].iter().all(|&hop| hop == own));
    }
}

/// SPEC 11: text about a handle.
#[test]
fn a_line_says_how_a_socket_is_doing() {
    let mut pair = pair(|_| {});
    let (listener, to) = pair.listen(false, 5);
    let client = pair.open(0, to);
    let line = |pair: &Pair, host: usize, id| {
        let summary = pair.hosts[host].stack.summary(id).expect("a socket");
        summary.to_string()
    };
    let from = pair.hosts[0].stack.local_addr(client).expect("open");
    let syn = format!("tcp SYN-SENT {from} {to} unread 0 unsent 0");
    assert_eq!(line(&pair, 0, client), syn);
    pair.run(Duration::from_secs(1));
    let listening = format!("tcp LISTEN {to} *:* unread 1 unsent 5");
    assert_eq!(line(&pair, 1, listener), listening);
    let (server, _) = pair.hosts[1].stack.accept(listener).expect("a client");
    pair.send(0, client, b"hello").expect("room");
    let sending = format!("tcp ESTABLISHED {from} {to} unread 0 unsent 5");
    assert_eq!(line(&pair, 0, client), sending);
    pair.run(Duration::from_secs(1));
    let unread = format!("tcp ESTABLISHED {to} {from} unread 5 unsent 0");
    assert_eq!(line(&pair, 1, server), unread);
    let now = pair.now;
    pair.hosts[0].stack.close(client, now);
    let stack = &mut pair.hosts[0].stack;
    let gone = stack.summary(client).expect("the protocol needs it");
    assert!(gone.orphan && gone.to_string().ends_with("unsent 0 orphan"));
    let datagrams = stack.udp_open(Family::V4).expect("a socket");
    stack
        .bind(datagrams, "0.0.0.0:53".parse().expect("an address"))
        .expect("free");
    let bound = "udp 0.0.0.0:53 *:* unread 0 unsent 0";
    assert_eq!(line(&pair, 0, datagrams), bound);
    assert_eq!(pair.hosts[0].stack.summaries().count(), 2);
    pair.hosts[0].stack.close(datagrams, now);
    let stale = pair.hosts[0].stack.summary(datagrams);
    assert_eq!(stale, Err(SocketError::NoSuchSocket));
}

/// SPEC 131.
#[test]
fn counters_have_the_names_of_the_kernels_tables() {
    let mut pair = pair(|_| {});
    let (client, server) = pair.connect(false);
    pair.send(0, client, b"hello").expect("room");
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.recv(1, server, &mut [0; 8]), Ok(5));
    let (mut names, mut counts) = (HashSet::new(), HashMap::new());
    for (name, count) in pair.hosts[1].stack.stats().named() {
        assert!(names.insert(name), "{name} twice");
        let (table, counter) = name.split_once('.').expect("table and name");
        assert!(!table.is_empty() && !counter.is_empty());
        counts.insert(name, count);
    }
    assert_eq!(counts["Tcp.PassiveOpens"], 1);
    assert_eq!(counts["Tcp.ActiveOpens"], 0);
    // SYN, ACK, data; SYN-ACK and ACK of the data.
    assert_eq!(counts["Tcp.InSegs"], 3);
    assert_eq!(counts["Tcp.OutSegs"], 2);
    assert_eq!(counts["Tcp.RetransSegs"], 0);
}
