//! How long flows are remembered.

use super::filter::segment_of;
use super::flows::{firewall, passes};
use super::*;
use crate::conntrack::{TcpState, Timeouts, TrackConfig};
use crate::tcp::SeqNum;
use crate::time::Duration;
use crate::wire::{TcpFlags, TcpHeader};
use std::vec;

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;

/// All different, in seconds.
const TRANSITORY: u64 = 11;
const ESTABLISHED: u64 = 22;
const TIME_WAIT: u64 = 33;
const CLOSE: u64 = 44;
const UDP: u64 = 55;
const UDP_STREAM: u64 = 66;
const ICMP: u64 = 77;
const OTHER: u64 = 88;

/// A packet, whether it goes out rather than comes back, and what its flow is after it: the state of a
/// connection, and for how long it is remembered then.
struct Step {
    packet: TxPacket,
    out: bool,
    tcp: Option<TcpState>,
    seconds: u64,
}

fn step(out: bool, packet: TxPacket, seconds: u64) -> Step {
    let tcp = None;
    Step {
        packet,
        out,
        tcp,
        seconds,
    }
}

/// A segment of the client, which begins at 1000, or of the server, which does at 2000.
fn tcp(
    out: bool,
    flags: TcpFlags,
    (seq, ack): (u32, u32),
    (state, seconds): (TcpState, u64),
) -> Step {
    let header = TcpHeader {
        seq: SeqNum::new(seq),
        ack: SeqNum::new(ack),
        flags,
        window: 1000,
        ..TcpHeader::default()
    };
    let (client, server) = ("10.7.0.9:5", "10.9.0.9:80");
    let (source, dest) = if out {
        (client, server)
    } else {
        (server, client)
    };
    Step {
        tcp: Some(state),
        ..step(out, segment_of(source, dest, header, b""), seconds)
    }
}

/// The three segments that open a connection.
fn opening() -> Vec<Step> {
    vec![
        tcp(true, SYN, (1000, 0), (TcpState::SynSent, TRANSITORY)),
        tcp(
            false,
            SYN | ACK,
            (2000, 1001),
            (TcpState::SynReceived, TRANSITORY),
        ),
        tcp(
            true,
            ACK,
            (1001, 2001),
            (TcpState::Established, ESTABLISHED),
        ),
    ]
}

#[test]
fn each_state_of_a_flow_has_the_time_that_is_set_for_it() {
    let mut closed = opening();
    closed.extend([
        tcp(
            true,
            FIN | ACK,
            (1001, 2001),
            (TcpState::FinWait, TRANSITORY),
        ),
        tcp(false, ACK, (2001, 1002), (TcpState::CloseWait, TRANSITORY)),
        tcp(
            false,
            FIN | ACK,
            (2001, 1002),
            (TcpState::LastAck, TRANSITORY),
        ),
        tcp(true, ACK, (1002, 2002), (TcpState::TimeWait, TIME_WAIT)),
    ]);
    let mut reset = opening();
    reset.push(tcp(false, RST, (2001, 0), (TcpState::Close, CLOSE)));
    // One from before the tracker began, of which nobody knows whether it is answered.
    let joined = vec![tcp(
        true,
        ACK,
        (1001, 2001),
        (TcpState::Established, TRANSITORY),
    )];
    let question = || datagram("10.7.0.9:5", "10.9.0.9:53", b"question");
    let answer = datagram("10.9.0.9:53", "10.7.0.9:5", b"answer");
    let datagrams = vec![
        step(true, question(), UDP),
        step(true, question(), UDP),
        step(false, answer, UDP_STREAM),
        step(true, question(), UDP_STREAM),
    ];
    let request = IcmpMessage::EchoRequest { ident: 7, seq: 1 };
    let reply = IcmpMessage::EchoReply { ident: 7, seq: 1 };
    let echoes = vec![
        step(true, icmp("10.7.0.9", "10.9.0.9", &request, b"x"), ICMP),
        step(false, icmp("10.9.0.9", "10.7.0.9", &reply, b"x"), ICMP),
    ];
    let echoes_v6 = vec![
        step(true, icmp("fd07::9", "fd09::9", &request, b"x"), ICMP),
        step(false, icmp("fd09::9", "fd07::9", &reply, b"x"), ICMP),
    ];
    let others = vec![
        step(true, unknown_protocol("10.7.0.9", "10.9.0.9"), OTHER),
        step(false, unknown_protocol("10.9.0.9", "10.7.0.9"), OTHER),
    ];
    let all = [closed, reset, joined, datagrams, echoes, echoes_v6, others];
    for (number, steps) in all.into_iter().enumerate() {
        follow(number, steps);
    }
}

/// Has a router follow the packets of one flow.
fn follow(number: usize, steps: Vec<Step>) {
    let (mut host, far) = firewall();
    let near = host.wire;
    let timeouts = Timeouts {
        tcp_transitory: Duration::from_secs(TRANSITORY),
        tcp_established: Duration::from_secs(ESTABLISHED),
        tcp_time_wait: Duration::from_secs(TIME_WAIT),
        tcp_close: Duration::from_secs(CLOSE),
        udp: Duration::from_secs(UDP),
        udp_stream: Duration::from_secs(UDP_STREAM),
        icmp: Duration::from_secs(ICMP),
        other: Duration::from_secs(OTHER),
    };
    host.stack.set_tracking(Some(TrackConfig {
        timeouts,
        ..TrackConfig::default()
    }));
    for (at, step) in steps.into_iter().enumerate() {
        let (from, to) = if step.out { (near, far) } else { (far, near) };
        assert!(
            passes(&mut host, from, to, step.packet),
            "flow {number}, step {at}"
        );
        let flows = host.stack.flows();
        let flows: Vec<_> = flows.map(|flow| (flow.tcp, flow.expires_in)).collect();
        let expected = (step.tcp, Duration::from_secs(step.seconds));
        assert_eq!(flows, [expected], "flow {number}, step {at}");
        // Each packet begins its time anew.
        host.now += Duration::from_secs(1);
    }
}
