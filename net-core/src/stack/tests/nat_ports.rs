//! Ports of translated flows where there are few, and addresses that come and go.

use super::filter::router;
use super::*;
use crate::conntrack::TrackConfig;
use crate::time::Duration;
use std::collections::HashSet;

const PORTS: usize = 4000;

/// The source that a datagram leaves the router with over an interface; `None` if it does not.
fn outer(host: &mut Host, over: IfaceId, client: &str, server: &str) -> Option<SocketAddr> {
    host.inject(datagram(client, server, b"x"));
    let sent = host.sent_over(over);
    let seen = Seen::new(sent.first()?);
    Some(SocketAddr::new(seen.ip.source, seen.udp().source_port))
}

/// The source port that a flow of this number leaves the router with; `None` if it does not.
fn leave(host: &mut Host, far: IfaceId, number: usize) -> Option<u16> {
    let source = std::format!("10.7.0.{}:{}", 9 + number % 2, 1024 + number / 2);
    outer(host, far, &source, "10.9.0.9:53").map(|outer| outer.port())
}

/// Gives the far link another address in the place of its first one, as another lease does.
fn lease_anew(host: &mut Host, far: IfaceId) {
    let now = host.now;
    let added = host.stack.add_address(far, cidr("10.9.0.77/24"), now);
    added.unwrap();
    assert!(host.stack.remove_address(far, ip("10.9.0.1"), now));
}

#[test]
fn the_last_free_port_is_found_and_so_is_the_first_that_is_given_back() {
    let (mut host, far) = router();
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            oifname tun1 snat to 10.9.0.1:20000-23999; } }",
    );
    let ports: Vec<_> = (0..PORTS).map(|n| leave(&mut host, far, n)).collect();
    let distinct: HashSet<u16> = ports.iter().copied().flatten().collect();
    assert_eq!(distinct.len(), PORTS, "every flow has a port of its own");
    assert!(distinct.iter().all(|port| (20_000..24_000).contains(port)));
    assert_eq!(leave(&mut host, far, PORTS), None);
    host.assert_dropped(DropReason::NatExhausted, 1);

    // All but one go on.
    let silent = 1234;
    let half = TrackConfig::default().timeouts.udp / 2;
    host.now += half;
    for number in (0..PORTS).filter(|number| *number != silent) {
        assert_eq!(leave(&mut host, far, number), ports[number]);
    }
    host.now += half + Duration::from_secs(2);
    // A few hundred timers are looked at in each turn.
    for _ in 0..PORTS / 100 {
        host.stack.handle_timeout(host.now);
    }
    assert_eq!(host.stack.flows().count(), PORTS - 1);
    assert_eq!(leave(&mut host, far, PORTS), ports[silent]);
    assert_eq!(leave(&mut host, far, PORTS + 1), None);
}

/// As those that are leased do.
#[test]
fn a_masquerade_has_the_address_that_the_interface_has_now() {
    let (mut host, far) = router();
    host.stack.set_forwarding(far, true).unwrap();
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            oifname tun1 masquerade; } }",
    );
    let source_of = |host: &mut Host, port: u16| {
        let client = std::format!("10.7.0.9:{port}");
        outer(host, far, &client, "10.9.0.9:53")
    };
    assert_eq!(source_of(&mut host, 5000), Some(addr("10.9.0.1:5000")));
    lease_anew(&mut host, far);
    assert_eq!(source_of(&mut host, 5001), Some(addr("10.9.0.77:5001")));
    // A flow that was there begins anew, as in Linux: nobody would hear the answers.
    assert_eq!(source_of(&mut host, 5000), Some(addr("10.9.0.77:5000")));
    host.inject_at(far, datagram("10.9.0.9:53", "10.9.0.77:5000", b"x"));
    let sent = host.sent();
    assert_eq!(Seen::new(&sent[0]).ip.dest, ip("10.7.0.9"));
    assert_eq!(host.stack.flows().count(), 2);
}

/// Has the flows be forgotten that are due, as a driver does; how often that is asked for.
fn turns(host: &mut Host) -> usize {
    let mut turns = 0;
    while host.stack.poll_timeout().is_some_and(|due| due <= host.now) {
        host.stack.handle_timeout(host.now);
        turns += 1;
    }
    turns
}

/// The rule of a router that masquerades on one link, but for what it is told to translate so.
const MOSTLY_MASQUERADED: &str =
    "table ip nat { chain post { type nat hook postrouting priority srcnat
    oifname tun1 udp dport 99 snat to 10.9.0.1; oifname tun1 masquerade endpoint-independent; } }";

