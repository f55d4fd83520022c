//! Packets out: one by one, several with a call, or joined to a train.

use super::{Framing, SMALL, Stop};
#[cfg(target_os = "linux")]
use crate::device::several::send_each;
use crate::device::tun_header::TunHeader;
use net_core::buf::{GsoKind, TxBatch, TxPacket};
use net_core::offload::{Train, gso, vnet};
use net_core::stack::MAX_TX_BATCH;
use net_core::stats::DropReason;
use net_core::wire::transport;
use rustix::io::Errno;
use smallvec::SmallVec;
use std::io::IoSlice;
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

/// What takes a packet with each call: a descriptor.
pub(in crate::device) trait Sink: Copy {
    fn write(self, packet: &[u8]) -> Result<(), Errno>;
    fn write_vectored(self, pieces: &[IoSlice<'_>]) -> Result<(), Errno>;
    /// Takes packets of these lengths that lie one behind the other, by one call; how many.
    fn write_each(self, flat: &[u8], lens: &[usize]) -> Result<usize, Errno>;
}

impl Sink for BorrowedFd<'_> {
    fn write(self, packet: &[u8]) -> Result<(), Errno> {
        rustix::io::retry_on_intr(|| rustix::io::write(self, packet)).map(drop)
    }

    fn write_vectored(self, pieces: &[IoSlice<'_>]) -> Result<(), Errno> {
        rustix::io::retry_on_intr(|| rustix::io::writev(self, pieces)).map(drop)
    }

    #[cfg(target_os = "linux")]
    fn write_each(self, flat: &[u8], lens: &[usize]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| send_each(self, flat, lens))
    }

    #[cfg(not(target_os = "linux"))]
    fn write_each(self, flat: &[u8], lens: &[usize]) -> Result<usize, Errno> {
        let first = lens.first().and_then(|&len| flat.get(..len));
        self.write(first.unwrap_or_default()).map(|()| 1)
    }
}

impl Framing {
    /// Writes packets from the front of `batch` and takes out what was written or refused. What the device
    /// does not cut is cut in its place there.
    pub(in crate::device) fn send(&mut self, device: impl Sink, batch: &mut TxBatch) -> Stop {
        let mut done = 0;
        let mut stop = Stop::Done;
        while let Some(packet) = batch.packets_mut().get_mut(done) {
            if !self.cuts(packet) {
                if cut_in_place(batch, done, self.vnet).is_err() {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                    done += 1;
                }
                continue;
            }
            if !self.vnet {
                // The stack knows that from the capabilities; this is for packets that were made for
                // another device.
                transport::complete_checksum(packet);
            }
            let is_udp = (packet.meta.gso).is_some_and(|gso| gso.kind == GsoKind::Udp);
            let packets = batch.packets().get(done..).unwrap_or_default();
            let train = self.cuts_udp.then(|| Train::at_front(packets)).flatten();
            let (count, result) = match (train, self.run_at_front(packets), packets.first()) {
                (Some(train), ..) => (train.len(), self.write_train(device, &train)),
                (None, run, _) if run > 1 => match self.write_run(device, &packets[..run]) {
                    Ok(0) => (1, Err(Errno::AGAIN)),
                    Ok(count) => (count, Ok(())),
                    Err(errno) => (1, Err(errno)),
                },
                (None, _, Some(packet)) => (1, self.write(device, packet)),
                (None, _, None) => break,
            };
            match result {
                Ok(()) => {
                    if !self.inbox.is_empty() {
                        self.counters.send_calls.fetch_add(1, Ordering::Relaxed);
                    }
                    done += count;
                }
                Err(Errno::AGAIN) => {
                    stop = Stop::WouldBlock;
                    break;
                }
                Err(errno) if is_fatal(errno) || self.is_socket() && is_disconnected(errno) => {
                    stop = Stop::Fatal(errno.into());
                    break;
                }
                // It does not cut after all, but may take them one by one.
                Err(Errno::INVAL) if self.cuts_udp && (count > 1 || is_udp) => {
                    tracing::debug!("the device cuts no datagrams: each is written by itself");
                    self.cuts_udp = false;
                }
                Err(_) => {
                    let refused = count as u64;
                    self.counters.refused.fetch_add(refused, Ordering::Relaxed);
                    done += count;
                }
            }
        }
        batch.drop_front(done);
        stop
    }

