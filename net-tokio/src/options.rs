//! Options of the IP layer, which sockets of every kind have, and values as the kernel takes them.

use crate::error::to_io;
use crate::net::Net;
use net_core::socket::{Family, IpOption, IpSettings};
use net_core::{SocketError, SocketId};
use std::io;
use std::time::Duration;

/// A socket by its name, to ask and to tell about its IP layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IpLayer<'a> {
    net: &'a Net,
    id: SocketId,
}

impl<'a> IpLayer<'a> {
    pub(crate) fn new(net: &'a Net, id: SocketId) -> Self {
        Self { net, id }
    }

    /// Reads from the settings.
    pub(crate) fn get<R>(self, f: impl FnOnce(&IpSettings) -> R) -> io::Result<R> {
        self.net
            .engine()
            .control(|core, _| core.stack().ip_settings(self.id).map(f))
    }

    /// Sets an option.
    pub(crate) fn set(self, option: IpOption) -> io::Result<()> {
        self.net
            .engine()
            .control(|core, _| core.stack_mut().set_ip_option(self.id, option))
    }

    /// `IP_OPTIONS`.
    pub(crate) fn options(self) -> io::Result<Vec<u8>> {
        self.net
            .engine()
            .control(|core, _| core.stack().ipv4_options(self.id))
    }

    /// Sets `IP_OPTIONS`.
    pub(crate) fn set_options(self, options: &[u8]) -> io::Result<()> {
        self.net
            .engine()
            .control(|core, now| core.stack_mut().set_ipv4_options(self.id, options, now))
    }

    /// `IP_TTL`.
    pub(crate) fn ttl(self) -> io::Result<u32> {
        self.hops(|settings| settings.ttl)
    }

    /// Sets `IP_TTL`: 1–255.
    pub(crate) fn set_ttl(self, ttl: u32) -> io::Result<()> {
        self.set(IpOption::Ttl(Some(byte(
            ttl,
            "a time to live is 1 to 255",
        )?)))
    }

    /// `IPV6_UNICAST_HOPS`.
    pub(crate) fn hop_limit(self) -> io::Result<u32> {
        self.hops(|settings| settings.hop_limit)
    }

    /// Sets `IPV6_UNICAST_HOPS`: 0–255.
    pub(crate) fn set_hop_limit(self, limit: u32) -> io::Result<()> {
        self.set(IpOption::HopLimit(Some(byte(
            limit,
            "a hop limit is 0 to 255",
        )?)))
    }

    /// `IP_TOS`.
    pub(crate) fn tos(self) -> io::Result<u32> {
        self.get(|settings| settings.tos.into())
    }

    /// Sets `IP_TOS`: as in the kernel, the low eight bits count.
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    pub(crate) fn set_tos(self, tos: u32) -> io::Result<()> {
        self.set(IpOption::Tos(tos as u8))
    }

    /// `IPV6_TCLASS`, which only IPv6 sockets have.
    pub(crate) fn traffic_class(self) -> io::Result<u32> {
        self.check_v6(SocketError::Unsupported("IPV6_TCLASS of an IPv4 socket"))?;
        self.get(|settings| settings.traffic_class.into())
    }

    /// Sets `IPV6_TCLASS`: 0–255, or −1 for the default.
    pub(crate) fn set_traffic_class(self, class: u32) -> io::Result<()> {
        self.check_v6(SocketError::NoSuchOption)?;
        let class = match class.cast_signed() {
            -1 => 0,
            _ => byte(class, "a traffic class is 0 to 255")?,
        };
        self.set(IpOption::TrafficClass(class))
    }

    /// `SO_BINDTODEVICE`: the name of the interface.
    pub(crate) fn device(self) -> io::Result<Option<Vec<u8>>> {
        self.net.engine().control(|core, _| {
            let stack = core.stack();
            let bound = stack.ip_settings(self.id)?.iface();
            let names = stack.ifaces().filter(|(iface, _)| Some(*iface) == bound);
            Ok(names
                .map(|(_, config)| config.name.clone().into_bytes())
                .next())
        })
    }

    /// Sets `SO_BINDTODEVICE`; no name, or an empty one, is none.
    pub(crate) fn bind_device(self, name: Option<&[u8]>) -> io::Result<()> {
        // The kernel reads a C string.
        let name = name.and_then(|name| name.split(|byte| *byte == 0).next());
        self.net.engine().control(|core, _| {
            let iface = match name {
                None | Some([]) => None,
                Some(name) => {
                    let mut ifaces = core.stack().ifaces();
                    let found = ifaces.find(|(_, config)| config.name.as_bytes() == name);
                    Some(found.ok_or(SocketError::NoSuchInterface)?.0)
                }
            };
            core.stack_mut().bind_iface(self.id, iface)
        })
    }

    fn hops(self, own: impl FnOnce(&IpSettings) -> Option<u8>) -> io::Result<u32> {
        self.net.engine().control(|core, _| {
            let own = own(core.stack().ip_settings(self.id)?);
            Ok(own.unwrap_or(core.stack().config().ttl).into())
        })
    }

    /// Lets IPv6 sockets pass.
    pub(crate) fn check_v6(self, otherwise: SocketError) -> io::Result<()> {
        self.net
            .engine()
            .control(|core, _| match core.stack().family(self.id)? {
                Family::V6 => Ok(()),
                Family::V4 => Err(otherwise),
            })
    }
}

/// `SO_LINGER` counts in seconds.
pub(crate) fn whole_seconds(time: Option<Duration>) -> Option<Duration> {
    time.map(|time| Duration::from_secs(time.as_secs()))
}

