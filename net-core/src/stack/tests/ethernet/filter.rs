//! Rules for what is in front of packets, and for ARP.

use super::*;
use crate::filter::{FilterError, TextError};
use crate::stats::DropReason;
use std::string::String;

/// A station with these rules in a chain of this family and hook.
fn filtered(family: &str, hook: &str, rules: &str) -> Host {
    let mut host = plain();
    host.stack
        .set_filter(table(family, hook, rules).unwrap())
        .unwrap();
    host
}

fn table(family: &str, hook: &str, rules: &str) -> Result<crate::filter::Ruleset, TextError> {
    let text: String = std::format!(
        "table {family} t {{
            set known {{ type ether_addr; elements = {{ {PEER_MAC}, 02:00:00:00:00:07 }} }}
            set links {{ type ifname; elements = {{ \"eth*\", \"tun0\" }} }}
            chain c {{ type filter hook {hook} priority 0; {rules} }}
        }}"
    );
    text.parse()
}

/// A datagram in a frame to a station.
fn framed_datagram(to: MacAddr) -> RxPacket {
    let mut packet = framed(&datagram("10.7.0.1:9", "10.7.0.2:7", b"hello"));
    packet.frame[..6].copy_from_slice(&to.octets());
    packet
}

/// How often the first rule has held.
fn count(host: &Host) -> u64 {
    let mut counters = host.stack.filter_counters();
    counters.next().unwrap().3.packets
}

#[test]
fn rules_see_the_stations_of_a_frame() {
    for (rule, expected) in [
        (&*std::format!("ether saddr {PEER_MAC}"), true),
        (&*std::format!("ether saddr != {PEER_MAC}"), false),
        ("ether saddr @known", true),
        (
            "ether saddr { 02:00:00:00:00:07, 02:00:00:00:00:08 }",
            false,
        ),
        (&*std::format!("ether daddr {MAC}"), true),
        ("ether type ip", true),
        ("ether type != ip", false),
        ("ether type { ip6, arp }", false),
        ("meta protocol ip", true),
        ("meta iiftype ether", true),
        ("meta iiftype != ether", false),
        ("meta pkttype host", true),
        ("meta pkttype broadcast", false),
        ("iifname @links", true),
        (
            &*std::format!("ether saddr . ip saddr {{ {PEER_MAC} . {PEER} }}"),
            true,
        ),
        (
            &*std::format!("ether saddr . ip saddr != {{ {PEER_MAC} . {PEER} }}"),
            false,
        ),
        ("ether saddr . udp dport { 02:00:00:00:00:07 . 7 }", false),
    ] {
        let mut host = filtered("inet", "prerouting", &std::format!("{rule} drop"));
        host.inject(framed_datagram(MAC));
        assert_eq!(count(&host) == 1, expected, "{rule}");
        let dropped = host.stack.stats().drops(DropReason::Filter);
        assert_eq!(dropped == 1, expected, "{rule}");
    }
    let mut host = filtered("inet", "prerouting", "meta pkttype broadcast drop");
    host.inject(framed_datagram(MAC));
    host.inject(framed_datagram(MacAddr::BROADCAST));
    assert_eq!(count(&host), 1);
    let mut host = filtered("inet", "prerouting", "meta pkttype multicast drop");
    host.inject(framed_datagram(MacAddr::new([0x33, 0x33, 0, 0, 0, 1])));
    host.inject(framed_datagram(MacAddr::BROADCAST));
    assert_eq!(count(&host), 1);
}

/// What answers a frame is not in it.
#[test]
fn what_this_host_says_has_no_frame_that_it_came_in() {
    for rule in [
        "ether saddr != 02:00:00:00:00:99",
        "meta iiftype ether",
        "meta pkttype broadcast",
    ] {
        let mut host = filtered("inet", "output", &std::format!("{rule} drop"));
        host.inject(framed_datagram(MAC));
        assert_eq!(count(&host), 0, "{rule}");
    }
    // Nor has what comes over a link without stations.
    let mut host = filtered("inet", "input", "ether saddr != 02:00:00:00:00:99 drop");
    host.inject(framed_datagram(MAC));
    assert_eq!(count(&host), 1);
    let mut tun = Host::new();
    tun.stack
        .set_filter(
            table(
                "inet",
                "input",
                "ether saddr != 02:00:00:00:00:99 drop; meta iiftype != ether",
            )
            .unwrap(),
        )
        .unwrap();
    tun.inject(datagram("10.7.0.1:9", "10.7.0.2:7", b"hello"));
    let counts: Vec<u64> = tun
        .stack
        .filter_counters()
        .map(|rule| rule.3.packets)
        .collect();
    assert_eq!(counts, [0, 1]);
}

#[test]
fn arp_is_filtered_where_it_comes_in_and_where_it_is_sent() {
    for (rule, expected) in [
        ("arp operation request", true),
        ("arp operation reply", false),
        ("arp htype 1 arp ptype ip arp hlen 6 arp plen 4", true),
        ("arp ptype != ip", false),
        (&*std::format!("arp saddr ip {PEER}"), true),
        ("arp saddr ip { 10.7.0.9, 10.8.0.0/16 }", false),
        (&*std::format!("arp daddr ip {OURS}"), true),
        (&*std::format!("arp saddr ether {PEER_MAC}"), true),
        ("arp saddr ether @known", true),
        ("arp daddr ether 00:00:00:00:00:00", true),
        ("arp daddr ether != 00:00:00:00:00:00", false),
        ("ether saddr @known meta pkttype broadcast", true),
        ("iifname eth0", true),
        ("oifname eth0", false),
        ("@nh,56,8 1", true),
    ] {
        let mut host = filtered(
            "arp",
            "input",
            &std::format!("{rule} log prefix \"arp\" drop"),
        );
        host.inject(arp_request(PEER, OURS));
        assert_eq!(count(&host) == 1, expected, "{rule}");
        assert_eq!(host.sent().is_empty(), expected, "{rule}");
        let entry = host.stack.poll_filter_log();
        assert_eq!(
            entry.map(|entry| entry.ip.source),
            expected.then(|| ip(PEER)),
            "{rule}"
        );
    }
    for (rule, expected) in [
        ("arp operation reply", true),
        (
            &*std::format!("arp saddr ether {MAC} arp daddr ip {PEER}"),
            true,
        ),
        ("arp operation request", false),
        ("oifname eth0 jump more", true),
    ] {
        let text = std::format!(
            "table arp t {{
                chain more {{ meta mark set 1; meta mark 1 drop; }}
                chain c {{ type filter hook output priority 0; {rule} drop; }}
            }}"
        );
        let text = if rule.contains("jump") {
            text.replace("more drop", "more")
        } else {
            text
        };
        let mut host = plain();
        host.stack.set_filter(text.parse().unwrap()).unwrap();
        host.inject(arp_request(PEER, OURS));
        assert_eq!(host.sent().is_empty(), expected, "{rule}");
    }
    // Packets of IP pass such a table by, and ARP the others; the policy is for what no rule is about.
    let mut host = filtered("arp", "input", "policy drop\narp operation reply accept");
    host.inject(arp_request(PEER, OURS));
    host.inject(framed_datagram(MAC));
    let drops = |reason| host.stack.stats().drops(reason);
    assert_eq!(drops(DropReason::Filter), 1);
    let mut host = filtered("inet", "input", "policy drop\n");
    host.inject(arp_request(PEER, OURS));
    assert_eq!(host.sent().len(), 1);
    // Broken ones are not asked about, nor do they harm.
    let mut host = filtered("arp", "input", "drop");
    for end in 0..28 {
        let whole = ArpPacket::request(PEER_MAC, v4(PEER), v4(OURS)).to_bytes();
        host.inject(frame(MAC, EtherType::ARP, &whole[..end]));
    }
    assert_eq!(count(&host), 0);
}

