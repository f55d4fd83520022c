//! Rules of the kernel's filter, as `nft` (nftables) reads them.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Whether there is `nft`; without it a test says that it is skipped, or fails where that is not allowed.
#[must_use]
pub fn is_there(test_name: &str) -> bool {
    let found = Command::new("nft").arg("--version").output().is_ok();
    if !found {
        super::netns::skip(test_name, "no nft (nftables)");
    }
    found
}

/// Puts rules in the place of all that are there.
///
/// # Panics
/// If `nft` does not take them.
pub fn load(ruleset: &str) {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nft is there");
    let mut input = nft.stdin.take().expect("piped");
    write!(input, "flush ruleset\n{ruleset}").expect("written");
    drop(input);
    assert!(nft.wait().expect("ended").success(), "{ruleset}");
}

/// How many packets each rule that counts has counted.
///
/// # Panics
/// If `nft` does not say.
#[must_use]
pub fn counted() -> Vec<u64> {
    let listed = Command::new("nft").args(["list", "ruleset"]).output();
    let listed = listed.expect("nft is there").stdout;
    let listed = String::from_utf8(listed).expect("text");
    let counters = listed.split("counter packets ").skip(1);
    let counts = counters.map(|rest| rest.split(' ').next().unwrap_or(rest));
    let counts = counts.map(|count| count.parse().expect("a count"));
    counts.collect()
}
