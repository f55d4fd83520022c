//! `ip route` and `ip rule`.

use super::*;
use crate::error::SocketError;
use crate::route::TableId;
use std::string::ToString;

fn said(outcome: Result<(), crate::ParseError>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn routes_are_added_shown_and_deleted_by_words() {
    let mut host = Host::new();
    for words in [
        "add 192.0.2.0/24 via 10.7.0.9 dev tun0 src 10.7.0.2 metric 5",
        "192.0.2.0/24 via 10.7.0.8 metric 7",
        "append 192.0.2.0/24 via 10.7.0.7 metric 7",
        "add prohibit 198.51.100.0/24",
        "add 2001:db8::/32 via fd07::9",
        "replace default via 10.7.0.3 dev tun0",
        "add default via fd07::4 table 100",
        "add local 203.0.113.0/24 dev lo",
        "add local default metric 9 table main",
    ] {
        host.stack
            .ip_route(words)
            .unwrap_or_else(|error| panic!("{words}: {error}"));
    }
    let shown = host.stack.show_routes(TableId::MAIN);
    let expected = [
        "default via 10.7.0.3 dev tun0",
        "192.0.2.0/24 via 10.7.0.9 dev tun0 src 10.7.0.2 metric 5",
        "192.0.2.0/24 metric 7 nexthop via 10.7.0.8 dev tun0 weight 1 \
         nexthop via 10.7.0.7 dev tun0 weight 1",
        "prohibit 198.51.100.0/24",
        "2001:db8::/32 via fd07::9 dev tun0",
        "local default metric 9 table main",
    ];
    for line in expected {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} of\n{shown}"
        );
    }
    let local = host.stack.show_routes(TableId::LOCAL);
    assert_eq!(local, "local 203.0.113.0/24\n");
    host.stack.ip_route("del local 203.0.113.0/24").unwrap();
    assert_eq!(host.stack.show_routes(TableId::LOCAL), "");
    let other = host.stack.show_routes(TableId(100));
    assert_eq!(other, "default via fd07::4 dev tun0\n");
    host.stack
        .ip_route("del 192.0.2.0/24 via 10.7.0.8")
        .unwrap();
    host.stack.ip_route("del prohibit 198.51.100.0/24").unwrap();
    let left = host.stack.show_routes(TableId::MAIN);
    assert!(!left.contains("10.7.0.8") && left.contains("10.7.0.7") && !left.contains("prohibit"));
}

#[test]
fn what_is_shown_adds_the_same_again() {
    let mut host = Host::new();
    host.stack
        .ip_route("add 192.0.2.0/24 via 10.7.0.9 metric 3")
        .unwrap();
    for words in [
        "append 192.0.2.0/24 via 10.7.0.8 metric 3",
        "append 192.0.2.0/24 metric 3 src 10.7.0.2 nexthop via 10.7.0.7 weight 256 nexthop dev tun0",
        "add 198.51.100.0/24 nexthop via 10.7.0.9 weight 2",
        "add 203.0.113.0/24 via 10.8.0.1 dev tun0 metric 9 onlink",
        "add 2001:db8::/32 nexthop via fd07::9 weight 3 nexthop via fe80::1 dev tun0 \
         nexthop via fd08::1 dev tun0 onlink",
        "add blackhole 2001:db9::/32 metric 4",
    ] {
        host.ip_route(words);
    }
    let shown = host.stack.show_routes(TableId::MAIN);
    for line in shown.lines() {
        // Behind the next hops nothing else may stand.
        let words = match line.split_once(" nexthop") {
            Some((before, hops)) => std::format!("append {before} table 7 nexthop{hops}"),
            None => std::format!("append {line} table 7"),
        };
        host.ip_route(&words);
    }
    let again = host.stack.show_routes(TableId(7));
    // That of the other family's default route is told by its next hop alone.
    assert_eq!(again, shown);
    for words in [
        "192.0.2.0/24 src 10.7.0.2 metric 3 nexthop via 10.7.0.7 dev tun0 weight 256 \
         nexthop dev tun0 weight 1",
        "198.51.100.0/24 nexthop via 10.7.0.9 dev tun0 weight 2",
        "203.0.113.0/24 via 10.8.0.1 dev tun0 metric 9 onlink",
        "2001:db8::/32 nexthop via fd07::9 dev tun0 weight 3 nexthop via fe80::1 dev tun0 weight 1 \
         nexthop via fd08::1 dev tun0 weight 1 onlink",
    ] {
        assert!(
            shown.lines().any(|line| line == words),
            "{words} of\n{shown}"
        );
    }
}

