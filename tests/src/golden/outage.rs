//! Paths that break and come back.

use super::figures::{Figure, usual_path};
use super::parallel;
use super::path::{Path, endless, name};
use super::table::{median, millis};
use net_core::config::CongestionAlgorithm;
use net_core::sim::{LinkConfig, Outage};
use net_core::socket::TcpOption;
use net_core::time::{Duration, Instant};

/// 300 ms: data flows again within a second of the end.
pub(super) fn short(algorithm: CongestionAlgorithm, seeds: u64) -> Figure {
    let path = usual_path();
    let outage = Duration::from_millis(300);
    let limit = Duration::from_secs(20);
    let waits = parallel::seeds(seeds, |seed| {
        silence_after(&path, algorithm, seed, outage, None, limit)
    });
    let wait = median(waits.into_iter().map(|wait| wait.unwrap_or(f64::INFINITY)));
    Figure {
        scenario: "outage of 300 ms: data again after its end".into(),
        algorithm: name(algorithm),
        measured: millis(wait),
        target: "< 1 s".into(),
        met: Some(wait < 1.0),
    }
}

/// 60 s under a user timeout of 120 s: the connection survives.
pub(super) fn long(algorithm: CongestionAlgorithm, seeds: u64) -> Figure {
    let path = usual_path();
    let outage = Duration::from_secs(60);
    let user_timeout = Some(Duration::from_secs(120));
    let limit = Duration::from_secs(180);
    let waits = parallel::seeds(seeds, |seed| {
        silence_after(&path, algorithm, seed, outage, user_timeout, limit)
    });
    let alive = waits.iter().flatten().count();
    let wait = median(waits.iter().map(|wait| wait.unwrap_or(f64::INFINITY)));
    Figure {
        scenario: "outage of 60 s, user timeout 120 s: survivors, and data again after".into(),
        algorithm: name(algorithm),
        measured: format!("{alive} of {}, {wait:.1} s", waits.len()),
        target: "all".into(),
        met: Some(alive == waits.len()),
    }
}

/// How many seconds after an outage in both directions, which begins some time after the fifth
/// second, data arrives again; `None` if it does not by `limit`.
fn silence_after(
    path: &Path,
    algorithm: CongestionAlgorithm,
    seed: u64,
    outage: Duration,
    user_timeout: Option<Duration>,
    limit: Duration,
) -> Option<f64> {
    let mut dumbbell = path.dumbbell(1, seed);
    let begin = Duration::from_secs(5) + Duration::from_millis(17 * seed);
    let end = Instant::ZERO + begin + outage;
    let bottleneck = dumbbell.bottleneck();
    let fabric = dumbbell.network_mut().fabric_mut();
    for port in [bottleneck, bottleneck.peer()] {
        let up = fabric.link(port).config().clone();
        let down = LinkConfig {
            outage: Some(Outage::Lose),
            ..up.clone()
        };
        fabric.change_at(port, Instant::ZERO + begin, down);
        fabric.change_at(port, end, up);
    }
    let flow = dumbbell.start(0, |to| {
        endless(to, algorithm).with(TcpOption::UserTimeout(user_timeout))
    });
    dumbbell
        .run_for(begin + outage)
        .expect("the simulation gets on");
    let before = dumbbell.received(flow)?.bytes;
    let step = Duration::from_millis(1);
    while dumbbell.network().now() < end + limit {
        dumbbell.run_for(step).expect("the simulation gets on");
        if dumbbell.received(flow)?.bytes > before {
            let now = dumbbell.network().now();
            return Some(now.saturating_since(end).as_secs_f64());
        }
    }
    None
}
