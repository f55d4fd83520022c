//! Several datagrams in a call.

use net_core::buf::{RxBatch, TxBatch};
use net_core::socket::{Operation, Policy};
use net_core::udp::{Datagram, SendMeta};
use net_core::{DeviceCaps, Instant, Seed, SocketError};
use net_tokio::clock::Clock;
use net_tokio::device::{Device, LinkConfig, PairEnd, pair};
use net_tokio::{Net, UdpSocket};
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A link that counts how often packets are brought to it, and can be shut.
struct Counted {
    link: PairEnd,
    gate: Arc<Mutex<Gate>>,
}

#[derive(Default)]
struct Gate {
    calls: usize,
    shut: bool,
    /// Who is to hear that it has been opened.
    waiting: Option<Waker>,
}

impl Device for Counted {
    fn caps(&self) -> DeviceCaps {
        self.link.caps()
    }

    fn mtu(&self) -> u16 {
        self.link.mtu()
    }

    fn attach(&mut self, clock: Clock) {
        self.link.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        self.link.poll_recv(cx, batch, budget)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        let mut gate = self.gate.lock().expect("whole");
        gate.calls += 1;
        if gate.shut {
            gate.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(gate);
        self.link.poll_send(cx, batch, now)
    }

    fn inline(&self) -> bool {
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }
}

/// Two hosts with a link, and a socket on each.
struct World {
    near: UdpSocket,
    far: UdpSocket,
    to: SocketAddr,
    gate: Arc<Mutex<Gate>>,
}

/// Counts how often it is asked whether something may be sent or received.
#[derive(Debug, Clone, Default)]
struct Asked {
    sends: Arc<AtomicUsize>,
    receives: Arc<AtomicUsize>,
}

impl Policy for Asked {
    fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        match operation {
            Operation::Send { .. } => self.sends.fetch_add(1, Ordering::Relaxed),
            Operation::Recv { .. } => self.receives.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        Ok(())
    }
}

impl World {
    async fn new() -> Self {
        Self::with_policy(None).await
    }

    /// With a policy on the near host.
    async fn with_policy(policy: Option<Asked>) -> Self {
        let gate = Arc::<Mutex<Gate>>::default();
        let link = || LinkConfig {
            offload: true,
            ..LinkConfig::default()
        };
        let (near, far) = pair(link(), link(), Seed::from_u64(1));
        let near = Counted {
            link: near,
            gate: Arc::clone(&gate),
        };
        let mut near = Net::builder().device("link0", near).address("10.0.0.1/24");
        if let Some(policy) = policy {
            near = near.policy(policy);
        }
        let far = Net::builder().device("link0", far).address("10.0.0.2/24");
        let near = near.build().expect("a stack");
        let far = far.build().expect("a stack");
        let near = UdpSocket::bind_on(&near, "10.0.0.1:0").await;
        let far = UdpSocket::bind_on(&far, "10.0.0.2:9").await.expect("free");
        Self {
            near: near.expect("free"),
            to: far.local_addr().expect("bound"),
            far,
            gate,
        }
    }

    fn shut(&self) {
        self.gate.lock().expect("whole").shut = true;
    }

    fn open(&self) {
        let waiting = {
            let mut gate = self.gate.lock().expect("whole");
            gate.shut = false;
            gate.waiting.take()
        };
        waiting.expect("it is told").wake();
    }

    /// How often packets have been brought to the link since this was last asked.
    fn calls(&self) -> usize {
        std::mem::take(&mut self.gate.lock().expect("whole").calls)
    }

