//! Which stack a socket lands on.

use net_tokio::{Net, TcpListener, TcpStream, UdpSocket, lookup_host_on};
use std::io::ErrorKind;
use std::task::Poll;

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
async fn our_spawn_carries_the_scope() {
    let (first, second) = (with_address("10.4.0.1/24"), with_address("10.5.0.1/24"));
    let spawned = async { net_tokio::spawn(lands_on("10.4.0.1")).await };
    assert!(first.scope(spawned).await.expect("no panic"));
    let twice = async {
        let inner = async { net_tokio::spawn(lands_on("10.4.0.1")).await };
        net_tokio::spawn(inner).await.expect("no panic")
    };
    assert!(first.scope(twice).await.expect("no panic"));
    let guard = second.enter();
    let spawned = net_tokio::spawn(lands_on("10.5.0.1"));
    drop(guard);
    assert!(spawned.await.expect("no panic"));
    let named = second.spawn(lands_on("10.5.0.1"));
    assert!(named.await.expect("no panic"));
}

#[tokio::test]
async fn stacks_of_one_process_know_nothing_of_each_other() {
    let stacks = [with_address("10.6.0.1/24"), with_address("10.6.0.1/24")];
    let mut listeners = Vec::new();
    for net in &stacks {
        listeners.push(
            TcpListener::bind_on(net, "10.6.0.1:80")
                .await
                .expect("free"),
        );
    }
    let client = TcpStream::connect_on(&stacks[1], "10.6.0.1:80")
        .await
        .expect("a listener");
    let (_, from) = listeners[1].accept().await.expect("a connection");
    assert_eq!(from, client.local_addr().expect("open"));
    let polled = std::future::poll_fn(|cx| Poll::Ready(listeners[0].poll_accept(cx))).await;
    assert!(polled.is_pending(), "nobody has connected to the other one");
    assert_eq!(stacks[0].stats().tcp_in_segments, 0);
}

#[tokio::test]
async fn local_names_are_looked_up_without_network() {
    let net = Net::builder().build().expect("a stack");
    let known = lookup_host_on(&net, "localhost:7").await.expect("known");
    let addresses: Vec<_> = known.collect();
    assert_eq!(addresses[0], "127.0.0.1:7".parse().expect("literal"));
    let error = lookup_host_on(&net, ("example.com", 80))
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
