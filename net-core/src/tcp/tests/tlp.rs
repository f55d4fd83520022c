//! Tail loss probes (RFC 8985 §7).

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;
use crate::socket::TcpOption;

fn reno(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
}

/// A path with a round trip of 50 ms; nothing is in flight.
fn path() -> Peer {
    let mut peer = Peer::with(reno);
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer
}

/// Where segment `index`, counted from 0, begins.
const fn at(index: u32) -> u32 {
    1 + 1460 * index
}

/// §7.2, §7.3, and the example of §3.4: three of four segments are lost; the probe shows it two
/// round trips after the last sign of life, and fast recovery repairs what it shows.
#[test]
fn a_lost_tail_is_repaired_without_a_timeout() {
    let mut peer = path();
    peer.writes(4 * 1460);
    assert_eq!(peer.skips(), 4);
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)));
    peer.expects_after(ms(100), tcp().seq(at(3)).data(1460));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)).sacks(&[(at(3), at(4))]));
    peer.expects(tcp().seq(at(1)).data(1460));
    // The rest is let out by what arrives.
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(2)).sacks(&[(at(3), at(4))]));
    peer.expects(tcp().seq(at(2)).data(1460));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(4)));
    let info = peer.info();
    assert_eq!((info.timeouts, info.loss_probes, info.in_flight), (0, 1, 0));
    assert!(!info.in_recovery);
}

/// §7.3: new data, where there is some, is the better probe; one segment beyond the window.
#[test]
fn new_data_is_sent_as_a_probe() {
    let mut peer = path();
    peer.writes(12 * 1460);
    assert_eq!(peer.skips(), 10);
    peer.expects_after(ms(100), tcp().seq(at(10)).data(1460));
    peer.expects_nothing();
    assert_eq!(peer.info().retransmits, 0);
    // §7.3: at most one probe is under way; then the retransmission timer.
    peer.expects_after(ms(250), tcp().seq(1).data(1460));
    assert_eq!((peer.info().timeouts, peer.info().loss_probes), (1, 1));
}

/// §7.3: a window that has no room for new data gets the last segment again.
#[test]
fn a_full_window_gets_the_last_segment_again() {
    let mut peer = path();
    peer.sends(tcp().window(3000));
    peer.writes(12 * 1460);
    assert_eq!(peer.skips(), 2);
    peer.expects_after(ms(100), tcp().seq(at(1)).data(1460));
}

/// §7.2: the acknowledgement of a single segment may be withheld for a while.
#[test]
fn a_single_segment_is_given_time_for_a_delayed_ack() {
    let mut peer = path();
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(1000));
    peer.expects_after(ms(150), tcp().seq(1).data(1000));
    assert_eq!(peer.info().timeouts, 0);
}

/// §7.2: the probe is not sent later than the retransmission timer would.
#[test]
fn a_probe_is_not_later_than_the_timeout() {
    let mut peer = Peer::with(|config| {
        config.tcp.recovery.max_ack_delay = secs(5);
    });
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer.writes(1000);
    peer.skips();
    peer.expects_after(ms(250), tcp().seq(1).data(1000));
    assert_eq!((peer.info().timeouts, peer.info().loss_probes), (0, 1));
    peer.expects_after(ms(250), tcp().seq(1).data(1000));
    assert_eq!(peer.info().timeouts, 1);
}

/// §7.2: selectively acknowledged data means that something else watches: the reordering timer.
#[test]
fn no_probe_while_segments_are_selectively_acknowledged() {
    let mut peer = path();
    peer.writes(4 * 1460);
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(2))]));
    peer.expects_after(Duration::from_micros(12_500), tcp().seq(1).data(1460));
    assert_eq!(peer.info().loss_probes, 0);
}

