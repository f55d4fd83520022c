//! A connection as bytes: what another stack needs to go on with it where this one stopped
//! (`TCP_REPAIR`).

use super::congestion::CongestionControl;
use super::connection::{Connection, Context, Negotiated};
use super::ecn::{self, Agreement, Ecn};
use super::urgent::{self, Urgent};
use super::{SeqNum, State};
use crate::buf::Chunk;
use crate::config::TcpConfig;
use crate::socket::TcpSettings;
use crate::time::Instant;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// The first bytes: what it is, and its version.
const MAGIC: &[u8] = b"tcp\x03";

/// Where a thawed connection's segments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// A connection that was read from bytes.
#[derive(Debug)]
pub(crate) struct Frozen<'a> {
    pub(crate) ends: Ends,
    facts: Negotiated,
    /// The peer has sent FIN.
    finished: bool,
    /// SND.UNA, SND.NXT, SND.WND, the largest SND.WND, RCV.NXT, and the right edge that the peer
    /// knows.
    una: SeqNum,
    nxt: SeqNum,
    wnd: u32,
    max_wnd: u32,
    rcv_nxt: SeqNum,
    edge: SeqNum,
    /// Our timestamp clock.
    clock: u32,
    /// Explicit congestion notification.
    ecn: [u32; ecn::FROZEN],
    urgent: Urgent,
    /// Bytes that are not acknowledged, and bytes that were not read.
    send: &'a [u8],
    receive: &'a [u8],
}

impl Connection {
    /// The connection as bytes; `None` in states that another stack could not take over: before the
    /// handshake is complete, and once we have sent FIN. What arrived beyond a hole is left out, the
    /// peer sends it again.
    pub(crate) fn freeze(&self, ends: Ends, now: Instant) -> Option<Vec<u8>> {
        let settled = matches!(self.state, State::Established | State::CloseWait);
        if !settled || self.fin_queued || self.is_unconfirmed() {
            return None;
        }
        let mut out = Vec::with_capacity(128 + self.queue.len() + self.receiver.unread());
        out.extend_from_slice(MAGIC);
        for end in [ends.local, ends.remote] {
            let octets = match end.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            out.extend_from_slice(&octets);
            out.extend_from_slice(&end.port().to_be_bytes());
        }
        let timestamps = self.ts_recent.is_some();
        let flags = [timestamps, self.sack, self.receiver.finished];
        out.extend(flags.map(u8::from));
        // Scales of 0 do as well where none were agreed on.
        out.extend([self.receiver.scale, self.scale]);
        out.extend(self.peer_mss.to_be_bytes());
        out.extend(self.our_mss.to_be_bytes());
        let numbers = [
            self.una.get(),
            self.nxt.get(),
            self.wnd,
            self.max_wnd,
            self.receiver.nxt.get(),
            self.receiver.edge.get(),
            self.ts_recent.unwrap_or(0),
            self.timestamp(now),
        ];
        let urgent = self.urgent.freeze(self.receiver.consumed);
        for number in numbers.into_iter().chain(self.ecn.freeze()).chain(urgent) {
            out.extend(number.to_be_bytes());
        }
        let send = self.queue.to_vec();
        let mut receive = alloc::vec![0; self.receiver.queue.len()];
        self.receiver.queue.peek(0, &mut receive);
        for bytes in [send, receive] {
            let len = u32::try_from(bytes.len()).ok()?;
            out.extend(len.to_be_bytes());
            out.extend(bytes);
        }
        Some(out)
    }

