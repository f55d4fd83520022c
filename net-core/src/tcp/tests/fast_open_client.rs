//! TCP Fast Open (RFC 7413): the client.

use super::peer::bytes;
use super::*;
use crate::socket::{Family, TcpOption};
use crate::tcp::{FastOpenFailure, State};
use crate::wire::FastOpenCookie;
use crate::{Config, SocketError};

fn client(change: impl FnOnce(&mut Config)) -> Peer {
    Peer::with(|config| {
        config.tcp.fast_open.client = true;
        change(config);
    })
}

fn cookie() -> FastOpenCookie {
    FastOpenCookie::new(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap()
}

impl Peer {
    /// The application connects, and writes so much before the SYN leaves.
    fn connects_fast(&mut self, len: u32) {
        let id = self.stack.tcp_open(Family::V4).unwrap();
        let option = TcpOption::FastOpenConnect(true);
        self.stack.set_tcp_option(id, option, self.now).unwrap();
        let outcome = self.stack.connect(id, self.remote, self.now);
        assert_eq!(outcome, Err(SocketError::InProgress));
        let data = bytes(1, len).into();
        self.stack.tcp(id, self.now).unwrap().push(data).unwrap();
        self.local = self.stack.local_addr(id).unwrap();
        self.socket = Some(id);
        (self.iss, self.nxt, self.rcv) = (None, 0, 0);
        (self.written, self.read) = (len, 0);
        self.flush();
    }

    /// One connection, for the peer's cookie.
    fn gets_cookie(&mut self) {
        self.connects_fast(10);
        self.expects(tcp().flags(SYN).fast_open(FastOpenCookie::REQUEST).bare());
        self.sends(syn().flags(SYN_ACK).ack(1).fast_open(cookie()));
        self.expects(tcp().seq(1).data(10));
        let failure = self.info().fast_open_failure;
        assert_eq!(failure, Some(FastOpenFailure::CookieUnavailable));
        self.sends(tcp().flags(RST).seq(1));
    }
}

/// §4.2.2.
#[test]
fn the_second_connection_takes_its_data_along_in_the_syn() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    peer.connects_fast(500);
    peer.expects(tcp().flags(SYN).seq(0).fast_open(cookie()).data(500));
    peer.waits(ms(40));
    peer.sends(syn().flags(SYN_ACK).ack(501));
    peer.expects(tcp().seq(501).ack(1).bare());
    let info = peer.info();
    assert_eq!((info.syn_data, info.fast_open_failure), (true, None));
    assert_eq!((info.in_flight, info.send_queue), (0, 0));
    assert_eq!(info.rtt, Some(ms(40)));
    peer.writes(100);
    peer.expects(tcp().seq(501).data(100));
    assert_eq!(peer.stack.stats().tcp_fast_open_active, 1);
}

/// §4.1.3: the SYN carries what the server's segments may, as it said then; the rest follows.
#[test]
fn a_syn_takes_along_what_fits_the_mss_that_is_remembered() {
    for (mss, fits) in [(1000, 1000 - 16), (9000, 1460 - 16)] {
        let mut peer = client(|config| {
            config.tcp.timestamps = false;
            config.tcp.sack = false;
            config.tcp.window_scaling = false;
        });
        peer.connects_fast(0);
        peer.skips();
        peer.sends(syn().flags(SYN_ACK).mss(mss).ack(1).fast_open(cookie()));
        peer.skips();
        peer.connects_fast(3000);
        let seen = peer.expects(tcp().flags(SYN).fast_open(cookie()).data(fits));
        assert_eq!(seen.header.header_len, 36);
        peer.sends(syn().flags(SYN_ACK).ack(1 + fits));
        peer.expects(tcp().seq(1 + fits).data(1460));
    }
}

/// §4.2.2: no time is lost where the data is not taken.
#[test]
fn data_that_the_syn_ack_does_not_cover_leaves_at_once() {
    for taken in [0, 200] {
        let mut peer = client(|_| {});
        peer.gets_cookie();
        peer.connects_fast(500);
        peer.expects(tcp().flags(SYN).data(500));
        peer.sends(syn().flags(SYN_ACK).ack(1 + taken));
        peer.expects(tcp().seq(1 + taken).ack(1).data(500 - taken));
        let info = peer.info();
        let failure = Some(FastOpenFailure::DataNotAcknowledged);
        assert_eq!(info.syn_data, taken > 0);
        assert_eq!(info.fast_open_failure, failure.filter(|_| taken == 0));
        assert_eq!(info.cwnd, 14600);
        peer.sends(tcp().ack(501));
        assert_eq!(peer.info().in_flight, 0);
    }
}

