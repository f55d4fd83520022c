//! What paths of datagrams take, in the stack: sockets keep it with the way to a destination, and look
//! again whenever something is told or forgotten.

use super::{Stack, TimerKey};
use crate::route::TableId;
use crate::time::Instant;
use core::net::IpAddr;

impl Stack {
    /// A router says, believably, how large packets to `dest` may be.
    pub(super) fn path_mtu_told(&mut self, dest: IpAddr, mtu: u16) {
        if self.path_mtus.learn(dest, mtu, self.clock) {
            self.routes.table_mut(TableId::MAIN).changed();
            self.settle_path_mtus();
        }
    }

    /// The time of some of it is over.
    pub(super) fn path_mtu_timeout(&mut self, now: Instant) {
        self.path_mtu_timer = None;
        if self.path_mtus.expire(now) {
            self.routes.table_mut(TableId::MAIN).changed();
        }
        self.settle_path_mtus();
    }

    fn settle_path_mtus(&mut self) {
        if self.path_mtu_timer.is_none() {
            let next = self.path_mtus.next();
            self.path_mtu_timer = next.map(|at| self.wheel.insert(TimerKey::PathMtu, at));
        }
    }
}
