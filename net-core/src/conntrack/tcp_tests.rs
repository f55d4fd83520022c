//! Connections as somebody in the middle sees them.

use super::*;
use Direction::{Original, Reply};

fn segment(flags: TcpFlags, seq: u32, ack: u32, data: u32) -> Glance {
    Glance {
        seq: SeqNum::new(seq),
        ack: SeqNum::new(ack),
        flags,
        window: 1000,
        scale: None,
        data,
    }
}

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN.union(ACK);
const RST: TcpFlags = TcpFlags::RST;
const SYN_ACK: TcpFlags = SYN.union(ACK);

/// A connection from number 100 to number 500, established.
fn established() -> TcpTrack {
    let mut track = TcpTrack::begin(&segment(SYN, 100, 0, 0), false).unwrap();
    assert_eq!(track.state, TcpState::SynSent);
    assert_eq!(
        track.follow(Reply, &segment(SYN_ACK, 500, 101, 0)),
        Fit::Fits
    );
    assert_eq!(track.state, TcpState::SynReceived);
    assert_eq!(
        track.follow(Original, &segment(ACK, 101, 501, 0)),
        Fit::Fits
    );
    assert_eq!(track.state, TcpState::Established);
    track
}

#[test]
fn a_connection_is_followed_from_its_syn_to_its_last_acknowledgement() {
    let mut track = established();
    for (direction, sent, state) in [
        (Original, segment(ACK, 101, 501, 300), TcpState::Established),
        (Reply, segment(ACK, 501, 401, 1000), TcpState::Established),
        (Original, segment(FIN, 401, 1501, 0), TcpState::FinWait),
        (Original, segment(FIN, 401, 1501, 0), TcpState::FinWait),
        (Reply, segment(ACK, 1501, 402, 10), TcpState::CloseWait),
        (Reply, segment(FIN, 1511, 402, 0), TcpState::LastAck),
        (Original, segment(ACK, 402, 1512, 0), TcpState::TimeWait),
    ] {
        assert_eq!(track.follow(direction, &sent), Fit::Fits, "{sent:?}");
        assert_eq!(track.state, state, "{sent:?}");
    }
    let again = segment(SYN, 9000, 0, 0);
    assert_eq!(track.follow(Original, &again), Fit::BeginsAnew);
}

#[test]
fn data_beyond_the_granted_window_is_invalid() {
    let mut track = established();
    // 1,000 bytes from 101 on have been granted.
    assert_eq!(
        track.follow(Original, &segment(ACK, 1102, 501, 1)),
        Fit::Invalid
    );
    assert_eq!(
        track.follow(Original, &segment(ACK, 101, 501, 1000)),
        Fit::Fits
    );
    // A probe of the closed window.
    assert_eq!(
        track.follow(Original, &segment(ACK, 1101, 501, 1)),
        Fit::Fits
    );
    assert_eq!(
        track.follow(Original, &segment(ACK, 1102, 501, 1)),
        Fit::Invalid
    );
    assert_eq!(track.follow(Reply, &segment(ACK, 501, 1102, 0)), Fit::Fits);
    assert_eq!(
        track.follow(Original, &segment(ACK, 1102, 501, 1)),
        Fit::Fits
    );
}

