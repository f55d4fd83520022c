//! Routes that change while a stack runs.

use net_core::Seed;
use net_core::iface::IpCidr;
use net_core::route::{Decision, Reject, Route, RouteQuery, TableId};
use net_core::stats::DropReason;
use net_core::udp::SendMeta;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Net, PingSocket, RawSocket, TcpListener, TcpStream, UdpSocket};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A host with two links, to a host at the end of each that has the same address of its own.
struct Forked {
    host: Net,
    ends: [Net; 2],
}

/// What both ends have.
const SHARED: &str = "192.0.2.1";

fn forked() -> Forked {
    let [one, two] = [1, 2].map(|seed| {
        let link = LinkConfig::default;
        pair(link(), link(), Seed::from_u64(seed))
    });
    let host = Net::builder()
        .device("link0", one.0)
        .address("10.0.0.1/24")
        .device("link1", two.0)
        .address("10.0.1.1/24")
        .build()
        .expect("a stack");
    let end = |device, address: &str| {
        let builder = Net::builder().device("link0", device).address(address);
        let builder = builder.address(SHARED).route("0.0.0.0/0", None);
        builder.build().expect("a stack")
    };
    let ends = [end(one.1, "10.0.0.2/24"), end(two.1, "10.0.1.2/24")];
    Forked { host, ends }
}

fn prefix(text: &str, prefix_len: u8) -> IpCidr {
    let address = text.parse().expect("an address");
    IpCidr {
        address,
        prefix_len,
    }
}

