//! TCP in the stack.

use super::ingress::TcpPacket;
use super::{Stack, TimerKey};
use crate::buf::TxBatch;
use crate::config::Config;
use crate::error::SocketError;
use crate::icmp::IcmpError;
use crate::seed::Seed;
use crate::socket::{Family, Readiness, SocketId, SocketKind, TcpOption, TcpSettings};
use crate::tcp::{SeqNum, TcpSocket};
use crate::time::Instant;
use alloc::boxed::Box;
use core::net::SocketAddr;

const NOT_YET: SocketError = SocketError::Unsupported("TCP");

/// Where TCP sockets are found.
#[derive(Debug)]
pub(crate) struct TcpTables {}

impl TcpTables {
    pub(crate) fn new(_config: &Config, _seed: Seed) -> Self {
        Self {}
    }
}

impl Stack {
    pub(crate) fn tcp_open_socket(&mut self, _family: Family) -> Result<SocketId, SocketError> {
        self.sockets.insert(SocketKind::Tcp(Box::new(TcpSocket {})))
    }

    pub(crate) fn tcp_settings_of(&self, _id: SocketId) -> Result<&TcpSettings, SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_set_option(
        &mut self,
        _id: SocketId,
        _option: TcpOption,
        _now: Instant,
    ) -> Result<(), SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_bind(&mut self, _id: SocketId, _addr: SocketAddr) -> Result<(), SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_listen(&mut self, _id: SocketId, _backlog: u32) -> Result<(), SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_accept(
        &mut self,
        _id: SocketId,
        _held: bool,
    ) -> Result<(SocketId, SocketAddr), SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_release_backlog(&mut self, _id: SocketId, _count: u32) {}

    pub(crate) fn tcp_connect(
        &mut self,
        _id: SocketId,
        _addr: SocketAddr,
        _now: Instant,
    ) -> Result<(), SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_close(&mut self, id: SocketId, _now: Instant) {
        self.sockets.remove(id);
    }

    pub(crate) fn tcp_abort(&mut self, id: SocketId, _now: Instant) {
        self.sockets.remove(id);
    }

    pub(crate) fn tcp_local_addr(&self, _id: SocketId) -> Result<SocketAddr, SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_peer_addr(&self, _id: SocketId) -> Result<SocketAddr, SocketError> {
        Err(NOT_YET)
    }

    pub(crate) fn tcp_take_error(&mut self, _id: SocketId) -> Option<SocketError> {
        None
    }

    pub(crate) fn tcp_readiness(&self, _id: SocketId) -> Readiness {
        Readiness::empty()
    }

    pub(crate) fn tcp_input(&mut self, _packet: TcpPacket, _now: Instant) {}

    pub(crate) fn tcp_transmit(
        &mut self,
        _id: SocketId,
        _now: Instant,
        _out: &mut TxBatch,
    ) -> bool {
        false
    }

    pub(crate) fn tcp_timeout(&mut self, _key: TimerKey, _now: Instant) {}

    pub(crate) fn tcp_icmp_error(
        &mut self,
        _local: SocketAddr,
        _remote: SocketAddr,
        _seq: SeqNum,
        _error: IcmpError,
        _now: Instant,
    ) {
    }
}
