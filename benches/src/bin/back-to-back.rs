//! Gbit/s of two stacks joined in memory on one thread: ours and smoltcp, run by run in turn. Ends with an
//! error where ours is less than twice as fast; `--quick` and `--alone` judge nothing.

use anyhow::ensure;
use benches::back_to_back::{ours, smoltcp};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// How often; medians are shown.
    #[arg(long, default_value_t = 41)]
    runs: usize,
    /// Seconds of each run: short, so that those that are compared see the same machine.
    #[arg(long, default_value_t = 0.05)]
    seconds: f64,
    /// Bytes of the socket buffers; several are tried and the best of each stack counts.
    #[arg(long, value_delimiter = ',', default_values_t = [65_536, 262_144, 1_048_576])]
    buffer: Vec<usize>,
    /// Ours alone, for a profiler to look at; no judgement.
    #[arg(long)]
    alone: bool,
    /// A smoke test: one run, no judgement.
    #[arg(long)]
    quick: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runs = if args.quick { 1 } else { args.runs };
    let time = Duration::from_secs_f64(args.seconds);
    let mut ours: Vec<_> = args
        .buffer
        .iter()
        .map(|&size| ours::Pair::new(size))
        .collect();
    let mut theirs: Vec<_> = args
        .buffer
        .iter()
        .filter(|_| !args.alone)
        .map(|&size| smoltcp::Pair::new(size))
        .collect();
    let mut rates = vec![[Vec::new(), Vec::new()]; args.buffer.len()];
    for _ in 0..runs {
        for (pair, rates) in ours.iter_mut().zip(&mut rates) {
            rates[0].push(rate(time, |bytes| pair.carry(bytes)));
        }
        for (pair, rates) in theirs.iter_mut().zip(&mut rates) {
            rates[1].push(rate(time, |bytes| pair.carry(bytes)));
        }
    }
    println!("Gbit/s of CPU time      ours   smoltcp");
    let mut best: [f64; 2] = [0.0; 2];
    for (buffer, rates) in args.buffer.iter().zip(rates) {
        let [ours, theirs] = rates.map(median);
        println!("buffers of {buffer:>8} {ours:8.1}  {theirs:8.1}");
        best = [best[0].max(ours), best[1].max(theirs)];
    }
    if args.alone {
        return Ok(());
    }
    let ratio = best[0] / best[1];
    println!("best against best: {ratio:.2} times smoltcp");
    if args.quick { Ok(()) } else { judge(ratio) }
}

/// An error below the target, or where nothing was measured.
fn judge(ratio: f64) -> anyhow::Result<()> {
    ensure!(
        ratio >= TARGET,
        "MISSED: at least {TARGET} times smoltcp are wanted, {ratio:.2} are reached"
    );
    Ok(())
}

/// Gbit/s of `carry`, called for about `time` after a warm-up. What counts is the CPU time of this
/// thread, so that other work on the machine does not.
fn rate(time: Duration, mut carry: impl FnMut(usize)) -> f64 {
    carry(STEP);
    let start = cpu_time();
    let mut steps = 0_u32;
    loop {
        carry(STEP);
        steps += 1;
        let elapsed = cpu_time() - start;
        if elapsed >= time {
            return f64::from(steps) * STEP_BITS / elapsed.as_secs_f64() / 1e9;
        }
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("time spent is not negative")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const STEP: usize = 16 << 20;
const STEP_BITS: f64 = (STEP * 8) as f64;
/// Times the best of smoltcp that the best of ours is to reach.
const TARGET: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_the_target_is_missed() {
        assert!(judge(2.0).is_ok() && judge(7.5).is_ok());
        for missed in [0.0, 1.99, f64::NAN] {
            let error = judge(missed).expect_err("below").to_string();
            assert!(error.starts_with("MISSED"), "{error}");
        }
    }
}
