//! A capture of everything that goes through a device.

use super::{Device, Overruns};
use crate::clock::Clock;
use bytes::BytesMut;
use net_core::DeviceCaps;
use net_core::buf::{RxBatch, RxPacket, TxBatch, crossing};
use net_core::sim::pcapng::{self, Direction, LinkType, Record};
use net_core::stack::MAX_TX_BATCH;
use net_core::time::Instant;
use net_core::wire::{MacAddr, ethernet};
use smallvec::SmallVec;
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A device that writes what goes through another one as pcapng, which Wireshark opens.
///
/// Packets are written as the stack sees them: a super-segment is one large packet. Checksums that
/// a device was to compute are complete in the copy. Times are nanoseconds of the clock that drives
/// the stack, from the date at which the capture began.
///
/// ```no_run
/// use net_tokio::device::{Loopback, PcapTap};
/// # fn main() -> std::io::Result<()> {
/// let file = std::io::BufWriter::new(std::fs::File::create("lo.pcapng")?);
/// let device = PcapTap::new(Loopback::new(), "lo", file)?;
/// # Ok(())
/// # }
/// ```
///
/// Every packet costs a copy and a write, so give it a [`BufWriter`](io::BufWriter); it is flushed
/// when the tap is dropped. If a write fails the capture ends, with a warning and a word in its
/// [status](Self::status), and the device lives on.
pub struct PcapTap<D> {
    device: D,
    writer: Option<Box<dyn Write + Send>>,
    status: PcapStatus,
    clock: Clock,
    /// The date at which the clock showed zero.
    epoch: Duration,
    /// Copies of packets one behind the other, of no use between calls.
    scratch: BytesMut,
    /// Room for a block, empty between packets.
    block: Vec<u8>,
}

/// What has become of the capture of a [`PcapTap`], which has gone into a stack.
///
/// ```
/// use net_tokio::device::{Loopback, PcapTap};
/// # fn main() -> std::io::Result<()> {
/// let tap = PcapTap::new(Loopback::new(), "lo", Vec::new())?;
/// let status = tap.status();
/// drop(tap);
/// assert!(status.error().is_none(), "every packet is written");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PcapStatus(Arc<OnceLock<io::Error>>);

impl PcapStatus {
    /// Why packets are missing in the capture: the write or the flush that failed. What waits in a buffer
    /// is written when the tap is dropped, as [`Net::shutdown`](crate::Net::shutdown) has it; until then
    /// `None` is not the last word.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.0.get()
    }

    fn fail(&self, error: io::Error) {
        // The first failure ends the capture: there is no second one.
        let _ = self.0.set(error);
    }
}

impl<D: Device> PcapTap<D> {
    /// Captures what goes through `device` into `writer`; `name` is what the capture calls it.
    ///
    /// # Errors
    /// If the head of the file cannot be written.
    pub fn new(device: D, name: &str, writer: impl Write + Send + 'static) -> io::Result<Self> {
        let mut writer: Box<dyn Write + Send> = Box::new(writer);
        let mut block = Vec::new();
        pcapng::section(&mut block);
        let link = match device.mac() {
            Some(_) => LinkType::Ethernet,
            None => LinkType::Raw,
        };
        pcapng::interface(&mut block, name, link);
        writer.write_all(&block)?;
        let clock = Clock::new();
        Ok(Self {
            device,
            writer: Some(writer),
            status: PcapStatus(Arc::default()),
            epoch: epoch_of(clock),
            clock,
            scratch: BytesMut::new(),
            block,
        })
    }

    /// Tells, also when the tap has gone into a stack, whether the capture is complete.
    #[must_use]
    pub fn status(&self) -> PcapStatus {
        self.status.clone()
    }

    fn write_received(&mut self, packet: &RxPacket) {
        self.scratch.clear();
        self.scratch.extend_from_slice(&packet.frame);
        for chunk in &packet.frags {
            self.scratch.extend_from_slice(&chunk.bytes);
        }
        let link = self.device.mac().map_or(0, |_| ethernet::HEADER_LEN);
        if let Some(ip) = self.scratch.get_mut(link..) {
            crossing::complete(packet.meta.checksum, ip);
        }
        self.write(Direction::Inbound, 0..self.scratch.len());
    }

    /// Writes the part of the copies that is one packet.
    fn write(&mut self, direction: Direction, part: Range<usize>) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        // Not the time of the round, which began before what it has received was written.
        let date = self.epoch + self.clock.now().saturating_since(Instant::ZERO);
        let record = Record {
            interface: 0,
            nanos: u64::try_from(date.as_nanos()).unwrap_or(u64::MAX),
            direction,
            len: part.len(),
            bytes: &self.scratch[part],
        };
        self.block.clear();
        pcapng::packet(&mut self.block, &record);
        if let Err(error) = writer.write_all(&self.block) {
            tracing::warn!(%error, "the capture ends: its file cannot be written");
            self.status.fail(error);
            self.writer = None;
        }
    }
}

