//! CSV of `nvidia-smi --query-gpu` and `--query-compute-apps`.

use underspan_model::{ProblemKind, ProcessId, Timeline};

use super::columns::{Column, columns, is_fact, is_header};
use super::samples::{Samples, Subject};
use super::value::{Value, value};
use crate::civil_time::{date_ns, number, time_of_day_ns};
use crate::input::InputFile;
use crate::lines::{Lines, head_lines};
use crate::{ImportError, ImportOptions, Probe, ProbeInput, Progress};

pub(super) const FORMAT: &str = "nvidia_smi_csv";

/// Fields that say which device or process a line is about.
const IDENTITY: [&str; 8] =
    ["timestamp", "index", "uuid", "gpu_uuid", "name", "gpu_name", "pid", "process_name"];

pub(super) fn probe(head: &ProbeInput<'_>) -> Probe {
    let mut lines = head_lines(head.head, head.is_whole);
    let Some(first) = lines.next().filter(|line| is_header(line)) else { return Probe::No };
    let n_fields = first.split(',').count();
    match lines.next() {
        Some(second) if second.split(',').count() != n_fields => Probe::No,
        _ => Probe::Yes,
    }
}

pub(super) fn read(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Timeline, ImportError> {
    let mut lines = Lines::open(input, options, progress)?;
    let mut samples = Samples::new(input, FORMAT);
    let mut header: Vec<Column> = Vec::new();
    while let Some(line) = lines.next_line()? {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if is_header(text) {
            header = columns(text);
            continue;
        }
        let fields: Vec<&str> = text.split(',').collect();
        // A process name may hold a comma; it cannot be told from a field.
        if fields.len() != header.len() {
            let kind = if line.is_ended {
                ProblemKind::MalformedEvent
            } else {
                ProblemKind::TruncatedInput
            };
            let (offset, expected) = (line.offset, header.len());
            samples.problem(kind, || {
                format!("line at byte {offset}: expected {expected} fields, found {}", fields.len())
            });
            continue;
        }
        read_line(&header, &fields, line.offset, &mut samples);
    }
    if lines.is_cut_off() {
        samples
            .problem(ProblemKind::TruncatedInput, || "the compressed data is cut off".to_owned());
    }
    if !samples.timeline.counters.is_empty() {
        samples.fact("time_zone", "local time, taken as UTC");
    }
    samples.finish(input)
}

fn read_line(header: &[Column], fields: &[&str], offset: u64, samples: &mut Samples) {
    let field = |names: &[&str]| {
        let at = header.iter().position(|column| names.contains(&column.name.as_str()))?;
        fields.get(at).map(|field| field.trim()).filter(|field| value(field) != Value::Absent)
    };
    let index = field(&["index"]).and_then(|text| text.parse().ok());
    let device = samples.device(index, field(&["uuid", "gpu_uuid"]));
    if let Some(name) = field(&["name", "gpu_name"]).filter(|_| !device.is_none()) {
        let name = samples.timeline.strings.intern(name);
        samples.timeline.dimensions.devices.name[device.index()] = name.raw();
    }
    let process = match field(&["pid"]).and_then(|pid| pid.parse().ok()) {
        Some(pid) => samples.process(pid, field(&["process_name"])),
        None => ProcessId::NONE,
    };
    let subject = Subject { device, process };
    let stamp = field(&["timestamp"]);
    let time_ns = stamp.and_then(timestamp_ns);
    for (at, (column, text)) in header.iter().zip(fields).enumerate() {
        let name = column.name.as_str();
        if IDENTITY.contains(&name) {
            continue;
        }
        let found = value(text);
        if is_fact(name) {
            note_fact(name, text.trim(), found, subject, samples);
        }
        match (found, time_ns) {
            (Value::Number(number, unit), Some(time_ns)) => {
                let unit = if column.unit.is_empty() { unit } else { column.unit.as_str() };
                samples.sample(at, name, unit, subject, time_ns, number);
            }
            (Value::Number(..), None) if !is_fact(name) => {
                let found = stamp.unwrap_or("none").to_owned();
                samples.problem(ProblemKind::MissingTimestamp, || {
                    format!("line at byte {offset}: expected a timestamp, found {found:?}")
                });
            }
            (Value::Failed, _) => {
                samples.problem(ProblemKind::UnusableField, || {
                    format!("{name} at byte {offset}: {}", text.trim())
                });
            }
            (Value::Text(_), _) if !is_fact(name) => {
                samples.problem(ProblemKind::WithheldAttribute, || name.to_owned());
            }
            _ => {}
        }
    }
}

/// Facts about a device, in its own columns where there are such.
fn note_fact(name: &str, text: &str, found: Value<'_>, subject: Subject, samples: &mut Samples) {
    if matches!(found, Value::Absent | Value::Failed) || subject.device.is_none() {
        return;
    }
    let device = subject.device.index();
    let devices = &mut samples.timeline.dimensions.devices;
    if let Value::Number(number, unit) = found {
        match name {
            "compute_cap" => devices.compute_capability[device] = (number * 10.0).round() as u32,
            "memory.total" if unit.is_empty() || unit == "MiB" => {
                devices.memory_bytes[device] = (number * f64::from(1 << 20)) as u64;
            }
            _ => {}
        }
    }
    let ordinal = devices.ordinal[device];
    samples.fact(&format!("device.{ordinal}.{name}"), text);
}

/// `2026/12/18 07:55:46.880`.
fn timestamp_ns(text: &str) -> Option<i64> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let mut parts = date.splitn(3, ['/', '-']);
    let year = number(parts.next()?, 9999)?;
    let month = number(parts.next()?, 12)?;
    let day = number(parts.next()?, 31)?;
    Some(date_ns(year, month, day)? + time_of_day_ns(time)?)
}
