//! How often the words of RFC 2119 stand in the text of an RFC, section by section.
//!
//! Counted is every MUST, SHALL and REQUIRED, and every SHOULD and RECOMMENDED, in capitals, with a NOT or
//! without. Left out are
//! - what stands before the first section: the abstract says again what the sections say;
//! - the paragraph that says how these words are to be read, and lists of references;
//! - a word in or behind quotation marks of its own, which is spoken of, and numbers such as MUST-5;
//! - in RFC 9293, which numbers its requirements, the words that have a number, and the list of them in
//!   its appendix B;
//! - what the draft of an RFC says of earlier drafts.

use crate::documents::read;
use std::fmt;
use std::fs;
use std::path::Path;

/// How often the words stand in a section that has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its number: `3.1`, or `A.1` of an appendix.
    pub number: String,
    /// MUST, SHALL, REQUIRED.
    pub musts: usize,
    /// SHOULD, RECOMMENDED.
    pub shoulds: usize,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.number, self.musts, self.shoulds)
    }
}

/// The sections of an RFC that have such words, in their order.
#[must_use]
pub fn count(text: &str, rfc: &str) -> Vec<Section> {
    let mut sections = Vec::<Section>::new();
    let mut place = None;
    for block in blocks(text) {
        match block {
            Block::Heading { number, title } => {
                let counts = !(title.contains("References") || title.starts_with("Since draft-"));
                place = Some(number).filter(|number| counts && (rfc, *number) != ("9293", "B"));
            }
            Block::Paragraph(paragraph) if !explains_the_words(&paragraph) => {
                let Some(number) = place else { continue };
                let (musts, shoulds) = words(&paragraph, rfc == "9293");
                if musts + shoulds == 0 {
                    continue;
                }
                match sections.iter_mut().find(|known| known.number == number) {
                    Some(section) => {
                        section.musts += musts;
                        section.shoulds += shoulds;
                    }
                    None => sections.push(Section {
                        number: number.to_owned(),
                        musts,
                        shoulds,
                    }),
                }
            }
            Block::Paragraph(_) => {}
        }
    }
    sections
}

/// The RFCs whose every MUST and SHOULD the documents list, in the order of the tables.
#[must_use]
pub fn rfcs() -> Vec<String> {
    let mut rfcs = Vec::new();
    for table in TABLES {
        let document = read(format!("docs/rfc/{table}.md"));
        let headings = document.lines().filter(|line| line.starts_with('#'));
        rfcs.extend(headings.filter_map(|line| {
            let heading = line.trim_start_matches('#').strip_prefix(" RFC ")?;
            Some(heading.split(':').next()?.to_owned())
        }));
    }
    rfcs
}

/// The tables that list all of an RFC; the others list what concerns hosts.
const TABLES: [&str; 6] = [
    "9293",
    "options",
    "recovery",
    "congestion",
    "path",
    "attacks",
];

/// The text of an RFC from a folder of `rfc5681.txt` and the like, and the name of the draft if it is but
/// the last one.
#[must_use]
pub fn text(folder: &Path, rfc: &str) -> Option<(String, Option<&'static str>)> {
    if let Ok(text) = fs::read(folder.join(format!("rfc{rfc}.txt"))) {
        return Some((String::from_utf8_lossy(&text).into_owned(), None));
    }
    let (_, draft) = DRAFTS.into_iter().find(|(number, _)| *number == rfc)?;
    let text = fs::read_to_string(folder.join(format!("{draft}.txt"))).ok()?;
    Some((text, Some(draft)))
}

/// The last drafts of RFCs, which do for their texts.
const DRAFTS: [(&str, &str); 4] = [
    ("9406", "draft-ietf-tcpm-hystartplusplus-14"),
    ("9438", "draft-ietf-tcpm-rfc8312bis-15"),
    ("9768", "draft-ietf-tcpm-accurate-ecn-34"),
    ("9937", "draft-ietf-tcpm-prr-rfc6937bis-21"),
];

enum Block<'a> {
    Heading { number: &'a str, title: &'a str },
    Paragraph(String),
}

/// Headings, and paragraphs in one line each, without what stands at the ends of pages.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut begins_page = false;
    for line in text.lines() {
        begins_page |= line.contains('\u{c}');
        let line = line.trim_start_matches('\u{c}').trim_end();
        let is_header = begins_page && (line.starts_with("RFC ") || line.starts_with("Internet-D"));
        let is_footer = line.ends_with(']') && line.contains("[Page ");
        begins_page &= line.is_empty();
        if is_header || is_footer {
            continue;
        }
        let heading = heading(line);
        if line.is_empty() || heading.is_some() {
            if !paragraph.is_empty() {
                blocks.push(Block::Paragraph(std::mem::take(&mut paragraph)));
            }
        } else {
            paragraph.push_str(line.trim_start());
            paragraph.push(' ');
        }
        blocks.extend(heading);
    }
    blocks.push(Block::Paragraph(paragraph));
    blocks
}

