//! Redirects of ours that a kernel reads: it sends to a neighbour by way of our router, hears of the shorter
//! way, and takes it.

use crate::between::{Hop, Tracer};
use crate::ethernet::{cable, nic};
use crate::outside::Outside;
use crate::{LIMIT, ip, ip_command};
use net_tokio::{Interface, Net};
use std::fs;
use std::process::Command;
use std::time::Instant;

/// A destination, and the two routers: ours, and that which the destination is behind. The kernel believes
/// redirects of IPv6 by the addresses that routers have on the link alone.
const FAR: [(&str, &str, &str); 2] = [
    ("192.0.2.1", "10.7.0.1", "10.7.0.8"),
    ("2001:db8::1", "fe80::1", "fe80::8"),
];

#[test]
fn a_kernel_takes_the_shorter_way_that_our_redirect_names() {
    let name = "redirects::a_kernel_takes_the_shorter_way_that_our_redirect_names";
    tests::netns::run(name, || {
        let runtime = super::runtime();
        // A link of three: the host (the bridge itself), our router, and another router.
        ip_command(["link", "add", "br0", "type", "bridge"]);
        cable("ours", "ours1");
        cable("other", "other1");
        for port in ["ours", "other"] {
            ip_command(["link", "set", port, "master", "br0", "up"]);
        }
        let ports = Outside::holding(&["ours1"]);
        let other = Outside::holding(&["other1"]);
        let set_up = other.run(|| {
            ip_command(["address", "add", "10.7.0.8/24", "dev", "other1"]);
            ip_command(["address", "add", "fe80::8/64", "dev", "other1", "nodad"]);
            ip_command(["address", "add", "192.0.2.1/32", "dev", "lo"]);
            ip_command(["address", "add", "2001:db8::1/128", "dev", "lo"]);
            ip_command(["-6", "route", "add", "fd07::/64", "dev", "other1"]);
        });
        set_up.join().expect("set up");
        ip_command(["address", "add", "10.7.0.9/24", "dev", "br0"]);
        ip_command(["address", "add", "fd07::9/64", "dev", "br0", "nodad"]);
        ip_command(["link", "set", "br0", "up"]);
        for (of, setting) in [
            ("ipv4/conf/all", "accept_redirects"),
            ("ipv6/conf/br0", "accept_redirects"),
        ] {
            fs::write(format!("/proc/sys/net/{of}/{setting}"), "1").expect("the namespace's own");
        }
        ip_command(["route", "add", "192.0.2.0/24", "via", "10.7.0.1"]);
        ip_command([
            "-6",
            "route",
            "add",
            "2001:db8::/32",
            "via",
            "fe80::1",
            "dev",
            "br0",
        ]);
        let net = runtime.block_on(async {
            let net = Net::builder().build().expect("a stack");
            let interface = Interface::new("eth0", nic(&ports, "ours1"))
                .address("10.7.0.1/24")
                .address("fd07::1/64")
                .address("fe80::1/64")
                .route("192.0.2.0/24", ip("10.7.0.8"))
                .route("2001:db8::/32", ip("fe80::8"));
            net.attach(interface).expect("attached");
            net.set_forwarding("eth0", true).expect("it is there");
            net.wait_for_addresses().await;
            net
        });
        for (far, ours, other) in FAR {
            let via = |router: &str| way(far).contains(&format!("via {router} "));
            assert!(via(ours), "{}", way(far));
            if ip(other).is_ipv4() {
                // The kernel believes in a router that it knows for a neighbour. In IPv6 the redirect says
                // where it is.
                let known = Tracer::new(ip(other)).probe(64);
                assert_eq!(known, Hop::Answer(ip(other)));
            }
            let tracer = Tracer::new(ip(far));
            let before = net.stats().forwarded;
            assert_eq!(tracer.probe(64), Hop::Answer(ip(far)), "by way of us");
            assert!(net.stats().forwarded > before);
            // The redirect may come behind the answer.
            let begun = Instant::now();
            while !via(other) {
                assert!(begun.elapsed() < LIMIT, "no redirect: {}", way(far));
                std::thread::yield_now();
            }
            let before = net.stats().forwarded;
            assert_eq!(tracer.probe(64), Hop::Answer(ip(far)), "directly");
            assert_eq!(tracer.probe(1), Hop::Answer(ip(far)), "nobody is between");
            assert_eq!(net.stats().forwarded, before, "not by way of us");
        }
        runtime.block_on(net.shutdown());
    });
}

/// Where the kernel sends what goes to an address.
fn way(dest: &str) -> String {
    let output = Command::new("ip").args(["route", "get", dest]).output();
    String::from_utf8(output.expect("iproute2").stdout).expect("text")
}
