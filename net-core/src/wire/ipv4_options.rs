//! Options of the IPv4 header (RFC 791 §3.1, RFC 2113): which there are, where they are broken, and what
//! hosts and routers write into them.

use core::net::Ipv4Addr;
use smallvec::SmallVec;

/// Options as they lie in a header, whose length is a multiple of four: at most 40 bytes.
pub(crate) type Options = SmallVec<[u8; MAX_LEN]>;

/// Bytes of options that a header has at most.
pub(crate) const MAX_LEN: usize = 40;

/// Ends the options, and fills them up.
pub(crate) const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;
/// The bit of an option's type that says that every fragment has it.
const COPIED: u8 = 0x80;

/// Where in an option its length is.
const LENGTH: usize = 1;
/// Where the place is that is to be filled in next, counted from 1.
const POINTER: usize = 2;
/// Where Timestamp has the count of who found no room, and its kind.
const FLAGS: usize = 3;
/// The kinds of Timestamp: times alone, each behind the address that it is from, or behind addresses that
/// the sender has chosen.
const TIMES: u8 = 0;
const WITH_ADDRESSES: u8 = 1;
const PRESCRIBED: u8 = 3;

/// What there is among options that are as they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// A way to go, loosely or strictly.
    pub(crate) source_route: bool,
    record_route: bool,
    timestamp: bool,
}

/// What a host or router writes into the options of a packet that passes.
pub(crate) struct Record<F> {
    /// Its address towards where the packet goes.
    pub(crate) address: Ipv4Addr,
    /// Milliseconds; with the highest bit set they count from anywhere.
    pub(crate) time: u32,
    /// Whether an address is one of its own.
    pub(crate) is_own: F,
    /// Whether it is counted that there is no room for a time.
    pub(crate) counts: bool,
}

/// One option of more than one byte.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: u8,
    at: usize,
    len: usize,
}

/// The options with a length, in order; `Err` with where one is whose length cannot be, which ends them.
fn places(options: &[u8]) -> impl Iterator<Item = Result<Place, usize>> + '_ {
    let mut next = 0;
    core::iter::from_fn(move || {
        while options.get(next) == Some(&NO_OPERATION) {
            next += 1;
        }
        let at = next;
        let kind = *options.get(at).filter(|kind| **kind != END)?;
        let len = options.get(at + LENGTH).map_or(0, |len| usize::from(*len));
        if len < 2 || at + len > options.len() {
            next = options.len();
            return Some(Err(at));
        }
        next = at + len;
        Some(Ok(Place { kind, at, len }))
    })
}

/// Whether options ask routers to look at the packet (RFC 2113).
pub(crate) fn has_router_alert(options: &[u8]) -> bool {
    let mut places = places(options).map_while(Result::ok);
    places.any(|place| place.kind == ROUTER_ALERT)
}

/// The first option of a kind of more than one byte among options that have been [checked](check).
pub(crate) fn find(options: &[u8], kind: u8) -> Option<&[u8]> {
    let mut places = places(options).map_while(Result::ok);
    let place = places.find(|place| place.kind == kind)?;
    options.get(place.at..place.at + place.len)
}

/// Looks whether options are as they should be.
///
/// # Errors
/// Which byte of them is not, as a parameter problem names it (RFC 1122 §3.2.2.5, RFC 1812 §4.3.3.5): where
/// there is no option at all, its first.
pub(crate) fn check(options: &[u8]) -> Result<Found, usize> {
    let mut found = Found::default();
    for place in places(options) {
        let place = place?;
        let seen = match place.kind {
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => &mut found.source_route,
            RECORD_ROUTE => &mut found.record_route,
            TIMESTAMP => &mut found.timestamp,
            ROUTER_ALERT if place.len < 4 => return Err(place.at + LENGTH),
            _ => continue,
        };
        if core::mem::replace(seen, true) {
            // At most once each.
            return Err(place.at);
        }
        place.check(options)?;
    }
    Ok(found)
}

/// Fills in what Record Route and Timestamp ask for, as far as there is room; for options that have been
/// [checked](check).
pub(crate) fn record(options: &mut [u8], record: &Record<impl Fn(Ipv4Addr) -> bool>) {
    let mut next = 0;
    while let Some(Ok(place)) = options.get(next..).and_then(|rest| places(rest).next()) {
        let place = Place {
            at: next + place.at,
            ..place
        };
        next = place.at + place.len;
        match place.kind {
            RECORD_ROUTE => place.record_route(options, record.address),
            TIMESTAMP => place.record_time(options, record),
            _ => {}
        }
    }
}

