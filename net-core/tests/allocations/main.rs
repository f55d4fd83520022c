//! In the steady state the stack allocates nothing, and sockets that do nothing cost nothing.

mod counting;
mod floods;
mod joined;

use bytes::Bytes;
use joined::{Crossing, Joined};
use net_core::buf::RecvQueue;
use net_core::socket::Readiness;
use net_core::tcp::RecvFlags;
use net_core::{Instant, SocketId};

static DATA: [u8; 65536] = [7; 65536];

/// Both hosts send and receive as much as they can, `rounds` times; the bytes that arrived.
fn bulk(joined: &mut Joined, ends: [SocketId; 2], queue: &mut RecvQueue, rounds: usize) -> usize {
    let mut received = 0;
    for _ in 0..rounds {
        for (host, id) in ends.into_iter().enumerate() {
            let now = joined.now;
            let mut tcp = joined.hosts[host].stack.tcp(id, now).expect("open");
            let count = tcp.take(queue);
            queue.discard(count);
            tcp.consume(count);
            received += count;
            while tcp.pushed() + 65536 <= tcp.send_limit() {
                tcp.push(Bytes::from_static(&DATA)).expect("open");
            }
        }
        joined.cross();
    }
    received
}

#[test]
fn a_steady_transfer_both_ways_allocates_nothing() {
    let mut joined = Joined::new(Crossing::Shared);
    let ends = joined.connect();
    let mut queue = RecvQueue::default();
    bulk(&mut joined, ends, &mut queue, 1000);
    let before = counting::allocations();
    let received = bulk(&mut joined, ends, &mut queue, 1000);
    let allocations = counting::allocations() - before;
    assert!(received > 100 << 20, "only {received} bytes went through");
    assert_eq!(allocations, 0, "{received} bytes");
}

/// One byte there and one byte back, `count` times.
fn round_trips(joined: &mut Joined, ends: [SocketId; 2], count: usize) {
    let mut buf = [0; 16];
    for _ in 0..count {
        for (from, to) in [(0, 1), (1, 0)] {
            let now = joined.now;
            let mut tcp = joined.hosts[from].stack.tcp(ends[from], now).expect("open");
            tcp.push(Bytes::from_static(&DATA[..1])).expect("open");
            drop(tcp);
            joined.cross();
            let now = joined.now;
            let mut tcp = joined.hosts[to].stack.tcp(ends[to], now).expect("open");
            assert_eq!(tcp.recv(&mut buf, RecvFlags::empty()), Ok(1));
        }
    }
}

#[test]
fn a_request_and_its_response_allocate_nothing() {
    let mut joined = Joined::new(Crossing::Copied);
    let ends = joined.connect();
    round_trips(&mut joined, ends, 2000);
    let before = counting::allocations();
    round_trips(&mut joined, ends, 1000);
    assert_eq!(counting::allocations() - before, 0);
}

/// A clock cannot show it without noise, so this looks at what a scan or a stray timer would leave
/// behind: events of idle sockets, packets, deadlines, allocations.
#[test]
fn a_hundred_thousand_idle_sockets_cost_the_active_one_nothing() {
    let trace = |idle: usize| {
        let mut joined = Joined::new(Crossing::Copied);
        let before = counting::bytes_held();
        for port in 0..4 {
            let listener = joined.listen(1000 + port);
            for _ in 0..idle / 4 {
                joined.connect_to(listener);
            }
        }
        // Timers of the handshakes are allowed to end in peace.
        joined.rest_until(Instant::from_millis(100_000));
        let held = counting::bytes_held().saturating_sub(before);
        let ends = joined.connect();
        round_trips(&mut joined, ends, 2000);
        joined.trace.clear();
        let begin = joined.now;
        let before = counting::allocations();
        joined.tracing = true;
        round_trips(&mut joined, ends, 500);
        let allocations = counting::allocations() - before;
        let mut seen = Vec::new();
        for (at, host, event, deadline) in &joined.trace {
            let event = event.map(|event| {
                assert_eq!(event.socket, ends[*host], "an idle socket has an event");
                event.ready
            });
            let relative = |at: Instant| at.saturating_since(begin);
            seen.push((relative(*at), *host, event, deadline.map(relative)));
        }
        (seen, allocations, held)
    };
    let (alone, _, _) = trace(0);
    let (crowded, allocations, held) = trace(100_000);
    assert!(alone.iter().any(|(_, _, event, _)| {
        event.is_some_and(|ready: Readiness| ready.contains(Readiness::READABLE))
    }));
    assert_eq!(allocations, 0);
    assert!(alone == crowded, "events or deadlines differ");
    let each = held / 200_000;
    println!("{each} bytes for each end of an idle connection");
    assert!(
        each <= 3072,
        "an idle connection has become larger: {each} bytes"
    );
}
