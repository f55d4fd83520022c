//! Packets to and from the program itself: a device to embed the stack in a VPN or a test.

use super::{Device, Overruns, register, wake};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, RxPacket, TxBatch, crossing};
use net_core::time::Instant;
use net_core::wire::MacAddr;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A device, and the other end of it: whole IP packets of up to `mtu` bytes, one `Bytes` each, with
/// complete checksums.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use futures::{SinkExt, StreamExt};
/// use net_tokio::{Net, UdpSocket, device::channel};
/// let (device, mut packets) = channel(1500);
/// let net = Net::builder().device("vpn0", device).address("10.7.0.2/24").build()?;
/// let socket = UdpSocket::bind_on(&net, "10.7.0.2:9").await?;
/// socket.send_to(b"hello", "10.7.0.1:7").await?;
/// let packet = packets.next().await.expect("the stack is there");
/// assert_eq!(&packet[28..], b"hello");
/// packets.send(packet).await?;
/// # Ok(())
/// # }
/// ```
pub fn channel(mtu: u16) -> (Channel, Packets) {
    ends(mtu, None)
}

/// As [`channel`], for the Ethernet frames of a station with this address; `mtu` counts what is
/// behind the Ethernet header.
pub fn ethernet_channel(mtu: u16, mac: MacAddr) -> (Channel, Packets) {
    ends(mtu, Some(mac))
}

fn ends(mtu: u16, mac: Option<MacAddr>) -> (Channel, Packets) {
    let (outward, inward) = (Arc::<Lane>::default(), Arc::<Lane>::default());
    let device = Channel {
        mtu,
        mac,
        outward: outward.clone(),
        inward: inward.clone(),
    };
    let packets = Packets {
        outward: inward,
        inward: outward,
    };
    (device, packets)
}

/// The device of a [`channel`]. It holds up to 1,024 packets each way; beyond that the sender waits.
#[derive(Debug)]
pub struct Channel {
    mtu: u16,
    mac: Option<MacAddr>,
    outward: Arc<Lane>,
    inward: Arc<Lane>,
}

/// The program's end of a [`channel`]: a stream of the packets that the stack sends, which ends with
/// the stack, and a sink for those that it is to receive. When it is dropped, the device fails.
#[derive(Debug)]
#[must_use = "streams and sinks do nothing unless polled"]
pub struct Packets {
    outward: Arc<Lane>,
    inward: Arc<Lane>,
}

impl Device for Channel {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            software_gro: true,
            ..DeviceCaps::default()
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn mac(&self) -> Option<MacAddr> {
        self.mac
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let mut lane = self.inward.state();
        let count = budget.min(lane.queue.len());
        for packet in lane.queue.drain(..count) {
            let frame = packet
                .try_into_mut()
                .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
            batch.push(RxPacket::from_frame(frame));
        }
        if count > 0 {
            let writer = lane.writer.take();
            drop(lane);
            wake(writer);
            return Poll::Ready(Ok(count));
        }
        if lane.closed {
            return Poll::Ready(Err(gone()));
        }
        register(&mut lane.reader, cx);
        Poll::Pending
    }

    fn overruns(&self) -> Overruns {
        self.inward.state().overruns.into()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        _now: Instant,
    ) -> Poll<io::Result<()>> {
        let mut lane = self.outward.state();
        if lane.closed {
            return Poll::Ready(Err(gone()));
        }
        let mut taken = 0;
        for packet in batch.packets() {
            if lane.queue.len() >= ROOM {
                register(&mut lane.writer, cx);
                break;
            }
            let mut bytes = BytesMut::with_capacity(packet.len());
            crossing::copy_completed(packet, &mut bytes);
            lane.queue.push_back(bytes.freeze());
            taken += 1;
        }
        let reader = if taken > 0 { lane.reader.take() } else { None };
        drop(lane);
        wake(reader);
        batch.drop_front(taken);
        if batch.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn inline(&self) -> bool {
        true
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.outward.close();
        self.inward.close();
    }
}

impl Stream for Packets {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut lane = self.inward.state();
        let Some(packet) = lane.queue.pop_front() else {
            if lane.closed {
                return Poll::Ready(None);
            }
            register(&mut lane.reader, cx);
            return Poll::Pending;
        };
        let writer = lane.writer.take();
        drop(lane);
        wake(writer);
        Poll::Ready(Some(packet))
    }
}

impl FusedStream for Packets {
    fn is_terminated(&self) -> bool {
        let lane = self.inward.state();
        lane.closed && lane.queue.is_empty()
    }
}

/// An error says that the stack is gone. A program that does not wait until the sink is ready, as one does
/// that must not stand still, loses what it puts in beyond the 1,024 packets; those count as
/// [overruns](Device::overruns).
impl Sink<Bytes> for Packets {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = self.outward.state();
        if lane.closed {
            return Poll::Ready(Err(gone()));
        }
        if lane.queue.len() < ROOM {
            return Poll::Ready(Ok(()));
        }
        register(&mut lane.writer, cx);
        Poll::Pending
    }

    fn start_send(self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        let mut lane = self.outward.state();
        if lane.closed {
            return Err(gone());
        }
        if lane.queue.len() >= ROOM {
            lane.overruns += 1;
            return Ok(());
        }
        lane.queue.push_back(packet);
        let reader = lane.reader.take();
        drop(lane);
        wake(reader);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outward.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Packets {
    fn drop(&mut self) {
        self.outward.close();
        self.inward.close();
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Lane(Mutex<LaneState>);

#[derive(Debug, Default)]
struct LaneState {
    queue: VecDeque<Bytes>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Packets that came although there was no room.
    overruns: u64,
    /// One of its ends is gone.
    closed: bool,
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let wakers = (state.reader.take(), state.writer.take());
        drop(state);
        wake(wakers.0);
        wake(wakers.1);
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the other end of the channel is gone",
    )
}

/// Packets that may wait in one direction.
const ROOM: usize = 1024;
