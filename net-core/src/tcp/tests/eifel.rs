//! Spurious recoveries: the Eifel detection (RFC 3522) and response (RFC 4015), and undoing by
//! reports of duplicates (RFC 2883 §5, RFC 3708).

use super::*;
use crate::Config;
use crate::config::CongestionAlgorithm;
use crate::wire::IcmpMessage;

fn config(config: &mut Config) {
    config.tcp.congestion = CongestionAlgorithm::Reno;
    config.tcp.recovery.tail_loss_probe = false;
    config.tcp.recovery.frto = false;
}

/// Ten segments of 1448 bytes are in flight to a peer whose clock stands at 1000.
pub(super) fn ten_in_flight(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|c| {
        config(c);
        change(c);
    });
    peer.clock = Some(1000);
    peer.handshake_in(ms(50), syn().sack_permitted().timestamps(1000, 0));
    peer.writes(10 * 1448);
    assert_eq!(peer.skips(), 10);
    peer
}

/// The timestamp of what leaves now.
pub(super) fn stamp(peer: &mut Peer) -> u32 {
    let id = peer.id();
    let socket = peer.stack.sockets.tcp_mut(id).unwrap();
    let now = peer.now;
    socket.connection_mut().unwrap().timestamp(now)
}

/// Where segment `index`, counted from 0, begins.
pub(super) const fn at(index: u32) -> u32 {
    1 + 1448 * index
}

/// RFC 3522 §3.2: the first acceptable ACK echoes a timestamp from before the retransmission.
#[test]
fn an_older_echo_shows_a_spurious_timeout() {
    let mut peer = ten_in_flight(|_| {});
    let sent_at = stamp(&mut peer);
    peer.writes(20 * 1448);
    peer.expects_after(ms(250), tcp().seq(1).data(1448));
    peer.waits(ms(10));
    peer.sends(tcp().ack(at(1)).timestamps(1001, sent_at));
    let info = peer.info();
    assert_eq!((info.undos, info.spurious_timeouts), (1, 1));
    assert!(!info.in_recovery);
    assert_eq!(info.slow_start_threshold, u32::MAX);
    assert_eq!((info.retransmits, info.in_flight), (1, info.cwnd));
}

/// Step (4): an echo of the retransmission, or of later, shows nothing.
#[test]
fn the_echo_of_the_retransmission_shows_a_genuine_timeout() {
    let mut peer = ten_in_flight(|_| {});
    peer.expects_after(ms(250), tcp().seq(1).data(1448));
    let resent_at = stamp(&mut peer);
    peer.waits(ms(50));
    peer.sends(tcp().ack(at(1)).timestamps(1001, resent_at));
    assert_eq!((peer.info().undos, peer.info().in_recovery), (0, true));
}

/// Step (3): only the first acceptable ACK is looked at.
#[test]
fn a_later_old_echo_shows_nothing() {
    let mut peer = ten_in_flight(|_| {});
    let sent_at = stamp(&mut peer);
    peer.waits(ms(250));
    let resent_at = stamp(&mut peer);
    peer.sends(tcp().ack(at(1)).timestamps(1001, resent_at));
    peer.sends(tcp().ack(at(2)).timestamps(1001, sent_at));
    assert_eq!(peer.info().undos, 0);
}

/// Step (5) and §3.3: all ACKs were lost. What acknowledges everything at once proves nothing, and
/// what reports a duplicate shows that the retransmission has arrived.
#[test]
fn a_loss_of_all_acknowledgements_is_not_undone() {
    for reported in [false, true] {
        let mut peer = ten_in_flight(|c| c.tcp.recovery.dsack = false);
        let sent_at = stamp(&mut peer);
        peer.waits(ms(250));
        let blocks = [(1, at(1))];
        let blocks = if reported { &blocks[..] } else { &[] };
        peer.sends(
            tcp()
                .ack(at(if reported { 9 } else { 10 }))
                .sacks(blocks)
                .timestamps(1001, sent_at),
        );
        assert_eq!(peer.info().undos, 0);
    }
}

