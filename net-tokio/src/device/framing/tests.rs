//! Packets on their way through a descriptor.

use super::send::Sink;
use super::*;
use crate::device::tests::{batch, datagram};
use net_core::buf::{Gso, GsoKind, TxPacket};
use net_core::wire::{checksum, ipv4};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// A device with a vnet header that refuses what it would have to cut.
#[derive(Default)]
struct Uncut {
    taken: RefCell<Vec<Vec<u8>>>,
    refused: Cell<usize>,
    /// It takes so many packets, and then blocks.
    blocks_after: Cell<Option<usize>>,
}

impl Sink for &Uncut {
    fn write(self, packet: &[u8]) -> Result<(), Errno> {
        if packet[GSO_TYPE] != 0 {
            self.refused.set(self.refused.get() + 1);
            return Err(Errno::INVAL);
        }
        let mut taken = self.taken.borrow_mut();
        if self.blocks_after.get() == Some(taken.len()) {
            return Err(Errno::AGAIN);
        }
        taken.push(packet.to_vec());
        Ok(())
    }

    fn write_vectored(self, pieces: &[IoSlice<'_>]) -> Result<(), Errno> {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
        self.write(&pieces.concat())
    }

    fn write_each(self, flat: &[u8], lens: &[usize]) -> Result<usize, Errno> {
        let (mut rest, mut count) = (flat, 0);
        for &len in lens {
            let (packet, behind) = rest.split_at(len);
            rest = behind;
            match self.write(packet) {
                Ok(()) => count += 1,
                Err(errno) if count == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(count)
    }
}

/// A datagram that no router may fragment: only such are joined.
fn whole(payload: &[u8], id: u16) -> TxPacket {
    let mut datagram = datagram(payload, true);
    let header = &mut datagram.head[..ipv4::MIN_HEADER_LEN];
    header[4..6].copy_from_slice(&id.to_be_bytes());
    header[6] |= DONT_FRAGMENT;
    header[10..12].fill(0);
    let sum = checksum::checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    datagram
}

/// What a framing that leaves nothing to the device writes.
fn one_by_one(packets: impl IntoIterator<Item = TxPacket>) -> Vec<Vec<u8>> {
    let mut framing = Framing::new(true, 0, 1500, Arc::default());
    let device = Uncut::default();
    framing.send(&device, &mut batch(packets));
    device.taken.take()
}

/// Of a train that is refused each datagram is sent by itself, and no other train is tried.
#[test]
fn a_device_that_cuts_no_trains_gets_their_datagrams_one_by_one() {
    let counters = Arc::new(Counters::default());
    let mut framing = Framing::new(true, 0, 1500, Arc::clone(&counters)).with_trains(true);
    let device = Uncut::default();
    let datagrams = (0..40).map(|number| whole(&[number; 100], u16::from(number)));
    let datagrams: Vec<TxPacket> = datagrams.collect();
    for half in datagrams.chunks(20) {
        let mut packets = batch(half.iter().cloned());
        assert!(matches!(framing.send(&device, &mut packets), Stop::Done));
        assert!(packets.is_empty());
    }
    assert_eq!(device.refused.get(), 1);
    let taken = device.taken.take();
    assert_eq!(taken.len(), 40);
    assert!(taken == one_by_one(datagrams));
    assert_eq!(counters.refused.load(Ordering::Relaxed), 0);
}

/// Nor is a super-packet of the application's lost (`UDP_SEGMENT`), wherever the device blocks.
#[test]
fn a_device_that_cuts_no_super_packets_of_datagrams_gets_each_of_them_in_order() {
    let payloads: Vec<[u8; 100]> = (1..=9).map(|number| [number; 100]).collect();
    let mut joined = payloads.concat();
    joined.truncate(850);
    let datagrams = joined.chunks(100).zip(7..);
    let mut expected: Vec<TxPacket> = datagrams.map(|(part, id)| whole(part, id)).collect();
    let mut super_packet = whole(&joined, 7);
    super_packet.meta.gso = Some(Gso {
        kind: GsoKind::Udp,
        size: 100,
        ecn: false,
    });
    let (first, last) = (whole(b"first", 1), whole(b"last, and longer", 2));
    expected.insert(0, first.clone());
    expected.push(last.clone());
    let expected = one_by_one(expected);
    assert_eq!(expected.len(), 11);
    for blocks_after in 0..=expected.len() {
        let counters = Arc::new(Counters::default());
        let mut framing = Framing::new(true, 0, 1500, Arc::clone(&counters)).with_trains(true);
        let device = Uncut::default();
        device.blocks_after.set(Some(blocks_after));
        let mut packets = batch([first.clone(), super_packet.clone(), last.clone()]);
        let stop = framing.send(&device, &mut packets);
        assert_eq!(
            matches!(stop, Stop::WouldBlock),
            blocks_after < expected.len()
        );
        assert_eq!(device.taken.borrow().len(), blocks_after);
        device.blocks_after.set(None);
        framing.send(&device, &mut packets);
        assert!(packets.is_empty());
        // The next is not even tried.
        packets.push(super_packet.clone());
        framing.send(&device, &mut packets);
        assert_eq!(device.refused.get(), 1);
        let taken = device.taken.take();
        assert!(taken[..11] == expected, "{blocks_after}");
        assert!(taken[11..] == expected[1..10]);
        assert_eq!(counters.refused.load(Ordering::Relaxed), 0);
    }
}

/// Packets that come in, and the framing that reads them.
fn read_all(framing: &mut Framing, packets: &[Vec<u8>]) -> RxBatch {
    let (kernel, device) = UnixDatagram::pair().unwrap();
    for packet in packets {
        kernel.send(packet).unwrap();
    }
    let mut received = RxBatch::default();
    let (count, _) = framing.recv(device.as_fd(), &mut received, packets.len());
    assert_eq!(count, packets.len());
    for (packet, bytes) in received.packets().iter().zip(packets) {
        assert!(packet.frame[..] == bytes[vnet::LEN..]);
    }
    received
}

/// With the vnet header of a packet of which there is nothing to say.
fn plain(len: usize) -> Vec<u8> {
    let mut packet = vec![0; vnet::LEN];
    packet.resize(vnet::LEN + len, 0x45);
    packet
}

/// SPEC 96: the buffer that holds the longest packet is not kept by a small one.
#[test]
fn small_packets_are_copied_and_large_ones_handed_over_in_their_buffer() {
    let mut framing = Framing::new(true, 0, 1500, Arc::default());
    let longest = framing.buffer.capacity();
    let place = framing.buffer.as_ptr() as usize;
    let from_buffer = |frame: &BytesMut| frame.as_ptr() as usize == place + vnet::LEN;
    let sizes = [1, TINY, TINY + 1, SMALL];
    let mut small = read_all(&mut framing, &sizes.map(plain));
    for packet in small.drain() {
        assert!(!from_buffer(&packet.frame));
        assert!(packet.frame.capacity() <= SMALL && packet.meta.pins as usize <= SMALL);
    }
    // All of them went through the one that has the next packet, too.
    assert_eq!(framing.buffer.as_ptr() as usize, place);
    let large = read_all(&mut framing, &[plain(SMALL + 1)]);
    let [large] = large.packets() else {
        panic!("one packet");
    };
    assert!(from_buffer(&large.frame), "it is not copied");
    assert_eq!(large.meta.pins as usize, longest);
    assert_ne!(
        framing.buffer.as_ptr() as usize,
        place,
        "as long as it is kept"
    );
    assert!(framing.buffer.capacity() >= longest);
}

/// Its place in the vnet header.
const GSO_TYPE: usize = 1;
const DONT_FRAGMENT: u8 = 0x40;

/// Only the vnet header has packets that it has no word for; else the descriptor is of no use.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_refuses_to_be_read_is_at_its_end_but_for_a_vnet_header() {
    use rustix::net::{AddressFamily, SocketType, socket};
    // Of a stream socket that is not connected: EINVAL.
    let fd = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    for vnet in [false, true] {
        let counters = Arc::new(Counters::default());
        let mut framing = Framing::new(vnet, 0, 1500, Arc::clone(&counters));
        let (count, stop) = framing.recv(fd.as_fd(), &mut RxBatch::default(), 4);
        assert_eq!((count, matches!(stop, Stop::Fatal(_))), (0, !vnet));
        let malformed = counters.malformed.load(Ordering::Relaxed);
        assert_eq!(malformed, if vnet { 4 } else { 0 });
    }
}

/// As a packet socket: several frames with a call, those included that are dropped.
#[cfg(target_os = "linux")]
#[test]
fn a_packet_socket_gives_and_takes_several_frames_with_a_call() {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let counters = Arc::<Counters>::default();
    let framing = Framing::new(false, 0, 1500, Arc::clone(&counters));
    let mut framing = framing.for_packet_socket();
    let calls = || {
        let calls = [&counters.recv_calls, &counters.send_calls];
        calls.map(|count| count.swap(0, Ordering::Relaxed))
    };
    let lens: Vec<usize> = (100..118).chain([900, 1500]).collect();
    for (number, &len) in (0_u8..).zip(&lens) {
        far.send(&vec![number; len]).unwrap();
    }
    let mut received = RxBatch::default();
    for (budget, count) in [(8, 8), (3, 3), (8, 8)] {
        let (got, stop) = framing.recv(near.as_fd(), &mut received, budget);
        assert!(got == count && matches!(stop, Stop::Done));
        assert_eq!(calls(), [1, 0]);
    }
    let (got, stop) = framing.recv(near.as_fd(), &mut received, 8);
    assert!(got == 1 && matches!(stop, Stop::WouldBlock));
    for ((number, &len), packet) in (0_u8..).zip(&lens).zip(received.packets()) {
        assert!(packet.frame[..] == vec![number; len]);
    }
    calls();
    let many = (0..40).map(|number| datagram(&[number; 9], false));
    let long = [datagram(&[40; 3000], false), datagram(&[41; 9], false)];
    let mut sent = batch(many.chain(long));
    far.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4000];
    let mut last = Vec::new();
    // The socket has room for some.
    while !sent.is_empty() {
        framing.send(near.as_fd(), &mut sent);
        while let Ok(len) = far.recv(&mut buffer) {
            last.push(buffer[len - 1]);
        }
    }
    assert_eq!(last, (0..42).collect::<Vec<u8>>());
    let [_, send_calls] = calls();
    assert!(send_calls <= 8, "{send_calls} calls for 42 packets");
}
