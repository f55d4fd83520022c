//! The sending end.

use super::{Flow, PIECE, Role, Traffic, family_of};
use crate::SocketError;
use crate::socket::{Readiness, SocketId};
use crate::stack::Stack;
use crate::time::Instant;

impl Traffic {
    /// Opens the connection of a flow.
    pub(super) fn connect(&mut self, number: u32, flow: &Flow, stack: &mut Stack, now: Instant) {
        let opened = open(flow, stack, now);
        let sent = &mut self.sent[number as usize];
        match opened {
            Ok(id) => {
                sent.left = flow.bytes;
                sent.socket = Some(id);
                sent.local = stack.local_addr(id).ok();
                self.open += 1;
                self.set_role(id, Role::Sender(number));
            }
            Err(error) => sent.error = Some(error),
        }
    }

    /// Does what the readiness of a sending socket allows.
    pub(super) fn send(
        &mut self,
        id: SocketId,
        number: u32,
        ready: Readiness,
        stack: &mut Stack,
        now: Instant,
    ) {
        let sent = &mut self.sent[number as usize];
        if ready.contains(Readiness::CONNECTED) && sent.connected.is_none() {
            sent.connected = Some(now);
        }
        let Some(mut tcp) = stack.tcp(id, now) else {
            return;
        };
        let over = ready.intersects(Readiness::PEER_CLOSED | Readiness::HANG_UP);
        if ready.contains(Readiness::ERROR) || over {
            sent.info = tcp.info();
            sent.error = tcp.take_error();
            if sent.error.is_none() {
                sent.ended = Some(now);
            }
            sent.socket = None;
            self.open -= 1;
            drop(tcp);
            return self.close(id, stack, now);
        }
        if !ready.contains(Readiness::WRITABLE) || sent.finished {
            return;
        }
        let mut room = tcp.send_limit().saturating_sub(tcp.pushed());
        while room > 0 && sent.left != Some(0) {
            let len = room.min(sent.left.unwrap_or(u64::MAX)).min(PIECE as u64);
            let piece = usize::try_from(len).unwrap_or(PIECE);
            if tcp.push(self.zeros.slice(..piece)).is_err() {
                return;
            }
            room -= len;
            sent.left = sent.left.map(|left| left - len);
        }
        if sent.left == Some(0) {
            sent.finished = true;
            tcp.finish();
        }
    }
}

fn open(flow: &Flow, stack: &mut Stack, now: Instant) -> Result<SocketId, SocketError> {
    let id = stack.tcp_open(family_of(flow.to))?;
    let begin = |stack: &mut Stack| {
        for option in &flow.options {
            stack.set_tcp_option(id, *option, now)?;
        }
        stack.connect(id, flow.to, now)
    };
    match begin(stack) {
        Ok(()) | Err(SocketError::InProgress) => Ok(id),
        Err(error) => {
            stack.close(id, now);
            Err(error)
        }
    }
}