impl<D: Device> Device for PcapTap<D> {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn mac(&self) -> Option<MacAddr> {
        self.device.mac()
    }

    fn attach(&mut self, clock: Clock) {
        self.clock = clock;
        self.epoch = epoch_of(clock);
        self.device.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        let before = batch.len();
        let received = self.device.poll_recv(cx, batch, budget);
        for packet in batch.packets().iter().skip(before) {
            self.write_received(packet);
        }
        received
    }

    fn overruns(&self) -> Overruns {
        self.device.overruns()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        // Copied in front of the device, which keeps the packets, and written when it has taken them: what
        // it gives back comes again, from whichever port above.
        self.scratch.clear();
        let mut ends: SmallVec<[usize; MAX_TX_BATCH]> = SmallVec::new();
        if self.writer.is_some() {
            for packet in batch.packets() {
                crossing::copy_completed(packet, &mut self.scratch);
                ends.push(self.scratch.len());
            }
        }
        let before = batch.len();
        let sent = self.device.poll_send(cx, batch, now);
        let mut start = 0;
        for end in ends.into_iter().take(before - batch.len()) {
            self.write(Direction::Outbound, start..end);
            start = end;
        }
        sent
    }

    fn inline(&self) -> bool {
        self.device.inline()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }

    fn wake_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        self.device.wake_at(cx, at)
    }
}

impl<D: fmt::Debug> fmt::Debug for PcapTap<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcapTap")
            .field("device", &self.device)
            .field("capturing", &self.writer.is_some())
            .finish_non_exhaustive()
    }
}

impl<D> Drop for PcapTap<D> {
    fn drop(&mut self) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = writer.flush() {
            tracing::warn!(%error, "the end of the capture could not be written");
            self.status.fail(error);
        }
    }
}

