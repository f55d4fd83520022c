//! Half-open connections: the peer's SYN is remembered and answered, and the rest of the handshake is
//! awaited (SYN-RECEIVED after a passive open).

use super::accept::Child;
use super::segments::Origin;
use crate::config::TcpConfig;
use crate::socket::{FlowKey, SocketId, TcpSettings};
use crate::stack::{Stack, TimerKey};
use crate::stats::DropReason;
use crate::tcp::SeqNum;
use crate::tcp::connection::{Negotiated, timestamp};
use crate::tcp::ecn::EcnFeedback;
use crate::tcp::segment::Segment;
use crate::tcp::socket::{Embryo, Flow, Role, TcpSocket};
use crate::tcp::syn_options::initial_window;
use crate::time::{Duration, Instant};
use crate::wire::{FastOpenCookie, TcpFlags};
use alloc::vec::Vec;
use core::net::SocketAddr;

impl Stack {
    /// Remembers a SYN for a listener; where.
    pub(super) fn add_embryo(
        &mut self,
        id: SocketId,
        key: FlowKey,
        facts: Negotiated,
        now: Instant,
    ) -> u32 {
        if let Some(listener) = self.sockets.tcp_mut(id).and_then(TcpSocket::listener_mut) {
            listener.half_open += 1;
        }
        let entry = self.tcp.embryos.vacant_entry();
        let index = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let timer = self
            .wheel
            .insert(TimerKey::Embryo(index), now + self.config.tcp.rto_initial);
        entry.insert(Embryo {
            key,
            listener: id,
            facts,
            retries: 0,
            deferred: false,
            timer,
            sent_at: Some(now),
        });
        self.tcp.flows.insert(key, Flow::Embryo(index));
        index
    }

    /// A segment for a half-open connection (RFC 9293 §3.10.7.4, SYN-RECEIVED).
    pub(super) fn segment_for_embryo(
        &mut self,
        index: u32,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let listener = self
            .tcp
            .embryos
            .get(index as usize)
            .map(|embryo| embryo.listener);
        if listener.is_none_or(|listener| !self.is_listening(listener)) {
            // Its listener is gone; another may be there by now.
            self.drop_embryo(index);
            self.segment_for_listener(segment, local, remote, None, now);
            return;
        }
        let Some(embryo) = self.tcp.embryos.get_mut(index as usize) else {
            return;
        };
        let (window, accurate) = self.sockets.tcp(embryo.listener).map_or(
            (0, false),
            |TcpSocket { settings, .. }| {
                let accurate = settings.wants_accurate_ecn(&self.config.tcp);
                (initial_window(settings), accurate)
            },
        );
        match judge(&embryo.facts, window, segment) {
            Judgement::Complete => self.complete_handshake(index, segment, local, remote, now),
            Judgement::Repeat => {
                embryo.sent_at = None;
                if embryo.facts.ecn.on_repeated_syn(segment, accurate) {
                    self.answer_embryo(index, None, now);
                } else {
                    self.drop_embryo(index);
                    self.stats.count_drop(DropReason::BadFlags);
                    self.send_reset(Origin::of(segment), local, remote, now);
                }
            }
            Judgement::Over => self.drop_embryo(index),
            Judgement::Reset => {
                self.stats.count_drop(DropReason::BadAck);
                self.send_reset(Origin::of(segment), local, remote, now);
            }
            Judgement::Challenge(reason) => {
                self.stats.count_drop(reason);
                self.challenge_embryo(index, window, now);
            }
            Judgement::Drop(reason) => self.stats.count_drop(reason),
        }
    }

    /// Tells the peer what is expected of it.
    fn challenge_embryo(&mut self, index: u32, window: u32, now: Instant) {
        if !self.limits.challenge.take(now) {
            self.stats.count_drop(DropReason::RateLimited);
            return;
        }
        let embryo = self.tcp.embryos.get(index as usize);
        let listener = embryo.and_then(|embryo| self.sockets.tcp(embryo.listener));
        let (Some(Embryo { key, facts, .. }), Some(listener)) = (embryo, listener) else {
            return;
        };
        let (local, remote, facts) = (key.local(), key.remote(), *facts);
        let ip = listener.settings.ip.to_answer(facts.local_mark);
        let shift = facts.peer_scale.map_or(0, |_| facts.our_scale);
        let window = u16::try_from(window >> shift).unwrap_or(u16::MAX);
        let (seq, ack, recent) = (facts.iss + 1, facts.irs + 1, facts.ts_recent);
        self.stats.tcp_challenge_acks += 1;
        self.acknowledge(
            &ip,
            local,
            remote,
            seq,
            ack,
            recent,
            facts.ts_offset,
            window,
            now,
        );
    }

