//! Both halves of a TCP slot against its driver.

use super::{block_on, explore, pay, scaled, thread, wake};
use crate::shared::{
    ChunkPool, Close, Dirty, DirtyList, Fault, Kick, Ready, Stop, TcpSlot, Written,
};
use crate::sync::Arc;
use bytes::Bytes;
use net_core::SocketError;
use net_core::buf::{Chunk, RecvQueue};
use std::future::poll_fn;
use std::task::Poll;

struct Rig {
    slot: Arc<TcpSlot>,
    dirty: DirtyList<Arc<TcpSlot>>,
    kick: Kick,
    pool: ChunkPool,
}

impl Rig {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            slot: Arc::new(TcpSlot::new(true)),
            dirty: DirtyList::new(),
            kick: Kick::new(),
            pool: ChunkPool::new(),
        })
    }

    /// Arrival of `bytes`.
    fn fill(&self, bytes: &'static [u8], finished: bool) {
        let mut queue = RecvQueue::default();
        queue.push(Chunk {
            bytes: Bytes::from_static(bytes),
            pins: 0,
        });
        let mut wakes = Vec::new();
        self.slot.fill(&mut queue, finished, &mut wakes);
        wake(wakes);
    }

    /// Runs `round` over the slot whenever it is dirty, until it says that all is done.
    fn drive(&self, mut round: impl FnMut(&TcpSlot) -> bool) {
        let mut slots = Vec::new();
        block_on(poll_fn(|context| {
            self.kick.register(context.waker());
            let mut done = false;
            if let Some(right) = self.kick.try_run() {
                self.dirty.drain(&mut slots);
                for slot in slots.drain(..) {
                    slot.clean();
                    done |= round(&slot);
                }
                if right.finish(false) {
                    context.waker().wake_by_ref();
                }
            }
            if done { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
}

async fn read(rig: &Rig, buf: &mut [u8]) -> usize {
    poll_fn(|context| match rig.slot.read(buf, Some(context.waker())) {
        Ok((len, touch)) => {
            pay(touch, &rig.slot, &rig.dirty, &rig.kick);
            Poll::Ready(len)
        }
        Err(Stop::WouldBlock) => Poll::Pending,
        Err(Stop::Fault(fault)) => panic!("{fault:?}"),
    })
    .await
}

#[test]
fn a_reader_that_passes_the_window_mark_is_never_overlooked() {
    explore(|| {
        let rig = Rig::new();
        rig.fill(b"abcd", false);
        let reader = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                let mut kicks = false;
                for _ in 0..2 {
                    let (len, touch) = rig.slot.read(&mut [0; 2], None).expect("four are here");
                    assert_eq!(len, 2);
                    kicks |= touch == crate::shared::Touch::Kick;
                }
                kicks
            })
        };
        let seen = rig.slot.set_window_mark(4);
        let kicked = reader.join().expect("reader runs");
        assert!(seen >= 4 || kicked, "the window would stay shut");
    });
}

#[test]
fn a_reader_that_passes_a_mark_that_moves_on_kicks() {
    explore(|| {
        let rig = Rig::new();
        rig.fill(b"abcd", false);
        let _ = rig.slot.set_window_mark(2);
        let reader = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                let (_, _) = rig.slot.read(&mut [0; 2], None).expect("four are here");
                let (len, touch) = rig.slot.read(&mut [0; 2], None).expect("two are left");
                len == 2 && touch == crate::shared::Touch::Kick
            })
        };
        let _ = rig.slot.set_window_mark(4);
        assert!(
            reader.join().expect("reader runs"),
            "the window would stay shut"
        );
    });
}

#[test]
fn a_driver_that_was_kicked_sees_how_far_the_reader_is() {
    explore(|| {
        let rig = Rig::new();
        rig.fill(b"abcd", false);
        let _ = rig.slot.set_window_mark(1);
        let reader = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                for _ in 0..2 {
                    assert_eq!(block_on(read(&rig, &mut [0; 2])), 2);
                }
            })
        };
        rig.drive(|slot| slot.consumed() == 4);
        reader.join().expect("reader runs");
    });
}

#[test]
fn a_writer_with_little_credit_gets_everything_out_in_order() {
    const LEN: usize = scaled(2, 500);
    explore(|| {
        let rig = Rig::new();
        let writer = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                for index in 0..LEN {
                    let byte = [u8::try_from(index % 251).expect("below 251")];
                    block_on(poll_fn(|context| {
                        match rig.slot.write(&byte, &rig.pool, Some(context.waker())) {
                            Ok((_, touch)) => {
                                pay(touch, &rig.slot, &rig.dirty, &rig.kick);
                                Poll::Ready(())
                            }
                            Err(Stop::WouldBlock) => Poll::Pending,
                            Err(Stop::Fault(fault)) => panic!("{fault:?}"),
                        }
                    }));
                }
                let touch = rig.slot.shutdown_write();
                pay(touch, &rig.slot, &rig.dirty, &rig.kick);
            })
        };
        let mut sent = Vec::new();
        let mut written = Written::default();
        let grant = |credit: usize| {
            let mut wakes = Vec::new();
            rig.slot.grant(credit as u64, 1, &mut wakes);
            wake(wakes);
        };
        grant(1);
        rig.drive(|slot| {
            let drained = slot.drain_tx(&mut written);
            sent.extend(written.pieces.drain(..).flatten());
            sent.append(&mut written.small);
            grant(sent.len() + 1);
            drained.finish
        });
        writer.join().expect("writer runs");
        assert_eq!(sent.len(), LEN);
        assert!(
            sent.iter()
                .enumerate()
                .all(|(at, byte)| at % 251 == usize::from(*byte))
        );
    });
}

