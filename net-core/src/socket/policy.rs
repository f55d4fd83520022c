//! The embedder's say in what sockets may do.

use super::{IpOption, Request, Shutdown, SocketId, TcpOption, TcpSettings};
use crate::error::SocketError;
use alloc::boxed::Box;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Decides about the operations of sockets, and hears of connections.
///
/// It runs inside the stack, and so must neither call into it nor wait for anybody who does.
///
/// ```
/// use net_core::socket::{Family, Operation, Policy};
/// use net_core::{Config, Instant, Seed, SocketError, Stack};
///
/// /// Low ports are not for us.
/// #[derive(Debug)]
/// struct HighPorts;
///
/// impl Policy for HighPorts {
///     fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
///         match operation {
///             Operation::Bind { addr, .. } if addr.port() < 1024 => {
///                 Err(SocketError::PermissionDenied("a port below 1024"))
///             }
///             _ => Ok(()),
///         }
///     }
/// }
///
/// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
/// stack.set_policy(HighPorts);
/// let socket = stack.tcp_open(Family::V4)?;
/// let denied = stack.bind(socket, "0.0.0.0:80".parse().unwrap());
/// assert!(matches!(denied, Err(SocketError::PermissionDenied(_))));
/// stack.bind(socket, "0.0.0.0:8080".parse().unwrap())?;
/// # Ok::<(), SocketError>(())
/// ```
pub trait Policy: fmt::Debug + Send {
    /// Whether the operation may go on. It is asked before anything has changed, but for
    /// [`Created`](Operation::Created); what it refuses leaves no trace.
    ///
    /// # Errors
    /// What the application is told.
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        let _ = operation;
        Ok(())
    }

    /// A connection of TCP is established, and has sent nothing since: options that are set now hold
    /// for all that follows.
    fn established(&mut self, connection: &Established, options: &mut Options<'_>) {
        let _ = (connection, options);
    }
}

impl Policy for Box<dyn Policy> {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        (**self).permit(operation)
    }

    fn established(&mut self, connection: &Established, options: &mut Options<'_>) {
        (**self).established(connection, options);
    }
}

/// What a socket is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// To come into being.
    Create(Request),
    /// It has come into being; refused, it goes again.
    Created {
        /// Which one.
        socket: SocketId,
        /// What was asked for.
        request: Request,
    },
    /// To take a local address; not asked where the stack chooses one.
    Bind {
        /// Which socket.
        socket: SocketId,
        /// Its address.
        addr: SocketAddr,
    },
    /// To take connections.
    Listen {
        /// Which socket.
        socket: SocketId,
        /// How many may wait.
        backlog: u32,
    },
    /// To hand a connection out.
    Accept {
        /// The listener.
        socket: SocketId,
    },
    /// To connect.
    Connect {
        /// Which socket.
        socket: SocketId,
        /// Where to.
        addr: SocketAddr,
    },
    /// To send.
    Send {
        /// Which socket.
        socket: SocketId,
        /// Where to, unless it is the connected peer.
        to: Option<SocketAddr>,
        /// The address to send this from, where it names one.
        source: Option<IpAddr>,
        /// The port to send this from, where it names one.
        source_port: Option<u16>,
    },
    /// To become [transparent](IpOption::Transparent): to have addresses that are not this host's.
    SetTransparent {
        /// Which socket.
        socket: SocketId,
    },
    /// To receive; asked once where several datagrams are received together.
    Recv {
        /// Which socket.
        socket: SocketId,
    },
    /// To end a direction.
    Shutdown {
        /// Which socket.
        socket: SocketId,
        /// Which directions.
        how: Shutdown,
    },
}

/// A connection that has come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Established {
    /// Its socket.
    pub socket: SocketId,
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The peer opened it.
    pub passive: bool,
}

/// The options of a connection that has come about.
#[derive(Debug)]
pub struct Options<'a> {
    pub(crate) settings: &'a mut TcpSettings,
}

impl Options<'_> {
    /// As they are.
    #[must_use]
    pub fn settings(&self) -> &TcpSettings {
        self.settings
    }

    /// Sets an option of TCP.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range or an option whose time has passed, `Unsupported` for a
    /// mechanism that is not there.
    pub fn set(&mut self, option: TcpOption) -> Result<(), SocketError> {
        self.settings.set(option, true, true)
    }

    /// Sets an option of the IP layer.
    ///
    /// # Errors
    /// `InvalidInput` for a value out of range.
    pub fn set_ip(&mut self, option: IpOption) -> Result<(), SocketError> {
        self.settings.ip.set(option, true)
    }
}