    /// The final ACK: the connection comes into being, if the accept queue has room.
    fn complete_handshake(
        &mut self,
        index: u32,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let Some(embryo) = self.tcp.embryos.get_mut(index as usize) else {
            return;
        };
        let (id, facts, key) = (embryo.listener, embryo.facts, embryo.key);
        let (sent_at, retries) = (embryo.sent_at, embryo.retries);
        let Some(socket) = self
            .sockets
            .tcp_mut(id)
            .filter(|s| matches!(s.role, Role::Listener(_)))
        else {
            self.drop_embryo(index);
            self.refuse_segment(Origin::of(segment), local, remote, now);
            return;
        };
        if embryo.retries < deferrals(&socket.settings, &self.config.tcp) && segment.seq_len() == 0
        {
            embryo.deferred = true;
            self.stats.count_drop(DropReason::Deferred);
            return;
        }
        if socket
            .listener_mut()
            .is_some_and(|listener| listener.is_full())
        {
            // The ACK is as if lost; the SYN-ACK's timer will ask for it again.
            self.stats.count_drop(DropReason::AcceptQueueFull);
            return;
        }
        let child = Child {
            listener: id,
            key,
            facts,
            sent_at,
            retries,
        };
        if self.create_child(&child, segment, now) {
            self.drop_embryo(index);
        }
    }

    /// Sends the SYN-ACK, with a fast open `cookie`.
    pub(super) fn answer_embryo(
        &mut self,
        index: u32,
        cookie: Option<FastOpenCookie>,
        now: Instant,
    ) {
        let fallback = self.config.tcp.ecn_fallback;
        if let Some(embryo) = self.tcp.embryos.get_mut(index as usize) {
            let falls_back = fallback && embryo.retries > 1;
            if falls_back && embryo.facts.ecn.feedback == EcnFeedback::Accurate {
                // RFC 9768 §3.1.5: once a SYN-ACK has said so, nothing is ECN-capable.
                embryo.facts.ecn.ordinary = true;
            }
            let (listener, key, mut facts) = (embryo.listener, embryo.key, embryo.facts);
            if facts.ecn.feedback == EcnFeedback::Accurate {
                // RFC 9768 §3.2.3.2.2: what is sent again has no option, and at last no flags.
                facts.ecn.tells = embryo.sent_at.is_some();
                if falls_back {
                    facts.ecn.feedback = EcnFeedback::None;
                }
            }
            let clock = facts.ts_recent.map(|_| timestamp(now, facts.ts_offset));
            self.send_syn_ack(listener, &key, &facts, clock, cookie, now);
        }
    }

    /// The SYN-ACK was not answered.
    pub(crate) fn embryo_timeout(&mut self, index: u32, now: Instant) {
        let (retries, initial, max) = (
            self.config.tcp.syn_ack_retries,
            self.config.tcp.rto_initial,
            self.config.tcp.rto_max,
        );
        let Some(embryo) = self.tcp.embryos.get_mut(index as usize) else {
            return;
        };
        embryo.retries += 1;
        let (count, deferred) = (embryo.retries, embryo.deferred);
        let listener = self.sockets.tcp(embryo.listener);
        let Some(listener) = listener.filter(|s| matches!(s.role, Role::Listener(_))) else {
            self.drop_embryo(index);
            return;
        };
        let deferrals = deferrals(&listener.settings, &self.config.tcp);
        if count > retries.max(deferrals) {
            self.drop_embryo(index);
            return;
        }
        let wait = initial.saturating_mul(1 << count.min(16)).min(max);
        embryo.timer = self.wheel.insert(TimerKey::Embryo(index), now + wait);
        // A peer that has answered and has nothing to say yet is left alone; at the end of the time
        // it is asked once more.
        if !deferred || count >= deferrals {
            embryo.sent_at = None;
            self.stats.tcp_retransmits += 1;
            self.answer_embryo(index, None, now);
        }
    }

