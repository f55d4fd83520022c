//! TCP (RFC 9293).

mod handle;
mod segment;
mod seq;
mod socket;

pub use handle::Tcp;
pub(crate) use segment::Payload;
pub use seq::SeqNum;
pub(crate) use socket::TcpSocket;
