//! The kernel pings our stack.

use crate::kernel::{blocking, upward};
use crate::matrix::{Opener, Row, World, rows};
use crate::mtu::each_mtu;
use rustix::fd::OwnedFd;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket};
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn pings_of_any_size_up_to_the_mtu_are_answered() {
    let rows_to_ping: Vec<Row> = each_mtu()
        .into_iter()
        .filter(|row| row.opener == Opener::Kernel)
        .collect();
    rows(
        "ping::pings_of_any_size_up_to_the_mtu_are_answered",
        &rows_to_ping,
        async |world| {
            let largest = usize::from(world.row.mtu - world.row.ip_header() - 8);
            let sizes: Vec<usize> = if world.row.mtu == 1500 {
                (0..=largest).collect()
            } else {
                let steps = (0..largest).step_by(largest / 50);
                steps.chain([largest - 1, largest]).collect()
            };
            let count = sizes.len();
            let pinger = Pinger::new(&world);
            blocking(move || {
                for (number, size) in (0..).zip(sizes) {
                    pinger.ping(number, size);
                }
            })
            .await;
            let answered = world.net.stats().icmp_echo_replies;
            assert_eq!(answered, count as u64);
        },
    );
}

#[test]
fn pings_in_fragments_are_answered_in_fragments() {
    let rows_to_ping: Vec<Row> = Row::on_one_thread()
        .into_iter()
        .filter(|row| row.opener == Opener::Kernel)
        .collect();
    rows(
        "ping::pings_in_fragments_are_answered_in_fragments",
        &rows_to_ping,
        async |world| {
            let sizes = [1481, 3000, 30_000, 65_507];
            let pinger = Pinger::new(&world);
            blocking(move || {
                for (number, size) in (0..).zip(sizes) {
                    pinger.ping(number, size);
                }
            })
            .await;
            let stats = world.net.stats();
            assert_eq!(stats.icmp_echo_replies, 4);
            assert_eq!((stats.ip_reassembled, stats.ip_fragmented), (4, 4));
        },
    );
}

/// A raw ICMP socket, which root of the namespace may have.
struct Pinger {
    socket: OwnedFd,
    to: SocketAddr,
}

impl Pinger {
    fn new(world: &World) -> Self {
        let (family, protocol) = if world.row.v6 {
            (AddressFamily::INET6, ipproto::ICMPV6)
        } else {
            (AddressFamily::INET, ipproto::ICMP)
        };
        let socket = socket(family, SocketType::RAW, Some(protocol)).expect("a raw socket");
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(3))).expect("a limit");
        let to = SocketAddr::new(world.stack, 0);
        Self { socket, to }
    }

    /// Sends `size` bytes and waits until just these come back.
    fn ping(&self, number: u16, size: usize) {
        let v6 = self.to.is_ipv6();
        let mut message = vec![if v6 { 128 } else { 8 }, 0, 0, 0, 0x12, 0x34];
        message.extend(number.to_be_bytes());
        message.extend(upward(size));
        if !v6 {
            // The kernel fills in the checksum of ICMPv6 only.
            let sum = net_core::wire::checksum::checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        sendto(&self.socket, &message, SendFlags::empty(), &self.to)
            .unwrap_or_else(|error| panic!("sending {size} bytes: {error}"));
        let mut buf = vec![0; 1 << 16];
        loop {
            let (len, _) = recv(&self.socket, &mut buf[..], RecvFlags::empty())
                .unwrap_or_else(|error| panic!("no answer to {size} bytes: {error}"));
            // A raw IPv4 socket gives the IP header, too.
            let answer = &buf[if v6 { 0 } else { 20 }..len];
            if answer[0] == if v6 { 129 } else { 0 } && answer[4..8] == message[4..8] {
                assert!(answer[8..] == message[8..], "other bytes came back");
                return;
            }
        }
    }
}
