//! Settings of the configuration: each changes what it says.

use super::accecn::ALL;
use super::segment::Seen;
use super::*;
use crate::Config;
use crate::qdisc::{Rate, Tbf, TbfConfig};
use crate::socket::TcpOption;
use crate::tcp::State;
use crate::wire::TcpFlags;
use std::vec::Vec;

/// The congestion window after two flights in slow start, the second of which took 50 ms longer.
fn window_after_a_slower_round_trip(hystart: bool) -> u32 {
    let mut peer = Peer::with_ten_in_flight(syn().sack_permitted(), |config| {
        config.tcp.hystart = hystart;
    });
    peer.writes(100 * 1460);
    let mut acknowledged = 0;
    for (wait, segments) in [(50, 10), (100, 20)] {
        peer.waits(ms(wait));
        for _ in 0..segments {
            acknowledged += 1;
            peer.sends(tcp().ack(1 + 1460 * acknowledged));
        }
        peer.skips();
    }
    peer.info().cwnd / 1460
}

/// RFC 9406 §4.2: from the eighth sample of the round on a quarter of the growth is left.
#[test]
fn hystart_slows_down_where_the_round_trip_has_grown() {
    assert_eq!(window_after_a_slower_round_trip(false), 40);
    assert_eq!(window_after_a_slower_round_trip(true), 20 + 7 + 13 / 4);
}

#[test]
fn time_wait_lasts_as_long_as_configured() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.time_wait = secs(5));
    peer.closes();
    peer.expects(tcp().flags(FIN_ACK).seq(1));
    peer.sends(tcp().flags(FIN_ACK).ack(2));
    peer.expects(tcp().seq(2).ack(2));
    peer.waits(ms(4900));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().seq(2).ack(2));
    peer.waits(ms(5100));
    peer.sends(tcp().flags(FIN_ACK).seq(1));
    peer.expects(tcp().flags(RST));
}

/// Whether it was closed before the FIN was acknowledged or later.
#[test]
fn fin_wait_2_lasts_as_long_as_configured() {
    for closed_first in [true, false] {
        let mut peer = Peer::established_with(syn(), |config| config.tcp.fin_wait_2 = secs(5));
        if closed_first {
            peer.closes();
        } else {
            peer.finishes();
        }
        peer.expects(tcp().flags(FIN_ACK).seq(1));
        peer.sends(tcp().ack(2));
        if !closed_first {
            peer.waits(secs(100));
            peer.closes();
        }
        peer.waits(ms(4900));
        assert_eq!(peer.stack.sockets(), 2);
        peer.waits(ms(200));
        assert_eq!(peer.stack.sockets(), 1);
    }
}

/// How long the acknowledgements of four lone segments wait, in ms, each behind the other; the round
/// trip takes 300 ms.
fn delays(change: impl FnOnce(&mut Config)) -> [u128; 4] {
    let mut peer = Peer::with(change);
    peer.handshake_in(ms(300), syn());
    peer.past_quick_acks();
    [(); 4].map(|()| {
        peer.sends(tcp().data(100));
        let before = peer.now;
        while peer.sent.is_empty() {
            peer.waits(ms(1));
        }
        peer.skips();
        peer.now.saturating_since(before).as_millis()
    })
}

#[test]
fn acknowledgements_wait_at_least_as_configured() {
    assert_eq!(delays(|_| {}), [40, 80, 160, 200]);
    let longer = delays(|config| config.tcp.delayed_ack = ms(100));
    assert_eq!(longer, [100, 200, 200, 200]);
}

#[test]
fn acknowledgements_wait_at_most_as_configured() {
    let shorter = delays(|config| config.tcp.delayed_ack_max = ms(100));
    assert_eq!(shorter, [40, 80, 100, 100]);
}

#[test]
fn a_syn_ack_is_sent_again_as_often_as_configured() {
    for retries in [0, 2, 3] {
        let mut peer = Peer::with(|config| config.tcp.syn_ack_retries = retries);
        peer.listen(16);
        peer.sends(syn());
        peer.expects(tcp().flags(SYN_ACK));
        peer.waits(secs(300));
        assert_eq!(peer.skips(), usize::from(retries));
    }
}

