//! From family, type and protocol to a socket, and who has a say in it.

use super::*;
use crate::error::SocketError;
use crate::socket::{
    Domain, Entry, Handler, Operation, Policy, Protocol, Readiness, Request, Shutdown, SocketOps,
    SocketType,
};
use crate::stack::Kind;
use core::task::{Context, Poll, Waker};
use std::boxed::Box;
use std::sync::{Arc, Mutex};

const OURS_TO_GIVE: Domain = Domain(40);
const SCTP: Protocol = Protocol(132);

fn request(domain: i32, socket_type: i32, protocol: i32) -> Request {
    Request {
        domain: Domain(domain),
        socket_type: SocketType(socket_type),
        protocol: Protocol(protocol),
    }
}

/// What a socket of this kind comes to.
fn opened(host: &mut Host, request: Request) -> Result<Kind, SocketError> {
    let id = host.stack.socket(request)?;
    host.stack.kind(id)
}

/// SPEC 2: the family is looked at before the type.
#[test]
fn the_family_is_checked_before_the_type_and_the_type_before_the_table() {
    let mut host = Host::new();
    for (domain, socket_type, outcome) in [
        (-1, -1, Err("family")),
        (46, 99, Err("family")),
        (i32::MAX, 1, Err("family")),
        (2, -1, Err("type")),
        (2, 11, Err("type")),
        (45, 11, Err("type")),
        (45, 1, Err("family")),
        (2, 1, Ok(())),
    ] {
        let got = opened(&mut host, request(domain, socket_type, 0)).map(drop);
        let got = got.map_err(|error| match error {
            SocketError::AddressFamily => "family",
            SocketError::InvalidInput(_) => "type",
            other => panic!("{other:?}"),
        });
        assert_eq!(got, outcome, "{domain}, {socket_type}");
    }
}

/// SPEC 6.
#[test]
fn type_and_protocol_lead_to_their_handler() {
    let mut host = Host::new();
    let no_protocol = Err(SocketError::ProtocolNotSupported);
    let no_type = Err(SocketError::SocketTypeNotSupported);
    for (domain, icmp, other_icmp) in [(2, 1, 58), (10, 58, 1)] {
        for (socket_type, protocol, outcome) in [
            (1, 0, Ok(Kind::Tcp)),
            (1, 6, Ok(Kind::Tcp)),
            (1, 17, no_protocol),
            (1, 132, no_protocol),
            (2, 0, Ok(Kind::Udp)),
            (2, 17, Ok(Kind::Udp)),
            (2, 6, no_protocol),
            (2, icmp, Ok(Kind::Udp)),
            (2, other_icmp, no_protocol),
            (3, 89, Ok(Kind::Udp)),
            (3, 255, Ok(Kind::Udp)),
            (3, 256, no_protocol),
            (3, 0, no_protocol),
            (4, 0, no_type),
            (5, 132, no_type),
        ] {
            let got = opened(&mut host, request(domain, socket_type, protocol));
            assert_eq!(got, outcome, "{domain}, {socket_type}, {protocol}");
        }
        for protocol in [-1, 263] {
            let got = opened(&mut host, request(domain, 1, protocol));
            assert!(matches!(got, Err(SocketError::InvalidInput(_))));
        }
    }
}

