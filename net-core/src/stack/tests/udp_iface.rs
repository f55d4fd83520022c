//! Datagrams whose sender names the interface to leave over (`IP_PKTINFO`, RFC 3542 §6.2).

use super::*;
use crate::error::SocketError;
use crate::udp::SendMeta;

/// A host with a second link, 10.8.0.2/24 and fd08::2/64; default routes lead over the first.
fn host() -> (Host, IfaceId) {
    let mut host = Host::new();
    let second = ["10.8.0.2/24", "fd08::2/64", "fe80::2/64"];
    let second = iface("tun1", IfaceKind::PointToPoint, 1500, &second);
    let second = host.stack.add_iface(second, DeviceCaps::default()).unwrap();
    (host, second)
}

fn over(iface: IfaceId, to: &str) -> SendMeta {
    SendMeta {
        iface: Some(iface),
        ..SendMeta::to(addr(to))
    }
}

/// Over which of the links a datagram leaves, and from where.
fn send(
    host: &mut Host,
    id: SocketId,
    meta: &SendMeta,
) -> Result<Vec<(IfaceId, IpAddr)>, SocketError> {
    host.stack.udp(id).unwrap().send_with("x".into(), meta)?;
    let links: Vec<IfaceId> = host.stack.ifaces().map(|(id, _)| id).collect();
    let mut left = Vec::new();
    for link in links {
        let sent = host.sent_over(link);
        left.extend(
            sent.iter()
                .map(|packet| (link, Seen::new(packet).ip.source)),
        );
    }
    Ok(left)
}

#[test]
fn a_datagram_leaves_over_the_interface_that_its_sender_names() {
    let (mut host, second) = host();
    let (first, id) = (host.wire, host.udp("[::]:7"));
    let via = Route {
        prefix: cidr("2001:db8::/32"),
        via: Some(ip("fd08::1")),
        iface: second,
        source: None,
        metric: 5,
    };
    host.stack.add_route(via).unwrap();
    let default = Route {
        prefix: cidr("0.0.0.0/0"),
        via: Some(ip("10.8.0.1")),
        ..via
    };
    host.stack.add_route(default).unwrap();
    for (to, link, source) in [
        // The route over the first has a lower metric, or is there alone.
        ("192.0.2.1:9", first, OURS),
        ("192.0.2.1:9", second, "10.8.0.2"),
        ("[2001:db8::1]:9", second, "fd08::2"),
        ("[fe80::9]:9", second, "fe80::2"),
        // Groups, before the interface that the socket has for them.
        ("224.0.0.9:9", second, "10.8.0.2"),
        ("[ff02::9]:9", second, "fe80::2"),
        ("224.0.0.9:9", first, OURS),
    ] {
        let changed = host.stack.change_udp(id, |settings| {
            settings.multicast.iface_v4 = Some(first);
            settings.multicast.iface_v6 = Some(first);
        });
        changed.unwrap();
        let left = send(&mut host, id, &over(link, to));
        assert_eq!(left, Ok(std::vec![(link, ip(source))]), "{to}");
        // It is for this once.
        if to == "192.0.2.1:9" {
            let left = send(&mut host, id, &SendMeta::to(addr(to)));
            assert_eq!(left, Ok(std::vec![(first, ip(OURS))]));
        }
    }
    // A connected socket sends from its own address.
    host.stack
        .connect(id, addr("192.0.2.1:9"), host.now)
        .unwrap();
    let meta = SendMeta {
        to: None,
        ..over(second, "192.0.2.1:9")
    };
    assert_eq!(
        send(&mut host, id, &meta),
        Ok(std::vec![(second, ip(OURS))])
    );
    let meta = SendMeta {
        source: Some(ip("10.8.0.2")),
        ..meta
    };
    assert_eq!(
        send(&mut host, id, &meta),
        Ok(std::vec![(second, ip("10.8.0.2"))])
    );
}

#[test]
fn an_interface_that_is_not_there_or_not_the_sockets_is_refused() {
    let (mut host, second) = host();
    let first = host.wire;
    let id = host.udp("[::]:7");
    let gone = send(&mut host, id, &over(IfaceId(9), "10.7.0.9:9"));
    assert_eq!(gone, Err(SocketError::NoSuchInterface));
    let unreachable = send(&mut host, id, &over(second, "[2001:db8::1]:9"));
    assert_eq!(
        unreachable,
        Err(SocketError::NetworkUnreachable),
        "as with the kernel"
    );
    let mut scoped = over(second, "[fe80::9]:9");
    let SocketAddr::V6(mut to) = addr("[fe80::9]:9") else {
        unreachable!()
    };
    to.set_scope_id(first.number());
    scoped.to = Some(to.into());
    let refused = |outcome| matches!(outcome, Err(SocketError::InvalidInput(_)));
    assert!(refused(send(&mut host, id, &scoped)), "of another link");
    to.set_scope_id(second.number());
    scoped.to = Some(to.into());
    assert_eq!(
        send(&mut host, id, &scoped),
        Ok(std::vec![(second, ip("fe80::2"))])
    );
    host.stack.bind_iface(id, Some(first)).unwrap();
    for to in ["10.8.0.9:9", "[fd08::9]:9", "224.0.0.9:9"] {
        assert!(refused(send(&mut host, id, &over(second, to))), "{to}");
    }
    let left = send(&mut host, id, &over(first, "10.7.0.9:9"));
    assert_eq!(left, Ok(std::vec![(first, ip(OURS))]));
}
