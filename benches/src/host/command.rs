//! Running the host's configuration tools.

use anyhow::{Context as _, bail};
use std::process::Command;

/// Runs a command line, split at spaces, and returns what it prints.
pub(super) fn run(line: &str) -> anyhow::Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    let output = Command::new(program)
        .args(words)
        .output()
        .with_context(|| format!("{program} is needed: {line}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{line}: {}", stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
