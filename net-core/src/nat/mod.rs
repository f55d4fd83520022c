//! Network address translation: flows whose packets get another source or destination.
//!
//! The first packet of a flow is asked about by the chains of type `nat`; what they say holds for the
//! flow, both ways. Ports are kept where they are free, and else found near by chance (RFC 4787 §4.2,
//! RFC 5382 §7, RFC 5508). Packets are changed in place: addresses, ports, and what of the checksums
//! covers them (RFC 1624), also in what ICMP errors quote (RFC 5508 §4).

mod bind;
mod crowd;
mod edit;
mod mappings;
mod own;
mod ports;
mod quoted;
mod rewrite;

pub(crate) use bind::bind;
pub(crate) use mappings::Mappings;
pub(crate) use own::OwnAddresses;
pub(crate) use rewrite::{changes, reaches, translate, translate_back};

use core::net::IpAddr;

/// What a rule of a `nat` chain makes of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// Which end of its packets changes.
    pub kind: TranslationKind,
    /// The addresses, first and last, that one of is taken; `None`: the address stays, or is that of
    /// an interface.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// The ports, first and last, that one of is taken; `None`: the port stays where that is free.
    pub ports: Option<(u16, u16)>,
    /// A source is translated alike for every destination (RFC 4787 REQ-1): others can be told of it.
    pub endpoint_independent: bool,
}

/// Which end of a flow's packets changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TranslationKind {
    /// The source.
    Source,
    /// The source, to the first address of the interface that the packet leaves over.
    Masquerade,
    /// The destination.
    Dest,
    /// The destination, to this host: the first address of the interface that the packet came over.
    Redirect,
}
