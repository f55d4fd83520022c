//! What a connection tells of itself: `docs/tcp-info.md`.

use super::accecn::{ace, served};
use super::*;
use crate::config::CongestionAlgorithm;
use crate::socket::TcpOption;
use crate::tcp::{RecoveryPhase, TcpInfo};
use crate::wire::{EcnCounters, EcnOrder, IcmpMessage};

#[test]
fn what_is_sent_is_counted_by_bytes_and_segments() {
    let caps = crate::DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..crate::DeviceCaps::default()
    };
    let mut peer = Peer::build(false, |_| {}, caps);
    peer.handshake_in(ms(50), syn());
    let before = peer.info();
    assert_eq!((before.bytes_sent, before.since_data_sent), (0, None));
    peer.writes(10 * 1460);
    assert_eq!(peer.skips(), 1, "one super-segment");
    let info = peer.info();
    assert_eq!(info.segments_out, before.segments_out + 10);
    assert_eq!(info.data_segments_out, 10);
    assert_eq!((info.bytes_sent, info.bytes_acknowledged), (14_600, 0));
    assert_eq!(info.unacknowledged, 14_600);
    peer.waits(ms(20));
    assert_eq!(peer.info().since_data_sent, Some(ms(20)));
    peer.sends(tcp().ack(1 + 5 * 1460));
    peer.waits(ms(7));
    let info = peer.info();
    assert_eq!(info.bytes_acknowledged, 7300);
    assert_eq!((info.unacknowledged, info.bytes_sent), (7300, 14_600));
    assert_eq!(info.since_ack_received, ms(7));
    // What is sent again is sent, too.
    peer.waits(secs(1));
    let info = peer.info();
    assert!(info.retransmits > 0);
    assert_eq!(info.bytes_sent, 14_600 + info.bytes_retransmitted);
}

#[test]
fn what_is_received_is_counted_by_bytes_and_segments() {
    let mut peer = Peer::established_sack();
    let before = peer.info();
    assert_eq!(
        (before.since_data_received, before.ack_timeout),
        (None, None)
    );
    peer.sends(tcp().data(1000));
    peer.sends(tcp().seq(2001).data(1000));
    peer.sends(tcp().seq(3001).data(2800).gso(1400));
    peer.waits(ms(5));
    let info = peer.info();
    assert_eq!((info.bytes_received, info.out_of_order), (1000, 3));
    assert_eq!(info.data_segments_in, 4);
    assert_eq!(info.segments_in, before.segments_in + 4);
    assert_eq!(info.since_data_received, Some(ms(5)));
    assert_eq!(info.ack_timeout, Some(ms(40)));
    peer.reads(600);
    peer.sends(tcp().seq(1001).data(1000));
    peer.sends(tcp().seq(5801));
    let info = peer.info();
    assert_eq!(info.bytes_received, 5800);
    assert_eq!((info.data_segments_in, info.out_of_order), (5, 3));
    assert_eq!(info.segments_in, before.segments_in + 6);
    // What is thrown away is no news of the peer's stream.
    peer.waits(ms(5));
    peer.sends(tcp().seq(2001).data(100));
    peer.sends(tcp().seq(3_000_000).data(100));
    assert_eq!(peer.info().since_data_received, Some(ms(5)));
}

/// The sacked, the lost and the resent of what is outstanding.
fn fates(info: &TcpInfo) -> [u32; 3] {
    [info.sacked, info.lost, info.resent].map(|bytes| bytes / 1460)
}

#[test]
fn what_is_outstanding_is_told_by_its_fate() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), |_| {});
    assert_eq!(fates(&peer.info()), [0, 0, 0]);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(1 + 1460, 1 + 5 * 1460)]));
    assert_eq!(fates(&peer.info()), [4, 0, 1]);
    peer.sends(tcp().ack(1 + 5 * 1460));
    assert_eq!(fates(&peer.info()), [0, 0, 0]);
    // Without selective acknowledgements everything is lost with a timeout; the first is on its way again.
    let mut peer = Peer::with_ten_in_flight(syn(), |_| {});
    until_the_first_timeout(&mut peer);
    assert_eq!(fates(&peer.info()), [0, 9, 1]);
}

fn until_the_first_timeout(peer: &mut Peer) {
    while peer.info().timeouts == 0 {
        peer.waits(ms(1));
    }
}

#[test]
fn recoveries_by_timeout_are_counted_with_their_time() {
    let mut peer = Peer::with_ten_in_flight(syn(), |_| {});
    let told = |peer: &mut Peer| {
        let info = peer.info();
        (info.timeouts, info.timeout_recoveries, info.backoff)
    };
    assert_eq!(told(&mut peer), (0, 0, 0));
    until_the_first_timeout(&mut peer);
    assert_eq!(told(&mut peer), (1, 1, 1));
    peer.waits(ms(100));
    assert_eq!(peer.info().timeout_recovery_time, ms(100));
    peer.waits(ms(500));
    assert_eq!(told(&mut peer), (2, 1, 2), "the same recovery");
    peer.sends(tcp().ack(1 + 10 * 1460));
    peer.waits(secs(5));
    assert_eq!(peer.info().timeout_recovery_time, ms(600));
    // The timeout stays long until a round trip is measured.
    assert_eq!(told(&mut peer), (2, 1, 2));
    peer.writes(1460);
    peer.waits(secs(5));
    assert_eq!(peer.info().timeout_recoveries, 2);
    assert!(peer.info().timeout_recovery_time > ms(600));
}

#[test]
fn a_syn_that_is_sent_again_is_a_recovery_by_timeout() {
    let mut peer = Peer::new();
    peer.connects();
    peer.waits(ms(1500));
    peer.skips();
    peer.sends(syn().flags(SYN_ACK).ack(1));
    peer.waits(secs(1));
    let info = peer.info();
    assert_eq!((info.timeouts, info.timeout_recoveries), (1, 1));
    assert_eq!(info.timeout_recovery_time, ms(500));
}

