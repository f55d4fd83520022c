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

/// What is told of a discipline that got four packets of 100 bytes and gave so many of them, or was asked for
/// them.
fn report_of(qdisc: impl Into<AnyQdisc>, asked: usize) -> std::string::String {
    let mut queue = Queue::new(qdisc.into());
    for number in 0..4 {
        queue.put(packet(1, 100, number));
    }
    queue.now += ms(100);
    for _ in 0..asked {
        queue.take();
    }
    report(queue.qdisc)
}

#[test]
fn the_statistics_of_each_discipline_read_whole_as_those_of_tc() {
    let one_of_four = "\n Sent 100 bytes 1 pkt (dropped 2, overlimits 0 requeues 0) \
         \n backlog 100b 1p requeues 0";
    let reads = |qdisc: AnyQdisc, asked: usize, expected: &[&str]| {
        let text = report_of(qdisc, asked);
        assert_eq!(text, expected.concat());
    };
    reads(
        Fifo::packets(2).into(),
        1,
        &[
            "qdisc pfifo 0: dev tun0 root refcnt 1 limit 2p",
            one_of_four,
        ],
    );
    reads(
        Fifo::bytes(250).into(),
        1,
        &[
            "qdisc bfifo 0: dev tun0 root refcnt 1 limit 250b",
            one_of_four,
        ],
    );
    reads(
        PfifoFast::new(2).into(),
        1,
        &[
            "qdisc pfifo_fast 0: dev tun0 root refcnt 1 \
             bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1",
            one_of_four,
        ],
    );
    let bands = [(); 3].map(|()| Fifo::packets(2).into());
    reads(
        Prio::new(bands, Priomap::default()).into(),
        1,
        &[
            "qdisc prio 0: dev tun0 root refcnt 1 \
             bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1",
            one_of_four,
        ],
    );
    // It has tokens for one and a half, and is asked for two.
    let slow = TbfConfig::new(Rate::from_bits(8000), 150);
    reads(
        Tbf::new(slow, START).into(),
        2,
        &[
            "qdisc tbf 0: dev tun0 root refcnt 1 rate 8Kbit burst 150b lat 50ms\
             \n Sent 100 bytes 1 pkt (dropped 2, overlimits 1 requeues 0) \
             \n backlog 100b 1p requeues 0",
        ],
    );
    let netem = NetemConfig {
        limit: 2,
        delay: ms(10),
        ..NetemConfig::default()
    };
    reads(
        Netem::new(netem, SEED).into(),
        1,
        &[
            "qdisc netem 0: dev tun0 root refcnt 1 limit 2 delay 10ms",
            one_of_four,
        ],
    );
    let fq = FqConfig {
        flow_limit: 2,
        ..FqConfig::default()
    };
    reads(
        Fq::new(fq, SEED).into(),
        1,
        &[
            "qdisc fq 0: dev tun0 root refcnt 1 limit 10000p flow_limit 2p quantum 3028b \
             initial_quantum 15140b horizon 10s horizon_drop",
            one_of_four,
            "\n  flows 1 (inactive 0 throttled 0)\n  throttled 0 flows_plimit 2",
        ],
    );
    let fq_codel = FqCodelConfig {
        limit: 2,
        ..FqCodelConfig::default()
    };
    reads(
        FqCodel::new(fq_codel, SEED).into(),
        1,
        &[
            "qdisc fq_codel 0: dev tun0 root refcnt 1 limit 2p flows 1024 quantum 1514 \
             target 5ms interval 100ms memory_limit 32Mb ecn drop_batch 64",
            one_of_four,
            "\n  maxpacket 100 drop_overlimit 2 new_flow_count 1 ecn_mark 0\
             \n  new_flows_len 1 old_flows_len 0",
        ],
    );
}

/// Linux counts it with the flows alone.
#[test]
fn what_a_sender_paces_is_over_no_limit_of_fq() {
    let mut queue = Queue::new(Fq::new(FqConfig::default(), SEED));
    let mut paced = packet(1, 100, 0);
    paced.meta.departure = START + ms(10);
    queue.put(paced);
    assert!(queue.take().is_none());
    assert_eq!(
        report(queue.qdisc),
        "qdisc fq 0: dev tun0 root refcnt 1 limit 10000p flow_limit 100p quantum 3028b \
         initial_quantum 15140b horizon 10s horizon_drop\
         \n Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \
         \n backlog 100b 1p requeues 0\
         \n  flows 1 (inactive 0 throttled 1)\n  throttled 1"
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