#[test]
fn keepalive_begins_when_configured() {
    let mut peer = Peer::established_with(syn(), |config| config.tcp.keepalive_time = secs(90));
    peer.sets(TcpOption::KeepAlive(true));
    peer.expects_after(secs(90), tcp().seq(0).ack(1).bare());
}

/// How many probes a silent peer gets, and how long after the first the connection ends.
fn probes_in_vain(change: impl FnOnce(&mut Config)) -> (usize, Duration) {
    let mut peer = Peer::established_with(syn(), |config| {
        config.tcp.keepalive_time = secs(90);
        change(config);
    });
    peer.sets(TcpOption::KeepAlive(true));
    peer.expects_after(secs(90), tcp().seq(0).ack(1).bare());
    let begin = peer.now;
    let mut probes = 1;
    while peer.stack.sockets() == 2 && peer.state() == State::Established {
        peer.waits(secs(1));
        probes += peer.skips();
    }
    (probes, peer.now.saturating_since(begin))
}

#[test]
fn keepalive_probes_are_as_far_apart_as_configured() {
    assert_eq!(probes_in_vain(|_| {}), (9, secs(9 * 75)));
    let faster = probes_in_vain(|config| config.tcp.keepalive_interval = secs(5));
    assert_eq!(faster, (9, secs(9 * 5)));
}

#[test]
fn keepalive_probes_are_as_many_as_configured() {
    let fewer = probes_in_vain(|config| config.tcp.keepalive_probes = 3);
    assert_eq!(fewer, (3, secs(3 * 75)));
}

/// RFC 5482 §3.1: how long data may wait where the peer has told `told`.
fn user_timeout(told: Duration, change: impl FnOnce(&mut Config)) -> Duration {
    let mut peer = Peer::with(|config| {
        config.tcp.user_timeout_option = true;
        config.tcp.retries = 100;
        change(config);
    });
    peer.listen(16);
    peer.sends(syn());
    peer.sends(tcp().user_timeout(told));
    peer.accept();
    peer.writes(100);
    let begin = peer.now;
    while peer.state() == State::Established {
        peer.waits(secs(1));
    }
    peer.now.saturating_since(begin)
}

#[test]
fn the_peers_user_timeout_is_at_least_as_configured() {
    assert_eq!(user_timeout(secs(1), |_| {}), secs(300));
    let longer = user_timeout(secs(1), |config| config.tcp.user_timeout_min = secs(500));
    assert_eq!(longer, secs(500));
}

#[test]
fn the_peers_user_timeout_is_at_most_as_configured() {
    assert_eq!(user_timeout(secs(100_000), |_| {}), secs(3600));
    let shorter = user_timeout(secs(100_000), |config| {
        config.tcp.user_timeout_max = secs(600);
    });
    assert_eq!(shorter, secs(600));
}

/// RFC 6191: where it is not to begin a connection anew, a newer SYN is acknowledged like any other segment.
#[test]
fn time_wait_can_be_kept_from_being_reused() {
    for (reuse, flags) in [(true, SYN_ACK), (false, ACK)] {
        let mut peer = Peer::established_with(syn(), |config| config.tcp.time_wait_reuse = reuse);
        peer.closes();
        peer.skips();
        peer.sends(tcp().flags(FIN_ACK).ack(2));
        peer.skips();
        peer.waits(ms(10));
        peer.sends(syn().seq(1000));
        assert_eq!(peer.sent.pop_front().unwrap().header.flags, flags);
    }
}

