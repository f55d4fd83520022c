//! ICMP (RFC 792, RFC 1122 §3.2.2) and ICMPv6 (RFC 4443): what errors mean to sockets, and what a
//! quotation tells.

mod error;
mod quote;

pub(crate) use error::IcmpError;
pub(crate) use quote::{Quoted, complete_checksum, longest_quotation, quote};
