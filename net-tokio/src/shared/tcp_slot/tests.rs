use super::{Close, Drained, TcpSlot, Written};
use crate::shared::{ChunkPool, Fault, Ready, Stop, Touch};
use bytes::Bytes;
use net_core::SocketError;
use net_core::buf::{Chunk, RecvQueue};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

const RESET: Fault = Fault::Socket(SocketError::ConnectionReset);
const BROKEN_PIPE: Stop = Stop::Fault(Fault::Socket(SocketError::BrokenPipe));

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A slot with the driver's side in single steps.
struct Rig {
    slot: TcpSlot,
    pool: ChunkPool,
    wakes: Arc<Wakes>,
    waker: Waker,
    collected: Vec<Waker>,
    written: Written,
    /// All of it, piece by piece.
    pieces: Vec<Bytes>,
    queue: RecvQueue,
}

impl Rig {
    fn new(credit: u64) -> Self {
        let wakes = Arc::new(Wakes::default());
        let mut rig = Self {
            slot: TcpSlot::new(true),
            pool: ChunkPool::new(),
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
            collected: Vec::new(),
            written: Written::default(),
            pieces: Vec::new(),
            queue: RecvQueue::default(),
        };
        rig.grant(credit, 1);
        rig
    }

    fn fill(&mut self, bytes: &'static [u8], pins: u32, finished: bool) {
        self.queue.push(Chunk {
            bytes: Bytes::from_static(bytes),
            pins,
        });
        self.slot
            .fill(&mut self.queue, finished, &mut self.collected);
        self.wake();
    }

    fn grant(&mut self, credit: u64, wake_free: u64) {
        self.slot.grant(credit, wake_free, &mut self.collected);
        self.wake();
    }

    fn fail(&mut self, fault: Fault) {
        self.slot.fail(fault, &mut self.collected);
        self.wake();
    }

    fn drain(&mut self) -> Drained {
        let drained = self.slot.drain_tx(&mut self.written);
        self.pieces.append(&mut self.written.pieces);
        if !self.written.small.is_empty() {
            self.pieces
                .push(std::mem::take(&mut self.written.small).into());
        }
        drained
    }

    fn wake(&mut self) {
        self.collected.drain(..).for_each(Waker::wake);
    }

    fn woken(&self) -> usize {
        self.wakes.0.swap(0, Ordering::Relaxed)
    }

    fn read(&self, max: usize) -> Result<Vec<u8>, Stop> {
        let mut buf = vec![0; max];
        let (len, _) = self.slot.read(&mut buf, Some(&self.waker))?;
        buf.truncate(len);
        Ok(buf)
    }

    fn write(&self, data: &[u8]) -> Result<usize, Stop> {
        let written = self.slot.write(data, &self.pool, Some(&self.waker));
        written.map(|(len, _)| len)
    }
}

#[test]
fn a_reader_gets_data_then_the_error_once_then_the_end() {
    let mut rig = Rig::new(100);
    rig.fill(b"last words", 0, false);
    rig.fail(RESET);
    assert_eq!(rig.read(4).unwrap(), b"last");
    assert_eq!(rig.read(100).unwrap(), b" words");
    assert_eq!(rig.read(100), Err(Stop::Fault(RESET)));
    assert_eq!(rig.read(100).unwrap(), b"");
    assert_eq!(rig.write(b"x"), Err(BROKEN_PIPE));
}

#[test]
fn a_writer_gets_the_error_once_then_a_broken_pipe() {
    let mut rig = Rig::new(100);
    rig.fail(RESET);
    assert_eq!(rig.write(b"x"), Err(Stop::Fault(RESET)));
    assert_eq!(rig.write(b"x"), Err(BROKEN_PIPE));
    assert_eq!(rig.read(1).unwrap(), b"");
}

