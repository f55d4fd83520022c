//! The Internet Protocol: addresses, the way out, headers.

mod address;
mod destination;
mod extension;
mod fragment;
mod ident;
mod path;
mod path_mtu;
mod reassembly;
mod selection;

pub(crate) use address::{
    Delivery, LocalAddresses, is_martian_source, may_be_forwarded, may_be_local,
};
pub(crate) use destination::Fitness;
pub(crate) use extension::{Problem, Refusal, read_chain, transport_header_len};
pub(crate) use fragment::Fragments;
pub(crate) use ident::Identifications;
pub(crate) use path::{IpMeta, Origin, Path};
pub(crate) use path_mtu::PathMtus;
pub(crate) use reassembly::{Arrived, Reassembler};
pub(crate) use selection::{Standing, best_source};
