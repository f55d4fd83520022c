//! Sets of tuples of fields, found by one hash.

use super::fields::{End, Field, Fields};
use super::{FilterError, StationField};
use crate::seed::Key;
use crate::wire::{EthernetHeader, MacAddr};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use hashbrown::HashMap;
use smallvec::SmallVec;

/// A part of a tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TupleField {
    /// An address.
    Address(End),
    /// A number.
    Number(Field),
    /// A station.
    Station(StationField),
}

/// The value of such a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TupleValue {
    /// An address.
    Address(IpAddr),
    /// A number.
    Number(u32),
    /// A station.
    Station(MacAddr),
}

/// A set of tuples: so many values as there are fields in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuples {
    pub(super) fields: Vec<TupleField>,
    pub(super) elements: Arc<[Vec<TupleValue>]>,
}

impl Tuples {
    /// A set of such tuples of these fields: of at most two addresses and four numbers; a station takes
    /// the place of two numbers.
    ///
    /// # Errors
    /// [`FilterError::Tuple`]: there are more, or an element has other parts.
    pub fn new(
        fields: impl IntoIterator<Item = TupleField>,
        elements: impl IntoIterator<Item = Vec<TupleValue>>,
    ) -> Result<Self, FilterError> {
        Self::of(fields.into_iter().collect(), elements.into_iter().collect())
    }

    /// As [`new`](Self::new), of elements that other sets may share.
    pub(super) fn of(
        fields: Vec<TupleField>,
        elements: Arc<[Vec<TupleValue>]>,
    ) -> Result<Self, FilterError> {
        let tuples = Self { fields, elements };
        if fits(&tuples.fields) && tuples.elements.iter().all(|tuple| tuples.is_like(tuple)) {
            Ok(tuples)
        } else {
            Err(FilterError::Tuple)
        }
    }

    fn is_like(&self, tuple: &[TupleValue]) -> bool {
        tuple.len() == self.fields.len()
            && (self.fields.iter().zip(tuple)).all(|pair| {
                matches!(
                    pair,
                    (TupleField::Address(_), TupleValue::Address(_))
                        | (TupleField::Number(_), TupleValue::Number(_))
                        | (TupleField::Station(_), TupleValue::Station(_))
                )
            })
    }
}

/// Numbers by tuple.
#[derive(Debug)]
pub(super) struct TupleMap {
    fields: SmallVec<[TupleField; 6]>,
    numbers: HashMap<TupleKey, u32, Key>,
}

impl TupleMap {
    /// One that has a set's tuples.
    pub(super) fn of(tuples: &Tuples, key: Key) -> Self {
        let mut map = Self::new(&tuples.fields, key);
        for tuple in &*tuples.elements {
            map.insert(tuple, 0);
        }
        map
    }

    pub(super) fn fields(&self) -> &[TupleField] {
        &self.fields
    }

    pub(super) fn new(fields: &[TupleField], key: Key) -> Self {
        Self {
            fields: SmallVec::from_slice(fields),
            numbers: HashMap::with_hasher(key),
        }
    }

    /// Gives a tuple its number, unless it has one.
    pub(super) fn insert(&mut self, tuple: &[TupleValue], number: u32) {
        let mut key = TupleKey::EMPTY;
        for value in tuple {
            match *value {
                TupleValue::Address(address) => key.push_address(address),
                TupleValue::Number(number) => key.push(&number.to_be_bytes()),
                TupleValue::Station(station) => key.push(&station.octets()),
            }
        }
        self.numbers.entry(key).or_insert(number);
    }

    /// The number of a packet's tuple; `None` also where the packet lacks a field.
    #[inline]
    pub(super) fn find(
        &self,
        packet: &Fields<'_, '_>,
        frame: Option<&EthernetHeader>,
    ) -> Option<u32> {
        let mut key = TupleKey::EMPTY;
        for field in &self.fields {
            match *field {
                TupleField::Address(end) => key.push_address(packet.address(end)),
                TupleField::Number(field) => key.push(&packet.read(field)?.to_be_bytes()),
                TupleField::Station(field) => key.push(&field.find(packet, frame)?.octets()),
            }
        }
        self.numbers.get(&key).copied()
    }

    /// Whether a packet has all the fields.
    pub(super) fn applies(&self, packet: &Fields<'_, '_>, frame: Option<&EthernetHeader>) -> bool {
        self.fields.iter().all(|field| match *field {
            TupleField::Address(_) => true,
            TupleField::Number(field) => packet.read(field).is_some(),
            TupleField::Station(field) => field.find(packet, frame).is_some(),
        })
    }
}

/// Whether a tuple of these fields is not too long.
pub(super) fn fits(fields: &[TupleField]) -> bool {
    let (mut addresses, mut numbers) = (0, 0);
    for field in fields {
        match field {
            TupleField::Address(_) => addresses += 1,
            TupleField::Number(_) => numbers += 1,
            TupleField::Station(_) => numbers += 2,
        }
    }
    addresses <= MAX_ADDRESSES && numbers <= MAX_NUMBERS
}

/// A tuple's values, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TupleKey {
    bytes: [u8; LEN],
    len: usize,
}

impl TupleKey {
    const EMPTY: Self = Self {
        bytes: [0; LEN],
        len: 0,
    };

    #[inline]
    fn push(&mut self, value: &[u8]) {
        let end = self.len + value.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(value);
            self.len = end;
        }
    }

    #[inline]
    fn push_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.push(&[4]);
                self.push(&address.octets());
            }
            IpAddr::V6(address) => {
                self.push(&[6]);
                self.push(&address.octets());
            }
        }
    }
}

impl Hash for TupleKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.bytes.get(..self.len).unwrap_or(&self.bytes));
    }
}

/// Each with its family in front.
const LEN: usize = MAX_ADDRESSES * 17 + MAX_NUMBERS * 4;
const MAX_ADDRESSES: usize = 2;
const MAX_NUMBERS: usize = 4;
