//! What can be wrong with a set of rules.

use alloc::string::String;
use thiserror::Error;

/// Why a set of rules cannot be put in place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FilterError {
    /// Two tables of one family, or two chains of one table, have one name.
    #[error("there are two of the name \"{0}\"; rename one")]
    Duplicate(String),
    /// A rule jumps to a chain that its table does not have.
    #[error("there is no chain \"{0}\" in the table; add it or jump elsewhere")]
    NoSuchChain(String),
    /// A rule jumps to a chain that packets enter at a hook.
    #[error("chain \"{0}\" has a hook, and cannot be jumped to")]
    BaseChain(String),
    /// A chain leads back to itself.
    #[error("chain \"{0}\" leads back to itself")]
    Loop(String),
    /// More than 16 chains lead from one to the next.
    #[error("chain \"{0}\" is more than 16 jumps deep; flatten the chains before it")]
    TooDeep(String),
    /// Tuples of too many fields, or whose elements are not like the fields.
    #[error(
        "a tuple has up to two addresses and four numbers, where a station is two, and every element one of each"
    )]
    Tuple,
    /// A translation where there can be none.
    #[error(
        "chain \"{0}\" translates what it cannot: sources in nat chains at postrouting or input, destinations at prerouting or output, and own addresses by masquerade at postrouting, by redirect at prerouting"
    )]
    Translation(String),
    /// Packets are given to a socket where it is too late.
    #[error(
        "chain \"{0}\" gives packets to sockets (tproxy): that is for filter chains at prerouting"
    )]
    Tproxy(String),
    /// A chain of the kind `route` where nothing is routed anew.
    #[error("chain \"{0}\" routes packets anew, which is for those that this host sends (output)")]
    Route(String),
    /// Packets are rejected when they are about to leave.
    #[error(
        "chain \"{0}\" rejects packets at postrouting; reject them at prerouting, input, forward or output, or drop them"
    )]
    Reject(String),
    /// ARP packets are asked about elsewhere than where they come in or are sent.
    #[error("chain \"{0}\" is of the family arp, whose chains are filters at input or output")]
    ArpHook(String),
    /// A rule is about what the packets of its table do not have, or does what cannot be done with them.
    #[error("chain \"{0}\" has a rule that packets of its table's family cannot be about")]
    Family(String),
    /// A rule is about bits that make no number, or asks whether a packet has what every packet has.
    #[error(
        "chain \"{0}\" asks for no field: that is of 1 to 32 bits, or 1 to 4 bytes; for addresses of a routing header that are not counted from 1; or whether there is what is no option or extension header"
    )]
    Field(String),
    /// More rules than can be numbered.
    #[error("there are more than 4 Mi rules; use sets")]
    TooManyRules,
}
