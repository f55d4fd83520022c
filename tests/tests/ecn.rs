//! Explicit congestion notification between two cores (RFC 3168).

use net_core::Config;
use net_core::time::Duration;
use tests::hosts::{Impairment, Pair};

const FLAGS: usize = 40 + 13;
const ECE_CWR: u8 = 0xc0;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

fn pair(ecn: [bool; 2], mark_ppm: u64) -> Pair {
    let config = |ecn| {
        let mut config = Config::default();
        config.tcp.ecn = ecn;
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
