//! Two stacks on a link, one of which has a device that remembers what it was given.

use bytes::BytesMut;
use net_core::buf::{RxBatch, TxBatch, TxMeta};
use net_core::{DeviceCaps, Instant, Seed};
use net_tokio::clock::Clock;
use net_tokio::device::{Device, LinkConfig, PairEnd, pair};
use net_tokio::{Net, NetBuilder, TcpListener, TcpSocket, TcpStream};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

/// What the client's device was given, and whether it still passes it on.
#[derive(Default)]
pub(crate) struct Tap {
    pub(crate) sent: Mutex<Vec<(TxMeta, Vec<u8>)>>,
    cut: AtomicBool,
}

impl Tap {
    /// Payload lengths of the TCP segments over IPv4 since the last call.
    pub(crate) fn payloads(&self) -> Vec<usize> {
        let sent = std::mem::take(&mut *self.sent.lock().expect("no panic"));
        sent.iter()
            .map(|(_, bytes)| bytes.len() - 20 - usize::from(bytes[32] >> 4) * 4)
            .filter(|len| *len > 0)
            .collect()
    }
}

/// The client's end of the link.
struct Tapped {
    device: PairEnd,
    tap: Arc<Tap>,
}

impl Device for Tapped {
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
        let mut sent = self.tap.sent.lock().expect("no panic");
        for packet in batch.packets() {
            let mut bytes = BytesMut::new();
            packet.copy_to(&mut bytes);
            sent.push((packet.meta, bytes.to_vec()));
        }
        drop(sent);
        if self.tap.cut.load(Ordering::Relaxed) {
            batch.clear();
        }
        self.device.poll_send(cx, batch, now)
    }

    fn inline(&self) -> bool {
        self.device.inline()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }
}

/// A client and a server on a link of 10 ms.
pub(crate) struct World {
    pub(crate) client: Net,
    pub(crate) server: Net,
    pub(crate) tap: Arc<Tap>,
}

pub(crate) const SERVER: &str = "10.0.0.2:80";

impl World {
    pub(crate) fn new() -> Self {
        let link = LinkConfig {
            delay: Duration::from_millis(10),
            ..LinkConfig::default()
        };
        let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
        let tap = Arc::new(Tap::default());
        let near = Tapped {
            device: near,
            tap: tap.clone(),
        };
        let host = |builder: NetBuilder, address| {
            let builder = builder.address(address).seed(Seed::from_u64(2));
            builder.build().expect("a stack")
        };
        Self {
            client: host(Net::builder().device("link0", near), "10.0.0.1/24"),
            server: host(Net::builder().device("link0", far), "10.0.0.2/24"),
            tap,
        }
    }

    pub(crate) fn socket(&self) -> TcpSocket {
        TcpSocket::new_v4_on(&self.client).expect("a socket")
    }

    /// Our end and the server's.
    pub(crate) async fn connect(&self, socket: TcpSocket) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind_on(&self.server, SERVER).await;
        let listener = listener.expect("free");
        let to: SocketAddr = SERVER.parse().expect("an address");
        let (client, server) = tokio::join!(socket.connect(to), listener.accept());
        (client.expect("a listener"), server.expect("a client").0)
    }

    pub(crate) async fn pair(&self) -> (TcpStream, TcpStream) {
        self.connect(self.socket()).await
    }

    /// From now on nothing reaches the server.
    pub(crate) fn cut(&self) {
        self.tap.cut.store(true, Ordering::Relaxed);
    }
}

pub(crate) const A_WHILE: Duration = Duration::from_secs(1);
