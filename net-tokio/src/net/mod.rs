//! A network stack as an application sees it.

mod advertising;
mod ambient;
mod builder;
mod checks;
mod filter;
mod flows;
mod hooks;
mod interface;
mod links;
mod own_runtime;
mod pieces;
mod routes;
mod scoped;
mod shards;

pub use advertising::Advertising;
pub use ambient::{EnterGuard, spawn};
pub use builder::{Driver, NetBuilder};
pub use interface::{Interface, InterfaceStatus};
pub use routes::Routes;
pub use scoped::Scoped;
pub use shards::Shards;

#[cfg(all(feature = "dhcp", not(loom)))]
use crate::dhcp::Clients;
use crate::driver::Engine;
use crate::lookup::{Names, NamesConfig};
use net_core::SocketError;
use net_core::neighbor::Neighbor;
use net_core::socket::{Domain, Families, Summary};
use net_core::stats::Stats;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A TCP/IP stack: a handle, cheap to clone.
///
/// Sockets made on it keep it alive. When the last handle and the last socket are gone, the stack
/// ends as soon as the connections that were left behind have delivered what was written to them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Net, TcpListener, TcpStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let net = Net::builder().build()?;
/// let listener = TcpListener::bind_on(&net, "127.0.0.1:0").await?;
/// let mut client = TcpStream::connect_on(&net, listener.local_addr()?).await?;
/// let (mut server, _) = listener.accept().await?;
/// client.write_all(b"hello").await?;
/// let mut word = [0; 5];
/// server.read_exact(&mut word).await?;
/// assert_eq!(&word, b"hello");
/// net.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Net {
    handle: Arc<Handle>,
}

impl Net {
    /// Begins a new stack.
    pub fn builder() -> NetBuilder {
        NetBuilder::new()
    }

    /// The stack's counters now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine().look(|core| core.stack().stats().clone())
    }

    /// The stack's own addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.engine()
            .look(|core| core.stack().local_addresses().collect())
    }

    /// The neighbours that the stack knows or asks for, on its Ethernets.
    #[must_use]
    pub fn neighbors(&self) -> Vec<Neighbor> {
        self.engine()
            .look(|core| core.stack().neighbors().collect())
    }

    /// How many sockets the stack has, counting connections that no application holds any more but
    /// that still have something to deliver.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.engine().look(|core| core.stack().sockets())
    }

    /// A line about each socket, as from `ss`; those that only the protocol still needs are among them.
    ///
    /// They are collected in pieces, between which packets pass: each socket that was there all along is told of
    /// once, as it was when it was come to; one that came or went meanwhile may be missing.
    #[must_use]
    pub fn summaries(&self) -> Vec<Summary> {
        self.of_places(|stack, places| Some(stack.summaries_in(places)?.collect()))
    }

    /// Changes the address families of the stack, from which [`Socket::new`](crate::Socket::new) makes
    /// sockets. What is plugged in runs inside the stack: it must not use sockets of the same stack.
    ///
    /// # Errors
    /// What `change` returns, or when the stack has ended.
    pub fn families<R>(
        &self,
        change: impl FnOnce(&mut Families) -> Result<R, SocketError>,
    ) -> io::Result<R> {
        self.engine()
            .control(|core, _| change(core.stack_mut().families_mut()))
    }

    /// Lets `load` register a family that is missing when a socket of it is asked for.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_family_loader(
        &self,
        load: impl FnMut(Domain, &mut Families) + Send + 'static,
    ) -> io::Result<()> {
        self.engine().control(|core, _| {
            core.stack_mut().set_family_loader(load);
            Ok(())
        })
    }

    /// Ends the stack: no new sockets, listeners stop, every open connection is closed as if it were
    /// dropped, and what was written is delivered, for at most five seconds.
    ///
    /// Sockets that are still held then fail with an error that says so. Shutting down twice is no
    /// error.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the shutdown goes on when the future is dropped.
    pub async fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN).await;
    }

    /// As [`shutdown`](Self::shutdown), with `limit` for the delivery.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the shutdown goes on when the future is dropped.
    pub async fn shutdown_within(&self, limit: Duration) {
        self.engine().shutdown(limit);
        self.engine().ended().await;
    }

    pub(crate) fn from_engine(engine: Arc<Engine>, names: NamesConfig) -> io::Result<Self> {
        let alone = Self::new(Handle {
            engine: engine.clone(),
            names: Names::default(),
            #[cfg(all(feature = "dhcp", not(loom)))]
            dhcp_clients: Arc::default(),
            counts: false,
        });
        Ok(Self::new(Handle {
            engine,
            names: names.build(&alone)?,
            #[cfg(all(feature = "dhcp", not(loom)))]
            dhcp_clients: Arc::default(),
            counts: true,
        }))
    }

    fn new(handle: Handle) -> Self {
        Self {
            handle: Arc::new(handle),
        }
    }

    pub(crate) fn names(&self) -> &Names {
        &self.handle.names
    }

    /// The interfaces that clients of DHCP configure.
    #[cfg(all(feature = "dhcp", not(loom)))]
    pub(crate) fn dhcp_clients(&self) -> &Arc<Clients> {
        &self.handle.dhcp_clients
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.handle.engine
    }

    /// The same, to wait for the end of the stack without keeping it up.
    pub(crate) fn share_engine(&self) -> Arc<Engine> {
        self.handle.engine.clone()
    }

    /// Whether both are the same stack.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("process_wide", &self.engine().is_process_wide())
            .finish_non_exhaustive()
    }
}

/// What handles and sockets share; its end tells the driver that nobody is left.
struct Handle {
    engine: Arc<Engine>,
    names: Names,
    #[cfg(all(feature = "dhcp", not(loom)))]
    dhcp_clients: Arc<Clients>,
    /// Whether it keeps the stack up. What the stack does for itself does not.
    counts: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.counts {
            self.engine.abandon();
        }
    }
}

/// How long [`Net::shutdown`] waits for the delivery of what was written.
const SHUTDOWN: Duration = Duration::from_secs(5);
