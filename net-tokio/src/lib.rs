//! Async TCP and UDP sockets over a network stack of our own, in user space.
//!
//! The types are drop-in twins of those in `tokio::net`: the same names, signatures, traits and
//! errors. What differs is below them: the protocol is [`net_core`], the packets go through a
//! [`Device`](device::Device), and no socket of the host's kernel is involved.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use net_tokio::{TcpListener, TcpStream};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! tokio::spawn(async move {
//!     let (mut stream, _) = listener.accept().await?;
//!     let (mut read, mut write) = stream.split();
//!     tokio::io::copy(&mut read, &mut write).await
//! });
//! let mut stream = TcpStream::connect(address).await?;
//! stream.write_all(b"hello").await?;
//! let mut word = [0; 5];
//! stream.read_exact(&mut word).await?;
//! assert_eq!(&word, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Which stack
//!
//! A [`Net`] is one stack, built with [`Net::builder`] from devices, addresses and routes. A socket
//! belongs to the stack that is named ([`TcpListener::bind_on`] and the like), or else to the one of
//! the surrounding [`Net::scope`], which [`spawn`] carries into tasks, of [`Net::enter`], or of
//! [`Net::set_default`]. Where none was set up, as above, a loopback stack of the process comes up on
//! first use, unless [`Net::require_explicit`] forbids it.
//!
//! # Tasks and locks
//!
//! Each stack has one [driver](Driver): a task of the runtime that built it, or a thread of its own.
//! Reading and writing never wait for it: they move bytes from and to a slot that the driver empties
//! and fills. If the runtime of a driver's task ends, every socket of the stack fails at once with an
//! error that says so.
#![deny(unsafe_code)]

#[cfg(not(loom))]
pub mod clock;
#[cfg(not(loom))]
pub mod device;
#[cfg(all(feature = "dhcp", not(loom)))]
mod dhcp;
#[cfg(not(loom))]
mod driver;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod lookup;
#[cfg(not(loom))]
mod net;
#[cfg(not(loom))]
mod options;
#[cfg(not(loom))]
mod raw;
mod shared;
#[cfg(all(feature = "sim", not(loom)))]
pub mod sim;
#[cfg(not(loom))]
mod socket;
#[cfg(not(loom))]
pub mod stream;
mod sync;
#[cfg(not(loom))]
pub mod tcp;
#[cfg(not(loom))]
mod udp;

#[cfg(all(feature = "dhcp", not(loom)))]
pub use dhcp::{Dhcp, Lease};
#[cfg(all(feature = "quinn", not(loom)))]
pub use udp::QuicSocket;
#[cfg(not(loom))]
pub use {
    lookup::{ToSocketAddrs, lookup_host, lookup_host_on},
    net::{
        Advertising, Driver, EnterGuard, Interface, InterfaceStatus, Net, NetBuilder, Routes,
        Scoped, Shards, spawn,
    },
    raw::{EchoListener, PacketSocket, PingSocket, RawSocket, Reply},
    socket::Socket,
    tcp::{TcpListener, TcpSocket, TcpStream},
    udp::UdpSocket,
};
