//! The flows that hooks follow, as the stack sees them.

use super::Hooks;
use crate::conntrack::Tracker;
use crate::nat::OwnAddresses;
use crate::time::Instant;

impl Hooks {
    pub(crate) fn tracker(&self) -> Option<&Tracker> {
        self.others.tracker.as_deref()
    }

    pub(crate) fn tracker_mut(&mut self) -> Option<&mut Tracker> {
        self.others.tracker.as_deref_mut()
    }

    /// Forgets flows whose time has come, or whose own address is gone, some hundred at once.
    pub(crate) fn expire_flows(&mut self, now: Instant) {
        if let Some(tracker) = &mut self.others.tracker {
            tracker.expire(now);
            self.others.own.sweep(tracker);
        }
    }

    /// Whether flows are followed.
    #[inline]
    pub(crate) const fn is_tracking(&self) -> bool {
        self.others.tracker.is_some()
    }

    /// When flows are to be forgotten next.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let expiry = self.others.tracker.as_ref()?.table.next_timeout();
        self.others.own.next_timeout().or(expiry)
    }

    /// The addresses that flows are translated to which are to have one of this host.
    pub(crate) const fn own(&mut self) -> &mut OwnAddresses {
        &mut self.others.own
    }
}
