//! Waiting for the times at which something left (`SO_TIMESTAMPING`).

use net_core::Seed;
use net_core::tcp::{TransmitStage, TransmitStages};
use net_core::udp::{SendMeta, WantTimes};
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Driver, Net, TcpListener, TcpStream, UdpSocket};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;

/// Two stacks on a link of 20 ms.
fn hosts() -> (Net, Net) {
    let link = LinkConfig {
        delay: Duration::from_millis(20),
        ..LinkConfig::default()
    };
    let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
    let host = |device, address| {
        let builder = Net::builder().driver(Driver::Task).device("link0", device);
        builder.address(address).build().expect("a stack")
    };
    (host(near, "10.0.0.1/24"), host(far, "10.0.0.2/24"))
}

async fn connection(near: &Net, far: &Net) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind_on(far, "10.0.0.2:0").await;
    let listener = listener.expect("a port");
    let to = listener.local_addr().expect("bound");
    let client = TcpStream::connect_on(near, to).await.expect("a listener");
    let (server, _) = listener.accept().await.expect("a connection");
    (client, server)
}

/// SPEC 129.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_time_of_an_acknowledgement_is_woken_by_it() {
    let (near, far) = hosts();
    let (mut client, mut server) = connection(&near, &far).await;
    let stages = TransmitStages::SENT | TransmitStages::ACKNOWLEDGED;
    client.want_times(4, stages).expect("open");
    client.write_all(b"hello").await.expect("room");
    let sent = client.transmit_time().await.expect("sent");
    assert_eq!((sent.offset, sent.stage), (4, TransmitStage::Sent));
    let acknowledged = client.transmit_time().await.expect("acknowledged");
    assert_eq!(acknowledged.stage, TransmitStage::Acknowledged);
    let took = acknowledged.at.saturating_since(sent.at);
    assert!(took >= Duration::from_millis(40), "{took:?}");
    server.read_exact(&mut [0; 5]).await.expect("data");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_times_of_a_connection_that_is_over() {
    let (near, far) = hosts();
    let (client, server) = connection(&near, &far).await;
    let client = Arc::new(client);
    let waits = Arc::clone(&client);
    let waiting = tokio::spawn(async move { waits.transmit_time().await });
    yield_now().await;
    server.set_zero_linger().expect("alive");
    drop(server);
    let outcome = waiting.await.expect("no panic");
    let kind = outcome.expect_err("reset").kind();
    assert_eq!(kind, io::ErrorKind::NotConnected);
}

#[tokio::test(start_paused = true)]
async fn times_of_datagrams_come_under_the_names_that_the_sender_gave() {
    let (near, far) = hosts();
    let server = UdpSocket::bind_on(&far, "10.0.0.2:0").await;
    let server = server.expect("a port");
    let to = server.local_addr().expect("bound");
    let client = UdpSocket::bind_on(&near, "10.0.0.1:0").await;
    let client = Arc::new(client.expect("a port"));
    let nothing = client.try_transmit_time().expect_err("nothing was sent");
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    let waits = Arc::clone(&client);
    let waiting = tokio::spawn(async move {
        let first = waits.transmit_time().await.expect("sent");
        let second = waits.transmit_time().await.expect("sent");
        [first, second].map(|time| time.id)
    });
    yield_now().await;
    for id in [17, 4] {
        let meta = SendMeta {
            times: Some(WantTimes {
                id,
                stages: TransmitStages::SENT,
            }),
            ..SendMeta::to(to)
        };
        client.send_with(b"x", meta).await.expect("room");
        client.send_to(b"y", to).await.expect("room");
    }
    assert_eq!(waiting.await.expect("no panic"), [17, 4]);
}
