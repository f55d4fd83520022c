//! BBR's first version on a bottleneck with a drop-tail queue.

use super::model::MaxFilter;
use super::{Bbr1, State};
use crate::config::{CongestionAlgorithm, TcpConfig};
use crate::tcp::congestion::bottleneck::{self, BDP, MSS, RATE, RTT, Watched, ms, secs};
use crate::tcp::congestion::{AckSample, Congestion, CongestionControl, RateSample};
use std::vec::Vec;

type Path = bottleneck::Path<Bbr1>;

impl Watched for Bbr1 {
    type State = State;

    fn begin() -> Self {
        Self::new(MSS, 10 * MSS, 7)
    }

    fn state(&self) -> State {
        self.state
    }
}

fn is_near(path: &Path, rate: u64) -> bool {
    let bandwidth = path.control.bandwidth.max();
    bandwidth > rate / 100 * 97 && bandwidth < rate / 100 * 103
}

/// A flow that has been in ProbeBW for a while.
fn settled(buffer: u32) -> Path {
    let mut path = Path::new(buffer);
    path.runs(secs(2));
    assert_eq!(path.control.state(), State::ProbeBw);
    path
}

/// §4.3.2, §4.3.3.
#[test]
fn startup_finds_the_bandwidth_and_drain_its_queue() {
    let mut path = Path::new(4 * BDP);
    path.runs(ms(800));
    let states: Vec<_> = path.history.iter().map(|entry| entry.1).collect();
    assert_eq!(states, [State::Startup, State::Drain, State::ProbeBw]);
    assert!(is_near(&path, RATE), "{:?}", path.control);
    // cwnd bounds what Startup queues: 2.885 bandwidth-delay products less what the path holds, and three
    // quanta.
    assert!(
        path.largest_queue < 2 * BDP + BDP / 8,
        "{}",
        path.largest_queue
    );
    assert_eq!(path.lost, 0);
    assert!(path.in_flight < BDP + BDP / 3, "{}", path.in_flight);
}

/// §4.3.4: the probe's quarter is all that waits, with three quanta.
#[test]
fn a_long_flow_fills_the_pipe_with_a_bounded_queue() {
    let mut path = settled(4 * BDP);
    path.largest_queue = 0;
    let delivered = path.runs(secs(7));
    assert!(delivered > RATE * 7 * 99 / 100, "{delivered}");
    assert!(path.largest_queue < BDP * 2 / 5, "{}", path.largest_queue);
    assert_eq!(path.lost, 0);
}

/// PacingMarginPercent: what a probe has left in the queue is gone before the next one, but for the three
/// quanta. Without the margin a tenth of the pipe's bytes more stays there.
#[test]
fn between_two_probes_the_queue_empties() {
    let mut path = settled(4 * BDP);
    let mut least = u32::MAX;
    for _ in 0..200 {
        path.runs(ms(10));
        least = least.min(path.in_flight.saturating_sub(BDP));
    }
    assert!(least < BDP / 25, "{least} bytes always wait");
    let bandwidth = path.control.bandwidth.max();
    let rates = [1_250, 750, 1_000].map(|gain| bandwidth * gain * 99 / 100_000);
    let rate = path.control.pacing_rate().unwrap();
    assert!(rates.contains(&rate), "{rate} of {bandwidth}");
}

/// §4.3.4.3: flows that share a bottleneck must not probe in step, and none begins by draining.
#[test]
fn the_cycle_begins_in_any_phase_but_the_one_that_drains() {
    let mut phases: Vec<_> = (0..100_u32)
        .map(|chance| {
            let mut path = Path::new(4 * BDP);
            path.control = Bbr1::new(MSS, 10 * MSS, chance.wrapping_mul(0x1234_5677));
            path.control.full.filled = true;
            let sample = AckSample::default();
            path.control.check_drain(&sample, path.now);
            path.control.cycle.phase
        })
        .collect();
    phases.sort_unstable();
    phases.dedup();
    assert_eq!(phases, [0, 2, 3, 4, 5, 6, 7]);
}

