//! Request and response: each connection sends, waits for the echo, and sends again.

use super::connect;
use super::latency::{Latencies, Percentiles};
use crate::stacks::ECHO_PORT;
use anyhow::Context as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What request and response came to.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Round trips per second, of all connections together.
    pub rate: f64,
    /// How long they took.
    pub percentiles: Percentiles,
}

/// Exchanges `size` bytes on `connections` connections for `time`.
///
/// # Errors
/// When a connection fails.
pub async fn run(
    server: Ipv4Addr,
    connections: usize,
    size: usize,
    time: Duration,
) -> anyhow::Result<Exchange> {
    let server = SocketAddr::from((server, ECHO_PORT));
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(connect(server).await?);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in streams {
        tasks.spawn(exchange_until(stream, size, start + time));
    }
    let results = tokio::time::timeout(time + PATIENCE, tasks.join_all())
        .await
        .context("an echo did not come")?;
    let elapsed = start.elapsed().as_secs_f64();
    let mut all = Latencies::default();
    for latencies in results {
        all.merge(&latencies?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = all.count() as f64 / elapsed;
    Ok(Exchange {
        rate,
        percentiles: all.percentiles(),
    })
}

async fn exchange_until(
    mut stream: TcpStream,
    size: usize,
    end: Instant,
) -> anyhow::Result<Latencies> {
    let request = vec![b'.'; size];
    let mut response = vec![0; size];
    let mut latencies = Latencies::default();
    let mut now = Instant::now();
    while now < end {
        let sent = now;
        stream.write_all(&request).await?;
        stream.read_exact(&mut response).await?;
        now = Instant::now();
        latencies.record(now - sent);
    }
    Ok(latencies)
}

const PATIENCE: Duration = Duration::from_secs(20);
