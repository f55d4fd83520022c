//! The receiving end.

use super::{Received, Role, Traffic};
use crate::socket::{Readiness, SocketId};
use crate::stack::Stack;
use crate::time::Instant;

impl Traffic {
    /// Takes every connection that waits.
    pub(super) fn accept_all(&mut self, listener: SocketId, stack: &mut Stack, now: Instant) {
        while let Ok((id, peer)) = stack.accept(listener) {
            let number = u32::try_from(self.received.len()).expect("fewer flows than 2^32");
            self.received.push(Received {
                peer,
                accepted: now,
                bytes: 0,
                last: now,
                finished: None,
                error: None,
            });
            self.set_role(id, Role::Receiver(number));
            // What came before it was accepted is there already.
            let ready = stack.readiness(id);
            self.receive(id, number, ready, stack, now);
        }
    }

    /// Reads what is there, and closes after the end.
    pub(super) fn receive(
        &mut self,
        id: SocketId,
        number: u32,
        ready: Readiness,
        stack: &mut Stack,
        now: Instant,
    ) {
        let received = &mut self.received[number as usize];
        let Some(mut tcp) = stack.tcp(id, now) else {
            return;
        };
        if ready.contains(Readiness::READABLE) {
            let count = tcp.take(&mut self.bin);
            if count > 0 {
                self.bin.clear();
                tcp.consume(count);
                received.bytes += count as u64;
                received.last = now;
            }
        }
        if ready.contains(Readiness::ERROR) {
            received.error = tcp.take_error();
        } else if tcp.peer_finished() && tcp.unread() == 0 {
            received.finished = Some(now);
        } else {
            return;
        }
        drop(tcp);
        self.close(id, stack, now);
    }
}
