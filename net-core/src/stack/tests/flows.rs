//! Flows that a stack follows.

use super::filter::{router, segment, segment_of, set_ack};
use super::*;
use crate::conntrack::{FlowStatus, TcpState, Timeouts, TrackConfig};
use crate::tcp::SeqNum;
use crate::time::Duration;
use crate::wire::{TcpFlags, TcpHeader};

/// A router that lets nothing in from the far side but what belongs to flows from the near one.
pub(super) fn firewall() -> (Host, IfaceId) {
    let (mut host, far) = router();
    host.stack.set_forwarding(far, true).unwrap();
    host.filter(
        "table inet t {
            chain forward {
                type filter hook forward priority 0; policy drop;
                ct state established,related accept
                iifname tun0 ct state new accept
            }
        }",
    );
    (host, far)
}

/// Whether a packet that comes over one interface leaves over the other.
pub(super) fn passes(host: &mut Host, from: IfaceId, to: IfaceId, packet: TxPacket) -> bool {
    host.inject_at(from, packet);
    !host.sent_over(to).is_empty()
}

#[test]
fn answers_pass_and_strangers_do_not() {
    let (mut host, far) = firewall();
    let near = host.wire;
    let answer = || datagram("10.9.0.9:53", "10.7.0.9:5", b"answer");
    assert!(!passes(&mut host, far, near, answer()), "nobody has asked");
    let question = datagram("10.7.0.9:5", "10.9.0.9:53", b"question");
    assert!(passes(&mut host, near, far, question));
    assert!(passes(&mut host, far, near, answer()));
    let stranger = datagram("10.9.0.8:53", "10.7.0.9:5", b"answer");
    assert!(!passes(&mut host, far, near, stranger));
    let other_port = datagram("10.9.0.9:53", "10.7.0.9:6", b"answer");
    assert!(!passes(&mut host, far, near, other_port));
    let v6 = datagram("[fd07::9]:5", "[fd09::9]:53", b"question");
    assert!(passes(&mut host, near, far, v6));
    let v6 = datagram("[fd09::9]:53", "[fd07::9]:5", b"answer");
    assert!(passes(&mut host, far, near, v6));
    let stats = host.stack.track_stats().unwrap();
    assert_eq!(
        (stats.flows, stats.begun),
        (2, 2),
        "what is dropped leaves nothing behind"
    );
}

#[test]
fn a_connection_is_shown_with_its_state() {
    let (mut host, far) = firewall();
    let near = host.wire;
    let (client, server) = ("10.7.0.9:5", "10.9.0.9:80");
    let both = TcpFlags::SYN | TcpFlags::ACK;
    let middle = segment(client, server, TcpFlags::ACK, b"x");
    assert!(passes(
        &mut host,
        near,
        far,
        segment(client, server, TcpFlags::SYN, b"")
    ));
    let mut answer = segment(server, client, both, b"");
    // It acknowledges 1001.
    set_ack(&mut answer, 1001);
    assert!(passes(&mut host, far, near, answer));
    let flow = host.stack.flows().next().unwrap();
    assert_eq!(flow.tcp, Some(TcpState::SynReceived));
    assert_eq!(flow.status, FlowStatus::SEEN_REPLY);
    assert_eq!(flow.original.dest, ip("10.9.0.9"));
    assert_eq!(flow.reply, flow.original.inverse());
    assert!(
        !passes(&mut host, near, far, middle),
        "of what was never sent"
    );
    assert_eq!(host.stack.track_stats().unwrap().invalid, 1);
}

#[test]
fn an_echo_has_one_answer_flow_and_an_answer_begins_none() {
    let (mut host, far) = firewall();
    let near = host.wire;
    let request = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    let reply = IcmpMessage::EchoReply { ident: 7, seq: 1 };
    let answer = || icmp("10.9.0.9", "10.7.0.9", &reply, b"x");
    assert!(!passes(&mut host, far, near, answer()));
    assert!(!passes(
        &mut host,
        near,
        far,
        icmp("10.7.0.9", "10.9.0.9", &reply, b"x")
    ));
    assert!(passes(
        &mut host,
        near,
        far,
        icmp("10.7.0.9", "10.9.0.9", &request, b"x")
    ));
    assert!(passes(&mut host, far, near, answer()));
    assert!(passes(
        &mut host,
        near,
        far,
        icmp("fd07::9", "fd09::9", &request, b"x")
    ));
    assert!(passes(
        &mut host,
        far,
        near,
        icmp("fd09::9", "fd07::9", &reply, b"x")
    ));
}

#[test]
fn an_error_belongs_to_the_flow_that_it_quotes() {
    let (mut host, far) = firewall();
    let near = host.wire;
    let question = || datagram("10.7.0.9:5", "10.9.0.9:53", b"question");
    let unreachable = IcmpMessage::Unreachable { code: 3 };
    let quoted = bytes_of(&question());
    let error = || icmp("10.9.0.7", "10.7.0.9", &unreachable, &quoted);
    assert!(
        !passes(&mut host, far, near, error()),
        "it quotes what nobody knows"
    );
    assert!(passes(&mut host, near, far, question()));
    assert!(passes(&mut host, far, near, error()));
    let elsewhere = icmp("10.9.0.7", "10.7.0.8", &unreachable, &quoted);
    assert!(
        !passes(&mut host, far, near, elsewhere),
        "not to who sent it"
    );
    let short = icmp("10.9.0.7", "10.7.0.9", &unreachable, &quoted[..24]);
    assert!(!passes(&mut host, far, near, short));
    assert_eq!(host.stack.track_stats().unwrap().related, 1);
}

