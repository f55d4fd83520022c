//! Peers that lie to get more than their share: splitting acknowledgements, acknowledging what has
//! not arrived, shrinking windows, tiny segments (RFC 3465, RFC 5961, RFC 7323 §2.4).

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;
use crate::tcp::State;

fn reno(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// RFC 3465 §2: bytes count, not acknowledgements. A segment acknowledged byte by byte widens the
/// window as much as one acknowledged at once.
#[test]
fn splitting_acknowledgements_gains_nothing() {
    for algorithm in [CongestionAlgorithm::Reno, CongestionAlgorithm::Cubic] {
        let window = |step: usize| {
            let mut peer = Peer::with_ten_in_flight(syn(), |config| {
                config.tcp.congestion = algorithm;
            });
            peer.waits(ms(50));
            for ack in (1..=at(1)).step_by(step).skip(1) {
                peer.sends(tcp().ack(ack));
            }
            peer.info().cwnd
        };
        assert_eq!(window(1), window(1460));
        assert_eq!(window(1), 11 * 1460);
    }
}

/// In congestion avoidance too: a window of bytes widens it by one segment.
#[test]
fn splitting_acknowledgements_gains_nothing_in_congestion_avoidance() {
    let window = |step: u32| {
        let mut peer = Peer::with_ten_in_flight(syn(), reno);
        peer.writes(20_000);
        peer.waits(ms(50));
        for _ in 0..3 {
            peer.sends(tcp().ack(1));
        }
        peer.waits(ms(50));
        let end = peer.rcv;
        peer.sends(tcp().ack(end));
        let threshold = peer.info().slow_start_threshold;
        peer.writes(10_000);
        let start = peer.info().cwnd;
        assert_eq!(start, threshold);
        peer.waits(ms(50));
        let mut ack = end;
        while ack < end + 7300 {
            ack += step;
            peer.sends(tcp().ack(ack));
        }
        peer.info().cwnd
    };
    assert_eq!(window(73), window(1460));
}

/// RFC 3465 §2.3's L, where it is set.
#[test]
fn a_stretch_acknowledgement_counts_for_as_much_as_configured() {
    for (limit, segments) in [(0, 20), (2, 12)] {
        let mut peer = Peer::with_ten_in_flight(syn(), |config| {
            reno(config);
            config.tcp.abc_limit = limit;
        });
        peer.waits(ms(50));
        peer.sends(tcp().ack(at(10)));
        assert_eq!(peer.info().cwnd, segments * 1460);
    }
}

/// RFC 5961 §5.2, RFC 9293 §3.10.7.4: nobody can acknowledge what was not sent; a challenge tells
/// the peer where we are, and the window stays.
#[test]
fn acknowledging_what_was_not_sent_gains_nothing() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), reno);
    for ahead in [1, 1460, 100_000] {
        peer.sends(tcp().ack(at(10) + ahead));
        peer.expects(tcp().seq(at(10)).bare());
    }
    let info = peer.info();
    assert_eq!((info.cwnd, info.in_flight), (14_600, 14_600));
}

/// Nothing on the wire tells an ACK of what is under way from one of what has arrived: the window grows as if the
/// path were shorter, by the bytes that were sent; and what is out stays within the window that the peer tells.
#[test]
fn acknowledging_early_gains_no_more_than_was_sent_and_the_window_takes() {
    let mut peer = Peer::with_ten_in_flight(syn(), reno);
    peer.writes(300 * 1460);
    for _ in 0..6 {
        let sent = peer.rcv;
        peer.sends(tcp().ack(sent));
        let info = peer.info();
        assert!(info.cwnd < 14_600 + sent, "{info:?}");
        assert!(info.in_flight <= 65_535, "{info:?}");
    }
    // That is what it gains.
    let info = peer.info();
    assert!(info.cwnd > 65_535 && info.in_flight > 60_000, "{info:?}");
}

/// RFC 7323 §2.4, RFC 9293 SHLD-15, SHLD-16: a window that shrinks gets nothing new, and of what
/// was sent only what still fits; when it opens the rest follows.
#[test]
fn nothing_is_sent_again_behind_a_window_that_shrank() {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), |config| {
        config.tcp.recovery.tail_loss_probe = false;
    });
    peer.writes(14_600);
    peer.waits(ms(50));
    // Segments 0, 1 and 4 are lost; the window now ends behind segment 2.
    let blocks = [(at(5), at(10)), (at(2), at(4))];
    peer.sends(tcp().ack(1).window(3 * 1460).sacks(&blocks));
    let mut sent = peer.takes();
    for _ in 0..3 {
        peer.waits(ms(50));
        peer.sends(tcp().ack(1).window(3 * 1460 - 1).sacks(&blocks));
        sent.extend(peer.takes());
    }
    assert!(
        sent.iter()
            .all(|&(seq, len)| seq + u32::try_from(len).unwrap() <= at(3)),
        "{sent:?}"
    );
    assert!(sent.iter().any(|&(seq, _)| seq == 1));
    peer.sends(tcp().ack(at(4)).window(30_000).sacks(&[(at(5), at(10))]));
    assert!(peer.takes().contains(&(at(4), 1460)));
    assert_eq!(peer.state(), State::Established);
}

/// RFC 9293 MUST-34, SHLD-17: shut over data in flight it is probed with the first segment, for as
/// long as the peer answers, and nothing is lost in the end.
#[test]
fn a_window_shut_over_lost_data_ends_in_no_deadlock() {
    for sack in [false, true] {
        let syn = if sack { syn().sack_permitted() } else { syn() };
        let mut peer = Peer::with_ten_in_flight(syn, |_| {});
        peer.sends(tcp().ack(1).window(0));
        for _ in 0..20 {
            peer.waits(secs(121));
            let sent = peer.takes();
            assert!(!sent.is_empty());
            assert!(sent.iter().all(|&(seq, _)| seq == 1), "{sent:?}");
            peer.sends(tcp().ack(1).window(0));
        }
        peer.window = 65_535;
        peer.sends(tcp().ack(1));
        for _ in 0..40 {
            let next = peer
                .takes()
                .iter()
                .map(|&(seq, len)| seq + u32::try_from(len).unwrap())
                .max();
            if let Some(next) = next {
                peer.sends(tcp().ack(next));
            }
            peer.waits(secs(30));
        }
        assert_eq!(peer.info().send_queue, 0, "sack {sack}");
    }
}

/// Against tiny segments (the cost of SACK's slowness in CVE-2019-11479): the peer's MSS has a
/// floor.
#[test]
fn a_tiny_mss_is_raised_to_a_floor() {
    let mut peer = Peer::established_with(tcp().flags(SYN).mss(1), |_| {});
    assert_eq!(peer.info().send_mss, 48);
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(48));
    let mut peer = Peer::established_with(tcp().flags(SYN).mss(60), |config| {
        config.tcp.min_segment = 200;
    });
    assert_eq!(peer.info().send_mss, 200);
}
