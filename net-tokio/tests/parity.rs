//! The same code compiles against `tokio::net` and against this crate: names, signatures, traits.

#![expect(deprecated, reason = "deprecated methods are part of the surface")]

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

fn is_handle<T: Debug + Send + Sync + Unpin + 'static>() {}
fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn is_stream<T: AsyncRead + AsyncWrite>() {}
fn is_reader<T: AsyncRead>() {}
fn is_writer<T: AsyncWrite>() {}
fn is_ref<S, T: AsRef<S>>() {}
fn gives<T>(future: impl Future<Output = io::Result<T>> + Send) {
    drop(future);
}

type Fallible<T> = io::Result<T>;
type Polled<T> = Poll<io::Result<T>>;

macro_rules! surface {
    ($module:ident, $($net:tt)+) => {
        mod $module {
            use super::*;
            use $($net)+::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
            use $($net)+::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, lookup_host};

            #[test]
            fn handles_have_their_traits() {
                is_handle::<TcpListener>();
                is_handle::<TcpStream>();
                is_handle::<TcpSocket>();
                is_handle::<UdpSocket>();
                is_handle::<OwnedReadHalf>();
                is_handle::<OwnedWriteHalf>();
                is_handle::<ReuniteError>();
                is_handle::<ReadHalf<'static>>();
                is_handle::<WriteHalf<'static>>();
                is_unwind_safe::<TcpListener>();
                is_unwind_safe::<TcpStream>();
                is_unwind_safe::<TcpSocket>();
                is_unwind_safe::<UdpSocket>();
                is_stream::<TcpStream>();
                is_reader::<OwnedReadHalf>();
                is_reader::<ReadHalf<'_>>();
                is_writer::<OwnedWriteHalf>();
                is_writer::<WriteHalf<'_>>();
                is_ref::<TcpStream, TcpStream>();
                is_ref::<TcpStream, OwnedReadHalf>();
                is_ref::<TcpStream, OwnedWriteHalf>();
                is_ref::<TcpStream, ReadHalf<'_>>();
                is_ref::<TcpStream, WriteHalf<'_>>();
                fn is_error<T: std::error::Error>() {}
                is_error::<ReuniteError>();
            }

            #[test]
            fn addresses_come_in_twelve_forms() {
                fn resolves<T: ToSocketAddrs>() {}
                resolves::<SocketAddr>();
                resolves::<&SocketAddr>();
                resolves::<std::net::SocketAddrV4>();
                resolves::<std::net::SocketAddrV6>();
                resolves::<(std::net::IpAddr, u16)>();
                resolves::<(std::net::Ipv4Addr, u16)>();
                resolves::<(std::net::Ipv6Addr, u16)>();
                resolves::<&[SocketAddr]>();
                resolves::<&str>();
                resolves::<(&str, u16)>();
                resolves::<(String, u16)>();
                resolves::<String>();
            }

            #[expect(dead_code, reason = "that it compiles is the test")]
            fn listener(socket: TcpListener, cx: &mut Context<'_>) {
                gives::<TcpListener>(TcpListener::bind("localhost:0"));
                gives::<TcpListener>(TcpListener::bind(("localhost".to_owned(), 0)));
                gives::<(TcpStream, SocketAddr)>(socket.accept());
                let _: Polled<(TcpStream, SocketAddr)> = socket.poll_accept(cx);
                let _: Fallible<SocketAddr> = socket.local_addr();
                let _: Fallible<u32> = socket.ttl();
                let _: Fallible<()> = socket.set_ttl(1);
            }

            #[expect(dead_code, reason = "that it compiles is the test")]
            fn stream(mut socket: TcpStream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) {
                gives::<TcpStream>(TcpStream::connect("localhost:0"));
                let _: Fallible<SocketAddr> = socket.local_addr();
                let _: Fallible<SocketAddr> = socket.peer_addr();
                let _: Fallible<Option<io::Error>> = socket.take_error();
                let _: Polled<usize> = socket.poll_peek(cx, buf);
                gives::<Ready>(socket.ready(Interest::READABLE));
                gives::<()>(socket.readable());
                gives::<()>(socket.writable());
                let _: Polled<()> = socket.poll_read_ready(cx);
                let _: Polled<()> = socket.poll_write_ready(cx);
                let _: Fallible<usize> = socket.try_read(&mut [0]);
                let _: Fallible<usize> = socket.try_read_vectored(&mut []);
                let _: Fallible<usize> = socket.try_read_buf(&mut vec![0]);
                let _: Fallible<usize> = socket.try_write(&[0]);
                let _: Fallible<usize> = socket.try_write_vectored(&[]);
                let _: Fallible<u8> = socket.try_io(Interest::READABLE, || Ok(0));
                gives::<u8>(socket.async_io(Interest::READABLE, || Ok(0)));
                gives::<usize>(socket.peek(&mut [0]));
                let _: Fallible<bool> = socket.nodelay();
                let _: Fallible<()> = socket.set_nodelay(true);
                let _: Fallible<bool> = socket.quickack();
                let _: Fallible<()> = socket.set_quickack(true);
                let _: Fallible<Option<Duration>> = socket.linger();
                let _: Fallible<()> = socket.set_linger(None);
                let _: Fallible<()> = socket.set_zero_linger();
                let _: Fallible<u32> = socket.ttl();
                let _: Fallible<()> = socket.set_ttl(1);
                let (read, write): (ReadHalf<'_>, WriteHalf<'_>) = socket.split();
                halves(read, write, cx, buf);
                let (read, write): (OwnedReadHalf, OwnedWriteHalf) = socket.into_split();
                owned_halves(read, write, cx, buf);
            }

            fn halves(
                mut read: ReadHalf<'_>,
                write: WriteHalf<'_>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) {
                let _: Polled<usize> = read.poll_peek(cx, buf);
                gives::<usize>(read.peek(&mut [0]));
                gives::<Ready>(read.ready(Interest::READABLE));
                gives::<()>(read.readable());
                let _: Fallible<usize> = read.try_read(&mut [0]);
                let _: Fallible<usize> = read.try_read_vectored(&mut []);
                let _: Fallible<usize> = read.try_read_buf(&mut vec![0]);
                let _: Fallible<SocketAddr> = read.peer_addr();
                let _: Fallible<SocketAddr> = read.local_addr();
                gives::<Ready>(write.ready(Interest::WRITABLE));
                gives::<()>(write.writable());
                let _: Fallible<usize> = write.try_write(&[0]);
                let _: Fallible<usize> = write.try_write_vectored(&[]);
                let _: Fallible<SocketAddr> = write.peer_addr();
                let _: Fallible<SocketAddr> = write.local_addr();
            }

            fn owned_halves(
                mut read: OwnedReadHalf,
                write: OwnedWriteHalf,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) {
                let _: Polled<usize> = read.poll_peek(cx, buf);
                gives::<usize>(read.peek(&mut [0]));
                gives::<Ready>(read.ready(Interest::READABLE));
                gives::<()>(read.readable());
                let _: Fallible<usize> = read.try_read(&mut [0]);
                let _: Fallible<usize> = read.try_read_vectored(&mut []);
                let _: Fallible<usize> = read.try_read_buf(&mut vec![0]);
                let _: Fallible<SocketAddr> = read.peer_addr();
                let _: Fallible<SocketAddr> = read.local_addr();
                gives::<Ready>(write.ready(Interest::WRITABLE));
                gives::<()>(write.writable());
                let _: Fallible<usize> = write.try_write(&[0]);
                let _: Fallible<usize> = write.try_write_vectored(&[]);
                let _: Fallible<SocketAddr> = write.peer_addr();
                let _: Fallible<SocketAddr> = write.local_addr();
                let stream: Result<TcpStream, ReuniteError> = read.reunite(write);
                if let Err(ReuniteError(read, write)) = stream {
                    let _: Result<TcpStream, ReuniteError> = write.reunite(read);
                }
                let _: fn(OwnedWriteHalf) = OwnedWriteHalf::forget;
            }

            #[expect(dead_code, reason = "that it compiles is the test")]
            fn socket(address: SocketAddr) -> io::Result<()> {
                let socket: TcpSocket = TcpSocket::new_v4()?;
                let _: TcpSocket = TcpSocket::new_v6()?;
                let _: Fallible<()> = socket.set_keepalive(true);
                let _: Fallible<bool> = socket.keepalive();
                let _: Fallible<()> = socket.set_reuseaddr(true);
                let _: Fallible<bool> = socket.reuseaddr();
                let _: Fallible<()> = socket.set_reuseport(true);
                let _: Fallible<bool> = socket.reuseport();
                let _: Fallible<()> = socket.set_send_buffer_size(1);
                let _: Fallible<u32> = socket.send_buffer_size();
                let _: Fallible<()> = socket.set_recv_buffer_size(1);
                let _: Fallible<u32> = socket.recv_buffer_size();
                let _: Fallible<()> = socket.set_linger(None);
                let _: Fallible<()> = socket.set_zero_linger();
                let _: Fallible<Option<Duration>> = socket.linger();
                let _: Fallible<()> = socket.set_nodelay(true);
                let _: Fallible<bool> = socket.nodelay();
                let _: Fallible<u32> = socket.tclass_v6();
                let _: Fallible<()> = socket.set_tclass_v6(0);
                let _: Fallible<u32> = socket.tos_v4();
                let _: Fallible<u32> = socket.tos();
                let _: Fallible<()> = socket.set_tos_v4(0);
                let _: Fallible<()> = socket.set_tos(0);
                let _: Fallible<Option<Vec<u8>>> = socket.device();
                let _: Fallible<()> = socket.bind_device(Some(b"lo"));
                let _: Fallible<SocketAddr> = socket.local_addr();
                let _: Fallible<Option<io::Error>> = socket.take_error();
                let _: Fallible<()> = socket.bind(address);
                gives::<TcpStream>(TcpSocket::new_v4()?.connect(address));
                let _: Fallible<TcpListener> = socket.listen(1);
                gives(lookup_host("localhost:0"));
                Ok(())
            }

            #[expect(dead_code, reason = "that it compiles is the test")]
            fn udp(socket: UdpSocket, to: SocketAddr, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) {
                gives::<UdpSocket>(UdpSocket::bind("localhost:0"));
                gives::<()>(socket.connect("localhost:0"));
                let _: Fallible<SocketAddr> = socket.local_addr();
                let _: Fallible<SocketAddr> = socket.peer_addr();
                gives::<Ready>(socket.ready(Interest::READABLE));
                gives::<()>(socket.writable());
                let _: Polled<()> = socket.poll_send_ready(cx);
                gives::<usize>(socket.send(&[0]));
                let _: Polled<usize> = socket.poll_send(cx, &[0]);
                let _: Fallible<usize> = socket.try_send(&[0]);
                gives::<()>(socket.readable());
                let _: Polled<()> = socket.poll_recv_ready(cx);
                gives::<usize>(socket.recv(&mut [0]));
                let _: Polled<()> = socket.poll_recv(cx, buf);
                let _: Fallible<usize> = socket.try_recv(&mut [0]);
                let _: Fallible<usize> = socket.try_recv_buf(&mut vec![0]);
                gives::<usize>(socket.recv_buf(&mut vec![0]));
                let _: Fallible<(usize, SocketAddr)> = socket.try_recv_buf_from(&mut vec![0]);
                gives::<(usize, SocketAddr)>(socket.recv_buf_from(&mut vec![0]));
                gives::<usize>(socket.send_to(&[0], "localhost:0"));
                let _: Polled<usize> = socket.poll_send_to(cx, &[0], to);
                let _: Fallible<usize> = socket.try_send_to(&[0], to);
                gives::<(usize, SocketAddr)>(socket.recv_from(&mut [0]));
                let _: Polled<SocketAddr> = socket.poll_recv_from(cx, buf);
                let _: Fallible<(usize, SocketAddr)> = socket.try_recv_from(&mut [0]);
                let _: Fallible<u8> = socket.try_io(Interest::READABLE, || Ok(0));
                gives::<u8>(socket.async_io(Interest::READABLE, || Ok(0)));
                gives::<usize>(socket.peek(&mut [0]));
                let _: Polled<()> = socket.poll_peek(cx, buf);
                let _: Fallible<usize> = socket.try_peek(&mut [0]);
                gives::<(usize, SocketAddr)>(socket.peek_from(&mut [0]));
                let _: Polled<SocketAddr> = socket.poll_peek_from(cx, buf);
                let _: Fallible<(usize, SocketAddr)> = socket.try_peek_from(&mut [0]);
                gives::<SocketAddr>(socket.peek_sender());
                let _: Polled<SocketAddr> = socket.poll_peek_sender(cx);
                let _: Fallible<SocketAddr> = socket.try_peek_sender();
                let _: Fallible<bool> = socket.broadcast();
                let _: Fallible<()> = socket.set_broadcast(true);
                let _: Fallible<bool> = socket.multicast_loop_v4();
                let _: Fallible<()> = socket.set_multicast_loop_v4(true);
                let _: Fallible<u32> = socket.multicast_ttl_v4();
                let _: Fallible<()> = socket.set_multicast_ttl_v4(1);
                let _: Fallible<bool> = socket.multicast_loop_v6();
                let _: Fallible<()> = socket.set_multicast_loop_v6(true);
                let _: Fallible<u32> = socket.tclass_v6();
                let _: Fallible<()> = socket.set_tclass_v6(0);
                let _: Fallible<u32> = socket.ttl();
                let _: Fallible<()> = socket.set_ttl(1);
                let _: Fallible<u32> = socket.tos_v4();
                let _: Fallible<u32> = socket.tos();
                let _: Fallible<()> = socket.set_tos_v4(0);
                let _: Fallible<()> = socket.set_tos(0);
                let _: Fallible<Option<Vec<u8>>> = socket.device();
                let _: Fallible<()> = socket.bind_device(None);
                let group = std::net::Ipv6Addr::LOCALHOST;
                let any = std::net::Ipv4Addr::UNSPECIFIED;
                let _: Fallible<()> = socket.join_multicast_v4(any, any);
                let _: Fallible<()> = socket.join_multicast_v6(&group, 0);
                let _: Fallible<()> = socket.leave_multicast_v4(any, any);
                let _: Fallible<()> = socket.leave_multicast_v6(&group, 0);
                let _: Fallible<Option<io::Error>> = socket.take_error();
            }
        }
    };
}

surface!(kernel, tokio::net);
surface!(ours, net_tokio);
