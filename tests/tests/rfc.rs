//! `docs/rfc.md` and the tables beside it say of every requirement where it is obeyed and what shows it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use tests::documents::{all_tests, functions, module, quoted, read, root, sources};

/// One requirement.
#[derive(Debug)]
struct Row {
    /// The number of its RFC, and what the row begins with: `9293 MUST-36`.
    name: String,
    /// Functions that obey it, or why none does.
    place: String,
    tests: String,
    mutant: bool,
}

impl Row {
    fn is_must(&self) -> bool {
        self.name.contains(" MUST")
    }

    fn standing(&self) -> Standing {
        let reason = |kind: &str| self.place.strip_prefix(kind).map(str::trim);
        match (reason("not obeyed:"), reason("not applicable:")) {
            (None, None) => Standing::Obeyed,
            (Some(""), _) | (_, Some("")) => panic!("{} has no reason", self.name),
            (Some(_), _) => Standing::NotObeyed,
            (_, Some(_)) => Standing::NotApplicable,
        }
    }

    /// The functions that obey it: module and name.
    fn functions(&self) -> impl Iterator<Item = (&str, &str)> {
        quoted(&self.place)
            .filter_map(|text| text.split_once("::"))
            .filter(|(module, _)| module.starts_with(char::is_lowercase))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Obeyed,
    NotObeyed,
    NotApplicable,
}

/// Every row of every table, in the order of the files.
fn rows() -> Vec<Row> {
    let mut files: Vec<_> = fs::read_dir(root().join("docs/rfc"))
        .expect("the tables")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files.iter().flat_map(|file| rows_of(&read(file))).collect()
}

/// The rows of one file, whose headings name the RFC.
fn rows_of(document: &str) -> Vec<Row> {
    let mut rfc = "";
    let mut rows = Vec::new();
    for line in document.lines() {
        if let Some(heading) = line.trim_start_matches('#').strip_prefix(" RFC ") {
            rfc = heading.split(':').next().unwrap_or_default();
        }
        let Some(cells) = line.strip_prefix("| ") else {
            continue;
        };
        let cells: Vec<_> = cells.split('|').map(str::trim).collect();
        let [id, requirement, place, tests, mutant, ""] = cells[..] else {
            panic!("not five cells: {line}");
        };
        if id == "#" {
            continue;
        }
        assert!(!requirement.is_empty() && !place.is_empty(), "{line}");
        assert!(matches!(mutant, "" | "yes"), "{line}");
        rows.push(Row {
            name: format!("{rfc} {id}"),
            place: place.to_owned(),
            tests: tests.to_owned(),
            mutant: mutant == "yes",
        });
    }
    rows
}

#[test]
fn what_is_obeyed_has_a_place_and_a_test() {
    for row in rows() {
        let name = &row.name;
        if row.standing() == Standing::Obeyed {
            assert!(row.functions().next().is_some(), "{name} has no place");
            assert!(quoted(&row.tests).next().is_some(), "{name} has no test");
        }
    }
}

#[test]
fn every_place_and_test_exists() {
    let names = all_tests();
    let mut known: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for row in rows() {
        for test in quoted(&row.tests) {
            assert!(names.contains(test), "{}: no test {test}", row.name);
        }
        for (path, function) in row.functions() {
            let (package, path) = match path.strip_prefix("net-tokio/") {
                Some(path) => ("net-tokio", path),
                None => ("net-core", path),
            };
            let here = known.entry(format!("{package}/{path}")).or_insert_with(|| {
                let file = module(package, path).filter(|file| file.is_file());
                let file = file.unwrap_or_else(|| panic!("{}: no module {path}", row.name));
                functions(&read(file)).map(str::to_owned).collect()
            });
            let found = here.contains(function);
            assert!(found, "{}: no function {function} in {path}", row.name);
        }
    }
}

/// No requirement of RFC 9293's own list is forgotten, and none is there twice.
#[test]
fn every_number_of_rfc_9293_has_its_row() {
    let rows = rows();
    let names: BTreeSet<_> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "a row is there twice");
    let musts = (1..=69).map(|number| format!("9293 MUST-{number}"));
    let shoulds = (1..=31).map(|number| format!("9293 SHLD-{number}"));
    for name in musts.chain(shoulds) {
        assert!(names.contains(name.as_str()), "{name} is missing");
    }
}

/// What can be taken away in the source is what the tables say can be, and it is enough.
#[test]
fn the_mutants_are_those_of_the_source() {
    let mut cited = BTreeSet::new();
    for source in sources(&root().join("net-core/src")) {
        for (_, rest) in source
            .match_indices("must(\"")
            .map(|(at, text)| source.split_at(at + text.len()))
        {
            cited.extend(rest.split('"').next().map(str::to_owned));
        }
    }
    let rows = rows();
    let named: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.mutant)
        .map(|row| row.name.clone())
        .collect();
    assert_eq!(named, cited);
    assert!(named.len() >= 40);
}

#[test]
fn the_sums_are_right() {
    let rows = rows();
    let count = |must: bool, standing| {
        rows.iter()
            .filter(|row| row.is_must() == must && row.standing() == standing)
            .count()
    };
    let document = read("docs/rfc.md");
    for (must, name) in [(true, "MUSTs"), (false, "SHOULDs")] {
        let sums = format!(
            "Of {} {name}, {} are obeyed, {} are not, {} do not apply.",
            rows.iter().filter(|row| row.is_must() == must).count(),
            count(must, Standing::Obeyed),
            count(must, Standing::NotObeyed),
            count(must, Standing::NotApplicable)
        );
        assert!(document.contains(&sums), "it should say: {sums}");
    }
}
