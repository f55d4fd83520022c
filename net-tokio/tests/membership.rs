//! Routers hear of a group when a socket has joined it, though nothing is sent.

use futures::StreamExt as _;
use net_tokio::device::channel;
use net_tokio::{Net, UdpSocket};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::timeout;

const IGMP: u8 = 2;

/// RFC 3376 §5.1: at once, and once more.
#[tokio::test(start_paused = true)]
async fn a_group_is_told_of_at_once_and_once_more() -> io::Result<()> {
    for inline in [true, false] {
        let (device, mut packets) = channel(1500);
        let net = Net::builder()
            .inline_rounds(inline)
            .device("link0", device)
            .address("10.0.0.1/24")
            .build()?;
        let socket = UdpSocket::bind_on(&net, "0.0.0.0:0").await?;
        socket.join_multicast_v4(Ipv4Addr::new(239, 1, 2, 3), Ipv4Addr::new(10, 0, 0, 1))?;
        for _ in 0..2 {
            let told = timeout(Duration::from_secs(5), packets.next()).await?;
            assert_eq!(told.expect("the stack is there")[9], IGMP);
        }
    }
    Ok(())
}
