//! TCP Fast Open (RFC 7413): data in the SYN of a client that shows the server's cookie reaches the
//! application before the handshake is complete.
//!
//! A connection that takes part has a [`FastOpen`] beside it. The client's SYN takes data along; what the
//! SYN-ACK does not acknowledge leaves again at once. The server's connection exists from the SYN on, and
//! sends and receives as if it were established; what is left of SYN-RECEIVED is that its SYN-ACK is sent
//! until the peer acknowledges it. Cookies, and who may have how many such connections, are for
//! `stack/tcp/fast_open.rs`.

use super::connection::{Connection, Context, Negotiated};
use super::input::Disposition;
use super::recovery::Delivery;
use super::segment::Segment;
use super::socket::EarlyQueue;
use super::syn_options::initial_window;
use super::{SeqNum, State};
use crate::SocketError;
use crate::config::TcpConfig;
use crate::must::must;
use crate::socket::TcpSettings;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::wire::{FastOpenCookie, TcpFlags};
use alloc::boxed::Box;

/// What a connection that takes part in fast open remembers of its handshake.
#[derive(Debug)]
pub(crate) struct FastOpen {
    side: Side,
    /// The SYN-ACK acknowledged data of the SYN, whoever sent it.
    pub(crate) syn_data: bool,
    /// Why it did not.
    pub(crate) failure: Option<FastOpenFailure>,
}

/// Which part a connection has in fast open.
#[derive(Debug)]
enum Side {
    /// Its SYN has the option.
    Client {
        /// Where the peer has given one.
        cookie: Option<FastOpenCookie>,
        /// The largest segment that it took then.
        mss: u16,
    },
    /// It exists since the peer's SYN, which had a good cookie.
    Server(Unconfirmed),
    /// The handshake is over.
    Done,
}

/// A connection whose peer has not acknowledged our SYN-ACK.
#[derive(Debug)]
struct Unconfirmed {
    /// Where it counts among those that are pending.
    queue: EarlyQueue,
    /// IRS.
    irs: SeqNum,
    /// A fresh cookie, for the first SYN-ACK.
    cookie: Option<FastOpenCookie>,
    /// When the SYN-ACK left, if it left once.
    sent_at: Option<Instant>,
    /// It has left.
    sent: bool,
    /// It is acknowledged after all.
    confirmed: bool,
    /// A RST came instead.
    reset: bool,
}

/// Why a connection to be opened fast was opened like any other (Linux's `tcpi_fastopen_client_fail`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FastOpenFailure {
    /// There was no cookie of the peer's yet.
    CookieUnavailable,
    /// The peer did not take the data.
    DataNotAcknowledged,
    /// The SYN was not answered, and was followed by an ordinary one.
    SynRetransmitted,
}

/// What the end of a handshake tells its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// This listener's connection waits no longer; whether it was a RST that ended it (§5.1).
    Server { queue: EarlyQueue, reset: bool },
    /// Our SYN was answered, or not.
    Client(Lesson),
}

/// What a client's handshake tells of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lesson {
    /// The cookie that the peer gave.
    pub(crate) cookie: Option<FastOpenCookie>,
    /// The largest segment that it takes.
    pub(crate) mss: u16,
    /// It took the data (`true`); or it, or the path, does not care for fast open (`false`).
    pub(crate) works: Option<bool>,
}

impl FastOpen {
    /// The client's side of a connection to a peer whose cookie and MSS may be known.
    pub(crate) fn client(cookie: Option<FastOpenCookie>, mss: u16) -> Self {
        let failure = FastOpenFailure::CookieUnavailable;
        Self {
            failure: cookie.is_none().then_some(failure),
            side: Side::Client { cookie, mss },
            syn_data: false,
        }
    }

    /// The server's side; `cookie` is for the SYN-ACK.
    fn server(queue: EarlyQueue, irs: SeqNum, cookie: Option<FastOpenCookie>) -> Self {
        Self {
            side: Side::Server(Unconfirmed {
                queue,
                irs,
                cookie,
                sent_at: None,
                sent: false,
                confirmed: false,
                reset: false,
            }),
            syn_data: false,
            failure: None,
        }
    }
}

/// The server.
impl Connection {
    /// A passive open whose SYN had a good cookie and `window`: it may send and receive from now on.
    /// `cookie` is a fresh one for the peer.
    pub(crate) fn accepted_early(
        negotiated: &Negotiated,
        window: u16,
        queue: EarlyQueue,
        cookie: Option<FastOpenCookie>,
        config: &TcpConfig,
        settings: &TcpSettings,
        now: Instant,
    ) -> Self {
        let mut connection = Self::new(negotiated, config, settings, now);
        connection.passive = true;
        connection.una = negotiated.iss + 1;
        connection.nxt = connection.una;
        connection.small_end = connection.una;
        connection.wl1 = negotiated.irs;
        connection.wl2 = connection.una;
        connection.wnd = u32::from(window);
        connection.max_wnd = connection.wnd;
        connection.receiver.edge = connection.receiver.nxt + initial_window(settings);
        connection.syn_due = true;
        connection.retransmit_at = now + connection.rtt.rto();
        let fast_open = FastOpen::server(queue, negotiated.irs, cookie);
        connection.fast_open = Some(Box::new(fast_open));
        connection
    }

