//! Texts that are read, printed and refused.

use super::*;
use std::string::ToString;

const FIREWALL: &str = "
# A firewall.
table inet firewall {
    set friends {
        type ipv4_addr
        flags interval
        elements = { 10.0.0.0/8, 192.168.1.1-192.168.1.6,
                     172.16.0.1 }
    }
    set services { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80, 10.0.0.2 . 443 } }
    chain input {
        type filter hook input priority filter + 10; policy drop;
        iifname \"lo\" accept
        ip saddr @friends tcp dport { 22, 80, 8000-8099 } counter accept
        ip daddr . tcp dport @services accept
        tcp flags & (fin|syn|rst|ack) != syn log prefix \"odd: \" drop
        icmp type { echo-request, time-exceeded } limit rate 10/second burst 20 packets accept
        icmpv6 type nd-neighbor-solicit ip6 hoplimit 255 accept
        tcp dport 113 reject with tcp reset
        ip saddr 192.0.2.0/24 reject with icmp host-prohibited
        meta mark set 0x10
        udp dport 53 queue num 3 bypass
        jump others
    }
    chain others {
        th dport 1024-65535 \\
            return
        reject with icmpx admin-prohibited
    }
}
table ip nat {
    chain pre { type nat hook prerouting priority dstnat; tcp dport 80 dnat to 10.0.0.1-10.0.0.9:8080; }
    chain post {
        type nat hook postrouting priority srcnat
        oifname \"tun0\" masquerade to :1024-65535 endpoint-independent
        ct state new,untracked ct mark set 7 snat to 192.0.2.1
    }
}
table ip6 only6 { chain c { type filter hook forward priority -5; exthdr rt exists drop; }; }
";

#[test]
fn what_is_printed_reads_as_the_same_rules() {
    let ruleset: Ruleset = FIREWALL.parse().unwrap();
    let printed = ruleset.to_string();
    let again: Ruleset = printed
        .parse()
        .unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.to_string(), printed);
    assert_eq!(again, ruleset, "{printed}");
}

