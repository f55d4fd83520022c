//! Connection tracking: which packets belong together.
//!
//! A packet that comes in, or that this host sends, is looked up by its [tuple](Tuple): one hash, one
//! flow, either direction. What begins a flow is remembered once it has passed every filter; what a
//! filter drops leaves nothing behind. TCP is followed with its sequence numbers, so that what lies
//! outside of the windows counts as [invalid](FlowState::Invalid). ICMP errors belong to the flow that
//! they quote. Fragments are put together first; those of IPv6 for others go on no larger than they came, and count
//! as invalid where they have other extension headers, which no router reads. The table is bounded, and flows are forgotten in time (RFC 4787, RFC 5382, RFC 5508).

mod ahead;
mod config;
mod flow;
mod state;
mod table;
mod tcp;
mod tracker;
mod tuple;
mod window;

pub use config::{Timeouts, TrackConfig};
pub use flow::{FlowInfo, FlowStatus};
pub use state::{Direction, FlowState, Tracked};
pub use tcp::TcpState;
pub use tracker::TrackStats;
pub use tuple::Tuple;

pub(crate) use ahead::AT_ONCE;
pub(crate) use flow::Flow;
#[cfg(test)]
pub(crate) use tracker::LARGE;
pub(crate) use tracker::Tracker;
pub(crate) use tuple::{QUOTED_AT, Transport};
