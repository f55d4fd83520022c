//! Addresses of IPv6 that serve for a day.

use super::autoconf::{advertise, claim, configured, own, pass, prefix};
use super::*;
use crate::autoconf::AddressState;
use crate::time::Duration;
use core::net::Ipv6Addr;

/// The temporary addresses with their states, the newest last.
fn temporary(host: &Host) -> Vec<(Ipv6Addr, AddressState)> {
    let all = host.stack.addresses(host.wire);
    let all = all.filter(|status| status.is_temporary);
    all.filter_map(|status| match status.cidr.address {
        IpAddr::V6(v6) => Some((v6, status.state)),
        IpAddr::V4(_) => None,
    })
    .collect()
}

/// RFC 8981 §3.4, §3.5.
#[test]
fn a_temporary_address_serves_for_a_day_and_another_takes_its_place() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut host = configured();
    let wire = host.wire;
    host.stack.set_temporary_addresses(wire, true).unwrap();
    let week = prefix(7 * 86_400, 7 * 86_400);
    advertise(&mut host, 9000, &[week]);
    pass(&mut host, Duration::from_secs(2));
    let first = temporary(&host);
    let [(first, AddressState::Preferred)] = first[..] else {
        panic!("{first:?}");
    };
    assert_eq!(first.segments()[..4], [0x2001, 0xdb8, 1, 0]);
    assert_eq!(own(&host).len(), 3, "of the link, stable, and temporary");
    // RFC 6724 §5 rule 7: connections begin from it.
    let source = |host: &Host| host.stack.route(ip("2001:db8:9::1"), None).unwrap().source;
    assert_eq!(source(&host), IpAddr::V6(first));
    let mut hours = 0;
    while temporary(&host).len() < 2 {
        pass(&mut host, HOUR);
        advertise(&mut host, 9000, &[week]);
        hours += 1;
    }
    // A day, less up to four tenths.
    assert!((14..=24).contains(&hours), "{hours}");
    pass(&mut host, Duration::from_secs(10));
    let both = temporary(&host);
    let [
        (old, AddressState::Deprecated),
        (second, AddressState::Preferred),
    ] = both[..]
    else {
        panic!("{both:?}");
    };
    assert_eq!((old, source(&host)), (first, IpAddr::V6(second)));
    for _ in hours..49 {
        pass(&mut host, HOUR);
        advertise(&mut host, 9000, &[week]);
    }
    assert!(
        temporary(&host)
            .iter()
            .all(|&(address, _)| address != first)
    );
    // No longer than the prefix.
    advertise(&mut host, 9000, &[prefix(7200, 0)]);
    pass(&mut host, Duration::from_secs(1));
    assert!(
        temporary(&host)
            .iter()
            .all(|each| each.1 != AddressState::Preferred)
    );
    pass(&mut host, Duration::from_secs(7201));
    assert_eq!((temporary(&host).len(), own(&host).len()), (0, 1));
}

#[test]
fn a_temporary_address_that_somebody_has_is_replaced() {
    let mut host = configured();
    let wire = host.wire;
    host.stack.set_temporary_addresses(wire, true).unwrap();
    advertise(&mut host, 1800, &[prefix(86_400, 86_400)]);
    let taken = temporary(&host)[0].0;
    host.inject(claim(taken));
    pass(&mut host, Duration::from_secs(3));
    let [(other, AddressState::Preferred)] = temporary(&host)[..] else {
        panic!("{:?}", temporary(&host));
    };
    assert_ne!(other, taken);
    // And none is formed that would be over at once.
    let mut host = configured();
    let wire = host.wire;
    host.stack.set_temporary_addresses(wire, true).unwrap();
    advertise(&mut host, 1800, &[prefix(7200, 4)]);
    assert_eq!(temporary(&host), []);
}

/// The router pauses while the term of the address ends: it has no successor then, and needs one later.
#[test]
fn after_a_pause_a_temporary_address_is_formed_at_once() {
    const HOUR: Duration = Duration::from_secs(3600);
    let mut host = configured();
    let wire = host.wire;
    host.stack.set_temporary_addresses(wire, true).unwrap();
    let week = prefix(7 * 86_400, 7 * 86_400);
    advertise(&mut host, 9000, &[week]);
    pass(&mut host, HOUR);
    let is_preferred = |host: &Host| {
        let all = temporary(host);
        all.iter()
            .filter(|each| each.1 == AddressState::Preferred)
            .count()
    };
    assert_eq!(is_preferred(&host), 1);
    advertise(&mut host, 9000, &[prefix(7 * 86_400, 0)]);
    pass(&mut host, HOUR * 25);
    assert_eq!(is_preferred(&host), 0);
    advertise(&mut host, 9000, &[week]);
    pass(&mut host, Duration::from_secs(3));
    assert_eq!(is_preferred(&host), 1, "{:?}", temporary(&host));
    // A pause that ends before the term does needs none.
    let before = temporary(&host).len();
    advertise(&mut host, 9000, &[prefix(7 * 86_400, 0)]);
    pass(&mut host, HOUR);
    advertise(&mut host, 9000, &[week]);
    pass(&mut host, Duration::from_secs(3));
    assert_eq!((is_preferred(&host), temporary(&host).len()), (1, before));
}
