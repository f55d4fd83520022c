//! What a packet is to a flow.

use core::fmt;

/// How a packet stands to the flows that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlowState {
    /// It begins a flow, or belongs to one that nobody has answered.
    New,
    /// It belongs to a flow that goes both ways.
    Established,
    /// It reports an error about a flow.
    Related,
    /// It fits no flow and can begin none.
    Invalid,
    /// A rule or its kind keeps it from being tracked.
    Untracked,
}

impl FlowState {
    /// Every state with its name in rules.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Invalid, "invalid"),
        (Self::Established, "established"),
        (Self::Related, "related"),
        (Self::New, "new"),
        (Self::Untracked, "untracked"),
    ];

    /// The bit that stands for it in [`Field::FlowState`](crate::filter::Field::FlowState).
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::Invalid => 1,
            Self::Established => 2,
            Self::Related => 4,
            Self::New => 8,
            Self::Untracked => 64,
        }
    }
}

/// Which way a packet of a flow goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// As the first one.
    Original,
    /// Against it.
    Reply,
}

impl Direction {
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

/// What the tracker has found out about a packet; nothing, by default.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Tracked(u32);

const STATE: u32 = 7;
const REPLY: u32 = 8;
const SHIFT: u32 = 4;
/// Stands for the flow that is not in the table yet.
const PENDING: u32 = u32::MAX >> SHIFT;

/// The flow that a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowRef {
    /// One in the table.
    Known(u32),
    /// The one that this packet begins.
    Pending,
}

impl Tracked {
    /// A packet that belongs to no flow.
    pub(crate) const fn alone(state: FlowState) -> Self {
        Self(code(state))
    }

    pub(crate) const fn of(state: FlowState, flow: FlowRef, direction: Direction) -> Self {
        let place = match flow {
            FlowRef::Known(index) => index + 1,
            FlowRef::Pending => PENDING,
        };
        let reply = match direction {
            Direction::Original => 0,
            Direction::Reply => REPLY,
        };
        Self(code(state) | reply | place << SHIFT)
    }

    /// What an answer of this host to the packet is that begins a flow. Others of its flow's are found by
    /// looking, but this may never be remembered.
    pub(crate) fn answer(self) -> Self {
        match self.direction().filter(|_| self.begins()) {
            Some(way) => Self::of(FlowState::Related, FlowRef::Pending, way.opposite()),
            None => Self::default(),
        }
    }

    /// Whether the packet begins a flow.
    pub(crate) fn begins(self) -> bool {
        self.flow() == Some(FlowRef::Pending) && self.state() == Some(FlowState::New)
    }

    /// How it stands to the flows that are known; `None` if nobody has looked.
    #[must_use]
    pub const fn state(self) -> Option<FlowState> {
        Some(match self.0 & STATE {
            1 => FlowState::New,
            2 => FlowState::Established,
            3 => FlowState::Related,
            4 => FlowState::Invalid,
            5 => FlowState::Untracked,
            _ => return None,
        })
    }

    /// Which way it goes, if it belongs to a flow.
    #[must_use]
    pub const fn direction(self) -> Option<Direction> {
        match (self.flow(), self.0 & REPLY) {
            (None, _) => None,
            (_, 0) => Some(Direction::Original),
            _ => Some(Direction::Reply),
        }
    }

    pub(crate) const fn flow(self) -> Option<FlowRef> {
        match self.0 >> SHIFT {
            0 => None,
            PENDING => Some(FlowRef::Pending),
            place => Some(FlowRef::Known(place - 1)),
        }
    }
}

const fn code(state: FlowState) -> u32 {
    match state {
        FlowState::New => 1,
        FlowState::Established => 2,
        FlowState::Related => 3,
        FlowState::Invalid => 4,
        FlowState::Untracked => 5,
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked")
            .field("state", &self.state())
            .field("direction", &self.direction())
            .finish()
    }
}

/// Flows that the table can hold at most.
pub(crate) const MAX_FLOWS: usize = PENDING as usize - 1;
