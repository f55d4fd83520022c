//! What can go wrong when an application uses a socket.

use thiserror::Error;

/// Why a socket operation failed.
///
/// One type serves every operation because a socket's *pending error* (what the network did to it:
/// refused, reset, timed out …) is reported by whichever operation comes next, as in the kernel.
/// net-tokio maps each variant to the `ErrorKind` and errno named in its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// EADDRINUSE: another socket owns the address.
    #[error(
        "address in use: choose another port, or set reuse_address or reuse_port on both sockets"
    )]
    AddressInUse,
    /// EADDRNOTAVAIL: the address is not one of the stack's, or no ephemeral port is free.
    #[error(
        "address not available: it is on no interface of this stack, or every ephemeral port is taken"
    )]
    AddressNotAvailable,
    /// ENETUNREACH: no route leads to the destination.
    #[error("network unreachable: no route to the destination; add one or a default gateway")]
    NetworkUnreachable,
    /// EHOSTUNREACH: a router or the neighbour cache says that the host cannot be reached.
    #[error("host unreachable")]
    HostUnreachable,
    /// ECONNREFUSED: the peer answered with RST to our SYN, or port unreachable to a datagram.
    #[error("connection refused: nothing listens on that port")]
    ConnectionRefused,
    /// ECONNRESET: the peer sent RST.
    #[error("connection reset by peer")]
    ConnectionReset,
    /// ECONNABORTED: the connection was aborted on this side.
    #[error("connection aborted by this host")]
    ConnectionAborted,
    /// ETIMEDOUT: the peer did not answer within the retransmission or keepalive limit.
    #[error("connection timed out")]
    TimedOut,
    /// ENOTCONN: the operation needs a connected socket.
    #[error("not connected: call connect first, or name a destination")]
    NotConnected,
    /// EISCONN: the socket is connected.
    #[error("already connected")]
    AlreadyConnected,
    /// EINPROGRESS: connect began; its outcome is an event.
    #[error("connection in progress")]
    InProgress,
    /// EALREADY: an earlier connect is still under way.
    #[error("an earlier connect is still in progress")]
    AlreadyInProgress,
    /// EPIPE: the sending side is shut down.
    #[error("broken pipe: the sending side is shut down")]
    BrokenPipe,
    /// EMSGSIZE: the datagram is larger than the protocol or the path allows.
    #[error("message too long for one datagram")]
    MessageTooLong,
    /// EAGAIN: nothing to do now; wait for readiness.
    #[error("operation would block")]
    WouldBlock,
    /// EACCES: not permitted, such as sending to a broadcast address without the option.
    #[error("permission denied: {0}")]
    PermissionDenied(&'static str),
    /// EPERM: a filter or a hook on the way out of this stack does not let the datagram pass.
    #[error("a filter or hook of this stack drops what goes there")]
    Filtered,
    /// ENOBUFS: the stack's memory budget is spent.
    #[error("no buffer space: the stack's memory budget is spent")]
    NoBufferSpace,
    /// ENFILE: the stack has as many sockets as its configuration allows.
    #[error("too many sockets: raise Config::max_sockets or close some")]
    TooManySockets,
    /// EINVAL: an argument is out of range or the socket is in the wrong state for the call.
    #[error("invalid input: {0}")]
    InvalidInput(&'static str),
    /// EDESTADDRREQ: an unconnected datagram socket needs a destination.
    #[error("destination address required: connect the socket or name a destination")]
    DestinationRequired,
    /// EOPNOTSUPP: this stack does not have the mechanism (yet); docs/mechanisms.md lists it.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// ENOPROTOOPT: sockets of this kind or family do not have the option.
    #[error("no such option for sockets of this kind or family")]
    NoSuchOption,
    /// ENODEV: the stack has no such interface.
    #[error("no such interface in this stack")]
    NoSuchInterface,
    /// ENOENT: no flow is known that has these ends.
    #[error("no such flow: flows are not followed here, or it has been forgotten")]
    NoSuchFlow,
    /// EBADF: the id names no socket (any more).
    #[error("no such socket: it was closed")]
    NoSuchSocket,
    /// EAFNOSUPPORT: the address belongs to another family than the socket, or the stack has no such
    /// family.
    #[error("address family does not fit the socket, or is not registered")]
    AddressFamily,
    /// ESOCKTNOSUPPORT: the family has no sockets of that type.
    #[error("the address family has no sockets of that type")]
    SocketTypeNotSupported,
    /// EPROTONOSUPPORT: the type of sockets does not go with that protocol.
    #[error("sockets of that type do not speak that protocol")]
    ProtocolNotSupported,
    /// EEXIST: it is there already.
    #[error("it is there already: take the old one out first")]
    AlreadyExists,
}