/// §4.3.5: every ten seconds, for 200 ms, with four segments.
#[test]
fn the_round_trip_is_looked_at_every_ten_seconds() {
    let mut path = Path::new(4 * BDP);
    path.runs(secs(29));
    let visits = path.visits(State::ProbeRtt);
    assert_eq!(visits, 2);
    let at = (path.history.iter())
        .position(|entry| entry.1 == State::ProbeRtt)
        .unwrap();
    let took = path.history[at + 1].0.saturating_since(path.history[at].0);
    assert!((ms(200)..ms(400)).contains(&took), "{took:?}");
    assert_eq!(path.history[at + 1].1, State::ProbeBw);
    let min = path.control.round_trip.min.unwrap();
    assert!((RTT..RTT + ms(2)).contains(&min), "{min:?}");
    assert!(path.delivered > RATE * 29 * 95 / 100, "{}", path.delivered);
}

/// §4.2.3.4: the window shrinks by what is lost in the first round trip of each repair, and has the time
/// from one repair to the next loss to grow again, which is 1 / loss segments at the known bandwidth: an
/// equilibrium at 1 / (1 + loss² × BDP), here 97.6 %. The third version keeps to what a round trip with
/// losses has delivered, and comes to 78 %.
#[test]
fn random_losses_hardly_slow_it_down() {
    let mut path = Path::new(BDP);
    path.loses = Some(100);
    path.runs(secs(2));
    let delivered = path.runs(secs(7));
    assert!(delivered > RATE * 7 * 95 / 100, "{delivered}");
}

/// In a round trip after the other: everything that was in flight at its beginning is acknowledged.
fn sample(path: &Path, prior_delivered: u64, in_recovery: bool) -> AckSample {
    AckSample {
        acked: MSS,
        delivered: path.control.delivered + u64::from(MSS),
        rate: RateSample {
            prior_delivered,
            ..RateSample::default()
        },
        in_flight: BDP / 2 + MSS,
        in_flight_now: BDP / 2,
        in_recovery,
        ..AckSample::default()
    }
}

/// §4.2.3.4: packet conservation for the first round trip, then back to the model's window, and at the end
/// to what it was.
#[test]
fn the_first_round_trip_of_a_repair_sends_what_arrives() {
    let mut path = settled(4 * BDP);
    let before = path.control.window();
    assert!(before > BDP);
    path.control.on_loss(before, path.now);
    path.control.on_ack(&sample(&path, 0, true), path.now);
    assert_eq!(path.control.window(), BDP / 2 + MSS);
    path.control.on_ack(&sample(&path, 0, true), path.now);
    assert_eq!(path.control.window(), BDP / 2 + MSS, "it does not grow");
    let mut next = sample(&path, path.control.delivered, true);
    path.control.on_ack(&next, path.now);
    assert_eq!(path.control.window(), BDP / 2 + 2 * MSS, "it grows");
    next.lost = 3 * MSS;
    path.control.on_ack(&next, path.now);
    assert_eq!(path.control.window(), BDP / 2, "what is lost was in it");
    path.control.on_recovered(path.now);
    assert_eq!(path.control.window(), before);
}

/// Where something is lost in each round trip one repair follows the other, and packets would be conserved for
/// good. The connection tells of the repair's end and of the losses that the same acknowledgement shows before
/// it hands over the sample; once that has begun another round trip, packets are conserved again.
#[test]
fn a_repair_right_behind_another_conserves_nothing() {
    for later in [false, true] {
        let mut path = settled(4 * BDP);
        let before = path.control.window();
        path.control.on_loss(before, path.now);
        path.control.on_ack(&sample(&path, 0, true), path.now);
        path.control.on_recovered(path.now);
        if later {
            let next = sample(&path, path.control.delivered, true);
            path.control.on_ack(&next, path.now);
        }
        path.control.on_loss(before, path.now);
        path.control.on_ack(&sample(&path, 0, true), path.now);
        let conserves = path.control.window() == BDP / 2 + MSS;
        assert_eq!(conserves, later, "{}", path.control.window());
    }
}