fn epoch_of(clock: Clock) -> Duration {
    let date = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    date.saturating_sub(clock.now().saturating_since(Instant::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::{batch, datagram, receive, send};
    use crate::device::{LinkConfig, PairEnd, pair};
    use net_core::Seed;
    use net_core::time::Duration;
    use pcap_file::DataLink;
    use pcap_file::pcapng::{Block, PcapNgReader};
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    #[derive(Clone, Default)]
    struct File(Arc<Mutex<Vec<u8>>>);

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn packets_in(file: &File) -> Vec<(Duration, Vec<u8>)> {
        let bytes = file.0.lock().unwrap().clone();
        let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            match block.unwrap() {
                Block::InterfaceDescription(block) => assert_eq!(block.linktype, DataLink::RAW),
                Block::EnhancedPacket(block) => {
                    packets.push((block.timestamp, block.data.into_owned()));
                }
                other => panic!("{other:?}"),
            }
        }
        packets
    }

    #[tokio::test(start_paused = true)]
    async fn both_directions_are_written_with_complete_checksums() {
        let config = LinkConfig {
            delay: Duration::from_millis(20),
            offload: true,
            ..LinkConfig::default()
        };
        let (near, far) = pair(config.clone(), config, Seed::from_u64(1));
        let file = File::default();
        let mut near = PcapTap::new(near, "near", file.clone()).unwrap();
        let mut far = PcapTap::new(far, "far", file.clone()).unwrap();
        let clock = Clock::new();
        near.attach(clock);
        far.attach(clock);
        send(&mut near, clock, batch([datagram(b"request", true)])).await;
        assert_eq!(receive(&mut far, clock).await.len(), 1);
        drop((near, far));
        let mut complete = datagram(b"request", false).head.to_vec();
        complete.extend_from_slice(b"request");
        let written = file.0.lock().unwrap();
        let copies = written
            .windows(complete.len())
            .filter(|window| *window == complete)
            .count();
        assert_eq!(copies, 2);
    }

    /// The ends of a link, the first of which is captured.
    fn tapped(file: &File, clock: Clock) -> (PcapTap<PairEnd>, PairEnd) {
        let link = LinkConfig::default;
        let (near, mut far) = pair(link(), link(), Seed::from_u64(1));
        let mut near = PcapTap::new(near, "near", file.clone()).unwrap();
        near.attach(clock);
        far.attach(clock);
        (near, far)
    }

    /// A file system with room for so many bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.0.checked_sub(bytes.len());
            self.0 = left.ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_capture_that_cannot_be_written_says_so_and_the_device_lives_on() {
        let mut device = PcapTap::new(Narrow, "narrow", Full(200)).unwrap();
        let status = device.status();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(status.error().is_none(), "the head had room");
        for _ in 0..9 {
            let mut packets = batch([datagram(b"a packet", false)]);
            let sent = device.poll_send(&mut cx, &mut packets, Instant::ZERO);
            assert!(sent.is_ready() && packets.is_empty());
        }
        let error = status.error().map(io::Error::kind);
        assert_eq!(error, Some(io::ErrorKind::StorageFull));
    }

    /// What is buffered fails at the end only, when nobody has the tap any more.
    #[test]
    fn the_status_of_a_capture_outlives_its_tap() {
        let buffered = io::BufWriter::with_capacity(1 << 16, Full(10));
        let mut device = PcapTap::new(Narrow, "narrow", buffered).unwrap();
        let status = device.status();
        let mut cx = Context::from_waker(Waker::noop());
        let mut packets = batch([datagram(b"a packet", false)]);
        assert!(
            device
                .poll_send(&mut cx, &mut packets, Instant::ZERO)
                .is_ready()
        );
        assert!(status.error().is_none());
        drop(device);
        let error = status.error().map(io::Error::kind);
        assert_eq!(error, Some(io::ErrorKind::StorageFull));
    }

    #[tokio::test(start_paused = true)]
    async fn a_capture_reads_back_with_its_times() {
        let (file, clock) = (File::default(), Clock::new());
        let (mut near, _far) = tapped(&file, clock);
        send(&mut near, clock, batch([datagram(b"one", false)])).await;
        tokio::time::advance(Duration::from_millis(1500)).await;
        send(&mut near, clock, batch([datagram(b"two", false)])).await;
        let packets = packets_in(&file);
        assert_eq!(packets.len(), 2);
        assert!(packets[0].1.ends_with(b"one") && packets[1].1.ends_with(b"two"));
        assert_eq!(packets[1].0 - packets[0].0, Duration::from_millis(1500));
    }

    /// A device that takes one packet at a time.
    struct Narrow;

    impl Device for Narrow {
        fn caps(&self) -> DeviceCaps {
            DeviceCaps::default()
        }

        fn mtu(&self) -> u16 {
            1500
        }

        fn poll_recv(
            &mut self,
            _: &mut Context<'_>,
            _: &mut RxBatch,
            _: usize,
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_send(
            &mut self,
            cx: &mut Context<'_>,
            batch: &mut TxBatch,
            _: Instant,
        ) -> Poll<io::Result<()>> {
            batch.drop_front(1);
            if batch.is_empty() {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    /// What it refuses goes back to the queue, and comes again a little at a time.
    #[test]
    fn what_a_busy_device_gets_again_is_written_once() {
        let file = File::default();
        let mut device = PcapTap::new(Narrow, "narrow", file.clone()).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = 0_u8;
        let mut waiting = Vec::new();
        for (new, most) in [(4, 4), (0, 1), (2, 2), (0, 5), (0, 5), (0, 5)] {
            waiting.extend(next..next + new);
            next += new;
            let brought = waiting.iter().take(most);
            let mut packets = batch(brought.map(|number| datagram(&[*number], false)));
            let _ = device.poll_send(&mut cx, &mut packets, Instant::ZERO);
            waiting.remove(0);
        }
        assert_eq!(waiting, []);
        let packets = packets_in(&file);
        let numbers: Vec<u8> = packets.iter().map(|(_, bytes)| bytes[28]).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    }

    /// As the ports of a trunk do: what one of them gets back is not what the other brings next.
    #[test]
    fn of_two_ports_that_take_turns_every_packet_is_written_once() {
        let file = File::default();
        let mut device = PcapTap::new(Narrow, "narrow", file.clone()).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut ports = [vec![0, 1, 2], vec![10, 11, 12]];
        for turn in 0..6 {
            let waiting = &mut ports[turn % 2];
            let mut packets = batch(waiting.iter().map(|number| datagram(&[*number], false)));
            let _ = device.poll_send(&mut cx, &mut packets, Instant::ZERO);
            waiting.remove(0);
        }
        let packets = packets_in(&file);
        let numbers: Vec<u8> = packets.iter().map(|(_, bytes)| bytes[28]).collect();
        assert_eq!(numbers, [0, 10, 1, 11, 2, 12]);
    }

    /// A round receives, and then sends by the time at which it began.
    #[tokio::test(start_paused = true)]
    async fn what_answers_a_packet_has_no_earlier_time_than_the_packet() {
        let (file, clock) = (File::default(), Clock::new());
        let (mut near, mut far) = tapped(&file, clock);
        send(&mut far, clock, batch([datagram(b"request", false)])).await;
        let round = clock.now();
        tokio::time::advance(Duration::from_micros(4)).await;
        assert_eq!(receive(&mut near, clock).await.len(), 1);
        let mut answer = batch([datagram(b"answer", false)]);
        poll_fn(|cx| near.poll_send(cx, &mut answer, round))
            .await
            .unwrap();
        let packets = packets_in(&file);
        assert!(packets[0].1.ends_with(b"request") && packets[1].1.ends_with(b"answer"));
        assert!(packets[0].0 <= packets[1].0, "{packets:?}");
    }
}