/// §4.2.1 step 3: a cookie that is no longer good is replaced.
#[test]
fn a_fresh_cookie_replaces_the_old_one() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    let fresh = FastOpenCookie::new(&[9; 16]).unwrap();
    peer.connects_fast(50);
    peer.skips();
    peer.sends(syn().flags(SYN_ACK).ack(1).fast_open(fresh));
    peer.expects(tcp().seq(1).data(50));
    peer.connects_fast(50);
    peer.expects(tcp().flags(SYN).fast_open(fresh).data(50));
}

/// §4.2.2, §4.1.3.1: a path that eats such SYNs gets ordinary ones, for longer each time.
#[test]
fn a_path_that_eats_fast_syns_gets_ordinary_ones_for_a_while() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    for hold_off in [60, 120, 240] {
        peer.connects_fast(50);
        peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
        let seen = peer.expects_after(secs(1), tcp().flags(SYN).seq(0).bare());
        assert_eq!(seen.header.options.fast_open, None);
        peer.sends(syn().flags(SYN_ACK).ack(1));
        peer.expects(tcp().seq(1).data(50));
        let failure = peer.info().fast_open_failure;
        assert_eq!(failure, Some(FastOpenFailure::SynRetransmitted));
        peer.sends(tcp().ack(51));
        peer.waits(secs(hold_off - 1));
        peer.connects_fast(50);
        let seen = peer.expects(tcp().flags(SYN).bare());
        assert_eq!(seen.header.options.fast_open, None);
        peer.sends(syn().flags(SYN_ACK).ack(1));
        peer.expects(tcp().seq(1).data(50));
        peer.sends(tcp().ack(51));
        peer.waits(secs(1));
    }
    assert_eq!(peer.stack.stats().tcp_fast_open_failed, 3);
}

/// The SYN was late and not lost: what it says counts.
#[test]
fn a_late_answer_to_a_fast_syn_is_no_failure() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    peer.connects_fast(50);
    peer.skips();
    peer.waits(secs(1));
    peer.skips();
    peer.sends(syn().flags(SYN_ACK).ack(51));
    peer.expects(tcp().seq(51).bare());
    assert!(peer.info().syn_data);
    peer.connects_fast(50);
    peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
}

/// §4.1.3.1: no answer at all, a RST.
#[test]
fn an_attempt_without_success_is_remembered() {
    for refused in [false, true] {
        let mut peer = client(|config| config.tcp.syn_retries = 1);
        peer.gets_cookie();
        peer.connects_fast(50);
        peer.skips();
        if refused {
            peer.sends(tcp().flags(RST_ACK).seq(0).ack(51));
        }
        peer.waits(secs(10));
        peer.skips();
        assert_eq!(peer.state(), State::Closed);
        peer.connects_fast(50);
        let seen = peer.expects(tcp().flags(SYN).bare());
        assert_eq!(seen.header.options.fast_open, None);
    }
}

/// §4.1.3.1: other ports of the same host may do better.
#[test]
fn what_fails_at_one_port_is_tried_at_others() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    peer.connects_fast(50);
    peer.skips();
    peer.sends(syn().flags(SYN_ACK).ack(1));
    peer.skips();
    peer.changes_port(4001);
    peer.connects_fast(50);
    peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
}

/// §4.2.1: a server that gives none is not asked each time.
#[test]
fn a_server_without_cookies_is_not_asked_again_soon() {
    let mut peer = client(|_| {});
    peer.connects_fast(10);
    peer.expects(tcp().flags(SYN).fast_open(FastOpenCookie::REQUEST).bare());
    peer.sends(syn().flags(SYN_ACK).ack(1));
    peer.expects(tcp().seq(1).data(10));
    for (wait, asks) in [(secs(1), false), (secs(60), true)] {
        peer.now += wait;
        peer.connects_fast(10);
        let seen = peer.expects(tcp().flags(SYN).bare());
        assert_eq!(seen.header.options.fast_open.is_some(), asks);
    }
}

/// The SYN arrives, and of what follows nothing does.
#[test]
fn a_black_hole_behind_a_fast_syn_is_remembered() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    peer.connects_fast(50);
    peer.skips();
    peer.sends(syn().flags(SYN_ACK).ack(51));
    peer.writes(1000);
    peer.waits(secs(10));
    peer.skips();
    peer.connects_fast(50);
    let seen = peer.expects(tcp().flags(SYN).bare());
    assert_eq!(seen.header.options.fast_open, None);
}

/// §4.2.2: both sides open at once; what the peer does not take of ours it gets behind the handshake.
#[test]
fn a_simultaneous_open_with_data_in_the_syn_loses_nothing() {
    for taken in [0, 50] {
        let mut peer = client(|_| {});
        peer.gets_cookie();
        peer.connects_fast(50);
        peer.expects(tcp().flags(SYN).data(50));
        peer.sends(syn());
        let seen = peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1).bare());
        assert_eq!(seen.header.options.fast_open, None, "the peer's own");
        peer.sends(syn().seq(0).flags(SYN_ACK).ack(1 + taken));
        assert_eq!(peer.state(), State::Established);
        if taken == 0 {
            peer.expects(tcp().seq(1).ack(1).data(50));
        }
        peer.skips();
        peer.sends(tcp().seq(1).ack(51).data(5));
        peer.reads(5);
        assert_eq!(peer.info().send_queue, 0);
    }
}