/// As in Linux, whose recovery begins anew where it ends while something lost has not arrived: the next loss finds it
/// running, in whichever round trip that is.
#[test]
fn a_repair_goes_on_while_something_lost_has_not_arrived() {
    for arrived in [false, true] {
        let mut path = settled(4 * BDP);
        let before = path.control.window();
        path.control.on_loss(before, path.now);
        path.control.on_ack(&sample(&path, 0, true), path.now);
        path.control.on_recovered(path.now);
        for _ in 0..2 {
            let mut next = sample(&path, path.control.delivered, false);
            next.is_repairing = !arrived;
            path.control.on_ack(&next, path.now);
        }
        path.control.on_loss(before, path.now);
        path.control.on_ack(&sample(&path, 0, true), path.now);
        let conserves = path.control.window() == BDP / 2 + MSS;
        assert_eq!(conserves, arrived, "{}", path.control.window());
    }
}

/// What is sent again later, by a probe or after a timeout, is no part of a repair that was over.
#[test]
fn a_repair_that_is_over_is_not_taken_up_again() {
    for timeout in [false, true] {
        let mut path = settled(4 * BDP);
        let before = path.control.window();
        path.control.on_loss(before, path.now);
        path.control.on_ack(&sample(&path, 0, true), path.now);
        path.control.on_recovered(path.now);
        for is_repairing in [timeout, true] {
            let mut next = sample(&path, path.control.delivered, false);
            next.is_repairing = is_repairing;
            path.control.on_ack(&next, path.now);
            if timeout {
                path.control.on_rto(before, path.now);
            }
        }
        path.control.on_timeout_recovered(path.now);
        path.control.on_loss(before, path.now);
        path.control.on_ack(&sample(&path, 0, true), path.now);
        assert_eq!(path.control.window(), BDP / 2 + MSS, "{timeout}");
    }
}

/// A loss that its probe repaired (RFC 8985 §7.4.2) is over before anything could be conserved.
#[test]
fn a_loss_right_behind_one_that_a_probe_repaired_counts() {
    let mut path = settled(4 * BDP);
    let before = path.control.window();
    path.control.on_loss(before, path.now);
    path.control.on_recovered(path.now);
    path.control.on_loss(before, path.now);
    path.control.on_ack(&sample(&path, 0, true), path.now);
    assert_eq!(path.control.window(), BDP / 2 + MSS);
}

/// RFC 3168 §6.1.2: a mark in the round trip in which a repair has ended has its answer.
#[test]
fn a_mark_right_behind_a_repair_counts() {
    let mut path = settled(4 * BDP);
    let before = path.control.window();
    path.control.on_loss(before, path.now);
    path.control.on_ack(&sample(&path, 0, true), path.now);
    path.control.on_recovered(path.now);
    path.control.on_ecn(before, path.now);
    path.control.on_ack(&sample(&path, 0, false), path.now);
    assert_eq!(path.control.window(), BDP / 2 + MSS);
}

/// Linux's bbr_quantization_budget.
#[test]
fn what_is_to_be_in_flight_is_an_even_number_of_segments_and_a_probe_has_two_more() {
    let mut path = settled(4 * BDP);
    let mut target = |phase| {
        path.control.cycle.phase = phase;
        path.control.inflight(1_000)
    };
    let (probe, cruise) = (target(0), target(2));
    assert_eq!((probe - cruise, cruise % (2 * MSS)), (2 * MSS, 0));
}

/// RFC 3168 §5: a mark counts as a loss does, which here is little.
#[test]
fn a_mark_costs_a_round_trip_without_growth() {
    let mut path = settled(4 * BDP);
    let (before, rate) = (path.control.window(), path.control.pacing_rate());
    path.control.on_ecn(before, path.now);
    path.control.on_ack(&sample(&path, 0, false), path.now);
    assert_eq!(path.control.window(), BDP / 2 + MSS);
    let next = sample(&path, path.control.delivered, false);
    path.control.on_ack(&next, path.now);
    assert_eq!(path.control.window(), before);
    assert_eq!(path.control.pacing_rate(), rate);
    // The next one counts again.
    path.control.on_ecn(before, path.now);
    path.control.on_ack(&sample(&path, 0, false), path.now);
    assert_eq!(path.control.window(), BDP / 2 + MSS);
}

