//! The stack that comes up where none was set up.

use net_tokio::{TcpListener, TcpStream, UdpSocket};
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

fn run<F: Future>(work: F) -> F::Output {
    runtime().block_on(work)
}

async fn echo(listener: TcpListener) {
    let (mut stream, _) = listener.accept().await.expect("accept");
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut read, &mut write).await.expect("copy");
}

async fn ask(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).await.expect("connect");
    stream.write_all(b"anyone?").await.expect("write");
    stream.shutdown().await.expect("shutdown");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    assert_eq!(answer, "anyone?");
}

#[test]
fn threads_with_runtimes_of_their_own_talk_to_each_other() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                // All of them may be the first to use it.
                let listener = run(TcpListener::bind("127.0.0.1:0")).expect("bind");
                let to = listener.local_addr().expect("bound");
                let server = thread::spawn(move || run(echo(listener)));
                run(ask(to));
                server.join().expect("no panic");
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// All of 127.0.0.0/8 is this host (RFC 1122 §3.2.1.3(g)), and each address has its own ports.
#[test]
fn every_address_of_the_loopback_network_is_there() {
    run(async {
        let one = TcpListener::bind("127.1.2.3:0").await.expect("bind");
        let port = one.local_addr().expect("bound").port();
        let two = TcpListener::bind(("127.255.255.254", port)).await;
        let two = two.expect("the port of another address");
        for (listener, address) in [(one, "127.1.2.3"), (two, "127.255.255.254")] {
            let to = SocketAddr::new(address.parse().expect("an address"), port);
            assert_eq!(listener.local_addr().expect("bound"), to);
            tokio::join!(echo(listener), ask(to));
        }
        // Who listens everywhere listens there.
        let all = TcpListener::bind("0.0.0.0:0").await.expect("bind");
        let port = all.local_addr().expect("bound").port();
        let to = SocketAddr::from(([127, 9, 8, 7], port));
        tokio::join!(echo(all), ask(to));
        let inbox = UdpSocket::bind("127.77.0.1:0").await.expect("bind");
        let outbox = UdpSocket::bind("127.77.0.2:0").await.expect("bind");
        let to = inbox.local_addr().expect("bound");
        outbox.send_to(b"across", to).await.expect("sent");
        let mut got = [0; 6];
        let received = inbox.recv_from(&mut got).await.expect("received");
        assert_eq!(received, (6, outbox.local_addr().expect("bound")));
    });
}

#[test]
fn sockets_outlive_the_runtime_that_made_them() {
    let first = runtime();
    let (listener, client) = first.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await;
        (listener, client.expect("connect"))
    });
    drop(first);
    run(async move {
        let (mut server, _) = listener.accept().await.expect("accept");
        let (mut client, mut got) = (client, [0; 5]);
        client.write_all(b"still").await.expect("write");
        server.read_exact(&mut got).await.expect("read");
        assert_eq!(&got, b"still");
    });
}

#[test]
fn a_runtime_that_is_blocked_stops_nobody_else() {
    let (listener, to) = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let to = listener.local_addr().expect("bound");
        (listener, to)
    });
    let (blocked, go) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel());
    let blocking = thread::spawn(move || {
        run(async {
            let _mine = UdpSocket::bind("127.0.0.1:0").await.expect("bind");
            go.0.send(()).expect("wanted");
            blocked.1.recv().expect_err("the sender goes");
        });
    });
    go.1.recv().expect("it blocks");
    let server = thread::spawn(move || run(echo(listener)));
    run(ask(to));
    server.join().expect("no panic");
    drop(blocked.0);
    blocking.join().expect("no panic");
}

/// Counts warnings, and keeps the last.
#[derive(Default)]
struct Warnings;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static LAST: Mutex<String> = Mutex::new(String::new());

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text<'a>(&'a mut String);
        impl Visit for Text<'_> {
            fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!("{value:?} "));
            }
        }
        COUNT.fetch_add(1, Ordering::Relaxed);
        let mut last = LAST.lock().expect("no panic");
        last.clear();
        event.record(&mut Text(&mut last));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn binding_what_nobody_can_reach_warns_once() {
    tracing::subscriber::set_global_default(Warnings).expect("the only one");
    run(async {
        for _ in 0..3 {
            TcpListener::bind("127.0.0.1:0").await.expect("bind");
            UdpSocket::bind("[::1]:0").await.expect("bind");
        }
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
        for _ in 0..3 {
            TcpListener::bind("0.0.0.0:0").await.expect("bind");
            UdpSocket::bind("[::]:0").await.expect("bind");
        }
    });
    assert_eq!(COUNT.load(Ordering::Relaxed), 1);
    let last = LAST.lock().expect("no panic");
    assert!(last.contains("0.0.0.0:0") && last.contains("Net"), "{last}");
}
