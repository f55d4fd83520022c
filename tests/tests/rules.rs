//! Rules of policy routing: `ip rule` of the kernel and ours, by the same words.
#![cfg(target_os = "linux")]

use net_core::iface::{IfaceKind, IpCidr};
use net_core::route::RouteQuery;
use net_core::{Config, DeviceCaps, IfaceConfig, Instant, Seed, Stack};
use net_tokio::device::Tun;
use std::process::Command;
use tests::netns;

/// What `ip` prints.
fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split_whitespace()).output();
    let output = output.expect("ip (iproute2) is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The priorities of the kernel's rules, without those of the tables that are there from the start.
fn priorities() -> Vec<u32> {
    let shown = ip("-4 rule show");
    let numbers = shown.lines().map(|line| {
        let (number, _) = line.split_once(':').expect("a priority");
        number.parse().expect("a number")
    });
    numbers.filter(|n| ![0, 32766, 32767].contains(n)).collect()
}

#[test]
fn rules_have_the_priorities_that_the_kernel_gives_them() {
    netns::run(
        "rules_have_the_priorities_that_the_kernel_gives_them",
        || {
            let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
            for words in [
                "add fwmark 1 lookup 100",
                "add fwmark 2 lookup 101",
                "add from 10.1.0.0/16 lookup 102 priority 100",
                "add not from 10.2.0.0/16 lookup 103",
                "add to 10.3.0.0/16 prohibit priority 40000",
                "del fwmark 2 lookup 101",
                "add tos 0x10 lookup 104",
            ] {
                ip(&format!("-4 rule {words}"));
                stack.ip_rule(words).expect("words that we know");
                let ours: Vec<u32> = stack.rules().iter().map(|rule| rule.priority).collect();
                assert_eq!(ours, priorities(), "after {words}");
            }
        },
    );
}

/// Each rule alone in front of a table that leads over the second link.
#[test]
fn rules_are_for_the_packets_that_the_kernel_takes_them_for() {
    netns::run(
        "rules_are_for_the_packets_that_the_kernel_takes_them_for",
        || {
            let tun = |name: &str, address: &str| {
                let tun = Tun::builder(name).offload(false);
                let tun = tun.host_address(address.parse().expect("an address"), 24);
                tun.build().expect("a TUN")
            };
            let _links = [tun("tun0", "10.7.0.1"), tun("tun1", "10.9.0.1")];
            let mut stack = Stack::new(Config::default(), Seed::from_u64(1), Instant::ZERO);
            let mut link = |name: &str, kind, address: &str, prefix_len| {
                let address = address.parse().expect("an address");
                let addresses = vec![IpCidr {
                    address,
                    prefix_len,
                }];
                let (name, mtu) = (name.into(), 1500);
                let config = IfaceConfig {
                    name,
                    kind,
                    mtu,
                    addresses,
                };
                let added = stack.add_iface(config, DeviceCaps::default());
                added.expect("good addresses")
            };
            link("lo", IfaceKind::Loopback, "127.0.0.1", 8);
            link("tun0", IfaceKind::PointToPoint, "10.7.0.1", 24);
            let second = link("tun1", IfaceKind::PointToPoint, "10.9.0.1", 24);
            for words in ["add default dev tun0", "add default dev tun1 table 100"] {
                ip(&format!("route {words}"));
                stack.ip_route(words).expect("words that we know");
            }
            let dest = "192.0.2.1";
            for rule in [
                "iif lo lookup 100",
                "iif tun0 lookup 100",
                "iif tun1 lookup 100",
                "to 192.0.2.0/24 lookup 100",
                "not to 192.0.2.0/24 lookup 100",
                "not to 10.0.0.0/8 lookup 100",
                "not iif lo lookup 100",
                "not fwmark 1 lookup 100",
                "fwmark 1 lookup 100",
                "oif tun1 lookup 100",
            ] {
                ip(&format!("rule add {rule}"));
                stack
                    .ip_rule(&format!("add {rule}"))
                    .expect("words that we know");
                let kernel = ip(&format!("route get {dest}")).contains("dev tun1");
                let way = stack.way_of(&RouteQuery::to(dest.parse().expect("an address")));
                let way = way.and_then(|way| way.route()).expect("a default route");
                let ours = way.iface == second;
                assert_eq!(ours, kernel, "{rule}");
                ip(&format!("rule del {rule}"));
                stack.ip_rule(&format!("del {rule}")).expect("it is there");
            }
        },
    );
}
