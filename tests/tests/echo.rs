//! A program answers what a kernel, whose default route is our TUN, pings: hosts that nobody is.
#![cfg(target_os = "linux")]

use net_core::echo::Unreachable;
use net_core::wire::{IcmpMessage, IpHeader, checksum, icmpv4, icmpv6};
use net_tokio::device::Tun;
use net_tokio::{EchoListener, Interface, Net};
use rustix::fd::OwnedFd;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recvfrom, sendto, socket,
};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use tests::hosts::pattern;
use tests::netns;

/// Hosts that answer, that are said to be unreachable, and that are silent; and ourselves.
const HOSTS: [[&str; 4]; 2] = [
    ["192.0.2.7", "198.51.100.8", "203.0.113.9", "10.7.0.2"],
    ["2001:db8::7", "2001:db8:8::8", "2001:db8:9::9", "fd07::2"],
];

#[test]
fn a_program_answers_the_kernels_pings_of_other_hosts_in_both_families() {
    let name = "a_program_answers_the_kernels_pings_of_other_hosts_in_both_families";
    netns::run(name, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let net = runtime.block_on(async { proxy() });
        let listeners = runtime.block_on(async {
            let v4 = EchoListener::new_v4_on(&net).expect("the only one");
            let v6 = EchoListener::new_v6_on(&net).expect("the only one");
            [v4, v6]
        });
        for (listener, [_, refused, silent, _]) in listeners.into_iter().zip(HOSTS.map(parsed)) {
            runtime.spawn(answer(listener, refused, silent));
        }
        for [answers, refused, silent, ours] in HOSTS.map(parsed) {
            let pinger = Pinger::new(answers.is_ipv4());
            // In one piece, and in fragments.
            for size in [0, 56, 1400, 4000, 20_000] {
                pinger.ask(answers, size);
                assert_eq!(pinger.hears(size), (answers, Heard::Reply), "{size}");
            }
            pinger.ask(refused, 56);
            assert_eq!(pinger.hears(56), (ours, Heard::HostUnreachable));
            let by_program = net.stats().icmp_echo_replies;
            pinger.ask(ours, 56);
            assert_eq!(pinger.hears(56), (ours, Heard::Reply));
            assert_eq!(net.stats().icmp_echo_replies, by_program + 1);
            // What comes next is the answer to the next request.
            pinger.ask(silent, 56);
            pinger.ask(answers, 57);
            assert_eq!(pinger.hears(57), (answers, Heard::Reply));
        }
        assert_eq!(net.stats().icmp_errors_sent, 2);
        runtime.block_on(net.shutdown());
    });
}

/// Our stack behind `tun7`, which all of the kernel's routes lead to.
fn proxy() -> Net {
    let tun = Tun::builder("tun7").host_address("10.7.0.1".parse().expect("an address"), 24);
    let net = Net::builder().build().expect("a stack");
    let interface = Interface::new("tun7", tun.build().expect("a TUN"))
        .address("10.7.0.2/24")
        .address("fd07::2/64");
    net.attach(interface).expect("attached");
    for words in [
        "route add default dev tun7",
        "-6 address add fd07::1/64 dev tun7 nodad",
        "-6 route add default dev tun7",
    ] {
        let status = Command::new("ip").args(words.split(' ')).status();
        assert!(status.expect("iproute2").success(), "ip {words}");
    }
    net
}

async fn answer(listener: EchoListener, refused: IpAddr, silent: IpAddr) {
    loop {
        let request = listener.recv().await.expect("alive");
        assert_eq!((request.ident, request.ttl), (IDENT, 64));
        if request.dest == refused {
            let sent = listener.refuse(&request, Unreachable::Host).await;
            sent.expect("sent");
        } else if request.dest != silent {
            listener.reply(&request).await.expect("sent");
        }
    }
}

fn parsed(hosts: [&str; 4]) -> [IpAddr; 4] {
    hosts.map(|host| host.parse().expect("an address"))
}

/// What a raw socket hears of a ping.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Reply,
    HostUnreachable,
}

/// A raw ICMP socket of the kernel, which root of the namespace may have.
struct Pinger {
    socket: OwnedFd,
    v4: bool,
}

impl Pinger {
    fn new(v4: bool) -> Self {
        let (family, protocol) = if v4 {
            (AddressFamily::INET, ipproto::ICMP)
        } else {
            (AddressFamily::INET6, ipproto::ICMPV6)
        };
        let socket = socket(family, SocketType::RAW, Some(protocol)).expect("a raw socket");
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(5))).expect("a limit");
        Self { socket, v4 }
    }

    /// Asks for `size` bytes, which is also the number of the request.
    fn ask(&self, host: IpAddr, size: usize) {
        let kind = if self.v4 { 8 } else { 128 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(IDENT.to_be_bytes());
        message.extend(u16::try_from(size).expect("small").to_be_bytes());
        message.extend((0..size).map(pattern));
        if self.v4 {
            // The kernel fills in the checksum of ICMPv6 only.
            let sum = checksum::checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let to = SocketAddr::new(host, 0);
        sendto(&self.socket, &message, SendFlags::empty(), &to).expect("sent");
    }

    /// What comes next about a request of that size, and from whom.
    fn hears(&self, size: usize) -> (IpAddr, Heard) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let (len, _, from) = recvfrom(&self.socket, &mut buffer[..], RecvFlags::empty())
                .unwrap_or_else(|error| panic!("nothing about {size} bytes: {error}"));
            let from = SocketAddr::try_from(from.expect("a source")).expect("of IP");
            // A raw IPv4 socket gives the IP header, too.
            let message = &buffer[if self.v4 { 20 } else { 0 }..len];
            let parsed = if self.v4 {
                icmpv4::parse(message)
            } else {
                icmpv6::parse(message)
            };
            match parsed.expect("a message") {
                IcmpMessage::EchoReply { ident: IDENT, seq } => {
                    assert_eq!(usize::from(seq), size);
                    assert!(message[8..].iter().copied().eq((0..size).map(pattern)));
                    return (from.ip(), Heard::Reply);
                }
                IcmpMessage::Unreachable { code } => {
                    assert_eq!(code, if self.v4 { 1 } else { 3 });
                    let quoted = IpHeader::parse_quoted(&message[8..]).expect("a packet");
                    assert_eq!(quoted.dest.is_ipv4(), self.v4);
                    return (from.ip(), Heard::HostUnreachable);
                }
                // The kernel's own requests, and what routers and neighbours say.
                _ => {}
            }
        }
    }
}

const IDENT: u16 = 0x1234;
