//! The text of a ruleset: whatever is read is printed as text that reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::filter::Ruleset;

fuzz_target!(|text: &str| {
    let Ok(ruleset) = text.parse::<Ruleset>() else {
        return;
    };
    let printed = ruleset.to_string();
    let again: Ruleset = match printed.parse() {
        Ok(again) => again,
        Err(error) => panic!("{error}\n{printed}"),
    };
    assert_eq!(again.to_string(), printed);
});