/// What of a request's options goes back with the answer: what has been recorded (RFC 1122 §3.2.2.6).
pub(crate) fn echoed(options: &[u8]) -> Options {
    let mut echoed = Options::new();
    for kind in [RECORD_ROUTE, TIMESTAMP] {
        let mut places = places(options).map_while(Result::ok);
        let place = places.find(|place| place.kind == kind);
        let bytes = place.and_then(|place| options.get(place.at..place.at + place.len));
        echoed.extend_from_slice(bytes.unwrap_or_default());
    }
    echoed.resize(echoed.len().next_multiple_of(4), END);
    echoed
}

/// Whether one of the options has some room left for what is recorded, but not for a whole entry: the
/// packet is in error (RFC 791 §3.1, Record Route and Internet Timestamp).
pub(crate) fn has_partial_room(options: &[u8]) -> bool {
    let mut places = places(options).map_while(Result::ok);
    places.any(|place| {
        matches!(place.kind, RECORD_ROUTE | TIMESTAMP) && place.has_partial_room(options)
    })
}

/// Blots out the options that the first fragment of a packet has alone.
pub(crate) fn keep_copied(options: &mut [u8]) {
    let mut next = 0;
    while let Some(Ok(place)) = options.get(next..).and_then(|rest| places(rest).next()) {
        let at = next + place.at;
        next = at + place.len;
        if place.kind & COPIED == 0
            && let Some(bytes) = options.get_mut(at..next)
        {
            bytes.fill(NO_OPERATION);
        }
    }
}

impl Place {
    fn byte(self, options: &[u8], at: usize) -> usize {
        usize::from(options.get(self.at + at).copied().unwrap_or_default())
    }

    fn check(self, options: &[u8]) -> Result<(), usize> {
        let at = |field| Err(self.at + field);
        let is_time = self.kind == TIMESTAMP;
        // The first place to fill in is behind the pointer, or behind the flags.
        let first = if is_time { FLAGS + 2 } else { POINTER + 2 };
        if self.len < first - 1 {
            return at(LENGTH);
        }
        let pointer = self.byte(options, POINTER);
        if pointer < first {
            return at(POINTER);
        }
        if self.has_partial_room(options) && !self.is_source_route() {
            return at(POINTER);
        }
        if is_time && pointer > self.len && self.byte(options, FLAGS) >> 4 == 15 {
            // Nor is there room to count one more.
            return at(FLAGS);
        }
        Ok(())
    }

    const fn is_source_route(self) -> bool {
        matches!(self.kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE)
    }

    fn has_partial_room(self, options: &[u8]) -> bool {
        let needs = match (self.kind, self.flags(options)) {
            (TIMESTAMP, WITH_ADDRESSES | PRESCRIBED) => 8,
            _ => 4,
        };
        let pointer = self.byte(options, POINTER);
        pointer <= self.len && pointer + needs - 1 > self.len
    }

    /// The kind of a Timestamp.
    fn flags(self, options: &[u8]) -> u8 {
        options.get(self.at + FLAGS).copied().unwrap_or_default() & 0xf
    }

    fn record_route(self, options: &mut [u8], address: Ipv4Addr) {
        if self.byte(options, POINTER) <= self.len {
            self.fill(options, &address.octets());
        }
    }

    fn record_time(self, options: &mut [u8], record: &Record<impl Fn(Ipv4Addr) -> bool>) {
        let pointer = self.byte(options, POINTER);
        let time = record.time.to_be_bytes();
        if pointer > self.len {
            if record.counts
                && let Some(flags) = options.get_mut(self.at + FLAGS)
            {
                *flags = flags.saturating_add(0x10);
            }
            return;
        }
        if self.has_partial_room(options) {
            return;
        }
        match self.flags(options) {
            TIMES => self.fill(options, &time),
            WITH_ADDRESSES => {
                self.fill(options, &record.address.octets());
                self.fill(options, &time);
            }
            PRESCRIBED => {
                let at = (self.at + pointer).saturating_sub(1);
                let next = options.get(at..).and_then(|rest| rest.first_chunk::<4>());
                let next = next.copied().map(Ipv4Addr::from);
                if let Some(next) = next.filter(|next| (record.is_own)(*next)) {
                    self.fill(options, &next.octets());
                    self.fill(options, &time);
                }
            }
            _ => {}
        }
    }

    /// Writes where the pointer points, if that is within the option, and moves it on.
    fn fill(self, options: &mut [u8], value: &[u8; 4]) {
        let option = options.get_mut(self.at..self.at + self.len);
        let Some(option) = option else {
            return;
        };
        let pointer = option.get(POINTER).copied().unwrap_or_default();
        let place = usize::from(pointer)
            .checked_sub(1)
            .filter(|at| *at > POINTER);
        let field = place.and_then(|at| option.get_mut(at..at + value.len()));
        if let Some(field) = field {
            field.copy_from_slice(value);
            if let Some(next) = option.get_mut(POINTER) {
                *next = pointer.saturating_add(4);
            }
        }
    }
}
