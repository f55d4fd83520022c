//! Path MTU discovery without ICMP (RFC 4821, RFC 8899): a path that silently eats large packets is
//! found by timeouts, and what it carries by larger and larger segments of the stream itself.
//!
//! After several timeouts in a row segments fall back to BASE_PLPMTU, later to the smallest packet
//! that every path carries. Once that gets through, one segment at a time, of a size between what is
//! known to pass and what did not, asks for more. Its loss is no sign of congestion (RFC 4821 §7.5).
//! A connection that never met such a path pays for one comparison.

use super::congestion::CongestionControl;
use super::connection::{Connection, Context};
use super::output::Ports;
use super::recovery::Phase;
use super::{SeqNum, State};
use crate::buf::TxPacket;
use crate::must::must;
use crate::time::{Duration, Instant};

/// Timeouts in a row that make the size of packets suspect.
const SUSPICIOUS_TIMEOUTS: u8 = 4;
/// BASE_PLPMTU (RFC 8899 §5.1.2): packets of this size pass almost everywhere.
const BASE: u32 = 1200;
/// The smallest link MTU of IPv4 hosts (RFC 9293 §3.7.1) and of IPv6 (RFC 8200 §5).
const SMALLEST_V4: u32 = 576;
const SMALLEST_V6: u32 = 1280;
/// The search ends when its bounds are so close.
const CLOSE_ENOUGH: u32 = 8;
/// PMTU_RAISE_TIMER (RFC 8899 §5.1.1): after so long the path may have become better.
const RAISE: Duration = Duration::from_secs(600);
/// Segments behind a probe that can show its loss.
const FOLLOWERS: u32 = 3;
/// By what a timeout multiplies the wait for the next probe (RFC 4821 §7.6.3).
const TIMEOUT_COSTS: u32 = 5;

/// The search of one connection, in bytes of payload.
#[derive(Debug)]
pub(crate) struct MtuSearch {
    phase: SearchPhase,
    /// What is known to pass, and what did not.
    low: u32,
    high: u32,
    /// What is tried first of all: what would pass without the trouble, as far as routers do not say otherwise.
    full: u32,
    /// What the own link takes.
    link: u32,
    /// The MTU that a router told and the payload of such packets, or larger ones that are known to pass since;
    /// until as much passes as the own link takes.
    told: Option<(u16, u32)>,
    /// Segments have become larger.
    grown: bool,
    /// The probe under way.
    probe: Option<(SeqNum, SeqNum)>,
    raise_at: Instant,
    /// No probe leaves before: one has failed.
    wait_until: Instant,
    /// What that was before the present timeout, should it have been spurious.
    wait_before_timeout: Option<Instant>,
    /// The size of the latest probe if nothing is known of it.
    unclear: Option<u32>,
}

/// RFC 8899 §5.2, from the point of view of a stream that was confirmed by its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchPhase {
    /// No trouble so far.
    Off,
    /// Segments are small, and none of them has been acknowledged yet (Base).
    Base,
    Searching,
    Complete,
}

/// What is to be done about a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MtuProbe {
    /// None is due.
    No,
    /// One is due, and the congestion window will have room for it soon.
    Wait,
    /// One of so many bytes may leave.
    Send(u32),
}

impl Default for MtuSearch {
    fn default() -> Self {
        Self {
            phase: SearchPhase::Off,
            low: 0,
            high: 0,
            full: 0,
            link: 0,
            told: None,
            grown: false,
            probe: None,
            raise_at: Instant::MAX,
            wait_until: Instant::ZERO,
            wait_before_timeout: None,
            unclear: None,
        }
    }
}

impl MtuSearch {
    /// A router has said that packets of more than `told` bytes, or `size` of payload, do not pass, where the own
    /// link takes `link` of it: nothing larger is tried for ten minutes (RFC 1191 §6.3, RFC 8201 §4).
    pub(crate) fn after_message(told: u16, size: u32, link: u32, now: Instant) -> Self {
        Self {
            phase: SearchPhase::Complete,
            low: size,
            high: size + 1,
            full: link,
            link,
            told: Some((told, size)),
            raise_at: now + RAISE,
            ..Self::default()
        }
    }