/// RFC 3522 for a fast retransmit: the segment had only been overtaken. Its window comes back, and
/// reordering is known.
#[test]
fn a_spurious_fast_retransmit_is_undone() {
    let mut peer = ten_in_flight(|_| {});
    let sent_at = stamp(&mut peer);
    peer.waits(ms(50));
    peer.sends(
        tcp()
            .ack(1)
            .sacks(&[(at(1), at(5))])
            .timestamps(1001, sent_at),
    );
    peer.expects(tcp().seq(1).data(1448));
    let reduced = peer.info();
    assert!(reduced.in_recovery && reduced.slow_start_threshold < 10 * 1448);
    peer.waits(ms(5));
    peer.sends(tcp().ack(at(5)).timestamps(1001, sent_at));
    let info = peer.info();
    assert!(!info.in_recovery && info.reordering_seen);
    assert_eq!((info.undos, info.spurious_timeouts), (1, 0));
    assert_eq!(
        (info.cwnd, info.slow_start_threshold),
        (10 * 1448, u32::MAX)
    );
}

/// RFC 5681 §3.1: segments got smaller during the recovery, so that in bytes the window that comes back has to be
/// as well, lest there be more segments than there were.
#[test]
fn a_window_that_comes_back_has_as_many_segments_after_they_got_smaller() {
    for algorithm in [
        CongestionAlgorithm::Reno,
        CongestionAlgorithm::Cubic,
        CongestionAlgorithm::Dctcp,
        CongestionAlgorithm::Bbr,
        CongestionAlgorithm::Bbr1,
    ] {
        let [whole, halved] = [false, true].map(|narrower| {
            let mut peer = ten_in_flight(|c| c.tcp.congestion = algorithm);
            let sent_at = stamp(&mut peer);
            peer.waits(ms(50));
            let says =
                |ack, blocks: &[(u32, u32)]| tcp().ack(ack).sacks(blocks).timestamps(1001, sent_at);
            peer.sends(says(1, &[(at(1), at(5))]));
            assert!(peer.info().in_recovery);
            if narrower {
                peer.icmp(IcmpMessage::PacketTooBig { mtu: 776 }, at(6));
                assert_eq!(peer.info().send_mss, 724);
            }
            peer.waits(ms(5));
            peer.sends(says(at(5), &[]));
            let info = peer.info();
            assert_eq!((info.undos, info.in_recovery), (1, false));
            // BBR's grows by what that acknowledgement tells of, the others' does not.
            let grows = algorithm.name().starts_with("bbr");
            info.cwnd - if grows { 1448 } else { 0 }
        });
        assert!(whole >= 10 * 1448, "{algorithm:?}: {whole}");
        assert_eq!(halved, whole / 2, "{algorithm:?}");
    }
}

/// So has the window that a recovery leaves which was for something.
#[test]
fn a_recovery_leaves_half_of_the_segments_though_they_got_smaller() {
    for (algorithm, tenths) in [
        (CongestionAlgorithm::Reno, 5),
        (CongestionAlgorithm::Cubic, 7),
    ] {
        let mut peer = ten_in_flight(|c| c.tcp.congestion = algorithm);
        let sent_at = stamp(&mut peer);
        peer.waits(ms(50));
        let says =
            |ack, blocks: &[(u32, u32)], echo| tcp().ack(ack).sacks(blocks).timestamps(1001, echo);
        peer.sends(says(1, &[(at(1), at(5))], sent_at));
        peer.icmp(IcmpMessage::PacketTooBig { mtu: 776 }, at(6));
        let resent_at = stamp(&mut peer);
        peer.waits(ms(50));
        peer.sends(says(at(10), &[], resent_at));
        let info = peer.info();
        assert_eq!((info.undos, info.in_recovery), (0, false));
        assert_eq!(info.cwnd, tenths * 724, "{algorithm:?}");
    }
}

