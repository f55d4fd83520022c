//! The words and signs of a text, with where they stand.

use super::TextError;
use core::fmt;
use core::str::FromStr;

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Letters, digits and what is in addresses, ranges and names.
    Word(&'a str),
    /// What is between quotation marks.
    Quoted(&'a str),
    /// A sign, of one character or two.
    Sign(&'a str),
    /// The end of a statement: a semicolon or that of a line.
    Break,
    /// The end of the text.
    End,
}

/// A text, read token by token.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// Where the next token is looked for, in bytes.
    at: usize,
    /// Where the last one began.
    last: usize,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            last: 0,
        }
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Token<'a> {
        self.skip_blanks();
        self.last = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Token::End;
        };
        let len = match first {
            '\n' | ';' => 1,
            '"' => match rest[1..].find(['"', '\n']) {
                Some(end) if rest[1 + end..].starts_with('"') => {
                    self.at += end + 2;
                    return Token::Quoted(&rest[1..=end]);
                }
                _ => 1,
            },
            first if is_in_word(first) => {
                let end = rest.find(|other| !is_in_word(other));
                let len = end.unwrap_or(rest.len());
                self.at += len;
                return Token::Word(&rest[..len]);
            }
            _ if ["!=", "==", "<=", ">="]
                .iter()
                .any(|two| rest.starts_with(two)) =>
            {
                2
            }
            other => other.len_utf8(),
        };
        self.at += len;
        match first {
            '\n' | ';' => Token::Break,
            _ => Token::Sign(&rest[..len]),
        }
    }

    /// The next token, which is not taken.
    pub(super) fn peek(&self) -> Token<'a> {
        self.clone().next()
    }

    /// Takes the next token if it is this word.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.take(Token::Word(word))
    }

    /// Takes the next token if it is this sign.
    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        self.take(Token::Sign(sign))
    }

    fn take(&mut self, token: Token<'_>) -> bool {
        let is_it = self.peek() == token;
        if is_it {
            self.next();
        }
        is_it
    }

    /// Takes ends of lines and semicolons.
    pub(super) fn skip_breaks(&mut self) {
        while self.peek() == Token::Break {
            self.next();
        }
    }

    /// Takes the sign that has to be here.
    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), TextError> {
        if self.next() == Token::Sign(sign) {
            return Ok(());
        }
        Err(self.error(format_args!("\"{sign}\" goes here")))
    }

    /// Takes the word that has to be here; `what` says what is wanted.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, TextError> {
        match self.next() {
            Token::Word(word) => Ok(word),
            _ => Err(self.error(format_args!("{what} goes here"))),
        }
    }

    /// Takes the next word as a value.
    pub(super) fn value<T: FromStr>(&mut self, what: &str) -> Result<T, TextError> {
        let word = self.word(what)?;
        let value = word.parse();
        value.map_err(|_| self.error(format_args!("\"{word}\" is no {what}")))
    }

    /// Takes a name, with or without quotation marks.
    pub(super) fn name(&mut self, what: &str) -> Result<&'a str, TextError> {
        match self.next() {
            Token::Word(name) | Token::Quoted(name) => Ok(name),
            _ => Err(self.error(format_args!("{what} goes here"))),
        }
    }

    /// An error about the token that was taken last.
    pub(super) fn error(&self, problem: impl fmt::Display) -> TextError {
        self.error_at(self.last, problem)
    }

    /// Where the last token began.
    pub(super) const fn place(&self) -> usize {
        self.last
    }

    /// An error at a place that was noted.
    pub(super) fn error_at(&self, place: usize, problem: impl fmt::Display) -> TextError {
        let before = self.text.get(..place).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or(before);
        TextError {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            problem: alloc::format!("{problem}"),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Goes past blanks, comments and ends of lines behind a backslash.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            self.at += match rest.as_bytes() {
                [b' ' | b'\t' | b'\r', ..] => 1,
                [b'\\', b'\n', ..] => 2,
                [b'#', ..] => rest.find('\n').unwrap_or(rest.len()),
                _ => return,
            };
        }
    }
}

fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || "._:/-+*".contains(character)
}
