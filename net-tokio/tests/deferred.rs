//! How often devices are turned to: who hands packets to them, those who write or the driver; and how seldom
//! they have to wake the driver where many packets wait.

use bytes::{Bytes, BytesMut};
use futures::SinkExt as _;
use net_core::buf::{HeadBuf, RxBatch, TxBatch};
use net_core::wire::{IpHeader, UdpHeader, ip};
use net_core::{DeviceCaps, Instant, Seed};
use net_tokio::clock::Clock;
use net_tokio::device::{Device, LinkConfig, channel, pair};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// A device that counts how often packets are handed to it, and how often it is found dry, which is when it
/// has to wake the driver for the next packet.
struct Counting<D> {
    device: D,
    handed: Arc<AtomicUsize>,
    dry: Arc<AtomicUsize>,
}

impl<D> Counting<D> {
    fn new(device: D) -> Self {
        Self {
            device,
            handed: Arc::default(),
            dry: Arc::default(),
        }
    }
}

impl<D: Device> Device for Counting<D> {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn attach(&mut self, clock: Clock) {
        self.device.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let polled = self.device.poll_recv(cx, batch, budget);
        if polled.is_pending() {
            self.dry.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        self.handed.fetch_add(1, Ordering::Relaxed);
        self.device.poll_send(cx, batch, now)
    }

    fn inline(&self) -> bool {
        self.device.inline()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }
}

/// SPEC 89.
#[tokio::test(start_paused = true)]
async fn deferred_transmit_keeps_writers_away_from_the_device() {
    for deferred in [true, false] {
        let link = LinkConfig::default();
        let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
        let near = Counting::new(near);
        let handed = Arc::clone(&near.handed);
        let near = Net::builder()
            .inline_rounds(!deferred)
            .device("link0", near)
            .address("10.0.0.1/24")
            .build()
            .expect("a stack");
        let far = Net::builder().device("link0", far).address("10.0.0.2/24");
        let far = far.build().expect("a stack");
        let listener = TcpListener::bind_on(&far, "10.0.0.2:80")
            .await
            .expect("free");
        let stream = TcpStream::connect_on(&near, "10.0.0.2:80")
            .await
            .expect("a listener");
        let (mut peer, _) = listener.accept().await.expect("a connection");
        let inbox = UdpSocket::bind_on(&far, "10.0.0.2:9").await.expect("free");
        let outbox = UdpSocket::bind_on(&near, "10.0.0.1:0").await.expect("free");
        // What the handshake left to do is done.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = handed.load(Ordering::Relaxed);
        let touched = || handed.load(Ordering::Relaxed) > before;
        assert_eq!(stream.try_write(b"stream").expect("room"), 6);
        let to = "10.0.0.2:9".parse().expect("an address");
        assert_eq!(outbox.try_send_to(b"datagram", to).expect("room"), 8);
        assert_eq!(touched(), !deferred, "by the writer");
        let mut bytes = [0; 6];
        peer.read_exact(&mut bytes).await.expect("delivered");
        assert_eq!(&bytes, b"stream");
        let mut bytes = [0; 8];
        inbox.recv_from(&mut bytes).await.expect("delivered");
        assert_eq!(&bytes, b"datagram");
        assert!(touched(), "by the driver at last");
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
    let device = Counting::new(device);
    let dry = Arc::clone(&device.dry);
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
    let dry = dry.load(Ordering::Relaxed);
    // A reader that makes room in its socket has the device looked at too.
    assert!((BURSTS..=BURSTS * BURST / 25).contains(&dry), "{dry} times");
}

/// Packets that wait when the driver is woken, and how often that is.
const BURST: usize = 200;
const BURSTS: usize = 50;
