//! Protocols that the embedder speaks.

use super::super::*;
use crate::hook::ProtocolHandler;
use std::boxed::Box;
use std::sync::{Arc, Mutex};

type Heard = Arc<Mutex<Vec<(IpAddr, Vec<u8>)>>>;

/// Keeps what it gets, and what errors quote; makes no sense of what begins with 0.
#[derive(Debug)]
struct Keep(Heard);

impl ProtocolHandler for Keep {
    fn handle_packet(&mut self, ip: &IpHeader, payload: &[u8], _: IfaceId, _: Instant) -> bool {
        self.0.lock().unwrap().push((ip.source, payload.to_vec()));
        payload.first() != Some(&0)
    }

    fn handle_error(&mut self, kind: (u8, u8), ip: &IpHeader, quoted: &[u8], _: Instant) {
        let mut heard = std::vec![kind.0, kind.1];
        heard.extend_from_slice(quoted);
        self.0.lock().unwrap().push((ip.dest, heard));
    }
}

fn packet(source: &str, dest: &str, payload: &[u8]) -> TxPacket {
    let mut packet = body(payload);
    IpHeader::new(ip(source), ip(dest), PROTOCOL, payload.len()).emit(&mut packet.head);
    packet
}

const PROTOCOL: u8 = 200;

#[test]
fn packets_of_a_protocol_go_to_its_handler_while_there_is_one() {
    let mut host = Host::new();
    let heard = Heard::default();
    let taken = || core::mem::take(&mut *heard.lock().unwrap());
    for (source, dest) in [(PEER, OURS), (PEER_V6, OURS_V6)] {
        let handler = Box::new(Keep(Arc::clone(&heard)));
        let before = host.stack.set_protocol(PROTOCOL, Some(handler)).unwrap();
        assert!(before.is_none());
        host.inject(packet(source, dest, b"word"));
        assert_eq!(taken(), [(ip(source), b"word".to_vec())]);
        assert_eq!(host.sent().len(), 0);
        // What makes no sense to it is answered, and so is everything once it is gone.
        host.inject(packet(source, dest, b"\0"));
        assert_eq!(host.sent().len(), 1);
        assert_eq!(taken().len(), 1);
        assert!(host.stack.set_protocol(PROTOCOL, None).unwrap().is_some());
        host.inject(packet(source, dest, b"word"));
        let sent = host.sent();
        let answer = Seen::new(&sent[0]).icmp();
        match answer {
            IcmpMessage::Unreachable { code } => assert_eq!(code, icmpv4::PROTOCOL_UNREACHABLE),
            IcmpMessage::ParameterProblem { code, .. } => {
                assert_eq!(code, icmpv6::UNKNOWN_NEXT_HEADER);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(taken(), []);
    }
    host.assert_dropped(DropReason::UnknownProtocol, 4);
}

#[test]
fn a_handler_hears_of_errors_about_packets_of_its_protocol() {
    let mut host = Host::new();
    let heard = Heard::default();
    let handler = Box::new(Keep(Arc::clone(&heard)));
    host.stack.set_protocol(PROTOCOL, Some(handler)).unwrap();
    let sent = bytes_of(&packet(OURS, "10.9.0.9", b"to nobody"));
    let unreachable = IcmpMessage::Unreachable { code: 1 };
    host.inject(icmp(PEER, OURS, &unreachable, &sent));
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, [(ip("10.9.0.9"), b"\x03\x01to nobody".to_vec())]);
    host.assert_dropped(DropReason::IcmpIrrelevant, 0);
}

#[test]
fn what_the_stack_speaks_itself_has_no_handler() {
    let mut host = Host::new();
    for protocol in [ip::TCP, ip::UDP, ip::ICMP, ip::ICMPV6, 2, 0, 44] {
        let handler = Box::new(Keep(Heard::default()));
        assert!(host.stack.set_protocol(protocol, Some(handler)).is_err());
    }
}
