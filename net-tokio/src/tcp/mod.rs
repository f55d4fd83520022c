//! TCP sockets: the twins of tokio's.

mod conn;
mod listener;
mod socket;
mod split;
mod stream;

pub(crate) use conn::{slot_ready, tokio_ready};
pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;

use crate::error::to_io;
use net_core::SocketError;
use net_core::socket::{Family, TcpOption};
use std::io;
use std::net::SocketAddr;

/// The family of sockets for `addr`.
fn family_of(addr: SocketAddr) -> Family {
    match addr {
        SocketAddr::V4(_) => Family::V4,
        SocketAddr::V6(_) => Family::V6,
    }
}

/// The option that sets the time to live, which is 1–255.
fn ttl_option(ttl: u32) -> io::Result<TcpOption> {
    match u8::try_from(ttl) {
        Ok(ttl @ 1..) => Ok(TcpOption::Ttl(Some(ttl))),
        _ => Err(to_io(SocketError::InvalidInput(
            "a time to live is 1 to 255",
        ))),
    }
}

/// The option that sets the type of service or traffic class, which is 0–255.
fn tos_option(tos: u32) -> io::Result<TcpOption> {
    let tos = u8::try_from(tos).map_err(|_| {
        to_io(SocketError::InvalidInput(
            "a type of service or traffic class is 0 to 255",
        ))
    })?;
    Ok(TcpOption::Tos(tos))
}
