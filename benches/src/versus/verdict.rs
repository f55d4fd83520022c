//! Whether a run of the comparison is a good one.

use super::targets::Target;
use anyhow::{bail, ensure};

/// What a run has come to, in the order in which it matters.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// Every workload of every stack was measured, for long enough to judge.
    pub is_complete: bool,
    /// Why the comparison is void.
    pub objections: &'a [String],
    /// What could not be measured.
    pub failures: &'a [String],
    /// The aims and how far they are reached.
    pub targets: &'a [Target],
}

impl Verdict<'_> {
    /// Nothing but for a good run. Of one that is not complete only failures count.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.is_complete || self.objections.is_empty(),
            "the comparison is void: {}",
            self.objections.join("; ")
        );
        ensure!(self.failures.is_empty(), "some measurements failed");
        let missed = self.targets.iter().filter(|target| !target.met);
        let missed: Vec<&str> = missed.map(|target| target.text.as_str()).collect();
        if self.is_complete && !missed.is_empty() {
            bail!(
                "{} of {} targets are missed: {}",
                missed.len(),
                self.targets.len(),
                missed.join("; ")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(met: bool) -> Target {
        Target {
            text: "twice as fast".into(),
            measured: 1.0,
            met,
        }
    }

    fn verdict<'a>(objections: &'a [String], targets: &'a [Target]) -> Verdict<'a> {
        Verdict {
            is_complete: true,
            objections,
            failures: &[],
            targets,
        }
    }

    #[test]
    fn a_missed_target_fails_a_complete_run_alone() {
        let targets = [target(true), target(false)];
        let mut run = verdict(&[], &targets);
        let error = run.check().expect_err("missed").to_string();
        assert_eq!(error, "1 of 2 targets are missed: twice as fast");
        run.is_complete = false;
        assert!(run.check().is_ok());
        assert!(verdict(&[], &targets[..1]).check().is_ok());
    }

    #[test]
    fn a_void_comparison_is_not_judged_and_a_failure_counts_always() {
        let (void, failed) = (["slow".to_owned()], ["no link".to_owned()]);
        let targets = [target(false)];
        let mut run = verdict(&void, &targets);
        assert!(
            run.check()
                .is_err_and(|error| error.to_string().contains("void: slow"))
        );
        (run.is_complete, run.failures) = (false, &failed);
        assert!(
            run.check()
                .is_err_and(|error| error.to_string().contains("failed"))
        );
    }
}
