//! What `tc -s qdisc` prints about a cake.

use super::super::units::{Rate, Size, Time};
use super::flows::State;
use super::tin::Tin;
use super::{Cake, CakeTins};
use crate::time::Duration;
use alloc::string::String;
use core::fmt;

impl Cake {
    pub(super) fn report(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overhead = &self.overhead;
        let capacity = self.config.bandwidth.unwrap_or(Rate::from_bytes(0));
        write!(
            f,
            "\n memory used: {} of {}\
             \n capacity estimate: {capacity}\
             \n min/max network layer size: {:>12} /{:>8}\
             \n min/max overhead-adjusted size: {:>8} /{:>8}\
             \n average network hdr offset: {:>12}\n",
            Size(self.most_memory),
            Size(self.memory_limit),
            overhead.seen.min,
            overhead.seen.max,
            overhead.adjusted.min,
            overhead.adjusted.max,
            overhead.link_len(),
        )?;
        f.write_str(match self.config.tins {
            CakeTins::Diffserv3 => "\n                   Bulk  Best Effort        Voice",
            CakeTins::Diffserv4 => {
                "\n                   Bulk  Best Effort        Video        Voice"
            }
            _ => "\n          ",
        })?;
        let order = self.config.tins.order();
        if !matches!(order.len(), 3 | 4) {
            (0..order.len()).try_for_each(|tin| write!(f, "        Tin {tin}"))?;
        }
        for (name, value) in ROWS {
            write!(f, "\n  {name:<8}")?;
            for &tin in order {
                write!(f, " {:>12}", value(&self.tins[tin]))?;
            }
        }
        Ok(())
    }
}

/// A row of the table of tins: its name, and what it says about one of them.
type Row = (&'static str, fn(&Tin) -> String);

/// In the order of `tc`.
const ROWS: [Row; 20] = [
    ("thresh", |tin| {
        text(tin.rate.unwrap_or(Rate::from_bytes(0)))
    }),
    ("target", |tin| micros(tin.limits.target)),
    ("interval", |tin| micros(tin.limits.interval)),
    ("pk_delay", |tin| nanos(tin.delays.peak)),
    ("av_delay", |tin| nanos(tin.delays.average)),
    ("sp_delay", |tin| nanos(tin.delays.base)),
    ("backlog", |tin| text(Size(tin.counts.backlog))),
    ("pkts", |tin| text(tin.counts.packets)),
    ("bytes", |tin| text(tin.counts.bytes)),
    ("way_inds", |tin| text(tin.flows.aside)),
    ("way_miss", |tin| text(tin.flows.missed)),
    ("way_cols", |tin| text(tin.flows.collided)),
    ("drops", |tin| text(tin.counts.dropped)),
    ("marks", |tin| text(tin.counts.marked)),
    ("ack_drop", |tin| text(tin.counts.acks_dropped)),
    ("sp_flows", |tin| {
        let sparse = [State::Sparse, State::SparseWait];
        let flows = tin.flows.iter();
        text(
            flows
                .filter(|(_, flow)| sparse.contains(&flow.state))
                .count(),
        )
    }),
    ("bk_flows", |tin| {
        let flows = tin.flows.iter();
        text(flows.filter(|(_, flow)| flow.state == State::Bulk).count())
    }),
    ("un_flows", |tin| {
        let flows = tin.flows.iter();
        let unresponsive = flows.filter(|(_, flow)| flow.queue.len() > 0 && flow.cobalt.is_blue());
        text(unresponsive.count())
    }),
    ("max_len", |tin| text(tin.counts.largest)),
    ("quantum", |tin| text(tin.flow_quantum())),
];

fn text(value: impl fmt::Display) -> String {
    alloc::format!("{value}")
}

fn nanos(nanos: u64) -> String {
    micros(Duration::from_nanos(nanos))
}

/// `tc` knows no time below a microsecond.
fn micros(time: Duration) -> String {
    match u64::try_from(time.as_micros()).unwrap_or(u64::MAX) {
        0 => String::from("0us"),
        micros => text(Time(Duration::from_micros(micros))),
    }
}
