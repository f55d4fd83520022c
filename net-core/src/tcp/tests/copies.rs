//! Where the bytes of a stream lie on their way through: nowhere else than before.

use super::peer::bytes;
use super::*;
use crate::buf::{RecvQueue, RxBatch, TxBatch};
use bytes::Bytes;

impl Peer {
    /// Where the payload of what the stack sends now begins, and how much lies there, joined where
    /// one piece follows the other in memory.
    fn places(&mut self) -> std::vec::Vec<(*const u8, usize)> {
        let mut batch = TxBatch::default();
        self.stack.poll_transmit(self.iface, &mut batch, self.now);
        let mut places: std::vec::Vec<(*const u8, usize)> = std::vec::Vec::new();
        for packet in batch.drain() {
            assert_eq!(packet.head.len(), 40, "the headers of IP and TCP alone");
            for piece in &packet.body {
                match places.last_mut() {
                    Some((start, len)) if start.wrapping_add(*len) == piece.as_ptr() => {
                        *len += piece.len();
                    }
                    _ => places.push((piece.as_ptr(), piece.len())),
                }
            }
        }
        places
    }
}

/// Segments are slices of what the application gave, the first time and when they are sent again.
#[test]
fn what_is_sent_lies_where_the_application_had_it() {
    let mut peer = Peer::established();
    let payload = Bytes::from(bytes(1, 10_000));
    let (id, now) = (peer.id(), peer.now);
    peer.stack
        .tcp(id, now)
        .unwrap()
        .push(payload.clone())
        .unwrap();
    assert_eq!(peer.places(), [(payload.as_ptr(), 10_000)]);
    // Nothing is acknowledged: the first segment leaves again.
    for _ in 0..2 {
        peer.now = peer.stack.poll_timeout().unwrap();
        peer.stack.handle_timeout(peer.now);
        let places = peer.places();
        let range = payload.as_ptr_range();
        assert!(!places.is_empty());
        assert!(places.iter().all(|(start, _)| range.contains(start)));
    }
}

/// What the application takes lies in the frames that came from the device.
#[test]
fn what_is_received_lies_where_the_device_put_it() {
    let mut peer = Peer::established();
    let mut batch = RxBatch::default();
    let mut frames = std::vec::Vec::new();
    for _ in 0..4 {
        let packet = peer.packet(&tcp().data(1460));
        frames.push(packet.frame[40..].as_ptr());
        batch.push(packet);
    }
    peer.stack.handle_batch(peer.iface, &mut batch, peer.now);
    let (id, now) = (peer.id(), peer.now);
    let mut queue = RecvQueue::default();
    let taken = peer.stack.tcp(id, now).unwrap().take(&mut queue);
    assert_eq!(taken, 4 * 1460);
    let mut pieces = std::vec::Vec::new();
    while let Some(piece) = queue.take(usize::MAX) {
        assert_eq!(piece.len(), 1460);
        pieces.push(piece.as_ptr());
    }
    assert_eq!(pieces, frames);
}
