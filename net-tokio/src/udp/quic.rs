//! A datagram socket as quinn takes it (feature `quinn`).

use super::UdpSocket;
use crate::net::Net;
use net_core::udp::{Datagram, SendMeta};
use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, ServerConfig, UdpPoller};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// A [`UdpSocket`] for `quinn::Endpoint`, with several datagrams in a call both ways, and ECN.
///
/// ```
/// use net_tokio::{QuicSocket, UdpSocket};
/// use std::sync::Arc;
/// # async fn endpoint(
/// #     config: quinn::EndpointConfig,
/// #     runtime: Arc<dyn quinn::Runtime>,
/// # ) -> std::io::Result<()> {
/// let socket = UdpSocket::bind("127.0.0.1:0").await?;
/// // `config` is quinn's default, `runtime` an `Arc` of its TokioRuntime.
/// let endpoint = QuicSocket::new(socket).into_endpoint(config, None, runtime)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct QuicSocket {
    socket: UdpSocket,
}

impl QuicSocket {
    /// The socket for an endpoint.
    #[must_use]
    pub fn new(socket: UdpSocket) -> Self {
        Self { socket }
    }

    /// An endpoint over the socket, which takes connections if it has a `server` configuration.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn into_endpoint(
        self,
        config: EndpointConfig,
        server: Option<ServerConfig>,
        runtime: Arc<dyn Runtime>,
    ) -> io::Result<Endpoint> {
        Endpoint::new_with_abstract_socket(config, server, Arc::new(self), runtime)
    }

    /// The stack that the socket belongs to.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.socket.net
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller {
            socket: self,
            writable: Mutex::new(None),
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.map(u16::try_from).transpose();
        let segment = segment.map_err(|_| io::ErrorKind::InvalidInput)?;
        let meta = SendMeta {
            to: Some(transmit.destination),
            segment,
            // The other bits are those of the socket, which quinn leaves at zero.
            tos: transmit.ecn.map(|ecn| ecn as u8),
            source: transmit.src_ip,
            ..SendMeta::default()
        };
        self.socket.try_send_with(transmit.contents, meta).map(drop)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(metas) {
            match self.poll_train(cx, buf) {
                Poll::Ready(Ok(received)) => *meta = received,
                Poll::Ready(Err(error)) if count == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if count == 0 => return Poll::Pending,
                // The next call comes back to it.
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
            count += 1;
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        SendMeta::MAX_SEGMENTS
    }

    fn max_receive_segments(&self) -> usize {
        SendMeta::MAX_SEGMENTS
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl QuicSocket {
    /// Receives a datagram, and those behind it that are of its kind, into `buf`: of the same size,
    /// but for the last, which may be shorter. Either may stand for several already.
    fn poll_train(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<RecvMeta>> {
        let socket = &self.socket;
        let first = std::task::ready!(socket.poll_recv_datagram(cx))?;
        let stride = first.segment.map_or(first.payload.len(), usize::from);
        let mut len = put(&first, buf, 0);
        let room = buf.len().min(stride * SendMeta::MAX_SEGMENTS);
        let follows = |next: &Datagram, len: usize| {
            let size = next.payload.len();
            let of_kind = match next.segment {
                Some(each) => usize::from(each) == stride,
                None => (1..=stride).contains(&size),
            };
            of_kind
                && size <= room - len
                && (next.source, next.dest, next.tos) == (first.source, first.dest, first.tos)
        };
        while (1..room).contains(&len) && len.is_multiple_of(stride) {
            match socket.try_recv_if(|next| follows(next, len)) {
                Some(next) => len += put(&next, buf, len),
                None => break,
            }
        }
        Poll::Ready(Ok(RecvMeta {
            addr: first.source,
            len,
            stride: stride.min(len),
            ecn: EcnCodepoint::from_bits(first.tos),
            dst_ip: Some(first.dest.ip()),
        }))
    }
}

/// Copies as much of the datagram as fits behind the first `at` bytes of `buf`; how much.
fn put(datagram: &Datagram, buf: &mut [u8], at: usize) -> usize {
    let room = buf.get_mut(at..).unwrap_or_default();
    let len = datagram.payload.len().min(room.len());
    room[..len].copy_from_slice(&datagram.payload[..len]);
    len
}

/// One task that waits for room to send.
struct Poller {
    socket: Arc<QuicSocket>,
    writable: Mutex<Option<Writable>>,
}

type Writable = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let place = this
            .writable
            .get_mut()
            .unwrap_or_else(|error| error.into_inner());
        let writable = place.get_or_insert_with(|| {
            let socket = this.socket.clone();
            Box::pin(async move { socket.socket.writable().await })
        });
        let polled = writable.as_mut().poll(cx);
        if polled.is_ready() {
            *place = None;
        }
        polled
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn what_came_as_one_goes_on_with_what_came_behind_it() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.expect("free");
        let sender = UdpSocket::bind("127.0.0.1:0").await.expect("free");
        receiver.set_gro(true).expect("alive");
        let to = SendMeta::to(receiver.local_addr().expect("bound"));
        let train = SendMeta {
            segment: Some(100),
            ..to
        };
        // Joined by the loopback device, then one by one; a short one ends what goes together.
        let batch = [(200, train), (100, to), (300, train), (30, to), (90, to)];
        let batch = batch.map(|(len, meta)| (vec![1; len], meta));
        assert_eq!(sender.send_many(&batch).await.expect("room"), 5);
        let socket = QuicSocket::new(receiver);
        let (mut first, mut second) = ([0; 9000], [0; 9000]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let mut metas = [RecvMeta::default(); 2];
        let count = poll_fn(|cx| socket.poll_recv(cx, &mut bufs, &mut metas)).await;
        assert_eq!(count.expect("there"), 2);
        let seen = metas.map(|meta| (meta.len, meta.stride));
        assert_eq!(seen, [(630, 100), (90, 90)]);
    }
}
