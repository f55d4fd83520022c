//! Buffers that grow with the path: what a connection needs is twice what moves in a round trip, so
//! that the sender can go on while it is repaired, and can double.
//!
//! The receive buffer follows what the application reads in a round trip (dynamic right-sizing, as in
//! Linux): a reader that does not keep up gets no larger window. The send buffer follows the
//! congestion window. Both grow up to a ceiling of the socket's
//! ([`RecvBufferMax`](crate::socket::TcpOption::RecvBufferMax),
//! [`SendBufferMax`](crate::socket::TcpOption::SendBufferMax)), not while half of the stack's memory
//! budget is in use, and not at all where the application has chosen a size.

use super::congestion::CongestionControl;
use super::connection::{Connection, Context};
use super::rtt::nanos;
use super::segment::Segment;
use crate::socket::TcpSettings;
use crate::time::{Duration, Instant};

/// Segments on top of twice what was read, for round trips that begin with little.
const EXTRA_SEGMENTS: u64 = 16;

/// What the receiving side knows of the rate at which its application reads.
#[derive(Debug)]
pub(crate) struct ReceiveTuning {
    /// The path's round trip in ns, seen from here, by the timestamps that data echoes; 0: not known.
    rtt: u64,
    /// The echo that was measured last: each of our timestamps is measured once.
    last_echo: u32,
    /// The present measurement: its beginning, and the bytes read by then.
    since: Instant,
    read_before: u64,
    /// The most that was read in a round trip so far.
    most: u64,
}

impl ReceiveTuning {
    /// Nothing was read so far.
    pub(crate) fn new() -> Self {
        Self {
            rtt: 0,
            last_echo: 0,
            since: Instant::ZERO,
            read_before: 0,
            most: 0,
        }
    }

    /// The path's round trip, seen from here.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.rtt > 0).then(|| Duration::from_nanos(self.rtt))
    }

    /// The most bytes that were read in a round trip.
    pub(crate) const fn most_read(&self) -> u64 {
        self.most
    }

    /// A segment with data echoes `echo`, which is `age` old.
    fn measure(&mut self, echo: u32, age: Duration) {
        self.last_echo = echo;
        let age = nanos(age);
        self.rtt = if self.rtt == 0 {
            age
        } else {
            (self.rtt * 7 + age) / 8
        };
    }
}

impl Connection {
    /// Data has arrived in order.
    pub(crate) fn tune_by_data(&mut self, segment: &Segment<'_>, cx: &Context<'_>) {
        if let Some(echo) = self.echo(segment)
            && echo != self.receiver.tuning.last_echo
            && let Some(age) = super::ack::stamp_age(echo, cx.now)
        {
            self.receiver.tuning.measure(echo, age);
        }
    }

    /// The application has read: once a round trip, what it read may ask for a larger buffer.
    pub(crate) fn tune_by_reading(&mut self, ceiling: usize, memory_tight: bool, now: Instant) {
        let tuning = &self.receiver.tuning;
        let rtt = if tuning.rtt == 0 {
            self.rtt.smoothed_nanos()
        } else {
            tuning.rtt
        };
        let took = now.nanos_since(tuning.since);
        if self.receiver.buffer >= ceiling || took < rtt || rtt == 0 {
            return;
        }
        let read = self.receiver.consumed - tuning.read_before;
        // What was read is told now and then, so a measurement may be longer than a round trip.
        let read = match read.checked_mul(rtt) {
            Some(product) => product / took,
            None => (read / took).saturating_mul(rtt),
        };
        if read > tuning.most && !memory_tight {
            let mss = u64::from(self.receiver.peer_mss);
            let wanted = read.saturating_mul(2).saturating_add(EXTRA_SEGMENTS * mss);
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(ceiling);
            self.receiver.buffer = self.receiver.buffer.max(wanted);
            self.receiver.tuning.most = read;
        }
        self.receiver.tuning.since = now;
        self.receiver.tuning.read_before = self.receiver.consumed;
    }

    /// The size of the send buffer at present: what the socket begins with, or twice cwnd.
    pub(crate) fn send_buffer(&self, settings: &TcpSettings) -> usize {
        let twice = (self.congestion.window() as usize).saturating_mul(2);
        settings
            .send_buffer
            .max(twice.min(settings.send_buffer_max))
    }
}
