//! Datagram slots between an application and a driver.

use super::{BATCH, Caller, UdpSlot};
use crate::shared::{Fault, Ready, Stop, Touch};
use bytes::Bytes;
use net_core::SocketError;
use net_core::udp::SendMeta;
use std::collections::VecDeque;
use std::task::Waker;

const REFUSED: Fault = Fault::Socket(SocketError::ConnectionRefused);

#[test]
fn a_pending_error_comes_once_and_before_data() {
    let socket = UdpSlot::new(100);
    socket.fill(&mut VecDeque::from([1]), &mut Vec::new());
    socket.fail(REFUSED, &mut Vec::new());
    assert_eq!(
        socket.readiness(),
        Ready::READABLE | Ready::WRITABLE | Ready::ERROR
    );
    assert_eq!(socket.recv(Caller::Try), Err(Stop::Fault(REFUSED)));
    assert_eq!(socket.recv(Caller::Try), Ok((1, Touch::None)));
    assert_eq!(
        socket.send(Bytes::new(), SendMeta::default(), None),
        Ok(Touch::Kick)
    );
    socket.fail(REFUSED, &mut Vec::new());
    let sent = socket.send(Bytes::new(), SendMeta::default(), None);
    assert_eq!(sent, Err(Stop::Fault(REFUSED)));
}

#[test]
fn an_error_alone_is_an_answer_to_futures_only() {
    let socket = UdpSlot::<()>::new(100);
    socket.fail(REFUSED, &mut Vec::new());
    assert_eq!(socket.readiness(), Ready::WRITABLE | Ready::ERROR);
    assert_eq!(socket.recv(Caller::Try), Err(Stop::WouldBlock));
    let polled = socket.recv(Caller::Poll(Waker::noop()));
    assert_eq!(polled, Err(Stop::WouldBlock));
    assert!(socket.poll_readable(Waker::noop()).is_pending());
    assert_eq!(socket.recv(Caller::Future), Err(Stop::Fault(REFUSED)));
    socket.fail(Fault::Gone, &mut Vec::new());
    assert!(socket.poll_readable(Waker::noop()).is_ready());
    assert_eq!(socket.recv(Caller::Try), Err(Stop::Fault(Fault::Gone)));
}

#[test]
fn the_reader_that_makes_room_for_what_was_left_in_the_stack_kicks() {
    let socket = UdpSlot::new(100);
    assert_eq!(socket.room(BATCH + 1), BATCH);
    socket.fill(&mut (0..BATCH).collect(), &mut Vec::new());
    assert_eq!(socket.recv(Caller::Try), Ok((0, Touch::Kick)));
    assert_eq!(socket.recv(Caller::Try), Ok((1, Touch::None)));
    assert_eq!(socket.room(1), 1);
    assert_eq!(
        socket.peek(Caller::Try, |number| *number),
        Ok((2, Touch::None))
    );
}

#[test]
fn a_batch_goes_on_behind_what_a_reader_has_taken_over() {
    let socket = UdpSlot::new(100);
    socket.fill(&mut (0..BATCH).collect(), &mut Vec::new());
    assert_eq!(socket.recv(Caller::Try), Ok((0, Touch::None)));
    assert_eq!(socket.room(BATCH + 1), BATCH);
    socket.fill(&mut (BATCH..2 * BATCH).collect(), &mut Vec::new());
    let mut received = Vec::new();
    let count = socket.recv_many(Caller::Try, &mut received, 10);
    assert_eq!(count, Ok((10, Touch::None)));
    // What the driver has left in the stack is fetched by whoever makes room for it.
    let count = socket.recv_many(Caller::Try, &mut received, 60);
    assert_eq!(count, Ok((60, Touch::Kick)));
    assert_eq!(socket.readiness(), Ready::READABLE | Ready::WRITABLE);
    let count = socket.recv_many(Caller::Try, &mut received, 1000);
    assert_eq!(count, Ok((2 * BATCH - 71, Touch::None)));
    assert_eq!(received, (1..2 * BATCH).collect::<Vec<_>>());
    assert_eq!(socket.readiness(), Ready::WRITABLE);
}

#[test]
fn as_many_payloads_fit_as_the_send_buffer_holds_and_one_at_least() {
    let socket = UdpSlot::<()>::new(1000);
    assert_eq!(socket.fits([600; 9].into_iter()), 2);
    assert_eq!(socket.fits([60_000; 9].into_iter()), 1);
    assert_eq!(socket.fits([1; 9].into_iter()), 9);
    let sent = socket.send(Bytes::from_static(&[0; 600]), SendMeta::default(), None);
    assert_eq!(sent, Ok(Touch::Kick));
    assert_eq!(socket.fits([600; 9].into_iter()), 1);
}

#[test]
fn datagrams_wait_up_to_the_send_buffer() {
    let socket = UdpSlot::<()>::new(1000);
    let payload = Bytes::from_static(&[0; 600]);
    assert_eq!(
        socket.send(payload.clone(), SendMeta::default(), None),
        Ok(Touch::Kick)
    );
    assert_eq!(
        socket.send(payload.clone(), SendMeta::default(), None),
        Ok(Touch::None)
    );
    assert_eq!(
        socket.send(payload.clone(), SendMeta::default(), None),
        Err(Stop::WouldBlock)
    );
    assert_eq!(socket.readiness(), Ready::empty());
    let mut sent = VecDeque::new();
    assert!(!socket.drain_tx(&mut sent, &mut Vec::new()));
    assert_eq!(sent.len(), 2);
    let _ = socket.close();
    assert!(socket.drain_tx(&mut sent, &mut Vec::new()));
}
