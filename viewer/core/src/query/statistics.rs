//! What ran in a range of time, by name.

use std::collections::HashMap;

use underspan_model::tables::TableKind;

use super::Cancel;
use crate::document::{Document, full_name, track_columns};
use crate::timeline::TimeRange;

/// The events of one name in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameStatistics {
    /// Table of the events.
    pub table: TableKind,
    /// Value of the table's name column of one of them.
    pub name: u32,
    /// Their name.
    pub text: String,
    /// Events that touch the range.
    pub count: u64,
    /// Time of theirs within the range.
    pub total_ns: u64,
    /// The longest, whole.
    pub max_ns: u64,
}

/// What ran in a range of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeStatistics {
    /// The range.
    pub range: TimeRange,
    /// By table and name, most time first within each table.
    pub names: Vec<NameStatistics>,
    /// Events that touch the range.
    pub n_events: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: u64,
    total_ns: u64,
    max_ns: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

/// The statistics of a range; `None` when it was cancelled.
///
/// # Errors
/// In words, when the file is damaged.
pub(crate) fn range_statistics(
    document: &Document,
    range: TimeRange,
    cancel: &Cancel,
) -> Result<Option<RangeStatistics>, String> {
    let mut tables: Vec<TableKind> = document.tracks.iter().map(|track| track.kind).collect();
    tables.dedup();
    let mut names = Vec::new();
    for table in tables {
        let Some((_, name)) = track_columns(table) else { continue };
        let columns = [name, "start_ns", "duration_ns"];
        let sums = document.events.scan(table, range, &columns, cancel, |block| {
            let mut sums: HashMap<u32, Sum> = HashMap::new();
            let codes = block.codes(name);
            let times = block.rows().zip(block.starts().get(block.rows()).unwrap_or_default());
            for (row, start) in times {
                let Some(len) = block.durations().get(row).copied() else { break };
                let end = start.saturating_add_unsigned(len);
                if !range.touches(*start, end) {
                    continue;
                }
                let inside = end.min(range.end_ns()).abs_diff((*start).max(range.start_ns()));
                let sum = Sum { count: 1, total_ns: inside, max_ns: len };
                sums.entry(codes.get(row).unwrap_or(u32::MAX)).or_default().add(sum);
            }
            sums
        })?;
        if cancel.is_cancelled() {
            return Ok(None);
        }
        by_text(document, table, sums, &mut names);
    }
    let n_events = names.iter().map(|of: &NameStatistics| of.count).sum();
    Ok(Some(RangeStatistics { range, names, n_events }))
}

/// Joins what has one text: launch shapes of one kernel.
fn by_text(
    document: &Document,
    table: TableKind,
    blocks: Vec<HashMap<u32, Sum>>,
    names: &mut Vec<NameStatistics>,
) {
    let mut sums: HashMap<u32, Sum> = HashMap::new();
    for (name, sum) in blocks.into_iter().flatten() {
        sums.entry(name).or_default().add(sum);
    }
    let mut texts: HashMap<String, (u32, Sum)> = HashMap::new();
    let mut ordered: Vec<(u32, Sum)> = sums.into_iter().collect();
    ordered.sort_unstable_by_key(|(name, _)| *name);
    for (name, sum) in ordered {
        let text = full_name(document.timeline(), table, name);
        texts.entry(text).or_insert((name, Sum::default())).1.add(sum);
    }
    let first = names.len();
    names.extend(texts.into_iter().map(|(text, (name, sum))| NameStatistics {
        table,
        name,
        text,
        count: sum.count,
        total_ns: sum.total_ns,
        max_ns: sum.max_ns,
    }));
    names[first..].sort_by(|a, b| b.total_ns.cmp(&a.total_ns).then_with(|| a.text.cmp(&b.text)));
}

impl RangeStatistics {
    /// As CSV with a header line.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from("table,name,count,total_ns,max_ns\n");
        for of in &self.names {
            let name = of.text.replace('"', "\"\"");
            let (table, count) = (of.table.name(), of.count);
            csv.push_str(&format!("{table},\"{name}\",{count},{},{}\n", of.total_ns, of.max_ns));
        }
        csv
    }

    /// As JSON: `{start_ns, end_ns, names: [{table, name, count, total_ns, max_ns}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        let names: Vec<_> = self
            .names
            .iter()
            .map(|of| {
                serde_json::json!({
                    "table": of.table.name(),
                    "name": of.text,
                    "count": of.count,
                    "total_ns": of.total_ns,
                    "max_ns": of.max_ns,
                })
            })
            .collect();
        serde_json::json!({
            "start_ns": self.range.start_ns(),
            "end_ns": self.range.end_ns(),
            "names": names,
        })
    }
}
