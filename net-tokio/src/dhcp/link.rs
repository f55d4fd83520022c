//! How a DHCP client speaks: while it has no address in frames of its own, then as everybody does.

use super::Lease;
use super::options::read;
use crate::net::Net;
use crate::{PacketSocket, UdpSocket};
use bytes::{Bytes, BytesMut};
use dhcproto::Encodable;
use dhcproto::v4::{CLIENT_PORT, Message, SERVER_PORT};
use net_core::autoconf::{AddressState, AddressStatus};
use net_core::buf::{RxPacket, TxPacket};
use net_core::iface::IpCidr;
use net_core::packet::{FrameClass, PacketAddr, PacketKind};
use net_core::route::Route;
use net_core::wire::{ArpPacket, EtherType, IpHeader, MacAddr, UdpHeader, ip, transport, udp};
use net_core::{IfaceId, SocketError};
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An interface as its client uses it.
pub(super) struct Link {
    net: Net,
    name: String,
    iface: IfaceId,
    mac: MacAddr,
    /// Hears of IPv4 while there is no address, and else of nothing.
    frames: PacketSocket,
    /// Hears of ARP while an address is being checked.
    arp: PacketSocket,
    /// There while there is an address.
    socket: Option<UdpSocket>,
    /// The address that the interface has from a lease, and from nobody else.
    leased: Option<Ipv4Addr>,
    /// The routes that are the lease's.
    routes: Vec<Route>,
    /// The address that is being checked.
    checked: Option<Ipv4Addr>,
    attends_frames: bool,
    /// This client wants the interface to choose an address of its link.
    has_fallen_back: bool,
}

impl Link {
    pub(super) fn new(net: &Net, name: &str, iface: IfaceId, mac: MacAddr) -> io::Result<Self> {
        let open = || PacketSocket::new_on(net, PacketKind::Cooked, EtherType::NONE);
        Ok(Self {
            net: net.clone(),
            name: name.to_owned(),
            iface,
            mac,
            frames: open()?,
            arp: open()?,
            socket: None,
            leased: None,
            routes: Vec::new(),
            checked: None,
            attends_frames: false,
            has_fallen_back: false,
        })
    }

    /// Chooses what to hear of.
    pub(super) fn attend(&mut self, frames: bool, checked: Option<Ipv4Addr>) -> io::Result<()> {
        let heard = |on, ethertype| if on { ethertype } else { EtherType::NONE };
        if self.attends_frames != frames {
            let ethertype = heard(frames, EtherType::IPV4);
            self.frames.bind(Some(&self.name), ethertype)?;
            self.attends_frames = frames;
        }
        if self.checked != checked {
            let ethertype = heard(checked.is_some(), EtherType::ARP);
            self.arp.bind(Some(&self.name), ethertype)?;
            self.checked = checked;
        }
        Ok(())
    }

    /// The next message of a server. A refusal goes to everybody (RFC 2131 §4.1), and so not to a socket
    /// that has an address.
    pub(super) async fn message(&self) -> io::Result<Message> {
        loop {
            let datagram = tokio::select! {
                datagram = self.datagram() => datagram?,
                frame = self.frames.recv() => datagram_of(frame?.payload),
            };
            let message = datagram.and_then(|bytes| read(&bytes));
            if let Some(message) = message {
                return Ok(message);
            }
        }
    }

    /// What comes to the leased address from a server's port.
    async fn datagram(&self) -> io::Result<Option<Bytes>> {
        let Some(socket) = &self.socket else {
            return pending().await;
        };
        let mut buffer = vec![0; MAX_DATAGRAM];
        let (len, from) = socket.recv_from(&mut buffer).await?;
        buffer.truncate(len);
        Ok((from.port() == SERVER_PORT).then(|| Bytes::from(buffer)))
    }

    /// Waits until somebody shows that he uses the address which is being checked (RFC 5227 §2.1.1).
    pub(super) async fn conflict(&self) -> io::Result<()> {
        let Some(checked) = self.checked else {
            return pending().await;
        };
        loop {
            let frame = self.arp.recv().await?;
            let packet = ArpPacket::parse(&frame.payload);
            let is_others = frame.class != FrameClass::Outgoing;
            if is_others && packet.is_ok_and(|packet| packet.sender_ip == checked) {
                return Ok(());
            }
        }
    }

