//! Buffers that grow with the path.

use super::*;
use crate::Config;
use crate::socket::TcpOption;

const START: usize = 60_000;

/// Buffers that begin small, on a path of 100 ms.
fn over_a_long_path(change: impl FnOnce(&mut Config)) -> Peer {
    let mut peer = Peer::with(|config| {
        config.tcp.recv_buffer = START;
        config.tcp.send_buffer = START;
        change(config);
    });
    peer.window = 60_000;
    peer.handshake_in(ms(100), syn().sack_permitted().scale(7));
    peer
}

/// The peer sends as much as it may, up to `most`.
fn fills_the_window(peer: &mut Peer, most: u32) -> u32 {
    let segments = peer.info().receive_window.min(most) / 1460;
    let batch: std::vec::Vec<_> = (0..segments).map(|_| tcp().data(1460)).collect();
    peer.sends_batch(&batch);
    peer.skips();
    segments * 1460
}

/// Each round trip the reader takes what the window lets in, which asks for twice that.
#[test]
fn the_receive_buffer_doubles_while_its_reader_keeps_up() {
    let mut peer = over_a_long_path(|_| {});
    let mut sizes = std::vec::Vec::new();
    for _ in 0..7 {
        let sent = fills_the_window(&mut peer, u32::MAX);
        peer.reads(sent);
        peer.skips();
        sizes.push(peer.info().receive_buffer);
        peer.waits(ms(100));
    }
    // The first measurement ends with the first round trip.
    assert!(sizes[0] <= 2 * START + 16 * 1460, "{sizes:?}");
    assert!(sizes[6] > 16 * START, "{sizes:?}");
    assert!(
        sizes
            .windows(2)
            .all(|pair| pair[0] <= pair[1] && pair[1] <= 3 * pair[0])
    );
    assert!(peer.info().receive_window as usize > 15 * START);
}

#[test]
fn a_slow_reader_gets_no_larger_buffer() {
    let mut peer = over_a_long_path(|_| {});
    fills_the_window(&mut peer, u32::MAX);
    for _ in 0..20 {
        peer.reads(1460);
        fills_the_window(&mut peer, u32::MAX);
        peer.waits(ms(100));
    }
    assert_eq!(peer.info().receive_buffer, START);
}

#[test]
fn the_receive_buffer_has_a_ceiling() {
    let mut peer = over_a_long_path(|config| config.tcp.recv_buffer_max = 200_000);
    for _ in 0..7 {
        let sent = fills_the_window(&mut peer, u32::MAX);
        peer.reads(sent);
        peer.waits(ms(100));
        peer.skips();
    }
    assert_eq!(peer.info().receive_buffer, 200_000);
}

/// `SO_RCVBUF` ends the growing, as in Linux.
#[test]
fn a_size_that_the_application_has_chosen_stays() {
    let mut peer = over_a_long_path(|_| {});
    peer.sets(TcpOption::RecvBuffer(80_000));
    peer.sets(TcpOption::SendBuffer(80_000));
    for _ in 0..5 {
        let sent = fills_the_window(&mut peer, u32::MAX);
        peer.reads(sent);
        peer.waits(ms(100));
        peer.skips();
    }
    assert_eq!(peer.info().receive_buffer, 80_000);
    let id = peer.id();
    assert_eq!(peer.stack.tcp(id, peer.now).unwrap().send_buffer(), 80_000);
}

/// The round trip by which a receiver measures is that of the timestamps that come back.
#[test]
fn timestamps_tell_a_receiver_the_round_trip() {
    let mut peer = Peer::with(|config| config.tcp.recv_buffer = START);
    peer.clock = Some(1000);
    peer.handshake_in(ms(1), syn().scale(7).timestamps(1000, 0));
    for _ in 0..4 {
        // By the handshake's round trip this would be a thousandth of what it is.
        peer.waits(ms(100));
        peer.clock = peer.clock.map(|clock| clock + 100);
        let sent = fills_the_window(&mut peer, 50_000);
        peer.reads(sent);
        peer.skips();
    }
    let buffer = peer.info().receive_buffer;
    assert!((90_000..150_000).contains(&buffer), "{buffer}");
}

#[test]
fn the_send_buffer_follows_the_congestion_window() {
    let mut peer = over_a_long_path(|config| {
        config.tcp.send_buffer = 10_000;
        config.tcp.initial_window = 4;
        config.tcp.send_buffer_max = 40_000;
    });
    let id = peer.id();
    let buffer = |peer: &mut Peer| peer.stack.tcp(id, peer.now).unwrap().send_buffer();
    assert_eq!(buffer(&mut peer), 2 * 4 * 1460);
    peer.writes(2 * 4 * 1460);
    peer.waits(ms(100));
    peer.skips();
    peer.sends(tcp().ack(1 + 4 * 1460));
    assert_eq!(buffer(&mut peer), 2 * 8 * 1460);
    peer.waits(ms(100));
    peer.sends(tcp().ack(1 + 8 * 1460));
    assert_eq!(buffer(&mut peer), 2 * 12 * 1460);
    peer.writes(12 * 1460);
    peer.waits(ms(100));
    peer.sends(tcp().ack(1 + 20 * 1460));
    assert_eq!(buffer(&mut peer), 40_000);
}

/// RFC 7323 §2.3: at most 14, which is a window of almost 1 GiB.
#[test]
fn the_window_scale_is_that_of_the_ceiling() {
    for (ceiling, scale) in [
        (1 << 16, 1),
        (32 << 20, 10),
        (512 << 20, 14),
        (usize::MAX, 14),
    ] {
        let mut peer = Peer::with(|config| {
            config.tcp.recv_buffer = START;
            config.tcp.recv_buffer_max = ceiling;
        });
        peer.connects();
        peer.expects(tcp().flags(SYN).scale(scale));
    }
}
