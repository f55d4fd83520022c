//! Goodput over loss, round-trip time and buffer.

use super::parallel;
use super::path::{ALGORITHMS, Path, name};
use super::table::{Table, mbit, median};
use net_core::config::CongestionAlgorithm;
use net_core::time::Duration;

pub(super) fn measure() -> Vec<Table> {
    ALGORITHMS
        .into_iter()
        .map(|algorithm| {
            grid(
                algorithm,
                100_000_000,
                &[0, 100, 1_000, 10_000, 30_000],
                &[10, 40, 100, 200],
                &[25, 100, 400],
                Duration::from_secs(30),
                3,
            )
        })
        .collect()
}

/// A table of one algorithm's goodput.
pub(super) fn grid(
    algorithm: CongestionAlgorithm,
    rate: u64,
    losses: &[u32],
    rtts: &[u64],
    buffers: &[u64],
    time: Duration,
    seeds: u64,
) -> Table {
    let about = format!(
        "Mbit/s of payload over {} s at {} Mbit/s, by random loss and round-trip time, with a buffer in \
percent of the bandwidth-delay product; median of seeds 1 to {seeds}.",
        time.as_secs(),
        rate / 1_000_000
    );
    let mut columns = vec!["RTT".to_owned(), "buffer".to_owned()];
    columns.extend(losses.iter().map(|loss| match loss {
        0 => "no loss".to_owned(),
        ppm => format!("{} % lost", f64::from(*ppm) / 1e4),
    }));
    let mut table = Table::new(&format!("Goodput of {}", name(algorithm)), &about, &[]);
    table.columns = columns;
    let mut cells = Vec::new();
    for rtt in rtts {
        for buffer in buffers {
            cells.extend(losses.iter().map(|loss| (*rtt, *buffer, *loss)));
        }
    }
    let goodputs = parallel::map(&cells, |(rtt, buffer, loss)| {
        let mut path = Path::new(rate, Duration::from_millis(*rtt));
        path.buffer = *buffer;
        path.there.loss_ppm = *loss;
        mbit(median(
            (1..=seeds).map(|seed| path.bulk(algorithm, time, seed).goodput),
        ))
    });
    for (cells, row) in cells
        .chunks(losses.len())
        .zip(goodputs.chunks(losses.len()))
    {
        let (rtt, buffer, _) = cells[0];
        let mut line = vec![format!("{rtt} ms"), format!("{buffer} %")];
        line.extend_from_slice(row);
        table.rows.push(line);
    }
    table
}
