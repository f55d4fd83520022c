//! Documents that name modules and tests of the project, and are held to it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A text of the project.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backquotes.
pub fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The names of all tests of the project.
#[must_use]
pub fn all_tests() -> HashSet<String> {
    let mut names = HashSet::new();
    for package in ["net-core", "net-tokio", "tests", "examples", "benches"] {
        for source in sources(&root().join(package)) {
            names.extend(tests(&source).map(str::to_owned));
        }
    }
    names
}

/// The texts of all sources below a folder.
///
/// # Panics
/// If there is no such folder.
#[must_use]
pub fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(path).expect("a source file"));
        }
    }
    texts
}

/// The public fields of a struct in `source`.
///
/// # Panics
/// If there is no such struct.
#[must_use]
pub fn fields<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("pub struct {name} {{");
    let (_, rest) = source.split_once(&begin).expect("the struct");
    let (body, _) = rest.split_once("\n}").expect("its end");
    body.lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next())
        .collect()
}

/// The names of the functions that a source defines.
pub fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(defined)
}

/// The names of those that are tests.
pub fn tests(source: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    source.lines().filter_map(move |line| {
        let attribute = line.trim_start().strip_prefix("#[");
        if let Some(attribute) = attribute {
            marked |= attribute.starts_with("test]") || attribute.contains("::test");
            return None;
        }
        let is_comment = line.trim_start().starts_with("//");
        let name = defined(line).filter(|_| marked);
        marked &= is_comment;
        name
    })
}

/// The name of the function whose definition begins in this line.
fn defined(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let is_definition = before
        .split_whitespace()
        .all(|word| QUALIFIERS.contains(&word) || word.ends_with(')'));
    let end = rest.find(['(', '<']).unwrap_or(rest.len());
    is_definition.then_some(&rest[..end])
}

/// What may stand before `fn`, beside `pub(in path)`.
const QUALIFIERS: [&str; 5] = ["pub", "const", "async", "unsafe", "pub(in"];

/// Where a module of a package is, if there is one: a file, or a folder of them.
#[must_use]
pub fn module(package: &str, path: &str) -> Option<PathBuf> {
    let path = root().join(package).join("src").join(path);
    let places = [path.with_extension("rs"), path.join("mod.rs"), path];
    places.into_iter().find(|place| place.exists())
}
