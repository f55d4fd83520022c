use super::*;
use crate::conntrack::TrackConfig;
use crate::nat::ports::{self, Chance, MAX_TRIES};
use crate::seed::{Rng, Seed};
use crate::time::Instant;
use crate::wire::ip;
use core::cell::Cell;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap as StdMap};

/// Ports that are taken at each place: what flows are, told plainly.
struct Model {
    taken: StdMap<u8, BTreeSet<u16>>,
    crowds: Crowds,
    rng: Rng,
    /// Ports that the last search had looked up.
    lookups: Cell<usize>,
}

impl Model {
    fn new() -> Self {
        let seed = Seed::from_u64(3);
        Self {
            taken: StdMap::new(),
            crowds: Crowds::new(seed.key("crowds")),
            rng: seed.rng("ports"),
            lookups: Cell::new(0),
        }
    }

    fn is_taken(&self, place: u8, port: u16) -> bool {
        (self.taken.get(&place)).is_some_and(|taken| taken.contains(&port))
    }

    /// Looks for a port as the translation of a new flow does.
    fn find(&mut self, place: u8, ports: &RangeInclusive<u16>) -> Option<u16> {
        let chance = Chance::new(ports, |bound| self.rng.below(bound));
        let (taken, lookups) = (self.taken.get(&place), &self.lookups);
        lookups.set(0);
        let is_taken = |port| {
            lookups.set(lookups.get() + 1);
            taken.is_some_and(|taken: &BTreeSet<u16>| taken.contains(&port))
        };
        let wanted = tuple(place, *ports.start());
        let found = ports::find(&mut self.crowds, &wanted, ports, chance, is_taken);
        assert!(lookups.get() <= MAX_LOOKUPS + MAX_TRIES as usize);
        found
    }

    fn take(&mut self, place: u8, port: u16) {
        assert!(self.taken.entry(place).or_default().insert(port));
        self.crowds.keep(&flow(place, port));
    }

    fn give_back(&mut self, place: u8, which: usize) {
        let ports = self.taken.entry(place).or_default();
        if let Some(port) = ports.iter().nth(which % ports.len().max(1)).copied() {
            ports.remove(&port);
            self.crowds.release(&flow(place, port));
        }
    }

    fn fill(&mut self, place: u8, ports: RangeInclusive<u16>) {
        for port in ports.filter(|port| *port != SPARED) {
            self.take(place, port);
        }
    }
}

/// What packets of a flow are once they are translated.
fn tuple(place: u8, source_port: u16) -> Tuple {
    Tuple {
        source: IpAddr::from([192, 0, 2, 1]),
        dest: IpAddr::from([198, 51, 100, place]),
        protocol: ip::UDP,
        source_port,
        dest_port: 53,
    }
}

fn flow(place: u8, port: u16) -> Flow {
    let inner = Tuple {
        source: IpAddr::from([10, 0, 0, 9]),
        ..tuple(place, port)
    };
    let timeouts = &TrackConfig::default().timeouts;
    let flow = Flow::begin(inner, None, true, timeouts, Instant::ZERO);
    Flow {
        reply: tuple(place, port).inverse(),
        ..flow.expect("every datagram begins one")
    }
}

/// A port that is left free.
const SPARED: u16 = 41_234;

#[derive(Debug, Clone)]
enum Op {
    /// So many flows begin at a place, in a range.
    Begin(u8, RangeInclusive<u16>, usize),
    /// So many end.
    End(u8, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let range = (0_u16..500, 0_u16..700).prop_map(|(low, len)| 1000 + low..=1000 + low + len);
    prop_oneof![
        3 => (0_u8..3, range, 1_usize..400).prop_map(|(place, ports, n)| Op::Begin(place, ports, n)),
        1 => (0_u8..3, any::<usize>()).prop_map(|(place, which)| Op::End(place, which % 300)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_port_is_given_twice_and_each_free_one_is_found(
        ops in proptest::collection::vec(op(), 1..30),
    ) {
        let mut model = Model::new();
        for op in ops {
            match op {
                Op::Begin(place, ports, count) => for _ in 0..count {
                    let is_free = |port: &u16| !model.is_taken(place, *port);
                    let any_is_free = ports.clone().any(|port| is_free(&port));
                    // No range here has more words than one packet may have looked up.
                    match model.find(place, &ports) {
                        Some(port) => {
                            prop_assert!(ports.contains(&port));
                            prop_assert!(!model.is_taken(place, port));
                            model.take(place, port);
                        }
                        None => {
                            prop_assert!(!any_is_free);
                            break;
                        }
                    }
                },
                Op::End(place, count) => for step in 0..count {
                    model.give_back(place, step * 7919);
                },
            }
        }
    }
}

#[test]
fn one_packet_has_a_bounded_number_of_ports_looked_up() {
    let mut model = Model::new();
    model.fill(1, 1024..=u16::MAX);
    let ports = 1024..=u16::MAX;
    let mut packets = 1;
    while model.find(1, &ports) != Some(SPARED) {
        packets += 1;
    }
    assert!(
        packets <= ports.len().div_ceil(MAX_LOOKUPS),
        "{packets} packets"
    );
    assert_eq!(model.find(1, &ports), Some(SPARED));
}

#[test]
fn ranges_of_one_place_share_what_has_been_looked_up() {
    let mut model = Model::new();
    model.fill(1, 1024..=u16::MAX);
    let ranges = [1024..=u16::MAX, 2048..=60_000, 1024..=50_000];
    for ports in ranges.iter().cycle().take(3 * 64) {
        model.find(1, ports);
    }
    for ports in ranges.iter().cycle().take(9) {
        assert_eq!(model.find(1, ports), Some(SPARED));
        assert_eq!(model.lookups.get(), 0);
    }
}

#[test]
fn more_crowded_places_than_are_kept_cost_no_more_for_each_packet() {
    let mut model = Model::new();
    let places = 0..u8::try_from(MAX_CROWDS + 1).expect("few");
    for place in places.clone() {
        model.fill(place, 30_000..=50_000);
    }
    for place in places.clone().chain(places) {
        model.find(place, &(30_000..=50_000));
    }
    assert_eq!(model.crowds.by_place.len(), MAX_CROWDS);
    assert_eq!(model.crowds.order.len(), MAX_CROWDS);
}

#[test]
fn a_place_is_forgotten_once_ports_are_plenty_there() {
    let mut model = Model::new();
    let ports = 30_000..=30_999;
    model.fill(1, ports.clone());
    assert_eq!(model.find(1, &ports), None);
    assert!(model.crowds.has(&tuple(1, 0)));
    for which in 0..900 {
        model.give_back(1, which);
    }
    assert!(!model.crowds.has(&tuple(1, 0)));
    assert!(model.crowds.order.is_empty());
}