#[test]
fn rules_are_printed_as_they_are_written() {
    for rule in [
        "tcp option maxseg size 536-1220 accept",
        "tcp option maxseg length 4 accept",
        "tcp option window exists accept",
        "tcp option window missing accept",
        "tcp option window count != 7 drop",
        "tcp option sack-perm exists drop",
        "tcp option sack left 7 tcp option sack right { 8, 10-12 } drop",
        "tcp option sack3 left 7 drop",
        "tcp option timestamp tsval >= 7 tcp option timestamp tsecr 7 drop",
        "tcp option md5sig missing drop",
        "tcp option mptcp subtype 1 drop",
        "tcp option fastopen length 2 drop",
        "tcp option eol exists drop",
        "tcp option 254 exists drop",
        "tcp option @254,16,9 5 drop",
        "ip option lsrr exists drop",
        "ip option ssrr ptr 4-8 drop",
        "ip option rr addr 5 drop",
        "ip option ra missing drop",
        "ip option ra value 0 drop",
        "ip option rr type 7 ip option rr length 11 drop",
        "ip option 68 exists drop",
        "ip option @68,24,4 5 drop",
        "hbh nexthdr tcp hbh hdrlength 0 drop",
        "dst nexthdr 59 dst hdrlength >= 1 drop",
        "rt nexthdr udp rt hdrlength 2 rt type 4 rt seg-left 1 drop",
        "srh last-entry 1 srh flags 2 srh tag 3 drop",
        "srh sid[2] != { fd00::1, fd01::/16 } drop",
        "mh type binding-update mh nexthdr 59 mh reserved 0 mh checksum 5 drop",
        "frag nexthdr tcp frag reserved 0 frag frag-off 5 frag reserved2 0 drop",
        "frag more-fragments 1 frag id 7 drop",
        "exthdr mh exists drop",
        "exthdr dst missing drop",
        "exthdr 51 exists drop",
        "exthdr @43,33,3 1 drop",
        "meta frag-off 3 meta more-fragments 1 drop",
        "tcp window 1000 tcp sequence 1 tcp ackseq 2 tcp checksum 3 tcp urgptr 4 drop",
        "udp length 1000 drop",
        "udplite sport 5 udplite csumcov 8 udplite checksum 3 drop",
        "dccp dport 5 dccp type request drop",
        "sctp dport 5 sctp vtag 7 sctp checksum 3 drop",
        "icmp id 5 icmp sequence 6 drop",
        "igmp type membership-query igmp mrt 1 igmp group 0.0.0.7 drop",
        "ah nexthdr tcp ah hdrlength 4 ah reserved 0 ah spi 5 ah sequence 1 drop",
        "esp spi 5 esp sequence 1 drop",
        "comp nexthdr tcp comp flags 0 comp cpi 5 drop",
        "@nh,4,4 5 @th,100,3 1 drop",
        "ether saddr 02:00:00:00:00:01 drop",
        "ether daddr != { 02:00:00:00:00:01, ff:ff:ff:ff:ff:ff } drop",
        "ether saddr . ip saddr { 02:00:00:00:00:01 . 10.0.0.1 } drop",
        "meta iiftype ether meta protocol ip6 drop",
        "meta iiftype != ether drop",
        "meta pkttype broadcast drop",
        "meta pkttype != host drop",
        "tcp doff >= 6 tcp dport 80 drop",
        "tcp sport >= 1024 accept",
        "ip6 flowlabel 7 accept",
        "ip hdrlength != 5 drop",
        "tcp dport 22 accept",
        "udp sport { 53, 67-68 } drop",
        "th dport 5 accept",
        "ip saddr 10.0.0.0/8 drop",
        "ip6 daddr != fd00::/8 drop",
        "tcp flags syn,ack drop",
        "tcp flags == syn drop",
        "tcp flags & 0x3 == 0x2 drop",
        "icmp type echo-request accept",
        "icmpv6 type packet-too-big accept",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
        "icmp type 20-200 accept",
        "ip ttl 1 drop",
        "ip6 hoplimit 0-4 drop",
        "ip dscp ef accept",
        "meta l4proto gre accept",
        "meta length 0-99 accept",
        "meta mark & 0xff == 0x1 accept",
        "iifname { \"eth0\", \"tun*\" } accept",
        "limit rate over 3/minute burst 5 packets drop",
        "limit rate 100/minute burst 7 packets accept",
        "ip saddr . udp dport { 10.0.0.1 . 53 } accept",
        "@th,32,32 7 drop",
        "log accept",
        "reject",
        "reject with icmp net-prohibited",
        "reject with icmpv6 policy-fail",
        "tcp dport 9 reject with tcp reset",
        "queue num 2",
        "ct state new accept",
        "ct state established,related accept",
        "ct state & 0x8 == 0x0 accept",
        "ct direction reply accept",
        "ct status dnat accept",
        "ct mark 7 accept",
        "ct mark set 0x7",
        "notrack",
        "meta l4proto tcp tproxy to :1080 accept",
        "tproxy to 127.0.0.1:1080 meta mark set 0x1 accept",
        "tproxy to [::1]:1080",
        "tproxy to 127.0.0.1",
        "tproxy",
        "snat to 10.0.0.1-10.0.0.9:1024-2047",
        "dnat to [fd00::1]:80",
        "dnat to fd00::1",
        "masquerade endpoint-independent",
        "redirect to :3128",
        "counter",
    ] {
        let text = std::format!("table inet t {{ chain c {{ {rule}; }} }}");
        let ruleset: Ruleset = text
            .parse()
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(ruleset.tables[0].chains[0].rules[0].to_string(), rule);
    }
}

#[test]
fn addresses_and_echoes_are_printed_as_they_are_written() {
    for rule in [
        "igmp group 224.0.0.251 drop",
        "igmp group != { 224.0.0.1, 224.0.1.0-224.0.1.255 } drop",
        "igmp group >= 225.0.0.0 drop",
        "igmp group . igmp mrt { 224.0.0.1 . 5 } drop",
        "icmp id 5 icmp sequence 1-7 drop",
        "icmpv6 sequence 5 drop",
        "icmp type { echo-reply, echo-request } drop",
        "meta l4proto icmp @th,32,16 5 drop",
    ] {
        let text = std::format!("table inet t {{ chain c {{ {rule}; }} }}");
        let ruleset: Ruleset = text.parse().unwrap();
        let printed = ruleset.tables[0].chains[0].rules[0].to_string();
        assert_eq!(printed, rule);
    }
}