    fn numbered(&self, numbers: std::ops::Range<u8>) -> Vec<([u8; 1], SendMeta)> {
        let to = SendMeta::to(self.to);
        numbers.map(|number| ([number], to)).collect()
    }
}

fn first_bytes(datagrams: &[Datagram]) -> Vec<u8> {
    datagrams.iter().map(|each| each.payload[0]).collect()
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_batch_is_one_pass_through_the_stack() {
    let world = World::new().await;
    settle().await;
    world.calls();
    let batch = world.numbered(0..32);
    for (payload, meta) in &batch {
        world.near.try_send_with(payload, *meta).expect("room");
    }
    assert_eq!(world.calls(), 32, "each by itself");
    assert_eq!(world.near.try_send_many(&batch).expect("room"), 32);
    assert_eq!(world.calls(), 1, "all at once");
    settle().await;
    let mut received = Vec::new();
    for expected in [40, 24] {
        let got = world.far.recv_many(&mut received, 40).await.expect("there");
        assert_eq!(got, expected);
    }
    let numbers: Vec<u8> = (0..32).chain(0..32).collect();
    assert_eq!(first_bytes(&received), numbers);
    let nothing = world.far.try_recv_many(&mut received, 1);
    assert_eq!(nothing.expect_err("empty").kind(), ErrorKind::WouldBlock);
    assert_eq!(world.far.try_recv_many(&mut received, 0).expect("none"), 0);
}

#[tokio::test]
async fn each_datagram_of_a_batch_leaves_as_its_own_meta_says() {
    let world = World::new().await;
    let to = SendMeta::to(world.to);
    let tos = SendMeta {
        tos: Some(0x2e << 2),
        ..to
    };
    let train = SendMeta {
        segment: Some(500),
        ttl: Some(9),
        ..to
    };
    let batch = [
        (vec![1; 1], to),
        (vec![2; 900], tos),
        (vec![3; 1300], train),
    ];
    assert_eq!(world.near.send_many(&batch).await.expect("room"), 3);
    settle().await;
    let mut received = Vec::new();
    assert_eq!(
        world.far.recv_many(&mut received, 9).await.expect("there"),
        5
    );
    let seen: Vec<_> = received
        .iter()
        .map(|each| (each.payload[0], each.payload.len(), each.tos, each.ttl))
        .collect();
    let cut = |len| (3, len, 0, 9);
    let usual = received[0].ttl;
    let expected = [
        (1, 1, 0, usual),
        (2, 900, 0xb8, usual),
        cut(500),
        cut(500),
        cut(300),
    ];
    assert_eq!(seen, expected);
    assert!(received.iter().all(|each| each.segment.is_none()));
}

#[tokio::test]
async fn a_train_is_one_buffer_with_its_size_where_the_socket_asks() {
    let world = World::new().await;
    world.far.set_gro(true).expect("alive");
    assert!(world.far.gro().expect("alive"));
    let train = SendMeta {
        segment: Some(500),
        ..SendMeta::to(world.to)
    };
    let batch = [(vec![1; 1300], train), (vec![2; 500], train)];
    assert_eq!(world.near.send_many(&batch).await.expect("room"), 2);
    settle().await;
    let mut received = Vec::new();
    assert_eq!(
        world.far.recv_many(&mut received, 9).await.expect("there"),
        2
    );
    assert_eq!(received[0].segment, Some(500));
    let lens: Vec<usize> = received[0].payloads().map(|each| each.len()).collect();
    assert_eq!(lens, [500, 500, 300]);
    assert_eq!((received[1].segment, received[1].count()), (None, 1));
}

#[tokio::test]
async fn what_is_wrong_with_a_later_datagram_ends_the_batch_before_it() {
    let world = World::new().await;
    let to = SendMeta::to(world.to);
    let nowhere = SendMeta::to("192.0.2.1:9".parse().expect("an address"));
    let unreachable = [
        (vec![1], to),
        (vec![2], to),
        (vec![3], nowhere),
        (vec![4], to),
    ];
    assert_eq!(world.near.send_many(&unreachable).await.expect("two"), 2);
    let error = world.near.send_many(&unreachable[2..]).await;
    assert_eq!(
        error.expect_err("no way").kind(),
        ErrorKind::NetworkUnreachable
    );
    let too_long = [(vec![5], to), (vec![6; 70_000], to)];
    assert_eq!(world.near.send_many(&too_long).await.expect("one"), 1);
    let error = world.near.try_send_many(&too_long[1..]);
    assert_eq!(error.expect_err("too long").raw_os_error(), Some(90));
    settle().await;
    let mut received = Vec::new();
    world.far.recv_many(&mut received, 9).await.expect("there");
    assert_eq!(first_bytes(&received), [1, 2, 5]);
    assert_eq!(world.near.send_many::<&[u8]>(&[]).await.expect("none"), 0);
}

#[tokio::test]
async fn a_batch_is_taken_as_far_as_there_is_room_and_goes_on_in_order() {
    const LONG: usize = 1000;
    let world = World::new().await;
    let limit = 4 * LONG;
    world
        .near
        .set_send_buffer_size(u32::try_from(limit).expect("small"))
        .expect("alive");
    world.shut();
    let to = SendMeta::to(world.to);
    let all: Vec<_> = (0..40).map(|number| (vec![number; LONG], to)).collect();
    let mut sent = 0;
    let mut counts = Vec::new();
    let error = loop {
        match world.near.try_send_many(&all[sent..]) {
            Ok(count) => {
                sent += count;
                counts.push(count);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    // Into the stack's buffer, and then as many wait for the driver.
    assert!(
        counts.len() >= 2 && counts.iter().all(|&count| count < 40),
        "{counts:?}"
    );
    assert!((4..=12).contains(&sent), "{counts:?}");
    world.open();
    let mut received = Vec::new();
    // Two at least with each call.
    for _ in 0..all.len() {
        sent += world.near.send_many(&all[sent..]).await.expect("alive");
        settle().await;
        let _ = world.far.try_recv_many(&mut received, 64);
    }
    assert_eq!(first_bytes(&received), (0..40).collect::<Vec<u8>>());
}

/// Not even copied.
#[tokio::test]
async fn no_more_of_a_batch_is_taken_than_the_send_buffer_holds() {
    const LONG: usize = 50_000;
    let world = World::new().await;
    world.near.set_send_buffer_size(100_000).expect("alive");
    let all = vec![(vec![1; LONG], SendMeta::to(world.to)); 64];
    let mut sent = 0;
    let allocated = allocation_counter::measure(|| {
        sent = world.near.try_send_many(&all).expect("room");
    });
    assert!((1..=2).contains(&sent), "{sent}");
    let bytes = allocated.bytes_total;
    assert!(bytes < 20 * LONG as u64, "{bytes} bytes for {sent}");
}

/// A payload that says once what it is, and uses the stack to do so.
struct Once<'a> {
    socket: &'a UdpSocket,
    asked: Cell<bool>,
}

impl AsRef<[u8]> for Once<'_> {
    fn as_ref(&self) -> &[u8] {
        assert!(!self.asked.replace(true), "asked again");
        self.socket.ttl().expect("alive");
        b"once"
    }
}

#[tokio::test]
async fn a_payload_is_asked_once_and_may_use_the_stack() {
    let world = World::new().await;
    world.near.set_send_buffer_size(5000).expect("alive");
    let to = SendMeta::to(world.to);
    let batch = || {
        let each = || Once {
            socket: &world.near,
            asked: Cell::new(false),
        };
        [(each(), to), (each(), to)]
    };
    assert_eq!(world.near.try_send_many(&batch()).expect("room"), 2);
    // Into the stack, then into the slot, of a meta that the stack is asked about; then nowhere.
    world.shut();
    let mut sent = 0;
    let error = loop {
        match world.near.try_send_many(&batch()) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(sent > 2, "{sent}");
}

#[tokio::test]
async fn a_policy_is_asked_about_what_goes_and_once_about_what_comes() {
    let asked = Asked::default();
    let world = World::with_policy(Some(asked.clone())).await;
    let sends = || asked.sends.swap(0, Ordering::Relaxed);
    let batch = world.numbered(0..40);
    assert_eq!(world.near.try_send_many(&batch).expect("room"), 40);
    assert_eq!(sends(), 40);
    settle().await;
    world.near.set_send_buffer_size(5000).expect("alive");
    world.shut();
    let to = SendMeta::to(world.to);
    let long = vec![(vec![0; 1000], to); 40];
    let mut sent = 0;
    while let Ok(count) = world.near.try_send_many(&long) {
        sent += count;
        // One may be asked about before it is known that the stack has no room for it.
        let asked = sends();
        assert!((count..=count + 1).contains(&asked), "{asked} for {count}");
    }
    assert!(sent > 0);
    world.near.try_send_many(&long).expect_err("full");
    assert_eq!(sends(), 0, "nothing goes");
    world.open();
    let mut received = Vec::new();
    settle().await;
    let count = world.far.try_recv_many(&mut received, 100).expect("there");
    let answers: Vec<_> = (0..count)
        .map(|_| (b"", SendMeta::to(received[0].source)))
        .collect();
    assert_eq!(
        world.far.try_send_many(&answers).expect("room"),
        count.min(64)
    );
    settle().await;
    received.clear();
    let before = asked.receives.load(Ordering::Relaxed);
    let got = world.near.try_recv_many(&mut received, 100).expect("there");
    assert_eq!(got, count.min(64));
    assert_eq!(asked.receives.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn a_batch_that_is_not_awaited_to_its_end_sends_and_receives_nothing() {
    let world = World::new().await;
    let mut received = Vec::new();
    {
        let waiting = world.far.recv_many(&mut received, 9);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        let sent = world.near.send_many(&world.numbered(0..3)).await;
        assert_eq!(sent.expect("room"), 3);
        settle().await;
    }
    assert!(received.is_empty());
    let count = world.far.recv_many(&mut received, 9).await.expect("there");
    assert_eq!(count, 3);
    world.near.set_send_buffer_size(5000).expect("alive");
    world.shut();
    let to = SendMeta::to(world.to);
    let mut before = 0;
    while let Ok(count) = world.near.try_send_many(&[([1; 1000], to); 9]) {
        before += count;
    }
    {
        let late = vec![(vec![2; 1000], to); 9];
        let waiting = world.near.send_many(&late);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        world.open();
    }
    settle().await;
    received.clear();
    let count = world.far.recv_many(&mut received, 99).await.expect("there");
    assert_eq!(count, before);
    assert_eq!(first_bytes(&received), vec![1; before]);
}
