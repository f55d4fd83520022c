//! Listeners and datagram sockets against their driver.

use super::{block_on, explore, scaled, thread, wake};
use crate::shared::{Caller, Fault, ListenerSlot, Ready, Stop, UdpSlot};
use crate::sync::Arc;
use bytes::Bytes;
use net_core::SocketError;
use net_core::udp::SendMeta;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn push(listener: &ListenerSlot<usize>, connection: usize) {
    let mut wakes = Vec::new();
    listener
        .push(connection, &mut wakes)
        .expect("the listener is open");
    wake(wakes);
}

#[test]
fn an_acceptor_that_gives_up_hands_its_wake_on() {
    explore(|| {
        let listener = Arc::new(ListenerSlot::new());
        let fickle = {
            let listener = Arc::clone(&listener);
            thread::spawn(move || {
                let mut accepted = pin!(listener.accepted());
                let mut context = Context::from_waker(Waker::noop());
                if let Poll::Ready(accepted) = accepted.as_mut().poll(&mut context) {
                    let (connection, _) = accepted.expect("the listener lives");
                    push(&listener, connection);
                }
            })
        };
        let patient = {
            let listener = Arc::clone(&listener);
            thread::spawn(move || block_on(listener.accepted()).expect("the listener lives").0)
        };
        push(&listener, 7);
        assert_eq!(patient.join().expect("acceptor runs"), 7);
        fickle.join().expect("acceptor runs");
        assert_eq!(listener.accept(None).map(|(n, _)| n), Err(Stop::WouldBlock));
    });
}

#[test]
fn an_acceptor_that_is_woken_while_it_takes_another_connection_hands_its_wake_on() {
    explore(|| {
        let listener = Arc::new(ListenerSlot::new());
        let drivers = [0, 1].map(|connection| {
            let listener = Arc::clone(&listener);
            thread::spawn(move || push(&listener, connection))
        });
        let other = {
            let listener = Arc::clone(&listener);
            thread::spawn(move || block_on(listener.accepted()).expect("the listener lives").0)
        };
        let one = block_on(listener.accepted()).expect("the listener lives").0;
        assert_eq!(one + other.join().expect("acceptor runs"), 1);
        for driver in drivers {
            driver.join().expect("driver runs");
        }
    });
}

#[test]
fn every_connection_finds_an_acceptor() {
    const TASKS: usize = scaled(2, 8);
    const EACH: usize = scaled(1, 20);
    explore(|| {
        let listener = Arc::new(ListenerSlot::new());
        let acceptors: Vec<_> = (0..TASKS)
            .map(|_| {
                let listener = Arc::clone(&listener);
                thread::spawn(move || {
                    let mut sum = 0;
                    for _ in 0..EACH {
                        sum += block_on(listener.accepted()).expect("the listener lives").0;
                    }
                    sum
                })
            })
            .collect();
        (0..TASKS * EACH).for_each(|connection| push(&listener, connection));
        let sum: usize = acceptors
            .into_iter()
            .map(|acceptor| acceptor.join().expect("acceptor runs"))
            .sum();
        assert_eq!(sum, (0..TASKS * EACH).sum::<usize>());
        assert_eq!(
            listener.take_released(),
            (u32::try_from(TASKS * EACH).expect("few"), false)
        );
    });
}

#[test]
fn a_connection_that_comes_around_the_close_is_given_back() {
    explore(|| {
        let listener = Arc::new(ListenerSlot::new());
        let driver = {
            let listener = Arc::clone(&listener);
            thread::spawn(move || listener.push(1, &mut Vec::new()).is_err())
        };
        let (left, _) = listener.close();
        let refused = driver.join().expect("driver runs");
        assert_eq!(left.len(), usize::from(!refused));
        assert_eq!(listener.take_released(), (0, true));
    });
}

#[test]
fn datagrams_are_received_in_the_order_of_arrival() {
    const COUNT: usize = scaled(2, 500);
    explore(|| {
        let socket = Arc::new(UdpSlot::new(1000));
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                for number in 0..COUNT {
                    let mut wakes = Vec::new();
                    socket.fill(&mut VecDeque::from([number]), &mut wakes);
                    wake(wakes);
                }
            })
        };
        let thief = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || socket.recv(Caller::Try).map(|(number, _)| number).ok())
        };
        let mut got = Vec::new();
        let count = |stolen: Option<usize>| COUNT - usize::from(stolen.is_some());
        let recv = || {
            block_on(poll_fn(|context| {
                match socket.recv(Caller::Poll(context.waker())) {
                    Ok((number, _)) => Poll::Ready(number),
                    Err(Stop::WouldBlock) => Poll::Pending,
                    Err(Stop::Fault(fault)) => panic!("{fault:?}"),
                }
            }))
        };
        for _ in 0..COUNT - 1 {
            got.push(recv());
        }
        let stolen = thief.join().expect("thief runs");
        if count(stolen) == COUNT {
            got.push(recv());
        }
        assert!(got.is_sorted());
        got.extend(stolen);
        got.sort_unstable();
        assert_eq!(got, (0..COUNT).collect::<Vec<_>>());
        driver.join().expect("driver runs");
    });
}

