//! Memberships that cannot be.

use super::multicast::{GROUP, GROUP_V6};
use super::*;
use crate::SocketError;
use crate::multicast::MembershipChange;

#[test]
fn memberships_are_refused_as_by_the_kernel() {
    let mut host = Host::new();
    let (v4, v6) = (host.udp("0.0.0.0:9"), host.udp("[::]:10"));
    let tcp = host.stack.tcp_open(Family::V4).unwrap();
    let now = host.now;
    let mut ask = |id, group: &str, iface, change| {
        host.stack
            .change_membership(id, ip(group), iface, change, now)
    };
    let (join, leave) = (MembershipChange::Join, MembershipChange::Leave);
    let wire = Some(host.wire);
    assert!(matches!(
        ask(v4, OURS, wire, join),
        Err(SocketError::InvalidInput(_))
    ));
    assert_eq!(ask(tcp, GROUP, wire, join), Err(SocketError::NoSuchOption));
    assert_eq!(
        ask(v4, GROUP_V6, wire, join),
        Err(SocketError::NoSuchOption)
    );
    let none = Some(IfaceId(77));
    assert_eq!(
        ask(v4, GROUP, none, join),
        Err(SocketError::NoSuchInterface)
    );
    assert_eq!(
        ask(v4, GROUP, wire, leave),
        Err(SocketError::AddressNotAvailable)
    );
    assert_eq!(ask(v4, GROUP, None, join), Ok(()), "by the default route");
    assert_eq!(ask(v4, GROUP, wire, join), Err(SocketError::AddressInUse));
    assert_eq!(
        ask(v6, GROUP, wire, join),
        Ok(()),
        "an IPv6 socket has IPv4 groups too"
    );
    for number in 1..20 {
        let group = std::format!("239.1.9.{number}");
        assert_eq!(ask(v4, &group, wire, join), Ok(()));
    }
    assert_eq!(
        ask(v4, "239.1.9.20", wire, join),
        Err(SocketError::NoBufferSpace)
    );
    assert_eq!(ask(v4, GROUP, wire, leave), Ok(()));
    assert_eq!(ask(v4, "239.1.9.20", wire, join), Ok(()));
}
