//! UDP (RFC 768, RFC 1122 §4.1).

mod cut;
mod destinations;
mod error_queue;
mod handle;
mod outgoing;
mod send_meta;
mod socket;
mod times;

pub(crate) use cut::Cutter;
pub(crate) use destinations::Destinations;
pub(crate) use error_queue::ErrorQueue;
pub use error_queue::QueuedError;
pub use handle::Udp;
pub(crate) use outgoing::Outgoing;
pub use send_meta::SendMeta;
pub use socket::Datagram;
pub(crate) use socket::{Bound, DatagramSocket, Peer, Recent, Speaks};
pub(crate) use times::DatagramTimes;
pub use times::{DatagramTime, WantTimes};