/// RFC 7323 §7.1: without offsets all peers see one clock, which tells the time since the stack began.
#[test]
fn the_clock_of_timestamps_can_be_the_same_for_all() {
    let clock = |host: &str, offsets: bool| {
        let mut peer = Peer::with(|config| config.tcp.timestamp_offsets = offsets);
        peer.remote = host.parse().unwrap();
        peer.connects();
        let options = peer.sent.pop_front().unwrap().header.options;
        options.timestamps.unwrap().0
    };
    let ours = [clock("10.0.0.2:80", true), clock("10.0.0.3:80", true)];
    assert!(ours[0].abs_diff(ours[1]) > 1000, "{ours:?}");
    let plain = clock("10.0.0.2:80", false);
    assert_eq!(plain, clock("10.0.0.3:80", false));
    let begun = Peer::new().now.as_millis();
    assert_eq!(u64::from(plain), begun);
}

/// RFC 3168 §6.1.1.1.
#[test]
fn syns_go_on_asking_for_ecn_without_the_fallback() {
    for (fallback, asks) in [(true, false), (false, true)] {
        let mut peer = Peer::with(|config| {
            config.tcp.ecn = true;
            config.tcp.ecn_fallback = fallback;
        });
        peer.connects();
        peer.skips();
        for wait in [1, 2, 4] {
            peer.waits(secs(wait));
            let flags = peer.sent.pop_front().unwrap().header.flags;
            assert_eq!(flags.contains(ECE | CWR), asks);
        }
    }
}

/// RFC 9768 §3.1.5: of a connection that is half open, and of one that exists.
#[test]
fn syn_acks_go_on_granting_ecn_without_the_fallback() {
    for (fallback, granted) in [(true, TcpFlags::empty()), (false, CWR)] {
        for simultaneous in [false, true] {
            let mut peer = Peer::with(|config| {
                (config.tcp.ecn, config.tcp.accurate_ecn) = (true, true);
                config.tcp.ecn_fallback = fallback;
            });
            if simultaneous {
                peer.connects();
                peer.skips();
            } else {
                peer.listen(16);
            }
            peer.sends(syn().flags(SYN | ALL));
            for (wait, flags) in [(0, CWR), (1, CWR), (2, granted), (4, granted)] {
                peer.waits(secs(wait));
                let seen = peer.sent.pop_front().unwrap();
                assert_eq!(seen.header.flags, SYN_ACK | flags, "{simultaneous} {wait}");
            }
        }
    }
}

#[test]
fn data_goes_on_being_capable_without_the_fallback() {
    for (fallback, mark) in [(true, 0), (false, 2)] {
        let mut peer = Peer::with(|config| {
            config.tcp.ecn = true;
            config.tcp.ecn_fallback = fallback;
        });
        peer.listen(16);
        peer.sends(syn().flags(SYN | ECE | CWR));
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().seq(1).ack(1));
        peer.accept();
        peer.writes(30 * 1460);
        peer.waits(ms(500));
        peer.skips();
        // Only what was sent again has arrived.
        peer.sends(tcp().ack(1 + 1460));
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 10 * 1460));
        let new = |seen: &Seen| seen.seq > 10 * 1460;
        let marks: Vec<_> = peer.sent.iter().filter(|seen| new(seen)).collect();
        assert!(!marks.is_empty() && marks.iter().all(|seen| seen.ecn == mark));
    }
}

/// The sizes of both buffers after a few round trips in which they are used up.
fn grown_buffers(change: impl FnOnce(&mut Config), option: Option<TcpOption>) -> (usize, usize) {
    let mut peer = Peer::with(|config| {
        (config.tcp.recv_buffer, config.tcp.send_buffer) = (60_000, 10_000);
        change(config);
    });
    peer.window = 60_000;
    peer.handshake_in(ms(100), syn().scale(7));
    if let Some(option) = option {
        peer.sets(option);
    }
    for _ in 0..5 {
        let segments = peer.info().receive_window / 1460;
        let batch: Vec<_> = (0..segments).map(|_| tcp().data(1460)).collect();
        peer.sends_batch(&batch);
        peer.reads(segments * 1460);
        peer.skips();
        peer.waits(ms(100));
    }
    if option.is_some() {
        // The scale of the handshake does for it.
        assert!(peer.info().receive_window > 65_535);
    }
    let id = peer.id();
    let send = peer.stack.tcp(id, peer.now).unwrap().send_buffer();
    (peer.info().receive_buffer, send)
}