#[test]
fn errors_point_at_the_column() {
    let mut host = Host::new();
    let cases = [
        (
            "add 192.0.2.0/33 dev tun0",
            "column 5: the length of this prefix is a number up to 32",
        ),
        ("add nowhere dev tun0", "column 5: \"nowhere\" is no prefix"),
        (
            "add 192.0.2.0/24 dev eth7",
            "column 22: there is no interface \"eth7\"",
        ),
        ("add 192.0.2.0/24 via", "column 21: address is missing"),
        (
            "add 192.0.2.0/24 over tun0",
            "column 18: one of via, dev, src, metric, table, onlink and nexthop goes here",
        ),
        (
            "add 0.0.0.0/0 dev tun0",
            "column 1: there is such a route already; append or replace it",
        ),
        ("del 192.0.2.0/24", "column 1: there is no such route"),
        (
            "add local 192.0.2.0/24 dev tun0",
            "column 1: such a route has no way on: no device but the loopback",
        ),
        (
            "add 192.0.2.0/24 metric -1",
            "column 25: \"-1\" is no number",
        ),
    ];
    for (words, error) in cases {
        assert_eq!(said(host.stack.ip_route(words)), error, "{words}");
    }
    let wrong = host.stack.ip_route("add 192.0.2.0/24 via fd07::1 dev tun0");
    assert!(said(wrong).contains("have the family of its prefix"));
}

#[test]
fn errors_about_next_hops_point_at_the_column() {
    let mut host = Host::new();
    let cases = [
        (
            "add 192.0.2.0/24 nexthop",
            "column 25: where the next hop is (via, dev) is missing",
        ),
        (
            "add 192.0.2.0/24 nexthop via 10.7.0.9 weight 0",
            "column 46: weights are 1 to 256",
        ),
        (
            "add 192.0.2.0/24 nexthop via 10.7.0.9 weight 257",
            "column 46: weights are 1 to 256",
        ),
        (
            "add 192.0.2.0/24 nexthop via 10.7.0.9 metric 5",
            "column 39: one of via, dev, weight, onlink and nexthop goes here",
        ),
        (
            "add 192.0.2.0/24 via 10.7.0.8 nexthop via 10.7.0.9",
            "column 31: via, dev and onlink go behind nexthop",
        ),
        (
            "add 192.0.2.0/24 via 10.7.0.8 weight 2",
            "column 31: one of via, dev, src, metric, table, onlink and nexthop goes here",
        ),
        (
            "add prohibit 192.0.2.0/24 nexthop via 10.7.0.9",
            "column 1: such a route has no way on: no device but the loopback",
        ),
        (
            "add 192.0.2.0/24 via 10.8.0.9 onlink",
            "column 1: no interface leads to the next hop; name it (dev)",
        ),
        (
            "add 2001:db8::/32 nexthop via fd07::9 nexthop via fd07::9",
            "column 1: it is there already: take the old one out first",
        ),
    ];
    for (words, error) in cases {
        assert_eq!(said(host.stack.ip_route(words)), error, "{words}");
    }
    let gateway = host.stack.ip_route("add 192.0.2.0/24 via 10.8.0.9");
    let error = gateway.unwrap_err();
    assert!(error.problem.starts_with("nexthop has invalid gateway"));
    assert_eq!(error.cause, Some(SocketError::NetworkUnreachable));
}

#[test]
fn a_next_hop_is_deleted_without_the_others_and_none_if_one_is_not_there() {
    let mut host = Host::new();
    host.ip_route(
        "add 192.0.2.0/24 nexthop via 10.7.0.7 nexthop via 10.7.0.8 nexthop via 10.7.0.9",
    );
    let wrong = "del 192.0.2.0/24 nexthop via 10.7.0.7 nexthop via 10.7.0.6";
    let error = said(host.stack.ip_route(wrong));
    assert_eq!(error, "column 1: there is no such route");
    assert!(host.stack.show_routes(TableId::MAIN).contains("10.7.0.7"));
    host.ip_route("del 192.0.2.0/24 nexthop via 10.7.0.7 nexthop via 10.7.0.9");
    let shown = host.stack.show_routes(TableId::MAIN);
    assert!(
        shown.contains("192.0.2.0/24 via 10.7.0.8 dev tun0\n"),
        "{shown}"
    );
}

