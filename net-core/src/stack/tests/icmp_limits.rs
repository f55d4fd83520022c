//! How many ICMP errors a flood is answered with (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f)).

use super::filter::router;
use super::forward::with_ttl;
use super::*;
use crate::time::Duration;

/// A packet that calls for an error.
type Cause = fn() -> TxPacket;

/// One of each kind and family: to a closed port, of an unknown protocol, at its last hop, and to where no way
/// leads.
const CAUSES: [Cause; 8] = [
    || datagram("10.7.0.9:5", "10.7.0.2:9", b"x"),
    || datagram("[fd07::9]:5", "[fd07::2]:9", b"x"),
    || unknown_protocol("10.7.0.9", OURS),
    || unknown_protocol("fd07::9", OURS_V6),
    || with_ttl(1, "10.7.0.9:5", "10.9.0.9:7", b"x"),
    || with_ttl(1, "[fd07::9]:5", "[fd09::9]:7", b"x"),
    || datagram("10.7.0.9:5", "203.0.113.1:7", b"x"),
    || datagram("[fd07::9]:5", "[2001:db8::1]:7", b"x"),
];

/// A router that knows of its own links alone.
fn host() -> Host {
    let (mut host, _) = router();
    for prefix in ["0.0.0.0/0", "::/0"] {
        host.stack.remove_route(cidr(prefix));
    }
    host
}

/// How many errors answer so many packets.
#[track_caller]
fn errors(host: &mut Host, count: u32, cause: Cause) -> u32 {
    let stats = |host: &Host| {
        let stats = host.stack.stats();
        (stats.icmp_errors_sent, stats.drops(DropReason::RateLimited))
    };
    let before = stats(host);
    for _ in 0..count {
        host.inject(cause());
    }
    let sent = host.sent();
    assert!(sent.iter().all(|sent| Seen::new(sent).icmp().is_error()));
    let after = stats(host);
    let answered = u32::try_from(sent.len()).unwrap();
    assert_eq!(after.0 - before.0, u64::from(answered));
    let limited = after.1 - before.1;
    assert_eq!(
        limited,
        u64::from(count - answered),
        "every other is counted"
    );
    answered
}

#[test]
fn a_flood_that_calls_for_errors_gets_the_burst_and_then_the_rate() {
    let Config {
        answers_per_second,
        answer_burst,
        ..
    } = Config::default();
    let interval = Duration::from_secs(1) / answers_per_second;
    for cause in CAUSES {
        let mut host = host();
        assert_eq!(errors(&mut host, 3 * answer_burst, cause), answer_burst);
        // Not even one more before its time.
        host.now += interval - Duration::from_nanos(1);
        assert_eq!(errors(&mut host, 5, cause), 0);
        host.now += Duration::from_nanos(1);
        for _ in 0..50 {
            assert_eq!(errors(&mut host, 5, cause), 1);
            host.now += interval;
        }
        host.now += interval * 6;
        assert_eq!(errors(&mut host, 50, cause), 7);
        // What is not used is saved up to the burst and no further.
        host.now += Duration::from_secs(60);
        assert_eq!(errors(&mut host, 3 * answer_burst, cause), answer_burst);
    }
}

#[test]
fn errors_of_all_kinds_and_both_families_are_limited_together() {
    let mut host = host();
    errors(&mut host, Config::default().answer_burst, CAUSES[0]);
    for cause in CAUSES {
        assert_eq!(errors(&mut host, 10, cause), 0);
    }
}

#[test]
fn echo_replies_are_not_limited_with_the_errors() {
    let mut host = host();
    let count = 3 * Config::default().answer_burst;
    errors(&mut host, count, CAUSES[0]);
    let request = IcmpMessage::EchoRequest { ident: 1, seq: 1 };
    for (source, dest) in [("10.7.0.9", OURS), ("fd07::9", OURS_V6)] {
        for _ in 0..count {
            host.inject(icmp(source, dest, &request, b"x"));
        }
        let sent = host.sent();
        assert_eq!(sent.len(), count as usize);
        let reply = IcmpMessage::EchoReply { ident: 1, seq: 1 };
        assert!(sent.iter().all(|sent| Seen::new(sent).icmp() == reply));
    }
    // Nor do they use up what there is for errors.
    host.now += Duration::from_secs(60);
    assert_eq!(
        errors(&mut host, count, CAUSES[1]),
        Config::default().answer_burst
    );
}
