//! Ports divided among several stacks that have the same addresses.

use crate::error::SocketError;

/// Which ports a stack chooses from, of those that are to be chosen from: those of one residue class. So
/// several stacks with the same addresses, the *shards* of a host, never choose the same, and each knows
/// whose a port is.
///
/// It is about ports, and identifiers of pings, that the stack chooses (RFC 6056). What an application
/// names it gets, whomever it belongs to.
///
/// ```
/// use net_core::config::PortShare;
/// let second = PortShare::new(1, 4).unwrap();
/// assert_eq!(second.owner(32_769), 1);
/// assert_eq!(second.owner(32_770), 2);
/// assert!(PortShare::new(4, 4).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortShare {
    index: u16,
    count: u16,
}

impl PortShare {
    /// All ports, for a stack that shares its addresses with no other.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// The ports of the stack number `index`, counted from 0, of `count`.
    ///
    /// # Errors
    /// `InvalidInput` if there are not so many.
    pub const fn new(index: u16, count: u16) -> Result<Self, SocketError> {
        if index < count {
            Ok(Self { index, count })
        } else {
            Err(SocketError::InvalidInput(
                "a shard has a number below their count",
            ))
        }
    }

    /// Its number.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.count
    }

    /// The number of the stack that `port` belongs to.
    #[must_use]
    pub const fn owner(self, port: u16) -> u16 {
        port % self.count
    }

    /// Whether `port` belongs to this one.
    pub(crate) const fn has(self, port: u16) -> bool {
        self.owner(port) == self.index
    }
}
