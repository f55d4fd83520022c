//! TCP (RFC 9293).
//!
//! A newcomer's map: a segment enters `input`, its acknowledgement goes to `ack`, its data to
//! `receiver`; what leaves is decided in `output` from the `send_queue` and the
//! `scoreboard`; `timers` says what time does. `handle` is what an application calls.

mod ack;
pub mod congestion;
pub(crate) mod connection;
mod context;
pub(crate) mod ecn;
mod handle;
mod info;
pub(crate) mod input;
pub(crate) mod isn;
mod limits;
pub(crate) mod output;
mod receiver;
#[cfg(test)]
mod receiver_tests;
mod rtt;
#[cfg(test)]
mod rtt_tests;
mod scoreboard;
#[cfg(test)]
mod scoreboard_tests;
pub(crate) mod segment;
mod send_queue;
#[cfg(test)]
mod send_queue_tests;
mod seq;
pub(crate) mod socket;
mod state;
#[cfg(test)]
mod tests;
mod timers;

pub use handle::{RecvFlags, SendFlags, Tcp};
pub use info::TcpInfo;
pub use limits::{Limit, LimitedTime};
pub use seq::SeqNum;
pub(crate) use socket::TcpSocket;
pub use state::State;