    /// Takes in the SYN that made the connection: what it brings can be read before the handshake is
    /// complete (§4.2.2, step 4).
    pub(crate) fn take_early_syn(&mut self, segment: &mut Segment<'_>, cx: &mut Context<'_>) {
        self.establish(cx);
        let over = self.take_text_of_syn(segment, cx);
        debug_assert!(over.is_ok(), "a FIN leads to CLOSE-WAIT");
        let kept = self.receiver.unread() > 0;
        if let Some(fast_open) = &mut self.fast_open {
            fast_open.syn_data = kept;
        }
    }

    /// Whether our SYN-ACK was not acknowledged, although the connection is there.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.unconfirmed().is_some()
    }

    fn unconfirmed(&self) -> Option<&Unconfirmed> {
        match &self.fast_open.as_deref()?.side {
            Side::Server(unconfirmed) => Some(unconfirmed).filter(|it| !it.confirmed),
            Side::Client { .. } | Side::Done => None,
        }
    }

    /// RFC 9293 §3.10.7.4 for a connection with a [`FastOpen`] beside it.
    pub(super) fn arrives_with_fast_open(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Disposition> {
        let waits = self.is_unconfirmed();
        let outcome = self.check_up_to_syn(segment, cx).and_then(|()| {
            if waits && segment.has(TcpFlags::ACK) {
                self.confirm(segment, cx)?;
            }
            self.check_from_ack(segment, cx)
        });
        let opened = waits && !self.is_unconfirmed();
        match outcome {
            Ok(()) | Err(Disposition::Keep) if opened => Err(Disposition::Opened),
            outcome => outcome,
        }
    }

    /// The fifth check of SYN-RECEIVED: the handshake is complete, or the answer is a RST.
    fn confirm(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) -> Result<(), Disposition> {
        if segment.ack.before(self.una) || segment.ack.after(self.nxt) {
            cx.stats.count_drop(DropReason::BadAck);
            return Err(Disposition::Reset);
        }
        let Some(Side::Server(unconfirmed)) = self.fast_open.as_deref_mut().map(|it| &mut it.side)
        else {
            return Ok(());
        };
        unconfirmed.confirmed = true;
        let sent_at = unconfirmed.sent_at;
        self.syn_due = false;
        let timeouts = core::mem::take(&mut self.retries);
        self.settle_handshake(timeouts, segment, cx);
        if let Some(sent_at) = sent_at {
            let rtt = cx.now.saturating_since(sent_at);
            self.rtt.measure(rtt, self.una, self.nxt, cx.now);
        } else if timeouts > 0 {
            // What was sent behind a SYN-ACK that was lost means nothing to the peer.
            self.board.mark_all_lost();
        }
        self.retransmit_at = if self.una == self.nxt {
            Instant::MAX
        } else {
            cx.now + self.rtt.rto()
        };
        if self.board.lost() == 0 {
            self.arm_loss_probe(cx);
        }
        Ok(())
    }

    /// A RST ends the connection, whatever its state.
    pub(super) fn note_reset(&mut self) {
        let side = self.fast_open.as_deref_mut().map(|it| &mut it.side);
        if let Some(Side::Server(unconfirmed)) = side {
            unconfirmed.reset = !unconfirmed.confirmed;
        }
    }

    /// What becomes of the peer's SYN once more, whose answer was lost, or is late; `None`: it is none.
    pub(super) fn repeats_early_syn(
        &mut self,
        segment: &Segment<'_>,
        cx: &mut Context<'_>,
    ) -> Option<Disposition> {
        self.unconfirmed()
            .filter(|it| it.irs == segment.seq && !segment.has(TcpFlags::ACK))?;
        let accurate = cx.settings.wants_accurate_ecn(cx.config);
        if self.ecn.on_repeated_syn(segment, accurate) {
            self.syn_due = true;
            return Some(Disposition::Keep);
        }
        cx.stats.count_drop(DropReason::BadFlags);
        self.terminate(Some(SocketError::ConnectionReset));
        Some(Disposition::Reset)
    }

    /// The SYN-ACK of such a connection leaves; the cookie that it has. Sent again, it has none (§4.2.2).
    pub(super) fn on_early_syn_ack(&mut self, now: Instant) -> Option<FastOpenCookie> {
        let Side::Server(unconfirmed) = &mut self.fast_open.as_deref_mut()?.side else {
            return None;
        };
        let again = core::mem::replace(&mut unconfirmed.sent, true);
        // Its round trip is ambiguous once it has left twice (Karn).
        unconfirmed.sent_at = (!again).then_some(now);
        let again = again && must("7413 SHOULD 4.2.2.3");
        unconfirmed.cookie.filter(|_| !again)
    }
}

