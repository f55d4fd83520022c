//! Queries of ICMP other than echoes whose packets get other addresses and identifiers.

use super::nat::nat;
use super::*;

/// RFC 792, RFC 950; RFC 5508 §3 calls them queries with the echo.
#[test]
fn times_information_and_masks_that_are_asked_for_come_back_as_echoes_do() {
    let (mut host, far) = nat();
    let other = |kind, ident: u16| IcmpMessage::Other {
        kind,
        code: 0,
        rest: u32::from(ident) << 16 | 1,
    };
    let ident = |seen: &Seen, kind: u8| match seen.icmp() {
        IcmpMessage::Other {
            kind: told, rest, ..
        } if told == kind => rest >> 16,
        message => panic!("{message:?}"),
    };
    for kind in [13, 15, 17] {
        // Nobody has asked.
        let answer = icmp("10.9.0.9", "10.9.0.1", &other(kind + 1, 7), b"0123456789ab");
        host.inject_at(far, answer);
        assert!(host.sent().is_empty());
        for source in ["10.7.0.8", "10.7.0.9"] {
            host.inject(icmp(source, "10.9.0.9", &other(kind, 7), b"0123456789ab"));
            let sent = host.sent_over(far);
            let seen = Seen::new(&sent[0]);
            assert_eq!(seen.ip.source, ip("10.9.0.1"));
            let outer = u16::try_from(ident(&seen, kind)).unwrap();
            assert_eq!(outer == 7, source == "10.7.0.8", "one of two gets another");
            let answer = icmp(
                "10.9.0.9",
                "10.9.0.1",
                &other(kind + 1, outer),
                b"0123456789ab",
            );
            host.inject_at(far, answer);
            let sent = host.sent();
            let seen = Seen::new(&sent[0]);
            assert_eq!((seen.ip.dest, ident(&seen, kind + 1)), (ip(source), 7));
        }
    }
}
