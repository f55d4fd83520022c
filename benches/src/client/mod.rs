//! The client: plain kernel sockets on one thread, the same for every stack.

pub mod bulk;
pub mod connect;
pub mod exchange;
pub mod idle;
pub mod latency;
pub mod udp;

use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Connects with Nagle's algorithm off, trying again while the server has no room.
async fn connect(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut tries = 0;
    loop {
        match TcpStream::connect(server).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if tries == MAX_TRIES => return Err(error.into()),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
        tries += 1;
    }
}

const MAX_TRIES: usize = 100;
const RETRY: Duration = Duration::from_millis(10);
