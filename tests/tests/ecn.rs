//! Explicit congestion notification between two cores (RFC 3168, RFC 9768).

use net_core::Config;
use net_core::config::CongestionAlgorithm;
use net_core::tcp::{EcnFeedback, TcpInfo};
use net_core::time::Duration;
use tests::hosts::{Impairment, Pair};

const FLAGS: usize = 40 + 13;
const ECE_CWR: u8 = 0xc0;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

fn pair(ecn: [bool; 2], mark_ppm: u64) -> Pair {
    pair_with(ecn.map(|ecn| (ecn, false)), mark_ppm, |_| {})
}

/// Hosts with classic and accurate feedback as given.
fn pair_with(ecn: [(bool, bool); 2], mark_ppm: u64, change: impl Fn(&mut Config)) -> Pair {
    let config = |(ecn, accurate)| {
        let mut config = Config::default();
        config.tcp.ecn = ecn;
        config.tcp.accurate_ecn = accurate;
        change(&mut config);
        config
    };
    let link = Impairment {
        mark_ppm,
        rate: 100_000_000,
        ..Impairment::default()
    };
    let mut pair = Pair::new(9, 1500, &config(ecn[0]), link);
    let other = Pair::new(9, 1500, &config(ecn[1]), link);
    let [_, second] = other.hosts;
    pair.hosts[1] = second;
    pair.tracing = true;
    pair
}

/// The ECN bits of an IPv6 packet.
fn codepoint(packet: &[u8]) -> u8 {
    packet[1] >> 4 & 3
}

#[test]
fn marks_slow_the_sender_down_and_nothing_is_lost() {
    let mut marked = pair([true, true], 20_000);
    let ids = marked.connect(true);
    let slow = marked.transfer(0, ids, 3_000_000, Duration::from_secs(60));
    let sender = marked.hosts[0].stack.stats();
    assert_eq!(
        (sender.tcp_retransmits, sender.tcp_fast_retransmits),
        (0, 0)
    );

    let mut clean = pair([true, true], 0);
    let ids = clean.connect(true);
    let fast = clean.transfer(0, ids, 3_000_000, Duration::from_secs(60));
    assert!(slow > fast * 2, "{slow:?} with marks, {fast:?} without");
}

#[test]
fn syn_asks_syn_ack_grants_and_only_new_data_is_capable() {
    let mut pair = pair([true, true], 20_000);
    let ids = pair.connect(true);
    pair.transfer(0, ids, 1_000_000, Duration::from_secs(60));
    let [syn, syn_ack, ..] = &pair.trace[..] else {
        panic!("no handshake")
    };
    assert_eq!(syn.2[FLAGS] & ECE_CWR, ECE_CWR);
    assert_eq!(syn_ack.2[FLAGS] & ECE_CWR, ECE);
    assert_eq!((codepoint(&syn.2), codepoint(&syn_ack.2)), (0, 0));
    let has_data = |packet: &[u8]| packet.len() > 40 + 60;
    let data = pair
        .trace
        .iter()
        .filter(|(_, from, packet)| *from == 0 && has_data(packet));
    assert!(data.clone().all(|(_, _, packet)| codepoint(packet) == 2));
    assert!(data.clone().any(|(_, _, packet)| packet[FLAGS] & CWR != 0));
    let mut acks = pair.trace.iter().skip(2).filter(|(_, from, _)| *from == 1);
    assert!(acks.clone().all(|(_, _, packet)| codepoint(packet) == 0));
    assert!(acks.any(|(_, _, packet)| packet[FLAGS] & ECE != 0));
}

#[test]
fn a_side_that_does_not_take_part_gets_ordinary_packets() {
    for ecn in [[true, false], [false, true]] {
        let mut pair = pair(ecn, 20_000);
        let ids = pair.connect(true);
        pair.transfer(0, ids, 100_000, Duration::from_secs(60));
        assert!(
            pair.trace
                .iter()
                .all(|(_, _, packet)| codepoint(packet) == 0)
        );
        assert_eq!(pair.trace[1].2[FLAGS] & ECE_CWR, 0);
    }
}

/// What both ends know at the end of a transfer over a link that marks 2 % of the packets.
fn ends(ecn: [(bool, bool); 2], algorithm: CongestionAlgorithm) -> [TcpInfo; 2] {
    let mut pair = pair_with(ecn, 20_000, |config| config.tcp.congestion = algorithm);
    pair.tracing = false;
    let ids = pair.connect(true);
    pair.transfer(0, ids, 3_000_000, Duration::from_secs(60));
    // The last acknowledgement comes in.
    pair.run(Duration::from_secs(1));
    let sender = pair.hosts[0].stack.stats();
    assert_eq!(sender.tcp_retransmits, 0);
    let now = pair.now;
    let mut info = |host: usize, id| {
        let tcp = pair.hosts[host].stack.tcp(id, now);
        tcp.and_then(|tcp| tcp.info()).expect("a connection")
    };
    [info(0, ids.0), info(1, ids.1)]
}

/// RFC 9768: what the receiver has counted is what the sender learns, to the last byte.
#[test]
fn accurate_feedback_tells_every_mark() {
    for algorithm in CongestionAlgorithm::ALL {
        let both = [(true, true); 2];
        let [sender, receiver] = ends(both, *algorithm).map(|info| {
            assert_eq!(info.ecn, EcnFeedback::Accurate);
            info.accurate_ecn.expect("counters")
        });
        assert!(receiver.received.ce_packets > 20, "{algorithm}");
        assert_eq!(sender.delivered, receiver.received, "{algorithm}");
        let bytes = receiver.received.ce_bytes + receiver.received.ect0_bytes;
        assert_eq!(bytes, 3_000_000, "{algorithm}");
        assert_eq!(receiver.received.ect1_bytes, 0);
    }
}

#[test]
fn accurate_feedback_falls_back_to_the_classic_one_and_to_none() {
    for (other, feedback) in [
        ((true, false), EcnFeedback::Classic),
        ((false, false), EcnFeedback::None),
    ] {
        for ecn in [[(true, true), other], [other, (true, true)]] {
            let infos = ends(ecn, CongestionAlgorithm::Cubic);
            assert!(infos.iter().all(|info| info.ecn == feedback));
        }
    }
}
