//! Windows (RFC 9293 §3.8.6, RFC 7323 §2).

use super::*;
use crate::SocketError;
use crate::socket::{Readiness, TcpOption};
use crate::tcp::{SendFlags, State};

/// RFC 9293 MUST-34, MUST-35: sent data may fall outside of a window that shrank; MUST-37: the
/// connection stays while the peer answers.
#[test]
fn a_peer_that_shuts_its_window_over_data_in_flight_keeps_the_connection() {
    let mut peer = Peer::established();
    peer.writes(1000);
    peer.expects(tcp().seq(1).data(1000));
    for _ in 0..40 {
        peer.sends(tcp().ack(1).window(0));
        peer.waits(secs(121));
        assert!(peer.skips() > 0);
    }
    assert_eq!(peer.state(), State::Established);
    peer.sends(tcp().ack(1).window(5000));
    peer.waits(secs(121));
    peer.expects(tcp().seq(1).data(1000));
    peer.sends(tcp().ack(1001));
    assert_eq!(peer.info().send_queue, 0);
}