    /// Sends a message from no address to everybody.
    pub(super) async fn shout(&self, message: &Message) -> io::Result<()> {
        let (source, dest) = (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into());
        let mut packet = TxPacket::default();
        let bytes = bytes_of(message)?;
        let header = UdpHeader {
            source_port: CLIENT_PORT,
            dest_port: SERVER_PORT,
            length: u16::try_from(bytes.len() + udp::HEADER_LEN).unwrap_or(u16::MAX),
            checksum: 0,
        };
        packet.body.push(bytes);
        header.emit(&mut packet.head);
        transport::fill_checksum(&mut packet, source, dest, ip::UDP, false);
        let header = IpHeader::new(source, dest, ip::UDP, packet.len());
        header.emit(&mut packet.head);
        let mut bytes = BytesMut::new();
        packet.copy_to(&mut bytes);
        self.put(&self.frames, &bytes, EtherType::IPV4).await
    }

    /// Sends a message from the leased address to a server, or to every.
    pub(super) async fn send(&self, message: &Message, server: Option<Ipv4Addr>) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let server = server.unwrap_or(Ipv4Addr::BROADCAST);
        match socket
            .send_to(&bytes_of(message)?, (server, SERVER_PORT))
            .await
        {
            // A server that cannot be reached may be later; the lease has not ended yet.
            Err(error) if is_of_the_way(&error) => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Asks who has an address (RFC 5227 §2.1.1).
    pub(super) async fn probe(&self, address: Ipv4Addr) -> io::Result<()> {
        let question = ArpPacket::request(self.mac, Ipv4Addr::UNSPECIFIED, address);
        self.put(&self.arp, &question.to_bytes(), EtherType::ARP)
            .await
    }

    async fn put(
        &self,
        socket: &PacketSocket,
        bytes: &[u8],
        ethertype: EtherType,
    ) -> io::Result<()> {
        let to = PacketAddr {
            iface: self.iface,
            ethertype,
            dest: Some(MacAddr::BROADCAST),
        };
        socket.send_to(bytes, &to).await.map(drop)
    }

    /// Gives the interface what a lease grants; whether it can use the address, which else another host has.
    /// Packets of IPv4 are no larger than it says; of those of IPv6 it says nothing.
    pub(super) async fn take(&mut self, lease: &Lease) -> io::Result<bool> {
        if !self.add_address(lease)? {
            return Ok(false);
        }
        // Two routes of one metric would take each other's place.
        let first = METRIC + self.iface.number() * MAX_ROUTERS;
        let routers = lease.routers.iter().take(MAX_ROUTERS as usize);
        let routers = (first..).zip(routers);
        let routers = routers.map(|(metric, &router)| (DEFAULT, Some(router), metric));
        let told = lease.routes.iter();
        let told = told.map(|&(prefix, router)| (prefix, router, first));
        let routes = routers.chain(told).map(|(prefix, router, metric)| Route {
            prefix,
            via: router.map(IpAddr::V4),
            iface: self.iface,
            source: None,
            metric,
        });
        let before = std::mem::replace(&mut self.routes, routes.collect());
        let routes = &mut self.routes;
        // In one turn: no packet finds its route gone because the lease was extended.
        self.net.engine().control(|core, _| {
            let stack = core.stack_mut();
            for route in before.iter().filter(|route| !routes.contains(route)) {
                stack.remove_exact_route(route);
            }
            let mut failed = Ok(());
            routes.retain(|route| {
                let added = stack.add_route_onlink(*route);
                if added.is_err() {
                    // One of the lease as it was, perhaps.
                    stack.remove_exact_route(route);
                }
                match added {
                    // A router that cannot be one, as it is this host's elsewhere: the others may be good.
                    Err(error) if !matches!(error, SocketError::InvalidInput(_)) => {
                        failed = Err(error);
                    }
                    _ => {}
                }
                added.is_ok()
            });
            failed?;
            stack.limit_mtu_v4(self.iface, lease.mtu)
        })?;
        if self.socket.is_none() {
            let local = SocketAddr::from((lease.ip(), CLIENT_PORT));
            let socket = UdpSocket::bind_on(&self.net, local).await?;
            socket.set_broadcast(true)?;
            socket.bind_device(Some(self.name.as_bytes()))?;
            self.socket = Some(socket);
        }
        #[cfg(feature = "dns")]
        self.net
            .names()
            .lease(self.iface, &lease.dns_servers, &lease.domains());
        Ok(true)
    }

    /// Whether the interface uses the address from now on.
    fn add_address(&mut self, lease: &Lease) -> io::Result<bool> {
        let (iface, cidr) = (self.iface, lease.address);
        let (added, is_used) = self.net.engine().act(|core, now| {
            let stack = core.stack_mut();
            match stack.add_checked_address(iface, cidr, now) {
                // It was extended; or somebody else has given it, and may want to keep it there; or it was
                // given up to another host.
                Err(SocketError::AddressInUse) => {
                    let mut all = stack.addresses(iface);
                    let known = all.find(|status| status.cidr.address == cidr.address);
                    let is_used = |status: AddressStatus| status.state == AddressState::Preferred;
                    Ok((false, known.is_some_and(is_used)))
                }
                added => added.map(|()| (true, true)),
            }
        })?;
        if added {
            self.leased = Some(lease.ip());
        }
        Ok(is_used)
    }

    /// Has the interface choose an address of its link for this client, or gives that wish up. Where
    /// somebody else has asked for one, it stays.
    pub(super) fn choose(&mut self, on: bool) -> io::Result<()> {
        let iface = self.iface;
        self.has_fallen_back = on;
        self.net
            .engine()
            .act(|core, now| core.stack_mut().fall_back_to_link_local_v4(iface, on, now))
    }

    /// Takes it away again.
    pub(super) fn give(&mut self) -> io::Result<()> {
        self.socket = None;
        #[cfg(feature = "dns")]
        self.net.names().end_lease(self.iface);
        self.forget_routes()?;
        let (iface, leased) = (self.iface, self.leased.take());
        self.net.engine().act(|core, now| {
            if let Some(address) = leased {
                // Somebody else may have taken it away.
                core.stack_mut().remove_address(iface, address.into(), now);
            }
            // An interface that is gone has no limit.
            let _ = core.stack_mut().limit_mtu_v4(iface, None);
            Ok(())
        })
    }

    /// Removes the routes of the client, and no others.
    fn forget_routes(&mut self) -> io::Result<()> {
        let routes = std::mem::take(&mut self.routes);
        self.net.engine().control(|core, _| {
            for route in &routes {
                core.stack_mut().remove_exact_route(route);
            }
            Ok(())
        })
    }
}

/// Nobody else would ever take back what the client has fallen back to.
impl Drop for Link {
    fn drop(&mut self) {
        if self.has_fallen_back {
            // A stack that has ended has no addresses left.
            let _ = self.choose(false);
        }
    }
}

/// What a server says in an IP packet; `None` for any other packet, and one that is damaged.
fn datagram_of(payload: Bytes) -> Option<Bytes> {
    let header = IpHeader::parse(&payload, payload.len()).ok()?;
    if header.protocol != ip::UDP || header.fragment.is_some() {
        return None;
    }
    let segment = payload.get(header.header_len..)?;
    let ports = UdpHeader::parse(segment, header.payload_len).ok()?;
    if (ports.source_port, ports.dest_port) != (SERVER_PORT, CLIENT_PORT) {
        return None;
    }
    let packet = RxPacket::from_frame(BytesMut::from(&payload[..]));
    transport::verify_checksum(&packet, &header).ok()?;
    let start = header.header_len + udp::HEADER_LEN;
    let end = header.header_len + usize::from(ports.length);
    (start..=payload.len())
        .contains(&end)
        .then(|| payload.slice(start..end))
}

/// A message as it is on the wire, filled up to what old servers take (RFC 2131 §2, RFC 951).
fn bytes_of(message: &Message) -> io::Result<Bytes> {
    let mut bytes = message.to_vec().map_err(io::Error::other)?;
    bytes.resize(bytes.len().max(MIN_MESSAGE), 0);
    Ok(bytes.into())
}

fn is_of_the_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::ConnectionRefused
            // Somebody has taken the leased address from the interface.
            | io::ErrorKind::AddrNotAvailable
    )
}

/// 0.0.0.0/0.
const DEFAULT: IpCidr = IpCidr {
    address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    prefix_len: 0,
};
/// Default routes of leases come behind those that were given.
const METRIC: u32 = 1024;
const MAX_ROUTERS: u32 = 8;
const MIN_MESSAGE: usize = 300;
const MAX_DATAGRAM: usize = 1500;
