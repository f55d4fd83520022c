//! IP packets in datagrams of the host's UDP.

#[cfg(target_os = "linux")]
use super::sys::receive_each;
use super::{Device, Overruns};
use bytes::BytesMut;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, RxPacket, TxBatch, crossing};
use net_core::stack::MAX_TX_BATCH;
use net_core::time::Instant;
use smallvec::SmallVec;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::AsFd;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A tunnel to one peer: every datagram is one IP packet and nothing else, without encryption and
/// without a handshake.
///
/// Datagrams of others are not received. Like every network it may lose packets: what the host has no
/// room for is dropped and counted.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Net, device::UdpTunnel};
/// let peer = "192.0.2.1:4789".parse().unwrap();
/// let tunnel = UdpTunnel::connect("0.0.0.0:4789", peer, 1400).await?;
/// let net = Net::builder().device("tunnel0", tunnel).address("10.7.0.2/24").build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpTunnel {
    socket: UdpSocket,
    mtu: u16,
    inbox: Inbox,
    flat: BytesMut,
    counters: Arc<Counters>,
    #[cfg(target_os = "linux")]
    drops: Drops,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    recv_calls: AtomicU64,
    refused: AtomicU64,
}

impl UdpTunnel {
    /// A tunnel from the host's address `local` to `peer`, for IP packets of up to `mtu` bytes; with
    /// the headers outside, 28 or 48 bytes more go over the host's network.
    ///
    /// # Errors
    /// Those of the host's `bind` and `connect`.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is left of a call that was dropped.
    pub async fn connect(
        local: impl tokio::net::ToSocketAddrs,
        peer: SocketAddr,
        mtu: u16,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(local).await?;
        socket.connect(peer).await?;
        Ok(Self::new(socket, mtu))
    }

    /// A tunnel over a socket that is connected to the peer.
    #[must_use]
    pub fn new(socket: UdpSocket, mtu: u16) -> Self {
        Self {
            #[cfg(target_os = "linux")]
            drops: Drops::since(super::sys::socket_drops(&socket).unwrap_or(0)),
            socket,
            mtu,
            inbox: Inbox::new(),
            flat: BytesMut::new(),
            counters: Arc::default(),
        }
    }

    /// Sends the packets of these lengths that lie in `flat`; how many the host has taken or refused before
    /// it had no room.
    fn send_flat(&self, lens: &[usize]) -> usize {
        let (socket, mut flat, mut lens) = (&self.socket, &self.flat[..], lens);
        let all = lens.len();
        while !lens.is_empty() {
            let sent = socket.try_io(Interest::WRITABLE, || send_all(socket, flat, lens));
            let done = match sent {
                Ok(count) => {
                    self.counters.calls.fetch_add(1, Ordering::Relaxed);
                    count
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                    1
                }
            };
            let (gone, rest) = lens.split_at(done);
            flat = &flat[gone.iter().sum()..];
            lens = rest;
        }
        all - lens.len()
    }

    /// A handle to its counters that outlives it.
    #[must_use]
    pub fn stats(&self) -> UdpTunnelStats {
        UdpTunnelStats {
            counters: self.counters.clone(),
        }
    }
}

/// Counters of a [`UdpTunnel`].
#[derive(Debug, Clone)]
pub struct UdpTunnelStats {
    counters: Arc<Counters>,
}

impl UdpTunnelStats {
    /// System calls by which the host has taken packets, on Linux up to 64 with each.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.counters.calls.load(Ordering::Relaxed)
    }

    /// System calls by which the host has given packets, on Linux up to 8 with each.
    #[must_use]
    pub fn recv_calls(&self) -> u64 {
        self.counters.recv_calls.load(Ordering::Relaxed)
    }

    /// Packets that the host did not take: too large, no route, or the peer refused an earlier one.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }
}

