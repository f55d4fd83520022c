//! What ping and raw sockets have in common with UDP sockets.

/// The methods of a socket without ports, over its field `socket`; `io`, `IpAddr` and `SocketAddr` are in
/// scope where it is used.
macro_rules! datagram_methods {
    ($type:ty) => {
        impl $type {
            /// The stack that the socket belongs to.
            #[must_use]
            pub fn net(&self) -> &$crate::net::Net {
                self.socket.net()
            }

            /// Gives the socket a local address: it sends from there and takes only what is sent to it.
            ///
            /// # Errors
            /// `AddrNotAvailable` for an address that is not the stack's, or `InvalidInput` where the
            /// socket has one already.
            pub fn bind_to(&self, address: IpAddr) -> io::Result<()> {
                self.socket.bind_to(SocketAddr::new(address, 0))
            }

            /// The local address, unspecified where there is none.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn local_address(&self) -> io::Result<IpAddr> {
                Ok(self.socket.local_addr()?.ip())
            }

            /// Makes `address` the destination of [`send`](Self::send) and the only source to receive
            /// from.
            ///
            /// # Errors
            /// `NetworkUnreachable` and the like.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: it does not wait.
            pub async fn connect(&self, address: IpAddr) -> io::Result<()> {
                self.socket.connect(SocketAddr::new(address, 0)).await
            }

            /// Sends `buf` as one packet to the connected address.
            ///
            /// # Errors
            /// EDESTADDRREQ where there is none, EMSGSIZE for more than a packet holds, `InvalidInput` for
            /// what is malformed, or what the network said to an earlier packet.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: where the future is dropped, nothing was sent.
            pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
                self.socket.send(buf).await
            }

            /// Sends `buf` as one packet to `address`.
            ///
            /// # Errors
            /// As for [`send`](Self::send), or `NetworkUnreachable` and the like.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: where the future is dropped, nothing was sent.
            pub async fn send_to(&self, buf: &[u8], address: IpAddr) -> io::Result<usize> {
                let to = SocketAddr::new(address, 0);
                self.socket.send_to(buf, to).await
            }

            /// As [`send_to`](Self::send_to), at once.
            ///
            /// # Errors
            /// `WouldBlock` without room, or as for [`send_to`](Self::send_to).
            pub fn try_send_to(&self, buf: &[u8], address: IpAddr) -> io::Result<usize> {
                let to = SocketAddr::new(address, 0);
                self.socket.try_send_to(buf, to)
            }

            /// As [`send_to`](Self::send_to), to be polled. Only the last task that polled for sending is
            /// woken.
            ///
            /// # Errors
            /// As for [`send_to`](Self::send_to).
            pub fn poll_send_to(
                &self,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
                address: IpAddr,
            ) -> std::task::Poll<io::Result<usize>> {
                let to = SocketAddr::new(address, 0);
                self.socket.poll_send_to(cx, buf, to)
            }

            /// Receives a packet into `buf`: its length, at most that of `buf`, and its source.
            ///
            /// # Errors
            /// What the network said to a packet sent.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: where the future is dropped, nothing was received.
            pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, IpAddr)> {
                let (len, from) = self.socket.recv_from(buf).await?;
                Ok((len, from.ip()))
            }

            /// As [`recv_from`](Self::recv_from), at once.
            ///
            /// # Errors
            /// `WouldBlock` where nothing is there, or as for [`recv_from`](Self::recv_from).
            pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, IpAddr)> {
                let (len, from) = self.socket.try_recv_from(buf)?;
                Ok((len, from.ip()))
            }

            /// As [`recv_from`](Self::recv_from), to be polled. Only the last task that polled for
            /// receiving is woken.
            ///
            /// # Errors
            /// As for [`recv_from`](Self::recv_from).
            pub fn poll_recv_from(
                &self,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<IpAddr>> {
                let polled = self.socket.poll_recv_from(cx, buf);
                polled.map_ok(|from| from.ip())
            }

            /// Receives a packet without copying it, with what its IP header said.
            ///
            /// # Errors
            /// As for [`recv_from`](Self::recv_from).
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: where the future is dropped, nothing was received.
            pub async fn recv_datagram(&self) -> io::Result<net_core::udp::Datagram> {
                self.socket.recv_datagram().await
            }

            /// Waits until the socket is ready for something in `interest`, and says for what.
            ///
            /// # Errors
            /// None: a stack that has ended counts as ready, and the next operation says so.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness is a level, nothing is used up.
            pub async fn ready(
                &self,
                interest: tokio::io::Interest,
            ) -> io::Result<tokio::io::Ready> {
                self.socket.ready(interest).await
            }

            /// Keeps what ICMP errors say about packets sent (`IP_RECVERR`): see
            /// [`UdpSocket::set_recv_errors`](crate::UdpSocket::set_recv_errors).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_recv_errors(&self, on: bool) -> io::Result<()> {
                self.socket.set_recv_errors(on)
            }

            /// Takes the oldest error that was kept.
            ///
            /// # Errors
            /// `WouldBlock` where there is none.
            pub fn try_recv_error(&self) -> io::Result<net_core::udp::QueuedError> {
                self.socket.try_recv_error()
            }

            /// Sets the time to live or hop limit of what is sent, 1–255.
            ///
            /// # Errors
            /// `InvalidInput` for another number.
            pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
                self.socket.set_ttl(ttl)?;
                self.socket.set_hop_limit_v6(ttl)
            }

            /// Sends `buf` in the way that `meta` says: with another source, time to live or type of service than
            /// the socket's, or over another interface ([`SendMeta`](net_core::udp::SendMeta)). It is not cut;
            /// ports mean nothing.
            ///
            /// # Errors
            /// As for [`send_to`](Self::send_to); `InvalidInput` for a length to cut at, or a time to live of 0;
            /// `AddrNotAvailable` for a source that is not the stack's.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: where the future is dropped, nothing was sent.
            pub async fn send_with(
                &self,
                buf: &[u8],
                meta: net_core::udp::SendMeta,
            ) -> io::Result<usize> {
                self.socket.send_with(buf, meta).await
            }

            /// The type of service of IPv4 packets sent (`IP_TOS`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn tos_v4(&self) -> io::Result<u32> {
                self.socket.tos_v4()
            }

            /// Sets the type of service of IPv4 packets sent, 0–255.
            ///
            /// # Errors
            /// `InvalidInput` for another number.
            pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
                self.socket.set_tos_v4(tos)
            }

            /// The traffic class of IPv6 packets sent (`IPV6_TCLASS`).
            ///
            /// # Errors
            /// `Unsupported` for an IPv4 socket.
            pub fn tclass_v6(&self) -> io::Result<u32> {
                self.socket.tclass_v6()
            }

            /// Sets the traffic class of IPv6 packets sent, 0–255.
            ///
            /// # Errors
            /// `InvalidInput` for another number, the kernel's ENOPROTOOPT for an IPv4 socket.
            pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
                self.socket.set_tclass_v6(tclass)
            }

            /// Whether it may send to broadcast addresses (`SO_BROADCAST`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn broadcast(&self) -> io::Result<bool> {
                self.socket.broadcast()
            }

            /// Lets it send to broadcast addresses, or not. Off by default.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
                self.socket.set_broadcast(on)
            }

            /// Becomes a member of an IPv4 group on the interface with an address, or where routes lead: see
            /// [`UdpSocket::join_multicast_v4`](crate::UdpSocket::join_multicast_v4).
            ///
            /// # Errors
            /// As there.
            pub fn join_multicast_v4(
                &self,
                group: std::net::Ipv4Addr,
                interface: std::net::Ipv4Addr,
            ) -> io::Result<()> {
                self.socket.join_multicast_v4(group, interface)
            }

            /// Is a member no longer.
            ///
            /// # Errors
            /// As for [`UdpSocket::leave_multicast_v4`](crate::UdpSocket::leave_multicast_v4).
            pub fn leave_multicast_v4(
                &self,
                group: std::net::Ipv4Addr,
                interface: std::net::Ipv4Addr,
            ) -> io::Result<()> {
                self.socket.leave_multicast_v4(group, interface)
            }

            /// Becomes a member of an IPv6 group on the interface of a number, or with 0 where routes lead: see
            /// [`UdpSocket::join_multicast_v6`](crate::UdpSocket::join_multicast_v6).
            ///
            /// # Errors
            /// As there.
            pub fn join_multicast_v6(
                &self,
                group: &std::net::Ipv6Addr,
                interface: u32,
            ) -> io::Result<()> {
                self.socket.join_multicast_v6(group, interface)
            }

            /// Is a member no longer.
            ///
            /// # Errors
            /// As for [`UdpSocket::leave_multicast_v6`](crate::UdpSocket::leave_multicast_v6).
            pub fn leave_multicast_v6(
                &self,
                group: &std::net::Ipv6Addr,
                interface: u32,
            ) -> io::Result<()> {
                self.socket.leave_multicast_v6(group, interface)
            }

            /// Sets the time to live or hop limit of what is sent to groups, 0–255: 1 by default.
            ///
            /// # Errors
            /// `InvalidInput` for another number.
            pub fn set_multicast_ttl(&self, ttl: u32) -> io::Result<()> {
                let ttl = $crate::options::byte(ttl, "a time to live is 0 to 255")?;
                self.socket.change(|settings| {
                    settings.multicast.ttl = ttl;
                    settings.multicast.hops = ttl;
                })
            }

            /// Says whether what is sent to groups comes back to members on this host. On by default.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_multicast_loop(&self, on: bool) -> io::Result<()> {
                self.socket.change(|settings| {
                    settings.multicast.loop_v4 = on;
                    settings.multicast.loop_v6 = on;
                })
            }

            /// Has packets to IPv4 groups leave over the interface with the address `interface`; unspecified:
            /// where routes lead.
            ///
            /// # Errors
            /// `AddrNotAvailable` for an address that no interface has.
            pub fn set_multicast_if_v4(&self, interface: &std::net::Ipv4Addr) -> io::Result<()> {
                self.socket.set_multicast_if_v4(interface)
            }

            /// Has packets to IPv6 groups leave over the interface with this number; 0: where routes lead.
            ///
            /// # Errors
            /// The kernel's ENODEV where there is no such interface, ENOPROTOOPT for an IPv4 socket.
            pub fn set_multicast_if_v6(&self, interface: u32) -> io::Result<()> {
                self.socket.set_multicast_if_v6(interface)
            }

            /// Sends and receives over one interface only (`SO_BINDTODEVICE`).
            ///
            /// # Errors
            /// The kernel's ENODEV where the stack has no interface of that name.
            pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
                self.socket.bind_device(interface)
            }

            /// Every option as it is set now.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn settings(&self) -> io::Result<net_core::socket::UdpSettings> {
                self.socket.settings()
            }
        }

        $crate::options::ip_options!($type, |this| this.socket.ip());
    };
}

pub(super) use datagram_methods;
