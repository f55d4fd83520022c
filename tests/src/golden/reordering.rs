//! Packets that overtake each other, and a tail that is lost.

use super::figures::{Figure, goodputs, usual_path};
use super::parallel;
use super::path::{lose_first_fin, name, transfer};
use super::table::{median, millis, percent};
use net_core::config::CongestionAlgorithm;
use net_core::sim::Dumbbell;
use net_core::time::Duration;

/// 5 % of packets overtaken by up to a quarter of the round trip, no loss: at least 95 % of the
/// goodput without, and fewer than one in a thousand segments sent again.
pub(super) fn overtaken_packets(
    algorithm: CongestionAlgorithm,
    seeds: u64,
    time: Duration,
) -> [Figure; 2] {
    let mut path = usual_path();
    let ordered = median(goodputs(&path, algorithm, seeds, time));
    path.there.reorder_ppm = 50_000;
    path.there.reorder_by = Some(path.rtt / 4);
    let runs = parallel::seeds(seeds, |seed| path.bulk(algorithm, time, seed));
    let share = median(runs.iter().map(|run| run.goodput)) / ordered;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let needless = median(
        runs.iter()
            .map(|run| run.needless as f64 / run.segments as f64),
    );
    let scenario = "5 % overtaken by up to RTT/4";
    [
        Figure {
            scenario: format!("{scenario}: goodput beside that in order"),
            algorithm: name(algorithm),
            measured: percent(share),
            target: "≥ 95 %".into(),
            met: Some(share >= 0.95),
        },
        Figure {
            scenario: format!("{scenario}: sent again for nothing"),
            algorithm: name(algorithm),
            measured: format!("{:.2} %", needless * 100.0),
            target: "< 0.1 %".into(),
            met: Some(needless < 0.001),
        },
    ]
}

/// The last segment of 100 kB is lost once: the transfer takes less than two round trips and a probe
/// timeout longer, and no retransmission timeout, in 95 % of runs. The probe timeout is that of RFC
/// 8985 §7.2 for one segment, with the round trip as the connection has smoothed it.
pub(super) fn lost_tail(algorithm: CongestionAlgorithm, seeds: u64) -> Figure {
    let mut path = usual_path();
    // The seeds differ by when packets come.
    path.there.jitter = Duration::from_millis(1);
    let runs = parallel::seeds(seeds, |seed| {
        let without = Tail::measure(path.dumbbell(1, seed), algorithm);
        let mut cut = path.dumbbell(1, seed);
        let bottleneck = cut.bottleneck();
        cut.network_mut()
            .fabric_mut()
            .lose_if(bottleneck, lose_first_fin());
        let with = Tail::measure(cut, algorithm);
        let probe_timeout = 2 * with.rtt + path.config.tcp.recovery.max_ack_delay;
        let limit = 2 * with.rtt + probe_timeout;
        let longer = with.time.saturating_sub(without.time);
        (longer, limit, with.timeouts)
    });
    let good = runs
        .iter()
        .filter(|(longer, limit, timeouts)| longer < limit && *timeouts == 0)
        .count();
    let longer = median(runs.iter().map(|(longer, ..)| longer.as_secs_f64()));
    let limit = median(runs.iter().map(|(_, limit, _)| limit.as_secs_f64()));
    let met = good * 100 >= runs.len() * 95;
    Figure {
        scenario: "last segment of 100 kB lost: longer than without by".into(),
        algorithm: name(algorithm),
        measured: format!("{}, {good} of {} in time", millis(longer), runs.len()),
        target: format!(
            "< 2 RTT + TLP ({}: 4 SRTT + delayed ACK, RFC 8985 §7.2) and no RTO in 95 %",
            millis(limit)
        ),
        met: Some(met),
    }
}

/// What became of 100 kB.
struct Tail {
    time: Duration,
    /// As the sender has smoothed it in the end.
    rtt: Duration,
    timeouts: u64,
}

impl Tail {
    fn measure(mut dumbbell: Dumbbell, algorithm: CongestionAlgorithm) -> Self {
        let flow = dumbbell.start(0, |to| transfer(100_000, to, algorithm));
        let limit = Duration::from_secs(30);
        dumbbell.run_to_end(limit).expect("the simulation gets on");
        let received = dumbbell.received(flow).expect("an accepted flow");
        let sent = dumbbell.sent(flow);
        let info = sent.info.as_ref().expect("a flow that has ended");
        Self {
            time: received
                .finished
                .map_or(limit, |at| at.saturating_since(sent.started)),
            rtt: info.rtt.unwrap_or_default(),
            timeouts: dumbbell
                .network()
                .stack(dumbbell.sender(0))
                .stats()
                .tcp_timeouts,
        }
    }
}
