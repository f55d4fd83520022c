//! When bytes leave, and when the peer has them (`SO_TIMESTAMPING`): times that an application has asked for
//! wait in a queue beside the stream, as Linux's error queue keeps them, until it takes them.

use super::connection::Connection;
use crate::SocketError;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use bitflags::bitflags;

bitflags! {
    /// Stages on the way of a byte, or a datagram, that an application wants to know the times of.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct TransmitStages: u8 {
        /// [`TransmitStage::Scheduled`].
        const SCHEDULED = 1;
        /// [`TransmitStage::Sent`].
        const SENT = 2;
        /// [`TransmitStage::Acknowledged`].
        const ACKNOWLEDGED = 4;
    }
}

/// A stage on the way of a byte or a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransmitStage {
    /// TCP has made a segment of it, for the first time; a datagram is in the queue in front of the
    /// device (`SCM_TSTAMP_SCHED`).
    Scheduled,
    /// The segment or datagram was handed to the device, behind the queue in front of it where there is one
    /// (`SCM_TSTAMP_SND`). What of a stream is lost in that queue is handed over when it is sent again.
    Sent,
    /// The peer has acknowledged it, and all bytes in front of it (`SCM_TSTAMP_ACK`).
    Acknowledged,
}

impl From<TransmitStage> for TransmitStages {
    fn from(stage: TransmitStage) -> Self {
        match stage {
            TransmitStage::Scheduled => Self::SCHEDULED,
            TransmitStage::Sent => Self::SENT,
            TransmitStage::Acknowledged => Self::ACKNOWLEDGED,
        }
    }
}

/// When a byte reached a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TransmitTime {
    /// The byte: how many were written before it (`SOF_TIMESTAMPING_OPT_ID`).
    pub offset: u64,
    /// What has become of it.
    pub stage: TransmitStage,
    /// When.
    pub at: Instant,
}

/// The bytes of a connection whose times are wanted, and times that wait.
#[derive(Debug, Default)]
pub(crate) struct TransmitTimes {
    /// By their place in the stream.
    wanted: VecDeque<Wanted>,
    times: VecDeque<TransmitTime>,
    /// Counts segments with such bytes. It is never set back: segments of earlier wishes may still wait
    /// in a queue.
    segments: u32,
    /// The segment that has just been made has such bytes, and this number.
    made: Option<SegmentNumber>,
}

/// Tells segments with such bytes apart.
pub(crate) type SegmentNumber = u32;

/// A byte whose times are wanted.
#[derive(Debug)]
struct Wanted {
    offset: u64,
    /// Those that are still to come.
    stages: TransmitStages,
    /// The segment that has it, once it was made; the latest.
    segment: Option<SegmentNumber>,
}

impl TransmitTimes {
    /// Times that wait, and that may come, at most.
    const MAX: usize = 192;

    /// Whether every time that may come has a place.
    fn has_room(&self) -> bool {
        let each = TransmitStages::all().iter().count();
        (self.wanted.len() + 1) * each + self.times.len() <= Self::MAX
    }

    fn want(&mut self, offset: u64, stages: TransmitStages) {
        let place = self.wanted.partition_point(|it| it.offset < offset);
        match self.wanted.get_mut(place).filter(|it| it.offset == offset) {
            Some(known) => known.stages |= stages,
            None => {
                let segment = None;
                let wanted = Wanted {
                    offset,
                    stages,
                    segment,
                };
                self.wanted.insert(place, wanted);
            }
        }
    }

    /// A segment with the bytes from `start` to `end` was made.
    fn on_segment(&mut self, start: u64, end: u64, now: Instant) {
        self.made = None;
        let first = self.wanted.partition_point(|it| it.offset < start);
        for wanted in self.wanted.range_mut(first..) {
            if wanted.offset >= end {
                break;
            }
            let number = *self.made.get_or_insert_with(|| {
                self.segments = self.segments.wrapping_add(1);
                self.segments
            });
            wanted.segment = Some(number);
            wanted.reach(TransmitStage::Scheduled, now, &mut self.times);
        }
    }

    /// The number of the segment that has just been made, if it has such bytes.
    pub(crate) const fn take_made(&mut self) -> Option<SegmentNumber> {
        self.made.take()
    }

    /// A segment was handed to the device.
    fn on_handed_over(&mut self, segment: SegmentNumber, now: Instant) {
        for wanted in &mut self.wanted {
            if wanted.segment == Some(segment) {
                wanted.reach(TransmitStage::Sent, now, &mut self.times);
            }
        }
    }

    /// Everything in front of `offset` is acknowledged.
    fn on_acknowledged(&mut self, offset: u64, now: Instant) {
        while let Some(first) = self.wanted.front_mut()
            && first.offset < offset
        {
            // It may be a copy of the segment that left: what is acknowledged was handed over.
            first.reach(TransmitStage::Sent, now, &mut self.times);
            first.reach(TransmitStage::Acknowledged, now, &mut self.times);
            self.wanted.pop_front();
        }
    }
}

impl Wanted {
    /// The byte reaches a stage; the first time that it does is told where it is wanted.
    fn reach(&mut self, stage: TransmitStage, at: Instant, times: &mut VecDeque<TransmitTime>) {
        let bit = TransmitStages::from(stage);
        if self.stages.contains(bit) {
            self.stages.remove(bit);
            let offset = self.offset;
            times.push_back(TransmitTime { offset, stage, at });
        }
    }
}

impl Connection {
    /// The application wants to know when the byte at `offset` reaches `stages`.
    pub(super) fn want_times(
        &mut self,
        offset: u64,
        stages: TransmitStages,
    ) -> Result<(), SocketError> {
        if offset < self.pushed {
            return Err(SocketError::InvalidInput(
                "the byte was written already: ask before",
            ));
        }
        if self.send_closed() {
            return Err(SocketError::BrokenPipe);
        }
        let times = self.transmit_times.get_or_insert_with(Box::default);
        if !times.has_room() {
            return Err(SocketError::NoBufferSpace);
        }
        times.want(offset, stages);
        Ok(())
    }

    /// Takes the oldest time that waits.
    pub(super) fn take_time(&mut self) -> Option<TransmitTime> {
        let times = self.transmit_times.as_deref_mut()?;
        let oldest = times.times.pop_front()?;
        if times.times.is_empty() && times.wanted.is_empty() {
            times.times = VecDeque::new();
            times.wanted = VecDeque::new();
        }
        Some(oldest)
    }

    /// Whether a time waits to be taken.
    pub(super) fn has_times(&self) -> bool {
        let times = self.transmit_times.as_deref();
        times.is_some_and(|times| !times.times.is_empty())
    }

    /// A segment was made of `len` bytes of the queue from `offset` on.
    #[inline]
    pub(super) fn note_segment(&mut self, offset: usize, len: u32, now: Instant) {
        if let Some(times) = &mut self.transmit_times {
            let start = self.acked_offset + offset as u64;
            let before = times.times.len();
            times.on_segment(start, start + u64::from(len), now);
            self.notify |= times.times.len() > before;
        }
    }

    /// A segment was handed to the device.
    pub(crate) fn note_handed_over(&mut self, segment: SegmentNumber, now: Instant) {
        if let Some(times) = &mut self.transmit_times {
            let before = times.times.len();
            times.on_handed_over(segment, now);
            self.notify |= times.times.len() > before;
        }
    }

    /// SND.UNA, and `acked_offset` with it, has advanced.
    #[inline]
    pub(super) fn note_acknowledged(&mut self, now: Instant) {
        if let Some(times) = &mut self.transmit_times {
            times.on_acknowledged(self.acked_offset, now);
        }
    }
}
