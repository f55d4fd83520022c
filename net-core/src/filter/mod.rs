//! The packet filter: rules in chains at the [points](crate::hook::HookPoint) of packets' ways.
//!
//! A [`Ruleset`] says what is wanted: tables of chains of [rules](Rule), from typed values or from a
//! text close to that of `nft`. Put into a stack it is compiled: names are resolved, sets become tries
//! and hash tables, and runs of rules that look at the same fields become one lookup each, which finds
//! the first of them that holds. A packet that passes no chain pays what it pays without a filter: one
//! comparison.

mod addresses;
mod chain;
mod check;
mod compile;
mod error;
mod fields;
mod log;
mod numbers;
mod program;
mod rule;
mod run;
mod text;
mod tuples;

pub use addresses::Addresses;
pub use chain::{Base, Chain, ChainKind, ChainPolicy, Counter, Ruleset, Table, TableFamily};
pub use error::FilterError;
pub use fields::{End, ExtensionHeader, Field};
pub use log::LogEntry;
pub use numbers::Numbers;
pub use rule::{Action, Answer, Limit, Match, Rule, Test};
pub use text::TextError;
pub use tuples::{TupleField, TupleValue, Tuples};

pub(crate) use fields::Fields;
pub(crate) use log::Log;
pub(crate) use program::{Decision, Filter};
