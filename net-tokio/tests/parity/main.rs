//! This crate and `tokio::net` have the same surface: each row of `tokio-api.txt` is compiled
//! against both, so that a method that is missing or has another signature does not compile.
#![cfg(target_os = "linux")]

#[macro_use]
mod surface;
mod docs;

use std::collections::{BTreeMap, BTreeSet};

/// The rows against tokio.
#[path = "."]
mod kernel {
    pub(crate) use tokio::net;

    #[path = "rows.rs"]
    pub(crate) mod rows;
}

/// The same rows against this crate.
#[path = "."]
mod ours {
    pub(crate) use net_tokio as net;

    #[path = "rows.rs"]
    #[expect(clippy::duplicate_mod, reason = "compiled against two crates")]
    pub(crate) mod rows;
}

/// What `rows.rs` checks, by section; spaces do not count.
fn checked(sections: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let squeeze = |row: &&str| row.split_whitespace().collect();
    sections
        .iter()
        .map(|(heading, rows)| ((*heading).to_owned(), rows.iter().map(squeeze).collect()))
        .collect()
}

/// What `tokio-api.txt` lists and this crate is to have, by section.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let mut sections = BTreeMap::new();
    let mut rows = None;
    for line in include_str!("tokio-api.txt").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            rows = Some(
                sections
                    .entry(heading.to_owned())
                    .or_insert_with(BTreeSet::new),
            );
        } else if let Some(rows) = &mut rows
            && let Some(row) = line.strip_prefix(' ').or(line.strip_prefix('O'))
        {
            let (row, _comment) = row.split_once("//").unwrap_or((row, ""));
            rows.insert(row.split_whitespace().collect());
        }
    }
    sections
}

#[test]
fn every_row_of_the_list_is_compiled_against_both() {
    assert_eq!(checked(kernel::rows::ALL), listed());
    assert_eq!(checked(ours::rows::ALL), listed());
}
