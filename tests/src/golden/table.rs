//! Tables as Markdown.

use std::fmt::Write as _;

/// A table under a heading, with a few words in front of it.
#[derive(Debug, Clone)]
pub struct Table {
    /// The heading.
    pub title: String,
    /// What is measured, and how.
    pub about: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Cells of each row.
    pub rows: Vec<Vec<String>>,
    /// The same as an image (SVG), where there is one.
    pub drawing: Option<String>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(title: &str, about: &str, columns: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            about: about.to_owned(),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
            drawing: None,
        }
    }

    /// The table with its heading. Columns are aligned, so that a diff shows what changed.
    ///
    /// # Panics
    /// If a row has not as many cells as there are columns.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("# {}\n\n{}\n\n", self.title, self.about);
        let lines = || [&self.columns].into_iter().chain(&self.rows);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = lines().map(|cells| cells[column].chars().count());
                cells.max().unwrap_or(0).max(3)
            })
            .collect();
        for (number, cells) in lines().enumerate() {
            assert_eq!(cells.len(), widths.len(), "{cells:?}");
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                for width in &widths {
                    let _ = write!(text, "|{}", "-".repeat(width + 2));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Bits per second in Mbit/s.
#[must_use]
pub(super) fn mbit(bits: f64) -> String {
    format!("{:.2}", bits / 1e6)
}

/// A share in percent.
#[must_use]
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Seconds in milliseconds.
#[must_use]
pub(super) fn millis(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

/// The middle one of some values.
#[must_use]
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share of some values lies; of two neighbours the lower.
#[must_use]
pub(super) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place among a few thousand"
    )]
    let place = (values.len().saturating_sub(1) as f64 * share) as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("Rates", "As measured.", &["loss", "Mbit/s"]);
        table.rows.push(vec!["1 %".into(), "12.34".into()]);
        let text = table.render();
        assert_eq!(
            text,
            "# Rates\n\nAs measured.\n\n| loss | Mbit/s |\n|------|--------|\n| 1 %  | 12.34  |\n"
        );
    }

    #[test]
    fn a_median_is_one_of_the_values() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.0).abs() < f64::EPSILON);
        assert!((quantile([1.0, 2.0, 3.0], 1.0) - 3.0).abs() < f64::EPSILON);
    }
}