    /// What a router told the packets of a path to be that is `mtu` for the own link.
    pub(crate) fn path_mtu(&self, mtu: u16) -> u16 {
        self.told.map_or(mtu, |(told, _)| told.min(mtu))
    }

    /// Whether segments grow, or have grown, so that some under way may be smaller than others.
    pub(crate) fn is_growing(&self) -> bool {
        match self.phase {
            SearchPhase::Off => false,
            SearchPhase::Base | SearchPhase::Searching => true,
            SearchPhase::Complete => self.grown,
        }
    }

    /// What is not known to pass.
    #[cfg(test)]
    pub(crate) const fn bound(&self) -> u32 {
        self.high
    }

    /// No probe leaves before `at`.
    #[cfg(test)]
    pub(crate) const fn rest_until(&mut self, at: Instant) {
        self.wait_until = at;
    }

    /// The timeout was spurious: it says nothing of the probe that was out.
    pub(crate) fn on_spurious_timeout(&mut self) {
        if let Some(before) = self.wait_before_timeout.take() {
            self.wait_until = before;
        }
    }

    /// Segments have more or less room in the same packets.
    pub(crate) fn shift(&mut self, shifted: impl Fn(u32) -> u32) {
        if self.phase != SearchPhase::Off {
            (self.low, self.high) = (shifted(self.low), shifted(self.high));
            (self.full, self.link) = (shifted(self.full), shifted(self.link));
            self.unclear = self.unclear.map(&shifted);
            self.told = self.told.map(|(told, size)| (told, shifted(size)));
        }
    }

    /// A router has said that packets of `told` bytes pass: more than their `size` of payload need not be tried at
    /// first, and more than `link` never.
    pub(crate) fn limit_to(&mut self, told: u16, size: u32, link: u32, now: Instant) {
        self.told = Some((told, size));
        self.full = self.full.min(size);
        self.link = self.link.min(link);
        self.high = self.high.min(size + 1);
        if self.probe.is_none() {
            self.narrow_search(now);
        }
    }

    /// Segments of `size` bytes pass, which are larger than before or as large. The path has changed where that is
    /// more than a router told.
    fn note_size(&mut self, size: u32, larger: bool) {
        self.grown |= larger;
        self.told = match self.told {
            Some(_) if size >= self.link => None,
            Some((told, least)) if size > least => {
                let more = u16::try_from(size - least).unwrap_or(u16::MAX);
                Some((told.saturating_add(more), size))
            }
            told => told,
        };
    }

    /// Nothing will be known of the probe under way.
    fn drop_probe(&mut self, now: Instant) {
        if self.probe.take().is_some() {
            self.narrow_search(now);
        }
    }

    /// Ends the search if its bounds have become close. Whatever moves them calls this, so that what is
    /// tried is always larger than what passes.
    fn narrow_search(&mut self, now: Instant) {
        let searching = self.phase == SearchPhase::Searching;
        let close = self.high.saturating_sub(self.low) <= CLOSE_ENOUGH;
        if !close || !(searching || self.phase == SearchPhase::Complete) {
            return;
        }
        if self.low >= self.link {
            self.phase = SearchPhase::Off;
        } else if self.low >= self.full {
            // A router has said so, some time ago or just now.
            self.full = self.link;
            self.phase = SearchPhase::Complete;
            self.raise_at = now + RAISE;
        } else if searching {
            self.phase = SearchPhase::Complete;
            self.raise_at = now + RAISE;
        }
    }
}

impl Connection {
    /// The retransmission timer has expired while a probe may be out.
    pub(crate) fn judge_mtu_probe_at_timeout(&mut self, cx: &Context<'_>) {
        if self.recovery.phase != Phase::Loss {
            self.mtu.wait_before_timeout = None;
        }
        if let Some((start, end)) = self.mtu.probe {
            // §7.5: a failure only if nothing in front of it is lost.
            if start == self.una && !self.board.is_reneged() {
                self.mtu.wait_before_timeout = Some(self.mtu.wait_until);
                self.wait_for_next_probe(TIMEOUT_COSTS, cx.now);
                self.mtu.drop_probe(cx.now);
            } else {
                self.drop_unclear_probe(end.distance_from(start), cx.now);
            }
        }
    }

