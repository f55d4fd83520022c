//! Ports of translated flows where there are few, and addresses that come and go.

use super::filter::router;
use super::*;
use crate::conntrack::TrackConfig;
use crate::time::Duration;
use std::collections::HashSet;

const PORTS: usize = 4000;

/// The source port that a flow of this number leaves the router with; `None` if it does not.
fn leave(host: &mut Host, far: IfaceId, number: usize) -> Option<u16> {
    let source = std::format!("10.7.0.{}:{}", 9 + number % 2, 1024 + number / 2);
    host.inject(datagram(&source, "10.9.0.9:53", b"x"));
    let sent = host.sent_over(far);
    let seen = Seen::new(sent.first()?);
    Some(u16::from_be_bytes([seen.payload[0], seen.payload[1]]))
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
    host.filter(
        "table ip nat { chain post { type nat hook postrouting priority srcnat
            oifname tun1 masquerade; } }",
    );
    let source_of = |host: &mut Host, port: u16| {
        let source = std::format!("10.7.0.9:{port}");
        host.inject(datagram(&source, "10.9.0.9:53", b"x"));
        let sent = host.sent_over(far);
        sent.first().map(|packet| Seen::new(packet).ip.source)
    };
    assert_eq!(source_of(&mut host, 5000), Some(ip("10.9.0.1")));
    let now = host.now;
    host.stack
        .add_address(far, cidr("10.9.0.77/24"), now)
        .unwrap();
    assert!(host.stack.remove_address(far, ip("10.9.0.1"), now));
    assert_eq!(source_of(&mut host, 5001), Some(ip("10.9.0.77")));
}
