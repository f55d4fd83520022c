//! Our router as a kernel's host finds it by its advertisements: an address, ways out and their preference, and
//! none any more when the router ceases.

use crate::{LIMIT, ip, ip_command, runtime};
use net_core::advertising::{AdvDnsSearch, AdvDnsServers, AdvPrefix, RouterAdvertising};
use net_core::wire::ndp::{Lifetime, Preference, RouteInformation};
use net_tokio::device::{Switch, Tap};
use net_tokio::{Advertising, Interface, Net};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv6Addr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::between::{Hop, Tracer};

/// RFC 4861 §6.2, RFC 4191.
#[test]
fn a_kernel_configures_itself_by_our_router_and_forgets_it_when_that_ceases() {
    let name =
        "advertises::a_kernel_configures_itself_by_our_router_and_forgets_it_when_that_ceases";
    tests::netns::run(name, || {
        let runtime = runtime();
        let net = runtime.block_on(async { router() });
        let lan = net.advertising("lan0").expect("it is there");
        is_configured();
        takes_the_routes_that_its_build_allows(&lan);
        // By its new address, through the router.
        let answer = Tracer::new(ip("fd08::1")).probe(64);
        assert_eq!(answer, Hop::Answer(ip("fd08::1")));
        net.set_forwarding("lan0", false).expect("it is there");
        until("the router is gone", || {
            !routes("default").contains("lan0") && routes("fd08::/48").is_empty()
        });
        // And the other way to cease, and to begin again.
        net.set_forwarding("lan0", true).expect("it is there");
        until("the router is back", || routes("default").contains("lan0"));
        lan.set(RouterAdvertising::default()).expect("set");
        until("the router is gone", || !routes("default").contains("lan0"));
        assert!(addresses().contains(" fd07::"), "until their time is over");
        runtime.block_on(net.shutdown());
    });
}

/// What another program makes of our advertisements.
#[test]
fn radvdump_prints_what_is_configured() {
    let name = "advertises::radvdump_prints_what_is_configured";
    if Command::new("radvdump").arg("-v").output().is_err() {
        tests::netns::missing(name, &"there is no radvdump");
        return;
    }
    tests::netns::run(name, || {
        let runtime = runtime();
        let dump = Dump::start();
        let net = runtime.block_on(async { router() });
        let printed = dump.advertisement();
        for line in [
            "AdvManagedFlag off;",
            "AdvOtherConfigFlag on;",
            "AdvReachableTime 20000;",
            "AdvRetransTimer 500;",
            "AdvCurHopLimit 77;",
            "AdvDefaultLifetime 1800;",
            "AdvDefaultPreference high;",
            "AdvSourceLLAddress on;",
            "AdvLinkMTU 1400;",
            "prefix fd07::/64",
            "AdvValidLifetime 7200;",
            "AdvPreferredLifetime 3600;",
            "AdvOnLink on;",
            "AdvAutonomous on;",
            "route fd08::/48",
            "AdvRoutePreference low;",
            "AdvRouteLifetime 600;",
            "RDNSS fd07::1 fd07::53",
            "AdvRDNSSLifetime 1800;",
            "DNSSL example.test lan",
            "AdvDNSSLLifetime 300;",
        ] {
            assert!(printed.contains(line), "{line} is not in {printed}");
        }
        runtime.block_on(net.shutdown());
    });
}

fn config() -> RouterAdvertising {
    let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    RouterAdvertising {
        adv_send_advertisements: true,
        adv_other_config_flag: true,
        adv_reachable_time: Duration::from_secs(20),
        adv_retrans_timer: Duration::from_millis(500),
        adv_cur_hop_limit: 77,
        adv_link_mtu: 1400,
        adv_default_preference: Preference::High,
        adv_prefix_list: vec![AdvPrefix {
            adv_valid_lifetime: Lifetime(7200),
            adv_preferred_lifetime: Lifetime(3600),
            ..AdvPrefix::new(address("fd07::"), 64)
        }],
        adv_route_list: vec![RouteInformation {
            prefix: address("fd08::"),
            prefix_len: 48,
            preference: Preference::Low,
            lifetime: Lifetime(600),
        }],
        adv_rdnss_list: vec![AdvDnsServers {
            servers: ["fd07::1", "fd07::53"].map(address).to_vec(),
            lifetime: None,
        }],
        adv_dnssl_list: vec![AdvDnsSearch {
            domains: ["example.test", "lan"].map(str::to_owned).to_vec(),
            lifetime: Some(Lifetime(300)),
        }],
        ..RouterAdvertising::default()
    }
}

