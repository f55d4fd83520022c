//! An interface that a real `dnsmasq` on the kernel's side configures by DHCP.
#![cfg(target_os = "linux")]

use net_tokio::device::Tap;
use net_tokio::{Dhcp, Net, TcpStream, lookup_host_on};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;
use tests::dnsmasq::{self, Dnsmasq};
use tokio::time::timeout;

#[test]
fn a_real_dnsmasq_leases_an_address_and_gets_it_back() {
    let name = "a_real_dnsmasq_leases_an_address_and_gets_it_back";
    if !dnsmasq::is_there(name) {
        return;
    }
    tests::netns::run(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let done = runtime.block_on(async { timeout(LIMIT, leased()).await });
        done.expect("in time");
    });
}

async fn leased() {
    let server = Ipv4Addr::new(10, 7, 0, 1);
    let tap = Tap::builder("tap0")
        .host_address(server.into(), 24)
        .host_address(Ipv4Addr::new(10, 7, 0, 53).into(), 24)
        .build()
        .expect("a TAP");
    let net = Net::builder().device("eth0", tap).build().expect("a stack");
    let dnsmasq = Dnsmasq::start("tap0", server);
    let mut dhcp = Dhcp::start(&net, "eth0").expect("an Ethernet");
    let lease = dhcp.bound().await.expect("alive");
    assert!((50..=60).contains(&lease.ip().octets()[3]), "{lease:?}");
    assert_eq!((lease.server, lease.address.prefix_len), (server, 24));
    assert_eq!(lease.dns_servers, [Ipv4Addr::new(10, 7, 0, 53)]);
    assert_eq!(lease.domain.as_deref(), Some("example.test"));
    assert_eq!(lease.duration, Some(Duration::from_secs(120)));
    // By the server and in the domain that the lease names.
    let found: Vec<_> = lookup_host_on(&net, "db:80")
        .await
        .expect("known")
        .collect();
    assert_eq!(found, [SocketAddr::from(([10, 7, 0, 99], 80))]);
    // Over the default route, as nothing else says where that is.
    let added = Command::new("ip")
        .args(["address", "add", "192.0.2.1/32", "dev", "lo"])
        .status();
    assert!(added.expect("iproute2").success());
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let stream = TcpStream::connect_on(&net, (Ipv4Addr::new(192, 0, 2, 1), port));
    let stream = stream.await.expect("connected");
    let local = stream.local_addr().expect("connected");
    assert_eq!(local.ip(), IpAddr::V4(lease.ip()));
    assert!(dnsmasq.leases().contains(&lease.ip().to_string()));
    dhcp.release().await.expect("sent");
    let interfaces = net.interfaces();
    let eth0 = interfaces.iter().find(|each| each.name == "eth0");
    assert!(eth0.expect("it is there").addresses.is_empty());
    let nobody = lookup_host_on(&net, "db:80").await.map(drop);
    let nobody = nobody.expect_err("the server went with the lease");
    assert_eq!(nobody.kind(), ErrorKind::Unsupported);
    while dnsmasq.leases().contains(&lease.ip().to_string()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    net.shutdown().await;
}

const LIMIT: Duration = Duration::from_secs(30);
