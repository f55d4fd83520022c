//! A driver that asks its devices before it goes to sleep.

use net_core::buf::{RxBatch, TxBatch};
use net_core::{DeviceCaps, Instant, Seed};
use net_tokio::clock::Clock;
use net_tokio::device::{Device, LinkConfig, PairEnd, pair};
use net_tokio::{Net, NetBuilder, UdpSocket};
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::timeout;

/// A device that tells nobody when something has come.
struct Mute(PairEnd);

impl Device for Mute {
    fn caps(&self) -> DeviceCaps {
        self.0.caps()
    }

    fn mtu(&self) -> u16 {
        self.0.mtu()
    }

    fn attach(&mut self, clock: Clock) {
        self.0.attach(clock);
    }

    fn poll_recv(
        &mut self,
        _: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(Waker::noop());
        self.0.poll_recv(&mut cx, batch, budget)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        self.0.poll_send(cx, batch, now)
    }

    fn inline(&self) -> bool {
        self.0.inline()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A socket behind a mute device, after a datagram to it has arrived there.
async fn receiver(change: impl FnOnce(NetBuilder) -> NetBuilder) -> (UdpSocket, Net) {
    let link = LinkConfig::default();
    let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
    let host = |builder: NetBuilder, address| builder.address(address).build().expect("a stack");
    let near = host(Net::builder().device("link0", near), "10.0.0.1/24");
    let far = change(Net::builder().device("link0", Mute(far)));
    let far = host(far, "10.0.0.2/24");
    let receiver = UdpSocket::bind_on(&far, "10.0.0.2:7").await.expect("free");
    // What its driver has to do at first is done.
    tokio::task::yield_now().await;
    let sender = UdpSocket::bind_on(&near, "10.0.0.1:0").await.expect("free");
    sender.send_to(b"hello", "10.0.0.2:7").await.expect("room");
    (receiver, near)
}

/// SPEC 128.
#[tokio::test]
async fn a_busy_driver_finds_what_no_device_tells_it() {
    let an_hour = Duration::from_secs(3600);
    let (receiver, _near) = receiver(|builder| builder.busy_poll(an_hour)).await;
    assert_eq!(receiver.recv(&mut [0; 8]).await.expect("data"), 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_driver_sleeps_until_it_is_told() {
    let (receiver, _near) = receiver(|builder| builder).await;
    let nothing = timeout(Duration::from_secs(60), receiver.recv(&mut [0; 8])).await;
    assert!(nothing.is_err());
}
