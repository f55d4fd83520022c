//! `docs/rfc.md` and the tables beside it say of every requirement where it is obeyed and what shows it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::iter::successors;
use tests::documents::{all_tests, functions, module, quoted, read, root, sources};
use tests::keywords::{Section, rfcs};

/// One requirement.
#[derive(Debug)]
struct Row {
    /// The number of its RFC, and what the row begins with: `9293 MUST-36`.
    name: String,
    requirement: String,
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

    /// For how many words of which sections of its RFC it stands.
    fn words(&self, counted: &BTreeMap<&str, Section>) -> Vec<(String, usize)> {
        let list = self.requirement.strip_suffix(']');
        let list = list.and_then(|text| text.rsplit_once('['));
        let mut words = Vec::new();
        let mut own = 1;
        for item in list.iter().flat_map(|(_, list)| list.split(", ")) {
            let (section, times) = item.split_once('×').unwrap_or((item, "1"));
            let times = times.parse().expect("how many words");
            match section.trim_end().strip_prefix('§') {
                Some(section) => words.push((section.to_owned(), times)),
                None if section.is_empty() => own = times,
                None => panic!("{}: what is {item}?", self.name),
            }
        }
        // A number of RFC 9293 stands for itself.
        let place = self.name.split(' ').nth(2);
        if let Some(place) = place.filter(|_| own > 0) {
            // The last part is a count within the section, whose paragraphs may have numbers of their own.
            let parents = successors(Some(place), |part| Some(part.rsplit_once('.')?.0));
            let section = parents.skip(1).find(|part| counted.contains_key(part));
            let section = section.unwrap_or_else(|| panic!("{}: no such section", self.name));
            words.push((section.to_owned(), own));
        }
        words
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
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
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
            requirement: requirement.to_owned(),
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

/// That there is a reason is not enough: whoever gives up another MUST, or obeys one of these, says so here.
#[test]
fn the_musts_that_are_not_obeyed_are_those_that_were_weighed() {
    let rows = rows();
    let musts = rows
        .iter()
        .filter(|row| row.is_must() && row.standing() == Standing::NotObeyed);
    let names: BTreeSet<_> = musts.map(|row| row.name.as_str()).collect();
    let weighed: BTreeSet<_> = MUSTS_NOT_OBEYED.iter().copied().collect();
    assert_eq!(names, weighed);
}

const MUSTS_NOT_OBEYED: &[&str] = &[
    "1122 MUST 3.2.1.8.5",
    "1122 MUST 3.2.1.8.6",
    "1122 MUST 3.2.1.8.7",
    "1122 MUST 3.2.2.6.1",
    "1812 MUST 4.2.2.1.3",
    "1812 MUST 4.2.2.1.4",
    "1812 MUST 4.2.2.1.5",
    "1812 MUST 4.2.2.1.6",
    "1812 MUST 5.3.13.4.1",
    "1812 MUST 5.3.13.4.2",
    "2018 MUST 5.1.2",
    "3376 MUST 3.1.1",
    "3465 MUST 2.3.1",
    "3927 MUST 1.4.2",
    "4862 MUST 5.5.1",
    "5227 MUST 2.3.1",
    "5482 MUST 3.3.2",
    "6675 MUST 5.1.4",
    "6724 MUST 5.3",
    "7217 MUST 5.6",
    "8899 MUST 4.6.2.1",
    "8981 MUST 3.6.1",
    "9293 MUST-51",
    "9293 MUST-52",
    "9293 MUST-53",
];

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

/// The rows of an RFC stand for as many words of each section as were counted in its text.
#[test]
fn no_word_of_an_rfc_is_left_out() {
    let rows = rows();
    let document = read("docs/rfc/counts.txt");
    let all: Vec<_> = counts(&document).collect();
    let listed: Vec<_> = all.iter().map(|(rfc, _)| *rfc).collect();
    assert_eq!(listed, rfcs(), "docs/rfc/counts.txt is to be written anew");
    for (rfc, counted) in all {
        let Some(counted) = counted else {
            assert!(NOT_COUNTED.contains(&rfc), "RFC {rfc} is not counted");
            continue;
        };
        let mut found: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for row in &rows {
            if row.name.split(' ').next() != Some(rfc) {
                continue;
            }
            for (section, times) in row.words(&counted) {
                let (musts, shoulds) = found.entry(section).or_default();
                *(if row.is_must() { musts } else { shoulds }) += times;
            }
        }
        for (number, section) in &counted {
            let found = found.remove(*number).unwrap_or_default();
            assert_eq!(
                found,
                (section.musts, section.shoulds),
                "RFC {rfc} §{number}"
            );
        }
        assert!(found.is_empty(), "RFC {rfc} has no such words in {found:?}");
    }
}

/// The RFCs whose text nobody has counted yet.
const NOT_COUNTED: [&str; 2] = ["9406", "9937"];

/// The sections of each RFC by their numbers, as far as it was counted.
fn counts(document: &str) -> impl Iterator<Item = (&str, Option<BTreeMap<&str, Section>>)> {
    document.split("\nRFC ").skip(1).map(|rfc| {
        let mut lines = rfc.lines();
        let heading = lines.next().unwrap_or_default();
        let number = heading.split(' ').next().unwrap_or_default();
        let sections = lines.map(|line| {
            let cells: Vec<_> = line.split(' ').collect();
            let [number, musts, shoulds] = cells[..] else {
                panic!("not three cells: {line}");
            };
            let section = Section {
                number: number.to_owned(),
                musts: musts.parse().expect("a number"),
                shoulds: shoulds.parse().expect("a number"),
            };
            (number, section)
        });
        let is_counted = !heading.ends_with(" not counted");
        (number, is_counted.then(|| sections.collect()))
    })
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
