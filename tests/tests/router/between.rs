//! Our stack as a plain router between two kernels, in both families: pings, each hop of the way, and
//! streams whose ends believe that the way takes more than it does.

use crate::outside::Outside;
use crate::{LIMIT, SIZE, ip, ip_command, limit};
use net_core::stats::DropReason;
use net_core::wire::checksum::checksum;
use net_tokio::device::Tun;
use net_tokio::{Interface, Net};
use rustix::net::{RecvFlags, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use tests::hosts::pattern;

/// The client, our two addresses, and the server.
pub(crate) const WAYS: [[&str; 4]; 2] = [
    ["10.7.0.9", "10.7.0.1", "10.9.0.1", "10.9.0.9"],
    ["fd07::9", "fd07::1", "fd09::1", "fd09::9"],
];
/// What our router's outer link takes, and nobody but the router knows.
pub(crate) const NARROW: u16 = 1400;

#[test]
fn kernels_ping_trace_and_stream_through_our_router_in_both_families() {
    let name = "between::kernels_ping_trace_and_stream_through_our_router_in_both_families";
    tests::netns::run(name, || {
        let runtime = super::runtime();
        let net = runtime.block_on(async { router() });
        let outside = Outside::new();
        let set_up = outside.run(|| {
            ip_command(["link", "set", "wan0", "mtu", "1500"]);
            ip_command(["route", "add", "default", "dev", "wan0"]);
            ip_command(["address", "add", "fd09::9/64", "dev", "wan0", "nodad"]);
            ip_command(["-6", "route", "add", "default", "dev", "wan0"]);
        });
        set_up.join().expect("set up");
        pings_traces_and_streams(&outside);
        let stats = net.stats();
        assert!(stats.drops(DropReason::TooBig) >= 2, "once in each family");
        runtime.block_on(net.shutdown());
    });
}

/// The client is where this runs, and knows of our router only what it tells.
pub(crate) fn pings_traces_and_streams(outside: &Outside) {
    for [_, near, _, server] in WAYS {
        let tracer = Tracer::new(ip(server));
        assert_eq!(tracer.probe(64), Hop::Answer(ip(server)), "a ping");
        assert_eq!(tracer.probe(1), Hop::Exceeded(ip(near)), "the first hop");
        assert_eq!(tracer.probe(2), Hop::Answer(ip(server)), "the second");
        if ip(server).is_ipv4() {
            // In fragments that the next link does not take either: before the way is known to be
            // narrow, the kernel cuts for its own link.
            let answer = tracer.probe_with(64, 3000);
            assert_eq!(answer, Hop::Answer(ip(server)), "cut again");
        }
        a_stream_finds_what_the_way_takes(outside, ip(server));
        let way = Command::new("ip").args(["route", "get", server]).output();
        let way = String::from_utf8(way.expect("iproute2").stdout).expect("text");
        assert!(way.contains(&format!("mtu {NARROW}")), "{way}");
    }
}

#[test]
fn pings_in_fragments_pass_a_router_that_follows_and_translates_flows() {
    let name = "between::pings_in_fragments_pass_a_router_that_follows_and_translates_flows";
    tests::netns::run(name, || {
        let runtime = super::runtime();
        let net = runtime.block_on(async { router() });
        let rules = "table inet t {
            chain forward { type filter hook forward priority 0; ct state invalid drop; }
            chain post { type nat hook postrouting priority srcnat; oifname wan0 masquerade; }
        }";
        let set = net.set_filter(rules.parse().expect("rules"));
        set.expect("rules that can be");
        // What this side cuts, the router's outer link takes.
        ip_command(["link", "set", "lan0", "mtu", &NARROW.to_string()]);
        let outside = Outside::new();
        let set_up = outside.run(|| {
            ip_command(["address", "add", "fd09::9/64", "dev", "wan0", "nodad"]);
        });
        set_up.join().expect("set up");
        for [.., server] in WAYS {
            let answer = Tracer::new(ip(server)).probe_with(64, 3000);
            assert_eq!(answer, Hop::Answer(ip(server)), "a ping in fragments");
        }
        let flows = net.track_stats().expect("the rules ask about flows");
        assert!(flows.begun >= 2 && flows.invalid == 0, "{flows:?}");
        runtime.block_on(net.shutdown());
    });
}

