//! Echo requests for addresses that no interface has, which an application answers.

use super::filter::router;
use super::*;
use crate::echo::{EchoRequest, Unreachable};
use crate::error::SocketError;
use crate::route::TableId;
use crate::socket::{Operation, Policy};
use crate::udp::SendMeta;

/// Who asks, and hosts that nobody here is.
const WAYS: [(&str, &str); 2] = [(PEER, "192.0.2.7"), (PEER_V6, "2001:db8::7")];

const MESSAGE: IcmpMessage = IcmpMessage::EchoRequest { ident: 77, seq: 3 };
const REPLY: IcmpMessage = IcmpMessage::EchoReply { ident: 77, seq: 3 };

impl Host {
    fn echo(&mut self, address: &str) -> SocketId {
        self.stack.echo_open(family_of(address)).unwrap()
    }

    fn ask(&mut self, source: &str, dest: &str, data: &[u8]) {
        self.inject(icmp(source, dest, &MESSAGE, data));
    }

    fn asked(&mut self, id: SocketId) -> Option<EchoRequest> {
        let datagram = self.stack.udp(id).unwrap().recv()?;
        Some(EchoRequest::of(&datagram).unwrap())
    }

    fn answer(&mut self, id: SocketId, answer: (Bytes, SendMeta)) -> Result<(), SocketError> {
        let (message, meta) = answer;
        self.stack.udp(id).unwrap().send_with(message, &meta)
    }
}

fn family_of(address: &str) -> Family {
    if ip(address).is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}

#[test]
fn a_request_for_another_host_is_answered_from_its_address() {
    for (asker, host_asked) in WAYS {
        let mut host = Host::new();
        host.ask(asker, host_asked, b"x");
        host.assert_dropped(DropReason::NotForUs, 1);
        let id = host.echo(asker);
        let mut packet = icmp(asker, host_asked, &MESSAGE, b"are you there?");
        let header = IpHeader::parse(&packet.head, packet.len()).unwrap();
        packet.head.strip(header.header_len);
        IpHeader {
            tos: 0x0b,
            ..header
        }
        .emit(&mut packet.head);
        host.inject(packet);
        assert!(host.sent().is_empty(), "the application answers");
        let request = host.asked(id).unwrap();
        assert_eq!(
            (request.source.ip(), request.dest),
            (ip(asker), ip(host_asked))
        );
        assert_eq!((request.ident, request.seq), (77, 3));
        assert_eq!(&request.data[..], b"are you there?");
        assert_eq!((request.ttl, request.tos), (64, 0x0b));
        assert_eq!(request.iface, host.wire);
        host.answer(id, request.reply()).unwrap();
        let sent = Seen::new(&host.sent()[0]);
        assert_eq!((sent.ip.source, sent.ip.dest), (ip(host_asked), ip(asker)));
        assert_eq!((sent.icmp(), sent.ip.tos), (REPLY, 0x08));
        assert_eq!(&sent.data()[..], b"are you there?");
        assert_eq!(host.stack.stats().icmp_echo_replies, 1);
    }
}

#[test]
fn what_is_for_the_stacks_own_addresses_it_answers_itself() {
    let mut host = Host::new();
    for (asker, own) in [(PEER, OURS), (PEER_V6, OURS_V6)] {
        let id = host.echo(asker);
        host.ask(asker, own, b"x");
        assert_eq!(Seen::new(&host.sent()[0]).icmp(), REPLY);
        assert_eq!(host.asked(id), None);
        // Replies and groups are nothing that is asked.
        let group = if ip(own).is_ipv4() {
            "224.0.0.1"
        } else {
            "ff02::1"
        };
        host.ask(asker, group, b"x");
        let elsewhere = if ip(own).is_ipv4() {
            "192.0.2.7"
        } else {
            "2001:db8::7"
        };
        host.inject(icmp(asker, elsewhere, &REPLY, b"x"));
        assert_eq!(host.asked(id), None);
    }
}

#[test]
fn requests_for_a_local_route_go_to_the_application_while_there_is_one() {
    for (asker, host_asked) in WAYS {
        let (mut host, _) = router();
        let prefix = if ip(asker).is_ipv4() {
            "192.0.2.0/24"
        } else {
            "2001:db8::/32"
        };
        let prefix = cidr(prefix);
        host.stack
            .add_local_route(TableId::LOCAL, prefix, 0)
            .unwrap();
        host.ask(asker, host_asked, b"x");
        assert_eq!(host.sent().len(), 1, "the stack answers");
        let id = host.echo(asker);
        host.ask(asker, host_asked, b"x");
        assert!(host.sent().is_empty());
        let request = host.asked(id).unwrap();
        host.answer(id, request.reply()).unwrap();
        assert_eq!(Seen::new(&host.sent()[0]).ip.source, ip(host_asked));
        host.stack.close(id, host.now);
        host.ask(asker, host_asked, b"x");
        assert_eq!(host.sent().len(), 1, "it does again");
    }
}

