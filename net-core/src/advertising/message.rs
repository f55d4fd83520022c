//! What an advertisement says (RFC 4861 §6.2.3, RFC 4191 §2, RFC 8106 §5).

use super::{AdvPrefix, RouterAdvertising};
use crate::time::Duration;
use crate::wire::ndp::{Lifetime, PrefixInformation, RouteInformation, RouterAdvert};
use crate::wire::{MacAddr, NdpMessage, NdpOption};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// The advertisement with all of its options, `age` after it was configured.
pub(super) fn advertisement(
    config: &RouterAdvertising,
    age: Duration,
    station: MacAddr,
) -> Vec<u8> {
    let servers = config.adv_rdnss_list.iter();
    let servers = servers.map(|entry| entry.servers.iter().map(Ipv6Addr::octets).collect());
    let servers: Vec<Vec<[u8; 16]>> = servers.collect();
    let domains = config.adv_dnssl_list.iter();
    let domains: Vec<Vec<u8>> = domains.map(|entry| encode(&entry.domains)).collect();
    let mut options = stable_options(config, station);
    options.extend(config.adv_prefix_list.iter().map(|prefix| {
        let prefix = prefix.aged(age);
        NdpOption::Prefix(prefix.into())
    }));
    options.extend(config.adv_route_list.iter().copied().map(NdpOption::Route));
    let dns = config.adv_rdnss_list.iter().zip(&servers);
    options.extend(dns.map(|(entry, servers)| NdpOption::DnsServers {
        lifetime: config.dns_lifetime(entry.lifetime),
        servers,
    }));
    let search = config.adv_dnssl_list.iter().zip(&domains);
    options.extend(search.map(|(entry, domains)| NdpOption::DnsSearch {
        lifetime: config.dns_lifetime(entry.lifetime),
        domains,
    }));
    let lifetime = config.default_lifetime().as_secs();
    emit(
        config,
        u16::try_from(lifetime).unwrap_or(u16::MAX),
        &options,
    )
}

/// The advertisement of a router that is none any more: what led by it ends (RFC 4861 §6.2.5, RFC 4191 §4).
/// Prefixes and DNS servers may be those of others, too, and are left out.
pub(super) fn farewell(config: &RouterAdvertising, station: MacAddr) -> Vec<u8> {
    let mut options = stable_options(config, station);
    options.extend(config.adv_route_list.iter().map(|&route| {
        NdpOption::Route(RouteInformation {
            lifetime: Lifetime(0),
            ..route
        })
    }));
    emit(config, 0, &options)
}

/// What is told of the link, and where the router is.
fn stable_options<'a>(config: &RouterAdvertising, station: MacAddr) -> Vec<NdpOption<'a>> {
    let source = config
        .adv_source_link_layer
        .then_some(NdpOption::SourceLinkLayer(station));
    let mtu = (config.adv_link_mtu > 0).then_some(NdpOption::Mtu(config.adv_link_mtu));
    source.into_iter().chain(mtu).collect()
}

fn emit(config: &RouterAdvertising, lifetime: u16, options: &[NdpOption<'_>]) -> Vec<u8> {
    let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    let message = NdpMessage::RouterAdvert(RouterAdvert {
        hop_limit: config.adv_cur_hop_limit,
        managed: config.adv_managed_flag,
        other: config.adv_other_config_flag,
        preference: config.adv_default_preference,
        lifetime,
        reachable_time: millis(config.adv_reachable_time),
        retrans_timer: millis(config.adv_retrans_timer),
    });
    let mut bytes = Vec::new();
    message.emit(options, &mut bytes);
    bytes
}

/// Names as sequences of labels (RFC 1035 §3.1).
fn encode(domains: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for domain in domains {
        for label in domain.split('.') {
            bytes.push(u8::try_from(label.len()).unwrap_or(0));
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
    }
    bytes
}

impl From<AdvPrefix> for PrefixInformation {
    fn from(entry: AdvPrefix) -> Self {
        Self {
            prefix: entry.prefix,
            prefix_len: entry.prefix_len,
            on_link: entry.adv_on_link_flag,
            autonomous: entry.adv_autonomous_flag,
            valid: entry.adv_valid_lifetime,
            preferred: entry.adv_preferred_lifetime,
        }
    }
}

/// Bytes in front of the options.
pub(super) const HEADER_LEN: usize = 16;