#[test]
fn data_older_than_the_largest_window_is_invalid() {
    let mut track = established();
    for round in 0..5 {
        let (seq, ack) = (101 + round * 1000, 1101 + round * 1000);
        assert_eq!(
            track.follow(Original, &segment(ACK, seq, 501, 1000)),
            Fit::Fits
        );
        assert_eq!(track.follow(Reply, &segment(ACK, 501, ack, 0)), Fit::Fits);
    }
    assert_eq!(
        track.follow(Original, &segment(ACK, 4101, 501, 1000)),
        Fit::Fits
    );
    assert_eq!(
        track.follow(Original, &segment(ACK, 101, 501, 1000)),
        Fit::Invalid
    );
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_is_invalid() {
    let mut track = established();
    assert_eq!(
        track.follow(Reply, &segment(ACK, 501, 102, 0)),
        Fit::Invalid
    );
    assert_eq!(track.follow(Reply, &segment(ACK, 501, 101, 0)), Fit::Fits);
    let ancient = 101_u32.wrapping_sub(70_000);
    assert_eq!(
        track.follow(Reply, &segment(ACK, 501, ancient, 0)),
        Fit::Invalid
    );
}

#[test]
fn a_reset_counts_only_inside_of_the_window() {
    let mut track = established();
    assert_eq!(
        track.follow(Reply, &segment(RST, 90_000, 0, 0)),
        Fit::Invalid
    );
    assert_eq!(track.state, TcpState::Established);
    assert_eq!(track.follow(Reply, &segment(RST, 501, 0, 0)), Fit::Fits);
    assert_eq!(track.state, TcpState::Close);
}

/// RFC 5961 §3.2: its receiver only challenges it, so that the connection goes on.
#[test]
fn a_reset_that_only_hits_the_window_ends_nothing() {
    let mut track = established();
    assert_eq!(track.follow(Reply, &segment(RST, 700, 0, 0)), Fit::Fits);
    assert_eq!(track.state, TcpState::Established);
    // Behind what was sent, though not all of it is acknowledged.
    assert_eq!(track.follow(Reply, &segment(ACK, 501, 101, 99)), Fit::Fits);
    assert_eq!(track.follow(Reply, &segment(RST, 600, 0, 0)), Fit::Fits);
    assert_eq!(track.state, TcpState::Close);
}

#[test]
fn window_scales_count_when_both_ends_offer_them() {
    for (answer, fits) in [(Some(7), Fit::Fits), (None, Fit::Invalid)] {
        let syn = Glance {
            scale: Some(7),
            ..segment(SYN, 100, 0, 0)
        };
        let mut track = TcpTrack::begin(&syn, false).unwrap();
        let syn_ack = Glance {
            scale: answer,
            ..segment(SYN_ACK, 500, 101, 0)
        };
        assert_eq!(track.follow(Reply, &syn_ack), Fit::Fits);
        assert_eq!(
            track.follow(Original, &segment(ACK, 101, 501, 0)),
            Fit::Fits
        );
        assert_eq!(track.follow(Reply, &segment(ACK, 501, 101, 0)), Fit::Fits);
        let far = segment(ACK, 101 + 100_000, 501, 1);
        assert_eq!(track.follow(Original, &far), fits);
    }
}

#[test]
fn control_bits_that_cannot_be_together_are_invalid() {
    for flags in [
        TcpFlags::empty(),
        TcpFlags::FIN,
        SYN | TcpFlags::FIN,
        SYN | RST,
        TcpFlags::FIN | RST | ACK,
        TcpFlags::PSH | TcpFlags::URG,
    ] {
        let sent = segment(flags, 101, 501, 0);
        assert_eq!(
            established().follow(Original, &sent),
            Fit::Invalid,
            "{flags:?}"
        );
        assert!(TcpTrack::begin(&sent, true).is_none(), "{flags:?}");
    }
    // A SYN-ACK from where the connection began.
    let sent = segment(SYN_ACK, 101, 501, 0);
    assert_eq!(established().follow(Original, &sent), Fit::Invalid);
    // The end of a connection of which nothing is known, as Linux has it.
    assert!(TcpTrack::begin(&segment(FIN, 101, 501, 0), true).is_none());
    assert!(TcpTrack::begin(&segment(ACK, 101, 501, 0), true).is_some());
}

#[test]
fn a_connection_from_before_is_taken_up_where_that_is_wanted() {
    let middle = segment(ACK, 70_000, 90_000, 500);
    assert!(TcpTrack::begin(&middle, false).is_none());
    let mut track = TcpTrack::begin(&middle, true).unwrap();
    assert_eq!(track.state, TcpState::Established);
    assert_eq!(
        track.follow(Reply, &segment(ACK, 90_000, 70_500, 900)),
        Fit::Fits
    );
    assert_eq!(
        track.follow(Original, &segment(ACK, 70_500, 90_900, 0)),
        Fit::Fits
    );
    assert!(TcpTrack::begin(&segment(RST, 1, 1, 0), true).is_none());
    assert!(TcpTrack::begin(&segment(SYN_ACK, 1, 1, 0), true).is_none());
}

#[test]
fn a_simultaneous_open_is_an_open() {
    let mut track = TcpTrack::begin(&segment(SYN, 100, 0, 0), false).unwrap();
    for (direction, sent) in [
        (Reply, segment(SYN, 500, 0, 0)),
        (Original, segment(SYN_ACK, 100, 501, 0)),
        (Reply, segment(SYN_ACK, 500, 101, 0)),
        (Original, segment(ACK, 101, 501, 0)),
    ] {
        assert_eq!(track.follow(direction, &sent), Fit::Fits, "{sent:?}");
    }
    assert_eq!(track.state, TcpState::Established);
}

#[test]
fn a_header_that_is_cut_off_or_lies_is_no_segment() {
    let mut header = [0_u8; 24];
    header[12] = 5 << 4;
    assert_eq!(Glance::of(&header, 24).map(|glance| glance.data), Some(4));
    for (segment, len) in [(&header[..19], 19), (&header[..], 19)] {
        assert!(Glance::of(segment, len).is_none());
    }
    for offset in [4, 15] {
        header[12] = offset << 4;
        assert!(Glance::of(&header, 24).is_none(), "{offset}");
    }
}
