//! What the documentation promises to say.

use std::fs;
use std::path::Path;

/// Calls `look` with each source file below `folder` and its lines.
fn sources(folder: &Path, look: &mut impl FnMut(&Path, &[&str])) {
    for entry in fs::read_dir(folder).expect("a folder of the crate") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source file");
            look(&path, &source.lines().map(str::trim).collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_async_method_says_whether_it_is_cancel_safe() {
    let mut count = 0;
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut |path, lines| {
            for (number, line) in lines.iter().enumerate() {
                if !line.starts_with("pub async fn") {
                    continue;
                }
                count += 1;
                let mut docs = lines[..number]
                    .iter()
                    .rev()
                    .take_while(|line| line.starts_with("///") || line.starts_with("#["));
                assert!(
                    docs.any(|line| *line == "/// # Cancel safety"),
                    "{}:{}: {line}",
                    path.display(),
                    number + 1
                );
            }
        },
    );
    assert!(count >= 30, "found only {count} async methods");
}