/// The size of a buffer as the kernel reads it back: doubled, for what it spends on bookkeeping.
pub(crate) fn doubled(size: usize) -> u32 {
    u32::try_from(size.saturating_mul(2)).unwrap_or(u32::MAX)
}

/// The size of a buffer to set.
pub(crate) fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

pub(crate) fn byte(number: u32, rule: &'static str) -> io::Result<u8> {
    u8::try_from(number).map_err(|_| to_io(SocketError::InvalidInput(rule)))
}

/// The options of the IP layer that tokio's sockets have no methods for; the same for every kind of
/// socket. `$ip` leads from the socket to its [`IpLayer`].
macro_rules! ip_options {
    ($type:ty, |$this:ident| $ip:expr) => {
        impl $type {
            /// The hop limit of IPv6 packets sent (`IPV6_UNICAST_HOPS`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn hop_limit_v6(&self) -> std::io::Result<u32> {
                let $this = self;
                $ip.hop_limit()
            }

            /// Sets the hop limit of IPv6 packets sent, 0–255. (`set_ttl` is about IPv4 packets.)
            ///
            /// # Errors
            /// `InvalidInput` for another number.
            pub fn set_hop_limit_v6(&self, limit: u32) -> std::io::Result<()> {
                let $this = self;
                $ip.set_hop_limit(limit)
            }

            /// The options of IPv4 packets sent (`IP_OPTIONS`), filled up to a multiple of four bytes.
            ///
            /// # Errors
            /// When the stack has ended; the kernel's ENOPROTOOPT for a stream of an IPv6 socket.
            pub fn ipv4_options(&self) -> std::io::Result<Vec<u8>> {
                let $this = self;
                $ip.options()
            }

            /// Has IPv4 packets sent have options as they lie in a header; none takes them back.
            /// [`Stack::set_ipv4_options`](net_core::Stack::set_ipv4_options) tells more.
            ///
            /// # Errors
            /// `InvalidInput` for more than 40 bytes or a broken option, `PermissionDenied` for a source
            /// route, or as for reading them.
            pub fn set_ipv4_options(&self, options: &[u8]) -> std::io::Result<()> {
                let $this = self;
                $ip.set_options(options)
            }

            /// What becomes of IPv4 packets that are larger than their way takes
            /// (`IP_MTU_DISCOVER`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn path_mtu_v4(&self) -> std::io::Result<net_core::socket::PathMtuMode> {
                let $this = self;
                $ip.get(|settings| settings.path_mtu)
            }

            /// Sets what becomes of IPv4 packets that are larger than their way takes.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_path_mtu_v4(
                &self,
                mode: net_core::socket::PathMtuMode,
            ) -> std::io::Result<()> {
                let $this = self;
                $ip.set(net_core::socket::IpOption::PathMtu(mode))
            }

            /// What becomes of IPv6 packets that are larger than their way takes
            /// (`IPV6_MTU_DISCOVER`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn path_mtu_v6(&self) -> std::io::Result<net_core::socket::PathMtuMode> {
                let $this = self;
                $ip.get(|settings| settings.path_mtu_v6)
            }

            /// Sets what becomes of IPv6 packets that are larger than their way takes.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_path_mtu_v6(
                &self,
                mode: net_core::socket::PathMtuMode,
            ) -> std::io::Result<()> {
                let $this = self;
                $ip.set(net_core::socket::IpOption::PathMtuV6(mode))
            }

            /// The priority of packets sent (`SO_PRIORITY`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn priority(&self) -> std::io::Result<u8> {
                let $this = self;
                $ip.get(|settings| settings.priority)
            }

            /// Sets the priority of packets sent, 0–15, which the device is told
            /// ([`TxMeta`](net_core::buf::TxMeta)).
            ///
            /// # Errors
            /// `InvalidInput` for another number.
            pub fn set_priority(&self, priority: u8) -> std::io::Result<()> {
                let $this = self;
                $ip.set(net_core::socket::IpOption::Priority(priority))
            }

            /// The mark of packets sent (`SO_MARK`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn mark(&self) -> std::io::Result<u32> {
                let $this = self;
                $ip.get(|settings| settings.mark)
            }

            /// Marks the packets sent, for the device to see ([`TxMeta`](net_core::buf::TxMeta)).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_mark(&self, mark: u32) -> std::io::Result<()> {
                let $this = self;
                $ip.set(net_core::socket::IpOption::Mark(mark))
            }

            /// Whether the socket may have addresses that are not the stack's (`IP_TRANSPARENT`,
            /// `IPV6_TRANSPARENT`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn transparent(&self) -> std::io::Result<bool> {
                let $this = self;
                $ip.get(|settings| settings.transparent())
            }

            /// Lets the socket have addresses that are not the stack's, as transparent proxies need:
            /// [`IpOption::Transparent`](net_core::socket::IpOption::Transparent) tells more. What a
            /// listener accepts has the option, too.
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_transparent(&self, transparent: bool) -> std::io::Result<()> {
                let $this = self;
                $ip.set(net_core::socket::IpOption::Transparent(transparent))
            }

            /// Whose the socket is: 0 unless [set](Self::set_owner).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn owner(&self) -> std::io::Result<u32> {
                let $this = self;
                $ip.get(|settings| settings.owner)
            }

            /// Says whose the socket is, by a number of your own, for rules of policy routing to
            /// [see](net_core::route::Selector::owner) (`ip rule … uidrange`).
            ///
            /// # Errors
            /// When the stack has ended.
            pub fn set_owner(&self, owner: u32) -> std::io::Result<()> {
                let $this = self;
                $ip.set(net_core::socket::IpOption::Owner(owner))
            }
        }
    };
}

pub(crate) use ip_options;
