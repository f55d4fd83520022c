//! TIME_WAIT as a compact entry (RFC 9293 §3.3.2, RFC 1337, RFC 6191).

use crate::must::must;
use crate::socket::{FlowKey, IpSettings, SocketId};
use crate::stack::{Stack, TimerKey};
use crate::stats::DropReason;
use crate::tcp::State;
use crate::tcp::connection::timestamp;
use crate::tcp::segment::Segment;
use crate::tcp::socket::{Flow, TimeWait};
use crate::time::Instant;
use crate::wire::{TcpFlags, TcpHeader, TcpOptions};
use core::net::SocketAddr;

impl Stack {
    /// A connection's both FINs are acknowledged: a small entry takes its place in the flow map.
    pub(super) fn begin_time_wait(&mut self, id: SocketId, now: Instant) {
        let Some(socket) = self.sockets.tcp_mut(id) else {
            return;
        };
        let (Some(local), Some(remote), true) = (socket.local, socket.remote, socket.linked) else {
            return;
        };
        let (reuse, ip) = (socket.settings.reuse_address, socket.settings.ip);
        let Some(connection) = socket.connection_mut() else {
            return;
        };
        let window = connection.receiver.advertise();
        let (snd_nxt, rcv_nxt) = (connection.nxt, connection.receiver.nxt);
        let (ts_recent, ts_offset) = (connection.ts_recent, connection.ts_offset);
        let ack_due = core::mem::take(&mut connection.receiver.ack_now);
        let full = self.tcp.time_waits.len() >= self.config.tcp.max_time_wait;
        if full || !must("9293 MUST-13") {
            // As the kernel: no room to remember, so this one ends here.
            connection.state = State::Closed;
            self.acknowledge(
                &ip, local, remote, snd_nxt, rcv_nxt, ts_recent, ts_offset, window, now,
            );
            return;
        }
        socket.linked = false;
        let key = FlowKey::new(local, remote);
        let entry = self.tcp.time_waits.vacant_entry();
        let index = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let timer = self
            .wheel
            .insert(TimerKey::TimeWait(index), now + self.config.tcp.time_wait);
        entry.insert(TimeWait {
            key,
            snd_nxt,
            rcv_nxt,
            ts_recent,
            ts_offset,
            window,
            reuse,
            ip,
            timer,
        });
        self.tcp.transparent_waits += usize::from(ip.transparent);
        self.tcp.flows.insert(key, Flow::TimeWait(index));
        if ack_due {
            self.acknowledge(
                &ip, local, remote, snd_nxt, rcv_nxt, ts_recent, ts_offset, window, now,
            );
        }
    }

    /// RFC 9293 §3.10.7.4 for TIME-WAIT, with RFC 1337's fix: a RST does not end it.
    pub(super) fn segment_for_time_wait(
        &mut self,
        index: u32,
        segment: &mut Segment<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) {
        let Some(wait) = self.tcp.time_waits.get(index as usize) else {
            return;
        };
        if segment.has(TcpFlags::RST) {
            self.stats.count_drop(DropReason::OutOfWindow);
            return;
        }
        if segment.has(TcpFlags::SYN)
            && !segment.has(TcpFlags::ACK)
            && self.config.tcp.time_wait_reuse
            && begins_anew(wait, segment, self.config.tcp.timestamps)
        {
            // RFC 9293 §3.6.1 MAY-2, RFC 6191: a new connection of the same four-tuple.
            let last = wait.snd_nxt;
            self.end_time_wait(index);
            self.segment_for_listener(segment, local, remote, Some(last), now);
            return;
        }
        let (nxt, rcv, recent) = (wait.snd_nxt, wait.rcv_nxt, wait.ts_recent);
        let (offset, window, timer, ip) = (wait.ts_offset, wait.window, wait.timer, wait.ip);
        if segment.has(TcpFlags::ACK) && segment.seq_len() == 0 && segment.seq == rcv {
            return;
        }
        if segment.has(TcpFlags::FIN) && segment.seq + segment.seq_len() == rcv {
            // The last ACK was lost: acknowledge again, and wait anew.
            self.wheel.cancel(timer);
            let at = now + self.config.tcp.time_wait;
            let timer = self.wheel.insert(TimerKey::TimeWait(index), at);
            if let Some(wait) = self.tcp.time_waits.get_mut(index as usize) {
                wait.timer = timer;
            }
        } else {
            self.stats.count_drop(DropReason::OutOfWindow);
            if !self.limits.challenge.take(now) {
                self.stats.count_drop(DropReason::RateLimited);
                return;
            }
        }
        self.acknowledge(&ip, local, remote, nxt, rcv, recent, offset, window, now);
    }

    /// 2 × MSL have passed.
    pub(crate) fn end_time_wait(&mut self, index: u32) {
        let Some(wait) = self.tcp.time_waits.try_remove(index as usize) else {
            return;
        };
        self.wheel.cancel(wait.timer);
        self.tcp.transparent_waits -= usize::from(wait.ip.transparent);
        self.tcp.flows.remove(&wait.key);
        self.tcp.ports.unhold(wait.key.local(), wait.reuse);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one header")]
    pub(super) fn acknowledge(
        &mut self,
        settings: &IpSettings,
        local: SocketAddr,
        remote: SocketAddr,
        seq: crate::tcp::SeqNum,
        ack: crate::tcp::SeqNum,
        ts_recent: Option<u32>,
        ts_offset: u32,
        window: u16,
        now: Instant,
    ) {
        let timestamps = ts_recent.map(|recent| (timestamp(now, ts_offset), recent));
        let options = TcpOptions {
            timestamps,
            ..TcpOptions::default()
        };
        let flags = TcpFlags::ACK;
        let header = TcpHeader {
            seq,
            ack,
            flags,
            window,
            options,
            ..TcpHeader::default()
        };
        self.send_bare(header, local, remote, settings, now);
    }
}

/// Whether a SYN is newer than everything the old connection sent, as RFC 6191 §2 decides it: by
/// its timestamp where both have one; a SYN with a timestamp after a connection without always is;
/// else by its sequence number.
fn begins_anew(wait: &TimeWait, segment: &Segment<'_>, timestamps: bool) -> bool {
    let beyond = segment.seq.at_or_after(wait.rcv_nxt);
    let stamp = segment.options.timestamps.filter(|_| timestamps);
    match (wait.ts_recent, stamp) {
        (Some(recent), Some((value, _))) => {
            let ahead = value.wrapping_sub(recent).cast_signed();
            ahead > 0 || (ahead == 0 && beyond)
        }
        (None, Some(_)) => true,
        (_, None) => beyond,
    }
}
