//! UDP echo: a window of datagrams on their way at any time.

use crate::stacks::ECHO_PORT;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

/// Datagrams per second that came back, with `window` of `size` bytes on their way.
///
/// # Errors
/// When the socket fails, or no datagram comes back.
pub async fn run(
    server: Ipv4Addr,
    window: usize,
    size: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect((server, ECHO_PORT)).await?;
    let payload = vec![b'.'; size];
    let mut buf = vec![0; size];
    let mut returned = 0_u32;
    let mut missing = 0;
    let start = Instant::now();
    while start.elapsed() < time {
        while missing < window {
            socket.send(&payload).await?;
            missing += 1;
        }
        match tokio::time::timeout(LOST, socket.recv(&mut buf)).await {
            Ok(received) => {
                received?;
                returned += 1;
                missing = missing.saturating_sub(1);
            }
            Err(_) => missing = 0,
        }
        while socket.try_recv(&mut buf).is_ok() {
            returned += 1;
            missing = missing.saturating_sub(1);
        }
    }
    anyhow::ensure!(returned > 0, "no datagram came back");
    Ok(f64::from(returned) / start.elapsed().as_secs_f64())
}

/// After so long without any, the whole window is lost.
const LOST: Duration = Duration::from_millis(50);
