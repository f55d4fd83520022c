//! Words of a command line, with where they stand: what texts for people are read by.

use crate::error::SocketError;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use thiserror::Error;

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {problem}")]
pub struct ParseError {
    /// Where it is, in characters from 1.
    pub column: usize,
    /// What it is, and what would be right.
    pub problem: String,
    /// What a call that does the same fails with, where it is not that the input is wrong.
    pub cause: Option<SocketError>,
}

impl ParseError {
    pub(crate) fn at(column: usize, problem: impl fmt::Display) -> Self {
        Self {
            column,
            problem: alloc::format!("{problem}"),
            cause: None,
        }
    }
}

/// The words of a text, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    text: &'a str,
    /// Where in the text, in bytes, the next word is looked for.
    at: usize,
    /// Where the last one began.
    last: usize,
}

impl<'a> Words<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            last: 0,
        }
    }

    /// The next word, if there is one.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let begin = self.at + (rest.len() - rest.trim_start().len());
        let word = self.text.get(begin..)?.split_whitespace().next()?;
        self.last = begin;
        self.at = begin + word.len();
        Some(word)
    }

    /// The next word, which is not taken.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.clone().next()
    }

    /// Takes the next word if it is this one.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let is_it = self.peek() == Some(word);
        if is_it {
            self.next();
        }
        is_it
    }

    /// The next word as a value; `what` says what is wanted.
    pub(crate) fn value<T: FromStr>(&mut self, what: &str) -> Result<T, ParseError> {
        let Some(word) = self.next() else {
            return Err(self.missing(what));
        };
        let parsed = word.parse();
        parsed.map_err(|_| self.error(format_args!("\"{word}\" is no {what}")))
    }

    /// An error about the word that was taken last.
    pub(crate) fn error(&self, problem: impl fmt::Display) -> ParseError {
        ParseError::at(self.column(self.last), problem)
    }

    /// An error at the end: something is not there.
    pub(crate) fn missing(&self, what: &str) -> ParseError {
        let end = self.text.trim_end().len();
        ParseError::at(self.column(end), format_args!("{what} is missing"))
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(..at).map_or(0, |text| text.chars().count()) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_columns() {
        let mut words = Words::new("  größe  12 x7");
        assert_eq!(words.next(), Some("größe"));
        assert_eq!(words.value::<u8>("number"), Ok(12));
        let error = words.value::<u8>("number").unwrap_err();
        assert_eq!(alloc::format!("{error}"), "column 13: \"x7\" is no number");
        let error = words.value::<u8>("number").unwrap_err();
        assert_eq!(error, ParseError::at(15, "number is missing"));
        assert_eq!(words.next(), None);
    }
}