/// RFC 3522 §3.2 compares with the retransmission of the oldest segment outstanding. Where that left in an
/// earlier recovery, its echo is older than what the present one sends again, and proves nothing of that.
#[test]
fn the_echo_of_an_earlier_recoverys_retransmission_shows_nothing() {
    let mut peer = Peer::with(|c| {
        config(c);
        c.tcp.initial_window = 20;
    });
    peer.clock = Some(1000);
    peer.handshake_in(ms(50), syn().sack_permitted().timestamps(1000, 0));
    peer.writes(40 * 1448);
    assert_eq!(peer.skips(), 20);
    let says =
        |ack, blocks: &[(u32, u32)], echo| tcp().ack(ack).sacks(blocks).timestamps(1001, echo);
    let first = stamp(&mut peer);
    peer.waits(ms(50));
    peer.sends(says(1, &[(at(1), at(5))], first));
    peer.waits(ms(10));
    peer.sends(says(1, &[(at(1), at(20))], first));
    let during = stamp(&mut peer);
    peer.skips();
    assert!(peer.rcv >= at(29), "{}", peer.rcv);
    // Of what was sent during recovery the first is lost, as is what repaired the loss before: both leave again.
    peer.waits(ms(50));
    peer.sends(says(1, &[(at(21), at(26)), (at(1), at(20))], during));
    assert_eq!(peer.takes(), [(1, 1448), (at(20), 1448)]);
    let again = stamp(&mut peer);
    peer.waits(ms(50));
    peer.sends(says(at(20), &[(at(21), at(26))], again));
    // That ends the recovery, and shows more losses, which begin another.
    let reduced = peer.info();
    assert_eq!((reduced.in_recovery, reduced.fast_recoveries), (true, 2));
    assert_eq!(peer.takes()[0], (at(26), 1448));
    peer.waits(ms(5));
    peer.sends(says(at(26), &[], again));
    let info = peer.info();
    assert_eq!((info.undos, info.in_recovery), (0, true));
    assert_eq!(info.slow_start_threshold, reduced.slow_start_threshold);
}

/// RFC 2883 §5, RFC 3708: everything that was sent again is reported to have arrived twice.
#[test]
fn reports_of_all_retransmissions_undo_the_recovery() {
    let mut peer = ten_in_flight(|c| c.tcp.recovery.eifel = false);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(5))]));
    peer.expects(tcp().seq(1).data(1448));
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(8))]));
    peer.expects(tcp().seq(at(1)).data(1448));
    peer.waits(ms(10));
    peer.sends(tcp().ack(at(8)));
    // §5.1: what a late ACK tells of lies behind that ACK's number, so it is no report, though SND.UNA has passed
    // it by.
    peer.sends(tcp().ack(at(1)).sacks(&[(at(2), at(8))]));
    assert_eq!(peer.info().duplicates_reported, 0);
    peer.waits(ms(40));
    peer.sends(tcp().ack(at(8)).sacks(&[(1, at(1))]));
    assert_eq!(peer.info().undos, 0);
    peer.sends(tcp().ack(at(8)).sacks(&[(at(1), at(2))]));
    let info = peer.info();
    assert_eq!((info.undos, info.in_recovery), (1, false));
    assert_eq!(
        (info.cwnd, info.slow_start_threshold),
        (10 * 1448, u32::MAX)
    );
    assert_eq!(info.duplicates_reported, 2);
}

/// The same after recovery has ended: the reports take a round trip.
#[test]
fn reports_that_come_after_recovery_still_undo_it() {
    let mut peer = ten_in_flight(|c| c.tcp.recovery.eifel = false);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(5))]));
    peer.expects(tcp().seq(1).data(1448));
    peer.waits(ms(10));
    peer.sends(tcp().ack(at(10)));
    assert!(!peer.info().in_recovery);
    let reduced = peer.info().slow_start_threshold;
    peer.waits(ms(40));
    peer.sends(tcp().ack(at(10)).sacks(&[(1, at(1))]));
    assert_eq!(peer.info().undos, 1);
    assert!(peer.info().slow_start_threshold > reduced);
}