#[test]
fn a_batch_takes_what_is_there_and_leaves_nothing_unread_behind() {
    const COUNT: usize = scaled(2, 500);
    explore(|| {
        let socket = Arc::new(UdpSlot::new(1000));
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                for number in 0..COUNT {
                    let mut wakes = Vec::new();
                    socket.fill(&mut VecDeque::from([number]), &mut wakes);
                    wake(wakes);
                }
            })
        };
        let mut got = Vec::new();
        while got.len() < COUNT {
            let count = block_on(poll_fn(|context| {
                match socket.recv_many(Caller::Poll(context.waker()), &mut got, 2) {
                    Ok((count, _)) => Poll::Ready(count),
                    Err(Stop::WouldBlock) => Poll::Pending,
                    Err(Stop::Fault(fault)) => panic!("{fault:?}"),
                }
            }));
            assert!((1..=2).contains(&count));
        }
        driver.join().expect("driver runs");
        assert!(got.into_iter().eq(0..COUNT));
        assert!(!socket.readiness().contains(Ready::READABLE));
    });
}

#[test]
fn a_sender_without_room_is_woken_by_the_driver() {
    explore(|| {
        let socket = Arc::new(UdpSlot::<()>::new(1));
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                let (mut sent, mut wakes) = (VecDeque::new(), Vec::new());
                socket.drain_tx(&mut sent, &mut wakes);
                wake(wakes);
                sent.len()
            })
        };
        let sender = |number: u8| {
            block_on(poll_fn(|context| {
                let payload = Bytes::copy_from_slice(&[number]);
                match socket.send(payload, SendMeta::default(), Some(context.waker())) {
                    Ok(_) => Poll::Ready(true),
                    // The model's driver comes once; what it has not taken may stay.
                    Err(Stop::WouldBlock) => Poll::Pending,
                    Err(Stop::Fault(fault)) => panic!("{fault:?}"),
                }
            }))
        };
        assert!(sender(0));
        let taken = driver.join().expect("driver runs");
        if taken == 1 {
            assert!(sender(1));
        }
    });
}

#[test]
fn a_failure_reaches_a_receiver_that_waits() {
    explore(|| {
        let socket = Arc::new(UdpSlot::<()>::new(1));
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                let mut wakes = Vec::new();
                socket.fail(Fault::Gone, &mut wakes);
                wake(wakes);
            })
        };
        let outcome = block_on(poll_fn(|context| {
            match socket.recv(Caller::Poll(context.waker())) {
                Err(Stop::WouldBlock) => Poll::Pending,
                other => Poll::Ready(other.map(|_| ())),
            }
        }));
        assert_eq!(outcome, Err(Stop::Fault(Fault::Gone)));
        driver.join().expect("driver runs");
    });
}

#[test]
fn a_refusal_reaches_a_future_that_receives() {
    explore(|| {
        let socket = Arc::new(UdpSlot::<()>::new(1));
        let refused = Fault::Socket(SocketError::ConnectionRefused);
        let driver = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || {
                let mut wakes = Vec::new();
                socket.fail(refused, &mut wakes);
                wake(wakes);
            })
        };
        let interest = Ready::READ | Ready::ERROR;
        let outcome = block_on(socket.waiters().wait(
            interest,
            || match socket.recv(Caller::Future) {
                Err(Stop::WouldBlock) => None,
                other => Some(other.map(|_| ())),
            },
        ));
        assert_eq!(outcome, Err(Stop::Fault(refused)));
        driver.join().expect("driver runs");
    });
}

#[test]
fn a_task_that_waits_for_readiness_is_woken() {
    explore(|| {
        let socket = Arc::new(UdpSlot::new(1));
        let waiter = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || block_on(socket.ready(Ready::READABLE)))
        };
        let mut wakes = Vec::new();
        socket.fill(&mut VecDeque::from([1]), &mut wakes);
        wake(wakes);
        assert_eq!(waiter.join().expect("waiter runs"), Ready::READABLE);
    });
}
