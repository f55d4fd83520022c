//! A device over what reads and writes a packet with each call, with channels in the place of a tunnel.

use futures::channel::mpsc::{self, Receiver, Sender};
use futures::{Sink, Stream};
use net_core::buf::RxBatch;
use net_tokio::device::{Device, PacketIo, PacketIoStats};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// One end of a tunnel that holds a few packets each way.
struct End {
    from: Receiver<Vec<u8>>,
    to: Sender<Vec<u8>>,
    /// Writes fail.
    is_broken: Arc<AtomicBool>,
}

fn tunnel() -> (End, End) {
    let ((to_far, from_near), (to_near, from_far)) = (mpsc::channel(4), mpsc::channel(4));
    let end = |from, to| End {
        from,
        to,
        is_broken: Arc::default(),
    };
    (end(from_far, to_far), end(from_near, to_near))
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(packet) = ready!(Pin::new(&mut self.from).poll_next(cx)) {
            buf.put_slice(&packet);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(ErrorKind::StorageFull.into()));
        }
        let to = &mut self.to;
        let sent = match ready!(Pin::new(&mut *to).poll_ready(cx)) {
            Ok(()) => Pin::new(to).start_send(bytes.to_vec()),
            Err(gone) => Err(gone),
        };
        Poll::Ready(sent.map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn stack(end: End, host: u8) -> (Net, PacketIoStats) {
    let device = PacketIo::new(end, 1400).expect("a device");
    let stats = device.stats();
    let net = Net::builder()
        .device("vpn0", device)
        .address(format!("10.7.0.{host}/24"))
        .address(format!("fd07::{host}/64"))
        .build()
        .expect("a stack");
    (net, stats)
}

async fn in_time<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, future).await.expect("in time")
}

/// 300 kB there and back fill the tunnel's room many times over.
#[tokio::test]
async fn streams_cross_a_tunnel_that_holds_four_packets() {
    let (near, far) = tunnel();
    let ((client, sent), (server, answered)) = (stack(near, 1), stack(far, 2));
    for address in ["10.7.0.2", "fd07::2"] {
        let address: IpAddr = address.parse().expect("an address");
        let listener = TcpListener::bind_on(&server, (address, 0)).await.unwrap();
        let to = listener.local_addr().unwrap();
        let echo = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        };
        let question: Vec<u8> = (0..300_000_u32)
            .map(|n| n.to_le_bytes()[n as usize % 3])
            .collect();
        let ask = async {
            let stream = TcpStream::connect_on(&client, to).await.unwrap();
            let (mut reader, mut writer) = stream.into_split();
            let mut answer = vec![0; question.len()];
            let write = async {
                writer.write_all(&question).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let read = async { reader.read_exact(&mut answer).await.unwrap() };
            tokio::join!(write, read);
            assert!(answer == question);
        };
        in_time(async { tokio::join!(echo, ask) }).await;
    }
    assert_eq!((sent.refused(), answered.refused()), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_written_is_lost_and_counted_and_the_device_goes_on() {
    let (near, mut far) = tunnel();
    let is_broken = near.is_broken.clone();
    let (net, stats) = stack(near, 1);
    let socket = UdpSocket::bind_on(&net, "10.7.0.1:9").await.unwrap();
    is_broken.store(true, Ordering::Relaxed);
    socket.send_to(b"lost", "10.7.0.2:7").await.unwrap();
    in_time(async {
        while stats.refused() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    is_broken.store(false, Ordering::Relaxed);
    socket.send_to(b"sent", "10.7.0.2:7").await.unwrap();
    let mut packet = [0; 100];
    let len = in_time(far.read(&mut packet)).await.unwrap();
    assert_eq!((&packet[28..len], stats.refused()), (&b"sent"[..], 1));
}

/// What came before is not lost.
#[tokio::test]
async fn a_device_ends_when_what_it_reads_from_has_been_closed() {
    let (near, mut far) = tunnel();
    let mut device = PacketIo::new(near, 1400).expect("a device");
    far.write_all(&[7; 20]).await.expect("written");
    drop(far);
    let mut batch = RxBatch::default();
    let mut receive = async || poll_fn(|cx| device.poll_recv(cx, &mut batch, 64)).await;
    assert_eq!(in_time(receive()).await.expect("a packet"), 1);
    let end = in_time(receive()).await.expect_err("the end");
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(batch.packets()[0].frame[..], [7; 20]);
}

#[test]
fn an_mtu_that_ipv4_does_not_allow_is_refused() {
    let (near, _far) = tunnel();
    let refused = PacketIo::new(near, 67).map(drop).expect_err("too small");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(refused.to_string(), "an MTU is at least 68, not 67");
}
