//! `cake`.

mod acknowledgements;
mod any_packets;
mod classes;
mod queues;
mod rate;
mod sharing;
mod text;

use super::*;
use std::collections::BTreeMap;
use std::string::{String, ToString};

fn cake(parameters: &str) -> Queue<Cake> {
    let config = parameters.parse().expect("parameters of cake");
    Queue::new(Cake::new(config, SEED))
}

/// A flow that always has something waiting.
#[derive(Clone, Copy)]
struct Bulk {
    hosts: [u8; 2],
    port: u16,
    tos: u8,
    len: usize,
}

const fn bulk(hosts: [u8; 2], port: u16) -> Bulk {
    Bulk {
        hosts,
        port,
        tos: 1,
        len: 1000,
    }
}

/// Bytes that leave of each flow within a time, where each has 20 packets waiting always. Packets are
/// told apart by the position of their flow.
fn share(queue: &mut Queue<Cake>, flows: &[Bulk], time: Duration) -> Vec<u64> {
    let put = |queue: &mut Queue<Cake>, flow: usize| {
        let Bulk {
            hosts,
            port,
            tos,
            len,
        } = flows[flow];
        queue.put(between(hosts, port, tos, len, u32::try_from(flow).unwrap()));
    };
    for flow in 0..flows.len() {
        (0..20).for_each(|_| put(queue, flow));
    }
    let end = queue.now + time;
    let mut sent = vec![0; flows.len()];
    while queue.now < end {
        while let Some(packet) = queue.take() {
            let flow = packet.meta.mark as usize;
            sent[flow] += packet.len() as u64;
            put(queue, flow);
        }
        for (flow, _) in core::iter::from_fn(|| queue.dropped.pop())
            .map(|(lost, reason)| (lost.packet.meta.mark as usize, reason))
            .collect::<Vec<_>>()
        {
            put(queue, flow);
        }
        queue.now = queue.qdisc.next_departure().expect("packets wait");
    }
    sent
}

#[track_caller]
fn assert_near(value: u64, expected: u64, percent: u64) {
    let off = value.abs_diff(expected);
    assert!(off * 100 <= expected * percent, "{value}, not {expected}");
}

const SECOND: Duration = Duration::from_secs(1);

struct Details<'a>(&'a Cake);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.details(f)
    }
}
