//! Proportional rate reduction (RFC 9937): how much each acknowledgement lets out during fast
//! recovery, so that what is in flight at its end is ssthresh.

/// The state of one recovery, under the RFC's names.
#[derive(Debug, Default)]
pub(crate) struct Prr {
    /// It governs the present recovery.
    pub(crate) active: bool,
    /// prr_delivered: bytes that have arrived during recovery.
    delivered: u64,
    /// prr_out: bytes sent during recovery.
    out: u64,
    /// RecoverFS: FlightSize when recovery began.
    recover_fs: u32,
    /// What is left of SndCnt: bytes that may be sent now.
    pub(crate) budget: u32,
}

/// What one acknowledgement during recovery means for PRR.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// DeliveredData: bytes that it says have arrived.
    pub(crate) delivered: u32,
    /// Bytes in flight after it.
    pub(crate) in_flight: u32,
    /// SND.UNA advanced and no further loss showed.
    pub(crate) safe: bool,
}

impl Prr {
    /// §6.1: recovery begins with `recover_fs` bytes outstanding.
    pub(crate) fn begin(&mut self, recover_fs: u32, mss: u32) {
        *self = Self {
            active: true,
            recover_fs: recover_fs.max(1),
            // The first retransmission leaves, whatever the window.
            budget: mss,
            ..Self::default()
        };
    }

    /// §6.2: an acknowledgement has arrived.
    pub(crate) fn on_ack(&mut self, progress: Progress, ssthresh: u32, mss: u32) {
        if progress.delivered == 0 {
            return;
        }
        self.delivered += u64::from(progress.delivered);
        let send = if progress.in_flight > ssthresh {
            // Proportional rate reduction.
            let share = u128::from(self.delivered) * u128::from(ssthresh);
            let share = share.div_ceil(u128::from(self.recover_fs));
            share.saturating_sub(u128::from(self.out))
        } else {
            // The conservative reduction bound; slow start once recovery makes good progress.
            let owed = self.delivered.saturating_sub(self.out);
            let mut send = owed.max(u64::from(progress.delivered));
            if progress.safe {
                send += u64::from(mss);
            }
            u128::from(send.min(u64::from(ssthresh - progress.in_flight)))
        };
        self.budget = u32::try_from(send).unwrap_or(u32::MAX);
        if self.out == 0 && self.budget == 0 {
            self.budget = mss;
        }
    }

    /// §6.3: `bytes` left, new or again.
    pub(crate) fn on_sent(&mut self, bytes: u32) {
        self.out += u64::from(bytes);
        self.budget = self.budget.saturating_sub(bytes);
    }
}
