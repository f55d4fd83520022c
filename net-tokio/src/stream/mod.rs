//! Sockets as streams and sinks of the `futures` crates.
//!
//! Byte streams need no adapter of ours: `tokio_util::compat` gives [`TcpStream`](crate::TcpStream)
//! the traits of `futures::io`, as it does to tokio's.

mod connections;
mod datagrams;

pub use connections::Connections;
pub use datagrams::Datagrams;
