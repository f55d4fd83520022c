//! Ports and hosts that nobody answers for.

use crate::kernel::{Peer, blocking};
use crate::matrix::{Opener, each_row};
use net_core::socket::TcpOption;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use tests::netns;

#[test]
fn a_port_without_listener_refuses() {
    each_row(
        "unreachable::a_port_without_listener_refuses",
        async |world| {
            let error = match world.row.opener {
                Opener::Kernel => {
                    let to = SocketAddr::new(world.stack, 9);
                    blocking(move || Peer::connect(to))
                        .await
                        .expect_err("refused")
                }
                Opener::Ours => {
                    let closed = Peer::listen(world.host).local_addr().expect("bound");
                    let connected = world.socket().connect(closed).await;
                    connected.expect_err("refused")
                }
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_eq!(error.raw_os_error(), Some(111));
        },
    );
}

#[test]
fn a_listener_that_is_gone_refuses() {
    each_row(
        "unreachable::a_listener_that_is_gone_refuses",
        async |world| {
            if world.row.opener == Opener::Ours {
                return;
            }
            let listener = world.listen();
            let to = listener.local_addr().expect("bound");
            drop(listener);
            let connected = blocking(move || Peer::connect(to)).await;
            let error = connected.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        },
    );
}

#[test]
fn a_host_that_does_not_answer_times_out() {
    each_row(
        "unreachable::a_host_that_does_not_answer_times_out",
        async |mut world| {
            if world.row.opener == Opener::Kernel {
                return;
            }
            // An address of the link's network that nobody has; the kernel does not forward.
            let to = if world.row.v6 {
                "[fd07::99]:80"
            } else {
                "10.7.0.99:80"
            };
            world.options.push(TcpOption::SynRetries(1));
            let to = to.parse().expect("an address");
            let error = world.socket().connect(to).await;
            assert_eq!(error.expect_err("nobody").kind(), ErrorKind::TimedOut);
        },
    );
}

#[test]
fn a_router_without_a_route_says_so() {
    let name = "unreachable::a_router_without_a_route_says_so";
    each_row(name, async |world| {
        if world.row.opener == Opener::Kernel {
            return;
        }
        for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            if let Err(error) = fs::write(format!("/proc/sys/net/{switch}"), "1") {
                return netns::skip(name, &format!("cannot turn {switch} on: {error}"));
            }
        }
        let error = world.socket().connect(far_away(world.row.v6)).await;
        let error = error.expect_err("no route");
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{error}");
    });
}

/// A host behind the kernel, to which the kernel has no route.
fn far_away(v6: bool) -> SocketAddr {
    let address: IpAddr = if v6 { "2001:db8::9" } else { "198.51.100.9" }
        .parse()
        .expect("an address");
    SocketAddr::new(address, 80)
}
