//! Series as comma-separated values (RFC 4180), for spreadsheets and plotting programs.

use super::{QueueSample, Series};
use crate::time::{Duration, Instant};
use alloc::string::{String, ToString};
use core::fmt::Write as _;

impl Series {
    /// One line for each sample, under a line of names. Times are in seconds, all else in bytes,
    /// bytes per second and counts; what is not known is empty.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = String::from(HEADER);
        for sample in &self.samples {
            let _ = writeln!(
                out,
                "{},{},{},{},{},{},{},{},{},{},{},{}",
                since_start(sample.at),
                sample.cwnd,
                optional(sample.slow_start_threshold),
                sample.in_flight,
                sample.send_window,
                optional(sample.rtt.map(seconds)),
                seconds(sample.rto),
                optional(sample.pacing_rate),
                sample.delivered,
                sample.retransmits,
                sample.timeouts,
                sample.limit.name(),
            );
        }
        out
    }
}

/// The same for a queue.
#[must_use]
pub fn queue_to_csv(samples: &[QueueSample]) -> String {
    let mut out = String::from("time,bytes,dropped,marked\n");
    for sample in samples {
        let time = since_start(sample.at);
        let _ = writeln!(
            out,
            "{time},{},{},{}",
            sample.bytes, sample.dropped, sample.marked
        );
    }
    out
}

fn since_start(at: Instant) -> String {
    seconds(at.saturating_since(Instant::ZERO))
}

fn seconds(time: Duration) -> String {
    let mut out = String::new();
    let _ = write!(out, "{}.{:09}", time.as_secs(), time.subsec_nanos());
    out
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

const HEADER: &str = "time,cwnd,ssthresh,in_flight,send_window,rtt,rto,pacing_rate,delivered,\
retransmits,timeouts,limit\n";
