//! The text of `underspan info`: what a capture holds, in one screen.

use underspan_classifier::short_name;
use underspan_engine::CaptureSummary;
use underspan_model::{DurationNs, Timeline, TimestampNs};

use crate::document::{Document, ReportTable};
use crate::sections;

/// `summary` for a person.
pub fn info_document(timeline: &Timeline, summary: &CaptureSummary) -> Document {
    let mut document = Document::default();
    sections::capture(&mut document, timeline, summary);
    devices(&mut document, summary);
    contents(&mut document, timeline);
    correlation(&mut document, summary);
    top_kernels(&mut document, summary);
    sections::data_problems(&mut document, summary);
    document
}

fn devices(document: &mut Document, summary: &CaptureSummary) {
    if summary.devices.is_empty() {
        document.paragraph("No GPU work in this capture.");
        return;
    }
    document.heading("DEVICES");
    let mut table = ReportTable::new(&[
        "device<", "name<", "window", "busy", "idle", "kernels", "copies", "fills", "streams",
    ]);
    for device in &summary.devices {
        table.row([
            device.id.clone(),
            if device.name.is_empty() { "unnamed".to_owned() } else { device.name.clone() },
            device.window.to_string(),
            device.gpu_busy_union.to_string(),
            device.idle_fraction.map_or("-".to_owned(), sections::percent),
            device.kernel_count.to_string(),
            device.memcpy_count.to_string(),
            device.memset_count.to_string(),
            device.streams.len().to_string(),
        ]);
    }
    document.table(table);
}

fn contents(document: &mut Document, timeline: &Timeline) {
    document.heading("TABLES");
    let mut table = ReportTable::new(&["table<", "rows", "first", "last"]);
    let origin = timeline.tables().iter().filter_map(|t| t.time_bounds()).map(|b| b.0).min();
    let offset = |at: i64| {
        let origin = TimestampNs::from_ns(origin.unwrap_or(at));
        TimestampNs::from_ns(at).saturating_since(origin)
    };
    for rows in timeline.tables().into_iter().filter(|rows| !rows.is_empty()) {
        let Some((first, last)) = rows.time_bounds() else { continue };
        table.row([
            rows.kind().name().to_owned(),
            rows.len().to_string(),
            format!("+{}", offset(first)),
            format!("+{}", offset(last)),
        ]);
    }
    document.table(table);
}

fn correlation(document: &mut Document, summary: &CaptureSummary) {
    let correlation = &summary.correlation;
    if summary.kernel_count == 0 {
        return;
    }
    document.heading("LAUNCHES");
    let mut items = vec![format!(
        "{} of {} kernels have a launching call in the capture ({} calls; at most {} kernels by one)",
        correlation.correlated_kernels,
        summary.kernel_count,
        correlation.distinct_launches,
        correlation.max_kernels_per_launch,
    )];
    if let Some(stats) = &correlation.launch_to_start {
        let show = |ns: i64| match u64::try_from(ns) {
            Ok(ns) => DurationNs::from_ns(ns).to_string(),
            Err(_) => format!("-{}", DurationNs::from_ns(ns.unsigned_abs())),
        };
        items.push(format!(
            "from call to kernel start: p50 {}, p99 {}, longest {}",
            show(stats.p50_ns),
            show(stats.p99_ns),
            show(stats.max_ns),
        ));
    }
    let before = correlation.unlaunched_kernels.before_capture;
    if before > 0 {
        items.push(format!("{before} kernels were launched before the capture began"));
    }
    document.list(items);
}

fn top_kernels(document: &mut Document, summary: &CaptureSummary) {
    if summary.top_kernels.is_empty() {
        return;
    }
    document.heading("KERNELS WITH MOST TIME");
    let mut table = ReportTable::new(&["share", "total", "count", "kernel<"]);
    for row in &summary.top_kernels {
        let share = row.total.as_ns() as f64 / summary.kernel_time.as_ns().max(1) as f64;
        table.row([
            sections::percent(share),
            row.total.to_string(),
            row.count.to_string(),
            short_name(&row.name),
        ]);
    }
    document.table(table);
}
