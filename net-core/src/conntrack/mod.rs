//! Connection tracking: which packets belong together.
//!
//! A packet that comes in, or that this host sends, is looked up by its [tuple](Tuple): one hash, one
//! flow, either direction. What begins a flow is remembered once it has passed every filter; what a
//! filter drops leaves nothing behind. TCP is followed with its sequence numbers, so that what lies
//! outside of the windows counts as [invalid](FlowState::Invalid). ICMP errors belong to the flow that
//! they quote. Fragments of IPv4 are put together first, and so are those of IPv6 that are for this host;
//! others of IPv6 count as invalid, as no router may cut their packet again. The table is bounded, and flows are forgotten in time (RFC 4787, RFC 5382, RFC 5508).

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

pub(crate) use flow::Flow;
pub(crate) use tracker::Tracker;
pub(crate) use tuple::{QUOTED_AT, Transport};
