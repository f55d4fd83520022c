//! Temporary addresses beside the stable ones (RFC 8981).

use super::Stack;
use crate::autoconf::{Formed, Origin, REGEN_ADVANCE, Term, temporary_address};
use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::time::Instant;
use alloc::vec::Vec;

impl Stack {
    /// Whether an interface that [configures itself](Self::autoconfigure) forms temporary addresses, too,
    /// in prefixes that routers tell of from now on: at random, one a day, from which new connections
    /// begin.
    ///
    /// # Errors
    /// [`NoSuchInterface`](SocketError::NoSuchInterface).
    pub fn set_temporary_addresses(&mut self, iface: IfaceId, on: bool) -> Result<(), SocketError> {
        let own = self.iface_mut(iface);
        let own = own.ok_or(SocketError::NoSuchInterface)?;
        own.autoconf.temporary = on;
        Ok(())
    }

    /// A router has told of a prefix in which there is a stable address: what is temporary there lasts no
    /// longer, and there is one (RFC 8981 §3.4).
    pub(super) fn temporary_told(&mut self, iface: IfaceId, prefix: u64, now: Instant) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let Some(lifetimes) = own.autoconf.lifetimes_of(prefix) else {
            return;
        };
        let mut has_successor = false;
        for formed in &mut own.autoconf.formed {
            if let Some(term) = formed.temporary_in(prefix) {
                let (preferred, valid) = term.within(lifetimes);
                has_successor |= formed.serves_on(&term, now);
                formed.valid_until = valid;
                formed.prefer_until(preferred, now);
            }
        }
        if own.autoconf.temporary && !has_successor {
            self.form_temporary(iface, prefix, 0, now);
        }
    }

    /// Forms another address in the place of each that will soon not be preferred any more.
    pub(super) fn succeed_temporary(&mut self, iface: IfaceId, now: Instant) {
        let Some(own) = self.iface_mut(iface) else {
            return;
        };
        let mut prefixes = Vec::new();
        for formed in &mut own.autoconf.formed {
            let is_due = formed.succession().is_some_and(|at| at <= now);
            if let (true, Origin::Temporary(term)) = (is_due, &mut formed.origin) {
                term.is_succeeded = true;
                prefixes.push(formed.prefix());
            }
        }
        if own.autoconf.temporary {
            for prefix in prefixes {
                self.form_temporary(iface, prefix, 0, now);
            }
        }
    }

    /// Chooses an address at random in a prefix, and begins to check it, unless it would be over at once.
    pub(super) fn form_temporary(
        &mut self,
        iface: IfaceId,
        prefix: u64,
        collisions: u8,
        now: Instant,
    ) {
        let own = self.iface(iface);
        let has_room = own.is_some_and(|own| own.autoconf.has_room());
        let lifetimes = own.and_then(|own| own.autoconf.lifetimes_of(prefix));
        let Some(lifetimes) = lifetimes.filter(|_| has_room) else {
            return;
        };
        let term = Term::begin(&mut self.rng, now);
        let lifetimes = term.within(lifetimes);
        if lifetimes.0 <= now + REGEN_ADVANCE {
            return;
        }
        let address = temporary_address(prefix, &mut self.rng);
        let due = self.soon(now);
        let formed = Formed {
            origin: Origin::Temporary(term),
            collisions,
            ..self.unchecked(address, 128, lifetimes, due)
        };
        self.check_address(iface, formed, now);
    }
}
