//! Rules, hooks and flows of a stack that runs.

use net_core::conntrack::TrackConfig;
use net_core::hook::{Hook, HookPoint, PacketView, Verdict};
use net_core::stats::DropReason;
use net_core::{Instant, Seed};
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Net, UdpSocket};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A host, and a socket of another one that sends to it.
struct Pair {
    host: Net,
    socket: UdpSocket,
    peer: UdpSocket,
    /// The other host lives as long as this.
    _other: Net,
}

impl Pair {
    async fn new() -> Self {
        let link = LinkConfig::default;
        let (left, right) = pair(link(), link(), Seed::from_u64(3));
        let host = Net::builder().device("link0", left).address("10.0.0.1/24");
        let other = Net::builder().device("link0", right).address("10.0.0.2/24");
        let host = host.build().expect("a stack");
        let other = other.build().expect("a stack");
        let socket = UdpSocket::bind_on(&host, "10.0.0.1:7").await.expect("bind");
        let peer = UdpSocket::bind_on(&other, "10.0.0.2:9")
            .await
            .expect("bind");
        Self {
            host,
            socket,
            peer,
            _other: other,
        }
    }

    /// Whether a datagram gets there.
    async fn passes(&self) -> bool {
        self.peer.send_to(b"x", "10.0.0.1:7").await.expect("room");
        let mut buf = [0; 10];
        let received = timeout(Duration::from_secs(1), self.socket.recv(&mut buf));
        received.await.is_ok()
    }
}

/// Counts packets, and lets them pass or not.
#[derive(Debug)]
struct Count(Arc<AtomicUsize>, Verdict);

impl Hook for Count {
    fn apply(&mut self, _: HookPoint, _: &mut PacketView<'_>, _: Instant) -> Verdict {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1
    }
}

/// Keeps the fields of events with the target of the filter.
struct Events(Arc<Mutex<Vec<String>>>);

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "net_tokio::filter"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                write!(self.0, "{}={value:?} ", field.name()).expect("strings take everything");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().expect("no panic").push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn what_rules_write_down_are_events() {
    let events = Arc::default();
    let _guard = tracing::subscriber::set_default(Events(Arc::clone(&events)));
    let pair = Pair::new().await;
    let rules = "table ip t { chain c { type filter hook input priority 0;
                 udp dport 7 log prefix \"seven\" drop; } }";
    let rules = rules.parse().expect("rules of our own");
    pair.host.set_filter(rules).expect("alive");
    assert!(!pair.passes().await);
    let told = events.lock().expect("no panic").clone();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in [
        "message=seven",
        "source=10.0.0.2",
        "dest=10.0.0.1",
        "protocol=17",
        "(9, 7)",
        "len=29",
        "link0",
    ] {
        assert!(told[0].contains(part), "{part} is not in {told:?}");
    }
    pair.host.clear_filter().expect("alive");
    assert!(pair.passes().await);
    assert_eq!(events.lock().expect("no panic").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn hooks_and_queues_are_asked_until_they_are_taken_away() {
    let pair = Pair::new().await;
    let counts: [Arc<AtomicUsize>; 2] = Default::default();
    let counted = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    let hook = Count(Arc::clone(&counts[0]), Verdict::Accept);
    let hook = pair.host.add_hook(HookPoint::LocalIn, -10, hook);
    let hook = hook.expect("alive");
    assert!(pair.passes().await);
    assert_eq!(counted(), [1, 0]);

    let rules = "table ip t { chain c { type filter hook input priority 0;
                 udp dport 7 queue num 3; } }";
    let rules = rules.parse().expect("rules of our own");
    let queue = Count(Arc::clone(&counts[1]), Verdict::Drop);
    let before = pair.host.set_filter_queue(3, queue).expect("alive");
    assert!(before.is_none());
    pair.host.set_filter(rules).expect("alive");
    assert!(!pair.passes().await);
    assert_eq!(counted(), [2, 1]);
    let queue = Count(Arc::clone(&counts[1]), Verdict::Accept);
    let before = pair.host.set_filter_queue(3, queue).expect("alive");
    assert!(before.is_some());
    assert!(pair.passes().await);

    let gone = pair.host.remove_hook(hook).expect("alive");
    assert!(gone.is_some());
    assert!(pair.passes().await);
    assert_eq!(counted(), [3, 3]);
    assert_eq!(pair.host.stats().drops(DropReason::Hook), 1);
}

#[tokio::test(start_paused = true)]
async fn flows_are_followed_while_that_is_wanted() {
    let pair = Pair::new().await;
    assert!(pair.host.track_stats().is_none());
    let tracking = Some(TrackConfig::default());
    pair.host.set_tracking(tracking).expect("alive");
    assert!(pair.passes().await && pair.passes().await);
    let flows = pair.host.flows();
    assert_eq!(flows.len(), 1, "{flows:?}");
    pair.host.set_tracking(None).expect("alive");
    assert!(pair.host.flows().is_empty() && pair.host.track_stats().is_none());
    assert!(pair.passes().await);
}
