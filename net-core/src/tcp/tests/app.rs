//! What the application at the stack's end does.

use super::peer::{Peer, bytes};
use crate::socket::{Family, Readiness, TcpOption};
use crate::stats::DropReason;
use crate::tcp::{RecvFlags, SendFlags, State, TcpInfo};
use crate::{SocketError, SocketId};
use std::vec;

impl Peer {
    fn family(&self) -> Family {
        if self.local.is_ipv6() {
            Family::V6
        } else {
            Family::V4
        }
    }

    pub(super) fn listen(&mut self, backlog: u32) {
        let id = self.stack.tcp_open(self.family()).unwrap();
        self.stack.bind(id, self.local).unwrap();
        self.stack.listen(id, backlog).unwrap();
        self.listener = Some(id);
    }

    pub(super) fn try_accept(&mut self) -> Result<SocketId, SocketError> {
        let (id, from) = self.stack.accept(self.listener.unwrap())?;
        assert_eq!(from.ip(), self.remote.ip());
        Ok(id)
    }

    pub(super) fn accept(&mut self) {
        self.socket = Some(self.try_accept().expect("a connection to accept"));
    }

    /// The application connects to the peer.
    pub(super) fn connects(&mut self) {
        self.connects_with(&[]);
    }

    pub(super) fn connects_with(&mut self, options: &[TcpOption]) {
        let id = self.stack.tcp_open(self.family()).unwrap();
        for &option in options {
            self.stack.set_tcp_option(id, option, self.now).unwrap();
        }
        let outcome = self.stack.connect(id, self.remote, self.now);
        assert_eq!(outcome, Err(SocketError::InProgress));
        self.local = self.stack.local_addr(id).unwrap();
        self.socket = Some(id);
        self.flush();
    }

    pub(super) fn id(&self) -> SocketId {
        self.socket.expect("connected or accepted")
    }

    /// The application writes the next `len` bytes of the pattern; how many went in.
    pub(super) fn try_write(&mut self, len: u32, flags: SendFlags) -> Result<u32, SocketError> {
        let data = bytes(self.written.wrapping_add(1), len);
        let outcome = self
            .stack
            .tcp(self.id(), self.now)
            .unwrap()
            .send(&data, flags);
        self.flush();
        let count = u32::try_from(outcome?).unwrap();
        self.written = self.written.wrapping_add(count);
        Ok(count)
    }

    pub(super) fn writes(&mut self, len: u32) {
        assert_eq!(self.try_write(len, SendFlags::empty()), Ok(len));
    }

    pub(super) fn writes_more(&mut self, len: u32) {
        assert_eq!(self.try_write(len, SendFlags::MORE), Ok(len));
    }

    /// The application reads at most `max` bytes; they are the next of the pattern.
    pub(super) fn try_read(&mut self, max: usize) -> Result<u32, SocketError> {
        let mut buf = vec![0; max];
        let outcome = self
            .stack
            .tcp(self.id(), self.now)
            .unwrap()
            .recv(&mut buf, RecvFlags::empty());
        self.flush();
        let count = u32::try_from(outcome?).unwrap();
        assert!(
            buf[..count as usize] == bytes(self.read + 1, count),
            "the bytes are wrong"
        );
        self.read += count;
        Ok(count)
    }

    /// The application reads until it has `len` bytes, which are there.
    pub(super) fn reads(&mut self, len: u32) {
        let mut left = len;
        while left > 0 {
            let count = self.try_read(left as usize).expect("bytes to read");
            assert!(count > 0, "the stream ended {left} bytes early");
            left -= count;
        }
    }

    pub(super) fn reads_end(&mut self) {
        assert_eq!(self.try_read(100), Ok(0));
    }

    pub(super) fn finishes(&mut self) {
        self.stack.tcp(self.id(), self.now).unwrap().finish();
        self.flush();
    }

    pub(super) fn closes(&mut self) {
        let id = self.id();
        self.stack.close(id, self.now);
        self.flush();
    }

    pub(super) fn sets(&mut self, option: TcpOption) {
        self.stack
            .set_tcp_option(self.id(), option, self.now)
            .unwrap();
        self.flush();
    }

    pub(super) fn state(&mut self) -> State {
        self.stack.tcp(self.id(), self.now).unwrap().state()
    }

    pub(super) fn info(&mut self) -> TcpInfo {
        self.stack.tcp(self.id(), self.now).unwrap().info().unwrap()
    }

    pub(super) fn error(&mut self) -> Option<SocketError> {
        self.stack.take_error(self.id())
    }

    pub(super) fn ready(&self) -> Readiness {
        self.stack.readiness(self.id())
    }

    pub(super) fn drops(&self, reason: DropReason) -> u64 {
        self.stack.stats().drops(reason)
    }
}