#[test]
fn rules_for_arp_are_printed_as_they_are_written() {
    for rule in [
        "arp operation request arp htype 1 arp ptype ip arp hlen 6 arp plen 4 drop",
        "arp operation { request, reply, 5 } accept",
        "arp saddr ip 10.0.0.1 arp daddr ip != { 10.0.0.0/8, 10.9.0.1 } drop",
        "arp saddr ether 02:00:00:00:00:01 arp daddr ether != 00:00:00:00:00:00 drop",
        "@nh,48,16 1 @nh,50,3 0 drop",
        "iifname \"eth0\" log prefix \"x\"",
    ] {
        let text = std::format!("table arp t {{ chain c {{ {rule}; }} }}");
        let ruleset: Ruleset = text
            .parse()
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert_eq!(ruleset.tables[0].chains[0].rules[0].to_string(), rule);
        let printed = ruleset.to_string();
        assert_eq!(printed.parse::<Ruleset>().unwrap(), ruleset, "{printed}");
    }
    let ether: Ruleset = "table ip t { chain c { ether type ip drop; } }"
        .parse()
        .unwrap();
    assert_eq!(
        ether.tables[0].chains[0].rules[0].to_string(),
        "meta iiftype ether meta protocol ip drop"
    );
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let of_rule = |rule: &str| std::format!("table inet t {{\n chain c {{\n  {rule}\n }}\n}}");
    for (rule, column, problem) in [
        ("tcp dport http", 13, "\"http\" is no number"),
        ("tcp dport 70000", 13, "\"70000\" is no number"),
        ("tcp dport 9-5", 13, "\"9-5\" is no number"),
        ("tcp dport", 12, "number goes here"),
        (
            "ip saddr 10.0.0.0/33",
            12,
            "\"10.0.0.0/33\" is no address, prefix or range",
        ),
        (
            "ip saddr @x accept",
            13,
            "there is no set \"x\" above this in the table",
        ),
        ("größe 5", 3, "\"größe\" begins no match or statement"),
        (
            "accept drop",
            10,
            "a verdict ends its rule; begin another line",
        ),
        (
            "log tcp dport 5",
            7,
            "matches go in front of what the rule does",
        ),
        (
            "jump nowhere",
            8,
            "there is no chain \"nowhere\" in this table",
        ),
        (
            "limit rate 0/second",
            14,
            "\"0/second\" is no rate, such as 10/second, minute, hour, day or week",
        ),
        (
            "log prefix \"open",
            14,
            "a text between quotation marks goes here",
        ),
        (
            "ip saddr . iifname { 10.0.0.1 . x }",
            14,
            "tuples have addresses, numbers and stations only",
        ),
        ("tcp dport < 0", 15, "no number is beyond that"),
        (
            "tcp option window",
            20,
            "one of length, count, exists, missing goes here",
        ),
        (
            "tcp option eol kind",
            18,
            "one of exists, missing goes here",
        ),
        ("exthdr 51 kind", 13, "one of exists, missing goes here"),
        (
            "igmp group 224.0.0.0/33",
            14,
            "\"224.0.0.0/33\" is no address",
        ),
        ("tcp option window count 256", 27, "\"256\" is no number"),
        ("tcp option sack left exists", 24, "\"exists\" is no number"),
        (
            "ip option strange exists",
            13,
            "one of lsrr, rr, ssrr, ra, a number, @ goes here",
        ),
        (
            "tcp option 256 exists",
            14,
            "one of eol, nop, noop, maxseg, mss, window, sack-perm, sack-permitted, sack, sack0, sack1, sack2, sack3, timestamp, md5sig, mptcp, fastopen, a number, @ goes here",
        ),
        ("tcp option @8,16,33 5", 20, "1 to 32 bits are one number"),
        ("hbh type 5", 7, "one of nexthdr, hdrlength goes here"),
        ("rt0 type 5", 7, "addr[NUMBER] goes here"),
        ("srh sid[0] fd00::1", 12, "they are counted from 1"),
        (
            "ether saddr 02:00",
            15,
            "\"02:00\" is no address of a station",
        ),
        (
            "ether stype ip",
            9,
            "one of saddr, daddr and type goes here",
        ),
        ("esp cpi 5", 7, "one of spi, sequence goes here"),
        ("tproxy ip :1080", 13, "to goes here"),
        ("tproxy to :80-90", 13, "one socket goes here: ADDRESS:PORT"),
        ("tproxy to :0", 13, "ports go here: 80 or 1024-65535"),
    ] {
        let error = of_rule(rule).parse::<Ruleset>().unwrap_err();
        assert_eq!((error.line, error.column), (3, column), "{rule}: {error}");
        assert_eq!(error.problem, problem, "{rule}");
    }
    for (text, line, column) in [
        ("tabel ip t {}", 1, 1),
        ("table ip t {", 1, 13),
        (
            "table ip t { chain c { type other hook input priority 0; } }",
            1,
            29,
        ),
        (
            "table ip t { chain c { type filter hook in priority 0; } }",
            1,
            41,
        ),
        ("table ip t { chain c { policy drop; } }", 1, 24),
        ("table ip t { chain c { }\n chain c { } }", 2, 8),
        ("table ip t { set s { elements = { 1 } } }", 1, 22),
        ("table ip t { set s { type ether; } }", 1, 27),
        ("table ip t { }\ntable ip t { }", 2, 14),
    ] {
        let error = text.parse::<Ruleset>().unwrap_err();
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
    }
}

#[test]
fn any_part_of_a_ruleset_is_read_or_refused() {
    for end in (0..FIREWALL.len()).filter(|end| FIREWALL.is_char_boundary(*end)) {
        let _ = FIREWALL[..end].parse::<Ruleset>();
        let _ = FIREWALL[end..].parse::<Ruleset>();
    }
}
