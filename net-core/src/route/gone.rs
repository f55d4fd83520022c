//! Routes over an interface that has gone.

use super::RouteTable;
use crate::iface::{IfaceId, IpCidr};
use alloc::vec::Vec;

impl RouteTable {
    /// Removes every route over an interface: from now on no packet finds one. That costs what there are of
    /// different ways over it (a next hop with its metric and source), each of which many prefixes may share,
    /// and nothing for any other route.
    ///
    /// A prefix that has no other route keeps its place until [`clear_gone`](Self::clear_gone) comes by; it counts
    /// no more, and packets go by a shorter one.
    pub fn remove_iface(&mut self, iface: IfaceId) {
        if self.ways.remove_iface(iface) {
            self.changed();
        }
    }

    /// Looks at `most` prefixes, and takes out those that have lost their routes with an interface; whether some
    /// are left. It goes on where it has left off.
    ///
    /// ```
    /// use net_core::iface::{IfaceId, IpCidr};
    /// use net_core::route::{Route, RouteTable};
    /// # use net_core::iface::{DeviceCaps, IfaceConfig, IfaceKind};
    /// # use net_core::{Config, Instant, Seed, Stack};
    /// # let mut stack = Stack::new(Config::default(), Seed::from_u64(7), Instant::ZERO);
    /// # let kind = IfaceKind::PointToPoint;
    /// # let config = IfaceConfig { name: "tun0".into(), kind, mtu: 1500, addresses: Vec::new() };
    /// let iface: IfaceId = stack.add_iface(config, DeviceCaps::default())?;
    /// let mut table = RouteTable::new();
    /// for number in 0..100 {
    ///     let prefix = IpCidr { address: [10, number, 0, 0].into(), prefix_len: 16 };
    ///     table.insert(Route { prefix, via: None, iface, source: None, metric: 0 })?;
    /// }
    /// table.remove_iface(iface);
    /// assert_eq!((table.len(), table.lookup([10, 7, 0, 1].into())), (0, None));
    /// assert!(table.clear_gone(60));
    /// assert!(!table.clear_gone(60));
    /// assert_eq!(table.prefixes_after(None).count(), 0);
    /// # Ok::<(), net_core::SocketError>(())
    /// ```
    pub fn clear_gone(&mut self, most: usize) -> bool {
        if !self.has_gone() {
            return false;
        }
        let most = most.max(1);
        let piece = self.after(self.cleared).take(most);
        let piece: Vec<(IpCidr, bool)> = piece.map(|(to, ways)| (to, ways.is_empty())).collect();
        // Behind the last one it begins anew: an interface may have gone meanwhile.
        let last = piece.last().filter(|_| piece.len() == most);
        self.cleared = last.map(|(prefix, _)| *prefix);
        for (prefix, _) in piece.into_iter().filter(|(_, is_gone)| *is_gone) {
            self.remove(prefix);
        }
        self.has_gone()
    }

    /// Whether prefixes are there that have lost their routes.
    pub(super) const fn has_gone(&self) -> bool {
        self.ways.gone() > 0
    }
}
