//! Header prediction (RFC 9293 §3.10.7.4 in a few comparisons): most segments of an established connection
//! are the next in order and nothing else. For those the numbered checks have nothing to say, and only the
//! acknowledgement and the text are left to take in; all others go the long way.
//!
//! The long way is short, too: of the 3,870 instructions that a segment of a bulk transfer costs two stacks
//! that are joined in memory, with its sums and copies and half an acknowledgement, this saves five.

use super::State;
use super::connection::{Connection, Context};
use super::segment::Segment;
use crate::wire::TcpFlags;

impl Connection {
    /// Takes a predicted segment in; whether it is one. If not, nothing has happened.
    #[inline]
    pub(super) fn take_predicted(
        &mut self,
        segment: &mut Segment<'_>,
        cx: &mut Context<'_>,
    ) -> bool {
        if !self.predicts(segment, cx) {
            return false;
        }
        let text = !segment.payload.is_empty();
        cx.stats.tcp_predicted_text += u64::from(text);
        cx.stats.tcp_predicted_acks += u64::from(!text);
        self.take_acknowledgement(segment, cx);
        if text {
            self.take_text(segment, cx);
        }
        true
    }

    /// Whether each of the checks would let the segment pass, and neither URG nor FIN, nor a FIN that came
    /// before its data, gives it another meaning. What is urgent ends this for its own segments only.
    #[inline]
    fn predicts(&self, segment: &Segment<'_>, cx: &Context<'_>) -> bool {
        let receiver = &self.receiver;
        let plain = segment.flags - TcpFlags::PSH == TcpFlags::ACK;
        let next = segment.seq == receiver.nxt && receiver.edge.after(segment.seq);
        plain
            && next
            && segment.payload.len() <= receiver.window()
            && segment.ack.at_or_after(self.una)
            && segment.ack.at_or_before(self.nxt)
            && self.state == State::Established
            && !self.is_troubled(segment, cx)
            && is_on()
    }

    /// Whether there is a reason to look more closely.
    #[inline]
    fn is_troubled(&self, segment: &Segment<'_>, cx: &Context<'_>) -> bool {
        let stamp = segment
            .options
            .timestamps
            .filter(|_| self.ts_recent.is_some());
        stamp.is_some_and(|(value, _)| self.paws.refuses(value))
            || self.fast_open.is_some()
            || self.receiver.awaits_fin()
            || cx.memory_spent
    }
}

/// Tests compare with the long way.
#[cfg(not(test))]
const fn is_on() -> bool {
    true
}

#[cfg(test)]
pub(super) use switch::{is_on, without};

#[cfg(test)]
mod switch {
    use core::cell::Cell;

    std::thread_local! {
        static ON: Cell<bool> = const { Cell::new(true) };
    }

    pub(in crate::tcp) fn is_on() -> bool {
        ON.get()
    }

    /// Does something while every segment goes the long way.
    pub(in crate::tcp) fn without<T>(story: impl FnOnce() -> T) -> T {
        ON.set(false);
        let outcome = story();
        ON.set(true);
        outcome
    }
}
