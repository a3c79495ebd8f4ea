//! The first sentences of a report: how busy each device was, with what, and why not more.

use std::fmt::Write as _;

use underspan_classifier::short_name;
use underspan_engine::{Analysis, DeviceOccupancy, IdleClass, WorkClass};
use underspan_model::{DurationNs, Interval, ProblemKind, Timeline, TimestampNs};

use super::long_calls::{LongCalls, other_calls};
use super::{counted, idle, percent};
use crate::document::Document;
use crate::stats::gap_meaning;

/// Least share of the idle time without requests for them to be named as its reason.
const UNASKED_MIN: f64 = 0.5;

/// Least share of the time that is idle for advice about it.
const ADVICE_MIN: f64 = 0.10;

/// What a capture without requests lacks.
const NO_REQUESTS: &str = "No requests are in this capture, so there is no verdict on any: give \
                           their spans (OTLP, Jaeger, Zipkin or Triton files) beside it.";

/// Adds a handful of plain statements, the most important first.
pub(crate) fn overview(document: &mut Document, timeline: &Timeline, analysis: &Analysis) {
    document.heading("WHAT HAPPENED");
    if analysis.occupancy.devices.is_empty() {
        document.paragraph(no_work(timeline));
        return;
    }
    let mut devices: Vec<&DeviceOccupancy> = analysis.occupancy.devices.iter().collect();
    devices.sort_by_key(|of| timeline.dimensions.devices.ordinal.get(of.device.index()));
    let mut items: Vec<String> = devices.iter().map(|device| busy(timeline, device)).collect();
    items.extend(idle_reason(timeline, analysis));
    items.extend(top_kernel(timeline, analysis));
    items.extend(exposed(analysis));
    items.extend(before_capture(analysis));
    if timeline.spans.is_empty() && timeline.request_identities.is_empty() {
        items.push(NO_REQUESTS.to_owned());
    }
    document.list(items);
}

/// What a capture without device work holds instead, as far as that was not imported: the work of
/// other accelerators than GPUs has categories of its own.
fn no_work(timeline: &Timeline) -> String {
    let mut text = "No GPU work in this capture: no kernel, copy or fill is in it.".to_owned();
    let unknown =
        timeline.problems.iter().filter(|problem| problem.kind == ProblemKind::UnknownCategory);
    for problem in unknown {
        let example = &problem.example;
        let _ = write!(
            text,
            " {} of categories that underspan does not import are in {} ({example}): if a device \
             did work, it is among these.",
            counted(problem.count, "event"),
            problem.source,
        );
    }
    text
}

fn busy(timeline: &Timeline, device: &DeviceOccupancy) -> String {
    let label = timeline.dimensions.device_label(device.device);
    let window = device.window.duration();
    let share = device.busy.as_ns() as f64 / window.as_ns().max(1) as f64;
    let transfers = match device.n_memcpys + device.n_memsets {
        0 => String::new(),
        1 => " and 1 copy or fill".to_owned(),
        n => format!(" and {n} copies and fills"),
    };
    format!(
        "Device {label} worked {} of {window} ({}), in {}{transfers}.",
        device.busy,
        percent(share),
        counted(device.n_kernels, "kernel"),
    )
}

fn idle_reason(timeline: &Timeline, analysis: &Analysis) -> Option<String> {
    let idle_time: DurationNs = analysis.idle.iter().map(|device| device.idle).sum();
    let window: DurationNs =
        analysis.occupancy.devices.iter().map(|device| device.window.duration()).sum();
    let share = idle_time.as_ns() as f64 / window.as_ns().max(1) as f64;
    if share < 0.02 {
        return Some("There is next to no idle time between the work.".to_owned());
    }
    let unasked = unasked_time(timeline, analysis);
    let of_idle = unasked.as_ns() as f64 / idle_time.as_ns().max(1) as f64;
    if of_idle >= UNASKED_MIN {
        return Some(format!(
            "{} of the {idle_time} idle: no request was there to be served.",
            percent(of_idle.min(1.0))
        ));
    }
    let (class, of_idle) = idle::main_class(analysis)?;
    let launches;
    let advice = match class {
        _ if share < ADVICE_MIN => "",
        IdleClass::Launch => {
            launches = launch_advice(timeline, analysis);
            &launches
        }
        IdleClass::HostWork => " The host is the limit: look at what runs between the launches.",
        IdleClass::HostWait => " The host waits for results before it launches more.",
        IdleClass::Cut => " This says nothing about the server: record a longer window.",
        _ => "",
    };
    Some(format!("{} of the {idle_time} idle: {}.{advice}", percent(of_idle), gap_meaning(class)))
}

/// What to do about idle time in which calls were under way: few long calls, others than launches,
/// or indeed launches.
fn launch_advice(timeline: &Timeline, analysis: &Analysis) -> String {
    let long_calls = LongCalls::of(timeline, analysis).map(|calls| calls.advice());
    long_calls.or_else(|| other_calls(timeline, analysis)).unwrap_or_else(|| {
        " Launches are the limit: CUDA graphs or larger batches remove them.".to_owned()
    })
}

