//! A TCP socket in the application's hands.

use crate::socket::SocketId;
use crate::stack::Stack;
use crate::time::Instant;

/// A TCP socket of a [`Stack`].
#[derive(Debug)]
pub struct Tcp<'a> {
    pub(crate) stack: &'a mut Stack,
}

impl<'a> Tcp<'a> {
    pub(crate) const fn new(stack: &'a mut Stack, _id: SocketId, _now: Instant) -> Self {
        Self { stack }
    }
}
