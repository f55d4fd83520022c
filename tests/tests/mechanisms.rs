//! `docs/mechanisms.md` says of every mechanism what shows it, and does not lie.

use tests::documents::{all_tests, module, quoted, read};

const ROWS: usize = 132;

fn document() -> String {
    read("docs/mechanisms.md")
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
    let names = all_tests();
    let document = document();
    for (number, [_, modules, tests]) in rows(&document) {
        for test in quoted(tests) {
            assert!(names.contains(test), "row {number}: no test {test}");
        }
        for path in quoted(modules) {
            let found = path
                .split_once('/')
                .and_then(|(package, path)| module(package, path));
            assert!(found.is_some(), "row {number}: no module {path}");
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