#[test]
fn masqueraded_flows_go_with_their_address_some_hundred_at_a_time() {
    let (mut host, far) = router();
    host.filter(MOSTLY_MASQUERADED);
    for number in 0..PORTS {
        leave(&mut host, far, number).unwrap();
    }
    let snat = |host: &mut Host| outer(host, far, "10.7.0.9:99", "10.9.0.9:99");
    assert_eq!(snat(&mut host), Some(addr("10.9.0.1:99")));
    assert_eq!(turns(&mut host), 0);
    lease_anew(&mut host, far);
    // Those that begin now stay.
    let new = outer(&mut host, far, "10.7.0.8:5000", "10.9.0.8:53");
    assert_eq!(new, Some(addr("10.9.0.77:5000")));
    let turns = turns(&mut host);
    assert!((PORTS / 512..20).contains(&turns), "{turns}");
    assert_eq!(host.stack.flows().count(), 2);
    // A source that a rule names is nobody's to give up.
    assert_eq!(snat(&mut host), Some(addr("10.9.0.1:99")));
    // What they stood for is free again.
    let now = host.now;
    host.stack.remove_address(far, ip("10.9.0.77"), now);
    let back = host.stack.add_address(far, cidr("10.9.0.1/24"), now);
    back.unwrap();
    let other = outer(&mut host, far, "10.7.0.8:1024", "10.9.0.8:53");
    assert_eq!(other, Some(addr("10.9.0.1:1024")));
}

#[test]
fn masqueraded_flows_go_with_their_interface() {
    let (mut host, far) = router();
    host.filter(MOSTLY_MASQUERADED);
    assert!(leave(&mut host, far, 0).is_some());
    let client = "10.7.0.9:99";
    assert!(outer(&mut host, far, client, "10.9.0.9:99").is_some());
    host.stack.remove_iface(far);
    assert_eq!(turns(&mut host), 1);
    let left: Vec<_> = host.stack.flows().map(|flow| flow.original).collect();
    assert!(
        matches!(&left[..], [flow] if flow.dest_port == 99),
        "{left:?}"
    );
}

/// Of another lease nobody needs to be told: every flow begins there.
#[test]
fn an_endpoint_is_not_mapped_to_an_address_that_is_gone() {
    let (mut host, far) = router();
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            oifname tun1 masquerade endpoint-independent; } }",
    );
    let client = "10.7.0.9:5000";
    for (server, expected) in [
        ("10.9.0.9:53", "10.9.0.1:5000"),
        ("10.9.0.8:53", "10.9.0.1:5000"),
    ] {
        let outer = outer(&mut host, far, client, server);
        assert_eq!(outer, Some(addr(expected)));
    }
    lease_anew(&mut host, far);
    for server in ["10.9.0.7:53", "10.9.0.6:53"] {
        let outer = outer(&mut host, far, client, server);
        assert_eq!(outer, Some(addr("10.9.0.77:5000")));
    }
}

#[test]
fn an_endpoint_is_mapped_to_the_address_of_each_link_that_it_leaves_over() {
    let (mut host, far) = router();
    let third = iface("tun2", IfaceKind::PointToPoint, 1500, &["10.11.0.1/24"]);
    let third = host.stack.add_iface(third, DeviceCaps::default()).unwrap();
    host.stack.set_forwarding(third, true).unwrap();
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            oifname { tun1, tun2 } masquerade endpoint-independent; } }",
    );
    let client = "10.7.0.9:5000";
    for server in [9, 8] {
        for (over, net) in [(far, 9), (third, 11)] {
            let server = std::format!("10.{net}.0.{server}:53");
            let expected = std::format!("10.{net}.0.1:5000");
            let outer = outer(&mut host, over, client, &server);
            assert_eq!(outer, Some(addr(&expected)), "{server}");
        }
    }
    host.inject_at(third, datagram("10.11.0.9:53", "10.11.0.1:5000", b"x"));
    assert_eq!(Seen::new(&host.sent()[0]).ip.dest, ip("10.7.0.9"));
    // Neither stands for another endpoint (RFC 4787 REQ-3), as long as a flow needs it.
    let is_kept = |host: &mut Host, client: &str, over, server: &str| {
        let outer = outer(host, over, client, server);
        outer.unwrap().port() == 5000
    };
    assert!(!is_kept(&mut host, "10.7.0.8:5000", far, "10.9.0.7:53"));
    assert!(!is_kept(&mut host, "10.7.0.8:5000", third, "10.11.0.7:53"));
    let half = TrackConfig::default().timeouts.udp / 2;
    host.now += half;
    assert!(is_kept(&mut host, client, third, "10.11.0.8:53"));
    host.now += half + Duration::from_secs(2);
    host.stack.handle_timeout(host.now);
    assert!(is_kept(&mut host, "10.7.0.7:5000", far, "10.9.0.7:53"));
    assert!(!is_kept(&mut host, "10.7.0.7:5000", third, "10.11.0.7:53"));
}

#[test]
fn an_endpoint_is_mapped_to_the_address_that_each_rule_gives_it() {
    let (mut host, far) = router();
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            udp dport 53 snat to 192.0.2.4 endpoint-independent
            snat to 192.0.2.5 endpoint-independent; } }",
    );
    for (server, expected) in [
        ("10.9.0.9:53", "192.0.2.4:5000"),
        ("10.9.0.9:54", "192.0.2.5:5000"),
        ("10.9.0.8:53", "192.0.2.4:5000"),
        ("10.9.0.8:54", "192.0.2.5:5000"),
    ] {
        let outer = outer(&mut host, far, "10.7.0.9:5000", server);
        assert_eq!(outer, Some(addr(expected)), "{server}");
    }
}
