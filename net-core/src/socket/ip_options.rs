//! The options of the IP layer that sockets of every kind have.

use crate::error::SocketError;
use crate::iface::IfaceId;
use crate::qdisc::priority_of_tos;
use crate::wire::ip::ECN_MASK;
use core::net::IpAddr;

/// What to do about packets that are larger than a link on their way takes (`IP_MTU_DISCOVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PathMtuMode {
    /// Send fragments where the path MTU is exceeded, and let routers fragment.
    Dont,
    /// Send fragments where the path MTU is exceeded, but let no router fragment what fits: it is to
    /// say how much the link takes (RFC 1191). The default.
    #[default]
    Want,
    /// Refuse what is larger than the path MTU, and let no router fragment.
    Do,
    /// As `Do`, but by the MTU of the own link alone: for who probes the path by himself (RFC 8899). TCP
    /// does, where [`mtu_probing`](crate::config::TcpConfig::mtu_probing) is on, and then believes no
    /// router.
    Probe,
}

impl PathMtuMode {
    /// Whether the stack may send fragments.
    pub(crate) const fn may_fragment(self) -> bool {
        matches!(self, Self::Dont | Self::Want)
    }
}

/// One option of the IP layer and its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpOption {
    /// Type of service of IPv4 packets sent (`IP_TOS`). In TCP the bits of ECN stay as they are: they
    /// are the transport's (RFC 3168 §6.1).
    Tos(u8),
    /// Traffic class of IPv6 packets sent (`IPV6_TCLASS`); as [`Tos`](Self::Tos) for ECN.
    TrafficClass(u8),
    /// Time to live of IPv4 packets sent (`IP_TTL`), 1–255; `None`: the stack's default.
    Ttl(Option<u8>),
    /// Hop limit of IPv6 packets sent (`IPV6_UNICAST_HOPS`), also 0; `None`: the stack's default.
    HopLimit(Option<u8>),
    /// Priority of packets sent (`SO_PRIORITY`), 0–15: what the device is told.
    Priority(u8),
    /// Mark of packets sent (`SO_MARK`): what the device is told.
    Mark(u32),
    /// Whose the socket is, a number of the embedder's own: rules of policy routing
    /// [see](crate::route::Selector::owner) it, as they see the user of a socket in Linux (`ip rule … uidrange`).
    Owner(u32),
    /// Whether the socket may have addresses that are not this host's (`IP_TRANSPARENT`,
    /// `IPV6_TRANSPARENT`): it may bind to them, connect and send from them, and rules may
    /// [give](crate::filter::Action::Tproxy) it what is for them. What comes for an address and port
    /// where such a socket listens or takes datagrams, or from the peer that it is connected to, is this
    /// host's. While there is such a socket, all fragments of IPv4 are put together before anything else is
    /// decided, also those that are sent on.
    Transparent(bool),
    /// Path MTU discovery for IPv4 packets (`IP_MTU_DISCOVER`).
    PathMtu(PathMtuMode),
    /// Path MTU discovery for IPv6 packets (`IPV6_MTU_DISCOVER`), which no router fragments.
    PathMtuV6(PathMtuMode),
}

/// What packets of a socket say in their IP headers, and which way they take.
///
/// IPv4 and IPv6 have options of their own, as in the kernel: an IPv6 socket sends by the ones or the
/// others, depending on whether its peer's address is IPv4-mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct IpSettings {
    /// Type of service of IPv4 packets (`IP_TOS`).
    pub tos: u8,
    /// Traffic class of IPv6 packets (`IPV6_TCLASS`).
    pub traffic_class: u8,
    /// Time to live of IPv4 packets (`IP_TTL`); `None`: the stack's default.
    pub ttl: Option<u8>,
    /// Hop limit of IPv6 packets (`IPV6_UNICAST_HOPS`); `None`: the stack's default.
    pub hop_limit: Option<u8>,
    /// Priority of packets (`SO_PRIORITY`), 0–15; [disciplines](crate::qdisc) see it. A new type of
    /// service brings its own.
    pub priority: u8,
    /// Mark of packets (`SO_MARK`); the device sees it.
    pub mark: u32,
    /// Whose the socket is; [rules](crate::route::Selector::owner) of policy routing see it.
    pub owner: u32,
    /// Path MTU discovery for IPv4 packets (`IP_MTU_DISCOVER`).
    pub path_mtu: PathMtuMode,
    /// Path MTU discovery for IPv6 packets (`IPV6_MTU_DISCOVER`).
    pub path_mtu_v6: PathMtuMode,
    /// Whether it may have addresses that are not this host's (`IP_TRANSPARENT`).
    pub(crate) transparent: bool,
    /// The mark of the SYN that began the connection, where its address is this host's for packets with that
    /// mark only.
    pub(crate) local_mark: u32,
    /// The only interface to send and receive over (`SO_BINDTODEVICE`); see
    /// [`Stack::bind_iface`](crate::Stack::bind_iface).
    pub(crate) iface: Option<IfaceId>,
    /// Bytes of the options that the IPv4 packets of a stream have.
    pub(crate) option_bytes: u8,
}

