//! `docs/switches.md` names every field of the configuration of TCP once, and none that does not exist.

use tests::documents::{fields, quoted, read};

#[test]
fn every_switch_of_tcp_is_in_the_table_once() {
    let (document, source) = (read("docs/switches.md"), read("net-core/src/config.rs"));
    let rows = document.lines().filter_map(|line| {
        let (mechanism, fields) = line.strip_prefix("| ")?.split_once(" | ")?;
        (mechanism != "Mechanism").then_some((mechanism, fields))
    });
    let mut named = Vec::new();
    for (mechanism, cell) in rows {
        let switches: Vec<_> = quoted(cell).filter(|text| !text.contains("::")).collect();
        let reason = cell.split_once("none").map(|(_, reason)| reason);
        let answered = !switches.is_empty() || reason.is_some_and(|text| text.contains(": "));
        assert!(answered, "{mechanism}: neither a switch nor a reason");
        // `rack`'s: told again where another mechanism hangs on it.
        named.extend(switches.into_iter().filter(|_| !cell.contains("`'s")));
    }
    assert!(named.len() > 60);
    named.sort_unstable();
    let mut all: Vec<_> = ["TcpConfig", "FastOpenConfig", "RecoveryConfig"]
        .iter()
        .flat_map(|name| fields(&source, name))
        .collect();
    all.sort_unstable();
    assert_eq!(named, all);
}
