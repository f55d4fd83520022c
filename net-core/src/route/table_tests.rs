use super::*;
use crate::route::{NextHop, Weight};
use proptest::prelude::*;

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

#[test]
fn where_an_interface_has_gone_a_shorter_prefix_leads() {
    let mut table = RouteTable::new();
    for (to, iface) in [("0.0.0.0/0", 2), ("10.0.0.0/8", 1), ("10.7.0.0/16", 1)] {
        table.insert(route(to, iface, 0)).unwrap();
    }
    for (to, iface) in [("::/0", 2), ("2001:db8::/32", 1)] {
        table.insert(route(to, iface, 0)).unwrap();
    }
    table.remove_iface(IfaceId(1));
    for dest in ["10.7.1.1", "10.1.1.1", "192.0.2.1", "2001:db8::1"] {
        assert_eq!(over(&table, dest, 0), Some(2), "{dest}");
    }
    let mut found = Vec::new();
    table.decide_each(&[0x0a07_0101, 0x0a01_0101], &mut found);
    table.decide_each_v6(&[0x2001_0db8 << 96], &mut found);
    let way = |decision: &Option<Decision>| decision.and_then(Decision::route);
    assert!(found.iter().filter_map(way).all(|route| route.iface.0 == 2));
    assert_eq!((found.iter().filter_map(way).count(), table.len()), (3, 2));
    assert!(!table.remove(prefix("10.7.0.0/16")), "it is there no more");
    table.insert(route("10.0.0.0/8", 3, 0)).unwrap();
    assert_eq!(over(&table, "10.7.1.1", 0), Some(3));
    assert_eq!(table.prefixes_after(None).count(), 4);
    assert!(!table.clear_gone(9));
    let left: Vec<_> = table.prefixes_after(None).collect();
    assert_eq!(left, ["0.0.0.0/0", "10.0.0.0/8", "::/0"].map(prefix));
}

#[test]
fn an_interface_without_routes_goes_and_nobody_has_to_look_again() {
    let mut table = RouteTable::new();
    table.insert(route("10.0.0.0/8", 1, 0)).unwrap();
    let generation = table.generation();
    table.remove_iface(IfaceId(2));
    assert_eq!(table.generation(), generation);
    table.remove_iface(IfaceId(1));
    assert_ne!(table.generation(), generation);
}

#[test]
fn the_prefixes_behind_each_are_those_of_the_list() {
    let mut table = RouteTable::new();
    for number in 0..300_u16 {
        let high = number / 7;
        let len = 16 + number % 17;
        let to = std::format!("10.{high}.{}.0/{len}", number % 7);
        table.insert(route(&to, 1, 0)).unwrap();
        let to = std::format!("2001:db8:{high:x}::/{}", 32 + number % 64);
        table.insert(route(&to, 1, 0)).unwrap();
    }
    let all: Vec<_> = table.prefixes_after(None).collect();
    assert_eq!(all.len(), table.len());
    for (&prefix, at) in all.iter().zip(1_usize..) {
        let rest: Vec<_> = table.prefixes_after(Some(prefix)).collect();
        assert_eq!(rest[..], all[at..], "behind {prefix:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Insert(u8, u16),
    Beside(u8, u16),
    Remove(u8),
    RemoveIface(u16),
    Clear(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (number, iface) = (0_u8..12, 0_u16..4);
    let both = (number.clone(), iface.clone());
    prop_oneof![
        1 => both.clone().prop_map(|(number, iface)| Op::Insert(number, iface)),
        4 => both.prop_map(|(number, iface)| Op::Beside(number, iface)),
        1 => number.prop_map(Op::Remove),
        1 => iface.prop_map(Op::RemoveIface),
        1 => (0_usize..6).prop_map(Op::Clear),
    ]
}

/// Each is in those before it.
fn nested(number: u8) -> IpCidr {
    cidr(
        masked([10, 77, 77, 77].into(), number + 8).address,
        number + 8,
    )
}

proptest! {
    /// Ways of one metric share, and the first of them takes the flow of hash 0.
    #[test]
    fn while_interfaces_go_it_agrees_with_a_list(ops in proptest::collection::vec(op(), 1..60)) {
        let mut table = RouteTable::new();
        let mut model = std::vec![Vec::new(); 12];
        for op in ops {
            let route_to = |number, iface| Route { prefix: nested(number), ..route("0.0.0.0/0", iface, 0) };
            match op {
                Op::Insert(number, iface) => {
                    table.insert(route_to(number, iface)).unwrap();
                    model[usize::from(number)] = std::vec![iface];
                }
                Op::Beside(number, iface) => {
                    table.insert_beside(route_to(number, iface)).unwrap();
                    let ways = &mut model[usize::from(number)];
                    if !ways.contains(&iface) {
                        ways.push(iface);
                    }
                }
                Op::Remove(number) => {
                    let ways = core::mem::take(&mut model[usize::from(number)]);
                    prop_assert_eq!(table.remove(nested(number)), !ways.is_empty());
                }
                Op::RemoveIface(iface) => {
                    table.remove_iface(IfaceId(iface));
                    model.iter_mut().for_each(|ways| ways.retain(|&way| way != iface));
                }
                Op::Clear(most) => drop(table.clear_gone(most)),
            }
            let there = model.iter().filter(|ways| !ways.is_empty());
            prop_assert_eq!(table.len(), there.clone().count());
            let first = there.clone().next_back().and_then(|ways| ways.first().copied());
            prop_assert_eq!(over(&table, "10.77.77.77", 0), first);
            for (ways, number) in model.iter().zip(0..) {
                let found = table.entries_to(nested(number));
                let found = found.filter_map(|(_, decision)| Some(decision.route()?.iface.0));
                prop_assert_eq!(&found.collect::<Vec<_>>(), ways);
            }
        }
        while table.clear_gone(2) {}
        prop_assert_eq!(table.prefixes_after(None).count(), table.len());
    }
}
