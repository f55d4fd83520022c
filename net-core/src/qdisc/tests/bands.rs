//! `pfifo_fast` and `prio`.

use super::*;

fn with_priority(priority: u8, number: u32) -> Box<TxPacket> {
    let mut packet = packet(1, 100, number);
    packet.meta.priority = priority;
    packet
}

#[test]
fn an_earlier_band_starves_the_later_ones() {
    let mut queue = Queue::new(PfifoFast::default());
    // Best effort, bulk, interactive, control, and one that no socket may ask for.
    for (number, priority) in (0..).zip([0, 2, 6, 7, 200, 6, 1]) {
        queue.put(with_priority(priority, number));
    }
    assert_eq!(queue.take().unwrap().meta.mark, 2);
    queue.put(with_priority(6, 9));
    assert_eq!(queue.numbers(), [3, 5, 9, 0, 4, 1, 6]);
}

#[test]
fn types_of_service_have_the_priorities_of_linux() {
    let priorities = [0x00, 0x02, 0x08, 0x10, 0x18, 0x1c, 0xb8].map(priority_of_tos);
    assert_eq!(priorities, [0, 0, 2, 6, 4, 4, 4]);
}

#[test]
fn each_band_of_pfifo_fast_has_its_own_limit() {
    let mut queue = Queue::new(PfifoFast::new(2));
    for (number, priority) in (0..).zip([0, 0, 0, 6, 6]) {
        queue.put(with_priority(priority, number));
    }
    assert_eq!(queue.lost(), [(2, DropReason::TxQueueFull)]);
    assert_eq!(queue.numbers(), [3, 4, 0, 1]);
}

#[test]
fn a_band_that_may_not_send_yet_lets_the_next_one_send() {
    let slow = TbfConfig {
        limit: 1000,
        ..TbfConfig::new(Rate::from_bytes(1000), 100)
    };
    let slow = Tbf::new(slow, START);
    let bands = [AnyQdisc::from(slow), Fifo::default().into()];
    let mut queue = Queue::new(Prio::new(
        bands,
        Priomap([1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
    ));
    for (number, priority) in (0..).zip([6, 6, 0]) {
        queue.put(with_priority(priority, number));
    }
    assert!(queue.qdisc.splits(), "a band of it limits a rate");
    assert_eq!(queue.departures(), [(0, ms(0)), (2, ms(0)), (1, ms(100))]);
    assert_eq!(queue.qdisc.band(0).unwrap().stats().sent_packets, 2);
    assert_eq!(queue.qdisc.stats().sent_packets, 3);
}