#[test]
fn data_that_arrives_around_the_close_is_unread() {
    explore(|| {
        let rig = Rig::new();
        let application = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                let touch = rig.slot.close();
                pay(touch, &rig.slot, &rig.dirty, &rig.kick);
            })
        };
        rig.fill(b"late", false);
        let mut close = None;
        rig.drive(|slot| {
            close = slot.drain_tx(&mut Written::default()).close;
            close.is_some()
        });
        assert_eq!(close, Some(Close::Unread));
        application.join().expect("application runs");
    });
}

#[test]
fn two_readers_and_a_peek_against_the_driver_keep_the_order_of_bytes() {
    explore(|| {
        let rig = Rig::new();
        let readers = [0, 1].map(|index| {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                let mut got = Vec::new();
                let mut buf = [0; 3];
                if index == 1
                    && let Ok(len) = rig.slot.peek(&mut buf, None)
                {
                    assert!(buf[..len].is_sorted());
                }
                for _ in 0..scaled(1, 4) {
                    if let Ok((len, _)) = rig.slot.read(&mut buf, None) {
                        assert!(buf[..len].windows(2).all(|pair| pair[0] + 1 == pair[1]));
                        got.extend_from_slice(&buf[..len]);
                    }
                }
                assert!(got.is_sorted());
                got
            })
        });
        rig.fill(&[0, 1], false);
        rig.fill(&[2, 3, 4, 5], true);
        let mut all: Vec<u8> = readers
            .into_iter()
            .flat_map(|reader| reader.join().expect("reader runs"))
            .collect();
        let mut rest = [0; 6];
        let (len, _) = rig.slot.read(&mut rest, None).expect("data or the end");
        all.sort_unstable();
        all.extend_from_slice(&rest[..len]);
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_reader_is_woken_by_data_and_by_the_end() {
    explore(|| {
        let rig = Rig::new();
        let driver = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                rig.fill(b"x", false);
                rig.fill(b"", true);
            })
        };
        let mut buf = [0; 4];
        assert_eq!(block_on(read(&rig, &mut buf)), 1);
        assert_eq!(block_on(read(&rig, &mut buf)), 0);
        driver.join().expect("driver runs");
    });
}

#[test]
fn a_task_that_waits_for_readiness_and_one_that_reads_are_both_woken() {
    explore(|| {
        let rig = Rig::new();
        let waiter = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || block_on(rig.slot.ready(Ready::READ)))
        };
        let driver = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || rig.fill(b"x", true))
        };
        assert_eq!(block_on(read(&rig, &mut [0; 4])), 1);
        let ready = waiter.join().expect("waiter runs");
        assert!(ready.contains(Ready::READABLE));
        driver.join().expect("driver runs");
    });
}

#[test]
fn a_failure_ends_every_wait() {
    explore(|| {
        let rig = Rig::new();
        let reader = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                block_on(poll_fn(|context| {
                    match rig.slot.read(&mut [0; 4], Some(context.waker())) {
                        Err(Stop::WouldBlock) => Poll::Pending,
                        other => Poll::Ready(other.map(|(len, _)| len)),
                    }
                }))
            })
        };
        let driver = {
            let rig = Arc::clone(&rig);
            thread::spawn(move || {
                let mut wakes = Vec::new();
                let fault = Fault::Socket(SocketError::ConnectionReset);
                rig.slot.fail(fault, &mut wakes);
                wake(wakes);
            })
        };
        let written = block_on(poll_fn(|context| {
            match rig.slot.write(b"x", &rig.pool, Some(context.waker())) {
                Err(Stop::WouldBlock) => Poll::Pending,
                other => Poll::Ready(other.map(|(len, _)| len)),
            }
        }));
        driver.join().expect("driver runs");
        let read = reader.join().expect("reader runs");
        let reset = Stop::Fault(Fault::Socket(SocketError::ConnectionReset));
        let pipe = Stop::Fault(Fault::Socket(SocketError::BrokenPipe));
        assert!(
            (written == Err(reset) && read == Ok(0))
                || (written == Err(pipe) && read == Err(reset)),
            "the error is reported once: {written:?} {read:?}"
        );
    });
}

#[test]
fn connect_waits_for_its_outcome() {
    explore(|| {
        let slot = Arc::new(TcpSlot::new(false));
        let driver = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                let mut wakes = Vec::new();
                slot.grant(10, 1, &mut wakes);
                slot.set_connected(&mut wakes);
                wake(wakes);
            })
        };
        let outcome = block_on(poll_fn(|context| slot.poll_connect(context.waker())));
        assert_eq!(outcome, Ok(()));
        assert_eq!(slot.readiness(), Ready::WRITABLE);
        driver.join().expect("driver runs");
    });
}
