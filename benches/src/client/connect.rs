//! Short connections: connect, one byte there and back, close.

use super::connect;
use crate::stacks::ECHO_PORT;
use anyhow::Context as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// Connections per second, with `at_once` of them in progress at any time.
///
/// # Errors
/// When a connection fails for good.
pub async fn run(server: Ipv4Addr, at_once: usize, time: Duration) -> anyhow::Result<f64> {
    let server = SocketAddr::from((server, ECHO_PORT));
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        tasks.spawn(connect_until(server, start + time));
    }
    let counts = tokio::time::timeout(time + PATIENCE, tasks.join_all())
        .await
        .context("a connection hangs")?;
    let count = counts.into_iter().sum::<anyhow::Result<u32>>()?;
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

async fn connect_until(server: SocketAddr, end: Instant) -> anyhow::Result<u32> {
    let mut count = 0;
    while Instant::now() < end {
        let mut stream = connect(server).await?;
        stream.write_all(b".").await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        count += 1;
    }
    Ok(count)
}

const PATIENCE: Duration = Duration::from_secs(20);
