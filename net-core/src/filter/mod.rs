//! The packet filter: rules in chains at the [points](crate::hook::HookPoint) of packets' ways.
//!
//! A [`Ruleset`] says what is wanted: tables of chains of [rules](Rule), from typed values or from a
//! text close to that of `nft`. Put into a stack it is compiled: names are resolved, sets become tries
//! and hash tables, and runs of rules that look at the same fields become one lookup each, which finds
//! the first of them that holds. A packet that passes no chain pays what it pays without a filter: one
//! comparison.
//!
//! # The text
//!
//! It is a part of the language of `nft`, and reads there too, but for what is marked. `table
//! [ip|ip6|inet|arp] NAME { ... }` holds sets and chains. `set NAME { type TYPE [. TYPE ...]; flags
//! interval; elements = { ... } }` has the types `ipv4_addr`, `ipv6_addr`, `ether_addr`, `inet_service`,
//! `inet_proto`, `mark`, `ifname`, `icmp_type`, `icmpv6_type`. `chain NAME { [type filter|nat|route hook HOOK
//! priority N; policy accept|drop;] RULES }` has a rule on each line. A rule is matches, then what it does:
//!
//! - `ip` and `ip6` with `saddr`, `daddr`, `protocol`, `nexthdr`, `hdrlength`, `flowlabel`, `ttl`,
//!   `hoplimit`, `dscp`, `ecn`, `length`, `id`, `frag-off`, `checksum`; `tcp` with `sport`, `dport`, `flags`,
//!   `sequence`, `ackseq`, `doff`, `window`, `checksum`, `urgptr`; `udp` with `sport`, `dport`, `length`, `checksum`; `udplite`,
//!   `dccp`, `sctp`, `th` with `sport`, `dport`, and with `csumcov`, `checksum`, with `type`, and with `vtag`,
//!   `checksum`; `icmp` and `icmpv6` with `type`, `code`, `id`, `sequence`; `igmp` with `type`, `mrt`,
//!   `checksum`, `group` (dotted, which `nft` 1.0.6 takes as a number alone); `ah` with `nexthdr`, `hdrlength`, `reserved`, `spi`, `sequence`; `esp` with `spi`,
//!   `sequence`; `comp` with `nexthdr`, `flags`, `cpi`; `@nh,BIT,BITS` and `@th,BIT,BITS`;
//! - `tcp option` with `eol`, `nop`, `maxseg length|size`, `window length|count`, `sack-perm length`,
//!   `sack|sack0|sack1|sack2|sack3 length|left|right`, `timestamp length|tsval|tsecr`, `md5sig length`, `mptcp
//!   length|subtype`, `fastopen length`, `NUMBER length`, each with `exists|missing`, and
//!   `@NUMBER,BIT,BITS`; `ip option` with `lsrr|rr|ssrr type|length|ptr|addr`, `ra
//!   type|length|value`, each with `exists|missing`, and (not in `nft`) `NUMBER` and `@NUMBER,BIT,BITS`;
//! - `hbh` and `dst` with `nexthdr`, `hdrlength`; `rt` with `nexthdr`, `hdrlength`, `type`, `seg-left`; `rt0
//!   addr[N]`; `srh` with `last-entry`, `flags`, `tag`, `sid[N]`; `frag` with `nexthdr`, `reserved`, `frag-off`,
//!   `reserved2`, `more-fragments`, `id`; `mh` with `nexthdr`, `hdrlength`, `type`, `reserved`, `checksum`; `exthdr
//!   hbh|rt|frag|dst|mh exists|missing`, and (not in `nft`) `exthdr NUMBER` and `@NUMBER,BIT,BITS`;
//! - `ether` with `saddr`, `daddr`, `type`, of what came in over Ethernet;
//! - `meta` with `l4proto`, `nfproto`, `protocol`, `iiftype ether`, `pkttype host|broadcast|multicast`,
//!   `length`, `mark`, `iifname`, `oifname`, and (not in `nft`)
//!   `dscp`, `ecn`, `hoplimit`, `frag-off`, `more-fragments` of both families; `ct` with `state`, `direction`, `status`, `mark`;
//!   `limit rate [over] N/second|minute|hour|day|week [burst N packets]`;
//! - values, ranges, `{ sets }`, `@names`, tuples (`ip saddr . tcp dport { ... }`), `!=`, `<`, `<=`,
//!   `>`, `>=`, masks (`& N == N`);
//! - `counter` (every rule counts anyway), `log [prefix "..."]`, `meta mark set N`, `ct mark set N`,
//!   `notrack`, at `prerouting` `tproxy [[ip|ip6] to [ADDRESS][:PORT]]` (see [`Tproxy`]; without a socket
//!   the packet is refused, where `nft` leaves it to the next rule), and at the end `accept`, `drop`,
//!   `reject [with icmp|icmpv6|icmpx CODE | with tcp reset]` (not at `postrouting`), `jump CHAIN`, `goto CHAIN`, `return`,
//!   `queue [num N] [bypass]`, and in `nat` chains `snat to`, `dnat to`, `masquerade [to]`,
//!   `redirect [to]`, the sources with (not in `nft`) `endpoint-independent`.
//!
//! A match of what a packet has not does not hold, with `!=` neither; `missing` does, for options of TCP
//! also where there is no TCP, as with `nft`.
//!
//! A table of the family `arp` is about ARP packets for IPv4 over Ethernet, in filter chains at `input` and
//! `output`: `arp` with `htype`, `ptype`, `hlen`, `plen`, `operation`, `saddr ip|ether`, `daddr ip|ether`; `ether`,
//! `iifname`, `oifname`, `meta` with `mark`, `length`, `iiftype`, `pkttype`, `@nh` and `limit`; `accept`,
//! `drop`, `log`, `jump`, `goto`, `return`, `meta mark set`.
//!
//! Where rules ask for `ether saddr`, `ether daddr` or `meta pkttype`, frames are taken in one by one, and none
//! are merged; other rules cost what they cost without.
//!
//! There are no families `bridge` and `netdev`: a stack has no bridge of its own, and devices are not filtered.
//! `vlan` is missing, as it would never hold: a device for a VLAN takes the tags away before the stack has a
//! frame (`iifname` tells it), and as in Linux what still has one is no packet for the stack. Chunks of SCTP
//! are not looked into. Nothing changes headers but translation.

mod addresses;
mod arp;
mod chain;
mod check;
mod chunks;
mod compile;
mod error;
mod fields;
mod gate;
mod log;
mod matching;
mod numbers;
mod parts;
mod program;
mod rule;
mod run;
mod stations;
mod text;
mod tproxy;
mod tuples;

pub use addresses::Addresses;
pub use chain::{Base, Chain, ChainKind, ChainPolicy, Counter, Ruleset, Table, TableFamily};
pub use error::FilterError;
pub use fields::{End, Field};
pub use log::LogEntry;
pub use numbers::Numbers;
pub use parts::Part;
pub use rule::{Action, Answer, Limit, Match, Rule, Test};
pub use stations::{Audience, StationField, Stations};
pub use text::TextError;
pub use tproxy::Tproxy;
pub use tuples::{TupleField, TupleValue, Tuples};

pub(crate) use arp::ArpPlace;
pub(crate) use fields::ChainEnd;
use fields::Fields;
pub(crate) use gate::Gate;
pub(crate) use log::Log;
pub(crate) use program::{Decision, Filter};
