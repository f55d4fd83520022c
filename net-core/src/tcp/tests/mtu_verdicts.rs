//! What a lost probe for the path MTU says of its size, and what it does not (RFC 4821 §7.5, §7.6).

use super::mtu_probe::Narrow;
use super::*;
use crate::wire::IcmpMessage;

/// RFC 4821 §7.6.4: a probe that is lost with its neighbour may have been small enough.
#[test]
fn a_probe_that_is_lost_with_the_next_segment_has_not_failed() {
    let mut path = Narrow::new(1200, |_| {});
    path.searches();
    path.peer.waits(secs(601));
    (path.most, path.lost_with_probes) = (1460, &[0, 1]);
    let before = path.peer.info().fast_recoveries;
    path.searches();
    // RFC 4821 §4: but what is lost beside it is a sign of congestion.
    assert!(path.peer.info().fast_recoveries > before);
    path.lost_with_probes = &[];
    path.searches();
    let size = path.peer.info().send_mss;
    assert!(size > 1440, "{size}");
}

/// RFC 4821 §7.6.4, §7.4: the size is tried again at once, but not each time.
#[test]
fn a_size_of_which_nothing_is_known_twice_is_tried_again_after_a_pause() {
    let mut path = Narrow::new(1200, |_| {});
    path.searches();
    path.peer.waits(secs(601));
    // First the window has to grow.
    let until = path.peer.now + secs(1);
    path.search().rest_until(until);
    (path.most, path.lost_with_probes) = (1460, &[0, 1]);
    // All of it, and then half of that.
    path.trips_to_probe();
    path.trips_to_probe();
    let again = path.trips_to_probe();
    let info = path.peer.info();
    let window = info.cwnd / info.send_mss;
    let later = path.trips_to_probe();
    assert!(
        again < window / 2 && later >= window / 2,
        "{again}, {later}: {info:?}"
    );
}

/// RFC 4821 §4: without SACK nobody knows whether a probe alone is lost, and so congestion control takes place.
#[test]
fn without_sack_the_loss_of_a_probe_is_one_like_others() {
    let mut path = Narrow::without_sack(1200);
    path.searches();
    path.peer.waits(secs(601));
    (path.most, path.lost_with_probes) = (1460, &[0, 1]);
    let before = path.peer.info().fast_recoveries;
    path.peer.writes(50_000);
    path.trip();
    let info = path.peer.info();
    assert!(info.in_recovery, "{info:?}");
    assert_eq!(info.fast_recoveries, before + 1);
    path.carries(0);
}

/// RFC 4821 §7.6.4, RFC 8899 §3: nor has it passed, when what it carried arrives in smaller segments.
#[test]
fn a_probe_that_is_lost_behind_others_has_not_passed() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    (path.eaten, path.lost_with_probes) = (0, &[-2, -1, 0]);
    // Too little for a probe, and then enough.
    path.peer.writes(2 * size);
    path.peer.writes(50_000);
    path.trip();
    assert_eq!(path.eaten, 3);
    path.carries(0);
    assert_eq!(path.peer.info().send_mss, size);
}

/// RFC 4821 §7.6.4: nor has it failed, where that loss is further away and is being repaired already.
#[test]
fn a_probe_that_is_lost_during_a_recovery_has_not_failed() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    (path.most, path.eaten) = (1460, 0);
    path.lost_with_probes = &[-4, 0];
    path.peer.writes(4 * size);
    path.peer.writes(50_000);
    path.trip();
    assert_eq!(path.eaten, 2);
    path.lost_with_probes = &[];
    path.carries(0);
    assert_eq!(path.search().bound(), 1461);
}

/// RFC 4821 §7.6.4: nor where what is lost right behind it left a little later, so that reordering could still
/// explain that one.
#[test]
fn a_probe_that_is_overdue_before_its_neighbour_has_not_failed() {
    for neighbour in [true, false] {
        let mut path = Narrow::new(1200, |_| {});
        let size = path.searches().send_mss;
        path.peer.waits(secs(601));
        let id = path.peer.id();
        let socket = path.peer.stack.sockets.tcp_mut(id).unwrap();
        let connection = socket.connection_mut().unwrap();
        connection.recovery.rack.on_reordering();
        // Five milliseconds from one segment to the next.
        path.peer.sets(crate::socket::TcpOption::MaxPacingRate(Some(
            200 * u64::from(size),
        )));
        path.peer.writes(50_000);
        let (probe, before) = (path.edge, path.peer.info().bytes_lost);
        let (mut sent, mut count, mut first) = (std::collections::VecDeque::new(), 0, None);
        while path.peer.info().bytes_lost == before {
            let now = path.peer.now;
            sent.extend(path.peer.takes().into_iter().map(|segment| (now, segment)));
            while let Some(&(at, (seq, len))) = sent.front()
                && at + ms(50) <= now
            {
                sent.pop_front();
                count += 1;
                if count > 1 + usize::from(neighbour) {
                    let end = seq + u32::try_from(len).unwrap();
                    let block = (*first.get_or_insert(seq), end);
                    path.peer.sends(tcp().ack(probe).sacks(&[block]));
                }
            }
            path.peer.waits(Duration::from_micros(100));
        }
        // Of what is overdue the probe comes first.
        assert_eq!(path.peer.info().bytes_lost, before + 1460);
        let failed = path.search().bound() == 1460;
        assert_eq!(
            (failed, path.peer.info().in_recovery),
            (!neighbour, neighbour)
        );
    }
}