/// SPEC 6, 14, 15: a socket knows what it was asked for as, whichever way it was made.
#[test]
fn a_socket_says_what_it_was_asked_for_as() {
    let mut host = Host::new();
    for (domain, icmp, family) in [(2, 1, Family::V4), (10, 58, Family::V6)] {
        for (socket_type, protocol, comes_to) in [
            (1, 0, 6),
            (2, 0, 17),
            (2, icmp, icmp),
            (3, icmp, icmp),
            (3, 89, 89),
            (3, 255, 255),
        ] {
            let id = host.stack.socket(request(domain, socket_type, protocol));
            let known = host.stack.request_of(id.unwrap());
            assert_eq!(known, Ok(request(domain, socket_type, comes_to)));
        }
        let id = host.stack.ping_open(family).unwrap();
        let known = host.stack.request_of(id);
        assert_eq!(known, Ok(request(domain, 2, icmp)));
        let id = host.stack.raw_open(family, 255).unwrap();
        assert_eq!(host.stack.request_of(id), Ok(request(domain, 3, 255)));
        assert!(host.stack.udp_settings(id).unwrap().header_included);
        assert_eq!(host.stack.local_addr(id).unwrap().port(), 255);
        let denied = host.stack.raw_open(family, 0);
        assert_eq!(denied, Err(SocketError::ProtocolNotSupported));
    }
}

/// SPEC 3.
#[test]
fn a_family_is_there_while_it_is_registered() {
    let mut host = Host::new();
    let stream = request(40, 1, 0);
    let nobody = Err(SocketError::AddressFamily);
    assert_eq!(opened(&mut host, stream), nobody);
    let families = host.stack.families_mut();
    assert_eq!(families.register(OURS_TO_GIVE), Ok(()));
    let twice = families.register(OURS_TO_GIVE);
    assert_eq!(twice, Err(SocketError::AlreadyExists));
    let beyond = families.register(Domain(46));
    assert_eq!(beyond, Err(SocketError::NoBufferSpace));
    let no_type = Err(SocketError::SocketTypeNotSupported);
    assert_eq!(opened(&mut host, stream), no_type);
    let tcp = Entry::new(SocketType::STREAM, Protocol::TCP, Handler::Tcp(Family::V6));
    host.stack.families_mut().add(OURS_TO_GIVE, tcp).unwrap();
    let id = host.stack.socket(stream).unwrap();
    assert_eq!(host.stack.family(id), Ok(Family::V6));
    assert!(host.stack.families_mut().unregister(OURS_TO_GIVE));
    assert!(!host.stack.families_mut().unregister(OURS_TO_GIVE));
    assert_eq!(opened(&mut host, stream), nobody);
    assert_eq!(host.stack.kind(id), Ok(Kind::Tcp), "what is there stays");
    host.stack.families_mut().unregister(Domain::INET);
    assert_eq!(
        host.stack.tcp_open(Family::V4),
        Err(SocketError::AddressFamily)
    );
}

/// SPEC 4.
#[test]
fn a_missing_family_is_asked_for_once() {
    let mut host = Host::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    host.stack.set_family_loader(move |domain, families| {
        log.lock().unwrap().push(domain.0);
        if domain == OURS_TO_GIVE {
            families.register(domain).unwrap();
            let udp = Handler::Udp(Family::V4);
            let udp = Entry::new(SocketType::DGRAM, Protocol::ANY, udp);
            families.add(domain, udp).unwrap();
        }
    });
    let nobody = Err(SocketError::AddressFamily);
    assert_eq!(opened(&mut host, request(41, 1, 0)), nobody);
    assert_eq!(opened(&mut host, request(40, 2, 0)), Ok(Kind::Udp));
    assert_eq!(opened(&mut host, request(40, 2, 7)), Ok(Kind::Udp));
    assert_eq!(opened(&mut host, request(2, 2, 0)), Ok(Kind::Udp));
    assert_eq!(*asked.lock().unwrap(), [41, 40]);
}

/// SPEC 17.
#[test]
fn only_ip_and_packets_are_built_in() {
    let mut host = Host::new();
    for domain in 0..46 {
        let there = host.stack.families_mut().contains(Domain(domain));
        assert_eq!(there, [2, 10, 17].contains(&domain), "{domain}");
    }
    let unix = request(Domain::UNIX.0, 1, 0);
    assert_eq!(opened(&mut host, unix), Err(SocketError::AddressFamily));
    plug(&mut host, Domain::UNIX, Calls::default());
    assert_eq!(opened(&mut host, unix), Ok(Kind::Plugged));
}

