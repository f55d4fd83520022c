//! Routes over an interface that has gone.

use super::*;
use crate::route::{RouteTable, TableId};

const COUNT: u32 = 5000;

fn prefix(number: u32) -> IpCidr {
    IpCidr {
        address: IpAddr::V4((172 << 24 | number << 8).into()),
        prefix_len: 24,
    }
}

/// A host with as many routes over a second interface, which it returns.
fn with_routes(host: &mut Host) -> IfaceId {
    let second = iface("tun1", IfaceKind::PointToPoint, 1400, &["10.8.0.2/24"]);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    for number in 0..COUNT {
        let route = Route {
            prefix: prefix(number),
            via: None,
            iface: second,
            source: None,
            metric: 0,
        };
        host.stack.add_route(route).unwrap();
    }
    second
}

fn places(host: &Host) -> usize {
    let table = host.stack.route_table(TableId::MAIN).unwrap();
    table.prefixes_after(None).count()
}

#[test]
fn they_lead_nowhere_at_once_and_are_taken_out_in_turns() {
    let mut host = Host::new();
    let before = host.stack.routes().count();
    let second = with_routes(&mut host);
    let far = ip("172.0.7.1");
    let iface_to = |host: &Host| host.stack.route(far, None).unwrap().iface;
    assert_eq!(iface_to(&host), second);
    let generation = host.stack.route_generation();
    host.stack.remove_iface(second);
    // By the default route, though the prefix is there still.
    assert_eq!(iface_to(&host), host.wire);
    assert_ne!(host.stack.route_generation(), generation);
    let table = |host: &Host| host.stack.route_table(TableId::MAIN).map(RouteTable::len);
    assert_eq!(host.stack.routes().count(), before);
    assert_eq!(table(&host), Some(before));
    let mut left = places(&host);
    assert!(left >= before + COUNT as usize - 256, "{left} left");
    let mut turns = 0;
    while left > before {
        let due = host.stack.poll_timeout().expect("a turn is due");
        host.stack.handle_timeout(due);
        let now = places(&host);
        assert!(left - now <= 256, "{left} and then {now}");
        (left, turns) = (now, turns + 1);
        assert_eq!(iface_to(&host), host.wire);
    }
    assert_eq!((left, turns), (before, COUNT / 256));
    assert_eq!(host.stack.poll_timeout(), None);
}

#[test]
fn a_route_that_comes_back_meanwhile_stays() {
    let mut host = Host::new();
    let second = with_routes(&mut host);
    host.stack.remove_iface(second);
    let route = |number| Route {
        prefix: prefix(number),
        via: None,
        iface: host.wire,
        source: None,
        metric: 0,
    };
    for number in [0, COUNT / 2, COUNT - 1] {
        assert!(!host.stack.remove_route(prefix(number)), "it has gone");
        host.stack.add_route(route(number)).unwrap();
    }
    while let Some(due) = host.stack.poll_timeout() {
        host.stack.handle_timeout(due);
    }
    for number in [0, COUNT / 2, COUNT - 1] {
        assert!(host.stack.routes().any(|found| found == route(number)));
        assert!(host.stack.remove_route(prefix(number)));
    }
}