#[test]
fn a_flow_is_forgotten_when_its_time_has_come() {
    let (mut host, far) = firewall();
    let near = host.wire;
    let question = || datagram("10.7.0.9:5", "10.9.0.9:53", b"question");
    let answer = || datagram("10.9.0.9:53", "10.7.0.9:5", b"answer");
    assert!(passes(&mut host, near, far, question()));
    host.now += Duration::from_secs(119);
    assert!(passes(&mut host, far, near, answer()));
    // What goes both ways is remembered longer (RFC 4787 REQ-5).
    host.now += Duration::from_secs(299);
    host.stack.handle_timeout(host.now);
    assert!(passes(&mut host, far, near, answer()));
    host.now += Duration::from_secs(301);
    assert!(
        !passes(&mut host, far, near, answer()),
        "also before the timer rings"
    );
    let due = host.stack.poll_timeout();
    assert!(due.is_none_or(|due| due <= host.now + Duration::from_secs(1)));
    host.now += Duration::from_secs(2);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.stack.flows().count(), 0);
    assert_eq!(host.stack.poll_timeout(), None);
}

/// They could fill the table for days.
#[test]
fn acknowledgements_that_nobody_answers_hold_no_place_for_long() {
    let (mut host, far) = firewall();
    let near = host.wire;
    for _ in 0..3 {
        let ack = segment("10.7.0.9:5", "10.9.0.9:80", TcpFlags::ACK, b"");
        assert!(passes(&mut host, near, far, ack));
    }
    let flow = host.stack.flows().next().unwrap();
    assert_eq!(flow.tcp, Some(TcpState::Established));
    assert_eq!(flow.status, FlowStatus::empty());
    assert!(flow.expires_in <= Timeouts::default().tcp_transitory);
}

#[test]
fn a_connection_that_is_over_leaves_its_place_though_its_timer_was_long() {
    let (mut host, far) = firewall();
    let near = host.wire;
    let ack = || segment("10.7.0.9:5", "10.9.0.9:80", TcpFlags::ACK, b"");
    let answer = |flags| {
        let header = TcpHeader {
            seq: SeqNum::new(2000),
            ack: SeqNum::new(1000),
            flags,
            ..TcpHeader::default()
        };
        segment_of("10.9.0.9:80", "10.7.0.9:5", header, b"")
    };
    assert!(passes(&mut host, near, far, ack()));
    assert!(passes(&mut host, far, near, answer(TcpFlags::ACK)));
    assert!(passes(&mut host, near, far, ack()));
    // Its timer is set anew, to five days.
    host.now += Duration::from_secs(300);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.stack.flows().count(), 1);
    let reset = answer(TcpFlags::RST | TcpFlags::ACK);
    assert!(passes(&mut host, far, near, reset));
    host.now += Timeouts::default().tcp_close + Duration::from_secs(2);
    host.stack.handle_timeout(host.now);
    assert_eq!(host.stack.flows().count(), 0);
}

#[test]
fn a_flood_evicts_what_nobody_has_answered_and_spares_the_rest() {
    let (mut host, far) = firewall();
    let near = host.wire;
    host.stack.set_tracking(Some(TrackConfig {
        max_flows: 64,
        timeouts: Timeouts::default(),
        ..TrackConfig::default()
    }));
    let (question, answer) = (
        || datagram("10.7.0.9:5", "10.9.0.9:53", b"question"),
        || datagram("10.9.0.9:53", "10.7.0.9:5", b"answer"),
    );
    assert!(passes(&mut host, near, far, question()));
    assert!(passes(&mut host, far, near, answer()));
    assert!(
        passes(&mut host, near, far, question()),
        "now it is assured"
    );
    for port in 1000..3000 {
        let dest = std::format!("10.9.0.9:{port}");
        host.inject(datagram("10.7.0.9:5", &dest, b"flood"));
        host.sent_over(far);
    }
    let stats = host.stack.track_stats().unwrap();
    assert_eq!(stats.flows, 64);
    assert_eq!(stats.evicted + stats.refused, 2001 - 64);
    assert!(passes(&mut host, far, near, answer()), "it is still known");
}

#[test]
fn a_full_table_of_flows_in_use_refuses_new_ones() {
    let (mut host, far) = firewall();
    let near = host.wire;
    host.stack.set_tracking(Some(TrackConfig {
        max_flows: 2,
        ..TrackConfig::default()
    }));
    for port in [1, 2] {
        let dest = std::format!("10.9.0.9:{port}");
        for _ in 0..2 {
            assert!(passes(
                &mut host,
                near,
                far,
                datagram("10.7.0.9:5", &dest, b"x")
            ));
            host.inject_at(far, datagram(&dest, "10.7.0.9:5", b"x"));
        }
        host.sent();
    }
    assert!(!passes(
        &mut host,
        near,
        far,
        datagram("10.7.0.9:5", "10.9.0.9:3", b"x")
    ));
    host.assert_dropped(DropReason::FlowTableFull, 1);
}

