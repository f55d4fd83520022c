//! Pacing: when data leaves that the windows would let out at once.

use super::*;
use crate::Config;
use crate::socket::TcpOption;
use crate::tcp::Limit;
use std::vec::Vec;

fn paced(config: &mut Config) {
    config.tcp.pacing = true;
}

/// Ten segments are acknowledged after 50 ms, so that 20 may be in flight, and many more wait.
fn second_flight(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(change);
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer.writes(100 * 1460);
    assert_eq!(peer.takes().len(), 10, "the first flight leaves at once");
    peer.waits(ms(50));
    peer.sends(tcp().ack(1 + 10 * 1460));
    peer
}

/// When, in µs from now, the next `count` segments leave, and how long they are.
fn departures(peer: &mut Peer, count: usize) -> Vec<(u128, usize)> {
    let begin = peer.now;
    let mut seen = Vec::new();
    loop {
        let at = peer.now.saturating_since(begin).as_micros();
        seen.extend(peer.takes().into_iter().map(|(_, len)| (at, len)));
        if seen.len() >= count {
            return seen;
        }
        let next = peer.stack.poll_timeout().expect("something waits");
        peer.waits(next.saturating_since(peer.now));
    }
}

/// Twice cwnd in a round trip: 20 segments in 25 ms, one each 1.25 ms. The first of them is let out
/// late, and makes up for half of that.
#[test]
fn slow_start_leaves_at_twice_the_windows_rate() {
    let mut peer = second_flight(paced);
    assert_eq!(peer.info().pacing_rate, Some(2 * 20 * 1460 * 20));
    let times: Vec<_> = departures(&mut peer, 4);
    assert_eq!(times, [(0, 1460), (625, 1460), (1875, 1460), (3125, 1460)]);
}

/// 1.2 times cwnd in a round trip once the window is close to ssthresh.
#[test]
fn congestion_avoidance_leaves_at_a_fifth_more_than_the_windows_rate() {
    let mut peer = second_flight(paced);
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    let connection = socket.connection_mut().unwrap();
    connection.congestion = crate::tcp::congestion::Congestion::new(
        crate::config::CongestionAlgorithm::Reno,
        1460,
        &crate::config::TcpConfig::default(),
        0,
    );
    let flight = 20 * 1460;
    crate::tcp::congestion::CongestionControl::on_loss(
        &mut connection.congestion,
        2 * flight,
        peer.now,
    );
    peer.waits(ms(50));
    peer.skips();
    peer.sends(tcp().ack(1 + 20 * 1460));
    let info = peer.info();
    assert!(info.cwnd >= info.slow_start_threshold);
    let rate = u64::from(info.cwnd) * 120 / 100 * 20;
    assert!(info.pacing_rate.unwrap().abs_diff(rate) <= 20);
}

#[test]
fn without_pacing_the_window_leaves_at_once() {
    let mut peer = second_flight(|_| {});
    assert_eq!(peer.takes().len(), 20);
    assert_eq!(peer.info().pacing_rate, None);
    assert_eq!(peer.info().limit, Limit::CongestionWindow);
}

#[test]
fn acknowledgements_are_not_paced() {
    let mut peer = second_flight(paced);
    peer.skips();
    peer.sends(tcp().data(1000));
    peer.expects(tcp().ack(1001).bare());
    peer.expects_nothing();
}

#[test]
fn what_is_lost_is_sent_again_at_the_same_rate() {
    let mut peer = second_flight(|config| {
        paced(config);
        config.tcp.recovery.prr = false;
    });
    let sent = departures(&mut peer, 20);
    assert_eq!(sent.len(), 20);
    peer.waits(ms(40));
    peer.skips();
    let first = 1 + 10 * 1460;
    let blocks = [(first + 10 * 1460, first + 20 * 1460)];
    peer.sends(tcp().ack(first).sacks(&blocks));
    assert!(peer.info().in_recovery);
    let again = departures(&mut peer, 3);
    assert!(
        again[0].0 == 0 && again[1].0 > 500 && again[2].0 > 1500,
        "{again:?}"
    );
}

/// A timer that is late does not cost rate: it is made up for at twice the rate, whatever it takes, but for
/// no more than a millisecond.
#[test]
fn a_late_sender_makes_up_for_it_at_twice_the_rate() {
    let mut peer = second_flight(paced);
    assert_eq!(peer.takes().len(), 1);
    peer.now += Duration::from_micros(900);
    peer.stack.handle_timeout(peer.now);
    peer.flush();
    // It was due after 625 µs: the next comes 275 µs earlier.
    let times = departures(&mut peer, 2);
    assert_eq!(times, [(0, 1460), (975, 1460)]);
    peer.now += ms(15);
    peer.stack.handle_timeout(peer.now);
    peer.flush();
    let times = departures(&mut peer, 4);
    let made_up = [(0, 1460), (625, 1460), (1500, 1460), (2750, 1460)];
    assert_eq!(times, made_up);
}