/// RFC 4821 §7.5, §7.6.4: where something in front of it is lost too, a timeout says nothing of a probe.
#[test]
fn a_probe_that_is_lost_behind_others_in_an_outage_has_not_failed() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    path.peer.writes(2 * size);
    path.peer.writes(10 * size);
    let window = path.peer.info().cwnd / size;
    let sent = path.peer.takes();
    assert_eq!(sent[2].1, 1460);
    path.peer.waits(ms(400));
    let trips = path.trips_to_probe();
    assert!(trips < 2 * window, "{trips} of {window}");
}

/// RFC 5682: nor does a timeout that was none.
#[test]
fn a_probe_that_is_out_at_a_spurious_timeout_has_not_failed() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    path.peer.writes(20 * size);
    let window = path.peer.info().cwnd / size;
    let sent = path.peer.takes();
    assert_eq!(sent[0].1, 1460);
    path.peer.waits(ms(400));
    path.peer.skips();
    // All of it is only late.
    for (seq, len) in sent {
        path.edge = seq + u32::try_from(len).unwrap();
        path.peer.sends(tcp().ack(path.edge));
        path.peer.waits(ms(1));
    }
    let info = path.peer.info();
    assert_eq!(info.spurious_timeouts, 1, "{info:?}");
    let trips = path.trips_to_probe();
    assert!(trips < 2 * window, "{trips} of {window}");
}

/// A router tells of the first segment that is out, which has not arrived.
fn tells(path: &mut Narrow, mtu: u32) {
    let told = IcmpMessage::PacketTooBig { mtu };
    let seq = path.edge;
    path.peer.icmp(told, seq);
}

/// A path that a router has made narrower: packets of 1,000 bytes pass.
fn narrowed(change: impl FnOnce(&mut crate::Config)) -> Narrow {
    let mut path = Narrow::new(960, change);
    path.peer.writes(1460);
    path.peer.skips();
    tells(&mut path, 1000);
    path.carries(200_000);
    let info = path.peer.info();
    assert_eq!((info.send_mss, info.path_mtu), (960, Some(1000)));
    assert_eq!(path.eaten, 0);
    path
}

/// RFC 1191 §6.3, RFC 8201 §4: what a router has told is not for ever, and is tried no sooner.
#[test]
fn what_a_router_told_is_tried_again_after_ten_minutes() {
    for mtu_probing in [true, false] {
        let mut path = narrowed(|config| config.tcp.mtu_probing = mtu_probing);
        path.most = 1460;
        path.peer.waits(secs(580));
        assert_eq!(path.carries(200_000).send_mss, 960, "{mtu_probing}");
        path.peer.waits(secs(20));
        let info = path.carries(200_000);
        let grown = (info.send_mss, info.path_mtu);
        assert_eq!(grown, (1460, Some(1500)), "{mtu_probing}");
    }
}

/// The others of a burst that was too large say nothing more, nor does a router that says it again.
#[test]
fn what_a_router_repeats_is_tried_ten_minutes_after_the_last_time() {
    let mut path = narrowed(|_| {});
    path.most = 1460;
    path.peer.waits(secs(300));
    path.peer.writes(1000);
    path.peer.skips();
    tells(&mut path, 1000);
    path.carries(0);
    path.peer.waits(secs(580));
    assert_eq!(path.carries(200_000).send_mss, 960);
    path.peer.waits(secs(20));
    assert_eq!(path.carries(200_000).send_mss, 1460);
}

/// Where the path is as narrow as it was, that costs one segment, which leaves again without a timeout.
#[test]
fn a_path_that_is_still_narrow_makes_segments_small_again() {
    for heard in [true, false] {
        let mut path = narrowed(|_| {});
        path.peer.waits(secs(601));
        let before = path.peer.info();
        path.peer.writes(20 * 960);
        assert_eq!(path.peer.sent[0].payload.len(), 1460);
        if heard {
            tells(&mut path, 1000);
        }
        let info = path.carries(100_000);
        assert_eq!(info.send_mss, 960, "{heard}");
        // Where no router says so, a search for what passes goes on.
        assert!(path.eaten == 1 || !heard, "{}", path.eaten);
        assert_eq!(info.timeouts, before.timeouts, "{heard}");
        if heard {
            path.peer.waits(secs(580));
            path.carries(100_000);
            assert_eq!(path.eaten, 1);
        }
    }
}

/// Without probes whole segments are too large then, and leave again as soon as a router says so.
#[test]
fn a_path_that_is_still_narrow_is_told_anew_where_nothing_is_probed() {
    let mut path = narrowed(|config| config.tcp.mtu_probing = false);
    path.peer.waits(secs(601));
    path.peer.writes(5 * 960);
    assert_eq!(path.peer.takes()[0].1, 1460);
    tells(&mut path, 1000);
    assert_eq!(path.carries(100_000).send_mss, 960);
    assert_eq!(path.eaten, 0);
}
