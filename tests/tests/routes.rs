//! Routes: `ip route` of the kernel and ours, by the same words.
#![cfg(target_os = "linux")]

use net_core::iface::{IfaceKind, IpCidr};
use net_core::route::{RouteQuery, TableId};
use net_core::{Config, DeviceCaps, IfaceConfig, Instant, ParseError, Seed, SocketError, Stack};
use net_tokio::device::Tun;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Output, Stdio};
use tests::netns;

/// Two links, of the kernel and of a stack with the same addresses.
struct Links {
    _tuns: [Tun; 2],
    stack: Stack,
}

impl Links {
    fn new() -> Self {
        let tuns = LINKS.map(|(name, v4, v6)| {
            let tun = Tun::builder(name).offload(false);
            let tun = tun.host_address(address(v4), 24);
            tun.host_address(address(v6), 64).build().expect("a TUN")
        });
        let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
        let mut link = |name: &str, kind, addresses: [(&str, u8); 2]| {
            let addresses = addresses.map(|(text, prefix_len)| IpCidr {
                address: address(text),
                prefix_len,
            });
            let config = IfaceConfig {
                name: name.into(),
                kind,
                mtu: 1500,
                addresses: addresses.into(),
            };
            let added = stack.add_iface(config, DeviceCaps::default());
            added.expect("good addresses");
        };
        link("lo", IfaceKind::Loopback, [("127.0.0.1", 8), ("::1", 128)]);
        for (name, v4, v6) in LINKS {
            link(name, IfaceKind::PointToPoint, [(v4, 24), (v6, 64)]);
        }
        Self { _tuns: tuns, stack }
    }

    /// Has both do what the words say: what the kernel's program says, and ours.
    fn route(&mut self, words: &str) -> (Result<(), String>, Result<(), ParseError>) {
        let family = if words.contains(':') { "-6" } else { "-4" };
        let output = ip([family, "route"].into_iter().chain(words.split(' ')));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let kernel = if output.status.success() {
            Ok(())
        } else {
            Err(said)
        };
        (kernel, self.stack.ip_route(words))
    }
}

#[test]
fn routes_are_taken_and_refused_as_by_the_kernel() {
    netns::run("routes_are_taken_and_refused_as_by_the_kernel", || {
        let mut links = Links::new();
        for words in WORDS {
            let (kernel, ours) = links.route(words);
            assert_eq!(
                ours.is_ok(),
                kernel.is_ok(),
                "{words}: {kernel:?}, {ours:?}"
            );
            let Err(said) = kernel else { continue };
            let problem = ours.expect_err("so has the kernel").problem;
            // Of those that are no host it says so, too.
            let no_neighbour = ["Nexthop has invalid gateway.", "No route to host"];
            let no_neighbour = no_neighbour.iter().any(|text| said.contains(text));
            let no_host = problem.contains("is not the address of one host")
                || problem.contains("is an address of this host");
            let ours = problem.starts_with("nexthop has invalid gateway");
            assert!(
                ours == no_neighbour || no_host,
                "{words}: {said}, {problem}"
            );
        }
        // What is there is the same.
        let shown = links.stack.show_routes(TableId::MAIN);
        for (family, prefix) in [("-4", "192.0."), ("-6", "2001:db8:")] {
            let output = ip([family, "-o", "route", "show"]);
            let kernel = String::from_utf8(output.stdout).expect("text");
            let ours = shown
                .lines()
                .map(words_of)
                .filter(|line| line.starts_with(prefix));
            let kernel = kernel
                .lines()
                .map(words_of)
                .filter(|line| line.starts_with(prefix));
            assert_eq!(ours.collect::<Vec<_>>(), kernel.collect::<Vec<_>>());
        }
    });
}

/// By the kernel's own interface, as its program keeps the number to itself where the kernel says more.
#[test]
fn a_next_hop_that_is_no_neighbour_is_refused_with_the_errno_of_the_kernel() {
    let name = "a_next_hop_that_is_no_neighbour_is_refused_with_the_errno_of_the_kernel";
    netns::run(name, || {
        let mut links = Links::new();
        for (prefix, via, device) in [
            ("192.0.2.0", "10.8.0.1", None),
            ("192.0.2.0", "10.8.0.1", Some("tun0")),
            ("192.0.2.0", "10.7.0.9", Some("tun1")),
            ("192.0.2.0", "10.7.0.255", None),
            ("2001:db8::", "fd08::1", None),
            ("2001:db8::", "fd08::1", Some("tun0")),
            ("2001:db8::", "fd07::9", Some("tun1")),
            ("2001:db8::", "fd07::1", None),
            ("2001:db8::", "ff02::1", Some("tun0")),
            ("2001:db8::", "fe80::1", None),
        ] {
            let len = if prefix.contains(':') { 32 } else { 24 };
            let kernel = add_route(address(prefix), len, address(via), device);
            let device = device.map_or_else(String::new, |name| format!(" dev {name}"));
            let words = format!("add {prefix}/{len} via {via}{device}");
            let error = links.stack.ip_route(&words).expect_err("no neighbour");
            let ours = match error.cause {
                None => libc::EINVAL,
                Some(SocketError::NetworkUnreachable) => libc::ENETUNREACH,
                Some(SocketError::HostUnreachable) => libc::EHOSTUNREACH,
                Some(other) => panic!("{words}: {other}"),
            };
            assert_eq!(ours, kernel, "{words}: {error}");
        }
    });
}

