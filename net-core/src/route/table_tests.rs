use super::*;
use crate::route::{NextHop, Weight};

fn prefix(text: &str) -> IpCidr {
    let (address, len) = text.split_once('/').unwrap();
    cidr(address.parse().unwrap(), len.parse().unwrap())
}

fn route(to: &str, iface: u16, metric: u32) -> Route {
    Route {
        prefix: prefix(to),
        via: None,
        iface: IfaceId(iface),
        source: None,
        metric,
    }
}

fn over(table: &RouteTable, dest: &str, flow: u64) -> Option<u16> {
    let decision = table.decide(dest.parse().unwrap(), || flow)?;
    Some(decision.route()?.iface.0)
}

#[test]
fn the_longest_prefix_wins_in_both_families() {
    let mut table = RouteTable::new();
    for (number, to) in (0..).zip(["192.168.0.0/16", "192.168.2.0/24", "::/0", "2001:db8::/32"]) {
        table.insert(route(to, number, 0)).unwrap();
    }
    assert_eq!(over(&table, "192.168.2.1", 0), Some(1));
    assert_eq!(over(&table, "192.168.3.1", 0), Some(0));
    assert_eq!(over(&table, "10.0.0.1", 0), None);
    assert_eq!(over(&table, "2001:db8::1", 0), Some(3));
    assert_eq!(over(&table, "2001:db9::1", 0), Some(2));
    let found = table.lookup("192.168.2.1".parse().unwrap()).unwrap();
    assert_eq!(found.prefix, prefix("192.168.2.0/24"));
}

#[test]
fn ways_of_one_metric_share_flows_evenly_and_each_flow_keeps_its_way() {
    let mut table = RouteTable::new();
    for iface in 0..4 {
        table.insert_beside(route("0.0.0.0/0", iface, 7)).unwrap();
    }
    table.insert_beside(route("0.0.0.0/0", 9, 8)).unwrap();
    let mut counts = [0; 4];
    for step in 0..4000_u64 {
        let flow = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let iface = over(&table, "192.0.2.1", flow).unwrap();
        assert_eq!(over(&table, "192.0.2.1", flow), Some(iface));
        counts[usize::from(iface)] += 1;
    }
    assert!(
        counts.iter().all(|count| (950..1050).contains(count)),
        "{counts:?}"
    );
    // One that replaces takes the place of all of its metric.
    table.insert(route("0.0.0.0/0", 5, 7)).unwrap();
    assert_eq!(over(&table, "192.0.2.1", u64::MAX), Some(5));
}

/// What is appended to a route that rejects is behind it, as in Linux; one that rejects and is behind others is
/// never come to.
#[test]
fn what_leads_nowhere_shares_with_none() {
    let mut table = RouteTable::new();
    let (closed, open) = (prefix("10.0.0.0/8"), prefix("172.16.0.0/12"));
    table.insert_reject(closed, Reject::Prohibit, 7).unwrap();
    for iface in [1, 2] {
        table.insert_beside(route("10.0.0.0/8", iface, 7)).unwrap();
    }
    let rejects = Way::end(7, Target::Reject(Reject::Prohibit));
    table.insert(route("172.16.0.0/12", 1, 7)).unwrap();
    table.add(open, &[rejects], false).unwrap();
    table.insert_beside(route("172.16.0.0/12", 2, 7)).unwrap();
    for (flow, iface) in [
        (0, 1),
        (u64::MAX / 4, 1),
        (3 * (u64::MAX / 4), 2),
        (u64::MAX, 2),
    ] {
        let closed = table.decide("10.1.1.1".parse().unwrap(), || flow);
        assert_eq!(closed, Some(Decision::Reject(Reject::Prohibit)));
        assert_eq!(over(&table, "172.16.1.1", flow), Some(iface));
    }
}

