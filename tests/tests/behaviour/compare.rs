//! Runs rows on both stacks and compares what they noted with the list of differences.

use crate::log::{Difference, Log};
use crate::world::{Drive, World};
use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tests::netns;
use tokio::runtime::Builder;
use tokio::time::timeout;

/// A named row: what it does in a world, and what it notes.
pub(crate) type Row = (&'static str, fn(World) -> Running);
/// A row that runs.
pub(crate) type Running = Pin<Box<dyn Future<Output = Log>>>;

/// Compares the rows of one file, with both address families and each way of driving our stack.
pub(crate) fn files(test_name: &str, (file, kernel, ours): (&str, &[Row], &[Row])) {
    netns::run(test_name, || {
        let listed = listed(file);
        let mut found = BTreeSet::new();
        for (&(name, kernel_row), (_, our_row)) in kernel.iter().zip(ours) {
            let key = |label: &str| format!("{file}::{name}: {label}");
            let is_new = |difference: &Difference| !listed.contains(&key(&difference.label));
            for v6 in [false, true] {
                let at_kernel = || run(name, kernel_row, v6, None);
                let expected = at_kernel();
                for drive in Drive::ALL {
                    let at_ours = || run(name, *our_row, v6, Some(drive));
                    let first = expected.differences(&at_ours());
                    let again = || at_kernel().differences(&at_ours());
                    for Difference { label, here, there } in settle(first, is_new, again) {
                        let family = if v6 { 6 } else { 4 };
                        println!(
                            "{file}::{name}, IPv{family}, {drive:?}: {label}: \
                             the kernel says {here:?}, we say {there:?}"
                        );
                        found.insert(key(&label));
                    }
                }
            }
        }
        let new: Vec<_> = found.difference(&listed).collect();
        assert!(new.is_empty(), "not in docs/differences.md: {new:#?}");
        let gone: Vec<_> = listed.difference(&found).collect();
        assert!(gone.is_empty(), "no difference any more: {gone:#?}");
    });
}

/// The differences that count: where all new ones are in waiting, one side may only have been slow on a
/// machine that has much else to do. Both then run again with the same bound, some times: a machine
/// recovers, a delay of ours does not.
fn settle(
    first: Vec<Difference>,
    is_new: impl Fn(&Difference) -> bool,
    mut again: impl FnMut() -> Vec<Difference>,
) -> Vec<Difference> {
    let mut differences = first;
    for _ in 0..MORE_RUNS {
        let mut new = differences.iter().filter(|each| is_new(each)).peekable();
        if new.peek().is_none() || !new.all(Difference::is_in_waiting) {
            break;
        }
        differences = again();
    }
    differences
}

fn run(name: &str, row: fn(World) -> Running, v6: bool, drive: Option<Drive>) -> Log {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new(v6, drive);
        timeout(LIMIT, row(world))
            .await
            .unwrap_or_else(|_| panic!("{name} takes too long, IPv6 {v6}, drive {drive:?}"))
    })
}

/// Each line of the table of differences is of a file of rows.
pub(crate) fn lines_of(files: &[&str]) {
    let keys = keys();
    assert!(!keys.is_empty(), "a table of differences");
    for key in keys {
        let file = key.split_once("::").map(|(file, _)| file);
        assert!(file.is_some_and(|file| files.contains(&file)), "{key}");
    }
}

/// The differences that the documentation admits to in a file of rows.
fn listed(file: &str) -> BTreeSet<String> {
    let is_of_file = |key: &String| key.split_once("::").is_some_and(|(its, _)| its == file);
    keys().into_iter().filter(is_of_file).collect()
}

/// What stands between backquotes in the first cells of the lines of the table.
fn keys() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let document = fs::read_to_string(path).expect("docs/differences.md");
    document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once("` |"))
        .map(|(key, _)| key.to_owned())
        .collect()
}

/// How often both sides run again where they differ in nothing but waiting.
const MORE_RUNS: usize = 3;
/// What one row may take.
const LIMIT: Duration = Duration::from_secs(20);

mod settling {
    use super::*;
    use crate::log::WAITS;

    const SLOW: &[(&str, &str)] = &[("listed", "4"), ("read", WAITS)];
    const OTHER: &[(&str, &str)] = &[("listed", "4"), ("read", WAITS), ("peek", "0")];
    const LISTED: &[(&str, &str)] = &[("listed", "4")];

    #[test]
    fn a_machine_that_was_slow_recovers() {
        assert_settles(&[SLOW, LISTED], LISTED);
        assert_settles(&[SLOW, SLOW, SLOW, LISTED], LISTED);
    }

    #[test]
    fn a_delay_stays() {
        assert_settles(&[SLOW; 4], SLOW);
    }

    #[test]
    fn what_is_not_in_waiting_counts_at_once() {
        assert_settles(&[OTHER], OTHER);
        assert_settles(&[SLOW, OTHER], OTHER);
    }

    #[test]
    fn what_agrees_or_is_listed_does_not_run_again() {
        for said in [&[][..], LISTED, &[("listed", WAITS)]] {
            assert_settles(&[said], said);
        }
    }

    /// Runs that differ from a kernel's `3` in what they say count as `expected`, and none is left out.
    #[track_caller]
    fn assert_settles(runs: &[&[(&str, &str)]], expected: &[(&str, &str)]) {
        let differences = |said: &[(&str, &str)]| -> Vec<_> {
            let difference = |&(label, there): &(&str, &str)| Difference {
                label: label.to_owned(),
                here: "3".to_owned(),
                there: there.to_owned(),
            };
            said.iter().map(difference).collect()
        };
        let mut runs = runs.iter().map(|said| differences(said));
        let first = runs.next().expect("a run");
        let is_new = |difference: &Difference| difference.label != "listed";
        let settled = settle(first, is_new, || runs.next().expect("no more runs"));
        assert_eq!(settled, differences(expected));
        assert_eq!(runs.next(), None, "not run");
    }
}
