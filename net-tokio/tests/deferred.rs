//! Deferred transmit: whether those who write hand packets to the device, or leave that to the driver.

use net_core::buf::{RxBatch, TxBatch};
use net_core::{DeviceCaps, Instant, Seed};
use net_tokio::clock::Clock;
use net_tokio::device::{Device, LinkConfig, PairEnd, pair};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;

/// A device that counts how often packets are handed to it.
struct Counting {
    device: PairEnd,
    handed: Arc<AtomicUsize>,
}

impl Device for Counting {
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
        self.device.poll_recv(cx, batch, budget)
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
        let handed = Arc::new(AtomicUsize::new(0));
        let near = Counting {
            device: near,
            handed: handed.clone(),
        };
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
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
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
