//! Bulk transfer: what one or more streams carry in one direction.

use super::connect;
use crate::stacks::{COUNT_PORT, SOURCE_PORT};
use anyhow::Context as _;
use examples::services::ASK;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What was carried.
#[derive(Debug, Clone, Copy)]
pub struct Bulk {
    /// Bytes that the receiving application has read.
    pub bytes: u64,
    /// In how long.
    pub elapsed: Duration,
}

/// Sends to the server on `streams` connections for `time`; counts what the server says that its
/// application has read, up to the moment when the last answer is here.
///
/// # Errors
/// When a connection fails or an answer does not come.
pub async fn up(server: Ipv4Addr, streams: usize, time: Duration) -> anyhow::Result<Bulk> {
    let connections = open(SocketAddr::from((server, COUNT_PORT)), streams).await?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in connections {
        tasks.spawn(send_until(stream, start + time));
    }
    let answers = tokio::time::timeout(time + PATIENCE, tasks.join_all())
        .await
        .context("the server did not say how much it has read")?;
    let bytes = answers.into_iter().sum::<anyhow::Result<u64>>()?;
    Ok(Bulk {
        bytes,
        elapsed: start.elapsed(),
    })
}

/// Receives from the server on `streams` connections; counts for `time` what is read here, after
/// a warm-up.
///
/// # Errors
/// When a connection fails.
pub async fn down(server: Ipv4Addr, streams: usize, time: Duration) -> anyhow::Result<Bulk> {
    let connections = open(SocketAddr::from((server, SOURCE_PORT)), streams).await?;
    let start = Instant::now() + WARM_UP.min(time);
    let mut tasks = JoinSet::new();
    for stream in connections {
        tasks.spawn(receive_between(stream, start, start + time));
    }
    let counts = tasks.join_all().await;
    let elapsed = start.elapsed();
    let bytes = counts.into_iter().sum::<anyhow::Result<u64>>()?;
    Ok(Bulk { bytes, elapsed })
}

async fn open(server: SocketAddr, streams: usize) -> anyhow::Result<Vec<TcpStream>> {
    let mut connections = Vec::new();
    for _ in 0..streams {
        connections.push(connect(server).await?);
    }
    Ok(connections)
}

async fn send_until(mut stream: TcpStream, end: Instant) -> anyhow::Result<u64> {
    let data = vec![b'.'; BUFFER];
    while Instant::now() < end {
        stream.write_all(&data).await?;
    }
    stream.write_all(&[ASK]).await?;
    let mut answer = [0; 8];
    stream
        .read_exact(&mut answer)
        .await
        .context("reading the server's count")?;
    Ok(u64::from_be_bytes(answer))
}

async fn receive_between(
    mut stream: TcpStream,
    start: Instant,
    end: Instant,
) -> anyhow::Result<u64> {
    let mut buf = vec![0; BUFFER];
    let mut total = 0;
    loop {
        let read = tokio::time::timeout_at((end + STALL).into(), stream.read(&mut buf)).await;
        let now = Instant::now();
        let Ok(count) = read else { break };
        let count = count?;
        anyhow::ensure!(count > 0, "the source ended");
        if now >= end {
            break;
        }
        if now >= start {
            total += count as u64;
        }
    }
    // The source never ends: a reset tells it to.
    stream.set_zero_linger()?;
    Ok(total)
}

const BUFFER: usize = 128 * 1024;
const WARM_UP: Duration = Duration::from_millis(300);
/// How long after the end a stalled stream may keep the others waiting.
const STALL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);
