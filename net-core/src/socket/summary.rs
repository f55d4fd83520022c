//! What can be said about a socket in a line.

use super::SocketId;
use crate::tcp::State;
use core::fmt;
use core::net::SocketAddr;

/// A socket at one moment, as a line of `ss` or of `/proc/net/tcp` tells it.
///
/// ```
/// use net_core::socket::Family;
/// use net_core::{Config, Instant, Seed, SocketError, Stack};
///
/// let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
/// let socket = stack.tcp_open(Family::V4)?;
/// stack.bind(socket, "0.0.0.0:80".parse().unwrap())?;
/// stack.listen(socket, 16)?;
/// let line = stack.summary(socket)?.to_string();
/// assert_eq!(line, "tcp LISTEN 0.0.0.0:80 *:* unread 0 unsent 16");
/// # Ok::<(), SocketError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Which one.
    pub socket: SocketId,
    /// Its protocol: `tcp`, `udp`, `icmp`, `raw`, `packet`, or `plugged` where the embedder brought it.
    pub protocol: &'static str,
    /// The state of a TCP socket.
    pub state: Option<State>,
    /// Its own address.
    pub local: Option<SocketAddr>,
    /// Its peer's.
    pub peer: Option<SocketAddr>,
    /// Bytes received and not yet read; of a listener, connections that wait to be accepted.
    pub unread: usize,
    /// Bytes to send, or sent and not yet acknowledged; of a listener, how many connections may wait.
    pub unsent: usize,
    /// The application has let go of it.
    pub orphan: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol)?;
        if let Some(state) = self.state {
            write!(f, " {}", state.name())?;
        }
        for addr in [self.local, self.peer] {
            match addr {
                Some(addr) => write!(f, " {addr}")?,
                None => f.write_str(" *:*")?,
            }
        }
        write!(f, " unread {} unsent {}", self.unread, self.unsent)?;
        if self.orphan {
            f.write_str(" orphan")?;
        }
        Ok(())
    }
}
