use super::*;
use crate::iface::IpCidr;
use crate::route::{Reject, Route, Selector};
use core::net::IpAddr;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cidr(text: &str) -> IpCidr {
    let (address, len) = text.split_once('/').unwrap();
    IpCidr {
        address: ip(address),
        prefix_len: len.parse().unwrap(),
    }
}

fn route(prefix: &str, iface: u16) -> Route {
    Route {
        prefix: cidr(prefix),
        via: None,
        iface: IfaceId(iface),
        source: None,
        metric: 0,
    }
}

fn query(dest: &str) -> Query {
    Query {
        dest: ip(dest),
        source: None,
        mark: 0,
        owner: None,
        tos: 0,
        over: None,
        out: None,
        to_host: true,
    }
}

fn rule(priority: u32, selector: Selector, table: u32) -> Rule {
    Rule {
        priority,
        selector,
        action: RuleAction::Table(TableId(table)),
    }
}

/// Table 1 leads over interface 1 and so on, the main table over 0.
fn policy() -> Policy {
    let mut policy = Policy::default();
    policy
        .table_mut(TableId::MAIN)
        .insert(route("0.0.0.0/0", 0))
        .unwrap();
    for number in 1..6_u16 {
        let table = policy.table_mut(TableId(number.into()));
        table.insert(route("10.0.0.0/8", number)).unwrap();
    }
    policy
}

fn over(policy: &Policy, query: &Query) -> Option<u16> {
    Some(policy.decide(query, || 0)?.route()?.iface.0)
}

#[test]
fn rules_choose_the_table_of_the_same_prefix() {
    let mut policy = policy();
    let any = Selector::default();
    let from = Some(cidr("192.168.0.0/16"));
    policy.add_rule(rule(100, Selector { from, ..any }, 1));
    let to = Some(cidr("10.2.0.0/16"));
    policy.add_rule(rule(100, Selector { to, ..any }, 2));
    let mark = Some((0x10, 0xf0));
    policy.add_rule(rule(50, Selector { mark, ..any }, 3));
    policy.add_rule(rule(
        60,
        Selector {
            tos: Some(0x10),
            ..any
        },
        4,
    ));
    let came = Some(IfaceId(7));
    policy.add_rule(rule(70, Selector { over: came, ..any }, 5));
    let plain = query("10.1.1.1");
    assert_eq!(over(&policy, &plain), Some(0));
    let source = Some(ip("192.168.3.4"));
    assert_eq!(over(&policy, &Query { source, ..plain }), Some(1));
    assert_eq!(over(&policy, &query("10.2.1.1")), Some(2));
    assert_eq!(
        over(
            &policy,
            &Query {
                mark: 0x1f,
                source,
                ..plain
            }
        ),
        Some(3)
    );
    assert_eq!(over(&policy, &Query { tos: 0x13, ..plain }), Some(4));
    assert_eq!(
        over(
            &policy,
            &Query {
                over: came,
                ..plain
            }
        ),
        Some(5)
    );
    let owner = Some((1000, 1999));
    policy.add_rule(rule(80, Selector { owner, ..any }, 2));
    for (owner, table) in [(999, 0), (1000, 2), (1999, 2), (2000, 0)] {
        let owner = Some(owner);
        assert_eq!(over(&policy, &Query { owner, ..plain }), Some(table));
    }
    assert_eq!(over(&policy, &plain), Some(0), "nobody's");
    // A table that knows nothing leaves it to the next rule.
    let other = query("8.8.8.8");
    assert_eq!(over(&policy, &Query { source, ..other }), Some(0));
}

#[test]
fn a_rule_may_reject_and_be_taken_back() {
    let mut policy = policy();
    let rule = Rule {
        priority: 10,
        selector: Selector {
            to: Some(cidr("10.0.0.0/8")),
            ..Selector::default()
        },
        action: RuleAction::Reject(Reject::Prohibit),
    };
    let before = policy.generation();
    policy.add_rule(rule);
    assert_ne!(policy.generation(), before);
    let decision = policy.decide(&query("10.1.1.1"), || 0);
    assert_eq!(decision, Some(Decision::Reject(Reject::Prohibit)));
    let is_it = |other: &Rule| *other == rule;
    assert!(policy.remove_rule(is_it) && !policy.remove_rule(is_it));
    assert_eq!(over(&policy, &query("10.1.1.1")), Some(0));
    assert!(policy.rules().is_empty());
}

#[test]
fn the_default_table_and_late_rules_come_behind_the_main_one() {
    let mut policy = policy();
    policy.table_mut(TableId::MAIN).remove(cidr("0.0.0.0/0"));
    policy
        .table_mut(TableId::DEFAULT)
        .insert(route("0.0.0.0/0", 9))
        .unwrap();
    policy.add_rule(rule(40_000, Selector::default(), 2));
    assert_eq!(over(&policy, &query("10.1.1.1")), Some(2));
    assert_eq!(over(&policy, &query("8.8.8.8")), Some(9));
    policy
        .table_mut(TableId::MAIN)
        .insert(route("10.1.0.0/16", 4))
        .unwrap();
    assert_eq!(over(&policy, &query("10.1.1.1")), Some(4));
    policy.remove_iface(IfaceId(4));
    assert_eq!(over(&policy, &query("10.1.1.1")), Some(2));
}

#[test]
fn local_routes_are_for_single_hosts_and_the_local_table_goes_before_all() {
    let mut policy = policy();
    let here = |policy: &Policy, query: &Query| policy.ends_here(query);
    let plain = query("10.1.1.1");
    assert!(!policy.may_have_local() && !here(&policy, &plain));
    // In any other table it is one prefix among others.
    let (wide, main) = (cidr("0.0.0.0/0"), TableId::MAIN);
    policy.insert_local(main, wide, 0).unwrap();
    policy
        .table_mut(main)
        .insert(route("10.1.0.0/16", 4))
        .unwrap();
    assert!(here(&policy, &query("8.8.8.8")) && !here(&policy, &plain));
    let to_many = Query {
        to_host: false,
        ..query("8.8.8.8")
    };
    assert!(!here(&policy, &to_many));
    assert_eq!(
        policy.decide(&to_many, || 0),
        None,
        "as if it were not there"
    );
    policy.add_rule(rule(0, Selector::default(), 2));
    policy
        .insert_local(TableId::LOCAL, cidr("10.1.1.0/24"), 0)
        .unwrap();
    assert!(here(&policy, &plain) && !here(&policy, &query("10.1.2.1")));
    for (table, prefix) in [(main, wide), (TableId::LOCAL, cidr("10.1.1.0/24"))] {
        assert!(policy.table_mut(table).remove(prefix));
    }
    assert!(!here(&policy, &plain));
    policy.table_mut(main).remove(wide);
    assert!(!policy.may_have_local(), "nobody has to look any more");
}