#[test]
fn a_reader_that_has_seen_fin_never_sees_the_reset_behind_it() {
    let mut rig = Rig::new(100);
    rig.fill(b"all", 0, true);
    rig.fail(RESET);
    assert_eq!(rig.read(100).unwrap(), b"all");
    assert_eq!(rig.read(100).unwrap(), b"");
    assert_eq!(rig.slot.take_error(), Some(RESET));
    assert_eq!(rig.slot.take_error(), None);
}

#[test]
fn the_end_of_the_driver_is_reported_for_ever() {
    let mut rig = Rig::new(0);
    assert_eq!(rig.read(1), Err(Stop::WouldBlock));
    assert_eq!(rig.write(b"x"), Err(Stop::WouldBlock));
    rig.fail(Fault::Gone);
    rig.fail(RESET);
    assert_eq!(rig.woken(), 2);
    for _ in 0..2 {
        assert_eq!(rig.read(1), Err(Stop::Fault(Fault::Gone)));
        assert_eq!(rig.write(b"x"), Err(Stop::Fault(Fault::Gone)));
        assert_eq!(rig.slot.take_error(), Some(Fault::Gone));
    }
}

#[test]
fn shutdown_comes_behind_what_was_written() {
    let mut rig = Rig::new(100);
    assert_eq!(rig.write(b"bye"), Ok(3));
    assert_eq!(rig.slot.shutdown_write(), Touch::Kick);
    assert_eq!(rig.slot.shutdown_write(), Touch::None);
    assert_eq!(rig.write(b"x"), Err(BROKEN_PIPE));
    let drained = rig.drain();
    assert!(drained.finish);
    assert_eq!(drained.close, None);
    assert_eq!(rig.pieces, [Bytes::from_static(b"bye")]);
}

#[test]
fn a_writer_that_waits_fails_when_another_task_shuts_down() {
    let rig = Rig::new(0);
    assert_eq!(rig.write(b"x"), Err(Stop::WouldBlock));
    let _ = rig.slot.shutdown_write();
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.write(b"x"), Err(BROKEN_PIPE));
}

#[test]
fn a_writer_without_credit_is_woken_when_a_third_is_free() {
    let mut rig = Rig::new(300);
    assert_eq!(rig.write(&[0; 1000]), Ok(300));
    assert_eq!(rig.write(b"x"), Err(Stop::WouldBlock));
    rig.grant(399, 100);
    assert_eq!(rig.woken(), 0);
    assert_eq!(rig.write(b"x"), Err(Stop::WouldBlock));
    assert!(!rig.slot.readiness().contains(Ready::WRITABLE));
    rig.grant(400, 100);
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.write(&[0; 1000]), Ok(100));
}

#[test]
fn a_writer_without_credit_is_woken_by_any_when_everything_is_drained() {
    let mut rig = Rig::new(10);
    assert_eq!(rig.write(&[0; 20]), Ok(10));
    assert_eq!(rig.write(b"x"), Err(Stop::WouldBlock));
    rig.grant(11, 1);
    assert_eq!(rig.woken(), 1);
    assert_eq!(rig.write(b"xyz"), Ok(1));
}

#[test]
fn a_writer_with_credit_gets_more_at_once_and_credit_never_shrinks() {
    let mut rig = Rig::new(10);
    assert_eq!(rig.write(b"x"), Ok(1));
    rig.grant(11, 100);
    rig.grant(5, 1);
    assert_eq!(rig.write(&[0; 20]), Ok(10));
}

#[test]
fn small_writes_become_one_piece() {
    let mut rig = Rig::new(1 << 20);
    for word in ["small ", "writes ", "join"] {
        assert_eq!(rig.write(word.as_bytes()), Ok(word.len()));
    }
    let _ = rig.drain();
    assert_eq!(rig.pieces, [Bytes::from_static(b"small writes join")]);
}

