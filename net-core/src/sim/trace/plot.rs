//! Series drawn.

use super::chart::{self, COLOURS, Chart, Frame, LEFT, Line, RIGHT, Unit, escaped};
use super::{QueueSample, Sample, Series};
use crate::tcp::Limit;
use crate::time::{Duration, Instant};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;

impl Series {
    /// The course of the connection as one image: its rates, its windows, its times, and what held
    /// it up when.
    #[must_use]
    pub fn to_svg(&self, title: &str) -> String {
        let last = self.samples.last().map_or(0, |sample| nanos(sample.at));
        let charts = [self.rates(title), self.windows(), self.times()];
        let mut drawings = String::new();
        let mut y = 0;
        for mut chart in charts {
            chart.until = last;
            drawings.push_str(&chart.draw(y));
            y += Chart::HEIGHT;
        }
        self.draw_limits(y, last, &mut drawings);
        chart::image(&drawings, y + LIMITS_HEIGHT)
    }

    /// What was delivered in each stretch of about a hundredth of the time, in bits per second.
    #[must_use]
    pub fn delivery_rate(&self, name: &str) -> Line {
        let stretch = (self.samples.len() / 100).max(1);
        let mut points = Vec::new();
        for pair in self.samples.chunks(stretch).collect::<Vec<_>>().windows(2) {
            if let [[begin, ..], [end, ..]] = pair {
                points.push((nanos(begin.at), rate(begin, end)));
            }
        }
        points.extend(
            self.samples
                .last()
                .zip(points.last().copied())
                .map(|(sample, (_, rate))| (nanos(sample.at), rate)),
        );
        Line {
            name: name.to_string(),
            points,
        }
    }

    fn line(&self, name: &str, value: impl Fn(&Sample) -> Option<u64>) -> Line {
        let point = |sample: &Sample| Some((nanos(sample.at), value(sample)?));
        Line {
            name: name.to_string(),
            points: self.samples.iter().filter_map(point).collect(),
        }
    }

    fn rates(&self, title: &str) -> Chart {
        let pacing = self.line("pacing rate", |sample| {
            sample.pacing_rate.map(|rate| rate * 8)
        });
        let mut lines = alloc::vec![self.delivery_rate("delivered")];
        lines.extend((!pacing.points.is_empty()).then_some(pacing));
        Chart {
            title: title.to_string(),
            unit: Unit::BitRate,
            lines,
            ..Chart::default()
        }
    }

    fn windows(&self) -> Chart {
        let highest = self
            .samples
            .iter()
            .map(|sample| sample.cwnd.max(sample.in_flight))
            .max();
        Chart {
            title: "windows".to_string(),
            unit: Unit::Bytes,
            lines: alloc::vec![
                self.line("cwnd", |sample| Some(sample.cwnd.into())),
                self.line("ssthresh", |sample| {
                    sample.slow_start_threshold.map(u64::from)
                }),
                self.line("in flight", |sample| Some(sample.in_flight.into())),
                self.line("peer's window", |sample| Some(sample.send_window.into())),
            ],
            // The peer's window is often far above all others.
            top: u64::from(highest.unwrap_or(0)).saturating_mul(5) / 4,
            ..Chart::default()
        }
    }

    fn times(&self) -> Chart {
        let longest = self.samples.iter().filter_map(|sample| sample.rtt).max();
        Chart {
            title: "times".to_string(),
            unit: Unit::Time,
            lines: alloc::vec![
                self.line("RTT", |sample| sample.rtt.map(nanos_of)),
                self.line("RTO", |sample| Some(nanos_of(sample.rto))),
            ],
            // An RTO with backoff goes beyond it.
            top: longest.map_or(0, nanos_of).saturating_mul(3),
            ..Chart::default()
        }
    }

    /// A strip that is coloured by what held the connection up.
    fn draw_limits(&self, y: u64, until: u64, out: &mut String) {
        let frame = Frame {
            until: until.max(1),
            top: 1,
        };
        let mut runs: Vec<(Instant, Instant, Limit)> = Vec::new();
        for sample in &self.samples {
            match runs.last_mut() {
                Some((_, end, limit)) if *limit == sample.limit => *end = sample.at,
                _ => {
                    if let Some((_, end, _)) = runs.last_mut() {
                        *end = sample.at;
                    }
                    runs.push((sample.at, sample.at, sample.limit));
                }
            }
        }
        for (begin, end, limit) in runs {
            let (x, end) = (frame.x(nanos(begin)), frame.x(nanos(end)));
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{}\" width=\"{}\" height=\"16\" fill=\"{}\"/>",
                y + 20,
                (end - x).max(1),
                COLOURS[limit as usize % COLOURS.len()]
            );
        }
        for (number, limit) in (0..).zip(Limit::ALL) {
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" fill=\"{}\">{}</text>",
                LEFT + number * (RIGHT - LEFT) / 7,
                y + 12,
                COLOURS[limit as usize % COLOURS.len()],
                escaped(limit.name())
            );
        }
    }
}

/// The course of a link's queue.
#[must_use]
pub fn queue_chart(title: &str, samples: &[QueueSample]) -> Chart {
    let points = samples
        .iter()
        .map(|sample| (nanos(sample.at), sample.bytes as u64));
    Chart {
        title: title.to_string(),
        unit: Unit::Bytes,
        lines: alloc::vec![Line {
            name: "queue".to_string(),
            points: points.collect(),
        }],
        ..Chart::default()
    }
}

/// Bits per second between two samples.
fn rate(begin: &Sample, end: &Sample) -> u64 {
    let bits = u128::from(end.delivered.saturating_sub(begin.delivered)) * 8;
    let time = end.at.saturating_since(begin.at).as_nanos().max(1);
    u64::try_from(bits * 1_000_000_000 / time).unwrap_or(u64::MAX)
}

fn nanos(at: Instant) -> u64 {
    at.as_nanos()
}

fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const LIMITS_HEIGHT: u64 = 44;
