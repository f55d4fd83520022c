//! Tests of the wire formats: round trips, bytes from nowhere, and two other implementations as
//! oracles, `etherparse` and `smoltcp::wire`.

mod arp;
mod checksum;
mod ethernet;
mod icmp;
mod ip;
mod ipv4_options;
mod membership;
mod ndp;
mod tcp;
mod transport;
mod udp;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::vec::Vec;

/// The same `count` cases in every run.
pub(crate) fn cases(count: u32) -> Config {
    Config {
        cases: count,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x5eed),
        ..Config::default()
    }
}

/// Source and destination of one family.
pub(crate) fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    let v4 = any::<(u32, u32)>().prop_map(|(a, b)| {
        let (a, b) = (Ipv4Addr::from_bits(a), Ipv4Addr::from_bits(b));
        (IpAddr::V4(a), IpAddr::V4(b))
    });
    let v6 = any::<(u128, u128)>().prop_map(|(a, b)| {
        let (a, b) = (Ipv6Addr::from_bits(a), Ipv6Addr::from_bits(b));
        (IpAddr::V6(a), IpAddr::V6(b))
    });
    prop_oneof![v4, v6]
}

pub(crate) fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=max)
}