#[test]
fn writes_of_all_sizes_stay_in_order() {
    let mut rig = Rig::new(u64::MAX);
    let data: Vec<u8> = (0..400_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let mut rest = &data[..];
    for len in [1, 1000, 1024, 1025, 5, 65_536, 65_537, 7, 200_000]
        .iter()
        .cycle()
    {
        let (now, later) = rest.split_at(rest.len().min(*len));
        let (front, back) = now.split_at(now.len() / 3);
        let slices = [IoSlice::new(front), IoSlice::new(&[]), IoSlice::new(back)];
        let written = rig.slot.write_vectored(&slices, &rig.pool, None);
        assert_eq!(written.unwrap().0, now.len());
        let pushed = rig.slot.push_bytes(&mut Bytes::new(), &rig.pool, None);
        assert_eq!(pushed.unwrap().0, 0);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    let _ = rig.drain();
    assert!(rig.pieces.iter().all(|piece| piece.len() <= 65_536));
    assert_eq!(rig.pieces.concat(), data);
    assert_eq!(rig.slot.written(), 400_000);
}

#[test]
fn handed_over_bytes_are_copied_only_if_few() {
    let mut rig = Rig::new(1000);
    let mut few = Bytes::from_static(&[1; 511]);
    let mut many = Bytes::from_static(&[2; 512]);
    let place = many.as_ptr();
    let pushed = rig.slot.push_bytes(&mut few, &rig.pool, None);
    assert_eq!(pushed, Ok((511, Touch::Kick)));
    let pushed = rig.slot.push_bytes(&mut many, &rig.pool, None);
    assert_eq!(pushed, Ok((489, Touch::None)));
    assert_eq!((few.len(), many.len()), (0, 23));
    let _ = rig.drain();
    assert_eq!(rig.pieces[1].as_ptr(), place);
}

#[test]
fn a_peek_sees_across_pieces_and_takes_nothing() {
    let mut rig = Rig::new(0);
    rig.fill(b"abcd", 0, false);
    assert_eq!(rig.read(1).unwrap(), b"a");
    rig.fill(b"ef", 0, false);
    let mut buf = [0; 8];
    assert_eq!(rig.slot.peek(&mut buf, None), Ok(5));
    assert_eq!(&buf[..5], b"bcdef");
    assert_eq!(rig.slot.consumed(), 1);
    assert_eq!(rig.read(8).unwrap(), b"bcdef");
    assert_eq!(rig.slot.peek(&mut buf, None), Err(Stop::WouldBlock));
    rig.fill(b"", 0, true);
    assert_eq!(rig.slot.peek(&mut buf, None), Ok(0));
}

#[test]
fn a_chunk_is_taken_without_copying() {
    static DATA: &[u8] = b"chunk";
    let mut rig = Rig::new(0);
    rig.fill(DATA, 0, true);
    let (bytes, _) = rig.slot.read_chunk(3, None).unwrap();
    assert_eq!(bytes.as_ptr(), DATA.as_ptr());
    assert_eq!(rig.slot.read_chunk(9, None).unwrap().0, b"nk"[..]);
    assert_eq!(rig.slot.read_chunk(9, None).unwrap().0, b""[..]);
    assert_eq!(rig.slot.consumed(), 5);
}

#[test]
fn a_read_past_the_window_mark_kicks() {
    let mut rig = Rig::new(0);
    rig.fill(b"abcdef", 0, false);
    assert_eq!(rig.slot.set_window_mark(3), 0);
    let mut buf = [0; 2];
    assert_eq!(rig.slot.read(&mut buf, None), Ok((2, Touch::None)));
    assert_eq!(rig.slot.read(&mut buf, None), Ok((2, Touch::Kick)));
    assert_eq!(rig.slot.set_window_mark(7), 4);
    assert_eq!(rig.slot.read(&mut buf, None), Ok((2, Touch::None)));
}

#[test]
fn a_window_mark_stays_until_the_reader_is_half_way_to_it() {
    let rig = Rig::new(0);
    assert!(!rig.slot.keeps_window_mark(100, 0), "none was set");
    let _ = rig.slot.set_window_mark(100);
    assert!(rig.slot.keeps_window_mark(110, 10));
    assert!(
        !rig.slot.keeps_window_mark(90, 10),
        "it would come too late"
    );
    assert!(
        !rig.slot.keeps_window_mark(150, 60),
        "it would kick too soon"
    );
    assert!(!rig.slot.keeps_window_mark(200, 100), "it was passed");
}

#[test]
fn small_grants_wait_while_there_is_credit() {
    let mut rig = Rig::new(0);
    rig.grant(100, 1);
    assert!(rig.slot.has_enough(120, 50));
    assert!(rig.slot.has_enough(100, 200), "there is nothing to grant");
    assert!(!rig.slot.has_enough(150, 50), "so much more is worth it");
    assert_eq!(rig.write(&[0; 60]), Ok(60));
    assert!(!rig.slot.has_enough(120, 50), "little is left");
    assert_eq!(rig.write(&[0; 40]), Ok(40));
    assert!(!rig.slot.has_enough(101, 0), "a writer may wait");
}

#[test]
fn readiness_follows_the_connection() {
    let mut rig = Rig::new(0);
    assert_eq!(rig.slot.readiness(), Ready::empty());
    rig.grant(10, 1);
    assert_eq!(rig.slot.readiness(), Ready::WRITABLE);
    rig.fill(b"x", 0, false);
    assert_eq!(rig.slot.readiness(), Ready::READABLE | Ready::WRITABLE);
    rig.read(1).unwrap();
    assert_eq!(rig.slot.readiness(), Ready::WRITABLE);
    rig.fill(b"", 0, true);
    assert_eq!(rig.slot.readiness(), Ready::READ | Ready::WRITABLE);
    let _ = rig.slot.shutdown_write();
    assert_eq!(rig.slot.readiness(), Ready::READ | Ready::WRITE);
    rig.fail(RESET);
    let told_elsewhere = Ready::PRIORITY | Ready::TIMED;
    assert_eq!(rig.slot.readiness(), Ready::all() - told_elsewhere);
    rig.slot.take_error();
    assert_eq!(rig.slot.readiness(), Ready::READ | Ready::WRITE);
}

#[test]
fn a_close_with_everything_read_is_clean() {
    let mut rig = Rig::new(10);
    rig.fill(b"x", 0, true);
    rig.read(1).unwrap();
    rig.write(b"y").unwrap();
    assert_eq!(rig.slot.close(), Touch::Kick);
    assert_eq!(rig.drain().close, Some(Close::Clean));
    assert_eq!(rig.pieces, [Bytes::from_static(b"y")]);
}

#[test]
fn bytes_that_a_reader_has_taken_over_but_not_read_are_unread_at_close() {
    let mut rig = Rig::new(10);
    rig.fill(b"xy", 0, false);
    rig.read(1).unwrap();
    let _ = rig.slot.close();
    assert_eq!(rig.drain().close, Some(Close::Unread));
}

#[test]
fn small_requests_and_responses_allocate_nothing() {
    let mut rig = Rig::new(u64::MAX);
    let mut exchange = || {
        rig.fill(&[7; 100], 2048, false);
        let mut buf = [0; 200];
        assert_eq!(rig.slot.read(&mut buf, Some(&rig.waker)).unwrap().0, 100);
        let stop = rig.slot.read(&mut buf, Some(&rig.waker));
        assert_eq!(stop, Err(Stop::WouldBlock));
        assert_eq!(rig.write(&buf[..100]), Ok(100));
        let _ = rig.slot.drain_tx(&mut rig.written);
        assert_eq!(rig.written.small.len(), 100);
        rig.written.clear();
    };
    (0..10).for_each(|_| exchange());
    let allocations = allocation_counter::measure(|| (0..1000).for_each(|_| exchange()));
    assert_eq!(allocations.count_total, 0);
}

/// A reader that is always one request behind.
#[test]
fn what_was_read_of_a_backlog_that_never_ends_is_given_back() {
    let mut rig = Rig::new(0);
    rig.fill(&[7; 100], 2048, false);
    let kept = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            rig.fill(&[7; 100], 2048, false);
            assert_eq!(rig.read(100).unwrap().len(), 100);
        }
    });
    assert!(kept.bytes_max < 8192, "{} bytes", kept.bytes_max);
}

