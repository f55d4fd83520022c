//! Hooks on the way of packets.

mod protocols;
mod tunnel;

use super::*;
use crate::error::SocketError;
use crate::hook::{Hook, HookPoint, PacketView, Verdict};
use std::boxed::Box;
use std::sync::{Arc, Mutex};

type Sighting = (&'static str, HookPoint, Option<u16>);

/// Writes down what it sees, and says what it is to say about one port.
#[derive(Debug)]
struct Witness {
    name: &'static str,
    about: (u16, Verdict),
    log: Arc<Mutex<Vec<Sighting>>>,
}

impl Hook for Witness {
    fn apply(&mut self, at: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
        let port = packet.ports().map(|(_, dest)| dest);
        self.log.lock().unwrap().push((self.name, at, port));
        if port == Some(self.about.0) {
            self.about.1
        } else {
            Verdict::Accept
        }
    }
}

const POINTS: [HookPoint; 5] = [
    HookPoint::PreRouting,
    HookPoint::LocalIn,
    HookPoint::Forward,
    HookPoint::LocalOut,
    HookPoint::PostRouting,
];

/// A router with a witness at each point, which says something about port 13; and the log.
fn watched(verdict: Verdict) -> (Host, IfaceId, Arc<Mutex<Vec<Sighting>>>) {
    let mut host = Host::new();
    let far = iface("tun1", IfaceKind::PointToPoint, 1500, &["10.9.0.1/24"]);
    let far = host.stack.add_iface(far, DeviceCaps::default()).unwrap();
    host.stack.set_forwarding(host.wire, true).unwrap();
    let log = Arc::default();
    for at in POINTS {
        let witness = Witness {
            name: "all",
            about: (13, verdict),
            log: Arc::clone(&log),
        };
        host.stack.add_hook(at, 0, Box::new(witness));
    }
    (host, far, log)
}

fn points(log: &Mutex<Vec<Sighting>>) -> Vec<HookPoint> {
    let seen = core::mem::take(&mut *log.lock().unwrap());
    seen.into_iter().map(|(_, at, _)| at).collect()
}

#[test]
fn each_packet_passes_the_hooks_of_its_way_in_their_order() {
    use HookPoint::{Forward, LocalIn, LocalOut, PostRouting, PreRouting};
    let (mut host, far, log) = watched(Verdict::Accept);
    let id = host.udp("10.7.0.2:7");
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"in"));
    assert_eq!(points(&log), [PreRouting, LocalIn]);
    assert!(host.stack.udp(id).unwrap().recv().is_some());
    host.inject(datagram("10.7.0.9:5", "10.9.0.9:7", b"on"));
    assert_eq!(points(&log), [PreRouting, Forward, PostRouting]);
    assert_eq!(host.sent_over(far).len(), 1);
    let mut udp = host.stack.udp(id).unwrap();
    udp.send(Bytes::from_static(b"out"), Some(addr("10.7.0.9:5")))
        .unwrap();
    assert_eq!(points(&log), [LocalOut, PostRouting]);
    let tcp = host.stack.tcp_open(Family::V4).unwrap();
    let _ = host.stack.connect(tcp, addr("10.7.0.9:80"), host.now);
    assert_eq!(host.sent().len(), 2);
    assert_eq!(points(&log), [LocalOut, PostRouting]);
}

#[test]
fn a_drop_on_the_way_in_does_not_stop_what_is_forwarded() {
    let (mut host, far, log) = watched(Verdict::Accept);
    let witness = Witness {
        name: "filter",
        about: (7, Verdict::Drop),
        log: Arc::clone(&log),
    };
    host.stack
        .add_hook(HookPoint::LocalIn, 1, Box::new(witness));
    let id = host.udp("10.7.0.2:7");
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"in"));
    assert!(host.stack.udp(id).unwrap().recv().is_none());
    host.assert_dropped(DropReason::Hook, 1);
    host.inject(datagram("10.7.0.9:5", "10.9.0.9:7", b"on"));
    assert_eq!(host.sent_over(far).len(), 1);
    assert!(host.sent().is_empty(), "a dropped packet is not answered");
}