#[test]
fn each_family_has_its_own_matches() {
    for (family, hook, rule, column) in [
        ("arp", "input", "ip saddr 10.0.0.1", 3),
        ("arp", "input", "tcp dport 5", 4),
        ("arp", "input", "tcp option window exists", 11),
        ("arp", "input", "ether type arp", 6),
        ("arp", "input", "reject", 0),
        ("arp", "forward", "accept", 0),
        ("inet", "input", "arp operation request", 4),
        ("inet", "input", "arp saddr ip 10.0.0.1", 10),
        ("inet", "input", "arp saddr ether 02:00:00:00:00:01", 10),
        ("ip", "input", "ip6 saddr fd00::1", 4),
        ("ip", "input", "hbh hdrlength 0", 4),
        ("ip6", "input", "ip option ra value 0", 13),
    ] {
        let error = table(family, hook, rule).unwrap_err();
        assert_eq!(error.line, 4, "{rule}: {error}");
        let start = std::format!("            chain c {{ type filter hook {hook} priority 0; ");
        if hook == "input" {
            assert_eq!(error.column, start.len() + 1 + column, "{rule}: {error}");
        }
    }
    // The same of typed rules.
    let mut ruleset = table("arp", "input", "arp operation request drop").unwrap();
    ruleset.tables[0].family = crate::filter::TableFamily::Inet;
    let mut host = plain();
    let refused = host.stack.set_filter(ruleset).unwrap_err();
    assert_eq!(refused, FilterError::Family("c".into()));
    let mut ruleset = table("inet", "input", "udp dport 7 drop").unwrap();
    ruleset.tables[0].family = crate::filter::TableFamily::Arp;
    let refused = host.stack.set_filter(ruleset).unwrap_err();
    assert_eq!(refused, FilterError::Family("c".into()));
    let mut ruleset = table("inet", "prerouting", "drop").unwrap();
    ruleset.tables[0].family = crate::filter::TableFamily::Arp;
    let refused = host.stack.set_filter(ruleset).unwrap_err();
    assert_eq!(refused, FilterError::ArpHook("c".into()));
}