impl IpSettings {
    /// Those of what answers from the address that was asked, whosever that is.
    pub(crate) fn of_answer() -> Self {
        Self {
            transparent: true,
            ..Self::default()
        }
    }

    /// Keeps from `before` what has an operation of its own.
    pub(super) const fn keep_granted(&mut self, before: &Self) {
        self.transparent = before.transparent;
        self.local_mark = before.local_mark;
        self.iface = before.iface;
        self.option_bytes = before.option_bytes;
    }

    /// Those of a connection that was begun by a SYN with a mark, by which its address is this host's. What
    /// the listener's own packets would have of options it has not, as in Linux.
    pub(crate) const fn to_answer(self, local_mark: u32) -> Self {
        Self {
            local_mark,
            option_bytes: 0,
            ..self
        }
    }

    /// Whether the socket may have addresses that are not this host's (`IP_TRANSPARENT`).
    #[must_use]
    pub const fn transparent(&self) -> bool {
        self.transparent
    }

    /// The only interface to send and receive over, if there is one.
    #[must_use]
    pub const fn iface(&self) -> Option<IfaceId> {
        self.iface
    }

    /// Takes in one option of a stream, whose bits of ECN are not the application's, or of another
    /// socket.
    ///
    /// # Errors
    /// [`SocketError::InvalidInput`] names the range that the value is outside of.
    pub(crate) fn set(&mut self, option: IpOption, is_stream: bool) -> Result<(), SocketError> {
        let kept = if is_stream { ECN_MASK } else { 0 };
        match option {
            IpOption::Tos(tos) => {
                let tos = tos & !kept | self.tos & kept;
                if tos != self.tos {
                    self.tos = tos;
                    self.priority = priority_of_tos(tos);
                }
            }
            IpOption::TrafficClass(class) => {
                self.traffic_class = class & !kept | self.traffic_class & kept;
            }
            IpOption::Ttl(Some(0)) => {
                return Err(SocketError::InvalidInput("a time to live is 1 to 255"));
            }
            IpOption::Ttl(ttl) => self.ttl = ttl,
            IpOption::HopLimit(limit) => self.hop_limit = limit,
            IpOption::Priority(priority) if priority > MAX_PRIORITY => {
                return Err(SocketError::InvalidInput("a priority is 0 to 15"));
            }
            IpOption::Priority(priority) => self.priority = priority,
            IpOption::Mark(mark) => self.mark = mark,
            IpOption::Owner(owner) => self.owner = owner,
            IpOption::Transparent(transparent) => self.transparent = transparent,
            IpOption::PathMtu(mode) => self.path_mtu = mode,
            IpOption::PathMtuV6(mode) => self.path_mtu_v6 = mode,
        }
        Ok(())
    }

    /// Type of service or traffic class of packets to `dest`.
    pub(crate) const fn class_to(&self, dest: IpAddr) -> u8 {
        match dest {
            IpAddr::V4(_) => self.tos,
            IpAddr::V6(_) => self.traffic_class,
        }
    }

    /// Time to live or hop limit of packets to `dest`.
    pub(crate) fn hops_to(&self, dest: IpAddr, default: u8) -> u8 {
        match dest {
            IpAddr::V4(_) => self.ttl,
            IpAddr::V6(_) => self.hop_limit,
        }
        .unwrap_or(default)
    }

    /// Path MTU discovery for packets to `dest`.
    pub(crate) const fn path_mtu_to(&self, dest: IpAddr) -> PathMtuMode {
        match dest {
            IpAddr::V4(_) => self.path_mtu,
            IpAddr::V6(_) => self.path_mtu_v6,
        }
    }

    /// Whether what came over `iface` is for the socket.
    pub(crate) fn takes_from(&self, iface: IfaceId) -> bool {
        self.iface.is_none_or(|bound| bound == iface)
    }
}

/// The highest priority of packets (`TC_PRIO_MAX`).
const MAX_PRIORITY: u8 = 15;
