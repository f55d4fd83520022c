//! The summary.

use super::args::Args;
use super::run::{Outcome, Run, algorithm};
use net_core::tcp::Limit;
use std::fmt::Write as _;
use std::time::Duration;

/// What everything came to.
pub(crate) fn render(args: &Args, run: &mut Run, took: Duration) -> String {
    let outcomes = run.outcomes();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<8} {:<6} {:>12} {:>8} {:>9} {:>9} {:>8} {:>9} {:>9}",
        "flow", "cc", "Mbit/s", "share", "seconds", "resent", "RTOs", "RTT ms", "cwnd kB"
    );
    let payload_rate = payload_rate(args);
    for (number, outcome) in outcomes.iter().enumerate() {
        let info = outcome.info.as_ref();
        let _ = writeln!(
            text,
            "{:<8} {:<6} {:>12.3} {:>7.1}% {:>9.3} {:>8.2}% {:>8} {:>9.2} {:>9.1}",
            number,
            format!("{:?}", algorithm(args, number)).to_lowercase(),
            outcome.goodput() / 1e6,
            outcome.goodput() / payload_rate * 100.0,
            outcome.time.as_secs_f64(),
            share(
                outcome.stats.tcp_retransmits,
                outcome.stats.tcp_out_segments
            ),
            outcome.stats.tcp_timeouts,
            info.and_then(|info| info.rtt)
                .map_or(0.0, |rtt| rtt.as_secs_f64() * 1e3),
            info.map_or(0.0, |info| f64::from(info.cwnd) / 1e3),
        );
        if let Some(error) = &outcome.error {
            let _ = writeln!(text, "         failed: {error}");
        } else if args.bytes.is_some() && !outcome.finished {
            let _ = writeln!(text, "         not finished");
        }
        let _ = writeln!(text, "         held up by {}", limits(outcome));
    }
    if outcomes.len() > 1 {
        let _ = writeln!(text, "Jain's index of fairness {:.3}", fairness(&outcomes));
    }
    let link = run.link();
    let _ = writeln!(
        text,
        "link: {} packets sent, {} delivered, {} lost, {} found the queue full, {} marked, {} overtaken, \
{} twice, {} corrupted, {} in an outage, {} in the black hole",
        link.sent,
        link.delivered,
        link.lost,
        link.queue_full,
        link.marked,
        link.overtaken,
        link.duplicated,
        link.corrupted,
        link.outage,
        link.black_holed,
    );
    let elapsed = run.elapsed().as_secs_f64();
    let took = took.as_secs_f64();
    let _ = writeln!(
        text,
        "{elapsed:.1} s simulated in {took:.2} s: {:.0} times as fast as real time",
        elapsed / took.max(1e-9)
    );
    text
}

/// Bits of payload per second when the link is full of full segments with timestamps.
fn payload_rate(args: &Args) -> f64 {
    let mtu = f64::from(args.mtu);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = args.rate as f64;
    rate * (mtu - 52.0) / mtu
}

fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let share = part as f64 / (whole as f64).max(1.0);
    share * 100.0
}

/// What held a flow up, in percent of its time.
fn limits(outcome: &Outcome) -> String {
    let Some(info) = &outcome.info else {
        return "nothing: it never was connected".into();
    };
    let times = Limit::ALL.map(|limit| (limit, info.limited.by(limit).as_secs_f64()));
    let total: f64 = times.iter().map(|(_, time)| time).sum();
    times
        .iter()
        .filter(|(_, time)| *time > total / 1e3)
        .map(|(limit, time)| format!("{} {:.1}%", limit.name(), time / total * 100.0))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Jain's index: 1 where all get the same, 1/n where one gets all.
fn fairness(outcomes: &[Outcome]) -> f64 {
    let sum: f64 = outcomes.iter().map(Outcome::goodput).sum();
    let squares: f64 = outcomes.iter().map(|one| one.goodput().powi(2)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few flows")]
    let count = outcomes.len() as f64;
    sum.powi(2) / (count * squares).max(1e-9)
}