#[test]
fn what_a_router_forwards_it_does_not_take() {
    let (mut host, far) = router();
    let id = host.echo(PEER);
    host.ask(PEER, "10.9.0.9", b"x");
    assert_eq!(host.sent_over(far).len(), 1);
    assert_eq!(host.asked(id), None);
    host.stack.set_forwarding(host.wire, false).unwrap();
    host.ask(PEER, "10.9.0.9", b"x");
    assert!(host.sent_over(far).is_empty() && host.asked(id).is_some());
}

#[test]
fn an_error_quotes_the_request_and_comes_from_the_stack() {
    for ((asker, host_asked), ours) in WAYS.into_iter().zip([OURS, OURS_V6]) {
        let mut host = Host::new();
        let id = host.echo(asker);
        let only = SocketAddr::new(ip(host_asked), 0);
        host.stack.bind(id, only).unwrap();
        let asked = icmp(asker, host_asked, &MESSAGE, &[7; 1400]);
        let bytes = bytes_of(&asked);
        host.inject(asked);
        let request = host.asked(id).unwrap();
        let is_v4 = ip(asker).is_ipv4();
        let codes = if is_v4 { [0, 1, 13] } else { [0, 3, 1] };
        let reasons = [
            Unreachable::Network,
            Unreachable::Host,
            Unreachable::Prohibited,
        ];
        for (why, code) in reasons.into_iter().zip(codes) {
            host.answer(id, request.unreachable(why)).unwrap();
            let sent = host.sent();
            assert_eq!(bytes_of(&sent[0]).len(), if is_v4 { 576 } else { 1280 });
            let seen = Seen::new(&sent[0]);
            assert_eq!((seen.ip.source, seen.ip.dest), (ip(ours), ip(asker)));
            assert_eq!(seen.icmp(), IcmpMessage::Unreachable { code });
            assert!(bytes.starts_with(&seen.data()));
        }
        assert_eq!(host.stack.stats().icmp_errors_sent, 3);
        // As with the stack's own, there are so many and no more.
        let mut count = 3;
        while host.stack.stats().drops(DropReason::RateLimited) == 0 {
            host.answer(id, request.unreachable(Unreachable::Host))
                .unwrap();
            count += host.sent().len();
            assert!(count < 10_000);
        }
        assert_eq!(host.stack.stats().icmp_errors_sent, count as u64);
    }
}

#[test]
fn it_sends_nothing_but_answers() {
    let mut host = Host::new();
    let id = host.echo(PEER);
    host.ask(PEER, "192.0.2.7", b"x");
    let (reply, meta) = host.asked(id).unwrap().reply();
    let request = bytes_of(&icmp(PEER, OURS, &MESSAGE, b"x")).freeze();
    for message in [request.slice(20..), reply.slice(..7), Bytes::new()] {
        let refused = host.answer(id, (message, meta));
        assert!(
            matches!(refused, Err(SocketError::InvalidInput(_))),
            "{refused:?}"
        );
    }
    assert!(host.sent().is_empty());
}

#[test]
fn there_is_one_of_each_family_with_a_bounded_queue() {
    let mut host = Host::new();
    let id = host.echo(PEER);
    host.echo(PEER_V6);
    let second = host.stack.echo_open(Family::V4);
    assert_eq!(second, Err(SocketError::AddressInUse));
    host.stack
        .change_udp(id, |settings| settings.recv_buffer = 1000)
        .unwrap();
    let memory = host.stack.memory_used();
    for _ in 0..20 {
        host.ask(PEER, "192.0.2.7", &[0; 100]);
    }
    let mut queued = 0;
    while host.asked(id).is_some() {
        queued += 1;
    }
    assert!((3..10).contains(&queued), "{queued}");
    host.assert_dropped(DropReason::RecvBufferFull, 20 - queued);
    assert_eq!(host.stack.memory_used(), memory);
    host.stack.close(id, host.now);
    host.echo(PEER);
}

#[test]
fn one_that_is_bound_leaves_the_others_alone() {
    let mut host = Host::new();
    let id = host.echo(PEER);
    host.stack.bind(id, addr("192.0.2.7:0")).unwrap();
    host.ask(PEER, "192.0.2.8", b"x");
    host.assert_dropped(DropReason::NotForUs, 1);
    host.ask(PEER, "192.0.2.7", b"x");
    assert!(host.asked(id).is_some());
}

/// Lets nobody have addresses that are not this host's.
#[derive(Debug)]
struct OwnAddressesOnly;

impl Policy for OwnAddressesOnly {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        match operation {
            Operation::SetTransparent { .. } => Err(SocketError::PermissionDenied("not ours")),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_policy_can_refuse_it() {
    let mut host = Host::new();
    host.stack.set_policy(OwnAddressesOnly);
    for _ in 0..2 {
        let refused = host.stack.echo_open(Family::V4);
        assert_eq!(refused, Err(SocketError::PermissionDenied("not ours")));
    }
    assert_eq!(host.stack.sockets(), 0, "nothing is left of it");
}
