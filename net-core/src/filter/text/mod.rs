//! Rulesets as text, in a part of the language of `nft`: tables (`ip`, `ip6`, `inet`), sets with
//! elements, chains, and rules of matches, statements and a verdict.

mod headers;
mod names;
mod parts;
mod rule;
mod show;
mod subject;
mod table;
mod tokens;
mod translation;
mod values;
mod words;

use super::Ruleset;
use alloc::string::String;
use core::str::FromStr;
use thiserror::Error;
use tokens::Tokens;

/// What is wrong with the text of a ruleset, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What it is, and what would be right.
    pub problem: String,
}

impl FromStr for Ruleset {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        table::ruleset(&mut Tokens::new(text))
    }
}

#[cfg(test)]
mod tests;