/// SPEC 5.
#[test]
fn the_old_type_of_packet_sockets_is_served_by_the_packet_family() {
    let mut host = Host::new();
    let old = request(2, 10, 0x0300);
    assert_eq!(opened(&mut host, old), Ok(Kind::Packet));
    let known = host
        .stack
        .socket(old)
        .and_then(|id| host.stack.request_of(id));
    assert_eq!(known, Ok(request(17, 3, 0x0300)));
    let asked = Arc::new(Mutex::new(None));
    let log = asked.clone();
    let handler = Handler::Plugged(Box::new(move |request| {
        *log.lock().unwrap() = Some(request);
        Err(SocketError::NotConnected)
    }));
    let entry = Entry::new(SocketType::PACKET, Protocol(0x0300), handler);
    let families = host.stack.families_mut();
    families.add(Domain::PACKET, entry).unwrap();
    assert_eq!(opened(&mut host, old), Err(SocketError::NotConnected));
    assert_eq!(*asked.lock().unwrap(), Some(request(17, 10, 0x0300)));
    // IPv6 never had them.
    let no_type = Err(SocketError::SocketTypeNotSupported);
    assert_eq!(opened(&mut host, request(10, 10, 0)), no_type);
}

#[test]
fn an_added_protocol_overrides_all_but_the_permanent_ones() {
    let mut host = Host::new();
    let families = host.stack.families_mut();
    let udp = || Handler::Udp(Family::V4);
    let tcp = Entry::new(SocketType::STREAM, Protocol::TCP, udp());
    let denied = families.add(Domain::INET, tcp);
    assert!(matches!(denied, Err(SocketError::PermissionDenied(_))));
    for (socket_type, protocol) in [
        (SocketType::STREAM, SCTP),
        (SocketType::DGRAM, Protocol::ICMP),
        (SocketType::RAW, Protocol(89)),
    ] {
        let entry = Entry::new(socket_type, protocol, udp());
        families.add(Domain::INET, entry).unwrap();
    }
    for (socket_type, protocol, outcome) in [
        (1, 0, Ok(Kind::Tcp)),
        (1, 132, Ok(Kind::Udp)),
        (2, 1, Ok(Kind::Udp)),
        (3, 89, Ok(Kind::Udp)),
        (3, 90, Ok(Kind::Udp)),
    ] {
        let got = opened(&mut host, request(2, socket_type, protocol));
        assert_eq!(got, outcome, "{socket_type}, {protocol}");
    }
    let families = host.stack.families_mut();
    assert!(families.remove(Domain::INET, SocketType::STREAM, SCTP));
    assert!(!families.remove(Domain::INET, SocketType::STREAM, Protocol::TCP));
    let gone = opened(&mut host, request(2, 1, 132));
    assert_eq!(gone, Err(SocketError::ProtocolNotSupported));
}

/// What a mock has seen.
type Calls = Arc<Mutex<Vec<&'static str>>>;

/// A protocol that notes what it is asked for.
#[derive(Debug)]
struct Mock(Calls);

impl Mock {
    fn note(&self, call: &'static str) {
        self.0.lock().unwrap().push(call);
    }
}

impl SocketOps for Mock {
    fn bind(&mut self, _: SocketAddr) -> Result<(), SocketError> {
        self.note("bind");
        Ok(())
    }

    fn connect(&mut self, _: SocketAddr, _: Instant) -> Result<(), SocketError> {
        self.note("connect");
        Err(SocketError::ConnectionRefused)
    }

    fn listen(&mut self, _: u32) -> Result<(), SocketError> {
        self.note("listen");
        Ok(())
    }

    fn accept(&mut self) -> Result<(Box<dyn SocketOps>, SocketAddr), SocketError> {
        self.note("accept");
        Ok((Box::new(Self(self.0.clone())), addr("10.7.0.1:9")))
    }

