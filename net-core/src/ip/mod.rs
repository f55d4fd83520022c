//! The Internet Protocol: addresses, the way out, headers.

mod address;
mod path;

pub(crate) use address::{Delivery, LocalAddresses, is_martian_source, may_be_forwarded};
pub(crate) use path::{IpMeta, Path, same_scope_source};
