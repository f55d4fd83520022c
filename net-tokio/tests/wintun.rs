//! Wintun, by the crate `tun`, under a stack. It takes Windows, an administrator and `wintun.dll` beside the
//! program: `cargo test -p net-tokio --test wintun -- --ignored`. Elsewhere it is checked that this compiles.
#![cfg(windows)]

use net_tokio::device::PacketIo;
use net_tokio::{Net, UdpSocket};
use std::time::Duration;

#[tokio::test]
#[ignore = "it takes an administrator and wintun.dll"]
async fn windows_sends_a_datagram_to_a_stack_behind_wintun() {
    let mut config = tun::Configuration::default();
    config.tun_name("net-tokio").address("10.7.0.1");
    config.netmask("255.255.255.0").mtu(1500).up();
    let device = tun::create_as_async(&config).expect("Wintun");
    let device = PacketIo::new(device, 1500).expect("a device");
    let net = Net::builder()
        .device("tun0", device)
        .address("10.7.0.2/24")
        .build()
        .expect("a stack");
    let socket = UdpSocket::bind_on(&net, "10.7.0.2:7")
        .await
        .expect("a port");
    let windows = std::net::UdpSocket::bind("10.7.0.1:0").expect("a port");
    let mut buffer = [0; 10];
    let mut received = None;
    // The first ones may come before the interface is up.
    for _ in 0..20 {
        windows.send_to(b"hello", "10.7.0.2:7").expect("sent");
        let limit = Duration::from_secs(1);
        received = tokio::time::timeout(limit, socket.recv_from(&mut buffer))
            .await
            .ok();
        if received.is_some() {
            break;
        }
    }
    let (len, from) = received.expect("in time").expect("received");
    let to = windows.local_addr().expect("bound");
    assert_eq!((&buffer[..len], from), (&b"hello"[..], to));
}