    /// The retransmission timer has expired: if several times in a row, segments are perhaps too large for the
    /// path (RFC 4821 §7.7).
    pub(crate) fn suspect_black_hole(&mut self, cx: &Context<'_>) {
        let suspicious = cx.config.mtu_probing
            && self.retries >= SUSPICIOUS_TIMEOUTS
            && self.flight_size() >= self.mss
            && self.state != State::SynReceived;
        if !suspicious {
            return;
        }
        let (headers, smallest) = if cx.v6 {
            (60, SMALLEST_V6)
        } else {
            (40, SMALLEST_V4)
        };
        let headers = headers + if self.ts_recent.is_some() { 12 } else { 0 };
        let headers = headers + u32::from(cx.settings.ip.option_bytes);
        let base = BASE.max(smallest) - headers;
        let smaller = if self.mss > base {
            base
        } else {
            smallest - headers
        };
        if self.mss > smaller {
            if self.mtu.phase == SearchPhase::Off {
                self.mtu.link = self.mss;
            }
            let is_told = self.mtu.told.is_some_and(|(_, size)| size == self.mss);
            if self.mtu.phase == SearchPhase::Off || is_told {
                self.mtu.full = self.mss;
            }
            // What did not pass in an outage may pass again: only all of it is known not to.
            self.mtu.high = self.mtu.full;
            self.mtu.low = smaller;
            self.mtu.phase = SearchPhase::Base;
            self.use_segments_of(smaller);
        }
    }

    /// Segments of `size` bytes pass.
    fn use_segments_of(&mut self, size: u32) {
        let before = core::mem::replace(&mut self.mss, size);
        self.congestion.set_segment_size(size);
        if size < before {
            self.keep_segments_of_window(before);
        } else {
            self.mtu.note_size(size, size > before);
        }
    }

    /// Where nothing is probed for, what a router told is forgotten after ten minutes, as by the routes of
    /// Linux: it will tell again.
    #[inline]
    pub(super) fn forget_told_mtu(&mut self, cx: &Context<'_>) {
        if self.mtu.phase == SearchPhase::Complete
            && !cx.config.mtu_probing
            && cx.now >= self.mtu.raise_at
        {
            self.use_segments_of(self.mtu.link);
            self.mtu = MtuSearch::default();
        }
    }

    /// Whether a probe is to leave now.
    pub(crate) fn next_mtu_probe(&self, cx: &Context<'_>) -> MtuProbe {
        let mtu = &self.mtu;
        let due = match mtu.phase {
            SearchPhase::Off | SearchPhase::Base => return MtuProbe::No,
            SearchPhase::Searching => mtu.probe.is_none(),
            SearchPhase::Complete => cx.now >= mtu.raise_at,
        } && cx.now >= mtu.wait_until;
        let calm = self.recovery.phase == Phase::Open && self.board.is_whole();
        if !due || !calm || !self.receiver.islands.is_empty() {
            return MtuProbe::No;
        }
        let size = self.mtu_probe_size();
        // Enough must follow for its loss to show without a timeout.
        let needed = size + FOLLOWERS * self.mss;
        let unsent = u32::try_from(self.unsent_len()).unwrap_or(u32::MAX);
        let usable = (self.una + self.wnd).distance_from(self.nxt);
        if unsent.min(usable).min(self.congestion.window()) < needed {
            MtuProbe::No
        } else if self.congestion_room() < size {
            MtuProbe::Wait
        } else {
            MtuProbe::Send(size)
        }
    }

    /// Half way between what passes and what did not; first, and after a long time, all of it.
    fn mtu_probe_size(&self) -> u32 {
        let mtu = &self.mtu;
        if mtu.phase == SearchPhase::Complete {
            return mtu.full;
        }
        mtu.low + (mtu.high - mtu.low).div_ceil(2)
    }