#[test]
fn reorderings_are_counted() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), |_| {});
    peer.waits(ms(50));
    for index in [0, 2, 4] {
        let start = 1 + 1460 * index;
        let behind = (start + 1460, start + 2 * 1460);
        peer.sends(tcp().ack(start).sacks(&[behind]));
        peer.sends(tcp().ack(behind.1));
        assert_eq!(peer.info().reorderings, index / 2 + 1);
    }
}

#[test]
fn the_sizes_of_path_and_segments_are_told() {
    let mut peer = Peer::established_with(syn().mss(1200), |_| {});
    let info = peer.info();
    assert_eq!((info.path_mtu, info.advertised_mss), (Some(1500), 1460));
    assert_eq!((info.send_mss, info.max_pacing_rate), (1200, None));
    peer.writes(1200);
    let message = IcmpMessage::PacketTooBig { mtu: 1000 };
    peer.icmp(message, 1);
    peer.sets(TcpOption::MaxPacingRate(Some(1_000_000)));
    let info = peer.info();
    assert_eq!((info.path_mtu, info.send_mss), (Some(1000), 960));
    assert_eq!(info.max_pacing_rate, Some(1_000_000));
}

#[test]
fn probes_without_answer_are_counted() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::KeepAlive(true));
    peer.sets(TcpOption::KeepAliveTime(secs(10)));
    peer.sets(TcpOption::KeepAliveInterval(secs(1)));
    peer.waits(ms(11_500));
    assert_eq!(peer.info().probes, 2);
    peer.sends(tcp());
    assert_eq!(peer.info().probes, 0);
}

/// A window of data that is read as it comes, over a path of 100 ms.
#[test]
fn the_reading_side_tells_its_round_trip_and_how_much_is_read_in_one() {
    let mut peer = Peer::new();
    peer.clock = Some(5);
    peer.handshake_in(ms(100), syn());
    assert_eq!(peer.info().receive_rtt, None);
    peer.writes(100);
    peer.skips();
    peer.waits(ms(100));
    for _ in 0..3 {
        peer.sends(tcp().data(1000));
        peer.reads(1000);
        peer.skips();
        peer.waits(ms(100));
    }
    let info = peer.info();
    assert_eq!(info.receive_rtt, Some(ms(100)));
    assert!(info.read_per_round_trip >= 1000);
}

/// As Linux's `tcpi_ca_state`.
#[test]
fn the_phase_of_recovery_is_told() {
    for (sack, syn) in [(true, syn().sack_permitted()), (false, syn())] {
        let mut peer = Peer::with_ten_in_flight(syn, |_| {});
        let phase = |peer: &mut Peer| {
            let info = peer.info();
            let repairs = [RecoveryPhase::Recovery, RecoveryPhase::Loss];
            assert_eq!(info.in_recovery, repairs.contains(&info.recovery_phase));
            info.recovery_phase
        };
        let behind = |peer: &mut Peer, count: u32| {
            let block = (1 + 1460, 1 + (1 + count) * 1460);
            let blocks = if sack { &[block][..] } else { &[] };
            peer.sends(tcp().ack(1).sacks(blocks));
        };
        assert_eq!(phase(&mut peer), RecoveryPhase::Open);
        peer.waits(ms(50));
        behind(&mut peer, 1);
        assert_eq!(phase(&mut peer), RecoveryPhase::Disorder);
        for count in 2..5 {
            behind(&mut peer, count);
        }
        assert_eq!(phase(&mut peer), RecoveryPhase::Recovery);
        peer.sends(tcp().ack(1 + 10 * 1460));
        assert_eq!(phase(&mut peer), RecoveryPhase::Open);
        peer.writes(1460);
        until_the_first_timeout(&mut peer);
        assert_eq!(phase(&mut peer), RecoveryPhase::Loss);
    }
}

/// With an echo counts what its ACK is the first to acknowledge, as in Linux.
#[test]
fn marks_are_told_with_the_bytes_that_they_came_for() {
    for congestion in [CongestionAlgorithm::Cubic, CongestionAlgorithm::Dctcp] {
        let mut peer = Peer::with(|config| {
            config.tcp.ecn = true;
            config.tcp.congestion = congestion;
        });
        peer.listen(16);
        peer.sends(syn().flags(SYN | ECE | CWR));
        peer.skips();
        peer.sends(tcp().seq(1).ack(1));
        peer.accept();
        peer.writes(5 * 1460);
        peer.sends(tcp().ack(1 + 1460));
        assert_eq!(peer.info().recovery_phase, RecoveryPhase::Open);
        peer.sends(tcp().flags(ACK | ECE).ack(1 + 3 * 1460));
        let info = peer.info();
        assert_eq!(info.recovery_phase, RecoveryPhase::Cwr, "{congestion:?}");
        assert_eq!((info.delivered_ce, info.in_recovery), (2920, false));
        peer.sends(tcp().ack(1 + 5 * 1460));
        let info = peer.info();
        assert_eq!(info.recovery_phase, RecoveryPhase::Open, "{congestion:?}");
        assert_eq!(info.delivered_ce, 2920);
    }
    // The peer counts by itself.
    let mut peer = served(2, |_| {});
    peer.writes_as(5 * 1460);
    let counters = EcnCounters::new(EcnOrder::Ect0First, &[1 + 4 * 1460, 1460]);
    let ack = tcp().ack(1 + 5 * 1460);
    peer.sends(ack.flags(ACK | ace(6)).counters(counters));
    assert_eq!(peer.info().delivered_ce, 1460);
}