    fn send(&mut self, data: &[u8], _: Option<SocketAddr>) -> Result<usize, SocketError> {
        self.note("send");
        Ok(data.len())
    }

    fn shutdown(&mut self, _: Shutdown) -> Result<(), SocketError> {
        self.note("shutdown");
        Ok(())
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.note("close");
    }
}

/// Makes streams of `domain` mocks.
fn plug(host: &mut Host, domain: Domain, calls: Calls) {
    let families = host.stack.families_mut();
    families.register(domain).unwrap();
    let make = move |_| Ok(Box::new(Mock(calls.clone())) as Box<dyn SocketOps>);
    let handler = Handler::Plugged(Box::new(make));
    let entry = Entry::new(SocketType::STREAM, Protocol(1), handler);
    families.add(domain, entry).unwrap();
}

/// SPEC 7.
#[test]
fn the_calls_lead_to_the_operations_of_the_protocol() {
    let mut host = Host::new();
    let calls = Calls::default();
    plug(&mut host, OURS_TO_GIVE, calls.clone());
    let now = host.now;
    let stack = &mut host.stack;
    let id = stack.socket(request(40, 1, 0)).unwrap();
    let at = addr("10.7.0.2:7");
    assert_eq!(stack.bind(id, at), Ok(()));
    assert_eq!(stack.listen(id, 1), Ok(()));
    let (child, peer) = stack.accept(id).unwrap();
    assert_eq!(peer, addr("10.7.0.1:9"));
    let refused = Err(SocketError::ConnectionRefused);
    assert_eq!(stack.connect(id, at, now), refused);
    assert_eq!(stack.plugged_send(child, b"four", None), Ok(4));
    assert_eq!(stack.shutdown(child, Shutdown::Both, now), Ok(()));
    let seen = ["bind", "listen", "accept", "connect", "send", "shutdown"];
    assert_eq!(*calls.lock().unwrap(), seen);
    // What it has not, and what its sockets are not.
    let mut cx = Context::from_waker(Waker::noop());
    let ready = stack.plugged_poll_ready(child, Readiness::READABLE, &mut cx);
    assert_eq!(ready, Poll::Ready(Readiness::READABLE));
    let received = stack.plugged_recv(child, &mut [0; 4]);
    assert!(matches!(received, Err(SocketError::Unsupported(_))));
    assert!(matches!(
        stack.local_addr(id),
        Err(SocketError::Unsupported(_))
    ));
    assert_eq!(stack.take_error(id), None);
    assert_eq!(stack.ip_settings(id).err(), Some(SocketError::NoSuchOption));
    assert_eq!(stack.bind_iface(id, None), Err(SocketError::NoSuchOption));
    assert!(stack.tcp(id, now).is_none() && stack.udp(id).is_none());
    assert!(matches!(
        stack.disconnect(id, now),
        Err(SocketError::Unsupported(_))
    ));
    stack.close(child, now);
    stack.close(id, now);
    assert_eq!(stack.sockets(), 0);
    assert_eq!(calls.lock().unwrap()[6..], ["close", "close"]);
}

/// Refuses one operation.
#[derive(Debug)]
struct Deny {
    what: &'static str,
    error: SocketError,
}

impl Policy for Deny {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        let name = match operation {
            Operation::Create(_) => "create",
            Operation::Created { .. } => "created",
            Operation::Bind { .. } => "bind",
            Operation::Listen { .. } => "listen",
            Operation::Accept { .. } => "accept",
            Operation::Connect { .. } => "connect",
            Operation::Send { .. } => "send",
            Operation::SetTransparent { .. } => "set transparent",
            Operation::Recv { .. } => "recv",
            Operation::Shutdown { .. } => "shutdown",
        };
        if name == self.what {
            return Err(self.error);
        }
        Ok(())
    }
}

fn deny(host: &mut Host, what: &'static str, error: SocketError) {
    host.stack.set_policy(Deny { what, error });
}

