//! The one place where errors of the core become errors of the operating system's kind.

use net_core::SocketError;
use std::io;

/// The `io::Error` that the host's kernel would give: the same kind and the same errno.
pub(crate) fn to_io(error: SocketError) -> io::Error {
    match error {
        SocketError::WouldBlock => return io::ErrorKind::WouldBlock.into(),
        SocketError::InvalidInput(reason) | SocketError::Unsupported(reason) => {
            tracing::debug!(reason, "{error}");
        }
        _ => {}
    }
    with_errno(error)
}

/// What a stack that is gone says to every socket of it.
pub(crate) fn ended(how: Ended) -> io::Error {
    io::Error::other(match how {
        Ended::RuntimeGone => {
            "the network stack stopped: the runtime that ran its driver has ended; build the Net on a runtime that outlives its sockets"
        }
        Ended::Panicked => {
            "the network stack stopped: its driver panicked, which is a bug of the stack; its message is in the program's output"
        }
        Ended::ShutDown => "the network stack was shut down",
        Ended::DeviceFailed => "the network stack stopped: its device failed",
    })
}

/// Why a stack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The driver's task was dropped by its runtime.
    RuntimeGone,
    /// The driver panicked.
    Panicked,
    /// `Net::shutdown`.
    ShutDown,
    /// Every device of it failed for good.
    DeviceFailed,
}

#[cfg(target_os = "linux")]
fn with_errno(error: SocketError) -> io::Error {
    use rustix::io::Errno;
    let errno = match error {
        SocketError::AddressInUse => Errno::ADDRINUSE,
        SocketError::AddressNotAvailable => Errno::ADDRNOTAVAIL,
        SocketError::NetworkUnreachable => Errno::NETUNREACH,
        SocketError::HostUnreachable => Errno::HOSTUNREACH,
        SocketError::ConnectionRefused => Errno::CONNREFUSED,
        SocketError::ConnectionReset => Errno::CONNRESET,
        SocketError::ConnectionAborted => Errno::CONNABORTED,
        SocketError::TimedOut => Errno::TIMEDOUT,
        SocketError::NotConnected => Errno::NOTCONN,
        SocketError::AlreadyConnected => Errno::ISCONN,
        SocketError::InProgress => Errno::INPROGRESS,
        SocketError::AlreadyInProgress => Errno::ALREADY,
        SocketError::BrokenPipe => Errno::PIPE,
        SocketError::MessageTooLong => Errno::MSGSIZE,
        SocketError::WouldBlock => Errno::AGAIN,
        SocketError::PermissionDenied(_) => Errno::ACCESS,
        SocketError::Filtered => Errno::PERM,
        SocketError::NoBufferSpace => Errno::NOBUFS,
        SocketError::TooManySockets => Errno::NFILE,
        SocketError::InvalidInput(_) => Errno::INVAL,
        SocketError::DestinationRequired => Errno::DESTADDRREQ,
        SocketError::Unsupported(_) => Errno::OPNOTSUPP,
        SocketError::NoSuchSocket => Errno::BADF,
        SocketError::AddressFamily => Errno::AFNOSUPPORT,
        SocketError::SocketTypeNotSupported => Errno::SOCKTNOSUPPORT,
        SocketError::ProtocolNotSupported => Errno::PROTONOSUPPORT,
        SocketError::AlreadyExists => Errno::EXIST,
        SocketError::NoSuchOption => Errno::NOPROTOOPT,
        SocketError::NoSuchInterface => Errno::NODEV,
        SocketError::NoSuchFlow => Errno::NOENT,
        _ => return io::Error::other(error),
    };
    errno.into()
}

/// Elsewhere the numbers differ from host to host: the kind is the portable part.
#[cfg(not(target_os = "linux"))]
fn with_errno(error: SocketError) -> io::Error {
    let kind = match error {
        SocketError::AddressInUse => io::ErrorKind::AddrInUse,
        SocketError::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
        SocketError::NetworkUnreachable => io::ErrorKind::NetworkUnreachable,
        SocketError::HostUnreachable => io::ErrorKind::HostUnreachable,
        SocketError::ConnectionRefused => io::ErrorKind::ConnectionRefused,
        SocketError::ConnectionReset => io::ErrorKind::ConnectionReset,
        SocketError::ConnectionAborted => io::ErrorKind::ConnectionAborted,
        SocketError::TimedOut => io::ErrorKind::TimedOut,
        SocketError::NotConnected => io::ErrorKind::NotConnected,
        SocketError::BrokenPipe => io::ErrorKind::BrokenPipe,
        SocketError::WouldBlock => io::ErrorKind::WouldBlock,
        SocketError::PermissionDenied(_) | SocketError::Filtered => io::ErrorKind::PermissionDenied,
        SocketError::InvalidInput(_) => io::ErrorKind::InvalidInput,
        SocketError::AlreadyExists => io::ErrorKind::AlreadyExists,
        SocketError::NoSuchFlow => io::ErrorKind::NotFound,
        SocketError::Unsupported(_) => io::ErrorKind::Unsupported,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_errno_are_those_of_the_host() {
        let refused = to_io(SocketError::ConnectionRefused);
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let in_use = to_io(SocketError::AddressInUse);
        assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
        if cfg!(target_os = "linux") {
            assert_eq!(refused.raw_os_error(), Some(111));
            assert_eq!(in_use.raw_os_error(), Some(98));
            assert_eq!(to_io(SocketError::TooManySockets).raw_os_error(), Some(23));
        }
    }

    #[test]
    fn would_block_is_a_bare_kind_as_in_tokio() {
        let error = to_io(SocketError::WouldBlock);
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(error.raw_os_error(), None);
    }

    #[test]
    fn an_ended_stack_says_why() {
        assert!(ended(Ended::RuntimeGone).to_string().contains("runtime"));
    }
}