/// `SO_MAX_PACING_RATE` paces a connection by itself, and bounds its rate.
#[test]
fn a_socket_is_held_to_its_own_rate() {
    let mut peer = second_flight(|_| {});
    peer.skips();
    peer.sets(TcpOption::MaxPacingRate(Some(146_000)));
    assert_eq!(peer.info().pacing_rate, Some(146_000));
    peer.waits(ms(50));
    peer.sends(tcp().ack(1 + 30 * 1460));
    let times = departures(&mut peer, 3);
    assert_eq!(times, [(0, 1460), (5000, 1460), (15_000, 1460)]);
    assert_eq!(peer.info().limit, Limit::Pacing);
    peer.sets(TcpOption::MaxPacingRate(None));
    assert!(peer.takes().len() > 20);
}

/// BBR paces by itself: until it knows a bandwidth at 2.77 times the first flight in a round trip.
#[test]
fn bbr_sets_a_rate_of_its_own() {
    let mut peer = second_flight(|config| {
        config.tcp.congestion = crate::config::CongestionAlgorithm::Bbr;
    });
    let initial = 10 * 1460 * 277 / 100 * 20;
    let rate = peer.info().pacing_rate.unwrap();
    assert!(rate >= initial, "{rate}");
    let times = departures(&mut peer, 4);
    let step = 1_460_000_000 / u128::from(rate);
    assert!(
        times[3].0 - times[2].0 <= step + 1 && times[3].0 > step,
        "{times:?}"
    );
    // It does not halve for a loss.
    peer.skips();
    peer.waits(ms(60));
    peer.skips();
    let before = peer.info().cwnd;
    peer.sends(
        tcp()
            .ack(1 + 10 * 1460)
            .sacks(&[(1 + 14 * 1460, 1 + 20 * 1460)]),
    );
    let info = peer.info();
    assert!(info.in_recovery && info.cwnd >= before, "{info:?}");
}

/// A burst takes the rate a millisecond at most.
#[test]
fn super_segments_are_as_long_as_a_millisecond() {
    let caps = crate::DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..crate::DeviceCaps::default()
    };
    let mut peer = Peer::build(false, |config| config.tcp.initial_window = 40, caps);
    peer.handshake_in(ms(5), syn());
    peer.sets(TcpOption::MaxPacingRate(Some(10_000_000)));
    peer.writes(100 * 1460);
    peer.skips();
    peer.waits(ms(5));
    peer.sends(tcp().ack(1 + 12 * 1460));
    let sizes: Vec<_> = departures(&mut peer, 2);
    assert_eq!(sizes, [(0, 6 * 1460), (438, 6 * 1460)]);
}

/// The first version of BBR has two segments leave together from 1.2 Mbit/s on, and one where the socket
/// allows less.
#[test]
fn pairs_leave_together_where_the_algorithm_says_so() {
    use crate::config::CongestionAlgorithm::{Bbr, Bbr1};
    let caps = crate::DeviceCaps {
        tso: true,
        tx_checksum: true,
        ..crate::DeviceCaps::default()
    };
    for (algorithm, most, segments) in [(Bbr1, None, 2), (Bbr, None, 1), (Bbr1, Some(400_000), 1)] {
        let mut peer = Peer::build(false, |config| config.tcp.congestion = algorithm, caps);
        peer.handshake_in(ms(50), syn());
        peer.sets(TcpOption::MaxPacingRate(most));
        peer.writes(100 * 1460);
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 10 * 1460));
        assert_eq!(departures(&mut peer, 1), [(0, segments * 1460)]);
    }
}

/// Time is counted for what it was spent on.
#[test]
fn time_is_split_by_what_limits_the_sender() {
    let mut peer = Peer::with(paced);
    peer.handshake_in(ms(50), syn());
    peer.waits(ms(30));
    let times = peer.info().limited;
    assert_eq!(times.by(Limit::Application), ms(30));
    // Ten segments leave at once; the window waits for their acknowledgement.
    peer.writes(100 * 1460);
    peer.waits(ms(50));
    assert_eq!(peer.info().limited.by(Limit::CongestionWindow), ms(50));
    peer.sends(tcp().ack(1 + 10 * 1460));
    peer.waits(ms(10));
    assert_eq!(peer.info().limited.by(Limit::Pacing), ms(10));
    // The peer stops reading.
    peer.waits(ms(40));
    peer.sends(tcp().ack(1 + 30 * 1460).window(0));
    peer.waits(ms(20));
    let info = peer.info();
    assert_eq!(info.limit, Limit::ReceiveWindow);
    assert_eq!(info.limited.by(Limit::ReceiveWindow), ms(20));
}

#[test]
fn a_full_send_buffer_limits_a_sender_that_sends_all_it_has() {
    let mut peer = Peer::new();
    peer.handshake_in(ms(50), syn());
    peer.sets(TcpOption::SendBuffer(5 * 1460));
    peer.writes(5 * 1460);
    peer.waits(ms(50));
    let info = peer.info();
    assert_eq!(info.limit, Limit::SendBuffer);
    assert_eq!(info.limited.by(Limit::SendBuffer), ms(50));
}