/// SPEC 12.
#[test]
fn a_policy_denies_each_operation_with_its_own_error_and_nothing_changes() {
    let mut host = Host::new();
    let now = host.now;
    let at = addr("10.7.0.2:7");
    let id = host.stack.tcp_open(Family::V4).unwrap();
    let low = SocketError::PermissionDenied("a low port");
    deny(&mut host, "bind", low);
    assert_eq!(host.stack.bind(id, at), Err(low));
    assert_eq!(host.stack.local_addr(id), Ok(addr("0.0.0.0:0")));
    deny(&mut host, "listen", SocketError::NoBufferSpace);
    assert_eq!(host.stack.bind(id, at), Ok(()));
    assert_eq!(host.stack.listen(id, 1), Err(SocketError::NoBufferSpace));
    let idle = host.stack.tcp(id, now).unwrap().state();
    assert_eq!(idle, crate::tcp::State::Closed);
    deny(&mut host, "connect", SocketError::NetworkUnreachable);
    let to = addr("10.7.0.1:80");
    let unreachable = Err(SocketError::NetworkUnreachable);
    assert_eq!(host.stack.connect(id, to, now), unreachable);
    assert!(host.sent().is_empty(), "no SYN");
    deny(&mut host, "accept", SocketError::TooManySockets);
    assert_eq!(host.stack.listen(id, 1), Ok(()));
    assert_eq!(host.stack.accept(id), Err(SocketError::TooManySockets));
    deny(&mut host, "shutdown", SocketError::TimedOut);
    let how = Shutdown::Write;
    assert_eq!(
        host.stack.shutdown(id, how, now),
        Err(SocketError::TimedOut)
    );
    for (what, operation) in [
        (
            "send",
            Operation::Send {
                socket: id,
                to: None,
                source: None,
                source_port: None,
            },
        ),
        ("recv", Operation::Recv { socket: id }),
    ] {
        deny(&mut host, what, SocketError::HostUnreachable);
        let denied = host.stack.permit(&operation);
        assert_eq!(denied, Err(SocketError::HostUnreachable));
    }
    deny(&mut host, "create", SocketError::WouldBlock);
    assert_eq!(
        host.stack.udp_open(Family::V4),
        Err(SocketError::WouldBlock)
    );
    // The ranges come before the policy, and the policy before the table.
    let none = opened(&mut host, request(46, 1, 0));
    assert_eq!(none, Err(SocketError::AddressFamily));
    let before = opened(&mut host, request(45, 1, 0));
    assert_eq!(before, Err(SocketError::WouldBlock));
}

/// SPEC 10: what is made and then refused is gone, and so is what a full table has no place for.
#[test]
fn a_socket_that_comes_to_nothing_leaves_no_trace() {
    let config = Config {
        max_sockets: 2,
        ..Config::default()
    };
    let mut host = Host::with(config);
    let calls = Calls::default();
    plug(&mut host, OURS_TO_GIVE, calls.clone());
    let denied = SocketError::PermissionDenied("no more");
    deny(&mut host, "created", denied);
    for request in [
        Request::tcp(Family::V4),
        Request::udp(Family::V6),
        request(40, 1, 0),
    ] {
        assert_eq!(host.stack.socket(request), Err(denied));
        assert_eq!(host.stack.sockets(), 0);
    }
    assert_eq!(*calls.lock().unwrap(), ["close"]);
    deny(&mut host, "", denied);
    let listener = host.stack.socket(request(40, 1, 0)).unwrap();
    let (child, _) = host.stack.accept(listener).unwrap();
    let full = SocketError::TooManySockets;
    assert_eq!(host.stack.accept(listener), Err(full));
    assert_eq!(host.stack.socket(Request::udp(Family::V4)), Err(full));
    assert_eq!(
        calls.lock().unwrap()[1..],
        ["accept"],
        "none was taken and lost"
    );
    host.stack.close(child, host.now);
    assert!(host.stack.accept(listener).is_ok());
}