/// §7.4.2: a retransmission that repaired the only loss must cost as much as any loss.
#[test]
fn a_loss_that_the_probe_repaired_reduces_the_window() {
    let mut peer = path();
    peer.writes(4 * 1460);
    peer.skips();
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(3)));
    peer.expects_after(ms(150), tcp().seq(at(3)).data(1460));
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(4)));
    let before = peer.info();
    peer.writes(1460);
    peer.skips();
    peer.waits(ms(50));
    // Something beyond the probe is acknowledged, and no duplicate was reported.
    peer.sends(tcp().ack(at(5)));
    let after = peer.info();
    assert_eq!(peer.stack.stats().tcp_loss_probe_recoveries, 1);
    assert!(after.slow_start_threshold < before.slow_start_threshold);
    assert!(after.cwnd < before.cwnd && !after.in_recovery);
}

/// §7.4.2 cases 1 and 2: a report of a duplicate, or a bare duplicate acknowledgement, shows that
/// nothing was lost.
#[test]
fn a_probe_that_was_not_needed_costs_nothing() {
    for reported in [true, false] {
        let mut peer = path();
        peer.writes(4 * 1460);
        peer.skips();
        peer.expects_after(ms(100), tcp().seq(at(3)).data(1460));
        // The acknowledgements were late.
        peer.sends(tcp().ack(at(4)));
        let before = peer.info();
        if reported {
            peer.sends(tcp().ack(at(4)).sacks(&[(at(3), at(4))]));
        } else {
            peer.writes(1);
            peer.skips();
            peer.sends(tcp().ack(at(4)));
        }
        peer.writes(1460);
        peer.waits(ms(50));
        peer.sends(tcp());
        let info = peer.info();
        assert_eq!(info.slow_start_threshold, before.slow_start_threshold);
        assert_eq!(peer.stack.stats().tcp_loss_probe_recoveries, 0);
        assert_eq!(info.duplicates_reported, u32::from(reported));
    }
}

/// §7.3: only one probe for each measured round trip.
#[test]
fn a_second_probe_needs_a_measurement() {
    let mut peer = path();
    peer.writes(1460);
    peer.skips();
    peer.expects_after(ms(150), tcp().seq(1).data(1460));
    // It is acknowledged, by what it is not known: nothing was measured.
    peer.sends(tcp().ack(at(1)));
    peer.writes(1460);
    peer.skips();
    peer.expects_after(ms(250), tcp().seq(at(1)).data(1460));
    assert_eq!((peer.info().timeouts, peer.info().loss_probes), (1, 1));
}

/// §7.2: without a measured round trip it takes a second; here that is the retransmission timer's
/// turn, which a probe takes first.
#[test]
fn a_fin_is_probed_for_too() {
    let mut peer = path();
    peer.writes(100);
    peer.finishes();
    let sent = peer.takes();
    assert_eq!(sent, [(1, 100), (101, 0)]);
    peer.expects_after(ms(150), tcp().flags(FIN_ACK).seq(101).bare());
    peer.waits(ms(50));
    // The peer lacks the data: it cannot tell of the FIN. The timer repairs it.
    peer.sends(tcp().ack(1));
    peer.expects_after(ms(200), tcp().flags(FIN_ACK).seq(1).data(100));
}

/// §7.2: the SYN-ACK was sent twice, so nothing is known of the round trip.
#[test]
fn without_a_measurement_a_probe_waits_for_a_second() {
    let mut peer = Peer::with(reno);
    peer.listen(5);
    peer.sends(syn().sack_permitted());
    peer.waits(ms(1500));
    assert_eq!(peer.skips(), 2);
    peer.sends(tcp());
    peer.accept();
    assert_eq!((peer.info().rto, peer.info().rtt), (secs(3), None));
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(1000));
    peer.expects_after(secs(1), tcp().seq(1).data(1000));
    assert_eq!((peer.info().timeouts, peer.info().loss_probes), (0, 1));
}

#[test]
fn without_probes_the_timer_repairs_the_tail() {
    let mut peer = Peer::with(|config| config.tcp.recovery.tail_loss_probe = false);
    peer.handshake_in(ms(50), syn().sack_permitted());
    peer.sets(TcpOption::NoDelay(true));
    peer.writes(1000);
    peer.skips();
    peer.expects_after(ms(250), tcp().seq(1).data(1000));
    assert_eq!((peer.info().timeouts, peer.info().loss_probes), (1, 0));
}