/// A route to the address that both ends have.
fn over(host: &Net, link: &str) -> Route {
    Route {
        prefix: prefix(SHARED, 32),
        via: None,
        iface: host.interface_id(link).expect("it is there"),
        source: None,
        metric: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn each_datagram_goes_by_the_routes_that_there_are_when_it_is_sent() {
    let Forked { host, ends } = forked();
    let routes = host.routes();
    let mut heard = Vec::new();
    for end in &ends {
        let socket = UdpSocket::bind_on(end, (SHARED, 7)).await;
        heard.push(socket.expect("a port"));
    }
    let socket = UdpSocket::bind_on(&host, "0.0.0.0:0")
        .await
        .expect("a port");
    let nowhere = socket.connect((SHARED, 7)).await.expect_err("no route");
    assert_eq!(nowhere.kind(), ErrorKind::NetworkUnreachable);
    routes.add(over(&host, "link0")).expect("a route");
    socket.connect((SHARED, 7)).await.expect("a route");
    // A connected socket follows, and another way is no other connection.
    for (number, end) in [0, 1, 1, 0, 1].into_iter().enumerate() {
        routes
            .add(over(&host, ["link0", "link1"][end]))
            .expect("a route");
        let said = [u8::try_from(number).expect("small")];
        socket.send(&said).await.expect("sent");
        let mut word = [0; 2];
        let (len, _) = heard[end].recv_from(&mut word).await.expect("alive");
        assert_eq!(word[..len], said);
        assert!(heard[1 - end].try_recv(&mut word).is_err());
    }
    let way = routes.lookup(SHARED.parse().expect("an address"));
    assert_eq!(way, Some(over(&host, "link1")));
    routes
        .reject(prefix("192.0.2.0", 24), Reject::Prohibit, 0)
        .expect("room");
    assert!(routes.remove_exact(&over(&host, "link1")).expect("alive"));
    let refused = socket.send(b"x").await.expect_err("prohibited");
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert!(!routes.remove(prefix(SHARED, 32)).expect("alive"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_loses_nothing_while_its_routes_change_with_every_write() {
    let Forked { host, ends } = forked();
    let routes = host.routes();
    // There is a way all the time: by the wide route, or by the narrow one before it.
    let wide = Route {
        prefix: prefix("192.0.2.0", 24),
        ..over(&host, "link0")
    };
    routes.add(wide).expect("a route");
    let listener = TcpListener::bind_on(&ends[0], (SHARED, 80)).await;
    let listener = listener.expect("a port");
    let connecting = TcpStream::connect_on(&host, (SHARED, 80));
    let (sender, accepted) = tokio::join!(connecting, listener.accept());
    let mut sender = sender.expect("connected");
    let (mut receiver, _) = accepted.expect("accepted");
    let elsewhere = |number: u32| prefix(&IpAddr::from(number.to_be_bytes()).to_string(), 32);
    for number in 0..2000_u32 {
        if number % 2 == 0 {
            routes.add(over(&host, "link0")).expect("a route");
        } else {
            assert!(routes.remove(prefix(SHARED, 32)).expect("alive"));
        }
        let other = Route {
            prefix: elsewhere(0x0b00_0000 + number),
            ..wide
        };
        routes.add(other).expect("a route");
        let chunk = [number.to_be_bytes(); 256];
        sender.write_all(chunk.as_flattened()).await.expect("alive");
        let mut arrived = [0; 1024];
        receiver.read_exact(&mut arrived).await.expect("alive");
        assert_eq!(arrived, chunk.as_flattened());
    }
    let stats = host.stats();
    assert_eq!(stats.tcp_retransmits, 0);
    assert_eq!(stats.drops(DropReason::NoRoute), 0);
    // Those of the addresses, the wide one, and the others.
    assert!(routes.list().len() > 2000);
}

#[tokio::test]
async fn routes_and_rules_are_changed_by_words() {
    let Forked { host, ends: _ends } = forked();
    let routes = host.routes();
    let before = routes.show(TableId::MAIN);
    routes
        .ip_route("add 192.0.2.0/24 dev link1 metric 5")
        .expect("a route");
    let added = routes.show(TableId::MAIN);
    assert!(
        added.contains("192.0.2.0/24 dev link1 metric 5\n"),
        "{added}"
    );
    let error = routes
        .ip_route("add 192.0.2.0/24 dev link7")
        .expect_err("no such link");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("column 22: "), "{error}");
    routes.ip_route("del 192.0.2.0/24").expect("it is there");
    assert_eq!(routes.show(TableId::MAIN), before);
    routes.ip_rule("add fwmark 7 lookup 100").expect("a rule");
    let [rule] = routes.rules()[..] else {
        panic!("{:?}", routes.rules());
    };
    assert!(routes.remove_rule(&rule).expect("alive"));
    routes.add_rule(rule).expect("alive");
    routes
        .ip_rule("del fwmark 7 lookup 100")
        .expect("it is there");
    assert!(routes.rules().is_empty());
}

/// A datagram's own interface (`IP_PKTINFO`) goes before what routes say.
#[tokio::test(start_paused = true)]
async fn a_datagram_leaves_over_the_interface_that_it_names() {
    let Forked { host, ends } = forked();
    host.routes().add(over(&host, "link0")).expect("a route");
    let socket = UdpSocket::bind_on(&host, "0.0.0.0:0").await;
    let socket = socket.expect("a port");
    for (end, link) in ends.iter().zip(["link0", "link1"]) {
        let heard = UdpSocket::bind_on(end, (SHARED, 7)).await.expect("a port");
        let meta = SendMeta {
            iface: host.interface_id(link).ok(),
            ..SendMeta::to((SHARED.parse::<IpAddr>().expect("an address"), 7).into())
        };
        socket.send_with(b"this way", meta).await.expect("sent");
        let len = heard.recv(&mut [0; 9]).await.expect("a datagram");
        assert_eq!(len, 8);
        let other = if link == "link0" { "link1" } else { "link0" };
        socket
            .bind_device(Some(other.as_bytes()))
            .expect("an option");
        let error = socket
            .send_with(b"x", meta)
            .await
            .expect_err("bound elsewhere");
        assert_eq!(error.raw_os_error(), Some(22));
        socket.bind_device(None).expect("an option");
    }
}

/// Every table is changed and looked at as values.
#[tokio::test]
async fn routes_of_every_table_are_values() {
    let Forked { host, ends: _ends } = forked();
    let (routes, table) = (host.routes(), TableId(100));
    let way = over(&host, "link1");
    routes.add_to(table, way).expect("a route");
    let beside = Route {
        via: None,
        ..over(&host, "link0")
    };
    routes.add_beside_in(table, beside).expect("a route");
    let closed = IpCidr {
        address: "198.51.100.0".parse().expect("an address"),
        prefix_len: 24,
    };
    routes
        .reject_in(table, closed, Reject::Prohibit, 0)
        .expect("room");
    routes.add_local(closed).expect("room");
    assert_eq!(
        routes.entries(TableId::LOCAL),
        [(closed, 0, Decision::Local)]
    );
    let entries = routes.entries(table);
    assert_eq!(entries.len(), 3);
    assert!(entries.contains(&(closed, 0, Decision::Reject(Reject::Prohibit))));
    // The main table has nothing of it.
    let marked = RouteQuery {
        mark: 7,
        ..RouteQuery::to(SHARED.parse().expect("an address"))
    };
    assert_eq!(routes.way_of(&marked), None);
    routes.ip_rule("add fwmark 7 lookup 100").expect("a rule");
    assert!(routes.remove_exact_from(table, &beside).expect("alive"));
    assert_eq!(routes.way_of(&marked), Some(Decision::Route(way)));
    assert!(!routes.remove(way.prefix).expect("alive"));
    assert!(routes.remove_from(table, way.prefix).expect("alive"));
    assert_eq!(routes.way_of(&marked), None);
}

/// As the packets of every socket.
#[tokio::test]
async fn the_pings_of_a_marked_socket_follow_a_rule() {
    let Forked { host, ends } = forked();
    let routes = host.routes();
    routes.add(over(&host, "link0")).expect("a route");
    routes
        .add_to(TableId(100), over(&host, "link1"))
        .expect("a route");
    routes.ip_rule("add fwmark 7 lookup 100").expect("a rule");
    let socket = PingSocket::new_v4_on(&host).expect("a socket");
    let shared: IpAddr = SHARED.parse().expect("an address");
    for (mark, answers) in [(0, [1, 0]), (7, [1, 1])] {
        socket.set_mark(mark).expect("alive");
        assert_eq!(socket.mark().expect("alive"), mark);
        socket.request(shared, 1, b"who?").await.expect("a route");
        socket.reply().await.expect("an answer");
        let sent = ends.each_ref().map(|end| end.stats().icmp_echo_replies);
        assert_eq!(sent, answers);
    }
}

/// The groups of OSPF (RFC 2328 §A.1): a raw socket joins one, and sends to it with its own header fields.
#[tokio::test]
async fn raw_sockets_join_groups() {
    let Forked { host, ends } = forked();
    let [sender, receiver] = [&host, &ends[0]].map(|net| RawSocket::new_v4_on(net, 89));
    let (sender, receiver) = (sender.expect("a socket"), receiver.expect("a socket"));
    let group = Ipv4Addr::new(224, 0, 0, 5);
    let [near, far] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
    receiver.join_multicast_v4(group, far).expect("the first");
    sender.set_multicast_if_v4(&near).expect("our address");
    sender.set_tos_v4(0xc0).expect("a byte");
    sender
        .send_to(b"hello", group.into())
        .await
        .expect("a link");
    let heard = receiver.recv_datagram().await.expect("alive");
    assert_eq!(&heard.payload[20..], b"hello");
    assert_eq!((heard.tos, heard.ttl), (0xc0, 1));
    sender.set_multicast_ttl(9).expect("a byte");
    let meta = SendMeta {
        tos: Some(0x20),
        ..SendMeta::to((group, 0).into())
    };
    sender.send_with(b"again", meta).await.expect("a link");
    let heard = receiver.recv_datagram().await.expect("alive");
    assert_eq!((heard.tos, heard.ttl), (0x20, 9));
    receiver.leave_multicast_v4(group, far).expect("a member");
    sender
        .send_to(b"nobody", group.into())
        .await
        .expect("a link");
    let unicast = sender.send_to(b"you", far.into()).await;
    unicast.expect("a link");
    let heard = receiver.recv_datagram().await.expect("alive");
    assert_eq!(&heard.payload[20..], b"you");
}
