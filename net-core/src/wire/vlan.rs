//! The VLAN tag behind the addresses of a frame (IEEE 802.1Q §9.6).

use super::ethernet::EtherType;
use crate::stats::DropReason;

/// Bytes that a tag adds to a frame.
pub const TAG_LEN: usize = 4;

/// The number of a VLAN on its link, 1–4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The VLAN with this number; `None` for 0, which says that only the priority counts, and for
    /// 4095, which is reserved.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        match id {
            1..=4094 => Some(Self(id)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// What a tag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// Priority code point, 0–7.
    pub priority: u8,
    /// May be dropped first.
    pub drop_eligible: bool,
    /// The VLAN; `None` in a priority tag, which leaves the frame outside of all.
    pub id: Option<VlanId>,
}

impl VlanTag {
    /// A tag of that VLAN with priority 0.
    #[must_use]
    pub const fn new(id: VlanId) -> Self {
        Self {
            priority: 0,
            drop_eligible: false,
            id: Some(id),
        }
    }

    /// Reads the two bytes behind the type 0x8100.
    ///
    /// # Errors
    /// [`DropReason::VlanTag`] for the reserved VLAN 4095.
    pub const fn from_control(control: u16) -> Result<Self, DropReason> {
        let id = control & ID_MASK;
        if id == ID_MASK {
            return Err(DropReason::VlanTag);
        }
        Ok(Self {
            priority: (control >> PRIORITY_SHIFT) as u8,
            drop_eligible: control & DROP_ELIGIBLE != 0,
            id: VlanId::new(id),
        })
    }

    /// The two bytes behind the type 0x8100.
    #[must_use]
    pub const fn to_control(self) -> u16 {
        let id = match self.id {
            Some(id) => id.0,
            None => 0,
        };
        let drop_eligible = if self.drop_eligible { DROP_ELIGIBLE } else { 0 };
        (self.priority as u16) << PRIORITY_SHIFT | drop_eligible | id
    }

    /// Reads what follows the type 0x8100 in a frame: the tag, and the type of what is behind it.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] below four bytes, [`DropReason::VlanTag`] for the reserved VLAN.
    pub fn parse(bytes: &[u8]) -> Result<(Self, EtherType), DropReason> {
        let &[a, b, c, d] = bytes
            .first_chunk::<TAG_LEN>()
            .ok_or(DropReason::Truncated)?;
        let tag = Self::from_control(u16::from_be_bytes([a, b]))?;
        Ok((tag, EtherType(u16::from_be_bytes([c, d]))))
    }

    /// What follows the type 0x8100 in a frame that carries `inner`.
    #[must_use]
    pub const fn to_bytes(self, inner: EtherType) -> [u8; TAG_LEN] {
        let [a, b] = self.to_control().to_be_bytes();
        let [c, d] = inner.0.to_be_bytes();
        [a, b, c, d]
    }
}

const ID_MASK: u16 = 0xfff;
const DROP_ELIGIBLE: u16 = 0x1000;
const PRIORITY_SHIFT: u32 = 13;
