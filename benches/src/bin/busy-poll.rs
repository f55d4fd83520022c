//! How long a request of one byte waits for its echo over a TUN, where the driver goes to sleep at once,
//! where it learns whether to stay awake, and where it is told to (`SO_BUSY_POLL`): median and 99th
//! percentile, run by run in turn.

use anyhow::Context as _;
use benches::client::latency::{Latencies, Percentiles};
use benches::host::process::{Launch, Server};
use benches::host::{limits, namespace};
use benches::stacks::{ECHO_PORT, StackName};
use benches::versus::server;
use clap::Parser;
use std::hint::spin_loop;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// How often; medians are shown.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Microseconds from an answer to the next request; several are tried.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 50, 200])]
    pause: Vec<u64>,
    /// Microseconds for which the driver stays awake where it is told to.
    #[arg(long, default_value_t = 500)]
    awake: u64,
}

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some(server::SERVE) {
        return server::main();
    }
    let args = Args::parse();
    namespace::enter()?;
    limits::raise_descriptors()?;
    let modes = [
        ("asleep", Some(0)),
        ("learning", None),
        ("awake", Some(args.awake)),
    ];
    let mut numbers = (1..=u8::MAX).cycle();
    println!("pause µs  driver    p50 µs  p99 µs");
    for &pause in &args.pause {
        let mut seen = [const { Vec::new() }; 3];
        for _ in 0..args.runs {
            for ((_, busy_poll_us), seen) in modes.iter().zip(&mut seen) {
                let number = numbers.next().context("numbers never end")?;
                seen.push(measure(number, *busy_poll_us, pause, args.seconds)?);
            }
        }
        for ((name, _), seen) in modes.iter().zip(seen) {
            let p50 = median(seen.iter().map(|seen| seen.p50_us));
            let p99 = median(seen.iter().map(|seen| seen.p99_us));
            println!("{pause:>8}  {name:<8}  {p50:>6.1}  {p99:>6.1}");
        }
    }
    Ok(())
}

/// Asks a fresh server for `seconds`, `pause` microseconds after each answer.
fn measure(
    number: u8,
    busy_poll_us: Option<u64>,
    pause: u64,
    seconds: f64,
) -> anyhow::Result<Percentiles> {
    let server = Server::start(&Launch {
        stack: StackName::Ours,
        number,
        at_once: 1,
        buffer: 64 << 10,
        threads: 1,
        busy_poll_us,
    })?;
    let mut stream = TcpStream::connect(SocketAddr::from((server.address(), ECHO_PORT)))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let pause = Duration::from_micros(pause);
    let mut latencies = Latencies::default();
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut answered = Instant::now();
    while answered < end {
        // Sleep is too coarse for this.
        while answered.elapsed() < pause {
            spin_loop();
        }
        let asked = Instant::now();
        stream.write_all(b".")?;
        stream.read_exact(&mut [0])?;
        answered = Instant::now();
        latencies.record(answered - asked);
    }
    Ok(latencies.percentiles())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// An echo that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(5);
