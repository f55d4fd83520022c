//! What TCP reaches over simulated paths, as tables that are kept in `docs/golden` and reviewed as
//! diffs.
//!
//! `cargo run --release -p tests --bin golden` measures everything anew and writes the tables; the
//! names of some measure only those, and `plots` draws the plots. The table `quick` is measured by a test each time.

mod completion;
mod fairness;
mod figures;
mod grid;
mod outage;
mod parallel;
mod path;
mod plots;
mod queues;
mod quick;
mod reordering;
mod table;

pub use path::{Bulk, Path};
pub use plots::{PLOTS, Plot};
pub use queues::{Pings, Waiting, pings_beside_bulk};
pub use table::Table;

use std::path::PathBuf;

/// The folder of tables and plots.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/golden")
}

/// A table, by its name, and how to measure it.
#[derive(Debug)]
pub struct Golden {
    /// Its name, also that of its file.
    pub name: &'static str,
    /// Measures it anew, with a thread for each core.
    pub measure: fn() -> Vec<Table>,
}

/// Every table.
pub const ALL: &[Golden] = &[
    Golden {
        name: "quick",
        measure: quick::measure,
    },
    Golden {
        name: "figures",
        measure: figures::measure,
    },
    Golden {
        name: "goodput",
        measure: grid::measure,
    },
    Golden {
        name: "fairness",
        measure: fairness::measure,
    },
    Golden {
        name: "completion",
        measure: completion::measure,
    },
    Golden {
        name: "queues",
        measure: queues::measure,
    },
];

impl Golden {
    /// The file that it is kept in.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        folder().join(format!("{}.md", self.name))
    }

    /// The file of the drawing that goes with it, where one does.
    #[must_use]
    pub fn drawing(&self) -> PathBuf {
        folder().join(format!("{}.svg", self.name))
    }

    /// The contents of the file with these tables.
    #[must_use]
    pub fn render(&self, tables: &[Table]) -> String {
        let mut text = format!(
            "<!-- measured by: cargo run --release -p tests --bin golden -- {} -->\n",
            self.name
        );
        for table in tables {
            text.push('\n');
            text.push_str(&table.render());
        }
        text
    }
}
