//! How often a device has to wake the driver: seldom where many packets wait.

use bytes::{Bytes, BytesMut};
use futures::SinkExt as _;
use net_core::buf::{HeadBuf, RxBatch, TxBatch};
use net_core::wire::{IpHeader, UdpHeader, ip};
use net_core::{DeviceCaps, Instant};
use net_tokio::device::{Channel, Device, channel};
use net_tokio::{Net, UdpSocket};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// A device that counts how often it is found dry, which is when it has to wake the driver for the next
/// packet.
struct Counting {
    device: Channel,
    armed: Arc<AtomicUsize>,
}

impl Device for Counting {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let polled = self.device.poll_recv(cx, batch, budget);
        if polled.is_pending() {
            self.armed.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        self.device.poll_send(cx, batch, now)
    }
}

fn datagram() -> Bytes {
    let mut head = HeadBuf::new();
    UdpHeader {
        source_port: 7,
        dest_port: 9,
        length: 8,
        checksum: 0,
    }
    .emit(&mut head);
    let (source, dest) = (Ipv4Addr::new(10, 7, 0, 1), Ipv4Addr::new(10, 7, 0, 2));
    IpHeader::new(source.into(), dest.into(), ip::UDP, 8).emit(&mut head);
    BytesMut::from(&head[..]).freeze()
}

/// As with NAPI: the first packet wakes, then the device is polled until it is dry, and wakes again after that.
#[tokio::test]
async fn of_many_packets_that_wait_few_wake_the_driver() {
    let (device, mut packets) = channel(1500);
    let armed = Arc::new(AtomicUsize::new(0));
    let device = Counting {
        device,
        armed: Arc::clone(&armed),
    };
    let net = Net::builder()
        .device("vpn0", device)
        .address("10.7.0.2/24")
        .build()
        .expect("a stack");
    let socket = UdpSocket::bind_on(&net, "10.7.0.2:9")
        .await
        .expect("a port");
    let datagram = datagram();
    let bursts = async {
        for _ in 0..BURSTS {
            for _ in 0..BURST {
                packets.feed(datagram.clone()).await.expect("room");
            }
            for _ in 0..BURST {
                let (len, from) = socket.recv_from(&mut [0; 8]).await.expect("alive");
                assert_eq!((len, from.port()), (0, 7));
            }
        }
    };
    timeout(Duration::from_secs(30), bursts)
        .await
        .expect("no wake is lost");
    let armed = armed.load(Ordering::Relaxed);
    // A reader that makes room in its socket has the device looked at too.
    assert!(
        (BURSTS..=BURSTS * BURST / 25).contains(&armed),
        "{armed} times"
    );
}

/// Packets that wait when the driver is woken, and how often that is.
const BURST: usize = 200;
const BURSTS: usize = 50;