#[test]
fn marks_of_flows_are_set_once_and_read_from_every_packet() {
    let (mut host, far) = router();
    host.stack.set_forwarding(far, true).unwrap();
    let near = host.wire;
    host.filter(
        "table inet t {
            chain forward {
                type filter hook forward priority 0
                ct state new udp dport 53 ct mark set 0x35
                ct direction reply ct mark 0x35 meta mark set 9
            }
        }",
    );
    assert!(passes(
        &mut host,
        near,
        far,
        datagram("10.7.0.9:5", "10.9.0.9:53", b"x")
    ));
    host.inject_at(far, datagram("10.9.0.9:53", "10.7.0.9:5", b"x"));
    assert_eq!(host.sent()[0].meta.mark, 9);
    assert_eq!(host.stack.flows().next().unwrap().mark, 0x35);
    host.stack.clear_filter();
    assert_eq!(
        host.stack.track_stats(),
        None,
        "only the filter had asked for it"
    );
}

#[test]
fn what_is_not_to_be_tracked_is_not() {
    let (mut host, far) = router();
    host.filter(
        "table inet t {
            chain early { type filter hook prerouting priority raw; udp dport 7 notrack; }
            chain c { type filter hook forward priority 0; policy drop; ct state untracked accept; }
        }",
    );
    let near = host.wire;
    assert!(passes(
        &mut host,
        near,
        far,
        datagram("10.7.0.9:5", "10.9.0.9:7", b"x")
    ));
    assert!(!passes(
        &mut host,
        near,
        far,
        datagram("10.7.0.9:5", "10.9.0.9:8", b"x")
    ));
    assert_eq!(host.stack.flows().count(), 0);
}

#[test]
fn no_bytes_make_it_panic_and_the_table_stays_bounded() {
    let (mut host, far) = router();
    host.stack.set_forwarding(far, true).unwrap();
    host.filter(
        "table inet t {
            chain pre { type nat hook prerouting priority dstnat; tcp dport 80 dnat to :8080; }
            chain post { type nat hook postrouting priority srcnat
                oifname tun1 masquerade endpoint-independent; }
            chain c { type filter hook forward priority 0; ct state invalid log; tcp flags syn counter; }
        }",
    );
    let max_flows = 200;
    let config = TrackConfig {
        max_flows,
        ..TrackConfig::default()
    };
    host.stack.set_tracking(Some(config));
    let error = IcmpMessage::Unreachable { code: 3 };
    let question = || datagram("10.7.0.9:5", "10.9.0.9:53", b"question");
    let question_v6 = || datagram("[fd07::9]:5", "[fd09::9]:53", b"question");
    let outer = datagram("10.9.0.1:5", "10.9.0.9:53", b"question");
    let outer_v6 = datagram("[fd09::1]:5", "[fd09::9]:53", b"question");
    let bases = [
        segment("10.7.0.9:5", "10.9.0.9:80", TcpFlags::SYN, b"data"),
        question(),
        question_v6(),
        icmp("10.9.0.9", "10.9.0.1", &error, &bytes_of(&outer)),
        icmp("fd09::9", "fd09::1", &error, &bytes_of(&outer_v6)),
        icmp(
            "10.7.0.9",
            "10.9.0.9",
            &IcmpMessage::EchoRequest { ident: 7, seq: 1 },
            b"x",
        ),
    ];
    let mut rng = Seed::from_u64(11).rng("bytes");
    let mut below = |bound: usize| usize::try_from(rng.below(bound as u64)).unwrap();
    for _ in 0..20_000 {
        let mut bytes = bytes_of(&bases[below(bases.len())]);
        for _ in 0..below(4) {
            let at = below(bytes.len());
            bytes[at] = u8::try_from(below(256)).unwrap();
        }
        bytes.truncate(bytes.len() - below(2) * below(bytes.len() / 2));
        if bytes[0] >> 4 == 4 && bytes.len() >= 20 {
            let len = u16::try_from(bytes.len()).unwrap();
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[10..12].fill(0);
            let header = (usize::from(bytes[0] & 15) * 4).min(bytes.len());
            let sum = crate::wire::checksum::checksum(&bytes[..header]);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let over = if below(2) == 0 { host.wire } else { far };
        host.inject_at(over, RxPacket::from_frame(bytes));
        host.sent();
        host.sent_over(far);
        assert!(host.stack.flows().count() <= max_flows);
        host.now += Duration::from_millis(20);
        host.stack.handle_timeout(host.now);
    }
    let stats = host.stack.track_stats().unwrap();
    assert!(
        stats.begun > 1000 && stats.invalid > 1000 && stats.related > 20,
        "{stats:?}"
    );
}
