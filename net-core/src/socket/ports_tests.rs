use super::*;
use crate::seed::Seed;
use std::format;
use std::vec::Vec;

fn table(sharing: Sharing) -> PortTable {
    PortTable::new(50_000..=50_099, Seed::from_u64(1).rng("test"), sharing)
}

fn id(index: u32) -> SocketId {
    SocketId::new(index, 0, 0)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// `"reuse_address only_v6 1.2.3.4:80"`: an address with options in front.
fn claim(text: &str) -> Claim {
    let address = text.split(' ').next_back().unwrap();
    Claim {
        addr: addr(address),
        only_v6: text.contains("only_v6"),
        reuse_address: text.contains("reuse_address"),
        reuse_port: text.contains("reuse_port"),
        iface: text.contains("on_eth").then_some(ETH),
    }
}

const ETH: IfaceId = IfaceId(1);
const WLAN: IfaceId = IfaceId(2);

fn no_hash() -> u64 {
    0
}

#[test]
fn binding_twice_conflicts_as_in_the_kernel() {
    let cases = [
        ("10.0.0.1:80", "10.0.0.1:80", false),
        ("10.0.0.1:80", "10.0.0.2:80", true),
        ("10.0.0.1:80", "10.0.0.1:81", true),
        ("0.0.0.0:80", "10.0.0.1:80", false),
        ("10.0.0.1:80", "0.0.0.0:80", false),
        ("[::]:80", "0.0.0.0:80", false),
        ("[::]:80", "10.0.0.1:80", false),
        ("only_v6 [::]:80", "0.0.0.0:80", true),
        ("only_v6 [::]:80", "[::1]:80", false),
        ("[fd07::1]:80", "0.0.0.0:80", true),
        ("[fd07::1]:80", "[::]:80", false),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80", false),
        ("[::ffff:0.0.0.0]:80", "10.0.0.1:80", false),
        ("reuse_address 10.0.0.1:80", "10.0.0.1:80", false),
        (
            "reuse_address 10.0.0.1:80",
            "reuse_address 10.0.0.1:80",
            true,
        ),
        (
            "reuse_address 0.0.0.0:80",
            "reuse_address 10.0.0.1:80",
            true,
        ),
        ("reuse_port 10.0.0.1:80", "reuse_address 10.0.0.1:80", false),
        ("reuse_port 10.0.0.1:80", "reuse_port 10.0.0.1:80", true),
        ("reuse_port [::]:80", "reuse_port 0.0.0.0:80", true),
    ];
    for sharing in [Sharing::Always, Sharing::WhileInactive] {
        for (first, second, both) in cases {
            let mut table = table(sharing);
            assert_eq!(
                table.bind(claim(first), id(1), false),
                Ok(claim(first).addr.port())
            );
            let outcome = table.bind(claim(second), id(2), false);
            assert_eq!(outcome.is_ok(), both, "{first} then {second}: {outcome:?}");
        }
    }
}

#[test]
fn a_tcp_listener_shares_its_address_by_reuse_port_only() {
    let cases = [
        ("reuse_address 10.0.0.1:80", false),
        ("reuse_address reuse_port 10.0.0.1:80", true),
    ];
    for (text, shared) in cases {
        let mut table = table(Sharing::WhileInactive);
        table.bind(claim(text), id(1), false).unwrap();
        table.bind(claim(text), id(2), false).unwrap();
        let local = addr("10.0.0.1:80");
        assert_eq!(table.set_active(local, false, id(1), true), Ok(()));
        assert_eq!(
            table.set_active(local, false, id(2), true).is_ok(),
            shared,
            "{text}"
        );
        assert_eq!(
            table.bind(claim(text), id(3), false).is_ok(),
            shared,
            "{text}"
        );
        assert_eq!(table.lookup(local, ETH, || 0), Some(id(1)));
    }
}

#[test]
fn two_udp_sockets_share_an_address_by_reuse_address_and_the_later_one_receives() {
    let mut table = table(Sharing::Always);
    let both = claim("reuse_address 0.0.0.0:80");
    table.bind(both, id(1), true).unwrap();
    table.bind(both, id(2), true).unwrap();
    assert_eq!(table.lookup(addr("10.0.0.1:80"), ETH, no_hash), Some(id(2)));
}

#[test]
fn the_most_specific_address_wins() {
    let mut table = table(Sharing::Always);
    for (index, text) in (0..).zip(["[::]:80", "0.0.0.0:80", "10.0.0.1:80", "[fd07::1]:80"]) {
        table
            .bind(claim(&format!("reuse_port {text}")), id(index), true)
            .unwrap();
    }
    let lookup = |table: &PortTable, text| table.lookup(addr(text), ETH, no_hash);
    assert_eq!(lookup(&table, "10.0.0.1:80"), Some(id(2)));
    assert_eq!(lookup(&table, "10.0.0.2:80"), Some(id(1)));
    assert_eq!(lookup(&table, "[fd07::1]:80"), Some(id(3)));
    assert_eq!(lookup(&table, "[fd07::2]:80"), Some(id(0)));
    assert_eq!(lookup(&table, "10.0.0.1:81"), None);
    table.release(addr("0.0.0.0:80"), false, id(1));
    assert_eq!(lookup(&table, "10.0.0.2:80"), Some(id(0)));
    table.release(addr("[::]:80"), false, id(0));
    assert_eq!(lookup(&table, "10.0.0.2:80"), None);
}

#[test]
fn an_ipv6_only_wildcard_takes_no_ipv4() {
    let mut table = table(Sharing::Always);
    table.bind(claim("only_v6 [::]:80"), id(1), true).unwrap();
    assert_eq!(table.lookup(addr("10.0.0.1:80"), ETH, no_hash), None);
    assert_eq!(
        table.lookup(addr("[fd07::1]:80"), ETH, no_hash),
        Some(id(1))
    );
}

#[test]
fn arrivals_are_spread_over_a_reuse_port_group_by_hash() {
    let mut table = table(Sharing::WhileInactive);
    let local = addr("10.0.0.1:80");
    for index in 0..4 {
        table
            .bind(claim("reuse_port 10.0.0.1:80"), id(index), true)
            .unwrap();
    }
    let chosen: Vec<usize> = [0, 1 << 62, 2 << 62, 3 << 62, u64::MAX]
        .map(|hash| table.lookup(local, ETH, || hash).unwrap().index())
        .into();
    assert_eq!(chosen, [0, 1, 2, 3, 3]);
}

#[test]
fn inactive_sockets_take_no_arrivals() {
    let mut table = table(Sharing::WhileInactive);
    let local = addr("10.0.0.1:80");
    table.bind(claim("10.0.0.1:80"), id(1), false).unwrap();
    assert_eq!(table.lookup(local, ETH, no_hash), None);
    table.set_active(local, false, id(1), true).unwrap();
    assert_eq!(table.lookup(local, ETH, no_hash), Some(id(1)));
}

#[test]
fn connections_keep_a_port_from_binds_that_do_not_reuse() {
    let mut table = table(Sharing::WhileInactive);
    let local = addr("10.0.0.1:80");
    table.hold(local, true);
    assert_eq!(
        table.bind(claim("10.0.0.1:80"), id(1), false),
        Err(SocketError::AddressInUse)
    );
    assert_eq!(table.bind(claim("10.0.0.2:80"), id(1), false), Ok(80));
    assert_eq!(
        table.bind(claim("reuse_address 10.0.0.1:80"), id(2), false),
        Ok(80)
    );
    table.release(local, false, id(2));
    table.hold(local, false);
    let reuse = claim("reuse_address 10.0.0.1:80");
    assert_eq!(
        table.bind(reuse, id(3), false),
        Err(SocketError::AddressInUse)
    );
    table.unhold(local, false);
    table.unhold(local, true);
    assert_eq!(table.bind(claim("10.0.0.1:80"), id(3), false), Ok(80));
}

#[test]
fn port_zero_takes_each_port_of_the_range_once() {
    let mut table = table(Sharing::WhileInactive);
    let mut ports: Vec<u16> = (0..100)
        .map(|index| table.bind(claim("0.0.0.0:0"), id(index), false).unwrap())
        .collect();
    assert_eq!(
        table.bind(claim("10.0.0.1:0"), id(100), false),
        Err(SocketError::AddressInUse)
    );
    ports.sort_unstable();
    assert!(ports.into_iter().eq(50_000..=50_099));
}

#[test]
fn the_first_port_differs_from_seed_to_seed() {
    let first = |seed| {
        let rng = Seed::from_u64(seed).rng("test");
        let mut table = PortTable::new(32768..=60999, rng, Sharing::Always);
        table.bind(claim("0.0.0.0:0"), id(1), false).unwrap()
    };
    assert_ne!(first(1), first(2));
}

#[test]
fn an_ephemeral_port_is_bound_by_nobody_and_free_as_a_four_tuple() {
    let mut table = table(Sharing::WhileInactive);
    let local = addr("10.0.0.1:0");
    table.bind(claim("0.0.0.0:50050"), id(1), false).unwrap();
    table.hold(addr("10.0.0.1:50051"), false);
    let mut offered = Vec::new();
    let port = table.ephemeral(local.ip(), |port| {
        offered.push(port);
        port == 50_051
    });
    assert_eq!(port, Ok(50_051));
    assert!(!offered.contains(&50_050));
    assert_eq!(
        table.ephemeral(local.ip(), |_| false),
        Err(SocketError::AddressNotAvailable)
    );
}

#[test]
fn the_table_is_empty_when_everything_is_released() {
    let mut table = table(Sharing::WhileInactive);
    for index in 0..50 {
        let port = table.bind(claim("[::]:0"), id(index), true).unwrap();
        table.hold(SocketAddr::new(addr("10.0.0.1:0").ip(), port), false);
        table.hold(SocketAddr::new(addr("10.0.0.1:0").ip(), port), true);
        table.unhold(SocketAddr::new(addr("10.0.0.1:0").ip(), port), false);
        table.unhold(SocketAddr::new(addr("10.0.0.1:0").ip(), port), true);
        table.release(SocketAddr::new(addr("[::]:0").ip(), port), false, id(index));
    }
    assert_eq!(table.len(), 0);
}

#[test]
fn sockets_of_different_interfaces_do_not_meet() {
    let mut table = table(Sharing::Always);
    let local = addr("10.0.0.1:80");
    table
        .bind(claim("on_eth 10.0.0.1:80"), id(1), true)
        .unwrap();
    assert_eq!(table.lookup(local, ETH, no_hash), Some(id(1)));
    assert_eq!(table.lookup(local, WLAN, no_hash), None);
    let everywhere = claim("10.0.0.1:80");
    assert_eq!(
        table.bind(everywhere, id(2), true),
        Err(SocketError::AddressInUse)
    );
    let elsewhere = Claim {
        iface: Some(WLAN),
        ..everywhere
    };
    table.bind(elsewhere, id(2), true).unwrap();
    assert_eq!(table.lookup(local, WLAN, no_hash), Some(id(2)));
    table.set_iface(local, false, id(1), Some(WLAN));
    assert_eq!(table.lookup(local, ETH, no_hash), None);
}

#[test]
fn a_socket_of_the_interface_goes_before_one_of_all() {
    let mut table = table(Sharing::Always);
    let local = addr("10.0.0.1:80");
    let shared = claim("reuse_address 10.0.0.1:80");
    let of_eth = Claim {
        iface: Some(ETH),
        ..shared
    };
    table.bind(of_eth, id(1), true).unwrap();
    table.bind(shared, id(2), true).unwrap();
    assert_eq!(table.lookup(local, ETH, no_hash), Some(id(1)));
    assert_eq!(table.lookup(local, WLAN, no_hash), Some(id(2)));
}

#[test]
fn a_port_may_have_ten_thousand_addresses() {
    let mut table = table(Sharing::WhileInactive);
    let local = |number: u32| {
        let [_, _, high, low] = number.to_be_bytes();
        SocketAddr::from(([10, 0, high, low], 80))
    };
    let everywhere = claim("[::]:80");
    let claim = |number| Claim {
        addr: local(number),
        ..everywhere
    };
    for number in 0..10_000 {
        table.bind(claim(number), id(number), true).unwrap();
        table.hold(local(number), false);
    }
    let taken = Err(SocketError::AddressInUse);
    for number in (0..10_000).step_by(99) {
        assert_eq!(table.bind(claim(number), id(0), true), taken);
        assert_eq!(table.lookup(local(number), ETH, no_hash), Some(id(number)));
        assert!(table.takers_at(local(number)).eq([id(number)]));
        assert!(table.bound(local(number)).eq([id(number)]));
    }
    assert_eq!(table.bind(everywhere, id(0), true), taken);
    assert_eq!(table.bind(claim(10_000), id(10_000), true), Ok(80));
    for number in 0..10_000 {
        table.release(local(number), false, id(number));
        table.unhold(local(number), false);
        assert_eq!(table.lookup(local(number), ETH, no_hash), None);
    }
    assert_eq!(table.len(), 1);
}

#[test]
fn a_table_with_a_share_of_the_ports_chooses_those_alone_and_takes_any_that_is_named() {
    let mut chosen = Vec::new();
    for index in 0..3 {
        let share = PortShare::new(index, 3).unwrap();
        let mut table = table(Sharing::Always).with_share(share);
        table.bind(claim("10.0.0.1:80"), id(100), true).unwrap();
        let before = chosen.len();
        while let Ok(port) = table.bind(claim("10.0.0.1:0"), id(1), true) {
            assert_eq!(share.owner(port), index);
            chosen.push(port);
        }
        // 100 ports from 50,000 on.
        assert!((33..=34).contains(&(chosen.len() - before)));
        let taken = table.ephemeral("10.0.0.1".parse().unwrap(), |_| true);
        assert_eq!(taken, Err(SocketError::AddressNotAvailable));
    }
    chosen.sort_unstable();
    assert!(chosen == (50_000..=50_099).collect::<Vec<u16>>());
}