/// Which flows go where is each one's own affair: the hashes are different. How many do is binomial, and
/// six times its standard deviation is the bound.
#[test]
fn next_hops_have_the_shares_of_their_weights_as_in_the_kernel() {
    let name = "next_hops_have_the_shares_of_their_weights_as_in_the_kernel";
    netns::run(name, || {
        let mut links = Links::new();
        for (first, second) in [(3_u32, 1_u32), (1, 9), (256, 256)] {
            let (kernel, ours) = links.route(&format!(
                "replace 192.0.0.0/16 nexthop via 10.7.0.9 weight {first} nexthop via 10.9.0.9 weight {second}"
            ));
            assert!(kernel.is_ok() && ours.is_ok(), "{kernel:?}, {ours:?}");
            let dests = (1..=FLOWS).map(|number| Ipv4Addr::from(0xc000_0000 + number));
            let ours = dests.clone().filter(|&dest| {
                let way = links.stack.way_of(&RouteQuery::to(dest.into()));
                let way = way.and_then(|way| way.route()).expect("a route");
                way.via == Some(address("10.7.0.9"))
            });
            let share = f64::from(first) / f64::from(first + second);
            let flows = f64::from(FLOWS);
            let (meant, bound) = (flows * share, 6.0 * (flows * share * (1.0 - share)).sqrt());
            let ours = u32::try_from(ours.count()).expect("no more than all");
            for (who, count) in [("we", ours), ("the kernel", kernel_over(dests, "10.7.0.9"))] {
                let difference = (f64::from(count) - meant).abs();
                assert!(
                    difference <= bound,
                    "{who}: {count} of {meant} by {first}:{second}"
                );
            }
        }
    });
}

/// How many of these the kernel sends over a next hop.
fn kernel_over(dests: impl Iterator<Item = Ipv4Addr>, via: &str) -> u32 {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ip (iproute2) is there");
    let mut input = child.stdin.take().expect("a pipe");
    let asked: String = dests.map(|dest| format!("route get {dest}\n")).collect();
    let asked = std::thread::spawn(move || {
        input.write_all(asked.as_bytes()).expect("it reads");
    });
    let output = child.wait_with_output().expect("it ends");
    asked.join().expect("asked");
    let ways = String::from_utf8(output.stdout).expect("text");
    let via = format!("via {via} ");
    u32::try_from(ways.lines().filter(|line| line.contains(&via)).count()).expect("few")
}

/// The words of a route as the kernel shows it that ours have too.
fn words_of(line: &str) -> String {
    let line = line.replace('\\', " ");
    let mut words = Vec::new();
    let mut all = line.split_whitespace();
    while let Some(word) = all.next() {
        match word {
            "linkdown" => {}
            "scope" | "proto" | "pref" => drop(all.next()),
            // That of IPv6 where none is named.
            "metric" => words.extend(
                all.next()
                    .filter(|&n| n != "1024")
                    .map(|n| format!("metric {n}")),
            ),
            word => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ip<'a>(words: impl IntoIterator<Item = &'a str>) -> Output {
    let output = Command::new("ip").args(words).output();
    output.expect("ip (iproute2) is there")
}

/// Asks the kernel for a route by rtnetlink: the errno that it answers with, or 0.
fn add_route(prefix: IpAddr, len: u8, via: IpAddr, device: Option<&str>) -> i32 {
    let mut attributes = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        let size = u16::try_from(4 + value.len()).expect("short");
        attributes.extend(size.to_ne_bytes());
        attributes.extend(kind.to_ne_bytes());
        attributes.extend(value);
    };
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    attribute(libc::RTA_DST, &octets(prefix));
    attribute(libc::RTA_GATEWAY, &octets(via));
    if let Some(name) = device {
        let index = netns::index_of(name).expect("it is there");
        attribute(libc::RTA_OIF, &index.to_ne_bytes());
    }
    let family = if prefix.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut message = Vec::new();
    let size = u32::try_from(16 + 12 + attributes.len()).expect("short");
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    message.extend(size.to_ne_bytes());
    message.extend(libc::RTM_NEWROUTE.to_ne_bytes());
    message.extend(u16::try_from(flags).expect("flags").to_ne_bytes());
    message.extend([0; 8]);
    message.extend([u8::try_from(family).expect("a family"), len, 0, 0]);
    message.extend([
        libc::RT_TABLE_MAIN,
        libc::RTPROT_STATIC,
        libc::RT_SCOPE_UNIVERSE,
        libc::RTN_UNICAST,
    ]);
    message.extend([0; 4]);
    message.extend(&attributes);
    // NETLINK_ROUTE is the protocol 0.
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None);
    let socket = socket.expect("a socket");
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &kernel).expect("sent");
    let mut answer = [0; 4096];
    let (len, ..) =
        rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()).expect("an answer");
    let number = answer[..len].get(16..20).expect("an acknowledgement");
    -i32::from_ne_bytes(number.try_into().expect("four bytes"))
}