#[test]
fn a_timeout_leaves_the_model_in_place() {
    let mut path = settled(4 * BDP);
    let (before, bandwidth) = (path.control.window(), path.control.bandwidth.max());
    path.control.on_rto(path.in_flight, path.now);
    assert_eq!(path.control.window(), MSS);
    path.control.on_timeout_recovered(path.now);
    assert_eq!(path.control.window(), before);
    assert_eq!(path.control.bandwidth.max(), bandwidth);
}

/// §4.3.2.2 does not count what a false alarm has slowed down.
#[test]
fn a_startup_that_was_held_up_by_mistake_goes_on() {
    let mut path = Path::new(4 * BDP);
    path.runs(ms(200));
    let window = path.control.window();
    path.control.on_loss(window, path.now);
    path.control.on_ack(&sample(&path, 0, true), path.now);
    path.control.on_spurious(u32::MAX);
    assert_eq!(path.control.window(), window.max(BDP / 2 + MSS));
    assert_eq!(path.control.state(), State::Startup);
    path.runs(secs(1));
    assert!(is_near(&path, RATE), "{:?}", path.control);
}

/// §4.1.1.3, §4.1.1.5, as long as in Linux.
#[test]
fn the_bandwidth_is_forgotten_after_ten_round_trips() {
    let mut filter = MaxFilter::default();
    filter.update(9_000, 1);
    for round in 2..=11 {
        filter.update(5_000 + round, round);
        assert_eq!(filter.max(), 9_000);
    }
    filter.update(5_012, 12);
    assert_eq!(filter.max(), 5_012);
    // After round trips without samples only the new one is left.
    filter.update(1_000, 40);
    assert_eq!(filter.max(), 1_000);
}

/// §4.1.1.5, §4.3.4.4: a low rate of the application's is not the network's, and after a pause the flow
/// goes on at what the network is known to carry.
#[test]
fn an_application_that_pauses_keeps_the_known_rate() {
    let mut path = settled(4 * BDP);
    path.offered = Some(20 * u64::from(MSS));
    path.runs(secs(20));
    assert!(is_near(&path, RATE), "{:?}", path.control);
    path.control.on_restart(true, path.now);
    let bandwidth = path.control.bandwidth.max();
    assert_eq!(path.control.pacing_rate(), Some(bandwidth * 99 / 100));
    assert_eq!(path.visits(State::ProbeRtt), 0, "the pipe is empty anyway");
}

/// Ten times as much takes ten probes of eight round trips.
#[test]
fn bandwidth_that_opens_is_found_and_such_that_closes_as_well() {
    let mut path = Path::new(4 * BDP);
    path.rate = RATE / 10;
    path.runs(secs(5));
    assert!(is_near(&path, RATE / 10), "{:?}", path.control);
    path.rate = RATE;
    path.runs(secs(20));
    assert!(is_near(&path, RATE), "{:?}", path.control);
    path.rate = RATE / 10;
    path.runs(secs(20));
    assert!(path.control.bandwidth.max() < RATE / 10 * 13 / 10);
}

#[test]
fn before_anything_is_measured_the_first_window_is_paced_over_a_round_trip() {
    let path = Path::new(BDP);
    let rate = path.control.pacing_rate().unwrap();
    // 10 kB × 2.885 in 40 ms.
    assert_eq!(rate, 721_250);
}

/// §4.2.2: what hosts hold is counted by what leaves at once.
#[test]
fn the_window_has_room_for_super_segments() {
    // That of a path which is known to carry nothing.
    let window =
        |config: &TcpConfig| match Congestion::new(CongestionAlgorithm::Bbr1, MSS, config, 7) {
            Congestion::Bbr1(mut bbr) => {
                bbr.round_trip.min = Some(RTT);
                bbr.inflight(1000)
            }
            other => panic!("{other:?}"),
        };
    let mut config = TcpConfig::default();
    assert!(window(&config) < 3 * (64 << 10));
    config.segment_autosizing = false;
    // Rounded up to pairs, and a pair for a probe.
    let room = 3 * (64 << 10)..=3 * (64 << 10) + 4 * MSS;
    assert!(room.contains(&window(&config)));
}
