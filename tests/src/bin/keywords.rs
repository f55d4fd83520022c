//! Counts the words of RFC 2119 in the RFCs that `docs/rfc.md` lists in full, and prints
//! `docs/rfc/counts.txt`. It is given the folder of their texts: `rfc5681.txt` and so on as the RFC
//! Editor publishes them, or the last draft where that is all there is.

use std::path::Path;
use std::process::ExitCode;
use tests::keywords::{count, rfcs, text};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("say in which folder the texts of the RFCs are");
        return ExitCode::FAILURE;
    };
    println!(
        "# How often MUST (SHALL, REQUIRED) and SHOULD (RECOMMENDED) stand in each section of an RFC:"
    );
    println!("# section, MUSTs, SHOULDs. What is counted: tests/src/keywords.rs. Written by");
    println!("# cargo run -p tests --bin keywords -- FOLDER > docs/rfc/counts.txt");
    for rfc in rfcs() {
        let Some((text, draft)) = text(Path::new(&folder), &rfc) else {
            println!("RFC {rfc} not counted");
            continue;
        };
        match draft {
            Some(draft) => println!("RFC {rfc} {draft}"),
            None => println!("RFC {rfc}"),
        }
        for section in count(&text, &rfc) {
            println!("{section}");
        }
    }
    ExitCode::SUCCESS
}
