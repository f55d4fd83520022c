//! Connections that move from one stack to another.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use net_core::stats::DropReason;
use net_tokio::device::{Packets, channel};
use net_tokio::{Net, TcpListener, TcpStream};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// A stack with this address, and the far end of its link.
fn host(address: &str) -> (Net, Packets) {
    let (device, packets) = channel(1500);
    let builder = Net::builder().device("link0", device).address(address);
    (builder.build().expect("a stack"), packets)
}

/// Carries packets between two links for so long.
async fn carries(one: &mut Packets, other: &mut Packets, time: Duration) {
    let carry = async {
        loop {
            tokio::select! {
                packet = one.next() => other.send(packet.expect("alive")).await.expect("alive"),
                packet = other.next() => one.send(packet.expect("alive")).await.expect("alive"),
            }
        }
    };
    let forever: Result<(), _> = timeout(time, carry).await;
    forever.expect_err("it goes on");
}

/// What the stack has sent by now.
async fn takes(packets: &mut Packets) -> Vec<Bytes> {
    let mut taken = Vec::new();
    while let Ok(packet) = timeout(Duration::from_millis(1), packets.next()).await {
        taken.extend(packet);
    }
    taken
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251).to_le_bytes()[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_live_stream_goes_on_in_another_stack_with_the_same_address() {
    const MOMENT: Duration = Duration::from_millis(50);
    let (near, mut near_link) = host("10.0.0.1/24");
    let (old, mut old_link) = host("10.0.0.2/24");
    let (new, mut new_link) = host("10.0.0.2/24");
    let listener = TcpListener::bind_on(&old, "10.0.0.2:80")
        .await
        .expect("bind");
    let (client, server, ()) = tokio::join!(
        TcpStream::connect_on(&near, "10.0.0.2:80"),
        listener.accept(),
        carries(&mut near_link, &mut old_link, MOMENT)
    );
    let mut client = client.expect("connect");
    let (mut server, _) = server.expect("accept");

    let (question, answer) = (pattern(50_000), pattern(30_000));
    client.write_all(&question[..20_000]).await.expect("room");
    carries(&mut near_link, &mut old_link, MOMENT).await;
    let mut got = vec![0; 50_000];
    server
        .read_exact(&mut got[..5000])
        .await
        .expect("it is here");
    // It leaves, and does not arrive.
    server.write_all(&answer[..20_000]).await.expect("room");
    assert!(!takes(&mut old_link).await.is_empty());

    let frozen = server.freeze().expect("it is open");
    // What comes in the gap is lost, and nothing answers.
    client.write_all(&question[20_000..]).await.expect("room");
    let late = takes(&mut near_link).await;
    assert!(!late.is_empty());
    for packet in late {
        old_link.send(packet).await.expect("alive");
    }
    assert_eq!(takes(&mut old_link).await.len(), 0);
    assert!(old.stats().drops(DropReason::Frozen) > 0);

    let mut server = TcpStream::thaw_on(&new, &frozen).expect("the address is there");
    server.write_all(&answer[20_000..]).await.expect("room");
    let mut heard = vec![0; 30_000];
    let talk = async {
        server
            .read_exact(&mut got[5000..])
            .await
            .expect("all of it");
        client.read_exact(&mut heard).await.expect("all of it");
    };
    tokio::join!(talk, carries(&mut near_link, &mut new_link, 200 * MOMENT));
    assert!(got == question && heard == answer);
    let again = TcpStream::thaw_on(&new, &frozen).expect_err("it is there");
    assert_eq!(again.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_stream_that_cannot_be_frozen_is_given_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect(to).await.expect("connect");
    let (mut server, _) = listener.accept().await.expect("accept");
    client.write_all(b"question").await.expect("room");
    server.readable().await.expect("alive");
    server.shutdown().await.expect("open");
    let refused = server.freeze().expect_err("it may not send any more");
    assert_eq!(refused.error.kind(), ErrorKind::InvalidInput);
    let mut server = refused.stream;
    let mut word = [0; 8];
    server
        .read_exact(&mut word)
        .await
        .expect("it is still there");
    assert_eq!(&word, b"question");
    let none = TcpStream::thaw(b"nothing").expect_err("no connection");
    assert_eq!(none.kind(), ErrorKind::InvalidInput);
}
