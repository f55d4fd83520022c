//! What routers tell of a link beside themselves and prefixes: routes, names of domains, how large its
//! packets are.

use super::Autoconf;
use crate::iface::IpCidr;
use crate::time::Instant;
use crate::wire::ndp::Preference;
use alloc::string::String;
use core::cmp::Reverse;
use core::net::Ipv6Addr;
use core::num::NonZeroU8;

/// A prefix that a router leads to (RFC 4191 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToldRoute {
    pub(crate) prefix: IpCidr,
    pub(crate) router: Ipv6Addr,
    pub(crate) preference: Preference,
    pub(crate) until: Instant,
    /// How often the router has not answered since it was last heard.
    pub(crate) failures: u32,
}

/// How packets are to leave, as far as a router (RFC 4861 §6.3.2), or a server of DHCP, has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LinkSettings {
    /// LinkMTU, never above that of the device.
    pub(crate) mtu: Option<u16>,
    /// The largest packet of IPv4.
    pub(crate) mtu_v4: Option<u16>,
    /// CurHopLimit.
    pub(crate) hop_limit: Option<NonZeroU8>,
}

/// The names in an option of domains to search (RFC 8106 §5.2, RFC 1035 §3.1); `None` if any of them is
/// none that a host can have.
pub(crate) fn names(mut domains: &[u8]) -> Option<alloc::vec::Vec<String>> {
    let mut names = alloc::vec::Vec::new();
    // Zeros behind the last one fill the option up.
    while domains.first().is_some_and(|&len| len > 0) {
        let mut name = String::new();
        loop {
            let (&len, rest) = domains.split_first()?;
            let (label, rest) = rest.split_at_checked(usize::from(len))?;
            domains = rest;
            if len == 0 {
                break;
            }
            let is_sound = len <= MAX_LABEL && label.iter().all(|&byte| is_of_hosts(byte));
            if !is_sound || name.len() + label.len() >= MAX_NAME {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|&byte| char::from(byte)));
        }
        names.push(name);
    }
    domains.iter().all(|&byte| byte == 0).then_some(names)
}

/// What names of hosts are made of; anything else could mean something to who reads a list of names.
const fn is_of_hosts(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl Autoconf {
    /// Forgets a route if there is no room for another: one whose router has not answered, one that is
    /// preferred less, one whose time is over first.
    pub(crate) fn pop_route_in_excess(&mut self) -> Option<IpCidr> {
        let full = self.routes.len() >= MAX_ROUTES;
        let all = self.routes.iter().enumerate().filter(|_| full);
        let (at, _) =
            all.min_by_key(|(_, each)| (Reverse(each.failures), each.preference, each.until))?;
        Some(self.routes.remove(at).prefix)
    }

    /// Forgets the domain whose time is over first if there is no room for another (RFC 8106 §6.2).
    pub(crate) fn drop_domain_in_excess(&mut self) {
        let full = self.search.len() >= MAX_DOMAINS;
        let all = self.search.iter().enumerate().filter(|_| full);
        if let Some((at, _)) = all.min_by_key(|(_, (_, until))| *until) {
            self.search.remove(at);
        }
    }
}

/// Routes of routers that are remembered for an interface.
pub(crate) const MAX_ROUTES: usize = 16;
/// Domains to search that are remembered for an interface.
const MAX_DOMAINS: usize = 8;
/// Bytes of a name and of a label (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: u8 = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_up_to_the_zeros_behind_them() {
        let option = b"\x07example\x04test\0\x03lan\0\0\0";
        let read = names(option).expect("names");
        assert_eq!(read, ["example.test", "lan"]);
        assert_eq!(names(&[0; 8]).expect("none"), [""; 0]);
    }

    #[test]
    fn a_name_that_no_host_can_have_spoils_the_option() {
        let long = [&[63; 64][..]; 5].concat();
        let cases: [&[u8]; 6] = [
            b"\x07exampl",
            b"\x03lan",
            b"\x03l n\0",
            b"\xc0\x0c\0\0\0\0",
            b"\x03lan\0\0\0\x01",
            &long,
        ];
        for case in cases {
            assert_eq!(names(case), None, "{case:?}");
        }
    }
}
