//! `pfifo` and `bfifo`.

use super::*;

#[test]
fn a_pfifo_of_three_drops_the_fourth() {
    let mut queue = Queue::new(Fifo::packets(3));
    for number in 0..5 {
        queue.put(packet(1, 100, number));
    }
    let full = DropReason::TxQueueFull;
    assert_eq!(queue.lost(), [(4, full), (3, full)]);
    assert_eq!(queue.numbers(), [0, 1, 2]);
    assert_eq!(queue.qdisc.limit(), Some(3));
}

#[test]
fn a_bfifo_counts_bytes() {
    let mut queue = Queue::new(Fifo::bytes(250));
    for number in 0..3 {
        queue.put(packet(1, 100, number));
    }
    queue.put(packet(1, 50, 3));
    assert_eq!(queue.lost(), [(2, DropReason::TxQueueFull)]);
    assert_eq!(queue.numbers(), [0, 1, 3]);
}
