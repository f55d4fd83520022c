//! A router of ours gives a host of ours its addresses, its way out and its DNS servers.

use net_core::Seed;
use net_core::advertising::{AdvDnsSearch, AdvDnsServers, AdvPrefix, RouterAdvertising, Variable};
use net_core::iface::IpCidr;
use net_core::wire::ndp::{Lifetime, Preference, RouteInformation};
use net_tokio::device::Switch;
use net_tokio::{Interface, InterfaceStatus, Net, TcpListener, TcpStream};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn config() -> RouterAdvertising {
    RouterAdvertising {
        adv_send_advertisements: true,
        adv_prefix_list: vec![AdvPrefix::new("fd07::".parse().expect("one"), 64)],
        adv_rdnss_list: vec![AdvDnsServers {
            servers: vec!["fd07::1".parse().expect("one")],
            lifetime: None,
        }],
        adv_dnssl_list: vec![AdvDnsSearch {
            domains: vec!["lan.test".to_owned()],
            lifetime: None,
        }],
        adv_route_list: vec![RouteInformation {
            prefix: "fd08::".parse().expect("one"),
            prefix_len: 48,
            preference: Preference::High,
            lifetime: Lifetime(600),
        }],
        ..RouterAdvertising::default()
    }
}

/// A router between two networks, which advertises itself on the inner one.
fn router(inner: &Switch, outer: &Switch, seed: u64) -> Net {
    let net = Net::builder().seed(Seed::from_u64(seed)).build();
    let net = net.expect("a stack");
    let lan = Interface::new("lan0", inner.port()).check_addresses(false);
    let lan = lan.address("fd07::1/64").router_advertising(config());
    let wan = Interface::new("wan0", outer.port()).check_addresses(false);
    for interface in [lan, wan.address("fd09::1/64")] {
        let name = interface.name().to_owned();
        net.attach(interface).expect("attached");
        net.set_forwarding(&name, true).expect("it is there");
    }
    net
}

fn host(switch: &Switch) -> Net {
    let net = Net::builder().device("eth0", switch.port());
    let net = net.autoconfigure().seed(Seed::from_u64(2));
    net.build().expect("a stack")
}

fn eth0(net: &Net) -> InterfaceStatus {
    let all = net.interfaces();
    let found = all.into_iter().find(|each| each.name == "eth0");
    found.expect("it is there")
}

/// Whether a default route leads by a router of the link.
fn has_way_out(net: &Net) -> bool {
    net.routes().lookup(ip("2001:db8::1")).is_some()
}

/// Waits until something holds.
async fn until(limit: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "in vain");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_behind_our_router_configures_itself_and_reaches_what_is_beyond() {
    let (inner, outer) = (Switch::new(), Switch::new());
    let router = router(&inner, &outer, 1);
    let server = Net::builder().device("eth0", outer.port());
    let server = server.address("fd09::9/64").gateway(ip("fd09::1"));
    let server = server.check_addresses(false).build().expect("a stack");
    let client = host(&inner);
    let prefix = IpCidr {
        address: ip("fd07::"),
        prefix_len: 64,
    };
    let is_configured = || {
        let all = eth0(&client).addresses;
        all.iter().any(|cidr| prefix.contains(cidr.address))
    };
    until(Duration::from_secs(10), is_configured).await;
    assert_eq!(eth0(&client).dns_servers, [ip("fd07::1")]);
    assert_eq!(eth0(&client).dns_search, ["lan.test"]);
    let listener = TcpListener::bind_on(&server, "[fd09::9]:80").await;
    let listener = listener.expect("a port");
    let connecting = TcpStream::connect_on(&client, "[fd09::9]:80");
    let (accepted, connected) = tokio::join!(listener.accept(), connecting);
    connected.expect("connected");
    let (_, from) = accepted.expect("accepted");
    assert!(prefix.contains(from.ip()));
    tokio::join!(client.shutdown(), server.shutdown(), router.shutdown());
}

