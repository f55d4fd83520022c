//! Waiting for addresses that are being checked.

use net_core::Seed;
use net_core::autoconf::{AddressState, Defence};
use net_tokio::device::Switch;
use net_tokio::{Net, TcpListener};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

fn host(switch: &Switch) -> Net {
    let net = Net::builder().device("eth0", switch.port());
    let net = net.address("fd07::1/64").seed(Seed::from_u64(1));
    net.build().expect("a stack")
}

/// RFC 4862 §5.4: one to two seconds.
#[tokio::test(start_paused = true)]
async fn who_waits_for_addresses_is_woken_once_when_they_are_checked() {
    let net = host(&Switch::new());
    let begun = Instant::now();
    let error = TcpListener::bind_on(&net, "[fd07::1]:80").await;
    let error = error.expect_err("it is not used yet");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    let mut polls = 0;
    let mut waiting = pin!(net.wait_for_addresses());
    let counted = poll_fn(|cx| {
        polls += 1;
        waiting.as_mut().poll(cx)
    });
    // Another one, and one that is given up before.
    let given_up = timeout(Duration::from_millis(500), net.wait_for_addresses());
    let (given_up, (), ()) = tokio::join!(given_up, counted, net.wait_for_addresses());
    given_up.expect_err("too early");
    let took = begun.elapsed();
    let range = Duration::from_secs(1)..Duration::from_secs(2);
    assert!(range.contains(&took), "{took:?}");
    // The joined tasks are one: its timer may have had it polled, but no clock has.
    assert!(polls <= 4, "{polls} times");
    TcpListener::bind_on(&net, "[fd07::1]:80")
        .await
        .expect("it is used");
    net.wait_for_addresses().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_addresses_of_an_interface_or_a_stack_that_is_gone() {
    let switch = Switch::new();
    let net = host(&switch);
    let waiting = net.wait_for_addresses();
    let detaching = async { net.detach("eth0").expect("it is there") };
    let ((), _device) = tokio::join!(waiting, detaching);
    let net = host(&switch);
    tokio::join!(net.wait_for_addresses(), net.shutdown());
    net.wait_for_addresses().await;
}

/// RFC 5227, under virtual time: four to seven seconds.
#[tokio::test(start_paused = true)]
async fn addresses_of_ipv4_are_checked_where_the_interface_is_told_to() {
    let switch = Switch::new();
    let first = Net::builder().device("eth0", switch.port());
    let first = first.address("10.7.0.1/24").build().expect("a stack");
    let second = Net::builder().device("eth0", switch.port());
    let second = second.seed(Seed::from_u64(2)).build().expect("a stack");
    let states = || {
        let all = second.interfaces();
        let eth0 = all.into_iter().find(|each| each.name == "eth0");
        let states = eth0.expect("it is there").states.into_iter();
        states.map(|status| status.state).collect::<Vec<_>>()
    };
    let defence = Some(Defence::GiveUp);
    second
        .set_conflict_detection("eth0", defence)
        .expect("it is there");
    for address in ["10.7.0.1/24", "10.7.0.2/24"] {
        second.add_address("eth0", address).expect("an address");
    }
    let begun = Instant::now();
    let error = TcpListener::bind_on(&second, "10.7.0.2:80").await;
    let error = error.expect_err("it is not used yet");
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    assert_eq!(states(), [AddressState::Tentative; 2]);
    second.wait_for_addresses().await;
    let took = begun.elapsed();
    let range = Duration::from_secs(4)..Duration::from_millis(7100);
    assert!(range.contains(&took), "{took:?}");
    let mut found = states();
    found.sort_by_key(|state| *state == AddressState::Duplicate);
    assert_eq!(found, [AddressState::Preferred, AddressState::Duplicate]);
    TcpListener::bind_on(&second, "10.7.0.2:80")
        .await
        .expect("it is used");
    second
        .set_conflict_detection("eth0", None)
        .expect("it is there");
    second
        .add_address("eth0", "10.8.0.2/24")
        .expect("an address");
    TcpListener::bind_on(&second, "10.8.0.2:80")
        .await
        .expect("it is used at once");
    let nowhere = second.set_conflict_detection("eth9", None);
    nowhere.expect_err("there is no such interface");
    tokio::join!(first.shutdown(), second.shutdown());
}
