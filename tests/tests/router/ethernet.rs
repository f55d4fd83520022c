//! Our router between two kernels on Ethernet: it is found by ARP and neighbour discovery, and finds both.

use crate::between::{NARROW, WAYS, pings_traces_and_streams};
use crate::outside::Outside;
use crate::{ip, ip_command};
use net_core::stats::DropReason;
use net_tokio::device::Nic;
use net_tokio::{Interface, Net};
use std::process::Command;

#[test]
fn kernels_find_our_router_on_their_links_and_each_other_through_it() {
    let name = "ethernet::kernels_find_our_router_on_their_links_and_each_other_through_it";
    tests::netns::run(name, || {
        let runtime = super::runtime();
        cable("lan0", "lan1");
        cable("wan0", "wan1");
        // The kernel where our ports are has no addresses: it is nobody on either link.
        let ports = Outside::holding(&["lan1", "wan1"]);
        let outside = Outside::new();
        let set_up = outside.run(|| {
            ip_command(["address", "add", "fd09::9/64", "dev", "wan0", "nodad"]);
            ip_command(["route", "add", "default", "via", "10.9.0.1"]);
            ip_command(["-6", "route", "add", "default", "via", "fd09::1"]);
        });
        set_up.join().expect("set up");
        ip_command(["address", "add", "10.7.0.9/24", "dev", "lan0"]);
        ip_command(["address", "add", "fd07::9/64", "dev", "lan0", "nodad"]);
        ip_command(["link", "set", "lan0", "up"]);
        ip_command(["route", "add", "default", "via", "10.7.0.1"]);
        ip_command(["-6", "route", "add", "default", "via", "fd07::1"]);
        let net = runtime.block_on(async {
            let net = Net::builder().build().expect("a stack");
            let [v4, v6] = WAYS;
            for (name, port, side, mtu) in [("lan", "lan1", 1, 1500), ("wan", "wan1", 2, NARROW)] {
                let interface = Interface::new(name, nic(&ports, port))
                    .address(format!("{}/24", v4[side]))
                    .address(format!("{}/64", v6[side]))
                    .mtu(mtu);
                net.attach(interface).expect("attached");
                net.set_forwarding(name, true).expect("it is there");
            }
            net.wait_for_addresses().await;
            net
        });
        pings_traces_and_streams(&outside);
        let stats = net.stats();
        assert!(stats.drops(DropReason::TooBig) >= 2, "once in each family");
        // Each has found its station, and been found by it.
        let known = net.neighbors();
        for [client, near, _, server] in WAYS {
            for host in [client, server] {
                let mut all = known.iter();
                let neighbor = all.find(|each| each.address == ip(host));
                assert!(neighbor.is_some_and(|each| each.mac.is_some()), "{host}");
            }
            let station = Command::new("ip")
                .args(["neighbor", "get", near, "dev", "lan0"])
                .output();
            let station = String::from_utf8(station.expect("iproute2").stdout).expect("text");
            assert!(station.contains("lladdr"), "{near}: {station}");
        }
        runtime.block_on(net.shutdown());
    });
}

/// Two interfaces with a cable between them.
pub(crate) fn cable(one: &str, other: &str) {
    ip_command(["link", "add", one, "type", "veth", "peer", "name", other]);
}

/// Our port in its namespace.
pub(crate) fn nic(ports: &Outside, name: &'static str) -> Nic {
    let opened = ports.run(move || {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        std::fs::write(path, "1").expect("the namespace's own");
        Nic::builder(name).build().expect("a packet socket")
    });
    opened.join().expect("opened")
}
