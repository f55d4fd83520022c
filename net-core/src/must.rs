//! What RFCs demand, named where it is obeyed, and taken away one by one.
//!
//! `must("9293 MUST-36")` is `true`: a citation that costs nothing. In a build with `--cfg mutant` it
//! is `false` for the requirement that the environment variable `MUTANT` names, and then the first
//! test that the row of `docs/rfc` names has to fail. `tests/mutants.sh` tries them all: a test that
//! passes without what it is there to show shows nothing.

/// Whether a requirement is obeyed: a number of an RFC, and what the row in `docs/rfc` begins with.
#[cfg(not(mutant))]
#[inline]
pub(crate) const fn must(_requirement: &'static str) -> bool {
    true
}

/// Whether a requirement is obeyed: all are, but for the one that `MUTANT` names.
#[cfg(mutant)]
pub(crate) fn must(requirement: &'static str) -> bool {
    use std::sync::OnceLock;
    static DISOBEYED: OnceLock<Option<std::string::String>> = OnceLock::new();
    let disobeyed = DISOBEYED.get_or_init(|| std::env::var("MUTANT").ok());
    disobeyed.as_deref() != Some(requirement)
}
