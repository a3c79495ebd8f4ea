//! The text of `underspan diff`: what got slower or faster, and which multiplies changed precision.

use underspan_classifier::short_name;
use underspan_engine::{CaptureDiff, GroupChange, KernelGroup, LatencyChange};
use underspan_model::DurationNs;

use crate::document::{Document, ReportTable};
use crate::sections::percent;

/// A change of time per unit of work below this is left out of the tables of changes.
const SMALL_SHARE: f64 = 0.001;

/// `diff` for a person; tables have at most `top` rows.
pub fn diff_document(diff: &CaptureDiff, names: [&str; 2], top: usize) -> Document {
    let mut document = Document::default();
    document.heading(format!("{} → {}", names[0], names[1]));
    document.list(statements(diff));
    latencies(&mut document, diff);
    precision(&mut document, diff, top);
    roles(&mut document, diff);
    changes(&mut document, diff, top);
    lone(&mut document, "NEW KERNELS", &diff.appeared, diff.kernel_time[1], top);
    lone(&mut document, "VANISHED KERNELS", &diff.vanished, diff.kernel_time[0], top);
    launches(&mut document, diff, top);
    document
}

fn statements(diff: &CaptureDiff) -> Vec<String> {
    let mut items = Vec::new();
    let unit = if diff.units == [1, 1] { "capture" } else { "step" };
    if let Some(ratio) = diff.kernel_time_ratio() {
        let per_unit = |side: usize| {
            DurationNs::from_ns(diff.kernel_time[side].as_ns() / diff.units[side].max(1))
        };
        items.push(format!(
            "Kernel time per {unit}: {} → {} ({}).",
            per_unit(0),
            per_unit(1),
            change(ratio)
        ));
    }
    let changed: Vec<&GroupChange> = diff.precision_changes().collect();
    let fallen: Vec<&&GroupChange> = changed.iter().filter(|change| change.fell_back()).collect();
    if changed.is_empty() {
        items.push("No multiply changed its precision, as far as types are known.".to_owned());
    } else {
        let cost: i64 = fallen.iter().map(|change| change.cost_ns).sum();
        items.push(format!(
            "{} of {} multiplies with another precision fell to a wider type or off tensor cores: \
             {} of multiply time, {} per {unit}.",
            fallen.len(),
            changed.len(),
            percent(diff.fallback_share()),
            signed(cost)
        ));
    }
    if let [Some(before), Some(after)] = diff.batch
        && before != after
    {
        items.push(format!("Requests per step (median): {before} → {after}."));
    }
    items
}

fn latencies(document: &mut Document, diff: &CaptureDiff) {
    let mut table =
        ReportTable::new(&["what<", "n", "quantile", "before", "after", "change", "verdict<"]);
    for latency in &diff.latencies {
        for quantile in &latency.quantiles {
            let [before, after] = quantile.sides;
            table.row([
                latency.kind.clone(),
                format!("{} → {}", latency.count[0], latency.count[1]),
                format!("p{}", quantile.percent),
                before.value.to_string(),
                after.value.to_string(),
                change(quantile.ratio()),
                verdict(latency, quantile.is_significant()).to_owned(),
            ]);
        }
    }
    if !table.rows.is_empty() {
        document.heading("LATENCY");
    }
    document.table(table);
}

fn verdict(latency: &LatencyChange, is_significant: bool) -> &'static str {
    match (latency.is_sparse, is_significant) {
        (true, _) => "too few to tell",
        (false, true) => "changed",
        (false, false) => "within noise",
    }
}

fn precision(document: &mut Document, diff: &CaptureDiff, top: usize) {
    let mut table = ReportTable::new(&[
        "cost",
        "of multiplies",
        "before",
        "after",
        "from<",
        "to<",
        "role<",
        "kernel<",
    ]);
    for change in diff.precision_changes().take(top) {
        let share =
            |part: DurationNs| part.as_ns() as f64 / diff.matmul_time[1].as_ns().max(1) as f64;
        table.row([
            signed(change.cost_ns),
            percent(share(change.after.total)),
            change.before.total.to_string(),
            change.after.total.to_string(),
            computes(&change.before),
            computes(&change.after),
            change.after.class.role.value.as_str().to_owned(),
            both_names(change),
        ]);
    }
    if !table.rows.is_empty() {
        document.heading("PRECISION CHANGES");
    }
    document.table(table);
}

