//! Paths that silently eat large packets: RFC 4821, RFC 8899, RFC 2923 §2.1.

use super::*;
use crate::tcp::TcpInfo;
use crate::wire::IcmpMessage;
use std::vec::Vec;

/// A receiver behind a link that carries `most` bytes of payload.
pub(super) struct Narrow {
    pub(super) peer: Peer,
    pub(super) most: usize,
    /// What has arrived beyond a hole.
    islands: Vec<(u32, u32)>,
    pub(super) edge: u32,
    pub(super) eaten: usize,
    /// A probe is lost with these segments, if all of them are there: counted from it, 0.
    pub(super) lost_with_probes: &'static [isize],
    sack: bool,
}

impl Narrow {
    pub(super) fn new(most: usize, change: impl FnOnce(&mut crate::Config)) -> Self {
        Self::with(most, syn().sack_permitted(), change)
    }

    /// One whose receiver does not tell what has arrived beyond a hole.
    pub(super) fn without_sack(most: usize) -> Self {
        let mut path = Self::with(most, syn(), |_| {});
        path.sack = false;
        path
    }

    fn with(most: usize, syn: Seg, change: impl FnOnce(&mut crate::Config)) -> Self {
        let mut peer = Peer::with(change);
        peer.handshake_in(ms(50), syn);
        Self {
            peer,
            most,
            islands: Vec::new(),
            edge: 1,
            eaten: 0,
            lost_with_probes: &[],
            sack: true,
        }
    }

    /// A round trip: what was sent arrives, unless it is too large, and is acknowledged.
    pub(super) fn trip(&mut self) {
        let usual = self.peer.info().send_mss as usize;
        let sent = self.peer.takes();
        let probe = sent.iter().position(|&(_, len)| len > usual);
        let offsets = self.lost_with_probes.iter();
        let lost: Option<Vec<_>> = offsets
            .map(|&by| probe?.checked_add_signed(by).filter(|&at| at < sent.len()))
            .collect();
        self.peer.waits(ms(50));
        for (at, (seq, len)) in sent.into_iter().enumerate() {
            if len == 0 {
                continue;
            }
            if len > self.most || lost.as_ref().is_some_and(|lost| lost.contains(&at)) {
                self.eaten += 1;
                continue;
            }
            self.islands.push((seq, seq + u32::try_from(len).unwrap()));
            self.islands.sort_unstable();
            while let Some(&(start, end)) = self.islands.first()
                && start <= self.edge
            {
                self.edge = self.edge.max(end);
                self.islands.remove(0);
            }
            let told = if self.sack { 3 } else { 0 };
            let blocks: Vec<_> = self.islands.iter().copied().rev().take(told).collect();
            self.peer.sends(tcp().ack(self.edge).sacks(&blocks));
        }
    }

    /// What the stack looks for.
    pub(super) fn search(&mut self) -> &mut crate::tcp::mtu_probe::MtuSearch {
        let id = self.peer.id();
        let socket = self.peer.stack.sockets.tcp_mut(id).unwrap();
        &mut socket.connection_mut().unwrap().mtu
    }

    /// Round trips until something is too large to arrive.
    pub(super) fn trips_to_probe(&mut self) -> u32 {
        let (before, mut trips) = (self.eaten, 0);
        while self.eaten == before {
            let size = self.peer.info().send_mss;
            // Always enough, and never more than the buffer takes.
            while 1 + self.peer.written - self.edge < 40 * size {
                self.peer.writes(20 * size);
            }
            self.trip();
            trips += 1;
            assert!(trips < 1000, "none leaves: {:?}", self.peer.info());
        }
        trips
    }

    /// Much is carried, with pauses as long as the wait behind a failed probe, until nothing is tried any more.
    pub(super) fn searches(&mut self) -> TcpInfo {
        for _ in 0..20 {
            self.carries(200_000);
            self.peer.waits(secs(10));
        }
        self.peer.info()
    }

