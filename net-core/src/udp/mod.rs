//! UDP (RFC 768, RFC 1122 §4.1).

mod cut;
mod handle;
mod outgoing;
mod send_meta;
mod socket;

pub(crate) use cut::Cutter;
pub use handle::Udp;
pub(crate) use outgoing::Outgoing;
pub use send_meta::SendMeta;
pub use socket::Datagram;
pub(crate) use socket::{Bound, Peer, Recent, UdpSocket};
