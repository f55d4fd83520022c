//! Runs of rules that are answered at once.

use super::*;

/// Rules for prefixes that lie in each other, in an order that depends on `seed`.
fn nested(seed: u64, extra: &str) -> String {
    let mut rng = Seed::from_u64(seed).rng("rules");
    let mut text = String::new();
    for _ in 0..60 {
        let (len, bits) = (24 + rng.below(9), rng.below(256));
        let verdict = ["accept", "drop", "reject"][usize::try_from(rng.below(3)).unwrap()];
        text += &std::format!("ip saddr 10.0.0.{bits}/{len} {extra} {verdict}\n");
    }
    for _ in 0..60 {
        let (port, host) = (rng.below(20), rng.below(8));
        let verdict = ["accept", "drop", "reject"][usize::try_from(rng.below(3)).unwrap()];
        text += &std::format!("udp dport {port} ip saddr 10.0.1.{host} {extra} {verdict}\n");
    }
    text
}

#[test]
fn a_run_of_rules_decides_and_counts_as_the_rules_one_by_one() {
    for seed in 0..4 {
        let mut quick = rules(&nested(seed, ""));
        assert_eq!(quick.chains[0].steps.len(), 2, "two runs");
        // What holds always keeps the rules from being one lookup.
        let mut slow = rules(&nested(seed, "meta length >= 0"));
        assert_eq!(slow.chains[0].steps.len(), 120);
        for host in 0..0x200_u32 {
            let source = core::net::Ipv4Addr::from_bits(0x0a00_0000 + host).to_string();
            let port = u16::try_from(host % 23).unwrap();
            let mut packet = Packet::udp(&source, 9, "10.0.0.2", port);
            let decided = (packet.ask(&mut quick), packet.ask(&mut slow));
            assert_eq!(decided.0, decided.1, "seed {seed}, {source}, port {port}");
        }
        assert_eq!(quick.counters, slow.counters, "seed {seed}");
    }
}

#[test]
fn what_no_rule_of_a_run_is_about_passes_unasked() {
    let lines =
        |rule: &str| -> String { (0..9).map(|n| rule.replace('N', &n.to_string())).collect() };
    let sources = lines("ip saddr 10.0.0.N drop\n");
    let ports = lines("udp dport 5N drop\n");
    let others = lines("ip6 saddr fd00::N drop\n");
    let of_tcp = lines("ip daddr 10.0.0.N tcp dport 22 drop\n");
    let passes = |rules: &str, packet: &mut Packet| {
        let mut filter = self::rules(rules);
        packet.ask(&mut filter);
        packet.passes_unasked(&filter)
    };
    let mut packet = Packet::udp("10.1.0.1", 9, "10.0.0.2", 7);
    let all = [&*sources, &ports, &others, &of_tcp].concat();
    assert!(passes(&all, &mut packet));
    assert!(passes("", &mut packet));
    // Its bits are those of the addresses, but it is none of them.
    let mut beside = Packet::udp("10.0.0.12", 9, "10.0.0.2", 7);
    assert!(passes(&all, &mut beside));
    // Where a rule stands alone, or what none holds for is dropped, everything is asked about.
    assert!(!passes(
        &(all.clone() + "ip saddr 10.2.0.1 drop"),
        &mut packet
    ));
    assert!(!passes(&("policy drop;".to_string() + &all), &mut packet));
    for (source, port, rules) in [
        ("10.0.0.4", 7, &sources),
        ("10.1.0.1", 54, &ports),
        ("fd00::4", 7, &others),
    ] {
        let dest = if rules == &others {
            "fd00::2"
        } else {
            "10.0.0.2"
        };
        let mut packet = Packet::udp(source, 9, dest, port);
        assert!(!passes(&all, &mut packet) && !passes(rules, &mut packet));
        assert!(passes(&of_tcp, &mut packet), "{source}, {port}");
    }
    let mut segment = Packet::tcp(TcpFlags::SYN, 22);
    assert!(!passes(&of_tcp, &mut segment) && passes(&ports, &mut segment));
    // A later fragment has no port, and a chain of headers hides what there is.
    let mut later = Packet::udp("10.1.0.1", 9, "10.0.0.2", 54);
    later.bytes[6..8].copy_from_slice(&[0, 9]);
    later.ip.fragment = Some(ip::Fragment {
        offset: 72,
        more: false,
        id: 0,
    });
    assert!(passes(&ports, &mut later));
    let options = [17, 0, 1, 4, 0, 0, 0, 0, 0, 9, 0, 54, 0, 8, 0, 0];
    let mut hidden = Packet::of("fd00::99", "fd00::2", 0, &options);
    assert!(!passes(&ports, &mut hidden));
}
