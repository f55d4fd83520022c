//! What a row has seen.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Outcomes in the order in which they came, each under a label.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Vec<(String, String)>,
    patience: Duration,
}

impl Log {
    /// An empty log; an operation that takes longer than `patience` waits.
    pub(crate) const fn new(patience: Duration) -> Self {
        Self {
            entries: Vec::new(),
            patience,
        }
    }

    /// Notes what an operation returned.
    pub(crate) fn note<T: Debug>(&mut self, label: impl Into<String>, result: io::Result<T>) {
        self.say(label, describe(result));
    }

    /// Notes what an operation returned, or that it did not in time.
    pub(crate) async fn wait<T: Debug>(
        &mut self,
        label: impl Into<String>,
        operation: impl Future<Output = io::Result<T>>,
    ) {
        let outcome = match timeout(self.patience, operation).await {
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
    pub(crate) fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let count = self.entries.len().max(other.entries.len());
        let entry = |log: &Self, index| log.entries.get(index).cloned().unwrap_or_default();
        (0..count)
            .map(|index| (entry(self, index), entry(other, index)))
            .filter(|(here, there)| here != there)
            .map(|(here, there)| {
                let label = if here.0.is_empty() { there.0 } else { here.0 };
                (label, here.1, there.1)
            })
            .collect()
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
