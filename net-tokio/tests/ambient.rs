//! Which stack a socket lands on.

use net_tokio::{Net, TcpListener, UdpSocket, lookup_host};
use std::io::ErrorKind;

fn with_address(address: &str) -> Net {
    let (left, _right) = net_tokio::device::pair(
        net_tokio::device::LinkConfig::default(),
        net_tokio::device::LinkConfig::default(),
        net_core::Seed::from_u64(1),
    );
    Net::builder()
        .device("link0", left)
        .address(address)
        .build()
        .expect("build")
}

/// Whether a socket made now lands on a stack that owns `address`.
async fn lands_on(address: &str) -> bool {
    UdpSocket::bind((address, 0)).await.is_ok()
}

#[tokio::test]
async fn scope_beats_enter_beats_default_beats_the_process() {
    assert!(!lands_on("10.1.0.1").await);
    let (first, second, third) = (
        with_address("10.1.0.1/24"),
        with_address("10.2.0.1/24"),
        with_address("10.3.0.1/24"),
    );
    assert!(Net::set_default(first.clone()).is_none());
    assert!(lands_on("10.1.0.1").await);
    let guard = second.enter();
    assert!(lands_on("10.2.0.1").await);
    let inner = first.enter();
    drop(guard);
    assert!(lands_on("10.1.0.1").await, "guards may go in any order");
    drop(inner);
    let guard = second.enter();
    assert!(third.scope(lands_on("10.3.0.1")).await);
    drop(guard);
    assert!(lands_on("10.1.0.1").await);

    let spawned = third
        .scope(async { tokio::spawn(lands_on("10.3.0.1")).await })
        .await;
    assert!(
        !spawned.expect("no panic"),
        "spawn does not inherit a scope"
    );

    assert!(Net::set_default(None).is_some_and(|net| net.is_same(&first)));
    assert!(lands_on("127.0.0.1").await, "the loopback stack is left");

    Net::require_explicit();
    let error = TcpListener::bind("127.0.0.1:0")
        .await
        .expect_err("no stack");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(third.scope(lands_on("127.0.0.1")).await);
}

#[tokio::test]
async fn local_names_are_looked_up_without_network() {
    let addresses: Vec<_> = lookup_host("localhost:7").await.expect("known").collect();
    assert_eq!(addresses[0], "127.0.0.1:7".parse().expect("literal"));
    let error = lookup_host(("example.com", 80))
        .await
        .err()
        .expect("no DNS");
    assert!(error.to_string().contains("DNS"), "{error}");
}

#[tokio::test]
async fn a_mistake_in_the_builder_is_said_by_build() {
    let nowhere = Net::builder().address("10.0.0.1/24").build();
    assert!(
        nowhere
            .expect_err("no device")
            .to_string()
            .contains("device(..)")
    );
    let (left, _right) = net_tokio::device::pair(
        net_tokio::device::LinkConfig::default(),
        net_tokio::device::LinkConfig::default(),
        net_core::Seed::from_u64(1),
    );
    let malformed = Net::builder()
        .device("link0", left)
        .address("10.0.0/24")
        .build();
    assert_eq!(
        malformed.expect_err("malformed").kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn a_stack_needs_a_runtime_or_a_thread() {
    let error = Net::builder().build().expect_err("no runtime");
    assert!(error.to_string().contains("runtime"), "{error}");
    let net = Net::builder()
        .driver(net_tokio::Driver::Thread)
        .build()
        .expect("a thread of its own");
    assert!(
        net.addresses()
            .contains(&std::net::Ipv4Addr::LOCALHOST.into())
    );
}
