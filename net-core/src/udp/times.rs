//! When datagrams leave (`SO_TIMESTAMPING`): times that an application has asked for wait beside the
//! datagrams received, as in Linux's error queue, until it takes them.

use crate::tcp::{TransmitStage, TransmitStages};
use crate::time::Instant;
use alloc::collections::VecDeque;

/// A wish to know when a datagram reaches some stages (`SO_TIMESTAMPING` as control data, with
/// `SCM_TS_OPT_ID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantTimes {
    /// The sender's name for the datagram, which the times have. It need not differ from others.
    pub id: u32,
    /// The stages. Nobody acknowledges datagrams, so that is none of them.
    pub stages: TransmitStages,
}

/// When a datagram reached a stage. Of what was sent in fragments, or as several datagrams at once, the
/// last part counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramTime {
    /// What its sender called it.
    pub id: u32,
    /// What has become of it.
    pub stage: TransmitStage,
    /// When.
    pub at: Instant,
}

/// The times that wait, oldest first.
#[derive(Debug, Default)]
pub(crate) struct DatagramTimes {
    times: VecDeque<DatagramTime>,
}

impl DatagramTimes {
    /// Times that wait at most; later ones are dropped.
    const MAX: usize = 192;

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Puts a time behind the others; whether there was room for it.
    pub(crate) fn push(&mut self, time: DatagramTime) -> bool {
        let room = self.times.len() < Self::MAX;
        if room {
            self.times.push_back(time);
        }
        room
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<DatagramTime> {
        self.times.pop_front()
    }
}