/// The client.
impl Connection {
    /// The option of our SYN behind `options` bytes of others, and how many bytes of the queue may come
    /// along. A SYN that is sent again is an ordinary one (§4.2.2).
    pub(super) fn fast_open_request(
        &self,
        options: usize,
        cx: &Context<'_>,
    ) -> Option<(FastOpenCookie, u32)> {
        let Side::Client { cookie, mss } = self.fast_open.as_deref()?.side else {
            return None;
        };
        let option = cookie.unwrap_or(FastOpenCookie::REQUEST);
        let again = self.retries > 0 && must("7413 SHOULD 4.2.2.1");
        if again || !option.fits_behind(options) {
            return None;
        }
        // §4.1.3: no more than usual; options count against it (RFC 6691 §2).
        let usual = if cx.v6 { 1440 } else { 1460 };
        let all = options + option.padded_len() + usize::from(cx.settings.ip.option_bytes);
        let all = u32::try_from(all).unwrap_or(u32::MAX);
        let room = u32::from(mss.min(self.our_mss).min(usual)).saturating_sub(all);
        let queued = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        // Urgent data waits for segments that have a pointer to it.
        let first = cookie.is_some() && self.nxt == self.iss && !self.urgent.is_sending();
        Some((option, if first { queued.min(room) } else { 0 }))
    }

    /// Our SYN is acknowledged by `segment`: what that says of the data that it took along. The rest leaves
    /// again at once (§4.2.2).
    pub(super) fn settle_syn_data(&mut self, segment: &Segment<'_>, cx: &mut Context<'_>) {
        let (sent, taken) = (self.nxt != self.una, segment.ack.after(self.una));
        let retries = self.retries;
        if taken {
            let mut delivery = Delivery::new(self.retransmission_test(segment), cx.now);
            self.advance_una(segment, &mut delivery, cx);
            self.retries = retries;
        }
        if self.una != self.nxt {
            self.board.mark_all_lost();
        }
        if let Some(fast_open) = self.fast_open.as_deref_mut() {
            fast_open.syn_data = taken;
            fast_open.failure = match (taken, retries > 0, sent) {
                (true, ..) => None,
                (false, true, _) => Some(FastOpenFailure::SynRetransmitted),
                (false, false, true) => Some(FastOpenFailure::DataNotAcknowledged),
                (false, false, false) => fast_open.failure,
            };
        }
    }

    /// Our data was taken in the SYN, and nothing has come of it: a path that lets such SYNs through and
    /// nothing of what follows.
    pub(crate) fn fell_into_black_hole(&self) -> bool {
        self.opened_fast() && !self.has_received()
    }

    /// Our data was taken in the SYN, and some of the peer's has come since: the path is a good one.
    pub(crate) fn proved_path(&self) -> bool {
        self.opened_fast() && self.has_received()
    }

    fn opened_fast(&self) -> bool {
        !self.passive && self.fast_open.as_ref().is_some_and(|it| it.syn_data)
    }

    fn has_received(&self) -> bool {
        self.receiver.consumed > 0 || self.receiver.unread() > 0
    }
}

impl Connection {
    /// Gives the socket up; where its connection is pending no longer, if it was.
    pub(crate) fn end_early(&mut self) -> Option<EarlyQueue> {
        let fast_open = self.fast_open.take()?;
        match fast_open.side {
            Side::Server(unconfirmed) => Some(unconfirmed.queue),
            Side::Client { .. } | Side::Done => None,
        }
    }

    /// What the stack is to know, once the handshake is complete or has failed; once. `cookie` is what the
    /// SYN-ACK had.
    pub(crate) fn end_fast_open(&mut self, cookie: Option<FastOpenCookie>) -> Option<Ending> {
        // Of what its own application ends a connection tells nothing.
        let aborted = self.error == Some(SocketError::ConnectionAborted);
        let failed = self.state == State::Closed && !aborted;
        let fast_open = self.fast_open.as_deref_mut()?;
        match core::mem::replace(&mut fast_open.side, Side::Done) {
            Side::Done => None,
            Side::Server(unconfirmed) => Some(Ending::Server {
                queue: unconfirmed.queue,
                reset: unconfirmed.reset,
            }),
            Side::Client { .. } => {
                let cookie = cookie.filter(|cookie| !cookie.is_request());
                // §4.1.3.1: no answer, none that has to do with fast open, or no interest in the data.
                let in_vain = failed || cookie.is_none() && fast_open.failure.is_some();
                let works = match fast_open.syn_data {
                    true => Some(true),
                    false => (in_vain && must("7413 MUST 4.1.3.1")).then_some(false),
                };
                let mss = self.peer_mss;
                Some(Ending::Client(Lesson { cookie, mss, works }))
            }
        }
    }
}
