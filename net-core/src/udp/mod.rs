//! UDP (RFC 768, RFC 1122 §4.1).

mod cut;
mod handle;
mod send_meta;
mod socket;

pub(crate) use cut::Cutter;
pub use handle::Udp;
pub use send_meta::SendMeta;
pub use socket::Datagram;
pub(crate) use socket::{Bound, Peer, UdpSocket};
