//! SYN cookies (RFC 4987 §3.6, appendix A): a listener whose SYN queue is full answers without
//! remembering anything. What it would have remembered is in the sequence number of its SYN-ACK, and
//! the options that do not fit there are in its timestamp; the ACK brings both back.
//!
//! The sequence number is a time (5 bits, 64 s each), an MSS (3 bits, rounded down to one of a table)
//! and a keyed hash of both, of the four-tuple and of the peer's sequence number (24 bits). The six low
//! bits of the timestamp are the peer's window scale (15: none), SACK and ECN; a timestamp that is up
//! to 64 ms old makes the first round-trip sample so much too long.

use super::accept::Child;
use crate::config::{SynCookies, TcpConfig};
use crate::socket::{FlowKey, SocketId};
use crate::stack::Stack;
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use crate::tcp::connection::{Negotiated, timestamp};
use crate::tcp::ecn::{Agreement, EcnFeedback};
use crate::tcp::segment::Segment;
use crate::time::{Duration, Instant};
use crate::wire::TcpFlags;

/// The values of MSS that a cookie tells; below the smallest nobody is served any worse.
const MSS_TABLE: [u16; 8] = [48, 536, 1220, 1300, 1400, 1440, 1460, 8960];

/// A tick of the cookies' clock. A cookie is good in its tick and in the next.
const TICK: Duration = Duration::from_secs(64);
const TIME_BITS: u32 = 5;
const TIMES: u64 = 1 << TIME_BITS;

/// Low bits of a timestamp that tell options.
const OPTION_BITS: u32 = 6;
const OPTION_MASK: u32 = (1 << OPTION_BITS) - 1;
const SCALE_MASK: u32 = 0xf;
const NO_SCALE: u32 = 0xf;
const SACK_BIT: u32 = 0x10;
const ECN_BIT: u32 = 0x20;

impl Stack {
    /// Whether a SYN is answered with a cookie; `full`: there is no room to remember it.
    pub(super) fn may_send_cookie(config: &TcpConfig, full: bool) -> bool {
        match config.syn_cookies {
            SynCookies::Never => false,
            SynCookies::WhenFull => full,
            SynCookies::Always => true,
        }
    }

    /// Answers a SYN and forgets it. `facts` are what an embryo would remember.
    pub(super) fn send_cookie(
        &mut self,
        listener: SocketId,
        key: &FlowKey,
        mut facts: Negotiated,
        now: Instant,
    ) {
        if facts.ecn.feedback == EcnFeedback::Accurate {
            // There is no place to remember more (RFC 9768 §5.1); whoever asks for it speaks both.
            facts.ecn.feedback = EcnFeedback::Classic;
        }
        let index = MSS_TABLE.iter().rposition(|&mss| mss <= facts.peer_mss);
        let index = u32::try_from(index.unwrap_or(0)).unwrap_or(0);
        facts.iss = self.tcp.secrets.cookie(key, facts.irs, index, tick(now));
        let clock = facts
            .ts_recent
            .map(|_| stamp(&facts, timestamp(now, facts.ts_offset)));
        if clock.is_none() {
            // Without timestamps there is no place for them.
            (facts.peer_scale, facts.sack) = (None, false);
            facts.ecn = Agreement::default();
        }
        if let Some(listener) = self
            .sockets
            .tcp_mut(listener)
            .and_then(|s| s.listener_mut())
        {
            listener.cookies_until = now + 2 * TICK;
        }
        self.stats.tcp_cookies_sent += 1;
        self.send_syn_ack(listener, key, &facts, clock, None, now);
    }

    /// An ACK for a listener, of no connection: if it brings a cookie back, there is one; whether
    /// that is so.
    pub(super) fn take_cookie(
        &mut self,
        id: SocketId,
        segment: &mut Segment<'_>,
        key: FlowKey,
        now: Instant,
    ) -> bool {
        let recent = self
            .sockets
            .tcp_mut(id)
            .and_then(|socket| socket.listener_mut())
            .is_some_and(|listener| now < listener.cookies_until);
        if !recent || segment.flags.intersects(TcpFlags::SYN | TcpFlags::RST) {
            return false;
        }
        let (iss, irs) = (segment.ack - 1, segment.seq - 1);
        let Some(mss) = self.read_cookie(&key, iss, irs, now) else {
            self.stats.tcp_cookies_failed += 1;
            return false;
        };
        let Some(mut facts) = self.facts_of_syn(id, &key, iss, irs, segment) else {
            return false;
        };
        facts.peer_mss = mss;
        self.restore_options(id, &mut facts, segment);
        let child = Child {
            listener: id,
            key,
            facts,
            sent_at: None,
            retries: 0,
        };
        if self.has_accept_room(id) && self.create_child(&child, segment, now) {
            self.stats.tcp_cookies_received += 1;
        }
        true
    }

    /// The MSS that a cookie tells, if it is one of ours and not too old.
    fn read_cookie(&self, key: &FlowKey, iss: SeqNum, irs: SeqNum, now: Instant) -> Option<u16> {
        let index = iss.get() >> 24 & 7;
        let told = u64::from(iss.get() >> 27);
        let tick = [tick(now), tick(now).wrapping_sub(1)]
            .into_iter()
            .find(|tick| tick % TIMES == told)?;
        let good = self.tcp.secrets.cookie(key, irs, index, tick) == iss;
        MSS_TABLE.get(index as usize).copied().filter(|_| good)
    }

    /// What the peer's SYN had offered, as far as our timestamp comes back.
    fn restore_options(&self, id: SocketId, facts: &mut Negotiated, segment: &Segment<'_>) {
        let config = &self.config.tcp;
        (facts.peer_scale, facts.sack) = (None, false);
        facts.ecn = Agreement::default();
        if let Some((_, echo)) = segment.options.timestamps.filter(|_| config.timestamps) {
            let scale = echo & SCALE_MASK;
            let known = scale != NO_SCALE && config.window_scaling;
            facts.peer_scale = u8::try_from(scale).ok().filter(|_| known);
            facts.sack = echo & SACK_BIT != 0 && config.sack;
            let socket = self.sockets.tcp(id);
            let ecn = socket.is_some_and(|socket| socket.settings.wants_ecn(config));
            if echo & ECN_BIT != 0 && ecn {
                facts.ecn.feedback = EcnFeedback::Classic;
            }
        }
    }

    /// Whether the accept queue takes one more; if not, the ACK is as if lost.
    fn has_accept_room(&mut self, id: SocketId) -> bool {
        let listener = self
            .sockets
            .tcp_mut(id)
            .and_then(|socket| socket.listener_mut());
        let room = listener.is_some_and(|listener| !listener.is_full());
        if !room {
            self.stats.count_drop(DropReason::AcceptQueueFull);
        }
        room
    }
}

/// The present tick of the cookies' clock.
fn tick(now: Instant) -> u64 {
    now.as_millis() / 1000 / TICK.as_secs()
}

/// The latest timestamp not after `clock` whose low bits tell the options.
fn stamp(facts: &Negotiated, clock: u32) -> u32 {
    let scale = facts.peer_scale.map_or(NO_SCALE, u32::from);
    let sack = if facts.sack { SACK_BIT } else { 0 };
    let ecn = match facts.ecn.feedback {
        EcnFeedback::None => 0,
        EcnFeedback::Classic | EcnFeedback::Accurate => ECN_BIT,
    };
    let stamp = clock & !OPTION_MASK | scale | sack | ecn;
    if stamp.wrapping_sub(clock).cast_signed() > 0 {
        stamp.wrapping_sub(1 << OPTION_BITS)
    } else {
        stamp
    }
}
