//! Idle connections: open, used once, then silent.

use super::connect;
use crate::stacks::ECHO_PORT;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Opens `count` connections, each of which has echoed one byte.
///
/// # Errors
/// When a connection fails for good.
pub async fn open(server: Ipv4Addr, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let server = SocketAddr::from((server, ECHO_PORT));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let place = Arc::clone(&places).acquire_owned().await?;
        tasks.spawn(async move {
            let mut stream = connect(server).await?;
            stream.write_all(b".").await?;
            stream.read_exact(&mut [0]).await?;
            drop(place);
            Ok(stream)
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// How many are opened at the same time.
const AT_ONCE: usize = 32;
