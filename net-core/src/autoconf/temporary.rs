//! Addresses that serve for a day, so that nobody follows a host by them (RFC 8981).

use super::is_reserved;
use crate::seed::Rng;
use crate::time::{Duration, Instant};
use core::net::Ipv6Addr;

/// An address at random in a prefix.
pub(crate) fn temporary_address(prefix: u64, rng: &mut Rng) -> Ipv6Addr {
    loop {
        let id = rng.next_u64();
        if !is_reserved(id) {
            return Ipv6Addr::from_bits(u128::from(prefix) << 64 | u128::from(id));
        }
    }
}

/// How long one address serves, whatever routers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    /// It is preferred until then at most; different from host to host (RFC 8981 §3.4).
    pub(crate) preferred: Instant,
    /// It is valid until then at most.
    pub(crate) valid: Instant,
    /// Another one has been formed in its place.
    pub(crate) is_succeeded: bool,
}

impl Term {
    /// That of an address that is formed now.
    pub(crate) fn begin(rng: &mut Rng, now: Instant) -> Self {
        let desync = Duration::from_nanos(rng.below(MAX_DESYNC_NANOS));
        Self {
            preferred: now + TEMP_PREFERRED_LIFETIME.saturating_sub(desync),
            valid: now + TEMP_VALID_LIFETIME,
            is_succeeded: false,
        }
    }

    /// What is left of the lifetimes of a prefix, preferred and valid.
    pub(crate) fn within(&self, (preferred, valid): (Instant, Instant)) -> (Instant, Instant) {
        (preferred.min(self.preferred), valid.min(self.valid))
    }
}

/// An address is preferred so long (RFC 8981 §3.8).
const TEMP_PREFERRED_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// And valid so long.
const TEMP_VALID_LIFETIME: Duration = Duration::from_secs(2 * 24 * 3600);
/// MAX_DESYNC_FACTOR: 0.4 of the former.
const MAX_DESYNC_NANOS: u64 = 24 * 3600 * 1_000_000_000 / 10 * 4;
/// So long before an address ends to be preferred another is formed: 2 seconds, and one for each of three
/// checks.
pub(crate) const REGEN_ADVANCE: Duration = Duration::from_secs(5);
