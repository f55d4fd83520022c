use crate::device::Device;
use crate::{Net, NetBuilder, TcpListener, TcpSocket, TcpStream, UdpSocket};
use net_core::buf::{RxBatch, TxBatch};
use net_core::socket::{Operation, Policy};
use net_core::{DeviceCaps, Instant, SocketError};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::runtime;
use tokio::time::timeout;

/// A round may run on another thread, and a task that drops something must not stand still for it.
#[test]
fn what_is_dropped_waits_for_no_round() {
    what_is_dropped_waits_for_nothing(Net::builder());
}

/// It would have to be asked between two rounds, and nobody is there whom it could tell its refusal.
#[test]
fn what_is_dropped_waits_for_no_policy() {
    what_is_dropped_waits_for_nothing(Net::builder().policy(NoShutdown));
}

/// Forbids to end one direction of a connection.
#[derive(Debug)]
struct NoShutdown;

impl Policy for NoShutdown {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        match operation {
            Operation::Shutdown { .. } => Err(SocketError::PermissionDenied("by this policy")),
            _ => Ok(()),
        }
    }
}

async fn pair(net: &Net, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().expect("bound");
    let one = TcpStream::connect_on(net, address).await.expect("connect");
    let (two, _) = listener.accept().await.expect("accept");
    (one, two)
}

fn what_is_dropped_waits_for_nothing(builder: NetBuilder) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("runtime");
    let net = runtime.block_on(async { builder.build() });
    let net = net.expect("a stack");
    let (mut one, two, split, mut peer, listener, socket, udp) = runtime.block_on(async {
        let listener = TcpListener::bind_on(&net, "127.0.0.1:0").await;
        let listener = listener.expect("bind");
        let (one, two) = pair(&net, &listener).await;
        let (split, peer) = pair(&net, &listener).await;
        let socket = TcpSocket::new_v4_on(&net).expect("a socket");
        let udp = UdpSocket::bind_on(&net, "127.0.0.1:0").await.expect("bind");
        (one, two, split, peer, listener, socket, udp)
    });
    let corked = one.cork().expect("alive");
    let (read, write) = split.into_split();
    let (done, all) = mpsc::channel();
    let dropped = thread::scope(|scope| {
        let while_it_runs = net.engine().control(|_, _| {
            scope.spawn(move || {
                drop(corked);
                drop(write);
                drop((two, listener, socket, udp));
                done.send(()).expect("somebody waits");
            });
            Ok(all.recv_timeout(Duration::from_secs(10)))
        });
        while_it_runs.expect("the stack lives")
    });
    assert_eq!(dropped, Ok(()));
    assert!(one.settings().is_ok_and(|settings| !settings.cork));
    // The half that is left keeps the connection: what its peer reads is the end of one direction.
    let end =
        runtime.block_on(async { timeout(Duration::from_secs(10), peer.read(&mut [0])).await });
    assert_eq!(end.expect("in time").expect("no reset"), 0);
    drop(read);
}

/// A device that takes its time to end, as one whose last packets are still to be written to a file.
#[derive(Debug)]
struct Slow {
    ends: mpsc::Sender<()>,
    may_end: mpsc::Receiver<()>,
}

impl Device for Slow {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps::default()
    }

    fn mtu(&self) -> u16 {
        1500
    }

    fn poll_recv(
        &mut self,
        _: &mut Context<'_>,
        _: &mut RxBatch,
        _: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        batch: &mut TxBatch,
        _: Instant,
    ) -> Poll<io::Result<()>> {
        batch.clear();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.ends.send(()).expect("the test waits");
        let told = self.may_end.recv_timeout(Duration::from_secs(10));
        told.expect("in time");
    }
}

#[test]
fn a_stack_is_over_when_its_devices_are() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("runtime");
    let (ends, ending) = mpsc::channel();
    let (tell, may_end) = mpsc::channel();
    let net = runtime.block_on(async {
        let device = Slow { ends, may_end };
        Net::builder().device("slow0", device).build()
    });
    let net = net.expect("a stack");
    net.engine().shutdown(Duration::ZERO);
    ending
        .recv_timeout(Duration::from_secs(10))
        .expect("its driver ends");
    runtime.block_on(async {
        let mut end = pin!(net.shutdown());
        let early = poll_fn(|cx| Poll::Ready(end.as_mut().poll(cx).is_ready())).await;
        tell.send(()).expect("it waits");
        assert!(!early, "its device is still there");
        let late = timeout(Duration::from_secs(10), end).await;
        assert!(late.is_ok(), "its device is gone");
    });
}