impl Device for UdpTunnel {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps {
            software_gro: true,
            ..DeviceCaps::default()
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let Self { socket, inbox, .. } = self;
        let mut count = 0;
        while count < budget {
            match socket.poll_recv_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) if count == 0 => return Poll::Ready(Err(error)),
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
            let wanted = budget - count;
            match socket.try_io(Interest::READABLE, || inbox.receive(socket, wanted, batch)) {
                Ok(received) => {
                    self.counters.recv_calls.fetch_add(1, Ordering::Relaxed);
                    count += received;
                    // The next call finds the socket dry, or what has come since.
                    if received < wanted.min(Inbox::MOST) {
                        break;
                    }
                }
                // Not any more, or an ICMP error about an earlier packet: the tunnel goes on.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_passing(&error) => {}
                Err(error) if count == 0 => return Poll::Ready(Err(error)),
                Err(_) => break,
            }
        }
        Poll::Ready(Ok(count))
    }

    /// What the socket of the host had no room for.
    #[cfg(target_os = "linux")]
    fn overruns(&self) -> Overruns {
        self.drops
            .count(|| super::sys::socket_drops(&self.socket).ok())
            .into()
    }

    /// What the socket of the host had no room for is told on Linux only.
    #[cfg(not(target_os = "linux"))]
    fn overruns(&self) -> Overruns {
        Overruns::UNKNOWN
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        _now: Instant,
    ) -> Poll<io::Result<()>> {
        while !batch.is_empty() {
            ready!(self.socket.poll_send_ready(cx))?;
            self.flat.clear();
            let mut lens: SmallVec<[usize; MAX_TX_BATCH]> = SmallVec::new();
            for packet in batch.packets().iter().take(MAX_TX_BATCH) {
                let before = self.flat.len();
                crossing::copy_completed(packet, &mut self.flat);
                lens.push(self.flat.len() - before);
            }
            let done = self.send_flat(&lens);
            batch.drop_front(done);
            if done < lens.len() {
                ready!(self.socket.poll_send_ready(cx))?;
                // An error once reported leaves the socket ready for ever: others get their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What a socket of the host has dropped since a tunnel has it. The kernel's own count may have begun
/// before, and begins anew behind its 32 bits.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Drops {
    before: u32,
    known: AtomicU64,
}

#[cfg(target_os = "linux")]
impl Drops {
    fn since(before: u32) -> Self {
        Self {
            before,
            known: AtomicU64::new(0),
        }
    }

    /// The count, brought up to that of the kernel.
    fn count(&self, kernel: impl Fn() -> Option<u32>) -> u64 {
        let next = |known: u64| {
            #[expect(clippy::cast_possible_truncation, reason = "as the kernel counts")]
            let last = self.before.wrapping_add(known as u32);
            // Asked only here: what is known is never ahead of it.
            Some(known + u64::from(kernel()?.wrapping_sub(last)))
        };
        let _ = self
            .known
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        self.known.load(Ordering::Relaxed)
    }
}

/// Sends packets that lie one behind the other, by one system call; how many the host has taken.
#[cfg(target_os = "linux")]
fn send_all(socket: &UdpSocket, flat: &[u8], lens: &[usize]) -> io::Result<usize> {
    Ok(super::several::send_each(socket, flat, lens)?)
}

/// Sends the first of some packets: there is no call for several.
#[cfg(not(target_os = "linux"))]
fn send_all(socket: &UdpSocket, flat: &[u8], lens: &[usize]) -> io::Result<usize> {
    let first = lens.first().copied().unwrap_or(0);
    socket2::SockRef::from(socket).send(&flat[..first])?;
    Ok(1)
}

/// Where datagrams are received, several with a call.
struct Inbox {
    room: Vec<u8>,
}

impl Inbox {
    /// Datagrams of a call at most: what the driver asks for between two looks at the clock.
    const MOST: usize = if cfg!(target_os = "linux") { 8 } else { 1 };
    /// From one datagram to the next: not a multiple of a power of two, by which their beginnings would share
    /// few lines of a cache.
    const STRIDE: usize = LONGEST + 33 * 64 + 1;

    fn new() -> Self {
        Self {
            room: vec![0; Self::MOST * Self::STRIDE],
        }
    }

    /// Receives up to `most` datagrams by one system call, behind those of `batch`; how many.
    fn receive(
        &mut self,
        socket: &impl AsFd,
        most: usize,
        batch: &mut RxBatch,
    ) -> io::Result<usize> {
        let mut places: SmallVec<[IoSliceMut<'_>; 16]> = self
            .room
            .chunks_exact_mut(Self::STRIDE)
            .take(most)
            .map(|place| IoSliceMut::new(&mut place[..LONGEST]))
            .collect();
        let lens = receive_each(socket, &mut places)?;
        let mut count = 0;
        for (place, len) in places.iter().zip(lens) {
            let frame = BytesMut::from(place.get(..len).unwrap_or_default());
            batch.push(RxPacket::from_frame(frame));
            count += 1;
        }
        Ok(count)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// Receives one datagram: there is no call for several.
#[cfg(not(target_os = "linux"))]
fn receive_each(socket: &impl AsFd, places: &mut [IoSliceMut<'_>]) -> io::Result<Option<usize>> {
    let first = places.first_mut();
    let len = first.map(|place| io::Read::read(&mut &*socket2::SockRef::from(socket), place));
    len.transpose()
}

/// Whether an error is about one packet only.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Interrupted
    )
}

/// The longest datagram.
const LONGEST: usize = 65_535;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Drops, Inbox};
    use net_core::buf::RxBatch;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn drops_are_counted_from_the_first_and_over_the_end_of_the_kernels_count() {
        let drops = Drops::since(u32::MAX - 1);
        for (kernel, count) in [
            (Some(u32::MAX - 1), 0),
            (Some(u32::MAX), 1),
            (Some(3), 5),
            (None, 5),
            (Some(u32::MAX - 1), 1 << 32),
            (Some(0), (1 << 32) + 2),
        ] {
            assert_eq!(drops.count(|| kernel), count);
        }
    }

    /// What is there is received, whether the socket blocks or not, and no more than was asked for.
    #[test]
    fn packets_that_wait_at_a_tunnel_are_received_by_one_system_call() {
        let (near, far) = UnixDatagram::pair().expect("a pair");
        for number in 0..10_u8 {
            // Longer than an MTU is no reason to lose one.
            let len = if number == 4 { 9000 } else { 20 };
            assert_eq!(far.send(&vec![number; len]).expect("sent"), len);
        }
        let (done, receiving) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut batch = RxBatch::default();
            let mut inbox = Inbox::new();
            for most in [5, 64, 64] {
                let count = inbox.receive(&near, most, &mut batch);
                let _ = done.send(count.map_err(|error| error.kind()));
            }
            let frames = batch.packets().iter().map(|packet| packet.frame.to_vec());
            frames.collect::<Vec<_>>()
        });
        for expected in [Ok(5), Ok(5), Err(ErrorKind::WouldBlock)] {
            let count = receiving.recv_timeout(Duration::from_secs(20));
            assert_eq!(count.expect("it does not wait"), expected);
        }
        let frames = thread.join().expect("whole");
        let begins: Vec<(u8, usize)> = frames.iter().map(|frame| (frame[9], frame.len())).collect();
        let expected = (0..10_u8).map(|number| (number, if number == 4 { 9000 } else { 20 }));
        assert_eq!(begins, expected.collect::<Vec<_>>());
    }
}
