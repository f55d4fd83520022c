//! What holds a connection up, and for how long.

use super::*;
use crate::socket::TcpOption;
use crate::tcp::Limit;
use core::time::Duration;

fn by(peer: &mut Peer, limit: Limit) -> Duration {
    peer.info().limited.by(limit)
}

#[test]
fn the_time_is_split_by_what_holds_the_connection_up() {
    let mut peer = Peer::established();
    assert_eq!(peer.info().limit, Limit::Application);
    let before = by(&mut peer, Limit::Application);
    peer.waits(secs(3));
    assert_eq!(by(&mut peer, Limit::Application), before + secs(3));

    peer.sends(tcp().window(0));
    peer.writes(20_000);
    assert_eq!(peer.info().limit, Limit::ReceiveWindow);
    peer.waits(ms(150));
    assert_eq!(by(&mut peer, Limit::ReceiveWindow), ms(150));

    peer.sends(tcp().ack(1).window(65_535));
    peer.skips();
    assert_eq!(peer.info().limit, Limit::CongestionWindow);
    peer.waits(ms(70));
    assert_eq!(by(&mut peer, Limit::CongestionWindow), ms(70));

    peer.sends(tcp().ack(14_601).window(65_535));
    peer.skips();
    peer.sends(tcp().ack(20_001).window(65_535));
    assert_eq!(peer.info().limit, Limit::Application);
    let total: Duration = Limit::ALL.map(|limit| by(&mut peer, limit)).iter().sum();
    assert_eq!(total, before + secs(3) + ms(220));
}

#[test]
fn a_full_send_buffer_is_told_from_an_application_that_is_slow() {
    let mut peer = Peer::established();
    peer.sets(TcpOption::NoDelay(true));
    peer.sets(TcpOption::SendBuffer(4380));
    peer.writes(3000);
    assert_eq!(peer.info().limit, Limit::Application);
    peer.writes(1380);
    peer.skips();
    assert_eq!(peer.info().limit, Limit::SendBuffer);
}

#[test]
fn a_repair_counts_apart() {
    let mut peer = Peer::established();
    peer.writes(4380);
    peer.skips();
    peer.waits(secs(1));
    assert!(peer.skips() > 0);
    assert_eq!(peer.info().limit, Limit::Recovery);
    assert!(by(&mut peer, Limit::Recovery) > ms(500));
}