/// RFC 4861 §6.2.5: whichever way.
#[tokio::test(start_paused = true)]
async fn hosts_hear_at_once_that_a_router_is_none_any_more() {
    for way in ["set", "forwarding", "detach", "shutdown"] {
        let (inner, outer) = (Switch::new(), Switch::new());
        let router = router(&inner, &outer, 1);
        let client = host(&inner);
        until(Duration::from_secs(10), || has_way_out(&client)).await;
        // As long after the last advertisement as another one may leave.
        sleep(Duration::from_secs(4)).await;
        match way {
            "set" => {
                let lan = router.advertising("lan0").expect("it is there");
                let silent = RouterAdvertising::default();
                lan.set(silent).expect("set");
                assert!(!lan.is_advertising());
            }
            "forwarding" => router.set_forwarding("lan0", false).expect("it is there"),
            "detach" => drop(router.detach("lan0").expect("it is there")),
            _ => router.shutdown().await,
        }
        let gone = || !has_way_out(&client);
        until(Duration::from_millis(100), gone).await;
        tokio::join!(client.shutdown(), router.shutdown());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_advertised_is_read_back_and_changed_while_the_router_runs() {
    let (inner, outer) = (Switch::new(), Switch::new());
    let router = router(&inner, &outer, 1);
    let lan = router.advertising("lan0").expect("it is there");
    assert_eq!(lan.config().expect("its own"), config());
    let wan = router.advertising("wan0").expect("it is there");
    let silent = RouterAdvertising::default();
    assert_eq!(wan.config().expect("its own"), silent);
    let client = host(&inner);
    until(Duration::from_secs(10), || has_way_out(&client)).await;
    assert!(lan.is_advertising() && !wan.is_advertising());
    let other = RouterAdvertising {
        adv_default_lifetime: Some(Duration::ZERO),
        ..config()
    };
    lan.set(other.clone()).expect("set");
    until(Duration::from_secs(4), || !has_way_out(&client)).await;
    assert_eq!(lan.config().expect("its own"), other);
    let told = client.routes().lookup(ip("fd08::1"));
    assert!(told.is_some(), "the route is still told");
    let broken = RouterAdvertising {
        max_rtr_adv_interval: Duration::from_secs(1),
        ..config()
    };
    let error = lan.set(broken).expect_err("too often");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("MaxRtrAdvInterval"), "{error}");
    assert_eq!(lan.config().expect("its own"), other, "nothing has changed");
    drop(router.detach("lan0").expect("it is there"));
    lan.config().expect_err("it is gone");
    router.advertising("lan0").expect_err("it is gone");
    tokio::join!(client.shutdown(), router.shutdown());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_advertise_is_refused_with_its_name() {
    let (device, _other) = net_tokio::device::channel(1500);
    let net = Net::builder().device("tun0", device);
    let error = net.router_advertising(config()).build();
    let error = error.expect_err("it is no Ethernet");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("interface tun0: "), "{error}");
    let switch = Switch::new();
    let net = Net::builder().device("eth0", switch.port());
    let net = net.autoconfigure().router_advertising(config());
    let error = net.build().expect_err("a host, or a router");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// RFC 4861 §6.2.7.
#[tokio::test(start_paused = true)]
async fn routers_that_contradict_each_other_notice_it() {
    let inner = Switch::new();
    let first = router(&inner, &Switch::new(), 1);
    let second = Net::builder().device("lan0", inner.port());
    let managed = RouterAdvertising {
        adv_managed_flag: true,
        ..config()
    };
    let second = second.router_advertising(managed).seed(Seed::from_u64(3));
    let second = second.build().expect("a stack");
    second.set_forwarding("lan0", true).expect("it is there");
    let differ = |net: &Net| {
        let lan = net.advertising("lan0").expect("it is there");
        let found = lan.inconsistency();
        found.is_some_and(|found| found.variable == Variable::ManagedFlag)
    };
    let both = timeout(Duration::from_secs(60), async {
        until(Duration::from_secs(60), || {
            differ(&first) && differ(&second)
        })
        .await;
    });
    both.await.expect("in time");
    assert!(first.stats().router_inconsistencies > 0);
    tokio::join!(first.shutdown(), second.shutdown());
}
