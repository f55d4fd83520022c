//! Protocols of the embedder's, and its say in what sockets do.

use crate::{any, net};
use net_core::socket::{
    Domain as Number, Entry, Handler, Operation, Policy, Protocol as ProtocolNumber, Readiness,
    Request, Shutdown as Direction, SocketOps, SocketType,
};
use net_core::udp::SendMeta;
use net_core::{Instant, SocketError};
use net_tokio::{Net, Socket, TcpListener, TcpStream, UdpSocket};
use socket2::{Domain, Type};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A pipe: what is sent comes back from `recv`.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
    bound: Option<SocketAddr>,
}

impl SocketOps for Pipe {
    fn bind(&mut self, addr: SocketAddr) -> Result<(), SocketError> {
        self.bound = Some(addr);
        Ok(())
    }

    fn local_addr(&self) -> Result<SocketAddr, SocketError> {
        self.bound.ok_or(SocketError::AddressNotAvailable)
    }

    fn send(&mut self, data: &[u8], _: Option<SocketAddr>) -> Result<usize, SocketError> {
        self.bytes.extend(data);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Ok(data.len())
    }

    fn recv(&mut self, buf: &mut [u8]) -> Result<(usize, Option<SocketAddr>), SocketError> {
        if self.bytes.is_empty() {
            return Err(SocketError::WouldBlock);
        }
        let len = buf.len().min(self.bytes.len());
        for place in &mut buf[..len] {
            *place = self.bytes.pop_front().expect("counted");
        }
        Ok((len, self.bound))
    }

    fn connect(&mut self, _: SocketAddr, _: Instant) -> Result<(), SocketError> {
        Err(SocketError::InProgress)
    }

    fn shutdown(&mut self, _: Direction) -> Result<(), SocketError> {
        self.bytes.clear();
        Ok(())
    }

    fn poll_ready(&mut self, interest: Readiness, cx: &mut Context<'_>) -> Poll<Readiness> {
        if interest == Readiness::READABLE && self.bytes.is_empty() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(interest)
    }
}

/// SPEC 3, at run time.
#[tokio::test]
async fn a_family_of_ones_own_is_plugged_in_at_run_time() {
    let net = net();
    let ours = Domain::from(40);
    let open = || Socket::new_on(&net, ours, Type::SEQPACKET, None);
    open().expect_err("no such family");
    net.families(|families| {
        families.register(Number(40))?;
        let make = |_: Request| Ok(Box::<Pipe>::default() as Box<dyn SocketOps>);
        let pipe = Handler::Plugged(Box::new(make));
        let entry = Entry::new(SocketType(5), ProtocolNumber::ANY, pipe);
        families.add(Number(40), entry)
    })
    .expect("a family");
    let mut socket = open().expect("a pipe");
    socket.bind(any()).expect("anything goes");
    assert_eq!(socket.local_addr().expect("bound"), any());
    socket.connect(any()).await.expect("it comes about");
    let mut buf = [0; 8];
    let (read, sent) = tokio::join!(socket.recv(&mut buf), socket.send(b"round"));
    assert_eq!((read.expect("data"), sent.expect("room")), (5, 5));
    assert_eq!(&buf[..5], b"round");
    socket.set_nonblocking(true);
    let nothing = socket.recv(&mut buf).await.expect_err("nothing there");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    socket.shutdown(Shutdown::Both).expect("it can");
    let unsupported = socket.accept().await.expect_err("it cannot");
    assert_eq!(unsupported.kind(), ErrorKind::Unsupported);
    net.families(|families| Ok(families.unregister(Number(40))))
        .expect("alive");
    open().expect_err("no such family any more");
    drop(socket);
    net.shutdown().await;
    assert_eq!(net.sockets(), 0);
}

/// Refuses what is in its list.
#[derive(Debug, Clone, Default)]
struct Guard(Arc<Mutex<Vec<&'static str>>>);

impl Guard {
    fn refuse(&self, what: &[&'static str]) {
        *self.0.lock().expect("no panic") = what.to_vec();
    }
}

impl Policy for Guard {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        let name = match operation {
            Operation::Bind { .. } => "bind",
            Operation::Accept { .. } => "accept",
            Operation::Connect { .. } => "connect",
            Operation::Send {
                source: Some(_), ..
            } => "send from",
            Operation::Send {
                source_port: Some(_),
                ..
            } => "send from a port",
            Operation::Send { .. } => "send",
            Operation::SetTransparent { .. } => "be somebody else",
            Operation::Recv { .. } => "recv",
            Operation::Shutdown { .. } => "shutdown",
            _ => "other",
        };
        match self.0.lock().expect("no panic").contains(&name) {
            true => Err(SocketError::PermissionDenied("by the guard")),
            false => Ok(()),
        }
    }
}

/// SPEC 12, for what goes through slots.
#[tokio::test]
async fn a_policy_denies_what_tasks_do_with_sockets() {
    let guard = Guard::default();
    let net = Net::builder()
        .policy(guard.clone())
        .build()
        .expect("a stack");
    let denied = |error: io::Error| assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    guard.refuse(&["bind"]);
    denied(TcpListener::bind_on(&net, any()).await.expect_err("bind"));
    denied(UdpSocket::bind_on(&net, any()).await.expect_err("bind"));
    assert_eq!(net.sockets(), 0, "nothing is left of them");
    guard.refuse(&["accept", "send", "recv"]);
    let listener = TcpListener::bind_on(&net, any()).await.expect("free");
    let to = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect_on(&net, to).await.expect("a listener");
    denied(listener.accept().await.expect_err("accept"));
    denied(client.write_all(b"x").await.expect_err("send"));
    denied(client.try_write(b"x").expect_err("send"));
    denied(client.read(&mut [0; 4]).await.expect_err("recv"));
    denied(client.peek(&mut [0; 4]).await.expect_err("recv"));
    let socket = UdpSocket::bind_on(&net, any()).await.expect("free");
    let own = socket.local_addr().expect("bound");
    denied(socket.send_to(b"x", own).await.expect_err("send"));
    denied(socket.try_recv(&mut [0; 4]).expect_err("recv"));
    denied(socket.recv(&mut [0; 4]).await.expect_err("recv"));
    guard.refuse(&["send from", "send from a port", "be somebody else"]);
    let plain = SendMeta::to(own);
    let source = SendMeta {
        source: Some(own.ip()),
        ..plain
    };
    let source_port = SendMeta {
        source_port: Some(own.port()),
        ..plain
    };
    denied(socket.try_send_with(b"x", source).expect_err("send from"));
    let from_port = socket.try_send_with(b"x", source_port);
    denied(from_port.expect_err("send from a port"));
    assert_eq!(socket.try_send_with(b"x", plain).expect("room"), 1);
    denied(socket.set_transparent(true).expect_err("be somebody else"));
    guard.refuse(&["connect", "shutdown"]);
    denied(TcpStream::connect_on(&net, to).await.expect_err("connect"));
    denied(socket.connect(own).await.expect_err("connect"));
    denied(client.shutdown().await.expect_err("shutdown"));
    // What was refused has not happened.
    guard.refuse(&[]);
    let (mut server, _) = listener.accept().await.expect("still there");
    client.write_all(b"hello").await.expect("open");
    client.shutdown().await.expect("open");
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.expect("data");
    assert_eq!(got, b"hello");
}