    /// The connection goes on in a stack whose clock shows `now`. What was under way counts as lost.
    pub(crate) fn thaw(
        frozen: Frozen<'_>,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> Self {
        let mut facts = frozen.facts;
        #[expect(clippy::cast_possible_truncation, reason = "RFC 7323's clock wraps")]
        {
            facts.ts_offset = frozen.clock.wrapping_sub(now.as_millis() as u32);
        }
        let mut connection = Self::new(&facts, config, settings, now);
        connection.state = if frozen.finished {
            State::CloseWait
        } else {
            State::Established
        };
        connection.una = frozen.una;
        connection.nxt = frozen.nxt;
        connection.small_end = frozen.una;
        connection.push_end = frozen.nxt;
        connection.ecn = Ecn::thaw(&frozen.ecn, frozen.una);
        connection.urgent = frozen.urgent;
        connection.recovery.recover = frozen.una;
        (connection.wnd, connection.max_wnd) = (frozen.wnd, frozen.max_wnd);
        connection.wl1 = frozen.rcv_nxt;
        connection.wl2 = frozen.una;
        connection.last_ack_sent = frozen.rcv_nxt;
        connection.receiver.nxt = frozen.rcv_nxt;
        connection.receiver.edge = frozen.edge;
        connection.receiver.finished = frozen.finished;
        connection.receiver.queue.push(Chunk {
            bytes: Bytes::copy_from_slice(frozen.receive),
            pins: u32::try_from(frozen.receive.len()).unwrap_or(u32::MAX),
        });
        connection
            .queue
            .push(Bytes::copy_from_slice(frozen.send), false);
        connection.pushed = frozen.send.len() as u64;
        if frozen.una != frozen.nxt {
            let (una, nxt) = (frozen.una, frozen.nxt);
            connection.board.on_sent(una, nxt, 0, now);
            connection.board.mark_all_lost();
            connection.retransmit_at = now + connection.rtt.rto();
        }
        connection.notify = true;
        connection
    }

    /// What is settled when a handshake completes, for a connection that has no handshake.
    pub(crate) fn resume(&mut self, cx: &Context<'_>) {
        // The peer learns that somebody is there, and of our window.
        self.receiver.ack_now = true;
        self.arm_keepalive(cx.settings, cx.now);
        self.congestion.set_segment_size(self.mss);
        self.begin_congestion_control(cx);
    }
}

impl<'a> Frozen<'a> {
    /// Reads a connection; `None` if these bytes are none, or contradict themselves.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
        let ends = Ends {
            local: reader.address()?,
            remote: reader.address()?,
        };
        let [timestamps, sack, finished] = reader.take::<3>()?.map(|flag| flag != 0);
        let [our_scale, peer_scale] = reader.take::<2>()?;
        let (peer_mss, our_mss) = (reader.u16()?, reader.u16()?);
        let (una, nxt) = (SeqNum::new(reader.u32()?), SeqNum::new(reader.u32()?));
        let (wnd, max_wnd) = (reader.u32()?, reader.u32()?);
        let (rcv_nxt, edge) = (SeqNum::new(reader.u32()?), SeqNum::new(reader.u32()?));
        let (recent, clock) = (reader.u32()?, reader.u32()?);
        let mut ecn = [0; ecn::FROZEN];
        let mut urgent = [0; urgent::FROZEN];
        for number in ecn.iter_mut().chain(&mut urgent) {
            *number = reader.u32()?;
        }
        let (send, receive) = (reader.bytes()?, reader.bytes()?);
        let urgent = Urgent::thaw(urgent, una, send.len(), receive.len())?;
        let sane = our_scale <= 14
            && peer_scale <= 14
            && una.at_or_before(nxt)
            && nxt.distance_from(una) as usize <= send.len()
            && edge.distance_from(rcv_nxt) <= 1 << 30
            && wnd <= 1 << 30
            && max_wnd <= 1 << 30
            && ends.local.is_ipv4() == ends.remote.is_ipv4()
            && reader.0.is_empty();
        let facts = Negotiated {
            iss: una - 1,
            irs: rcv_nxt - 1,
            peer_mss,
            our_mss,
            our_scale,
            peer_scale: Some(peer_scale),
            sack,
            ecn: Agreement::default(),
            ts_recent: timestamps.then_some(recent),
            ts_offset: 0,
            local_mark: 0,
        };
        sane.then_some(Self {
            ends,
            facts,
            finished,
            una,
            nxt,
            wnd,
            max_wnd,
            rcv_nxt,
            edge,
            clock,
            ecn,
            urgent,
            send,
            receive,
        })
    }
}

/// Reads fields one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn address(&mut self) -> Option<SocketAddr> {
        let ip = IpAddr::from(self.take::<16>()?).to_canonical();
        Some(SocketAddr::new(ip, self.u16()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()? as usize;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}
