//! Runs rows on both stacks and compares what they noted with the list of differences.

use crate::log::{Log, WAITS};
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
    netns::run_for(test_name, MINUTES, || {
        let listed = listed(file);
        let mut found = BTreeSet::new();
        for (&(name, kernel_row), (_, our_row)) in kernel.iter().zip(ours) {
            for v6 in [false, true] {
                let at_kernel = |patience| run(name, kernel_row, v6, None, patience);
                let expected = at_kernel(AT_ONCE);
                for drive in Drive::ALL {
                    let at_ours = |patience| run(name, *our_row, v6, Some(drive), patience);
                    let mut differences = expected.differences(&at_ours(AT_ONCE));
                    let key = |label: &str| format!("{file}::{name}: {label}");
                    let may_be_slow = |(label, theirs, ours): &(String, String, String)| {
                        [theirs, ours].iter().any(|said| *said == WAITS)
                            && !listed.contains(&key(label))
                    };
                    if differences.iter().any(may_be_slow) {
                        // One side may only have been slow, on a machine that has much else to do.
                        differences = at_kernel(PATIENT).differences(&at_ours(PATIENT));
                    }
                    for (label, theirs, ours) in differences {
                        let family = if v6 { 6 } else { 4 };
                        println!(
                            "{file}::{name}, IPv{family}, {drive:?}: {label}: \
                             the kernel says {theirs:?}, we say {ours:?}"
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

fn run(
    name: &str,
    row: fn(World) -> Running,
    v6: bool,
    drive: Option<Drive>,
    patience: Duration,
) -> Log {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new(v6, drive, patience);
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

/// How long an operation may take that waits for nothing but a stack, for the first look.
const AT_ONCE: Duration = Duration::from_millis(60);
/// The same where the two have not fared alike.
const PATIENT: Duration = Duration::from_secs(3);
/// What one row may take.
const LIMIT: Duration = Duration::from_secs(60);
/// What all rows of a file may take.
const MINUTES: Duration = Duration::from_secs(300);