#[test]
fn an_acknowledgement_of_more_than_the_syn_took_along_is_reset() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    peer.connects_fast(50);
    peer.skips();
    for wrong in [0, 52] {
        peer.sends(syn().seq(0).flags(SYN_ACK).ack(wrong));
        peer.expects(tcp().flags(RST).seq(wrong));
    }
    assert_eq!(peer.state(), State::SynSent);
}

#[test]
fn without_leave_of_the_configuration_there_is_no_fast_open() {
    let mut peer = Peer::new();
    let id = peer.stack.tcp_open(Family::V4).unwrap();
    let option = TcpOption::FastOpenConnect(true);
    let outcome = peer.stack.set_tcp_option(id, option, peer.now);
    assert!(matches!(outcome, Err(SocketError::Unsupported(_))));
    let mut peer = client(|_| {});
    peer.connects();
    let seen = peer.expects(tcp().flags(SYN));
    assert_eq!(seen.header.options.fast_open, None);
}

/// §4.1.1: the option belongs into SYNs.
#[test]
fn a_cookie_without_a_syn_is_ignored() {
    let mut peer = client(|_| {});
    peer.connects_fast(0);
    peer.expects(tcp().flags(SYN).fast_open(FastOpenCookie::REQUEST));
    peer.sends(syn());
    peer.expects(tcp().flags(SYN_ACK).seq(0).ack(1));
    peer.sends(tcp().seq(1).ack(1).fast_open(cookie()));
    assert_eq!(peer.state(), State::Established);
    peer.changes_port(4001);
    peer.connects_fast(10);
    let seen = peer.expects(tcp().flags(SYN).bare());
    assert_ne!(seen.header.options.fast_open, Some(cookie()));
}

/// §4.1.3.1: such a SYN is always answered; only what follows tells that the path is a bad one.
#[test]
fn black_holes_are_avoided_for_longer_each_time() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    for hold_off in [60, 120] {
        peer.connects_fast(50);
        peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
        peer.sends(syn().flags(SYN_ACK).ack(51));
        peer.writes(1000);
        // The third timeout.
        while peer.stack.stats().tcp_fast_open_failed < hold_off / 60 {
            peer.waits(ms(100));
        }
        peer.sends(tcp().flags(RST).seq(1));
        peer.skips();
        peer.now += secs(hold_off - 1);
        peer.connects_fast(50);
        let seen = peer.expects(tcp().flags(SYN).bare());
        assert_eq!(seen.header.options.fast_open, None);
        peer.sends(tcp().flags(RST_ACK).seq(0).ack(1));
        peer.now += secs(1);
    }
}

/// A connection that the peer has answered makes up for what was before.
#[test]
fn data_behind_a_fast_syn_makes_failures_forgotten() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    for brings in [0, 5, 0] {
        peer.connects_fast(50);
        peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
        if brings > 0 {
            peer.sends(syn().flags(SYN_ACK).ack(51));
            peer.expects(tcp().seq(51).bare());
            peer.sends(tcp().seq(1).ack(51).data(brings));
            peer.sends(tcp().flags(RST).seq(6));
            peer.skips();
        } else {
            peer.sends(tcp().flags(RST_ACK).seq(0).ack(51));
            peer.now += secs(60);
        }
    }
    peer.connects_fast(50);
    peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
}

/// Attempts that were under way together are one failure.
#[test]
fn attempts_that_fail_together_count_once() {
    let mut peer = client(|config| config.tcp.syn_retries = 1);
    peer.gets_cookie();
    for _ in 0..5 {
        peer.connects_fast(50);
        peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
    }
    peer.waits(secs(10));
    assert_eq!(peer.stack.stats().tcp_fast_open_failed, 5);
    peer.now += secs(60);
    peer.connects_fast(50);
    peer.sent
        .retain(|seen| seen.header.source_port == peer.local.port());
    peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
}

/// What the application does says nothing of the path.
#[test]
fn an_attempt_that_is_given_up_is_no_failure() {
    let mut peer = client(|_| {});
    peer.gets_cookie();
    for _ in 0..2 {
        peer.connects_fast(50);
        peer.expects(tcp().flags(SYN).fast_open(cookie()).data(50));
        let id = peer.id();
        peer.stack.tcp(id, peer.now).unwrap().abort();
    }
    assert_eq!(peer.stack.stats().tcp_fast_open_failed, 0);
}
