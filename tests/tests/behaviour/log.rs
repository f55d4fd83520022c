//! What a row has seen.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Outcomes in the order in which they came, each under a label.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Vec<(String, String)>,
}

impl Log {
    /// Notes what an operation returned.
    pub(crate) fn note<T: Debug>(&mut self, label: impl Into<String>, result: io::Result<T>) {
        self.say(label, describe(result));
    }

    /// Notes what an operation returned, or that it did not within a time that is long for what
    /// happens at once.
    pub(crate) async fn wait<T: Debug>(
        &mut self,
        label: impl Into<String>,
        operation: impl Future<Output = io::Result<T>>,
    ) {
        let outcome = match timeout(AT_ONCE, operation).await {
            Ok(result) => describe(result),
            Err(_) => WAITS.to_owned(),
        };
        self.say(label, outcome);
    }

    /// Notes a fact.
    pub(crate) fn say(&mut self, label: impl Into<String>, fact: impl ToString) {
        self.entries.push((label.into(), fact.to_string()));
    }

    /// The labels under which the two differ, with what each says there.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Difference> {
        let count = self.entries.len().max(other.entries.len());
        let entry = |log: &Self, index| log.entries.get(index).cloned().unwrap_or_default();
        (0..count)
            .map(|index| (entry(self, index), entry(other, index)))
            .filter(|(here, there)| here != there)
            .map(|(here, there)| {
                let label = if here.0.is_empty() { there.0 } else { here.0 };
                Difference {
                    label,
                    here: here.1,
                    there: there.1,
                }
            })
            .collect()
    }
}

/// What two logs say under the same label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) label: String,
    pub(crate) here: String,
    pub(crate) there: String,
}

impl Difference {
    /// Whether one side has returned and the other has not.
    pub(crate) fn is_in_waiting(&self) -> bool {
        [&self.here, &self.there].iter().any(|said| *said == WAITS)
    }
}

fn describe<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("{:?}, number {number}", error.kind()),
            None => format!("{:?}", error.kind()),
        },
    }
}

/// What is noted of an operation that has not returned.
pub(crate) const WAITS: &str = "still waits";
/// How long an operation may take that waits for nothing but the stack.
const AT_ONCE: Duration = Duration::from_millis(150);
