//! Urgent data (RFC 9293 §3.8.5) as sockets have it: one byte, apart from the stream or in it, and a
//! mark where it stood. The urgent pointer is what everybody sends and RFC 6093 §3.4 made right: the
//! sequence number behind the last urgent byte. New applications should not use it (RFC 6093 §5).

use super::SeqNum;
use super::connection::{Connection, Context};
use super::segment::Segment;
use crate::SocketError;
use crate::must::must;
use crate::wire::TcpFlags;

/// Urgent mode of one connection, in both directions.
#[derive(Debug, Default)]
pub(crate) struct Urgent {
    /// SND.UP, until it is acknowledged.
    up: Option<SeqNum>,
    byte: Byte,
    /// Where the mark is in the received stream.
    mark: Option<u64>,
}

/// What became of the peer's urgent byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Byte {
    /// There was none, or it was read.
    #[default]
    None,
    /// It is on its way, with this sequence number.
    Announced(SeqNum),
    /// It is here, apart from the stream.
    Here(u8),
    /// It is in the stream.
    Inline,
}

/// The numbers that [`Urgent::freeze`] makes of it.
pub(crate) const FROZEN: usize = 6;

impl Urgent {
    /// Urgent mode as numbers, where the reader is at `offset` of the stream: whether and where SND.UP is;
    /// what became of the byte, and its value or number; whether and how far ahead of the reader the mark is.
    pub(crate) fn freeze(&self, offset: u64) -> [u32; FROZEN] {
        let (byte, value) = match self.byte {
            Byte::None => (0, 0),
            Byte::Announced(seq) => (1, seq.get()),
            Byte::Here(byte) => (2, byte.into()),
            Byte::Inline => (3, 0),
        };
        let ahead = self.mark.and_then(|mark| mark.checked_sub(offset));
        let ahead = ahead.and_then(|ahead| u32::try_from(ahead).ok());
        [
            self.up.is_some().into(),
            self.up.unwrap_or_default().get(),
            byte,
            value,
            ahead.is_some().into(),
            ahead.unwrap_or(0),
        ]
    }

    /// What [`freeze`](Self::freeze) has made numbers of, for a reader whose offsets begin at 0; `None` if
    /// they contradict themselves, or a connection with so many bytes from SND.UNA and unread.
    pub(crate) fn thaw(
        numbers: [u32; FROZEN],
        una: SeqNum,
        to_send: usize,
        unread: usize,
    ) -> Option<Self> {
        let [sends, up, byte, value, marked, ahead] = numbers;
        let up = (sends != 0).then(|| SeqNum::new(up));
        let mark = (marked != 0).then_some(ahead);
        let byte = match byte {
            0 => Byte::None,
            1 => Byte::Announced(SeqNum::new(value)),
            2 => Byte::Here(u8::try_from(value).ok()?),
            3 => Byte::Inline,
            _ => return None,
        };
        let sane = up.is_none_or(|up| up.after(una) && up.distance_from(una) as usize <= to_send)
            && mark.is_none_or(|ahead| ahead as usize <= unread);
        sane.then_some(Self {
            up,
            byte,
            mark: mark.map(u64::from),
        })
    }

    /// Whether there is urgent data to tell the peer of.
    pub(crate) const fn is_sending(&self) -> bool {
        self.up.is_some()
    }

    /// The urgent pointer of a segment at `seq` (MUST-62: as long as there is urgent data beyond it);
    /// what is further away than 64 KiB is at least announced.
    pub(crate) fn pointer(&self, seq: SeqNum) -> Option<u16> {
        let up = self.up.filter(|up| up.after(seq) && must("9293 MUST-30"))?;
        let last = if must("9293 MUST-62") { 0 } else { 1 };
        let pointer = u16::try_from(up.distance_from(seq) - last).ok();
        pointer.or(must("9293 MUST-31").then_some(u16::MAX))
    }

    /// SND.UNA has advanced.
    pub(crate) fn on_advance(&mut self, una: SeqNum) {
        self.up = self.up.filter(|up| up.after(una));
    }

    /// Whether the urgent byte can be read apart from the stream, or is announced (`POLLPRI`).
    pub(crate) const fn is_pending(&self) -> bool {
        !matches!(self.byte, Byte::None)
    }

    /// How much a reader at `offset` of the stream gets at once: up to the mark. One that stands on
    /// it passes it, unless it only looks.
    pub(crate) fn until_mark(&mut self, offset: u64, peek: bool) -> usize {
        match self.mark {
            Some(mark) if mark > offset => usize::try_from(mark - offset).unwrap_or(usize::MAX),
            Some(_) if !peek => {
                self.pass();
                usize::MAX
            }
            _ => usize::MAX,
        }
    }

    /// Who takes whole pieces has read up to `offset`.
    pub(crate) fn on_consumed(&mut self, offset: u64) {
        if self.mark.is_some_and(|mark| mark < offset) {
            self.pass();
        }
    }

    /// The reader is beyond the mark; as in Linux, the byte that stood there is gone then.
    fn pass(&mut self) {
        self.mark = None;
        if !matches!(self.byte, Byte::Announced(_)) {
            self.byte = Byte::None;
        }
    }

    /// Where the mark is in the received stream, while it was not passed.
    pub(crate) const fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// Takes the urgent byte (`MSG_OOB`), or looks at it.
    pub(crate) fn take(&mut self, peek: bool) -> Result<u8, SocketError> {
        match self.byte {
            Byte::Here(byte) => {
                if !peek {
                    self.byte = Byte::None;
                }
                Ok(byte)
            }
            Byte::Announced(_) => Err(SocketError::WouldBlock),
            Byte::None => Err(SocketError::InvalidInput("there is no urgent data")),
            Byte::Inline => Err(SocketError::InvalidInput("urgent data is in the stream")),
        }
    }
}

impl Connection {
    /// What was pushed last is urgent.
    pub(crate) fn mark_urgent(&mut self) {
        self.urgent.up = Some(self.fin_seq());
    }

    /// Sixth, check the URG bit (RFC 9293 §3.10.7.4): RCV.UP advances.
    pub(crate) fn sixth_urg(&mut self, segment: &Segment<'_>) {
        if !segment.has(TcpFlags::URG) || segment.urgent == 0 || !self.state.may_receive() {
            return;
        }
        let last = segment.seq + u32::from(segment.urgent) - 1;
        let known = match self.urgent.byte {
            Byte::Announced(seq) => last.at_or_before(seq),
            _ => false,
        };
        // Behind RCV.NXT it is known, or has been missed.
        if known || last.before(self.receiver.nxt) {
            return;
        }
        self.urgent.byte = Byte::Announced(last);
        self.urgent.mark = None;
        self.notify |= must("9293 MUST-32");
    }

    /// Data has arrived in order, perhaps with the urgent byte in it.
    pub(crate) fn find_urgent_byte(&mut self, cx: &Context<'_>) {
        let Byte::Announced(seq) = self.urgent.byte else {
            return;
        };
        if !self.receiver.nxt.after(seq) {
            return;
        }
        let behind = self.receiver.nxt.distance_from(seq) as usize;
        let Some(at) = self.receiver.queue.len().checked_sub(behind) else {
            // Reading is shut down.
            self.urgent.byte = Byte::None;
            return;
        };
        let read = self.receiver.consumed + self.receiver.held as u64;
        self.urgent.mark = Some(read + at as u64);
        self.urgent.byte = if cx.settings.oob_inline {
            Byte::Inline
        } else {
            let byte = self.receiver.queue.remove(at);
            byte.map_or(Byte::None, Byte::Here)
        };
    }
}
