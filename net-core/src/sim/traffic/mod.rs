//! Bulk transfers: what most measurements of TCP need.

mod flow;
mod receive;
mod send;

pub use flow::{Flow, Received, Sent};

use super::application::Application;
use crate::SocketError;
use crate::buf::RecvQueue;
use crate::socket::{Event, Family, SocketId};
use crate::stack::Stack;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;

/// An application that sends and receives streams of zeros as fast as TCP lets it, and keeps account.
///
/// One per host; it plays both roles. See [`Network`](super::Network) for an example.
#[derive(Debug)]
pub struct Traffic {
    /// What a socket is for, by its index.
    roles: Vec<Role>,
    /// Flows that begin later, by time and number.
    planned: BTreeMap<(Instant, u32), Flow>,
    sent: Vec<Sent>,
    /// Connections of those that are open.
    open: usize,
    received: Vec<Received>,
    /// What is sent: pieces of this.
    zeros: Bytes,
    /// Where received bytes go before they are dropped.
    bin: RecvQueue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    Listener,
    Sender(u32),
    Receiver(u32),
}

impl Traffic {
    /// Nothing to do yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            roles: Vec::new(),
            planned: BTreeMap::new(),
            sent: Vec::new(),
            open: 0,
            received: Vec::new(),
            zeros: Bytes::from(alloc::vec![0; PIECE]),
            bin: RecvQueue::default(),
        }
    }

    /// Accepts flows at an address of this host's, and swallows what they bring.
    ///
    /// # Errors
    /// Of opening, binding and listening.
    pub fn listen(&mut self, stack: &mut Stack, address: SocketAddr) -> Result<(), SocketError> {
        let id = stack.tcp_open(family_of(address))?;
        stack.bind(id, address)?;
        stack.listen(id, BACKLOG)?;
        self.set_role(id, Role::Listener);
        Ok(())
    }

    /// Begins a flow from this host at its start time, or now where that has passed; its number.
    pub fn start(&mut self, flow: Flow, now: Instant) -> usize {
        let number = self.sent.len();
        let at = flow.start.max(now);
        self.sent.push(Sent::new(at));
        let key = u32::try_from(number).expect("fewer flows than 2^32");
        self.planned.insert((at, key), flow);
        number
    }

    /// The flows from this host, by number.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Whether a flow from this host has not ended yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.planned.is_empty() || self.open > 0
    }

    /// The flows to this host, in the order in which they were accepted.
    #[must_use]
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// The flow to this host that comes from `peer`.
    #[must_use]
    pub fn received_from(&self, peer: SocketAddr) -> Option<&Received> {
        self.received.iter().find(|flow| flow.peer == peer)
    }

    fn set_role(&mut self, id: SocketId, role: Role) {
        if self.roles.len() <= id.index() {
            self.roles.resize(id.index() + 1, Role::None);
        }
        self.roles[id.index()] = role;
    }

    /// Lets go of a socket.
    fn close(&mut self, id: SocketId, stack: &mut Stack, now: Instant) {
        self.set_role(id, Role::None);
        stack.close(id, now);
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self::new()
    }
}

impl Application for Traffic {
    fn handle_event(&mut self, event: Event, stack: &mut Stack, now: Instant) {
        let role = self.roles.get(event.socket.index());
        match role.copied().unwrap_or(Role::None) {
            Role::None => {}
            Role::Listener => self.accept_all(event.socket, stack, now),
            Role::Sender(number) => self.send(event.socket, number, event.ready, stack, now),
            Role::Receiver(number) => self.receive(event.socket, number, event.ready, stack, now),
        }
    }

    fn handle_timeout(&mut self, stack: &mut Stack, now: Instant) {
        while let Some(entry) = self.planned.first_entry()
            && entry.key().0 <= now
        {
            let ((_, number), flow) = entry.remove_entry();
            self.connect(number, &flow, stack, now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.planned.first_key_value().map(|((at, _), _)| *at)
    }

    fn watched(&self, each: &mut dyn FnMut(u32, SocketId)) {
        for (number, sent) in (0..).zip(&self.sent) {
            if let Some(id) = sent.socket {
                each(number, id);
            }
        }
    }
}

fn family_of(address: SocketAddr) -> Family {
    if address.is_ipv6() {
        Family::V6
    } else {
        Family::V4
    }
}

/// Bytes that are handed over to TCP at once.
const PIECE: usize = 64 << 10;
/// Flows that may wait to be accepted.
const BACKLOG: u32 = 4096;