/// A heading begins where the line does, with a number; in a table of contents it ends with one.
fn heading(line: &str) -> Option<Block<'_>> {
    let line = line.strip_prefix("Appendix ").unwrap_or(line);
    let (number, title) = line.split_once(' ')?;
    let number = number.trim_end_matches(['.', ':']);
    let title = title.trim_start();
    let mut parts = number.split('.');
    let first = parts.next()?;
    let is_letter = first.len() == 1 && first.starts_with(|c: char| c.is_ascii_uppercase());
    let is_number = (is_letter || is_digits(first)) && parts.all(is_digits);
    let is_listed = title.contains("...")
        || title.contains(" . .")
        || title.ends_with(|c: char| c.is_ascii_digit()) && title.contains("  ");
    (is_number && !title.is_empty() && !is_listed).then_some(Block::Heading { number, title })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

fn explains_the_words(paragraph: &str) -> bool {
    let paragraph = paragraph.to_lowercase();
    let names = ["key word", "keyword", "capitalized"];
    let explains = ["interpreted", "2119"];
    names.iter().any(|name| paragraph.contains(name))
        && explains.iter().any(|word| paragraph.contains(word))
}

/// How many words of either kind a paragraph has; of a `numbered` RFC those without a number.
fn words(paragraph: &str, numbered: bool) -> (usize, usize) {
    let mut found = Vec::new();
    for (word, is_must) in WORDS {
        let places = paragraph.match_indices(word).map(|(at, _)| at);
        let counting = places.filter(|at| is_word(paragraph, *at, at + word.len()));
        found.extend(counting.map(|at| (at, is_must)));
    }
    found.sort_unstable();
    let ends = found.iter().skip(1).map(|(at, _)| *at);
    let ends: Vec<_> = ends.chain([paragraph.len()]).collect();
    let counted = found.iter().zip(ends).filter(|((at, _), end)| {
        let sentence = paragraph.get(*at..*end).unwrap_or_default();
        let has_number = ["(MUST-", "(SHLD-", "(REC-"]
            .iter()
            .any(|name| sentence.contains(name));
        !(numbered && has_number)
    });
    let (musts, shoulds): (Vec<_>, Vec<_>) = counted.partition(|((_, is_must), _)| *is_must);
    (musts.len(), shoulds.len())
}

/// The words, and whether they say MUST.
const WORDS: [(&str, bool); 5] = [
    ("MUST", true),
    ("SHALL", true),
    ("REQUIRED", true),
    ("SHOULD", false),
    ("RECOMMENDED", false),
];

/// Whether what stands there is a word, neither part of another one nor one that is spoken of.
fn is_word(paragraph: &str, begin: usize, end: usize) -> bool {
    let before = paragraph.get(..begin).and_then(|text| text.chars().last());
    let behind = paragraph.get(end..).and_then(|text| text.chars().next());
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    !before.is_some_and(|c| joins(c) || matches!(c, '"' | '\'')) && !behind.is_some_and(joins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str, rfc: &str) -> Vec<String> {
        let sections = count(text, rfc);
        sections.iter().map(Section::to_string).collect()
    }

    #[test]
    fn words_are_counted_by_section() {
        let text = "\
Abstract

   Hosts MUST read this.

1.  Introduction . . . . . . . . . 2
1.  Introduction

   The key words \"MUST\", SHALL, and SHOULD are to be interpreted as
   described in RFC 2119.

2.  Behaviour

   A host MUST NOT sleep, and it
   SHOULD listen; it is RECOMMENDED that it answers.  It MUSTERS all, by
   MUST-5, which \"SHOULD\" is about.

Author                      Standards Track                     [Page 1]
\u{c}
RFC 1                     What hosts MUST do                   June 1999

   It is REQUIRED to rest.

2.1.  More

   Nothing.

Appendix A.  Examples

   They SHALL be short.

3.  References

   [1]  You MUST read, 1999.
";
        assert_eq!(counts(text, "1"), ["2 2 2", "A 1 0"]);
    }

    #[test]
    fn a_word_with_a_number_of_its_own_is_not_counted() {
        let text = "\
3.1.  Header

   It MUST be there (MUST-
   5), SHOULD be short (SHLD-1), and MUST end.

B.  Summary

   All MUST be here.
";
        assert_eq!(counts(text, "9293"), ["3.1 1 0"]);
    }
}
