//! Asking routers that did not answer whether they do again (RFC 4191 §3.5).

use super::Stack;
use crate::buf::TxPacket;
use crate::iface::IfaceId;
use crate::ip::Path;
use crate::neighbor::Context;
use crate::time::{Duration, Instant};
use crate::wire::IpHeader;
use core::net::{IpAddr, Ipv6Addr};

impl Stack {
    /// A packet leaves by a neighbour. Routers that it would have gone by, but for that they did not answer,
    /// are asked: each once a minute, and only while there are such packets.
    #[inline]
    pub(super) fn note_departure(&mut self, path: &Path, packet: &TxPacket, now: Instant) {
        if self.router_probes_due <= now {
            self.probe_routers(path, packet, now);
        }
    }

    #[cold]
    fn probe_routers(&mut self, path: &Path, packet: &TxPacket, now: Instant) {
        let dest = IpHeader::parse_quoted(&packet.head).map(|header| header.dest);
        if let (Ok(IpAddr::V6(dest)), IpAddr::V6(next_hop)) = (dest, path.next_hop) {
            let mut own = self.iface_mut(path.iface);
            while let Some(router) = own.and_then(|own| own.autoconf.pop_probe(dest, next_hop, now))
            {
                self.probe_router(path.iface, router, now);
                own = self.iface_mut(path.iface);
            }
        }
        let all = self.ifaces.iter_mut().flatten();
        let next = all.filter_map(|own| own.autoconf.next_probe()).min();
        // What is due and not for this packet is looked at again a bit later.
        self.router_probes_due = next.map_or(Instant::MAX, |next| next.max(now + PATIENCE));
    }

    fn probe_router(&mut self, iface: IfaceId, router: Ipv6Addr, now: Instant) {
        let mut cx = Context {
            config: &self.config.neighbor,
            wheel: &mut self.wheel,
            now,
        };
        if let Some(ask) = self.neighbors.probe(iface, router.into(), &mut cx) {
            self.solicit(iface, router.into(), ask, now);
        }
    }

    /// A router does not answer, and may be asked again later.
    pub(super) fn pass_over(&mut self, iface: IfaceId, router: IpAddr) {
        let now = self.clock;
        if let IpAddr::V6(router) = router
            && let Some(own) = self.iface_mut(iface)
        {
            own.autoconf.pass_over(router, now);
            let next = own.autoconf.next_probe().unwrap_or(Instant::MAX);
            self.router_probes_due = self.router_probes_due.min(next);
        }
    }
}

/// Between two looks at routers that may be asked while no packet would go by them.
const PATIENCE: Duration = Duration::from_secs(1);
