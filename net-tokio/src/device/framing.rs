//! Packets in and out of a TUN's descriptor, with or without the vnet header.

use super::pool::Pool;
use super::sys;
use bytes::BytesMut;
use net_core::buf::{Checksum, Chunk, RxBatch, RxMeta, RxPacket, TxBatch, TxPacket};
use net_core::offload::{gso, vnet};
use rustix::io::Errno;
use smallvec::SmallVec;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads and writes packets without copying them.
///
/// A read goes into two buffers one behind the other: a small packet costs a small buffer, and a
/// super-segment is a small buffer with the headers and a large one with the rest.
#[derive(Debug)]
pub(super) struct Framing {
    vnet: bool,
    small_pool: Pool,
    large_pool: Pool,
    /// The next packet goes into these two.
    small: BytesMut,
    large: BytesMut,
    cut: TxBatch,
    counters: Arc<Counters>,
}

/// What was dropped between the device and the stack.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) malformed: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Why a read or a write stopped.
pub(super) enum Stop {
    /// The descriptor has nothing more to give, or no room.
    WouldBlock,
    /// The budget or the batch is used up.
    Done,
    /// The device is gone.
    Fatal(io::Error),
}

impl Framing {
    pub(super) fn new(vnet: bool, mtu: u16, counters: Arc<Counters>) -> Self {
        // A kernel with IFF_VNET_HDR fills up to 64 KiB; otherwise nothing exceeds the MTU.
        let longest = if vnet { 0x1_0000 } else { usize::from(mtu) };
        let mut small_pool = Pool::new(SMALL, 1024);
        let mut large_pool = Pool::new(longest.saturating_sub(SMALL), 128);
        Self {
            vnet,
            small: small_pool.take(),
            large: large_pool.take(),
            small_pool,
            large_pool,
            cut: TxBatch::default(),
            counters,
        }
    }

    /// Reads up to `budget` packets into `batch`.
    pub(super) fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> (usize, Stop) {
        let mut count = 0;
        while count < budget {
            match self.read(fd) {
                Ok(Some(packet)) => {
                    batch.push(packet);
                    count += 1;
                }
                Ok(None) => {
                    self.counters.malformed.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return (count, Stop::WouldBlock),
                    _ => return (count, Stop::Fatal(error)),
                },
            }
        }
        (count, Stop::Done)
    }

    /// The next packet, or `None` for one whose vnet header cannot be true.
    fn read(&mut self, fd: BorrowedFd<'_>) -> io::Result<Option<RxPacket>> {
        let mut header = [0; vnet::LEN];
        let used = if self.vnet { vnet::LEN } else { 0 };
        match sys::read_packet(fd, &mut header[..used], &mut self.small, &mut self.large) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        };
        let frame = self.small.split();
        let rest = std::mem::replace(&mut self.small, self.small_pool.take());
        self.small_pool.give(rest);
        let mut frags = SmallVec::new();
        if !self.large.is_empty() {
            frags.push(Chunk {
                bytes: self.large.split().freeze(),
                pins: self.large_pool.pins(),
            });
            let rest = std::mem::replace(&mut self.large, self.large_pool.take());
            self.large_pool.give(rest);
        }
        let Ok(offload) = vnet::parse(header, &frame) else {
            return Ok(None);
        };
        Ok(Some(RxPacket {
            frame,
            frags,
            meta: RxMeta {
                checksum: offload.checksum,
                gso: offload.gso,
                pins: self.small_pool.pins(),
            },
        }))
    }

    /// Writes packets from the front of `batch` and takes out what was written or refused.
    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, batch: &mut TxBatch) -> Stop {
        let mut done = 0;
        let mut stop = Stop::Done;
        for packet in batch.packets() {
            let result = if self.vnet {
                self.write(fd, packet)
            } else {
                self.write_plain(fd, packet)
            };
            match result {
                Ok(()) => done += 1,
                Err(Errno::AGAIN) => {
                    stop = Stop::WouldBlock;
                    break;
                }
                Err(errno) if is_fatal(errno) => {
                    stop = Stop::Fatal(errno.into());
                    break;
                }
                Err(_) => {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                    done += 1;
                }
            }
        }
        batch.packets_mut().drain(..done);
        stop
    }

    fn write(&self, fd: BorrowedFd<'_>, packet: &TxPacket) -> Result<(), Errno> {
        let header;
        let mut pieces: SmallVec<[IoSlice<'_>; 10]> = SmallVec::new();
        if self.vnet {
            header = vnet::emit(packet);
            pieces.push(IoSlice::new(&header));
        }
        pieces.push(IoSlice::new(&packet.head));
        pieces.extend(packet.body.iter().map(|piece| IoSlice::new(piece)));
        loop {
            match rustix::io::writev(fd, &pieces) {
                Err(Errno::INTR) => {}
                result => return result.map(drop),
            }
        }
    }

    /// Without a vnet header nothing can be left to the kernel. The stack knows that from the
    /// capabilities; this is for packets that were made for another device.
    fn write_plain(&mut self, fd: BorrowedFd<'_>, packet: &TxPacket) -> Result<(), Errno> {
        let complete = !matches!(packet.meta.checksum, Checksum::Partial { .. });
        if packet.meta.gso.is_none() && complete {
            return self.write(fd, packet);
        }
        let mut cut = std::mem::take(&mut self.cut);
        let result = match gso::segment(packet.clone(), false, &mut cut) {
            Ok(_) => cut.drain().try_for_each(|part| self.write(fd, &part)),
            Err(_) => Err(Errno::INVAL),
        };
        cut.clear();
        self.cut = cut;
        result
    }
}

/// What means that no later packet will do better. An interface that is down (EIO) may come up
/// again, as a cable may be plugged in.
fn is_fatal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::BADFD | Errno::BADF | Errno::NODEV | Errno::NXIO | Errno::FAULT
    )
}

/// Room for headers and a packet of the usual MTU.
const SMALL: usize = 2048;