/// Time of the devices' windows that no span covers, all devices together; nothing in a capture
/// without spans.
fn unasked_time(timeline: &Timeline, analysis: &Analysis) -> DurationNs {
    if timeline.spans.is_empty() {
        return DurationNs::ZERO;
    }
    let mut spans: Vec<Interval> = timeline
        .spans
        .start_ns
        .iter()
        .zip(&timeline.spans.duration_ns)
        .map(|(start, length)| {
            let start = TimestampNs::from_ns(*start);
            Interval::from_start_and_duration(start, DurationNs::from_ns(*length))
        })
        .collect();
    spans.sort_unstable();
    let of_device = |device: &DeviceOccupancy| {
        let window = device.window;
        let (mut reached, mut covered) = (window.start(), 0);
        for span in &spans {
            let (from, to) = (span.start().max(reached), span.end().min(window.end()));
            covered += to.saturating_since(from).as_ns();
            reached = reached.max(to);
        }
        DurationNs::from_ns(window.duration().as_ns().saturating_sub(covered))
    };
    analysis.occupancy.devices.iter().map(of_device).sum()
}

fn top_kernel(timeline: &Timeline, analysis: &Analysis) -> Option<String> {
    let top = analysis.kernels.by_name.first()?;
    let total: DurationNs = analysis.kernels.by_name.iter().map(|row| row.stats.total).sum();
    let share = top.stats.total.as_ns() as f64 / total.as_ns().max(1) as f64;
    Some(format!(
        "{} of kernel time is {} ({} times, p50 {}).",
        percent(share),
        shortened(timeline.strings.resolve_or_empty(top.name)),
        top.stats.count,
        top.stats.p50,
    ))
}

/// A name that fits into a sentence.
fn shortened(name: &str) -> String {
    let name = short_name(name);
    match name.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name,
    }
}

fn exposed(analysis: &Analysis) -> Vec<String> {
    let sum = |of: fn(&DeviceOccupancy) -> DurationNs| -> DurationNs {
        analysis.occupancy.devices.iter().map(of).sum()
    };
    let busy = sum(|device| device.busy).as_ns().max(1) as f64;
    let mut items = Vec::new();
    let copies = sum(DeviceOccupancy::exposed_copy);
    if copies.as_ns() as f64 / busy > 0.02 {
        let share = percent(copies.as_ns() as f64 / busy);
        items.push(format!(
            "Copies and fills ran alone, hidden by no kernel, for {copies} ({share} of busy time)."
        ));
    }
    let collective = sum(|device| device.busy_of(WorkClass::Collective));
    if collective.as_ns() as f64 / busy > 0.02 {
        let alone = sum(DeviceOccupancy::exposed_collective);
        items.push(format!(
            "Communication between devices took {collective}, {alone} of it hidden by no computation."
        ));
    }
    items
}

fn before_capture(analysis: &Analysis) -> Option<String> {
    let n = analysis.summary.correlation.unlaunched_kernels.before_capture;
    (n > 0).then(|| {
        let kernels = if n == 1 { "1 kernel was" } else { &format!("{n} kernels were") };
        format!("{kernels} launched before the capture began: its start is cut from a longer run.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use underspan_engine::AnalysisOptions;
    use underspan_engine::trace_builder::TraceBuilder;

    /// Launches of 20 µs, each after another call of `other_us`.
    fn advice(other_us: i64) -> String {
        let (mut trace, us) = (TraceBuilder::new(), 1_000);
        for at in 0..40 {
            let start = at * 100 * us;
            trace.api_call("cudaMalloc", start..start + other_us * us, 900 + at as u32);
            let call = start + 60 * us..start + 80 * us;
            trace.launch("a", call, start + 81 * us..start + 85 * us);
        }
        let t = trace.build();
        launch_advice(&t, &Analysis::of(&t, &AnalysisOptions::default()))
    }

    #[test]
    fn launches_are_the_limit_only_where_they_take_the_time_in_calls() {
        assert_eq!(
            advice(5),
            " Launches are the limit: CUDA graphs or larger batches remove them."
        );
        assert_eq!(
            advice(55),
            " In the longest gaps launches took 400 µs and other calls 1.10 ms: 1.10 ms in cudaMalloc."
        );
    }

    #[test]
    fn a_capture_without_gpu_work_says_what_it_holds_instead() {
        let mut timeline = Timeline::new();
        assert_eq!(
            no_work(&timeline),
            "No GPU work in this capture: no kernel, copy or fill is in it."
        );
        let problems = &mut timeline.problems;
        problems.record(ProblemKind::OutOfOrder, "a.json", 3, || "kernel rows".to_owned());
        problems.record(ProblemKind::UnknownCategory, "a.json", 53, || {
            "53 × X \"mtia_runtime\"".to_owned()
        });
        assert_eq!(
            no_work(&timeline),
            "No GPU work in this capture: no kernel, copy or fill is in it. 53 events of \
             categories that underspan does not import are in a.json (53 × X \"mtia_runtime\"): \
             if a device did work, it is among these."
        );
    }
}
