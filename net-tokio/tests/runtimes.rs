//! The same conversation on every kind of runtime and stack.

use net_core::Seed;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// Streams and datagrams between `client` and a server at `address`.
async fn conversation(client: Net, server: Net, address: &'static str) {
    let listener = TcpListener::bind_on(&server, (address, 0))
        .await
        .expect("bind");
    let to = listener.local_addr().expect("bound");
    let accepting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accept");
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.expect("copy");
                write.shutdown().await.expect("shutdown");
            });
        }
    });
    let clients: Vec<_> = (0..20_u8)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let stream = TcpStream::connect_on(&client, to).await.expect("connect");
                let (mut read, mut write) = stream.into_split();
                let sent = vec![number; 10_000 + usize::from(number) * 5000];
                let expected = sent.clone();
                let writing = tokio::spawn(async move {
                    write.write_all(&sent).await.expect("write");
                });
                let mut got = Vec::new();
                read.read_to_end(&mut got).await.expect("read");
                writing.await.expect("no panic");
                assert!(got == expected);
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
    accepting.abort();

    let receiver = UdpSocket::bind_on(&server, (address, 0))
        .await
        .expect("bind");
    let any = if address.contains(':') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let sender = UdpSocket::bind_on(&client, any).await.expect("bind");
    sender
        .connect(receiver.local_addr().expect("bound"))
        .await
        .expect("connect");
    // A link may lose datagrams, so one is sent until it is answered.
    let answering = tokio::spawn(async move {
        let mut buf = [0; 16];
        loop {
            let (len, peer) = receiver.recv_from(&mut buf).await.expect("receive");
            receiver.send_to(&buf[..len], peer).await.expect("send");
        }
    });
    let mut buf = [0; 16];
    loop {
        sender.send(b"anyone?").await.expect("send");
        if let Ok(len) = timeout(Duration::from_millis(500), sender.recv(&mut buf)).await {
            assert_eq!(&buf[..len.expect("receive")], b"anyone?");
            break;
        }
    }
    answering.abort();
}

async fn over_the_process_wide_stack() {
    let net = Net::current().expect("it comes up");
    conversation(net.clone(), net, "127.0.0.1").await;
}

async fn over_a_loopback_of_its_own() {
    for inline in [true, false] {
        let net = Net::builder().inline_rounds(inline).build().expect("build");
        conversation(net.clone(), net, "::1").await;
    }
}

async fn over_a_bad_link() {
    let link = LinkConfig {
        delay: Duration::from_millis(2),
        loss_ppm: 10_000,
        ..LinkConfig::default()
    };
    let (left, right) = pair(link.clone(), link, Seed::from_u64(3));
    let host = |device, address: &str| {
        Net::builder()
            .device("link0", device)
            .address(address)
            .seed(Seed::from_u64(4))
            .build()
            .expect("build")
    };
    let (client, server) = (host(left, "fd07::1/64"), host(right, "fd07::2/64"));
    conversation(client, server, "fd07::2").await;
}

async fn over_a_driver_thread() {
    let net = Net::builder()
        .driver(net_tokio::Driver::Thread)
        .build()
        .expect("build");
    conversation(net.clone(), net, "127.0.0.1").await;
}

fn on_current_thread(work: impl Future<Output = ()>) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("runtime");
    runtime.block_on(work);
}

fn on_two_threads(work: impl Future<Output = ()> + Send + 'static) {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async { tokio::spawn(work).await.expect("no panic") });
}

fn on_a_paused_clock(work: impl Future<Output = ()>) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder
        .enable_all()
        .start_paused(true)
        .build()
        .expect("runtime");
    runtime.block_on(work);
}

macro_rules! everywhere {
    ($($stack:ident: $($runtime:ident)+;)+) => {$(
        mod $stack {
            $(
                #[test]
                fn $runtime() {
                    super::$runtime(super::$stack());
                }
            )+
        }
    )+};
}

everywhere! {
    over_the_process_wide_stack: on_current_thread on_two_threads on_a_paused_clock;
    over_a_loopback_of_its_own: on_current_thread on_two_threads on_a_paused_clock;
    over_a_bad_link: on_current_thread on_two_threads on_a_paused_clock;
    over_a_driver_thread: on_current_thread on_two_threads;
}