/// With hashes at even distances each region has those that its share of the space has, but for one at each
/// of its two bounds.
#[test]
fn next_hops_take_flows_in_proportion_to_their_weights() {
    const FLOWS: u64 = 10_000;
    let mut table = RouteTable::new();
    let weights = [1_u16, 256, 3, 40];
    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let hop = |(iface, weight): (u16, u16)| NextHop {
        via: None,
        iface: IfaceId(iface),
        weight: Weight::new(weight).unwrap(),
        onlink: false,
    };
    let wide = Multipath {
        prefix: prefix("0.0.0.0/0"),
        source: None,
        metric: 7,
        hops: (0..).zip(weights).map(hop).collect(),
    };
    table.insert_multipath(&wide).unwrap();
    table.insert_beside(route("0.0.0.0/0", 9, 8)).unwrap();
    let mut counts = [0_u64; 4];
    for step in 0..FLOWS {
        let flow = step * (u64::MAX / FLOWS);
        let iface = over(&table, "192.0.2.1", flow).unwrap();
        assert_eq!(over(&table, "192.0.2.1", flow), Some(iface));
        counts[usize::from(iface)] += 1;
    }
    for (count, weight) in counts.into_iter().zip(weights) {
        let meant = FLOWS * u64::from(weight) / total;
        assert!(count.abs_diff(meant) <= 2, "{count} of {meant}: {counts:?}");
    }
    assert_eq!(counts.iter().sum::<u64>(), FLOWS);
    assert_eq!(over(&table, "192.0.2.1", u64::MAX), Some(3), "the last one");
    assert_eq!(table.multipaths().next(), Some(wide));
    // What is said again of a next hop counts.
    let mut other = route("0.0.0.0/0", 1, 7);
    table.insert_beside(other).unwrap();
    let found = table.multipaths().next().unwrap();
    assert_eq!(found.hops.len(), 4);
    assert!(found.hops.iter().all(|hop| hop.weight.number() != 256));
    // Another source is another route, which has its share too.
    other.source = Some([10, 0, 0, 1].into());
    table.insert_beside(other).unwrap();
    assert_eq!(table.multipaths().count(), 3);
}

#[test]
fn nothing_goes_to_a_prefix_that_is_rejected() {
    let mut table = RouteTable::new();
    table.insert(route("0.0.0.0/0", 1, 0)).unwrap();
    table
        .insert_reject(prefix("10.0.0.0/8"), Reject::Prohibit, 0)
        .unwrap();
    let decision = table.decide(Ipv4Addr::new(10, 1, 1, 1).into(), || 0);
    assert_eq!(decision, Some(Decision::Reject(Reject::Prohibit)));
    assert_eq!(table.lookup(Ipv4Addr::new(10, 1, 1, 1).into()), None);
    assert_eq!((table.routes().count(), table.entries().count()), (1, 2));
}

#[test]
fn an_interface_that_goes_takes_its_ways_and_leaves_the_others() {
    let mut table = RouteTable::new();
    table.insert_beside(route("10.0.0.0/8", 1, 0)).unwrap();
    table.insert_beside(route("10.0.0.0/8", 2, 0)).unwrap();
    table.insert(route("fd00::/8", 1, 0)).unwrap();
    table.remove_iface(IfaceId(1));
    assert_eq!(over(&table, "10.1.1.1", 0), Some(2));
    assert_eq!(table.len(), 1);
}

#[test]
fn many_are_found_as_one_by_one() {
    let mut table = RouteTable::new();
    for number in 0..200_u16 {
        table
            .insert(route(&std::format!("10.{number}.0.0/16"), number, 0))
            .unwrap();
    }
    let dests: Vec<u32> = (0..300).map(|n| 10 << 24 | n << 16 | n).collect();
    let mut found = Vec::new();
    table.decide_each(&dests, &mut found);
    let alone = dests
        .iter()
        .map(|&dest| table.decide(Ipv4Addr::from(dest).into(), || 0));
    assert_eq!(found, alone.collect::<Vec<_>>());
    for number in 0..200_u16 {
        table
            .insert(route(&std::format!("2001:db8:{number:x}::/48"), number, 0))
            .unwrap();
    }
    let dests: Vec<u128> = (0..300).map(|n| 0x2001_0db8 << 96 | n << 80 | n).collect();
    found.clear();
    table.decide_each_v6(&dests, &mut found);
    let alone = dests
        .iter()
        .map(|&dest| table.decide(Ipv6Addr::from(dest).into(), || 0));
    assert_eq!(found, alone.collect::<Vec<_>>());
    assert!(found[199].is_some() && found[200].is_none());
}

#[test]
fn prefixes_that_share_their_ways_cost_little() {
    let mut table = RouteTable::new();
    for number in 0..60_000_u32 {
        let address = Ipv4Addr::from(0x0a00_0000 + (number << 8));
        let mut route = route("0.0.0.0/24", u16::try_from(number % 16).unwrap(), 0);
        route.prefix.address = address.into();
        table.insert(route).unwrap();
    }
    let each = table.memory() / table.len();
    assert!(each <= 30, "{each} bytes a prefix");
}