pub(crate) fn router() -> Net {
    let net = Net::builder().build().expect("a stack");
    let [v4, v6] = WAYS;
    let lan = Tun::builder("lan0").host_address(ip(v4[0]), 24);
    let lan = lan.host_address(ip(v6[0]), 64);
    let wan = Tun::builder("wan0").mtu(NARROW);
    for (name, device, side) in [("lan0", lan, 1), ("wan0", wan, 2)] {
        let interface = Interface::new(name, device.build().expect("a TUN"))
            .address(format!("{}/24", v4[side]))
            .address(format!("{}/64", v6[side]));
        net.attach(interface).expect("attached");
        net.set_forwarding(name, true).expect("it is there");
    }
    ip_command(["route", "add", "default", "dev", "lan0"]);
    ip_command(["-6", "route", "add", "default", "dev", "lan0"]);
    net
}

/// A megabyte there and back, in segments of which the first ones are too large.
fn a_stream_finds_what_the_way_takes(outside: &Outside, server: IpAddr) {
    let bound = outside.run(move || TcpListener::bind((server, 0)).expect("a port"));
    let listener = bound.join().expect("bound");
    let to = listener.local_addr().expect("bound");
    let echo = outside.run(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        limit(&stream);
        let mut data = vec![0; SIZE];
        stream.read_exact(&mut data).expect("all of it");
        stream.write_all(&data).expect("and back");
    });
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("connected");
    limit(&stream);
    let sent: Vec<u8> = (0..SIZE).map(pattern).collect();
    stream.write_all(&sent).expect("all of it");
    let mut received = vec![0; SIZE];
    stream.read_exact(&mut received).expect("and back");
    assert!(received == sent, "a megabyte comes back as it was");
    echo.join().expect("served");
}

/// Who has answered a probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// The router where its hops came to an end.
    Exceeded(IpAddr),
    /// Whom it was for.
    Answer(IpAddr),
}

/// Pings with a limit of hops, as `ping` and `traceroute -I` send them.
pub(crate) struct Tracer {
    socket: Socket,
    to: IpAddr,
}

impl Tracer {
    pub(crate) fn new(to: IpAddr) -> Self {
        let (domain, protocol) = match to {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol)).expect("a raw socket");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        Self { socket, to }
    }

    pub(crate) fn probe(&self, hops: u8) -> Hop {
        self.probe_with(hops, 8)
    }

    /// A probe with so many bytes of data.
    fn probe_with(&self, hops: u8, data: usize) -> Hop {
        let (v6, number) = (self.to.is_ipv6(), [0, hops]);
        let mut message = vec![if v6 { 128 } else { 8 }, 0, 0, 0, 0x12, 0x34];
        message.extend(number);
        message.extend((0..data).map(pattern));
        if v6 {
            // The kernel fills in the checksum of ICMPv6 only.
            let set = self.socket.set_unicast_hops_v6(hops.into());
            set.expect("an option");
        } else {
            let sum = checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            self.socket.set_ttl_v4(hops.into()).expect("an option");
        }
        let to = SocketAddr::new(self.to, 0);
        self.socket.send_to(&message, &to.into()).expect("sent");
        let [exceeded, reply] = if v6 { [3, 129] } else { [11, 0] };
        loop {
            let mut buffer = [0; 4000];
            let received = recvfrom(&self.socket, &mut buffer[..], RecvFlags::empty());
            let (len, _, from) = received.expect("an answer");
            let from = from.and_then(|from| SocketAddr::try_from(from).ok());
            let from = from.expect("its address").ip();
            // A raw IPv4 socket gives the IP header, too.
            let answer = &buffer[if v6 { 0 } else { 20 }..len];
            // An error quotes the packet, with its own header of IP.
            let quoted = 8 + if v6 { 40 } else { 20 };
            let is_ours = |at: usize| answer.get(at + 4..at + 8) == message.get(4..8);
            match answer[0] {
                kind if kind == reply && is_ours(0) => return Hop::Answer(from),
                kind if kind == exceeded && is_ours(quoted) => return Hop::Exceeded(from),
                _ => {}
            }
        }
    }
}
