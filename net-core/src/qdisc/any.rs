//! A discipline of any kind, for one interface.

use super::{
    Cake, Dropped, Fifo, Fq, FqCodel, Netem, PfifoFast, Prio, Qdisc, QdiscStats, Queued, Tbf,
};
use crate::time::Instant;
use alloc::boxed::Box;
use core::fmt;

macro_rules! disciplines {
    ($($name:ident),*) => {
        /// Any discipline: the built-in ones without a look-up of what to call, and others.
        #[derive(Debug)]
        #[non_exhaustive]
        pub enum AnyQdisc {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
            /// One of the embedder's.
            Other(Box<dyn Qdisc>),
        }

        $(impl From<$name> for AnyQdisc {
            fn from(qdisc: $name) -> Self {
                Self::$name(qdisc)
            }
        })*

        macro_rules! each {
            ($any:expr, $qdisc:ident => $result:expr) => {
                match $any {
                    $(AnyQdisc::$name($qdisc) => $result,)*
                    AnyQdisc::Other($qdisc) => $result,
                }
            };
        }
    };
}

disciplines!(Fifo, PfifoFast, Prio, Tbf, Fq, FqCodel, Cake, Netem);

impl From<Box<dyn Qdisc>> for AnyQdisc {
    fn from(qdisc: Box<dyn Qdisc>) -> Self {
        Self::Other(qdisc)
    }
}

impl Default for AnyQdisc {
    fn default() -> Self {
        Self::Fifo(Fifo::default())
    }
}

impl Qdisc for AnyQdisc {
    fn kind(&self) -> &'static str {
        each!(self, qdisc => qdisc.kind())
    }

    #[inline]
    fn enqueue(&mut self, packet: Queued, dropped: &mut Dropped, now: Instant) {
        each!(self, qdisc => qdisc.enqueue(packet, dropped, now));
    }

    #[inline]
    fn dequeue(&mut self, dropped: &mut Dropped, now: Instant) -> Option<Queued> {
        each!(self, qdisc => qdisc.dequeue(dropped, now))
    }

    fn next_departure(&self) -> Option<Instant> {
        each!(self, qdisc => qdisc.next_departure())
    }

    fn evict(&mut self) -> Option<Queued> {
        each!(self, qdisc => qdisc.evict())
    }

    fn stats(&self) -> QdiscStats {
        each!(self, qdisc => qdisc.stats())
    }

    #[inline]
    fn len(&self) -> usize {
        each!(self, qdisc => qdisc.len())
    }

    #[inline]
    fn is_empty(&self) -> bool {
        each!(self, qdisc => qdisc.is_empty())
    }

    fn limit(&self) -> Option<usize> {
        each!(self, qdisc => qdisc.limit())
    }

    fn may_bypass(&self) -> bool {
        each!(self, qdisc => qdisc.may_bypass())
    }

    fn splits(&self) -> bool {
        each!(self, qdisc => qdisc.splits())
    }

    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, qdisc => qdisc.details(f))
    }
}

impl fmt::Display for AnyQdisc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, qdisc => fmt::Display::fmt(qdisc, f))
    }
}