fn roles(document: &mut Document, diff: &CaptureDiff) {
    let mut table =
        ReportTable::new(&["role<", "before", "after", "share before", "share after", "kernels"]);
    for row in &diff.roles {
        let share = |side: usize| {
            row.total[side].as_ns() as f64 / diff.kernel_time[side].as_ns().max(1) as f64
        };
        table.row([
            row.role.as_str().to_owned(),
            row.total[0].to_string(),
            row.total[1].to_string(),
            percent(share(0)),
            percent(share(1)),
            format!("{} → {}", row.count[0], row.count[1]),
        ]);
    }
    document.heading("TIME BY ROLE");
    document.table(table);
}

fn changes(document: &mut Document, diff: &CaptureDiff, top: usize) {
    let per_unit = diff.kernel_time[0].as_ns() as f64 / diff.units[0].max(1) as f64;
    let mut table = ReportTable::new(&["cost", "before", "after", "kernels", "role<", "kernel<"]);
    let large = diff
        .matched
        .iter()
        .filter(|change| change.cost_ns.unsigned_abs() as f64 >= SMALL_SHARE * per_unit);
    for change in large.take(top) {
        table.row([
            signed(change.cost_ns),
            change.before.total.to_string(),
            change.after.total.to_string(),
            format!("{} → {}", change.before.count, change.after.count),
            change.after.class.role.value.as_str().to_owned(),
            both_names(change),
        ]);
    }
    if !table.rows.is_empty() {
        document.heading("LARGEST CHANGES");
    }
    document.table(table);
}

fn lone(
    document: &mut Document,
    title: &str,
    groups: &[KernelGroup],
    whole: DurationNs,
    top: usize,
) {
    let mut table = ReportTable::new(&["share", "time", "kernels", "role<", "kernel<"]);
    for group in groups.iter().take(top) {
        table.row([
            percent(group.total.as_ns() as f64 / whole.as_ns().max(1) as f64),
            group.total.to_string(),
            group.count.to_string(),
            group.class.role.value.as_str().to_owned(),
            short_name(&group.name),
        ]);
    }
    if !table.rows.is_empty() {
        document.heading(title);
    }
    document.table(table);
}

fn launches(document: &mut Document, diff: &CaptureDiff, top: usize) {
    let mut table = ReportTable::new(&["after", "grid<", "block<", "role<", "kernel<"]);
    let same_name = diff
        .matched
        .iter()
        .filter(|change| change.launch_changed() && change.before.name == change.after.name);
    for change in same_name.take(top) {
        let dims = |dims: [u32; 3]| format!("{}x{}x{}", dims[0], dims[1], dims[2]);
        let pair = |before, after| match before == after {
            true => dims(before),
            false => format!("{} → {}", dims(before), dims(after)),
        };
        table.row([
            change.after.total.to_string(),
            pair(change.before.grid, change.after.grid),
            pair(change.before.block, change.after.block),
            change.after.class.role.value.as_str().to_owned(),
            short_name(&change.after.name),
        ]);
    }
    if !table.rows.is_empty() {
        document.heading("LAUNCHED OTHERWISE");
    }
    document.table(table);
}

fn computes(group: &KernelGroup) -> String {
    let cores = match group.tensor_core().as_str() {
        "yes" => " on tensor cores",
        "no" => " on CUDA cores",
        _ => "",
    };
    format!("{}{cores}", group.dtype())
}

fn both_names(change: &GroupChange) -> String {
    let [before, after] = [&change.before, &change.after].map(|group| {
        let name = short_name(&group.name);
        match group.n_merged {
            0 => name,
            n => format!("{name} and {n} more"),
        }
    });
    if before == after { after } else { format!("{before} → {after}") }
}

fn change(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0)
}

fn signed(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "+" };
    format!("{sign}{}", DurationNs::from_ns(ns.unsigned_abs()))
}
