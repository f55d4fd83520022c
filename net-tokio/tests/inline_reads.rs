//! A task that reads does what the driver was woken for and has not begun.

use futures::poll;
use net_core::Seed;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// SPEC 107: the same bytes both ways, sooner by a turn of the driver with the switch on.
#[tokio::test(start_paused = true)]
async fn a_reader_takes_packets_in_itself_unless_told_not_to() {
    for inline in [true, false] {
        let link = LinkConfig::default();
        let (near, far) = pair(link.clone(), link, Seed::from_u64(1));
        let near = Net::builder().device("link0", near).address("10.0.0.1/24");
        let near = near.build().expect("a stack");
        let far = Net::builder().inline_rounds(inline).device("link0", far);
        let far = far.address("10.0.0.2/24").build().expect("a stack");
        let listener = TcpListener::bind_on(&far, "10.0.0.2:80").await;
        let listener = listener.expect("free");
        let stream = TcpStream::connect_on(&near, "10.0.0.2:80").await;
        let stream = stream.expect("a listener");
        let (mut peer, _) = listener.accept().await.expect("a connection");
        let inbox = UdpSocket::bind_on(&far, "10.0.0.2:9").await.expect("free");
        let outbox = UdpSocket::bind_on(&near, "10.0.0.1:0").await.expect("free");
        // What the handshake left to do is done.
        tokio::time::sleep(Duration::from_secs(1)).await;

        assert_eq!(stream.try_write(b"stream").expect("room"), 6);
        let mut bytes = [0; 6];
        let at_once = poll!(std::pin::pin!(peer.read_exact(&mut bytes))).is_ready();
        assert_eq!(at_once, inline, "by the reader");
        if !at_once {
            peer.read_exact(&mut bytes).await.expect("delivered");
        }
        assert_eq!(&bytes, b"stream");

        tokio::time::sleep(Duration::from_secs(1)).await;
        let to = "10.0.0.2:9".parse().expect("an address");
        assert_eq!(outbox.try_send_to(b"datagram", to).expect("room"), 8);
        let mut bytes = [0; 8];
        let at_once = poll!(std::pin::pin!(inbox.recv(&mut bytes))).is_ready();
        assert_eq!(at_once, inline, "by the receiver");
        if !at_once {
            inbox.recv(&mut bytes).await.expect("delivered");
        }
        assert_eq!(&bytes, b"datagram");
    }
}
