//! Devices that have no room: what they refuse waits at the head of the queue (SPEC 90).

use net_core::buf::{RxBatch, TxBatch};
use net_core::qdisc::{FqCodel, FqCodelConfig, PfifoFast};
use net_core::{DeviceCaps, Instant, Seed};
use net_tokio::clock::Clock;
use net_tokio::device::{Device, LinkConfig, PairEnd, pair};
use net_tokio::{Net, TcpListener, TcpStream, UdpSocket};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A device that lets packets through to another one as its [`Gate`] says.
struct Gated {
    device: PairEnd,
    gate: Arc<Mutex<Gate>>,
    passing: TxBatch,
}

#[derive(Default)]
struct Gate {
    /// Packets that it lets through before it is shut.
    room: usize,
    /// So many fit anew each time that it was found shut; the device says so at once.
    reopens: Option<Box<dyn Iterator<Item = usize> + Send>>,
    /// Who is to hear that it has been opened.
    waiting: Option<Waker>,
    /// How often packets were brought.
    asked: usize,
    /// The packets that went through.
    passed: Vec<Vec<u8>>,
}

impl Gated {
    fn new(device: PairEnd) -> (Self, Arc<Mutex<Gate>>) {
        let gate = Arc::<Mutex<Gate>>::default();
        let this = Self {
            device,
            gate: Arc::clone(&gate),
            passing: TxBatch::default(),
        };
        (this, gate)
    }
}

impl Device for Gated {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn attach(&mut self, clock: Clock) {
        self.device.attach(clock);
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut RxBatch,
        budget: usize,
    ) -> Poll<io::Result<usize>> {
        self.device.poll_recv(cx, batch, budget)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut TxBatch,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        let mut gate = self.gate.lock().expect("whole");
        gate.asked += 1;
        let count = batch.len().min(gate.room);
        gate.room -= count;
        for packet in &mut batch.packets_mut()[..count] {
            let packet = mem::take(&mut **packet);
            gate.passed
                .push([&packet.head[..], &packet.body.concat()].concat());
            self.passing.push(packet);
        }
        batch.drop_front(count);
        let sent = self.device.poll_send(cx, &mut self.passing, now);
        assert!(sent.is_ready(), "the link behind it has room");
        if batch.is_empty() {
            return sent;
        }
        match gate.reopens.as_mut().and_then(Iterator::next) {
            Some(room) => {
                gate.room = room;
                cx.waker().wake_by_ref();
            }
            None => gate.waiting = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn inline(&self) -> bool {
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }
}

/// A host behind a gate, and one at the other end of its link.
fn hosts() -> ([Net; 2], Arc<Mutex<Gate>>) {
    let link = LinkConfig::default;
    let (near, far) = pair(link(), link(), Seed::from_u64(1));
    let (near, gate) = Gated::new(near);
    let near = Net::builder().device("link0", near).address("10.0.0.1/24");
    let far = Net::builder().device("link0", far).address("10.0.0.2/24");
    let hosts = [near, far].map(|host| host.build().expect("a stack"));
    (hosts, gate)
}

/// Sends datagrams with these numbers and this type of service.
async fn send(from: &Net, tos: u32, numbers: std::ops::Range<u8>) {
    let socket = UdpSocket::bind_on(from, "10.0.0.1:0").await.expect("free");
    socket.set_tos_v4(tos).expect("alive");
    let to = SocketAddr::from(([10, 0, 0, 2], 9));
    for number in numbers {
        assert_eq!(socket.try_send_to(&[number], to).expect("room"), 1);
    }
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_a_busy_device_refuses_waits_where_the_discipline_reaches_it() {
    let ([near, far], gate) = hosts();
    let inbox = UdpSocket::bind_on(&far, "10.0.0.2:9").await.expect("free");
    send(&near, BULK, 0..5).await;
    settle().await;
    let asked = gate.lock().expect("whole").asked;
    let stats = near.qdisc_stats("link0").expect("it is there");
    assert_eq!(stats.backlog_packets, 5, "none is elsewhere");
    assert_eq!(stats.requeues, asked as u64, "one packet asks for room");
    settle().await;
    assert_eq!(gate.lock().expect("whole").asked, asked, "it does not spin");
    let set = near.set_qdisc("link0", |_| PfifoFast::default());
    set.expect("it is there");
    send(&near, INTERACTIVE, 5..7).await;
    // Busy twice.
    for room in [3, 100] {
        let waiting = {
            let mut gate = gate.lock().expect("whole");
            gate.room = room;
            gate.waiting.take()
        };
        waiting.expect("it is to be told").wake();
        settle().await;
    }
    let mut numbers = Vec::new();
    for _ in 0..7 {
        let mut byte = [0];
        inbox.recv(&mut byte).await.expect("none is lost");
        numbers.extend(byte);
    }
    assert_eq!(numbers, [0, 5, 6, 1, 2, 3, 4]);
    let stats = near.qdisc_stats("link0").expect("it is there");
    assert_eq!((stats.backlog_packets, stats.dropped), (0, 0));
    let report = near.qdisc_report("link0").expect("it is there");
    assert!(!report.contains("requeues 0"), "{report}");
}

/// TCP goes past an empty queue, but not past what the device gave back.
#[tokio::test]
async fn a_stream_keeps_its_order_over_a_device_that_is_often_busy() {
    for fair in [false, true] {
        let ([near, far], gate) = hosts();
        if fair {
            let set = near.set_qdisc("link0", |_| {
                FqCodel::new(FqCodelConfig::default(), Seed::from_u64(2))
            });
            set.expect("it is there");
        }
        gate.lock().expect("whole").reopens =
            Some(Box::new([1, 0, 3, 2, 0, 0, 7].into_iter().cycle()));
        let listener = TcpListener::bind_on(&far, "10.0.0.2:80").await;
        let listener = listener.expect("free");
        let mut writer = TcpStream::connect_on(&near, "10.0.0.2:80")
            .await
            .expect("a listener");
        let (mut reader, _) = listener.accept().await.expect("a connection");
        let data: Vec<u8> = (0..=250).cycle().take(BYTES).collect();
        let writing = async {
            writer.write_all(&data).await.expect("alive");
            writer.shutdown().await.expect("alive");
        };
        let mut read = Vec::new();
        let reading = async { reader.read_to_end(&mut read).await.expect("alive") };
        tokio::join!(writing, reading);
        assert!(read == data);
        let stats = near.qdisc_stats("link0").expect("it is there");
        assert!(stats.requeues > 0 && stats.dropped == 0, "{stats:?}");
        let gate = gate.lock().expect("whole");
        let mut sequence: Vec<u32> = gate
            .passed
            .iter()
            .map(|packet| sequence_of(packet))
            .collect();
        assert!(sequence.len() > BYTES / 1460);
        let in_order = sequence.is_sorted_by_key(|number| number.wrapping_sub(sequence[0]));
        assert!(in_order, "{sequence:?}");
        sequence.dedup();
        assert!(sequence.len() > BYTES / 1460, "nothing left twice");
    }
}

/// The sequence number of a TCP segment behind an IPv4 header.
fn sequence_of(packet: &[u8]) -> u32 {
    let bytes = packet[24..28].try_into();
    u32::from_be_bytes(bytes.expect("four"))
}

const BYTES: usize = 1 << 20;
/// Types of service that Linux has in its last band, and in its first.
const BULK: u32 = 0x08;
const INTERACTIVE: u32 = 0x10;
