//! The subnet-router anycast addresses of our router, as a kernel's host finds it.

use crate::between::{Hop, Tracer};
use crate::{ip, ip_command, runtime};
use net_tokio::device::{Switch, Tap};
use net_tokio::{Interface, Net};

/// RFC 4291 §2.6.1: on the link, where the kernel asks who has it, and behind the router.
#[test]
fn a_kernel_pings_the_anycast_addresses_of_our_router() {
    let name = "anycast::a_kernel_pings_the_anycast_addresses_of_our_router";
    tests::netns::run(name, || {
        let runtime = runtime();
        let net = runtime.block_on(async {
            let net = Net::builder().build().expect("a stack");
            let tap = Tap::builder("lan0").host_address(ip("fd07::9"), 64);
            let lan = Interface::new("lan0", tap.build().expect("a TAP")).address("fd07::1/64");
            let far = Interface::new("far0", Switch::new().port()).address("fd08::1/64");
            for (name, interface) in [("lan0", lan), ("far0", far)] {
                net.attach(interface.check_addresses(false))
                    .expect("attached");
                net.set_forwarding(name, true).expect("it is there");
            }
            net
        });
        ip_command(["-6", "route", "add", "fd08::/64", "via", "fd07::"]);
        for (to, from) in [("fd07::", "fd07::1"), ("fd08::", "fd07::1")] {
            let answer = Tracer::new(ip(to)).probe(64);
            assert_eq!(answer, Hop::Answer(ip(from)), "{to}");
        }
        runtime.block_on(net.shutdown());
    });
}
