//! The rows, compiled once against tokio and once against this crate.
#![expect(deprecated, reason = "deprecated methods are part of the surface")]

use super::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
use super::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, lookup_host};
use bytes::BufMut;
use std::error::Error;
use std::fmt::{self, Debug};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

/// Every section.
pub(crate) const ALL: &[(&str, &[&str])] = &[
    tcp_listener::ROWS,
    tcp_stream::ROWS,
    tcp_socket::ROWS,
    read_half::ROWS,
    write_half::ROWS,
    owned_read_half::ROWS,
    owned_write_half::ROWS,
    reunite_error::ROWS,
    udp_socket::ROWS,
    functions::ROWS,
    to_socket_addrs::ROWS,
];

section! {
    tcp_listener "tokio::net::TcpListener" TcpListener
    { pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> }
    { pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> }
    { pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { pub fn ttl(&self) -> io::Result<u32> }
    { pub fn set_ttl(&self, ttl: u32) -> io::Result<()> }
    { impl fmt::Debug for TcpListener }
    { auto: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe }
}

section! {
    tcp_stream "tokio::net::TcpStream" TcpStream
    { pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { pub fn take_error(&self) -> io::Result<Option<io::Error>> }
    { pub fn peer_addr(&self) -> io::Result<SocketAddr> }
    { pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> }
    { pub async fn ready(&self, interest: Interest) -> io::Result<Ready> }
    { pub async fn readable(&self) -> io::Result<()> }
    { pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> }
    { pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> }
    { pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> }
    { pub async fn writable(&self) -> io::Result<()> }
    { pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> }
    { pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> }
    { pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> }
    { pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> }
    { pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> }
    { pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn nodelay(&self) -> io::Result<bool> }
    { pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> }
    { pub fn quickack(&self) -> io::Result<bool> }
    { pub fn set_quickack(&self, quickack: bool) -> io::Result<()> }
    { pub fn linger(&self) -> io::Result<Option<Duration>> }
    { pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> }
    { pub fn set_zero_linger(&self) -> io::Result<()> }
    { pub fn ttl(&self) -> io::Result<u32> }
    { pub fn set_ttl(&self, ttl: u32) -> io::Result<()> }
    { pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) }
    { pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) }
    { impl AsyncRead for TcpStream }
    { impl AsyncWrite for TcpStream }
    { impl fmt::Debug for TcpStream }
    { impl AsRef<Self> for TcpStream }
    { auto: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe }
}