#[test]
fn rules_are_added_and_deleted_by_words() {
    let mut host = Host::new();
    let words = "from 10.1.0.0/16 to all fwmark 0x10/0xf0 tos 0x10 iif tun0 uidrange 1000-1999 \
                 lookup 100 priority 50";
    host.stack.ip_rule(&std::format!("add {words}")).unwrap();
    let rule = host.stack.rules()[0];
    assert_eq!(
        (rule.priority, rule.selector.mark),
        (50, Some((0x10, 0xf0)))
    );
    assert_eq!(
        (rule.selector.to, rule.selector.over),
        (None, Some(host.wire))
    );
    assert_eq!(rule.selector.owner, Some((1000, 1999)));
    host.stack.ip_rule(&std::format!("del {words}")).unwrap();
    assert!(host.stack.rules().is_empty());
    let cases = [
        ("show", "column 1: add or del goes here"),
        (
            "add from 10.0.0.0/8 fwmark x",
            "column 28: \"x\" is no mark with or without a mask",
        ),
        (
            "add from 10.0.0.0/8 go",
            "column 21: one of not, from, to, fwmark, tos, iif, oif, uidrange, lookup and priority goes here",
        ),
        (
            "add from 10.0.0.0/8",
            "column 20: what to do (lookup, blackhole, unreachable or prohibit) is missing",
        ),
        ("del prohibit", "column 1: there is no such rule"),
        (
            "add uidrange 9-1 prohibit",
            "column 14: \"9-1\" is no range of owners, the lower number first (1000-1999)",
        ),
        (
            "add tos 256 lookup main",
            "column 9: \"256\" is no number that fits",
        ),
    ];
    for (words, error) in cases {
        assert_eq!(said(host.stack.ip_rule(words)), error, "{words}");
    }
}

/// As the kernel numbers them: see `tests/rules.rs` for the comparison.
#[test]
fn a_rule_without_a_priority_goes_before_those_that_are_there() {
    let mut host = Host::new();
    let mut add = |words: &str| {
        host.stack.ip_rule(&std::format!("add {words}")).unwrap();
        let rules = host.stack.rules().iter();
        rules.map(|rule| rule.priority).collect::<Vec<_>>()
    };
    assert_eq!(add("fwmark 1 lookup 100"), [32765]);
    assert_eq!(add("fwmark 2 lookup 101"), [32764, 32765]);
    assert_eq!(add("fwmark 3 lookup 102 priority 10"), [10, 32764, 32765]);
    assert_eq!(add("fwmark 4 lookup 103"), [9, 10, 32764, 32765]);
    // Without a number, whichever it has.
    host.stack.ip_rule("del fwmark 3 lookup 102").unwrap();
    assert_eq!(host.stack.rules().len(), 3);
    let wrong = host.stack.ip_rule("del fwmark 4 lookup 103 priority 8");
    assert_eq!(said(wrong), "column 1: there is no such rule");
}

#[test]
fn the_newer_of_two_rules_without_a_priority_decides() {
    let mut host = Host::new();
    host.stack.ip_rule("add to 192.0.2.0/24 prohibit").unwrap();
    host.stack
        .ip_rule("add to 192.0.2.0/24 lookup main")
        .unwrap();
    assert!(host.stack.route(ip("192.0.2.1"), None).is_ok());
}

#[test]
fn rules_are_for_what_this_host_sends_for_bound_sockets_or_for_all_others() {
    let mut host = Host::new();
    let other = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.9.0.1/24"]);
    let other = host.stack.add_iface(other, DeviceCaps::default()).unwrap();
    host.ip_route("add default dev tun1 table 100");
    let mut way = |rule: &str, to: &str, bound: Option<IfaceId>| {
        host.stack.ip_rule(&std::format!("add {rule}")).unwrap();
        let settings = crate::socket::IpSettings {
            iface: bound,
            ..Default::default()
        };
        let path = host.stack.route_for(&settings, ip(to), None);
        host.stack.ip_rule(&std::format!("del {rule}")).unwrap();
        path.map(|path| path.iface)
    };
    let (main, far) = (IfaceId(0), "192.0.2.1");
    assert_eq!(way("iif lo lookup 100", far, None), Ok(other));
    assert_eq!(way("iif tun0 lookup 100", far, None), Ok(main));
    assert_eq!(way("not to 10.0.0.0/8 lookup 100", far, None), Ok(other));
    assert_eq!(way("not to 192.0.2.0/24 lookup 100", far, None), Ok(main));
    let reject = "oif tun0 prohibit";
    assert_eq!(way(reject, far, None), Ok(main));
    assert!(way(reject, far, Some(main)).is_err());
    // A table that rules lead a bound socket to is asked for what leaves over its interface.
    host.ip_route("add 10.1.0.0/16 via 10.9.0.7 dev tun1 table 101");
    host.stack.ip_rule("add oif tun1 lookup 101").unwrap();
    let settings = crate::socket::IpSettings {
        iface: Some(other),
        ..Default::default()
    };
    let path = host
        .stack
        .route_for(&settings, ip("10.1.2.3"), None)
        .unwrap();
    assert_eq!((path.iface, path.next_hop), (other, ip("10.9.0.7")));
}
