//! Simulated networks: hosts, links, switches and routers under a virtual clock.
//!
//! A [`Link`] is one direction of a link and the model behind every device in memory: rate, delay,
//! jitter, queue, losses of several kinds, duplicates, reordering, bit errors, congestion marks,
//! black holes and outages, each of them to change at a given time. A [`Fabric`] joins links by
//! switches and routers, without hosts. A [`Network`] adds hosts, each a [`Stack`](crate::Stack)
//! with its [`Application`]s, and the clock. [`Traffic`] is an application that makes bulk flows, and
//! a [`Dumbbell`] a network for them.
//!
//! Nothing here waits: time goes from one event to the next, in nanoseconds. All chance comes from
//! one seed, so a run repeats byte for byte. [`Network::record`] keeps packets for a pcapng file,
//! [`Network::trace`] samples connections for CSV and SVG; both give bytes to whoever has files.

mod agenda;
mod application;
mod dumbbell;
mod fabric;
mod guard;
mod host;
mod link;
mod network;
pub mod pcapng;
mod record;
#[cfg(test)]
mod tests;
mod trace;
mod traffic;

pub use application::Application;
pub use dumbbell::{Dumbbell, FlowId};
pub use fabric::{Fabric, ForwardCounters, NodeId, PortId};
pub use guard::{Guard, Livelock, Step};
pub use link::{GilbertElliott, Link, LinkConfig, LinkCounters, Outage, Passing, Queue};
pub use network::Network;
pub use trace::{
    Chart, Line, QueueSample, Sample, Series, Tracer, Unit, queue_chart, queue_to_csv,
};
pub use traffic::{Flow, Received, Sent, Traffic};
