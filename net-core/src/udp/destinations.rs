//! To whom a socket has sent of late.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};

/// Destinations that a socket has sent to beside the last one. Each has one place that it can be in, where
/// it takes that of another: what is remembered is bounded, and noting it looks at nothing else.
#[derive(Debug, Default)]
pub(crate) struct Destinations(Option<Box<[Option<SocketAddr>; PLACES]>>);

impl Destinations {
    /// Remembers a destination.
    pub(crate) fn note(&mut self, dest: SocketAddr) {
        let places = self.0.get_or_insert_with(|| Box::new([None; PLACES]));
        if let Some(place) = places.get_mut(place(dest)) {
            *place = Some(dest);
        }
    }

    /// Whether it is one of those that were noted.
    pub(crate) fn knows(&self, dest: SocketAddr) -> bool {
        let places = self.0.as_ref();
        places.is_some_and(|places| places.get(place(dest)) == Some(&Some(dest)))
    }
}

/// The place of a destination: whoever chooses destinations so that they share one harms himself.
fn place(dest: SocketAddr) -> usize {
    let bits = match dest.ip() {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments().map(u32::from);
            (a ^ c ^ e ^ g) << 16 | (b ^ d ^ f ^ h)
        }
    };
    let mixed = (bits ^ u32::from(dest.port())).wrapping_mul(0x9e37_79b9);
    (mixed >> (u32::BITS - PLACES.ilog2())) as usize
}

/// Destinations of a socket that are remembered at most; a power of two.
const PLACES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_destinations_are_known_and_no_others() {
        let mut known = Destinations::default();
        let at = |number: u16| SocketAddr::from(([192, 0, 2, 1], number));
        assert!(!known.knows(at(1)));
        known.note(at(1));
        assert!(known.knows(at(1)) && !known.knows(at(2)));
        for number in 2..1000 {
            known.note(at(number));
            assert!(known.knows(at(number)));
        }
        let count = (1..1000).filter(|&number| known.knows(at(number))).count();
        assert!((2..=PLACES).contains(&count), "{count}");
    }
}
