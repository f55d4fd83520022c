//! From a packet's priority to its band.

use core::fmt;

/// The band of each of the 16 priorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Priomap(pub [u8; 16]);

/// Linux's: interactive traffic and control first, bulk last.
impl Default for Priomap {
    fn default() -> Self {
        Self([1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    }
}

impl Priomap {
    /// The band of a packet, of `bands`; a priority beyond 15 has that of 0.
    #[must_use]
    pub fn band(&self, priority: u8, bands: usize) -> usize {
        let Self(map) = self;
        let band = map.get(usize::from(priority)).unwrap_or(&map[0]);
        usize::from(*band).min(bands.saturating_sub(1))
    }
}

/// ` 1 2 2 …`
impl fmt::Display for Priomap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|band| write!(f, " {band}"))
    }
}

/// The priority that Linux gives a packet by its type of service (RFC 1349's bits; those of ECN
/// aside): 0 best effort, 2 bulk, 4 interactive bulk, 6 interactive.
///
/// ```
/// assert_eq!(net_core::qdisc::priority_of_tos(0x10), 6);
/// ```
#[must_use]
pub const fn priority_of_tos(tos: u8) -> u8 {
    match tos & 0x18 {
        0x08 => 2,
        0x10 => 6,
        0x18 => 4,
        _ => 0,
    }
}
