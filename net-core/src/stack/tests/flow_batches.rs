//! Flows of packets that come together, where there are so many that those of a batch are looked up ahead.

use super::filter::{segment, set_ack};
use super::nat::nat;
use super::*;
use crate::conntrack::LARGE;
use crate::time::Duration;
use crate::wire::TcpFlags;
use std::format;

/// A translating router with many flows, that packets come to after some time.
fn busy(idle: Duration) -> (Host, IfaceId) {
    let (mut host, far) = nat();
    for port in (10_000..).take(LARGE) {
        let source = format!("10.7.0.9:{port}");
        host.inject(datagram(&source, "10.9.0.9:53", b"x"));
        host.sent_over(far);
    }
    assert_eq!(host.stack.flows().count(), LARGE);
    host.now += idle;
    (host, far)
}

/// Has one router take packets in together and another one by one: what leaves them, and what they remember, is
/// the same. How many flows that are, and how many packets leave over the near link and over the far one.
#[track_caller]
fn is_the_same_together(idle: Duration, packets: &[TxPacket]) -> (usize, [usize; 2]) {
    let [together, singly] = [packets.len(), 1].map(|at_once| {
        let (mut host, far) = busy(idle);
        let near = host.wire;
        for packets in packets.chunks(at_once) {
            let mut batch = RxBatch::default();
            for packet in packets {
                batch.push(packet.clone().into());
            }
            host.stack.handle_batch(near, &mut batch, host.now);
        }
        let tracker = host.stack.hooks.tracker().expect("it follows flows");
        assert_eq!(tracker.used_ahead() > 0, at_once > 1);
        let sent = [near, far].map(|over| {
            let sent = host.sent_over(over);
            sent.iter().map(bytes_of).collect::<Vec<_>>()
        });
        let flows: Vec<_> = host.stack.flows().collect();
        (sent, flows, host.stack.track_stats())
    });
    assert!(together == singly, "they differ");
    let (sent, flows, _) = together;
    (flows.len(), sent.map(|sent| sent.len()))
}

#[test]
fn a_batch_may_begin_a_flow_and_go_on_with_it_both_ways() {
    let packets = [
        datagram("10.7.0.9:10000", "10.9.0.9:53", b"known"),
        datagram("10.9.0.9:53", "10.9.0.1:10000", b"its answer"),
        datagram("10.7.0.8:5000", "10.9.0.9:53", b"new"),
        datagram("10.7.0.8:5000", "10.9.0.9:53", b"and more"),
        datagram("10.9.0.9:53", "10.9.0.1:5000", b"answer"),
        datagram("[fd07::9]:5000", "[fd09::9]:53", b"new"),
        datagram("[fd07::9]:5000", "[fd09::9]:53", b"and more"),
        datagram("10.7.0.9:10001", "10.9.0.9:53", b"known"),
    ];
    let come_out = is_the_same_together(Duration::ZERO, &packets);
    assert_eq!(come_out, (LARGE + 2, [2, 6]));
}

#[test]
fn a_batch_may_end_a_connection_and_begin_it_anew() {
    let (client, server) = ("10.7.0.8:5000", "10.9.0.9:80");
    let syn = || segment(client, server, TcpFlags::SYN, b"");
    let both = TcpFlags::SYN | TcpFlags::ACK;
    let mut answer = segment(server, "10.9.0.1:5000", both, b"");
    set_ack(&mut answer, 1001);
    let reset = segment(server, "10.9.0.1:5000", TcpFlags::RST, b"");
    let packets = [syn(), answer.clone(), reset, syn(), answer, syn()];
    let (flows, [_, out]) = is_the_same_together(Duration::ZERO, &packets);
    assert_eq!((flows, out), (LARGE + 1, 3));
}

#[test]
fn flows_whose_time_has_come_begin_anew_in_a_batch() {
    let known = |port: u16| datagram(&format!("10.7.0.9:{port}"), "10.9.0.9:53", b"x");
    let answer = datagram("10.9.0.9:53", "10.9.0.1:10000", b"answer");
    let packets = [10_000, 10_001, 10_000, 10_002].map(known);
    let packets = [&packets[..], &[answer]].concat();
    let come_out = is_the_same_together(Duration::from_secs(3600), &packets);
    assert_eq!(come_out, (LARGE, [1, 4]));
}
