//! TCP (RFC 9293).

mod seq;

pub use seq::SeqNum;
