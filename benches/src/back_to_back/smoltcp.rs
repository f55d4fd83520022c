//! Two of smoltcp's.

use super::{MTU, PIECE, ROUND};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::collections::VecDeque;
use std::fmt;

/// A connection between two interfaces.
pub struct Pair {
    sender: Host,
    receiver: Host,
    start: std::time::Instant,
    data: Vec<u8>,
    buf: Vec<u8>,
}

struct Host {
    iface: Interface,
    link: Link,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Pair {
    /// Two interfaces and an established connection with socket buffers of `buffer` bytes.
    ///
    /// # Panics
    /// When they cannot connect.
    #[must_use]
    pub fn new(buffer: usize) -> Self {
        let mut pair = Self {
            sender: Host::new(1, buffer),
            receiver: Host::new(2, buffer),
            start: std::time::Instant::now(),
            data: vec![b'.'; PIECE],
            buf: vec![0; PIECE],
        };
        pair.receiver.socket().listen(PORT).expect("a free port");
        let Host {
            iface,
            sockets,
            socket,
            ..
        } = &mut pair.sender;
        sockets
            .get_mut::<tcp::Socket<'_>>(*socket)
            .connect(iface.context(), (address(2), PORT), 50_000)
            .expect("a route");
        for _ in 0..4 {
            let now = pair.now();
            pair.cross(now);
        }
        assert!(pair.receiver.socket().may_recv(), "connected");
        pair
    }

    /// Carries `bytes` bytes, from the sending application's buffer to the receiving one's.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn carry(&mut self, bytes: usize) {
        let (mut sent, mut received) = (0, 0);
        while received < bytes {
            let now = self.now();
            while sent < bytes {
                let piece = &self.data[..PIECE.min(bytes - sent)];
                match self.sender.socket().send_slice(piece) {
                    Ok(0) => break,
                    Ok(count) => sent += count,
                    Err(error) => panic!("{error}"),
                }
            }
            self.cross(now);
            loop {
                match self.receiver.socket().recv_slice(&mut self.buf) {
                    Ok(0) => break,
                    Ok(count) => received += count,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn cross(&mut self, now: Instant) {
        self.sender.transmit(now);
        self.receiver
            .link
            .inbox
            .append(&mut self.sender.link.outbox);
        self.receiver.receive(now);
        self.receiver.transmit(now);
        self.sender
            .link
            .inbox
            .append(&mut self.receiver.link.outbox);
        self.sender.receive(now);
        self.sender.link.free.append(&mut self.receiver.link.free);
    }

    fn now(&self) -> Instant {
        let micros = self.start.elapsed().as_micros();
        Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl Host {
    fn new(number: u8, buffer: usize) -> Self {
        let mut link = Link::default();
        let config = Config::new(HardwareAddress::Ip);
        let mut iface = Interface::new(config, &mut link, Instant::ZERO);
        iface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(address(number), 24))
                .expect("room for an address");
        });
        let ring = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(ring(), ring());
        socket.set_nagle_enabled(false);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self {
            iface,
            link,
            sockets,
            socket,
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    fn transmit(&mut self, now: Instant) {
        while self.link.outbox.len() < ROUND
            && self
                .iface
                .poll_egress(now, &mut self.link, &mut self.sockets)
                == PollResult::SocketStateChanged
        {}
    }

    fn receive(&mut self, now: Instant) {
        while !self.link.inbox.is_empty() {
            self.iface
                .poll_ingress_single(now, &mut self.link, &mut self.sockets);
        }
    }
}

/// One end of the link: packets in buffers that are used again.
#[derive(Default)]
struct Link {
    inbox: VecDeque<Vec<u8>>,
    outbox: VecDeque<Vec<u8>>,
    free: VecDeque<Vec<u8>>,
}

impl Device for Link {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Sent<'_>)> {
        let Self {
            inbox,
            outbox,
            free,
        } = self;
        let packet = inbox.pop_front()?;
        // The answer takes a buffer of its own, for the received one is read meanwhile.
        let answer = free.pop_front().unwrap_or_default();
        Some((
            Received { packet, free },
            Sent {
                buffer: answer,
                outbox,
            },
        ))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sent<'_>> {
        Some(Sent {
            buffer: self.free.pop_front().unwrap_or_default(),
            outbox: &mut self.outbox,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = usize::from(MTU);
        capabilities
    }
}

struct Received<'a> {
    packet: Vec<u8>,
    free: &'a mut VecDeque<Vec<u8>>,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.packet);
        self.free.push_front(self.packet);
        result
    }
}

struct Sent<'a> {
    buffer: Vec<u8>,
    outbox: &'a mut VecDeque<Vec<u8>>,
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, f: F) -> R {
        self.buffer.resize(len, 0);
        let result = f(&mut self.buffer);
        self.outbox.push_back(self.buffer);
        result
    }
}

const fn address(number: u8) -> IpAddress {
    IpAddress::v4(192, 0, 2, number)
}

const PORT: u16 = 9;