    /// Time passes until what was written has arrived.
    pub(super) fn carries(&mut self, bytes: u32) -> TcpInfo {
        self.peer.writes(bytes);
        let end = 1 + self.peer.written;
        for _ in 0..400 {
            if self.edge == end {
                return self.peer.info();
            }
            self.trip();
        }
        panic!("stuck at {} of {end}: {:?}", self.edge, self.peer.info());
    }
}

#[test]
fn a_flow_through_a_black_hole_recovers_and_finds_its_size() {
    for most in [1300, 1200, 600] {
        let mut path = Narrow::new(most, |_| {});
        let info = path.searches();
        let size = info.send_mss as usize;
        assert!(size <= most && size + 8 >= most, "{size} of {most}");
        // Now nothing is lost any more.
        path.eaten = 0;
        path.carries(200_000);
        assert_eq!(path.eaten, 0);
    }
}

/// RFC 4821 §7.5: the loss of a probe is no sign of congestion.
#[test]
fn the_loss_of_a_probe_reduces_nothing() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    // RFC 8899 §5.1.1: after ten minutes all of it is tried.
    path.peer.waits(secs(601));
    let before = path.peer.info();
    path.peer.writes(50_000);
    let (start, len) = path.peer.takes()[0];
    assert_eq!(len, 1460);
    path.peer.waits(ms(50));
    let behind = start + 1460;
    for count in 1..=3 {
        let block = (behind, behind + count * size);
        path.peer.sends(tcp().ack(start).sacks(&[block]));
    }
    let info = path.peer.info();
    assert!(
        !info.in_recovery && info.cwnd <= 10 * size && info.cwnd >= 9 * size,
        "{info:?}"
    );
    assert_eq!(info.fast_recoveries, before.fast_recoveries);
    let again = path.peer.takes();
    assert!(again.contains(&(start, size as usize)), "{again:?}");
}

/// RFC 4821 §7.6.2: a failed probe, which reduces nothing, is to be rarer than losses that do.
#[test]
fn a_failed_probe_has_the_next_one_wait_for_as_many_round_trips_as_the_window_has_segments() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    path.eaten = 0;
    path.peer.writes(20 * size);
    path.trip();
    assert_eq!(path.eaten, 1);
    let window = path.peer.info().cwnd / size;
    let mut trips = 0;
    while path.eaten == 1 {
        path.peer.writes(20 * size);
        path.trip();
        trips += 1;
    }
    assert!(
        (window..=window + 3).contains(&trips),
        "{trips} of {window}"
    );
}

/// RFC 4821 §7.6.2: also where ten minutes are over first.
#[test]
fn what_begins_a_search_anew_does_not_end_the_wait_behind_a_failed_probe() {
    let mut path = Narrow::new(1200, |_| {});
    path.searches();
    path.peer.waits(secs(601));
    let until = path.peer.now + secs(100);
    path.search().rest_until(until);
    path.eaten = 0;
    path.carries(100_000);
    assert_eq!(path.eaten, 0);
    path.peer.waits(secs(100));
    path.carries(100_000);
    assert_eq!(path.eaten, 1);
}

/// RFC 4821 §7.6.3: one that costs a timeout is to be rarer still.
#[test]
fn a_probe_that_a_timeout_shows_to_be_lost_has_the_next_one_wait_five_times_as_long() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    // The probe is lost, and with it all that could tell of it.
    path.peer.writes(10 * size);
    let window = path.peer.info().cwnd / size;
    path.peer.skips();
    path.peer.waits(ms(400));
    let trips = path.trips_to_probe();
    // The timeout and what was repaired behind it take some of them: fewer than a window has segments.
    let about = 5 * window - 9..=5 * window + 9;
    assert!(
        window >= 10 && about.contains(&trips),
        "{trips} of {window}"
    );
}

/// RFC 8899 §3: a router's word raises nothing, but a search need not go beyond it.
#[test]
fn packet_too_big_raises_nothing_during_a_search() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.writes(1000);
    let (seq, _) = path.peer.takes()[0];
    path.peer.icmp(IcmpMessage::PacketTooBig { mtu: 1400 }, seq);
    path.peer.expects_nothing();
    assert_eq!(path.peer.info().send_mss, size);
    assert_eq!(path.peer.info().path_mtu, Some(1400));
    path.peer.sends(tcp().ack(seq + 1000));
    path.peer.waits(secs(601));
    path.peer.writes(50_000);
    assert_eq!(path.peer.takes()[0].1, 1400 - 40);
}