#[test]
fn bulk_writes_reuse_their_chunks() {
    let mut rig = Rig::new(u64::MAX);
    let data = vec![1; 100_000];
    let mut in_flight = std::collections::VecDeque::new();
    let mut write = |in_flight: &mut std::collections::VecDeque<Bytes>| {
        assert_eq!(rig.write(&data), Ok(data.len()));
        let _ = rig.drain();
        for piece in rig.pieces.drain(..) {
            in_flight.push_back(piece);
            if in_flight.len() > 10 {
                in_flight.pop_front();
            }
        }
    };
    (0..30).for_each(|_| write(&mut in_flight));
    let allocations = allocation_counter::measure(|| (0..1000).for_each(|_| write(&mut in_flight)));
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn an_idle_connection_keeps_little_memory() {
    assert!(
        size_of::<TcpSlot>() <= 432,
        "{} bytes",
        size_of::<TcpSlot>()
    );
    let kept = allocation_counter::measure(|| {
        let mut rig = Rig::new(u64::MAX);
        for _ in 0..64 {
            rig.fill(&[7; 1000], 2048, false);
        }
        assert_eq!(rig.read(100_000).unwrap().len(), 64_000);
        assert_eq!(rig.read(100_000), Err(Stop::WouldBlock));
        for _ in 0..64 {
            rig.write(&[7; 100]).unwrap();
        }
        let _ = rig.drain();
        rig.pieces = Vec::new();
        rig.written = Written::default();
        rig.queue = RecvQueue::default();
        std::mem::forget(rig.slot);
    });
    assert!(kept.bytes_current < 3000, "{} bytes", kept.bytes_current);
}

/// `sockatmark`: one read ends at the mark, the next begins there and goes on.
#[test]
fn reads_end_at_the_mark_and_go_on_behind_it() {
    let mut rig = Rig::new(0);
    rig.slot.set_urgent(None, true, &mut rig.collected);
    assert!(rig.slot.readiness().contains(Ready::PRIORITY));
    rig.slot.set_urgent(Some(3), true, &mut rig.collected);
    rig.fill(b"abcef", 5, false);
    let mut buf = [0; 10];
    assert_eq!(rig.slot.peek(&mut buf, None), Ok(3));
    assert_eq!(rig.slot.read(&mut buf[..2], None).expect("data").0, 2);
    assert!(!rig.slot.is_at_mark());
    assert_eq!(rig.slot.read(&mut buf, None).expect("data").0, 1);
    assert!(rig.slot.is_at_mark() && rig.slot.is_urgent());
    assert_eq!(rig.slot.peek(&mut buf, None), Ok(2));
    let (chunk, _) = rig.slot.read_chunk(1, None).expect("data");
    assert_eq!(chunk, "e");
    assert!(
        !rig.slot.is_at_mark() && !rig.slot.is_urgent(),
        "it was passed"
    );
    // The next mark comes while a read has taken over what is in front of it.
    rig.slot.set_urgent(Some(8), true, &mut rig.collected);
    rig.fill(b"ghijk", 5, false);
    assert_eq!(rig.slot.read(&mut buf, None).expect("data").0, 4);
    assert_eq!(&buf[..4], b"fghi");
    rig.slot.took_urgent();
    assert!(!rig.slot.readiness().contains(Ready::PRIORITY));
    assert_eq!(rig.slot.read(&mut buf, None).expect("data").0, 2);
}
