//! Texts as `tc -s qdisc` prints them.

use super::*;
use std::string::ToString;

fn report(qdisc: impl Into<AnyQdisc>) -> std::string::String {
    let qdisc = qdisc.into();
    QdiscReport {
        stats: qdisc.stats(),
        qdisc: &qdisc,
        device: "tun0",
    }
    .to_string()
}

#[test]
fn parameters_read_as_those_of_tc() {
    let fast = PfifoFast::default().to_string();
    assert_eq!(fast, "bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1");
    let tbf = Tbf::new(TbfConfig::new(Rate::from_bits(50_000_000), 10_240), START);
    assert_eq!(tbf.to_string(), "rate 50Mbit burst 10Kb lat 50ms");
    let fq_codel = FqCodel::new(FqCodelConfig::default(), SEED);
    assert_eq!(
        fq_codel.to_string(),
        "limit 10240p flows 1024 quantum 1514 target 5ms interval 100ms memory_limit 32Mb ecn \
         drop_batch 64"
    );
    let fq = Fq::new(FqConfig::default(), SEED).to_string();
    assert!(
        fq.starts_with("limit 10000p flow_limit 100p quantum 3028b"),
        "{fq}"
    );
    let netem = NetemConfig {
        delay: ms(100),
        jitter: ms(10),
        loss: Millionths(2500),
        rate: Some(Rate::from_bits(1_000_000)),
        ..NetemConfig::default()
    };
    assert_eq!(
        Netem::new(netem, SEED).to_string(),
        "limit 1000 delay 100ms  10ms loss 0.25% rate 1Mbit"
    );
    assert_eq!(Fifo::bytes(2500).to_string(), "limit 2500b");
}

#[test]
fn statistics_read_as_those_of_tc() {
    let mut queue = Queue::new(Fifo::packets(2));
    for number in 0..4 {
        queue.put(packet(1, 100, number));
    }
    queue.take();
    assert_eq!(
        report(queue.qdisc),
        "qdisc pfifo 0: dev tun0 root refcnt 1 limit 2p\
         \n Sent 100 bytes 1 pkt (dropped 2, overlimits 0 requeues 0) \
         \n backlog 100b 1p requeues 0"
    );
}

#[test]
fn disciplines_of_flows_tell_more() {
    let mut queue = Queue::new(FqCodel::new(FqCodelConfig::default(), SEED));
    queue.put(packet(1, 100, 0));
    queue.take();
    queue.put(packet(1, 100, 1));
    let text = report(queue.qdisc);
    let (_, details) = text.split_once("requeues 0\n").unwrap();
    assert_eq!(
        details,
        "  maxpacket 100 drop_overlimit 0 new_flow_count 1 ecn_mark 0\
         \n  new_flows_len 1 old_flows_len 0"
    );
    let mut queue = Queue::new(Fq::new(FqConfig::default(), SEED));
    for flow in [1, 1, 2] {
        queue.put(packet(flow, 100, 0));
    }
    let text = report(queue.qdisc);
    let (_, details) = text.split_once("requeues 0\n").unwrap();
    assert_eq!(details, "  flows 2 (inactive 0 throttled 0)\n  throttled 0");
}
