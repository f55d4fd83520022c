//! Whether a loss recovery was spurious, judged by timestamps (the Eifel detection algorithm, RFC
//! 3522) and by reports of duplicates (RFC 2883, RFC 3708), and what is then to be undone (the
//! Eifel response algorithm, RFC 4015). [`frto`](super::frto) judges too.

use crate::tcp::SeqNum;
use crate::time::Instant;

/// What is known of the retransmissions of one recovery.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    /// SND.UNA when the recovery began; `None`: there is nothing to undo.
    marker: Option<SeqNum>,
    /// What the recovery has sent again lies in front of this.
    end: SeqNum,
    /// What had left again before the recovery, at SND.UNA, lies in front of this.
    end_before: SeqNum,
    /// Bytes sent again, then or before, and not reported to have arrived twice.
    unproven: u32,
    /// RetransmitTS of RFC 3522: when the first retransmission left, until the first acceptable
    /// ACK has been compared with it.
    compare_with: Option<Instant>,
    /// It is set, or was: the first that the acceptable ACK may be for had left again before.
    compared: bool,
    /// Something was sent again.
    resent: bool,
    /// The retransmission timer had a part in it.
    by_timeout: bool,
    /// It has ended, and this must be acknowledged for its duplicates to be too late.
    until: Option<SeqNum>,
    /// The peer has reported a duplicate: it would report others.
    reports_duplicates: bool,
    /// A recovery was undone, and may be once more when this is acknowledged: undoing costs work for
    /// all that is outstanding, so a peer may make us do it once in a round trip.
    next: Option<SeqNum>,
}

/// How a spurious recovery began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spurious {
    /// By an early retransmission timer.
    Timeout,
    /// By reordering that looked like a loss.
    FastRetransmit,
}

/// What the first acceptable ACK of a recovery tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptableAck {
    /// The timestamp that it echoes, on our clock without its offset.
    pub(crate) echo: Option<u32>,
    /// It reports a duplicate.
    pub(crate) reports_duplicate: bool,
    /// It acknowledges everything outstanding.
    pub(crate) complete: bool,
}

impl Undo {
    /// A recovery begins; not called again before it has ended (RFC 3522 §3.2, RFC 4015 §3.1). `again`: when
    /// what is at `una` has left again before, in a recovery that has ended, or as a probe, and how many
    /// bytes. It is the first that the acceptable ACK may be for, which proves nothing of the others, and that
    /// may arrive twice.
    pub(crate) fn begin(&mut self, una: SeqNum, again: Option<(Instant, u32)>) {
        let next = self.next.filter(|&next| una.before(next));
        let bytes = again.map_or(0, |(_, bytes)| bytes);
        *self = Self {
            marker: next.is_none().then_some(una),
            end: una,
            end_before: una + bytes,
            unproven: bytes,
            compare_with: again.map(|(sent_at, _)| sent_at),
            compared: again.is_some(),
            reports_duplicates: self.reports_duplicates,
            next,
            ..Self::default()
        };
    }

    /// Another recovery begins within this one, which is not undone any more. Of what this one has sent again
    /// `outstanding` bytes are not acknowledged: the first acceptable ACK may be for those, so that its echo proves
    /// nothing of the other, and they may arrive twice.
    pub(crate) fn begin_within(&mut self, una: SeqNum, outstanding: u32) {
        let end_before = self.end.max(self.end_before);
        self.begin(una, None);
        (self.end_before, self.unproven, self.compared) = (end_before, outstanding, true);
    }

    /// The retransmission timer expired in it.
    pub(crate) fn on_timeout(&mut self) {
        self.by_timeout = true;
    }

    /// Whether there is something that could still be undone.
    pub(crate) const fn is_armed(&self) -> bool {
        self.marker.is_some()
    }

    /// Whether it has to hear of each acknowledgement.
    pub(crate) const fn is_watching(&self) -> bool {
        self.marker.is_some() || self.next.is_some()
    }

    /// `bytes` up to `end` were sent again.
    pub(crate) fn on_resent(&mut self, bytes: u32, end: SeqNum, now: Instant) {
        if self.marker.is_none() {
            return;
        }
        self.unproven = self.unproven.saturating_add(bytes);
        self.end = self.end.max(end);
        self.resent = true;
        if !self.compared {
            (self.compared, self.compare_with) = (true, Some(now));
        }
    }

    /// RFC 3522 §3.2 steps (3) to (6): an ACK has advanced SND.UNA.
    pub(crate) fn on_acceptable_ack(&mut self, ack: &AcceptableAck) -> Option<Spurious> {
        self.marker?;
        let resent_at = self.compare_with.take()?;
        #[expect(clippy::cast_possible_truncation, reason = "RFC 7323's clock wraps")]
        let stamp = resent_at.as_millis() as u32;
        let before = ack.echo?.wrapping_sub(stamp).cast_signed() < 0;
        let trusted = !ack.reports_duplicate && (self.reports_duplicates || !ack.complete);
        (before && trusted).then(|| self.conclude())
    }

    /// The peer reports that `left..right` has arrived twice. When everything that was sent again
    /// has, none of it was lost.
    pub(crate) fn on_duplicate(&mut self, left: SeqNum, right: SeqNum) -> Option<Spurious> {
        self.reports_duplicates = true;
        let end = self.end.max(self.end_before);
        let ours = self
            .marker
            .is_some_and(|marker| left.at_or_after(marker) && right.at_or_before(end));
        if !ours || !self.resent {
            return None;
        }
        self.unproven = self.unproven.saturating_sub(right.distance_from(left));
        (self.unproven == 0).then(|| self.conclude())
    }

    /// It was spurious, whoever found out.
    pub(crate) fn conclude(&mut self) -> Spurious {
        (self.marker, self.until, self.compare_with) = (None, None, None);
        if self.by_timeout {
            Spurious::Timeout
        } else {
            Spurious::FastRetransmit
        }
    }

    /// The recovery has ended; duplicates of what it sent again may be reported until `nxt`, which
    /// is SND.NXT now, is acknowledged.
    pub(crate) fn on_recovered(&mut self, nxt: SeqNum) {
        self.until = Some(nxt);
    }

    /// Everything before `una` is acknowledged.
    pub(crate) fn on_advance(&mut self, una: SeqNum) {
        if self.until.is_some_and(|until| una.after(until)) {
            (self.marker, self.until) = (None, None);
        }
        self.next = self.next.filter(|&next| una.before(next));
    }

    /// A recovery was undone; `nxt` is SND.NXT.
    pub(crate) fn on_undone(&mut self, nxt: SeqNum) {
        self.next = Some(nxt);
    }

    /// Where what the recovery has sent again ends.
    pub(crate) const fn end(&self) -> SeqNum {
        self.end
    }
}