const LINKS: [(&str, &str, &str); 2] = [
    ("tun0", "10.7.0.1", "fd07::1"),
    ("tun1", "10.9.0.1", "fd09::1"),
];
const FLOWS: u32 = 4000;
/// In this order: later ones meet what earlier ones left.
const WORDS: [&str; 49] = [
    "add 192.0.2.0/24 via 10.8.0.1",
    "add 192.0.2.0/24 via 10.8.0.1 dev tun0",
    "add 192.0.2.0/24 via 10.8.0.1 dev tun0 onlink",
    "add 192.0.3.0/24 via 10.8.0.1 onlink",
    "add 192.0.4.0/24 via 10.7.0.9 dev tun1",
    "add 192.0.4.0/24 via 10.7.0.9 dev tun1 onlink",
    "add 192.0.5.0/24 via 10.7.0.1 dev tun0 onlink",
    "add 192.0.5.0/24 via 10.7.0.255",
    "add 192.0.5.0/24 via 10.7.0.255 dev tun0 onlink",
    "add 192.0.5.0/24 via 224.0.0.1 dev tun0",
    "add 192.0.5.0/24 via 192.0.2.7",
    "add 192.0.5.0/24 via 10.7.0.1",
    "add 192.0.6.0/24 nexthop via 10.7.0.9 weight 3 nexthop via 10.9.0.9",
    "add 192.0.6.0/24 nexthop via 10.7.0.9 nexthop via 10.9.0.9",
    "replace 192.0.6.0/24 nexthop via 10.7.0.8 dev tun0 weight 256 nexthop via 10.9.0.9",
    "add 192.0.7.0/24 nexthop via 10.7.0.8 weight 257 nexthop via 10.9.0.9",
    "add 192.0.7.0/24 nexthop via 10.7.0.8 weight 0 nexthop via 10.9.0.9",
    "add 192.0.7.0/24 nexthop via 10.7.0.8 nexthop via 10.8.0.9",
    "add 192.0.7.0/24 nexthop via 10.7.0.8 nexthop via 10.8.0.9 dev tun1 onlink",
    "add 192.0.8.0/24 nexthop dev tun0 weight 2 nexthop dev tun1",
    "add 192.0.9.0/24 via 10.7.0.9 nexthop via 10.9.0.9",
    "add 192.0.10.0/24 nexthop via 10.7.0.9 metric 5",
    "add 192.0.10.0/24 metric 5 src 10.7.0.1 nexthop via 10.7.0.9 nexthop via 10.7.0.9",
    "add 192.0.11.0/24 nexthop",
    "add 192.0.11.0/24 nexthop weight 2",
    "add blackhole 192.0.12.0/24 nexthop via 10.7.0.9",
    "add blackhole 192.0.12.0/24 via 10.7.0.9",
    "add 192.0.13.0/24 dev tun0 onlink",
    "add 192.0.14.0/24 via 10.8.0.1 table 100",
    "add 10.8.0.0/24 dev tun0 table 100",
    "add 192.0.14.0/24 via 10.8.0.1 table 100",
    "add 192.0.15.0/24 via 10.7.0.9 table 100",
    "del 192.0.4.0/24 via 10.7.0.8",
    "add 192.0.16.0/24 via 10.7.0.9 dev tun0 weight 2",
    "add 2001:db8:1::/48 via fd08::1",
    "add 2001:db8:1::/48 via fd08::1 dev tun0 onlink",
    "add 2001:db8:2::/48 via fd07::9 dev tun1",
    "add 2001:db8:2::/48 via fd07::9 dev tun1 onlink",
    "add 2001:db8:3::/48 via fd07::1 dev tun0 onlink",
    "add 2001:db8:3::/48 via fe80::1",
    "add 2001:db8:3::/48 via fe80::1 dev tun0",
    "add 2001:db8:4::/48 via 2001:db8:3::7",
    "add 2001:db8:6::/48 nexthop via fd07::9 weight 3 nexthop via fd09::9",
    "append 2001:db8:6::/48 nexthop via fd07::8",
    "append 2001:db8:6::/48 via fd07::7",
    "add 2001:db8:7::/48 nexthop via fd07::8 nexthop via fd08::9",
    "add 2001:db8:7::/48 nexthop via fd07::8 nexthop via fd08::9 dev tun1 onlink",
    "add 2001:db8:9::/48 nexthop via fd07::8 nexthop via fd07::8",
    "del 2001:db8:6::/48 via fd07::7",
];
