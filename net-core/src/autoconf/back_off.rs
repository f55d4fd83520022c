//! When routers are asked for: less and less often, but as long as none has answered (RFC 7559).

use crate::seed::Rng;
use crate::time::{Duration, Instant};

/// The solicitations of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Solicitations {
    /// When the next one is due, if one is to be sent.
    due: Option<Instant>,
    /// The time between the last two; 0 before the first.
    wait: Duration,
}

impl Solicitations {
    /// Begins anew, with the first one at `due`.
    pub(crate) fn begin(&mut self, due: Instant) {
        *self = Self {
            due: Some(due),
            wait: Duration::ZERO,
        };
    }

    /// A router has answered.
    pub(crate) fn end(&mut self) {
        self.due = None;
    }

    /// When the next one is due.
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.due
    }

    /// Whether one is to be sent now; then the next one is due after about twice the time (RFC 7559 §2,
    /// RFC 8415 §15).
    pub(crate) fn take(&mut self, rng: &mut Rng, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|at| at <= now);
        if is_due {
            let wait = if self.wait.is_zero() {
                about(IRT, IRT, rng)
            } else {
                about(self.wait * 2, self.wait, rng)
            };
            self.wait = if wait > MRT {
                about(MRT, MRT, rng)
            } else {
                wait
            };
            self.due = Some(now + self.wait);
        }
        is_due
    }
}

/// A time, give or take a tenth of another one.
fn about(time: Duration, spread: Duration, rng: &mut Rng) -> Duration {
    let tenth = spread / 10;
    let width = u64::try_from(tenth.as_nanos() * 2).unwrap_or(u64::MAX);
    time.saturating_sub(tenth) + Duration::from_nanos(rng.below(width.max(1)))
}

/// IRT and MRT of RFC 7559 §2; it has no MRC and no MRD, and so no end.
const IRT: Duration = Duration::from_secs(4);
const MRT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    #[test]
    fn routers_are_asked_for_less_and_less_often_but_once_an_hour_for_ever() {
        let mut rng = Seed::from_u64(7).rng("solicitations");
        let mut now = Instant::from_millis(1);
        let mut all = Solicitations::default();
        assert!(!all.take(&mut rng, now), "nobody has begun");
        all.begin(now);
        let mut last = Duration::ZERO;
        for count in 0..40 {
            assert!(all.take(&mut rng, now));
            assert!(!all.take(&mut rng, now), "only once");
            let next = all.next().expect("there is no end");
            let wait = next.saturating_since(now);
            let hour = Duration::from_secs(3600);
            if count == 0 {
                assert!((3600..=4400).contains(&wait.as_millis()), "{wait:?}");
            } else if wait < hour * 9 / 10 {
                let doubled = last * 19 / 10..=last * 21 / 10;
                assert!(doubled.contains(&wait), "{count}: {wait:?} after {last:?}");
            } else {
                assert!(wait <= hour * 11 / 10, "{count}: {wait:?}");
            }
            (now, last) = (next, wait);
        }
        assert!(last >= Duration::from_secs(3600) * 9 / 10);
        all.end();
        assert_eq!(all.next(), None);
    }
}