    /// Nobody is there to answer the SYN-ACK, says an ICMP error that quotes one with this number;
    /// whether it is ours.
    pub(super) fn refuse_embryo(&mut self, index: u32, seq: SeqNum) -> bool {
        let embryo = self.tcp.embryos.get(index as usize);
        let ours = embryo.is_some_and(|embryo| embryo.facts.iss == seq);
        if ours {
            self.drop_embryo(index);
        }
        ours
    }

    /// Forgets the `count` half-open connections of a listener that ends.
    pub(super) fn drop_embryos_of(&mut self, listener: SocketId, count: u32) {
        let embryos = self.tcp.embryos.iter();
        let begun: Vec<u32> = embryos
            .filter(|(_, embryo)| embryo.listener == listener)
            .filter_map(|(index, _)| u32::try_from(index).ok())
            .take(count as usize)
            .collect();
        for index in begun {
            self.drop_embryo(index);
        }
    }

    fn drop_embryo(&mut self, index: u32) {
        let Some(embryo) = self.tcp.embryos.try_remove(index as usize) else {
            return;
        };
        self.wheel.cancel(embryo.timer);
        if self.tcp.flows.get(&embryo.key) == Some(&Flow::Embryo(index)) {
            self.tcp.flows.remove(&embryo.key);
        }
        if let Some(listener) = self
            .sockets
            .tcp_mut(embryo.listener)
            .and_then(TcpSocket::listener_mut)
        {
            listener.half_open = listener.half_open.saturating_sub(1);
        }
    }
}

/// What a segment is to a half-open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// The last of the handshake.
    Complete,
    /// The SYN again: our SYN-ACK was lost, or is late.
    Repeat,
    /// The peer does not want it any more.
    Over,
    /// It acknowledges something else: the answer is a RST.
    Reset,
    /// It may be forged, or of another time: the answer is an ACK.
    Challenge(DropReason),
    Drop(DropReason),
}

/// The checks of RFC 9293 §3.10.7.4 and RFC 5961 in their order; `window` is the one that the SYN-ACK
/// told.
fn judge(facts: &Negotiated, window: u32, segment: &Segment<'_>) -> Judgement {
    let next = facts.irs + 1;
    let ahead = segment.seq.distance_from(next);
    let within = segment.seq.at_or_after(next) && ahead < window.max(1);
    if segment.has(TcpFlags::RST) {
        return match within {
            true if ahead == 0 => Judgement::Over,
            true => Judgement::Challenge(DropReason::ChallengeAck),
            false => Judgement::Drop(DropReason::OutOfWindow),
        };
    }
    if segment.has(TcpFlags::SYN) {
        return if segment.seq == facts.irs {
            Judgement::Repeat
        } else {
            // A peer that begins anew answers with the RST that ends this.
            Judgement::Challenge(DropReason::ChallengeAck)
        };
    }
    if let (Some(recent), Some((value, _))) = (facts.ts_recent, segment.options.timestamps)
        && value.wrapping_sub(recent).cast_signed() < 0
    {
        return Judgement::Challenge(DropReason::Paws);
    }
    if !within {
        Judgement::Challenge(DropReason::OutOfWindow)
    } else if !segment.has(TcpFlags::ACK) {
        Judgement::Drop(DropReason::BadFlags)
    } else if segment.ack != facts.iss + 1 {
        Judgement::Reset
    } else {
        Judgement::Complete
    }
}

/// How many times the SYN-ACK's timer goes off before a listener stops waiting for data.
fn deferrals(settings: &TcpSettings, config: &TcpConfig) -> u8 {
    let Some(time) = settings.defer_accept else {
        return 0;
    };
    let mut passed = Duration::ZERO;
    for count in 0..MAX_DEFERRALS {
        if passed >= time {
            return count;
        }
        let wait = config.rto_initial.saturating_mul(1 << count);
        passed += wait.min(config.rto_max);
    }
    MAX_DEFERRALS
}

/// The most that Linux allows: with the timer's usual times, 8 minutes and a half.
const MAX_DEFERRALS: u8 = 8;
