//! The host's interfaces by netlink (`rtnetlink(7)`): their addresses, and what they have dropped.

use rustix::io::retry_on_intr;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto,
    socket_with,
};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

/// A socket of the namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Netlink {
    /// Locked from a request to its answer.
    socket: Mutex<OwnedFd>,
}

impl Netlink {
    /// Opens it in the network namespace of the caller.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn open() -> io::Result<Self> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, NETLINK_ROUTE)?;
        let socket = Mutex::new(socket);
        Ok(Self { socket })
    }

    /// Packets to send that the interface with `index` has dropped since it is there.
    ///
    /// # Errors
    /// What the kernel says: ENODEV where there is no such interface.
    pub(super) fn dropped_to_send(&self, index: u32) -> io::Result<u64> {
        let mut body = vec![0; LINK_LEN];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        let mut answer = vec![0; LONGEST_ANSWER];
        let request = message(RTM_GETLINK, NLM_F_REQUEST, &body);
        let answer = self.ask(&request, &mut answer)?;
        let Some(attributes) = answer.get(HEADER_LEN + LINK_LEN..) else {
            return acknowledged(answer).and(Err(malformed()));
        };
        let stats = attribute(attributes, IFLA_STATS64);
        let dropped = stats.and_then(|stats| stats.get(TX_DROPPED..TX_DROPPED + 8));
        let dropped = dropped.and_then(|bytes| bytes.try_into().ok());
        dropped.map(u64::from_ne_bytes).ok_or_else(malformed)
    }

    /// Asks the kernel; the answer lies in `room`.
    fn ask<'a>(&self, request: &[u8], room: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&*socket, request, SendFlags::empty(), &kernel)?;
        // An answer that was left there would be taken for that to the next request.
        let received = retry_on_intr(|| recv(&*socket, &mut *room, RecvFlags::empty()));
        let (len, _) = received?;
        Ok(&room[..len])
    }
}

/// Adds `address` with the route to its prefix to the interface with `index`; it may be there.
///
/// # Errors
/// What the kernel says: EPERM without CAP_NET_ADMIN, EACCES where IPv6 is switched off.
pub(super) fn add_address(index: u32, address: IpAddr, prefix_len: u8) -> io::Result<()> {
    let mut answer = [0; 512];
    let request = new_address(index, address, prefix_len);
    acknowledged(Netlink::open()?.ask(&request, &mut answer)?)
}

/// The value of the first attribute of a kind.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let &[a, b, c, d, ..] = attributes else {
            return None;
        };
        let len = usize::from(u16::from_ne_bytes([a, b]));
        if u16::from_ne_bytes([c, d]) == wanted {
            return attributes.get(4..len);
        }
        attributes = attributes.get(len.next_multiple_of(4).max(4)..)?;
    }
}

fn new_address(index: u32, address: IpAddr, prefix_len: u8) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(address) => (AddressFamily::INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, address.octets().to_vec()),
    };
    let family = u8::try_from(family.as_raw()).expect("families are small numbers");
    let mut body = vec![family, prefix_len, IFA_F_NODAD, RT_SCOPE_UNIVERSE];
    body.extend(index.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        let len = u16::try_from(4 + octets.len()).expect("at most 20");
        body.extend(len.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(&octets);
    }
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    message(RTM_NEWADDR, flags, &body)
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEADER_LEN + body.len()).expect("at most 64");
    let mut message = Vec::with_capacity(HEADER_LEN + body.len());
    message.extend(len.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Reads the errno out of an NLMSG_ERROR, where 0 says that all is well.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    let errno = answer
        .get(HEADER_LEN..HEADER_LEN + 4)
        .and_then(|bytes| bytes.try_into().ok());
    match (kind.map(u16::from_ne_bytes), errno.map(i32::from_ne_bytes)) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(errno)) => Err(io::Error::from_raw_os_error(-errno)),
        _ => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::Error::other("an answer from netlink that is none")
}

/// The protocol with the number 0.
const NETLINK_ROUTE: Option<Protocol> = None;
const HEADER_LEN: usize = 16;
const NLMSG_ERROR: u16 = 2;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
/// Bytes of what says which interface it is about (`struct ifinfomsg`).
const LINK_LEN: usize = 16;
/// More than what the kernel tells of an interface.
const LONGEST_ANSWER: usize = 1 << 15;
const IFLA_STATS64: u16 = 23;
/// Where among the counters is that of dropped packets to send (`struct rtnl_link_stats64`).
const TX_DROPPED: usize = 7 * 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Usable at once: nobody else is on a point-to-point link to ask.
const IFA_F_NODAD: u8 = 0x02;
const RT_SCOPE_UNIVERSE: u8 = 0;
