//! Where SYNs that ask for explicit congestion notification come to nothing, and those that do not are
//! answered, connections are opened without for a while (RFC 9768 §3.1.4.1).

use super::recent::Recent;
use crate::socket::SocketId;
use crate::stack::Stack;
use crate::time::{Duration, Instant};
use core::net::IpAddr;

/// Connections in a row for which an ordinary SYN was answered after all: one might be chance.
const ATTEMPTS: u32 = 2;

/// For how long SYNs ask for nothing then.
const HOLD_OFF: Duration = Duration::from_secs(600);

/// Destinations that are remembered.
const MAX_PEERS: usize = 1024;

/// What a client remembers of destinations.
#[derive(Debug)]
pub(crate) struct EcnPeers {
    failures: Recent<IpAddr, Failures>,
}

#[derive(Debug)]
struct Failures {
    /// In a row.
    count: u32,
    /// When they are forgotten, or tried once more.
    until: Instant,
}

impl EcnPeers {
    pub(crate) const fn new() -> Self {
        Self {
            failures: Recent::new(MAX_PEERS),
        }
    }

    /// Whether SYNs to `remote` are to ask for nothing.
    pub(super) fn is_held_off(&mut self, remote: IpAddr, now: Instant) -> bool {
        let failures = self.failures.get_mut(&remote);
        failures.is_some_and(|it| it.count >= ATTEMPTS && now < it.until)
    }

    /// A connection has been opened: a SYN that asked was answered (`passed`), or only one that did not.
    fn learn(&mut self, remote: IpAddr, passed: bool, now: Instant) {
        if passed {
            self.failures.remove(&remote);
            return;
        }
        let before = self.failures.get_mut(&remote);
        let count = before.map_or(0, |failures| failures.count);
        let failures = Failures {
            count: count.saturating_add(1),
            until: now + HOLD_OFF,
        };
        self.failures.insert(remote, failures);
    }
}

impl Stack {
    /// The handshake of a connection is complete.
    pub(super) fn learn_of_ecn(&mut self, id: SocketId, now: Instant) {
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        let remote = socket.remote;
        let connection = socket.connection_mut();
        let passed = connection.and_then(|connection| connection.ecn.take_passed());
        if let (Some(passed), Some(remote)) = (passed, remote) {
            self.tcp.ecn.learn(remote.ip(), passed, now);
        }
    }
}