    /// Builds a probe of `len` bytes.
    pub(super) fn emit_mtu_probe(
        &mut self,
        len: u32,
        ports: Ports,
        cx: &mut Context<'_>,
        out: &mut TxPacket,
    ) {
        // For this segment the larger size is the usual one.
        let usual = core::mem::replace(&mut self.mss, len);
        let start = self.nxt;
        self.emit_data(len, false, ports, cx, out);
        self.mss = usual;
        self.on_mtu_probe_sent(start, self.nxt);
    }

    /// A probe left.
    fn on_mtu_probe_sent(&mut self, start: SeqNum, end: SeqNum) {
        if end.distance_from(start) <= self.mss {
            // It would have taken too many pieces.
            return;
        }
        if self.mtu.phase == SearchPhase::Complete {
            self.mtu.phase = SearchPhase::Searching;
            self.mtu.high = self.mtu.full + 1;
        }
        self.mtu.probe = Some((start, end));
    }

    /// SND.UNA has advanced.
    pub(crate) fn confirm_mtu(&mut self, now: Instant) {
        match self.mtu.phase {
            SearchPhase::Off | SearchPhase::Complete => {}
            SearchPhase::Base => {
                self.mtu.phase = SearchPhase::Searching;
                self.mtu.narrow_search(now);
            }
            SearchPhase::Searching => {
                if let Some((start, end)) = self.mtu.probe
                    && self.una.at_or_after(end)
                {
                    // A router may have said meanwhile that this is too much.
                    self.mtu.low = end.distance_from(start).min(self.mtu.full);
                    self.use_segments_of(self.mtu.low);
                    self.mtu.unclear = None;
                    self.mtu.drop_probe(now);
                }
            }
        }
    }

    /// Something was found lost; whether it is a probe alone, which says nothing of congestion. One that is
    /// lost near others may be lost as they are: that says nothing of its size (RFC 4821 §7.6.4). A probe
    /// leaves while nothing is lost, so what a recovery repairs is near it; and so is what left behind it and
    /// is overdue, but not for as long. Without SACK nobody knows of what is behind it: it counts as lost alone,
    /// but then it is congestion too.
    pub(crate) fn is_lost_mtu_probe(&mut self, lost: u32, now: Instant) -> bool {
        let Some((start, end)) = self.mtu.probe else {
            return false;
        };
        let size = end.distance_from(start);
        let first = self.board.next_lost(size);
        let alone = self.recovery.phase == Phase::Open
            && first.is_some_and(|(from, _)| from == start)
            && lost <= size
            && self.board.lost() <= size
            && (!self.sack || self.board.has_arrived_behind(end));
        if alone {
            self.mtu.high = self.mtu.high.min(size);
            self.mtu.unclear = None;
            self.mtu.drop_probe(now);
            self.wait_for_next_probe(1, now);
        }
        alone && self.sack
    }

    /// A probe is lost, and others are, or may be: nothing is known of its size, which is tried again at once
    /// (RFC 4821 §7.6.4). But if that comes to nothing as well, on a path that loses much, not without a pause:
    /// each time costs half of the window.
    fn drop_unclear_probe(&mut self, size: u32, now: Instant) {
        if self.mtu.unclear.replace(size) == Some(size) {
            self.wait_for_next_probe(1, now);
        }
        self.mtu.drop_probe(now);
    }

    /// A probe has failed, for which the window is not reduced: the next one waits for so long that this is
    /// rarer than congestion, a round trip for each segment of the window, so many `times` (RFC 4821 §7.6.2,
    /// §7.6.3).
    fn wait_for_next_probe(&mut self, times: u32, now: Instant) {
        let trips = self.congestion.window() / self.mss.max(1);
        let trip = self.rtt.smoothed().unwrap_or_else(|| self.rtt.rto());
        let wait = trip.saturating_mul(trips.max(1).saturating_mul(times));
        if must("4821 MUST 7.6.2.2") {
            self.mtu.wait_until = now + wait;
        }
    }

    /// `start..end` leaves again, in segments that pass: that they arrive says nothing of a probe in there.
    pub(crate) fn on_mtu_probe_resent(&mut self, start: SeqNum, end: SeqNum, now: Instant) {
        if let Some((from, to)) = self.mtu.probe
            && start.before(to)
            && end.after(from)
        {
            self.drop_unclear_probe(to.distance_from(from), now);
        }
    }
}