    /// Whether the device cuts a packet, if that stands for several. Without a vnet header nothing can be
    /// left to the kernel.
    fn cuts(&self, packet: &TxPacket) -> bool {
        match packet.meta.gso {
            None => true,
            Some(gso) => self.vnet && (self.cuts_udp || gso.kind != GsoKind::Udp),
        }
    }

    /// How many packets at the front leave by one call: those that are put together in one place, at a
    /// packet socket.
    fn run_at_front(&self, packets: &[Box<TxPacket>]) -> usize {
        if self.inbox.is_empty() {
            return 0;
        }
        packets
            .iter()
            .take(MAX_TX_BATCH)
            .take_while(|packet| packet.len() <= SMALL && packet.meta.gso.is_none())
            .count()
    }

    /// Writes packets by one call; how many the device has taken.
    fn write_run(&mut self, device: impl Sink, packets: &[Box<TxPacket>]) -> Result<usize, Errno> {
        self.flat.clear();
        let mut lens: SmallVec<[usize; MAX_TX_BATCH]> = SmallVec::new();
        for packet in packets {
            let before = self.flat.len();
            self.put_headers(packet)?;
            self.put(packet);
            lens.push(self.flat.len() - before);
        }
        device.write_each(&self.flat, &lens)
    }

    /// Puts what stands in front of a packet behind what is together already.
    fn put_headers(&mut self, packet: &TxPacket) -> Result<(), Errno> {
        self.begin(&packet.head)?;
        if self.vnet {
            self.flat.extend_from_slice(&vnet::emit(packet));
        }
        Ok(())
    }

    /// Puts the packet itself there.
    fn put(&mut self, packet: &TxPacket) {
        self.flat.extend_from_slice(&packet.head);
        for piece in &packet.body {
            self.flat.extend_from_slice(piece);
        }
    }

    fn write_train(&mut self, device: impl Sink, train: &Train<'_>) -> Result<(), Errno> {
        self.flat.clear();
        self.begin(train.head())?;
        train.emit(&mut self.flat);
        device.write(&self.flat)
    }

    fn write(&mut self, device: impl Sink, packet: &TxPacket) -> Result<(), Errno> {
        self.flat.clear();
        self.put_headers(packet)?;
        if packet.len() <= SMALL {
            self.put(packet);
            return device.write(&self.flat);
        }
        let mut pieces: SmallVec<[IoSlice<'_>; 10]> = SmallVec::new();
        if !self.flat.is_empty() {
            pieces.push(IoSlice::new(&self.flat));
        }
        pieces.push(IoSlice::new(&packet.head));
        pieces.extend(packet.body.iter().map(|piece| IoSlice::new(piece)));
        device.write_vectored(&pieces)
    }

    /// Begins what is written for a packet with these headers.
    fn begin(&mut self, head: &[u8]) -> Result<(), Errno> {
        if self.tun_header != TunHeader::None {
            let prefix = self.tun_header.emit(head).ok_or(Errno::AFNOSUPPORT)?;
            self.flat
                .extend_from_slice(&prefix[..self.tun_header.len()]);
        }
        Ok(())
    }
}

/// Cuts the packet at a place in the batch into those that it stands for, which take that place.
fn cut_in_place(batch: &mut TxBatch, at: usize, tx_checksum: bool) -> Result<(), DropReason> {
    let packet = mem::take(&mut *batch.packets_mut()[at]);
    let count = gso::segment(&packet, tx_checksum, batch)?;
    // They are behind all others, and an empty packet is where they belong.
    batch.packets_mut()[at..].rotate_left(1);
    batch.truncate(batch.len() - 1);
    batch.packets_mut()[at..].rotate_right(count);
    Ok(())
}

/// What means that no later packet will do better. An interface that is down (EIO) may come up
/// again, as a cable may be plugged in.
fn is_fatal(errno: Errno) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if errno == Errno::BADFD {
        return true;
    }
    matches!(
        errno,
        Errno::BADF | Errno::NODEV | Errno::NXIO | Errno::FAULT
    )
}

/// What a socket says when its other end is gone, or takes nothing more.
fn is_disconnected(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::CONNREFUSED | Errno::NOTCONN | Errno::PIPE | Errno::SHUTDOWN
    )
}
