//! What a row finds: its own addresses, and a link to hosts that the test plays.

use crate::wire::Wire;
use net_core::{Config, Seed};
use net_tokio::device::{LinkConfig, Tun, pair};
use net_tokio::{Driver, Net};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How our stack is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drive {
    /// By callers and a task.
    Inline,
    /// By a task alone.
    Task,
    /// By a thread of its own.
    Thread,
    /// By callers and a thread, as the process-wide stack is.
    InlineThread,
}

impl Drive {
    pub(crate) const ALL: [Self; 4] = [Self::Inline, Self::Task, Self::Thread, Self::InlineThread];
}

/// The surroundings of a row: `lo`, and a link called `tun7` with the addresses 10.7.0.1/24 and
/// fd07::1/64 to hosts that behave as their addresses say.
pub(crate) struct World {
    /// IPv6, else IPv4.
    pub(crate) v6: bool,
    /// The hosts on the link.
    pub(crate) wire: Wire,
    /// Keeps our stack the default of the process.
    _default: Option<Default>,
}

impl World {
    /// The kernel's world, or ours where `drive` says how.
    pub(crate) fn new(v6: bool, drive: Option<Drive>) -> Self {
        let (wire, default) = match drive {
            None => (kernel_link(), None),
            Some(drive) => {
                let (wire, net) = our_link(drive);
                (wire, Some(Default::new(net)))
            }
        };
        Self {
            v6,
            wire,
            _default: default,
        }
    }

    /// One of two addresses, by family.
    pub(crate) fn pick(&self, v4: &str, v6: &str) -> IpAddr {
        let text = if self.v6 { v6 } else { v4 };
        text.parse().expect("an address")
    }

    /// The loopback address.
    pub(crate) fn loopback(&self) -> IpAddr {
        self.pick("127.0.0.1", "::1")
    }

    /// The loopback address with a port for the stack to choose.
    pub(crate) fn any_port(&self) -> SocketAddr {
        SocketAddr::new(self.loopback(), 0)
    }

    /// The wildcard address with a port for the stack to choose.
    pub(crate) fn wildcard(&self) -> SocketAddr {
        SocketAddr::new(self.pick("0.0.0.0", "::"), 0)
    }

    /// The own address on the link.
    pub(crate) fn own(&self) -> IpAddr {
        self.pick("10.7.0.1", "fd07::1")
    }

    /// Port 80 of the host on the link that answers as [`Wire`] says for its last number.
    pub(crate) fn host(&self, number: u8) -> SocketAddr {
        let address = self.pick(&format!("10.7.0.{number}"), &format!("fd07::{number}"));
        SocketAddr::new(address, 80)
    }

    /// An address that no route leads to.
    pub(crate) fn nowhere(&self) -> SocketAddr {
        SocketAddr::new(self.pick("203.0.113.1", "2001:db8::1"), 80)
    }
}

/// The default stack of the process while it lives.
struct Default;

impl Default {
    fn new(net: Net) -> Self {
        Net::set_default(net);
        Self
    }
}

impl Drop for Default {
    fn drop(&mut self) {
        Net::set_default(None);
    }
}

fn kernel_link() -> Wire {
    for (name, value) in [
        ("ipv4/tcp_syn_retries", "1"),
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/router_solicitations", "0"),
    ] {
        fs::write(format!("/proc/sys/net/{name}"), value).expect("a namespace of our own");
    }
    let tun = Tun::builder("tun7")
        .offload(false)
        .host_address("10.7.0.1".parse().expect("an address"), 24)
        .host_address("fd07::1".parse().expect("an address"), 64)
        .build()
        .expect("a TUN");
    wait_for_ipv6();
    Wire::new(tun)
}

/// The kernel receives for an IPv6 address some time after the call that adds it.
fn wait_for_ipv6() {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let routes = fs::read_to_string("/proc/net/ipv6_route").expect("the kernel has IPv6");
        if routes.contains("fd070000000000000000000000000001 80 ") {
            return;
        }
        assert!(Instant::now() < end, "no route to the kernel's own address");
        std::thread::yield_now();
    }
}

fn our_link(drive: Drive) -> (Wire, Net) {
    let plain = LinkConfig::default();
    let (near, far) = pair(plain.clone(), plain, Seed::from_u64(1));
    let mut config = Config::default();
    config.tcp.syn_retries = 1;
    config.max_sockets = 1000;
    let net = Net::builder()
        .config(config)
        .device("tun7", near)
        .address("10.7.0.1/24")
        .address("fd07::1/64")
        .inline_rounds(matches!(drive, Drive::Inline | Drive::InlineThread))
        .driver(match drive {
            Drive::Thread | Drive::InlineThread => Driver::Thread,
            Drive::Inline | Drive::Task => Driver::Task,
        })
        .build()
        .expect("a stack");
    (Wire::new(far), net)
}