#[test]
fn buffers_can_be_kept_from_growing() {
    let (receive, send) = grown_buffers(|_| {}, None);
    assert!(receive > 200_000 && send == 2 * 10 * 1460);
    let (receive, send) = grown_buffers(|config| config.tcp.recv_autotuning = false, None);
    assert_eq!((receive, send), (60_000, 2 * 10 * 1460));
    let (receive, send) = grown_buffers(|config| config.tcp.send_autotuning = false, None);
    assert!(receive > 200_000 && send == 10_000);
    // Who asks for it gets it.
    let asks = TcpOption::RecvBufferMax(150_000);
    let (receive, _) = grown_buffers(|config| config.tcp.recv_autotuning = false, Some(asks));
    assert_eq!(receive, 150_000);
}

/// draft-ietf-ccwg-bbr §4.1.2.4.
#[test]
fn samples_can_leave_out_what_the_application_limits() {
    for tells in [true, false] {
        let mut peer = Peer::established_with(syn(), |config| {
            config.tcp.app_limited_samples = tells;
        });
        peer.writes(1460);
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 1460));
        let id = peer.id();
        let connection = peer.stack.sockets.tcp(id).unwrap().connection().unwrap();
        assert_eq!(connection.board.rate.latest.app_limited, tells);
    }
}

/// draft-ietf-ccwg-bbr, Restarting From Idle: an idle time shows the round trip as well as ProbeRTT, which
/// would leave four segments; that the application was idle is known, whatever samples tell.
#[test]
fn an_idle_connection_is_known_to_be_without_marked_samples() {
    for tells in [true, false] {
        let mut peer = Peer::with(|config| {
            config.tcp.congestion = crate::config::CongestionAlgorithm::Bbr;
            config.tcp.app_limited_samples = tells;
        });
        peer.handshake_in(ms(50), syn().sack_permitted());
        peer.writes(1460);
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 1460));
        peer.waits(secs(6));
        peer.writes(1460);
        peer.skips();
        peer.waits(ms(50));
        peer.sends(tcp().ack(1 + 2 * 1460));
        assert!(peer.info().cwnd >= 10 * 1460, "{tells}");
    }
}

/// Ten million bytes a second are 10,000 in a millisecond.
#[test]
fn super_segments_can_be_as_long_as_a_packet() {
    for (autosizing, segments) in [(true, 6), (false, 24)] {
        let caps = crate::DeviceCaps {
            tso: true,
            tx_checksum: true,
            ..crate::DeviceCaps::default()
        };
        let change = |config: &mut Config| {
            config.tcp.initial_window = 12;
            config.tcp.segment_autosizing = autosizing;
        };
        let mut peer = Peer::build(false, change, caps);
        peer.handshake_in(ms(5), syn());
        peer.sets(TcpOption::MaxPacingRate(Some(10_000_000)));
        peer.writes(100 * 1460);
        peer.skips();
        peer.waits(ms(5));
        peer.sends(tcp().ack(1 + 12 * 1460));
        assert_eq!(peer.takes()[0].1, segments * 1460);
    }
}

/// Of a window of ten segments one leaves at once; of the others as many wait as keep the path busy for the
/// configured time, two at least.
#[test]
fn a_connection_has_its_share_of_the_queue_at_most() {
    for (time, waiting) in [(Some(ms(2)), 2), (Some(ms(10)), 5), (None, 9)] {
        let mut peer = Peer::with(|config| config.tcp.device_queue_time = time);
        peer.handshake_in(ms(50), syn());
        let config = TbfConfig {
            limit: 1 << 20,
            ..TbfConfig::new(Rate::from_bytes(1000), 1600)
        };
        let tbf = Tbf::new(config, peer.now);
        peer.stack.set_qdisc(peer.iface, tbf, peer.now).unwrap();
        peer.writes(20 * 1460);
        let stats = peer.stack.qdisc_stats(peer.iface).unwrap();
        assert_eq!(stats.backlog_packets, waiting, "{time:?}");
    }
}
