//! TCP (RFC 9293).
//!
//! A newcomer's map: a segment enters `input`, its acknowledgement goes to `ack`, its data to
//! `receiver`; what leaves is decided in `output` from the `send_queue` and what `recovery` knows
//! to be lost; `timers` says what time does. `handle` is what an application calls.

pub(crate) mod accecn;
mod accecn_coverage;
mod ack;
mod autotune;
mod challenge;
pub mod congestion;
pub(crate) mod connection;
mod context;
mod cork;
mod delayed_ack;
pub(crate) mod ecn;
pub(crate) mod fast_open;
pub(crate) mod frozen;
mod handle;
mod info;
pub(crate) mod input;
mod islands;
pub(crate) mod isn;
mod limits;
mod mtu_probe;
pub(crate) mod open;
pub(crate) mod output;
mod pacing;
mod paws;
mod predicted;
mod receiver;
#[cfg(test)]
mod receiver_tests;
mod recovery;
mod rtt;
#[cfg(test)]
mod rtt_tests;
pub(crate) mod segment;
mod segment_size;
mod send_queue;
#[cfg(test)]
mod send_queue_tests;
mod seq;
pub(crate) mod socket;
mod state;
pub(crate) mod syn_options;
#[cfg(test)]
mod tests;
pub(crate) mod timers;
pub(crate) mod transmit_times;
mod urgent;
mod user_timeout;
mod validation;

pub use accecn::{AccurateEcnInfo, EcnCounts};
pub use ecn::EcnFeedback;
pub use fast_open::FastOpenFailure;
pub use handle::{RecvFlags, SendFlags, Tcp};
pub use info::{RecoveryPhase, TcpInfo};
pub use limits::{Limit, LimitedTime};
pub use seq::SeqNum;
pub(crate) use socket::TcpSocket;
pub use state::State;
pub use transmit_times::{TransmitStage, TransmitStages, TransmitTime};
