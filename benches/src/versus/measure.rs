//! One measurement: a fresh server on a fresh link, one workload, its quantities.

use super::workload::{Quantity, Workload};
use crate::client::{bulk, connect, exchange, idle, udp};
use crate::host::process::{Launch, Server};
use crate::stacks::StackName;
use std::time::Duration;

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long each workload runs.
    pub time: Duration,
    /// How many idle connections.
    pub idle: usize,
    /// Worker threads of the servers that run on tokio.
    pub threads: usize,
}

/// Starts a server, runs the workload against it and returns what it yields.
///
/// # Errors
/// When the server or a connection fails.
pub fn measure(
    stack: StackName,
    workload: Workload,
    number: u8,
    settings: Settings,
) -> anyhow::Result<Vec<(Quantity, f64)>> {
    let server = Server::start(&Launch {
        stack,
        number,
        at_once: workload.at_once(),
        buffer: buffer(workload),
        threads: settings.threads,
        busy_poll_us: None,
    })?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(&server, workload, settings))
}

/// Bytes of the socket buffers of a stack that allocates them: only bulk needs large ones.
const fn buffer(workload: Workload) -> usize {
    match workload {
        Workload::Up1 | Workload::Up8 | Workload::Down1 | Workload::Down8 => 1 << 20,
        _ => 64 << 10,
    }
}

async fn run(
    server: &Server,
    workload: Workload,
    settings: Settings,
) -> anyhow::Result<Vec<(Quantity, f64)>> {
    let (address, time) = (server.address(), settings.time);
    let connections = workload.at_once();
    match workload {
        Workload::Up1 | Workload::Up8 => {
            let before = server.cpu_seconds()?;
            let bulk = bulk::up(address, connections, time).await?;
            bulk_quantities(bulk, server.cpu_seconds()? - before)
        }
        Workload::Down1 | Workload::Down8 => {
            let before = server.cpu_seconds()?;
            let bulk = bulk::down(address, connections, time).await?;
            bulk_quantities(bulk, server.cpu_seconds()? - before)
        }
        Workload::ByteOne | Workload::ByteMany => Ok(exchange_quantities(
            &exchange::run(address, connections, 1, time).await?,
        )),
        Workload::KibOne | Workload::KibMany => Ok(exchange_quantities(
            &exchange::run(address, connections, 1024, time).await?,
        )),
        Workload::Connect => {
            let rate = connect::run(address, connections, time).await?;
            Ok(vec![(Quantity::Rate, rate / 1e3)])
        }
        Workload::Udp => {
            let rate = udp::run(address, 64, 64, time).await?;
            Ok(vec![(Quantity::Rate, rate / 1e3)])
        }
        Workload::Idle => idle_quantities(server, settings).await,
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn bulk_quantities(bulk: bulk::Bulk, cpu_seconds: f64) -> anyhow::Result<Vec<(Quantity, f64)>> {
    let bytes = bulk.bytes as f64;
    anyhow::ensure!(bulk.bytes > 0, "nothing arrived");
    Ok(vec![
        (Quantity::Gbit, bytes * 8e-9 / bulk.elapsed.as_secs_f64()),
        (Quantity::CpuPerGb, cpu_seconds / (bytes * 1e-9)),
    ])
}

fn exchange_quantities(exchange: &exchange::Exchange) -> Vec<(Quantity, f64)> {
    vec![
        (Quantity::Rate, exchange.rate / 1e3),
        (Quantity::P50, exchange.percentiles.p50_us),
        (Quantity::P99, exchange.percentiles.p99_us),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn idle_quantities(
    server: &Server,
    settings: Settings,
) -> anyhow::Result<Vec<(Quantity, f64)>> {
    let active = Workload::Idle.at_once();
    let rate = async || {
        let exchange = exchange::run(server.address(), active, 1, settings.time).await?;
        tokio::time::sleep(SETTLE).await;
        anyhow::Ok(exchange.rate / 1e3)
    };
    let alone_before = rate().await?;
    let before = server.resident_bytes()?;
    let connections = idle::open(server.address(), settings.idle).await?;
    tokio::time::sleep(SETTLE).await;
    let after = server.resident_bytes()?;
    let with = rate().await?;
    drop(connections);
    tokio::time::sleep(SETTLE).await;
    // Once before and once after, so that a machine that slows down or speeds up meanwhile does not
    // count as the work of the idle ones.
    let alone = f64::midpoint(alone_before, rate().await?);
    let each = after.saturating_sub(before) as f64 / settings.idle as f64;
    Ok(vec![
        (Quantity::Rss, each / 1024.0),
        (Quantity::RateAlone, alone),
        (Quantity::RateWithIdle, with),
        (Quantity::Kept, with / alone),
    ])
}

/// Until closed connections are gone and opened ones quiet.
const SETTLE: Duration = Duration::from_millis(500);