/// Our router between `lan0`, whose other end is the kernel's, and a network with nobody else on it.
fn router() -> Net {
    // The kernel takes what it is told at once.
    for (file, value) in [
        ("default/router_solicitation_delay", "0"),
        ("default/accept_dad", "0"),
        ("default/accept_ra", "1"),
    ] {
        let file = format!("/proc/sys/net/ipv6/conf/{file}");
        fs::write(file, value).expect("a namespace of our own");
    }
    let net = Net::builder().build().expect("a stack");
    let tap = Tap::builder("lan0").build().expect("a TAP");
    // Where the kernel knows such routes at all.
    let longest = "/proc/sys/net/ipv6/conf/lan0/accept_ra_rt_info_max_plen";
    let _ = fs::write(longest, "64");
    let lan = Interface::new("lan0", tap).address("fd07::1/64");
    let lan = lan.address("fe80::1/64").router_advertising(config());
    let far = Interface::new("far0", Switch::new().port()).address("fd08::1/64");
    for (name, interface) in [("lan0", lan), ("far0", far)] {
        net.attach(interface.check_addresses(false))
            .expect("attached");
        net.set_forwarding(name, true).expect("it is there");
    }
    ip_command(["link", "set", "lan0", "up"]);
    net
}

/// An address in the prefix with its lifetimes, the default route with its preference, and what else is told of
/// the link.
fn is_configured() {
    until("an address", || addresses().contains(" fd07::"));
    let addresses = addresses();
    let of_prefix = |what: &str| {
        let mut lines = addresses
            .lines()
            .skip_while(|line| !line.contains(" fd07::"));
        lines.nth(1).is_some_and(|line| {
            let seconds = line.split_once(what).map(|(_, rest)| rest.trim_start());
            let seconds = seconds.and_then(|rest| rest.split_once("sec"));
            let seconds = seconds.and_then(|(seconds, _)| seconds.parse::<u32>().ok());
            let most = if what == "valid_lft" { 7200 } else { 3600 };
            seconds.is_some_and(|seconds| (most - 60..=most).contains(&seconds))
        })
    };
    assert!(
        of_prefix("valid_lft") && of_prefix("preferred_lft"),
        "{addresses}"
    );
    until("a default route", || {
        routes("default").contains("via fe80::1 dev lan0")
    });
    assert!(
        routes("default").contains("proto ra"),
        "{}",
        routes("default")
    );
    for (file, value) in [("mtu", "1400"), ("hop_limit", "77")] {
        let file = format!("/proc/sys/net/ipv6/conf/lan0/{file}");
        let told = fs::read_to_string(file).expect("IPv6");
        assert_eq!(told.trim(), value);
    }
    let retrans = "/proc/sys/net/ipv6/neigh/lan0/retrans_time_ms";
    let told = fs::read_to_string(retrans).expect("IPv6");
    assert_eq!(told.trim(), "500");
}

/// The preference, and the route with its own: where the kernel was built with `CONFIG_IPV6_ROUTER_PREF` and
/// `CONFIG_IPV6_ROUTE_INFO`.
fn takes_the_routes_that_its_build_allows(lan: &Advertising) {
    let of_lan = |file: &str| format!("/proc/sys/net/ipv6/conf/lan0/{file}");
    if fs::exists(of_lan("accept_ra_rtr_pref")).expect("IPv6") {
        let default = routes("default");
        assert!(default.contains("pref high"), "{default}");
    }
    if fs::exists(of_lan("accept_ra_rt_info_max_plen")).expect("IPv6") {
        until("a route", || {
            let told = routes("fd08::/48");
            told.contains("via fe80::1 dev lan0") && told.contains("pref low")
        });
    } else {
        println!("the kernel knows no routes of routers");
    }
    assert_eq!(lan.config().expect("its own"), config());
}

/// `ip -6 route show` for one prefix.
fn routes(prefix: &str) -> String {
    output(&["-6", "route", "show", prefix])
}

/// `ip -6 address show` of the kernel's end.
fn addresses() -> String {
    output(&["-6", "address", "show", "dev", "lan0", "scope", "global"])
}

fn output(arguments: &[&str]) -> String {
    let told = Command::new("ip").args(arguments).output();
    String::from_utf8(told.expect("iproute2").stdout).expect("text")
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(
            Instant::now() < end,
            "{what}: in vain: {} {}",
            addresses(),
            output(&["-6", "route", "show"])
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// `radvdump` at work.
struct Dump {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Dump {
    fn start() -> Self {
        let mut child = Command::new("radvdump")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is one");
        let output = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The first advertisement that it prints, to its end.
    fn advertisement(&self) -> String {
        let mut text = String::new();
        while !text.contains("\n}; # End of interface definition") {
            let line = self.lines.recv_timeout(LIMIT);
            text.push('\n');
            text.push_str(&line.unwrap_or_else(|_| panic!("it has printed: {text}")));
        }
        text
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
