//! The classes of traffic, by codepoint, and the share of each.

use super::{CakeIsolation, CakeTins};

impl CakeTins {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::BestEffort,
        Self::Precedence,
        Self::Diffserv3,
        Self::Diffserv4,
        Self::Diffserv8,
    ];

    /// As `tc` calls them.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BestEffort => "besteffort",
            Self::Precedence => "precedence",
            Self::Diffserv3 => "diffserv3",
            Self::Diffserv4 => "diffserv4",
            Self::Diffserv8 => "diffserv8",
        }
    }

    /// How many there are.
    pub(super) const fn count(self) -> usize {
        match self {
            Self::BestEffort => 1,
            Self::Diffserv3 => 3,
            Self::Diffserv4 => 4,
            Self::Precedence | Self::Diffserv8 => 8,
        }
    }

    /// Which one a codepoint belongs to, from the least urgent on. Best effort is the first where there
    /// are three or four: bulk traffic goes ahead of it as far as its small share reaches, lest it starve.
    pub(in crate::qdisc) const fn of(self, dscp: u8) -> usize {
        match self {
            Self::BestEffort => 0,
            Self::Precedence => (dscp >> 3) as usize & 7,
            Self::Diffserv3 => match dscp {
                LE | CS1 => 1,
                TOS4 | VA | EF | CS6 | CS7 => 2,
                _ => 0,
            },
            Self::Diffserv4 => match dscp {
                LE | CS1 => 1,
                TOS4 | CS2 | AF21 | AF22 | AF23 | CS3 | AF31 | AF32 | AF33 | AF41 | AF42 | AF43 => {
                    2
                }
                CS4 | CS5 | VA | EF | CS6 | CS7 => 3,
                _ => 0,
            },
            Self::Diffserv8 => match dscp {
                LE => 0,
                TOS2 | CS1 | AF11 | AF12 | AF13 => 1,
                CS3 | AF31 | AF32 | AF33 | AF41 | AF42 | AF43 => 3,
                TOS4 | AF21 | AF22 | AF23 => 4,
                CS2 => 5,
                CS4 | CS5 | VA | EF => 6,
                CS6 | CS7 => 7,
                _ => 2,
            },
        }
    }

    /// How much of something one of them has before it falls behind the others.
    pub(super) fn share(self, tin: usize, whole: u64) -> u64 {
        match (self, tin) {
            (Self::BestEffort, _) | (Self::Diffserv3 | Self::Diffserv4, 0) => whole,
            (Self::Diffserv3 | Self::Diffserv4, 1) => whole >> 4,
            (Self::Diffserv4, 2) => whole >> 1,
            (Self::Diffserv3 | Self::Diffserv4, _) => whole >> 2,
            (Self::Precedence | Self::Diffserv8, tin) => {
                (0..tin).fold(whole, |rest, _| rest - rest.div_ceil(8))
            }
        }
    }

    /// Bytes that one of them may send in its turn where no bandwidth says how much is too much.
    pub(super) fn quantum(self, tin: usize) -> u64 {
        let whole = match self {
            Self::BestEffort => 65_535,
            Self::Diffserv3 | Self::Diffserv4 => 1024,
            Self::Precedence | Self::Diffserv8 => 256,
        };
        self.share(tin, whole).max(1)
    }

    /// In which order `tc` shows them.
    pub(super) const fn order(self) -> &'static [usize] {
        match self {
            Self::BestEffort => &[0],
            Self::Diffserv3 => &[1, 0, 2],
            Self::Diffserv4 => &[1, 0, 2, 3],
            Self::Precedence | Self::Diffserv8 => &[0, 1, 2, 3, 4, 5, 6, 7],
        }
    }
}

impl CakeIsolation {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::FlowBlind,
        Self::SourceHost,
        Self::DestHost,
        Self::Hosts,
        Self::Flows,
        Self::DualSourceHost,
        Self::DualDestHost,
        Self::TripleIsolate,
    ];

    /// As `tc` calls them.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::FlowBlind => "flowblind",
            Self::SourceHost => "srchost",
            Self::DestHost => "dsthost",
            Self::Hosts => "hosts",
            Self::Flows => "flows",
            Self::DualSourceHost => "dual-srchost",
            Self::DualDestHost => "dual-dsthost",
            Self::TripleIsolate => "triple-isolate",
        }
    }

    /// Whether flows share with those that the same host sends.
    pub(super) const fn by_source(self) -> bool {
        matches!(self, Self::DualSourceHost | Self::TripleIsolate)
    }

    /// Whether flows share with those that are sent to the same host.
    pub(super) const fn by_dest(self) -> bool {
        matches!(self, Self::DualDestHost | Self::TripleIsolate)
    }
}

/// The codepoint of network control, which neighbour discovery below IP goes with.
pub(super) const CS7: u8 = 56;

/// Lower effort (RFC 8622).
const LE: u8 = 1;
/// More throughput, and less delay (RFC 1349).
const TOS2: u8 = 2;
const TOS4: u8 = 4;
/// Class selectors (RFC 2474 §4.2.2).
const CS1: u8 = 8;
const CS2: u8 = 16;
const CS3: u8 = 24;
const CS4: u8 = 32;
const CS5: u8 = 40;
const CS6: u8 = 48;
/// Assured forwarding (RFC 2597).
const AF11: u8 = 10;
const AF12: u8 = 12;
const AF13: u8 = 14;
const AF21: u8 = 18;
const AF22: u8 = 20;
const AF23: u8 = 22;
const AF31: u8 = 26;
const AF32: u8 = 28;
const AF33: u8 = 30;
const AF41: u8 = 34;
const AF42: u8 = 36;
const AF43: u8 = 38;
/// Admitted voice (RFC 5865), and expedited forwarding (RFC 3246).
const VA: u8 = 44;
const EF: u8 = 46;
