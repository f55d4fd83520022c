//! What the filter asks about frames: the headers in front of packets, and ARP.

use super::{HookPoint, Hooks};
use crate::filter::ArpPlace;
use crate::time::Instant;
use crate::wire::EthernetHeader;

impl Hooks {
    /// Whether any rule asks for what is in front of packets.
    pub(crate) fn asks_for_frames(&self) -> bool {
        let filter = self.filter();
        filter.is_some_and(crate::filter::Filter::asks_for_frames)
    }

    /// Notes the header of the frame that is taken in from now on, or that there is none.
    pub(crate) fn set_frame(&mut self, frame: Option<EthernetHeader>) {
        if let Some(filter) = self.filter_mut() {
            filter.set_frame(frame);
        }
    }

    /// Whether ARP packets are asked about at a point.
    pub(crate) fn asks_about_arp(&self, at: HookPoint) -> bool {
        self.filter().is_some_and(|filter| filter.has_arp(at))
    }

    /// Whether an ARP packet passes.
    pub(crate) fn lets_arp_by(&mut self, place: ArpPlace, bytes: &mut [u8], now: Instant) -> bool {
        let (filter, log) = self.filter_and_log();
        filter.is_none_or(|filter| filter.ask_arp(place, bytes, log, now))
    }
}