/// Undoing costs work for all that is outstanding: a peer that claims duplicate after duplicate, and
/// acknowledges nothing, brings it about once.
#[test]
fn a_recovery_is_undone_once_in_a_round_trip() {
    let mut peer = ten_in_flight(|c| c.tcp.recovery.eifel = false);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4))]));
    assert_eq!(peer.takes(), [(1, 1448)]);
    let first = (1, at(1));
    peer.sends(tcp().ack(1).sacks(&[first, (1, at(4))]));
    assert_eq!((peer.info().undos, peer.info().in_recovery), (1, false));
    // The next hole.
    peer.sends(tcp().ack(1).sacks(&[(at(5), at(10)), (1, at(4))]));
    peer.waits(ms(60));
    assert_eq!(peer.takes()[0], (at(4), 1448));
    let second = (at(4), at(5));
    peer.sends(tcp().ack(1).sacks(&[second, (1, at(10))]));
    assert_eq!((peer.info().undos, peer.info().duplicates_reported), (1, 2));
    // When all of that is acknowledged another one may be undone.
    let end = peer.rcv;
    peer.sends(tcp().ack(end));
    peer.writes(5 * 1448);
    peer.skips();
    peer.waits(ms(50));
    let behind = (end + 1448, end + 5 * 1448);
    peer.sends(tcp().ack(end).sacks(&[behind]));
    peer.waits(ms(60));
    peer.skips();
    let third = (end, end + 1448);
    peer.sends(tcp().ack(end).sacks(&[third, (end, end + 5 * 1448)]));
    assert_eq!(peer.info().undos, 2);
}

/// Nor by echo after echo.
#[test]
fn an_old_echo_undoes_no_second_recovery_in_a_round_trip() {
    let mut peer = ten_in_flight(|_| {});
    let first = stamp(&mut peer);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(4))]));
    assert_eq!(peer.takes(), [(1, 1448)]);
    peer.sends(tcp().ack(1).sacks(&[(1, at(1)), (1, at(4))]));
    assert_eq!((peer.info().undos, peer.info().in_recovery), (1, false));
    peer.sends(tcp().ack(1).sacks(&[(at(5), at(10)), (1, at(4))]));
    peer.waits(ms(60));
    assert_eq!(peer.takes()[0], (at(4), 1448));
    let old = tcp().ack(at(4)).timestamps(1001, first);
    peer.sends(old.sacks(&[(at(5), at(10))]));
    assert_eq!((peer.info().undos, peer.info().in_recovery), (1, true));
}

/// A duplicate that the network made is none of ours.
#[test]
fn a_report_of_what_was_not_sent_again_undoes_nothing() {
    let mut peer = ten_in_flight(|c| c.tcp.recovery.eifel = false);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(5))]));
    peer.skips();
    peer.sends(tcp().ack(1).sacks(&[(at(2), at(3)), (at(1), at(5))]));
    assert_eq!((peer.info().undos, peer.info().in_recovery), (0, true));
    assert_eq!(peer.info().duplicates_reported, 1);
}

/// Off, and the window stays reduced.
#[test]
fn without_them_nothing_is_undone() {
    let mut peer = ten_in_flight(|c| {
        c.tcp.recovery.eifel = false;
        c.tcp.recovery.dsack = false;
    });
    let sent_at = stamp(&mut peer);
    peer.waits(ms(50));
    peer.sends(tcp().ack(1).sacks(&[(at(1), at(5))]));
    peer.skips();
    peer.sends(tcp().ack(at(5)).timestamps(1001, sent_at));
    peer.sends(tcp().ack(at(5)).sacks(&[(1, at(1))]));
    assert_eq!(peer.info().undos, 0);
}