section! {
    tcp_socket "tokio::net::TcpSocket" TcpSocket
    { pub fn new_v4() -> io::Result<TcpSocket> }
    { pub fn new_v6() -> io::Result<TcpSocket> }
    { pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> }
    { pub fn keepalive(&self) -> io::Result<bool> }
    { pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> }
    { pub fn reuseaddr(&self) -> io::Result<bool> }
    { pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> }
    { pub fn reuseport(&self) -> io::Result<bool> }
    { pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> }
    { pub fn send_buffer_size(&self) -> io::Result<u32> }
    { pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> }
    { pub fn recv_buffer_size(&self) -> io::Result<u32> }
    { pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> }
    { pub fn set_zero_linger(&self) -> io::Result<()> }
    { pub fn linger(&self) -> io::Result<Option<Duration>> }
    { pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> }
    { pub fn nodelay(&self) -> io::Result<bool> }
    { pub fn tclass_v6(&self) -> io::Result<u32> }
    { pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> }
    { pub fn tos_v4(&self) -> io::Result<u32> }
    { pub fn tos(&self) -> io::Result<u32> }
    { pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> }
    { pub fn set_tos(&self, tos: u32) -> io::Result<()> }
    { pub fn device(&self) -> io::Result<Option<Vec<u8>>> }
    { pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { pub fn take_error(&self) -> io::Result<Option<io::Error>> }
    { pub fn bind(&self, addr: SocketAddr) -> io::Result<()> }
    { pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> }
    { pub fn listen(self, backlog: u32) -> io::Result<TcpListener> }
    { impl fmt::Debug for TcpSocket }
    { auto: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe }
}

section! {
    read_half "tokio::net::tcp::ReadHalf" ReadHalf
    { pub fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> }
    { pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> }
    { pub async fn ready(&self, interest: Interest) -> io::Result<Ready> }
    { pub async fn readable(&self) -> io::Result<()> }
    { pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> }
    { pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> }
    { pub fn peer_addr(&self) -> io::Result<SocketAddr> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { impl Debug for ReadHalf<'_> }
    { impl AsyncRead for ReadHalf<'_> }
    { impl AsRef<TcpStream> for ReadHalf<'_> }
    { auto: Send, Sync, Unpin }
}

section! {
    write_half "tokio::net::tcp::WriteHalf" WriteHalf
    { pub async fn ready(&self, interest: Interest) -> io::Result<Ready> }
    { pub async fn writable(&self) -> io::Result<()> }
    { pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> }
    { pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> }
    { pub fn peer_addr(&self) -> io::Result<SocketAddr> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { impl Debug for WriteHalf<'_> }
    { impl AsyncWrite for WriteHalf<'_> }
    { impl AsRef<TcpStream> for WriteHalf<'_> }
    { auto: Send, Sync, Unpin }
}

section! {
    owned_read_half "tokio::net::tcp::OwnedReadHalf" OwnedReadHalf
    { pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> }
    { pub fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> }
    { pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> }
    { pub async fn ready(&self, interest: Interest) -> io::Result<Ready> }
    { pub async fn readable(&self) -> io::Result<()> }
    { pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn try_read_vectored(&self, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> }
    { pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> }
    { pub fn peer_addr(&self) -> io::Result<SocketAddr> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { impl Debug for OwnedReadHalf }
    { impl AsyncRead for OwnedReadHalf }
    { impl AsRef<TcpStream> for OwnedReadHalf }
    { auto: Send, Sync, Unpin }
}

section! {
    owned_write_half "tokio::net::tcp::OwnedWriteHalf" OwnedWriteHalf
    { pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> }
    { pub fn forget(mut self) }
    { pub async fn ready(&self, interest: Interest) -> io::Result<Ready> }
    { pub async fn writable(&self) -> io::Result<()> }
    { pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> }
    { pub fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> }
    { pub fn peer_addr(&self) -> io::Result<SocketAddr> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { impl Debug for OwnedWriteHalf }
    { impl Drop for OwnedWriteHalf }
    { impl AsyncWrite for OwnedWriteHalf }
    { impl AsRef<TcpStream> for OwnedWriteHalf }
    { auto: Send, Sync, Unpin }
}

section! {
    reunite_error "tokio::net::tcp::ReuniteError" ReuniteError
    { impl Debug for ReuniteError }
    { impl fmt::Display for ReuniteError }
    { impl Error for ReuniteError }
    { pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf); }
    { auto: Send, Sync, Unpin }
}

section! {
    udp_socket "tokio::net::UdpSocket" UdpSocket
    { pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> }
    { pub fn local_addr(&self) -> io::Result<SocketAddr> }
    { pub fn peer_addr(&self) -> io::Result<SocketAddr> }
    { pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> }
    { pub async fn ready(&self, interest: Interest) -> io::Result<Ready> }
    { pub async fn writable(&self) -> io::Result<()> }
    { pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> }
    { pub async fn send(&self, buf: &[u8]) -> io::Result<usize> }
    { pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> }
    { pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> }
    { pub async fn readable(&self) -> io::Result<()> }
    { pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> }
    { pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> }
    { pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> }
    { pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> }
    { pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> }
    { pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> }
    { pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> }
    { pub fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> }
    { pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> }
    { pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> }
    { pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> }
    { pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> }
    { pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> }
    { pub async fn async_io<R>(&self, interest: Interest, mut f: impl FnMut() -> io::Result<R>) -> io::Result<R> }
    { pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> }
    { pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> }
    { pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> }
    { pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> }
    { pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> }
    { pub async fn peek_sender(&self) -> io::Result<SocketAddr> }
    { pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> }
    { pub fn try_peek_sender(&self) -> io::Result<SocketAddr> }
    { pub fn broadcast(&self) -> io::Result<bool> }
    { pub fn set_broadcast(&self, on: bool) -> io::Result<()> }
    { pub fn multicast_loop_v4(&self) -> io::Result<bool> }
    { pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> }
    { pub fn multicast_ttl_v4(&self) -> io::Result<u32> }
    { pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> }
    { pub fn multicast_loop_v6(&self) -> io::Result<bool> }
    { pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> }
    { pub fn tclass_v6(&self) -> io::Result<u32> }
    { pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> }
    { pub fn ttl(&self) -> io::Result<u32> }
    { pub fn set_ttl(&self, ttl: u32) -> io::Result<()> }
    { pub fn tos_v4(&self) -> io::Result<u32> }
    { pub fn tos(&self) -> io::Result<u32> }
    { pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> }
    { pub fn set_tos(&self, tos: u32) -> io::Result<()> }
    { pub fn device(&self) -> io::Result<Option<Vec<u8>>> }
    { pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> }
    { pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> }
    { pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> }
    { pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> }
    { pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> }
    { pub fn take_error(&self) -> io::Result<Option<io::Error>> }
    { impl fmt::Debug for UdpSocket }
    { auto: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe }
}

section! {
    functions "functions of tokio::net" ToSocketAddrs
    { pub async fn lookup_host<T>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> where T: ToSocketAddrs }
}

section! {
    to_socket_addrs "tokio::net::ToSocketAddrs (sealed)" ToSocketAddrs
    { impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T }
    { impl ToSocketAddrs for SocketAddr }
    { impl ToSocketAddrs for SocketAddrV4 }
    { impl ToSocketAddrs for SocketAddrV6 }
    { impl ToSocketAddrs for (IpAddr, u16) }
    { impl ToSocketAddrs for (Ipv4Addr, u16) }
    { impl ToSocketAddrs for (Ipv6Addr, u16) }
    { impl ToSocketAddrs for &[SocketAddr] }
    { impl ToSocketAddrs for str }
    { impl ToSocketAddrs for (&str, u16) }
    { impl ToSocketAddrs for (String, u16) }
    { impl ToSocketAddrs for String }
}
