//! TCP sockets: the twins of tokio's.

mod conn;
mod cork;
mod fast_open;
mod file;
mod frozen;
mod interest;
mod listener;
mod recv;
mod socket;
mod split;
mod stream;
mod times;
mod urgent;

pub use cork::Corked;
pub use frozen::FreezeError;
pub(crate) use interest::{slot_ready, tokio_ready};
pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;

use net_core::socket::Family;
use std::net::SocketAddr;

/// The family of sockets for `addr`.
fn family_of(addr: SocketAddr) -> Family {
    match addr {
        SocketAddr::V4(_) => Family::V4,
        SocketAddr::V6(_) => Family::V6,
    }
}
