//! A table of typed cells: shown in units a person would pick, written as raw numbers.

use serde_json::{Map, Value, json};
use underspan_engine::DurationStats;
use underspan_model::{Bytes, DurationNs};

use crate::csv::to_csv;
use crate::document::{Align, Column, ReportTable};
use crate::sections::percent;

/// A table of statistics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatsTable {
    /// Columns, left to right.
    pub columns: Vec<StatsColumn>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsColumn {
    /// Name in CSV and JSON, with its unit: `total_ns`.
    pub key: &'static str,
    /// Title for a person.
    pub title: &'static str,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A long name: shown shortened, written whole.
    Name {
        /// For a person.
        short: String,
        /// For a program.
        full: String,
    },
    /// A number of things.
    Count(u64),
    /// A length of time.
    Time(DurationNs),
    /// A size.
    Size(Bytes),
    /// A part of one.
    Share(f64),
    /// Bytes per second.
    Rate(f64),
    /// Not known.
    Missing,
}

impl StatsTable {
    /// A table without rows, from (key, title) pairs.
    pub fn new(columns: &[(&'static str, &'static str)]) -> Self {
        let columns = columns.iter().map(|(key, title)| StatsColumn { key, title }).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When it is not as long as the table is wide.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "a row has one cell per column");
        self.rows.push(cells);
    }

    /// Keeps the first `n` rows.
    pub fn truncate(&mut self, n: usize) {
        self.rows.truncate(n);
    }

    /// For a person.
    pub fn to_report_table(&self) -> ReportTable {
        let is_text = |at: usize| {
            self.rows.iter().any(|row| matches!(row[at], Cell::Text(_) | Cell::Name { .. }))
        };
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| Column {
                title: column.title.to_owned(),
                align: if is_text(at) { Align::Left } else { Align::Right },
            })
            .collect();
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::shown).collect()).collect();
        ReportTable { columns, rows }
    }

    /// For a spreadsheet: raw numbers under the columns' keys.
    pub fn to_csv(&self) -> String {
        let columns = self
            .columns
            .iter()
            .map(|column| Column { title: column.key.to_owned(), align: Align::Left })
            .collect();
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::written).collect()).collect();
        to_csv(&ReportTable { columns, rows })
    }

    /// For a program: an array of objects with raw numbers.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.to_value()).unwrap_or_default();
        text.push('\n');
        text
    }

    pub(crate) fn to_value(&self) -> Value {
        self.rows
            .iter()
            .map(|row| {
                let pairs = self.columns.iter().zip(row);
                let object: Map<String, Value> =
                    pairs.map(|(column, cell)| (column.key.to_owned(), cell.to_json())).collect();
                Value::Object(object)
            })
            .collect()
    }
}

impl Cell {
    /// `part` of `whole` as a share; zero of nothing.
    pub fn share_of(part: DurationNs, whole: DurationNs) -> Self {
        Self::Share(part.as_ns() as f64 / whole.as_ns().max(1) as f64)
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Name { short, .. } => short.clone(),
            Self::Count(n) => n.to_string(),
            Self::Time(time) => time.to_string(),
            Self::Size(size) => size.to_string(),
            Self::Share(share) => percent(*share),
            Self::Rate(rate) if *rate < 1e8 => format!("{:.1} MB/s", rate / 1e6),
            Self::Rate(rate) => format!("{:.1} GB/s", rate / 1e9),
            Self::Missing => "-".to_owned(),
        }
    }

    fn written(&self) -> String {
        match self.to_json() {
            Value::String(text) => text,
            Value::Null => String::new(),
            number => number.to_string(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Name { full: text, .. } => json!(text),
            Self::Count(n) => json!(n),
            Self::Time(time) => json!(time.as_ns()),
            Self::Size(size) => json!(size.as_u64()),
            Self::Share(share) => json!((share * 1e9).round() / 1e9),
            Self::Rate(rate) => json!(rate.round()),
            Self::Missing => Value::Null,
        }
    }
}

/// Heads of the columns that [`duration_cells`] fills.
pub(super) const DURATION_COLUMNS: [(&str, &str); 7] = [
    ("total_ns", "total"),
    ("count", "count"),
    ("p50_ns", "p50"),
    ("p95_ns", "p95"),
    ("p99_ns", "p99"),
    ("min_ns", "min"),
    ("max_ns", "max"),
];

/// The statistics of one group of durations.
pub(super) fn duration_cells(stats: &DurationStats) -> [Cell; 7] {
    [
        Cell::Time(stats.total),
        Cell::Count(stats.count),
        Cell::Time(stats.p50),
        Cell::Time(stats.p95),
        Cell::Time(stats.p99),
        Cell::Time(stats.min),
        Cell::Time(stats.max),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn people_see_units_and_programs_see_numbers() {
        let mut table = StatsTable::new(&[
            ("name", "kernel"),
            ("total_ns", "total"),
            ("share", "share"),
            ("bytes", "size"),
        ]);
        table.row([
            Cell::Name { short: "f".into(), full: "void f<a, b>()".into() },
            Cell::Time(DurationNs::from_ns(1_500)),
            Cell::Share(1.0 / 3.0),
            Cell::Missing,
        ]);
        expect![[r#"
            name,total_ns,share,bytes
            "void f<a, b>()",1500,0.333333333,
        "#]]
        .assert_eq(&table.to_csv().replace('\r', ""));
        let shown = table.to_report_table();
        assert_eq!(shown.rows[0], ["f", "1.50 µs", "33.3 %", "-"]);
        let json: Value = serde_json::from_str(&table.to_json()).unwrap();
        assert_eq!(json[0]["total_ns"], 1500);
        assert_eq!(json[0]["bytes"], Value::Null);
    }
}