#[test]
fn a_rejected_packet_is_answered() {
    let (mut host, _, log) = watched(Verdict::Accept);
    for at in [HookPoint::LocalIn, HookPoint::Forward] {
        let witness = Witness {
            name: "filter",
            about: (13, Verdict::Reject),
            log: Arc::clone(&log),
        };
        host.stack.add_hook(at, 1, Box::new(witness));
    }
    for dest in ["10.7.0.2:13", "10.9.0.9:13"] {
        host.inject(datagram("10.7.0.9:5", dest, b"x"));
        let sent = host.sent();
        assert_eq!(
            Seen::new(&sent[0]).icmp(),
            IcmpMessage::Unreachable { code: 13 }
        );
    }
    host.inject(datagram("[fd07::9]:5", "[fd07::2]:13", b"x"));
    let sent = host.sent();
    assert_eq!(
        Seen::new(&sent[0]).icmp(),
        IcmpMessage::Unreachable { code: 1 }
    );
}

#[test]
fn what_this_host_sends_may_be_dropped_too() {
    let (mut host, _, _) = watched(Verdict::Drop);
    let id = host.udp("10.7.0.2:7");
    for (to, said) in [
        ("10.7.0.9:13", Err(SocketError::Filtered)),
        ("10.7.0.9:14", Ok(())),
    ] {
        let mut udp = host.stack.udp(id).unwrap();
        let sent = udp.send(Bytes::from_static(b"x"), Some(addr(to)));
        assert_eq!(sent, said);
    }
    let tcp = host.stack.tcp_open(Family::V4).unwrap();
    let _ = host.stack.connect(tcp, addr("10.7.0.9:13"), host.now);
    assert_eq!(host.sent().len(), 1, "the datagram to port 14");
    host.assert_dropped(DropReason::Hook, 2);
}

#[test]
fn lower_priorities_are_asked_first_and_the_first_refusal_counts() {
    let mut host = Host::new();
    let log = Arc::default();
    let mut ids = Vec::new();
    for (name, priority) in [
        ("late", 10),
        ("first", -5),
        ("middle", 0),
        ("also middle", 0),
    ] {
        let witness = Witness {
            name,
            about: (u16::from(name == "middle") * 13, Verdict::Drop),
            log: Arc::clone(&log),
        };
        let at = HookPoint::PreRouting;
        ids.push(host.stack.add_hook(at, priority, Box::new(witness)));
    }
    let names = |host: &mut Host, dest: &str| -> Vec<&'static str> {
        host.inject(datagram("10.7.0.9:5", dest, b"x"));
        let seen: Vec<Sighting> = core::mem::take(&mut *log.lock().unwrap());
        seen.into_iter().map(|(name, ..)| name).collect()
    };
    let all = ["first", "middle", "also middle", "late"];
    assert_eq!(names(&mut host, "10.7.0.2:12"), all);
    assert_eq!(names(&mut host, "10.7.0.2:13"), ["first", "middle"]);
    for id in ids {
        assert!(host.stack.remove_hook(id).is_some());
        assert!(host.stack.remove_hook(id).is_none());
    }
    assert!(names(&mut host, "10.7.0.2:12").is_empty());
}

/// Marks what comes in, and sends it somewhere else.
#[derive(Debug)]
struct Redirect;

impl Hook for Redirect {
    fn apply(&mut self, _: HookPoint, packet: &mut PacketView<'_>, _: Instant) -> Verdict {
        *packet.mark = 7;
        packet.bytes[16..20].copy_from_slice(&[10, 9, 0, 9]);
        // The sender said that it has not summed.
        packet.bytes[26..28].fill(0);
        let mut sum = crate::wire::checksum::Sum::new();
        packet.bytes[10..12].fill(0);
        sum.add_bytes(&packet.bytes[..20]);
        packet.bytes[10..12].copy_from_slice(&sum.fold().to_be_bytes());
        Verdict::Accept
    }
}

#[test]
fn what_a_hook_changes_before_routing_decides_the_way() {
    let (mut host, far, log) = watched(Verdict::Accept);
    let redirect = Box::new(Redirect);
    host.stack.add_hook(HookPoint::PreRouting, 9, redirect);
    host.inject(datagram("10.7.0.9:5", "10.7.0.2:7", b"moved"));
    let sent = host.sent_over(far);
    assert_eq!(Seen::new(&sent[0]).ip.dest, ip("10.9.0.9"));
    assert_eq!(sent[0].meta.mark, 7);
    assert_eq!(points(&log).len(), 3);
}
