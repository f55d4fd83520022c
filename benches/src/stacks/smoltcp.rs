//! `smoltcp` with a loop of its own: poll, serve every socket, sleep until the TUN has something.

use super::{ECHO_PORT, SERVICES, ServerConfig, announce_ready};
use anyhow::Context as _;
use examples::services::{ASK, Service};
use smoltcp::iface::{
    Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet,
};
use smoltcp::phy::{Medium, TunTapInterface, wait};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use std::os::fd::AsRawFd;

/// Serves on the TUN, for ever.
///
/// # Errors
/// When the TUN cannot be opened or waited for.
pub fn serve(config: &ServerConfig) -> anyhow::Result<()> {
    let mut device = TunTapInterface::new(&config.tun, Medium::Ip).context("opening the TUN")?;
    let descriptor = device.as_raw_fd();
    let mut iface = Interface::new(
        Config::new(HardwareAddress::Ip),
        &mut device,
        Instant::now(),
    );
    let mut fits = Ok(());
    iface.update_ip_addrs(|addresses| {
        fits = addresses.push(IpCidr::new(config.address.into(), 24));
    });
    fits.ok().context("smoltcp has room for one address")?;

    let mut sockets = SocketSet::new(Vec::new());
    let udp = sockets.add(udp_socket()?);
    let mut server = Server::new(config.clone());
    for (port, service) in SERVICES {
        for _ in 0..config.at_once {
            server.add(&mut sockets, port, service)?;
        }
    }
    announce_ready();
    loop {
        let now = Instant::now();
        let mut busy = false;
        iface.poll_maintenance(now);
        for _ in 0..PACKETS_PER_ROUND {
            match iface.poll_ingress_single(now, &mut device, &mut sockets) {
                PollIngressSingleResult::None => break,
                _ => busy = true,
            }
        }
        server.serve_all(&mut sockets)?;
        echo_datagrams(sockets.get_mut(udp), &mut server.scratch);
        while iface.poll_egress(now, &mut device, &mut sockets) == PollResult::SocketStateChanged {
            busy = true;
        }
        if !busy {
            let delay = iface.poll_delay(now, &sockets);
            wait(descriptor, delay).context("waiting for the TUN")?;
        }
    }
}

struct Server {
    config: ServerConfig,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
}

struct Connection {
    handle: SocketHandle,
    port: u16,
    service: Service,
    state: Use,
    /// Bytes that `count` has read.
    read: u64,
}

impl Server {
    fn new(config: ServerConfig) -> Self {
        Self {
            config,
            connections: Vec::new(),
            scratch: vec![b'.'; SCRATCH_BYTES],
        }
    }

    fn add(
        &mut self,
        sockets: &mut SocketSet<'_>,
        port: u16,
        service: Service,
    ) -> anyhow::Result<()> {
        let buffer = || tcp::SocketBuffer::new(vec![0; self.config.buffer]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.listen(port)?;
        self.connections.push(Connection {
            handle: sockets.add(socket),
            port,
            service,
            state: Use::Listening,
            read: 0,
        });
        Ok(())
    }

    /// Serves every socket once and keeps `at_once` of each port listening.
    fn serve_all(&mut self, sockets: &mut SocketSet<'_>) -> anyhow::Result<()> {
        let mut taken = Vec::new();
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
            match connection.state {
                Use::Listening if socket.is_listening() => {}
                Use::Listening => {
                    connection.state = Use::Connected;
                    taken.push((connection.port, connection.service));
                    connection.serve(socket, &mut self.scratch);
                }
                Use::Connected if socket.is_open() => connection.serve(socket, &mut self.scratch),
                Use::Connected => connection.state = Use::Free,
                Use::Free => {}
            }
        }
        for (port, service) in taken {
            self.listen_again(sockets, port, service)?;
        }
        Ok(())
    }

    /// Puts a used socket of that port back to listening, or adds one.
    fn listen_again(
        &mut self,
        sockets: &mut SocketSet<'_>,
        port: u16,
        service: Service,
    ) -> anyhow::Result<()> {
        let free = self
            .connections
            .iter_mut()
            .find(|connection| connection.state == Use::Free && connection.port == port);
        let Some(connection) = free else {
            return self.add(sockets, port, service);
        };
        let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
        socket.listen(port)?;
        connection.state = Use::Listening;
        connection.read = 0;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Listening,
    Connected,
    /// Closed; its buffers wait for the next connection.
    Free,
}

impl Connection {
    fn serve(&mut self, socket: &mut tcp::Socket<'_>, scratch: &mut [u8]) {
        match self.service {
            Service::Echo => echo(socket, scratch),
            Service::Discard | Service::Count => self.count(socket, scratch),
            Service::Source => while let Ok(1..) = socket.send_slice(scratch) {},
        }
        let peer_finished = !socket.may_recv() && socket.state() == tcp::State::CloseWait;
        if peer_finished && socket.recv_queue() == 0 {
            socket.close();
        }
    }

    fn count(&mut self, socket: &mut tcp::Socket<'_>, scratch: &mut [u8]) {
        while let Ok(count @ 1..) = socket.recv_slice(scratch) {
            self.read += count as u64;
            if self.service == Service::Count && scratch[count - 1] == ASK {
                // The buffer is empty: little else is ever sent on this connection.
                let _whole = socket.send_slice(&self.read.to_be_bytes());
            }
        }
    }
}

fn echo(socket: &mut tcp::Socket<'_>, scratch: &mut [u8]) {
    while socket.can_recv() {
        let room = socket.send_capacity() - socket.send_queue();
        let wanted = room.min(scratch.len());
        let Ok(count @ 1..) = socket.recv_slice(&mut scratch[..wanted]) else {
            return;
        };
        let _whole = socket.send_slice(&scratch[..count]);
    }
}

fn echo_datagrams(socket: &mut udp::Socket<'_>, scratch: &mut [u8]) {
    while socket.can_send()
        && let Ok((count, from)) = socket.recv_slice(scratch)
    {
        let _lost_like_any_datagram = socket.send_slice(&scratch[..count], from.endpoint);
    }
}

fn udp_socket() -> anyhow::Result<udp::Socket<'static>> {
    let buffer = || {
        udp::PacketBuffer::new(
            vec![udp::PacketMetadata::EMPTY; DATAGRAMS],
            vec![0; DATAGRAMS * 2048],
        )
    };
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(ECHO_PORT)?;
    Ok(socket)
}

/// Packets taken in before the application reads; the same as ours takes in one round.
const PACKETS_PER_ROUND: usize = 64;
const SCRATCH_BYTES: usize = 128 * 1024;
const DATAGRAMS: usize = 512;