/// A router names exactly what passes already: there is nothing to look for now, wherever the search is.
#[test]
fn packet_too_big_of_the_present_size_ends_the_search() {
    // Complete; Searching, with a probe out that is lost, and with one that arrives.
    for (searches, arrives) in [(false, false), (true, false), (true, true)] {
        let mut path = Narrow::new(1200, |_| {});
        let size = path.searches().send_mss;
        let told = IcmpMessage::PacketTooBig { mtu: size + 40 };
        if searches {
            path.peer.waits(secs(601));
            path.peer.writes(20_000);
            assert_eq!(path.peer.sent[0].payload.len(), 1460);
        } else {
            path.peer.writes(1000);
        }
        let seq = path.edge;
        path.peer.icmp(told, seq);
        path.most = if arrives { 1460 } else { path.most };
        path.carries(100_000);
        assert_eq!(path.peer.info().send_mss, size, "{searches} {arrives}");
        // RFC 1191 §6.3: for ten minutes.
        path.most = 1200;
        path.eaten = 0;
        path.peer.waits(secs(590));
        path.carries(100_000);
        assert_eq!(path.eaten, 0, "{searches} {arrives}");
        path.peer.waits(secs(11));
        path.carries(100_000);
        assert_eq!(path.eaten, 1, "{searches} {arrives}");
    }
}

/// RFC 4821 §7.4: with fewer behind it its loss would not show in time.
#[test]
fn a_probe_needs_three_segments_behind_it() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    path.eaten = 0;
    path.carries(1460 + 3 * size - 1);
    assert_eq!(path.eaten, 0);
    path.carries(1460 + 3 * size);
    assert_eq!(path.eaten, 1);
}

/// RFC 4821 §4: more bytes in each segment are not more bytes in flight.
#[test]
fn a_larger_size_does_not_widen_the_window() {
    let mut path = Narrow::new(1200, |_| {});
    let size = path.searches().send_mss;
    path.peer.waits(secs(601));
    path.peer.writes(50_000);
    let sent = path.peer.takes();
    let (start, len) = sent[0];
    assert_eq!(len, 1460);
    // RFC 8899 §8: there is one probe in a round trip.
    assert!(
        sent[1..].iter().all(|&(_, len)| len <= size as usize),
        "{sent:?}"
    );
    path.peer.waits(ms(50));
    path.peer.sends(tcp().ack(start + 1460));
    let info = path.peer.info();
    assert_eq!(info.send_mss, 1460);
    assert!(info.cwnd <= 10 * size + 1460, "{info:?}");
}

/// An outage looks the same; afterwards segments become as large as they were.
#[test]
fn after_an_outage_segments_grow_again() {
    let mut path = Narrow::new(0, |_| {});
    path.peer.writes(20 * 1460);
    for _ in 0..100 {
        path.trip();
    }
    assert!(path.peer.info().send_mss < 1460);
    path.most = 1460;
    path.carries(450_000);
    assert!(path.peer.info().send_mss > 1440);
    // RFC 8899 §5.1.1: after ten minutes all of it is tried.
    path.peer.waits(secs(601));
    path.carries(200_000);
    assert_eq!(path.peer.info().send_mss, 1460);
}

#[test]
fn probing_can_be_turned_off() {
    let mut path = Narrow::new(1300, |config| config.tcp.mtu_probing = false);
    path.peer.writes(20 * 1460);
    for _ in 0..100 {
        path.trip();
    }
    assert_eq!(path.peer.info().send_mss, 1460);
}

/// Timeouts of small segments say nothing of large ones.
#[test]
fn small_segments_that_are_lost_do_not_shrink_others() {
    let mut path = Narrow::new(0, |_| {});
    path.peer.writes(100);
    for _ in 0..100 {
        path.trip();
    }
    assert_eq!(path.peer.info().send_mss, 1460);
}
