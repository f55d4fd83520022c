//! `docs/mechanisms.md` says of every mechanism what shows it, and does not lie.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROWS: usize = 132;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/mechanisms.md")).expect("the document")
}

/// The cells of each row of the tables: number, mechanism, modules, tests.
fn rows(document: &str) -> Vec<(usize, [&str; 3])> {
    document.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<(usize, [&str; 3])> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    Some((number, [cells.next()?, cells.next()?, cells.next()?]))
}

/// Whether the cell says so beside the names of tests.
fn is_open(tests: &str) -> bool {
    tests
        .split('`')
        .step_by(2)
        .any(|text| text.contains("open"))
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The names of all functions in the sources below `folder`.
fn functions(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source file");
            for line in source.lines() {
                let words = line.trim_start().trim_start_matches("async ");
                if let Some(rest) = words.strip_prefix("fn ") {
                    let end = rest.find(['(', '<']).unwrap_or(rest.len());
                    names.insert(rest[..end].to_owned());
                }
            }
        }
    }
}

#[test]
fn every_mechanism_has_its_row() {
    let document = document();
    let numbers: Vec<usize> = rows(&document).iter().map(|row| row.0).collect();
    assert_eq!(numbers, (1..=ROWS).collect::<Vec<_>>());
    for (number, [mechanism, modules, tests]) in rows(&document) {
        assert!(!mechanism.is_empty(), "row {number} has no mechanism");
        let open = is_open(tests);
        assert!(
            open || quoted(tests).next().is_some(),
            "row {number} names no test and is not open"
        );
        assert!(
            quoted(tests).next().is_none() || !modules.is_empty(),
            "row {number} has a test and no module"
        );
    }
}

#[test]
fn every_test_and_module_that_is_named_exists() {
    let mut names = HashSet::new();
    for package in ["net-core", "net-tokio", "tests", "examples", "benches"] {
        functions(&root().join(package), &mut names);
    }
    let document = document();
    for (number, [_, modules, tests]) in rows(&document) {
        for test in quoted(tests) {
            assert!(names.contains(test), "row {number}: no test {test}");
        }
        for module in quoted(modules) {
            let (package, path) = module.split_once('/').expect("package/path");
            let path = root().join(package).join("src").join(path);
            assert!(
                path.is_dir() || path.with_extension("rs").is_file(),
                "row {number}: no module {module}"
            );
        }
    }
}

#[test]
fn the_sums_are_right() {
    let document = document();
    let (mut shown, mut part, mut open) = (0, 0, 0);
    for (_, [_, _, tests]) in rows(&document) {
        match (is_open(tests), quoted(tests).next()) {
            (false, _) => shown += 1,
            (true, Some(_)) => part += 1,
            (true, None) => open += 1,
        }
    }
    let sums = format!("Of {ROWS} rows, {shown} are shown, {part} in part, {open} are open.");
    assert!(document.contains(&sums), "it should say: {sums}");
}
