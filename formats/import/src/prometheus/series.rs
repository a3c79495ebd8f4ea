//! Samples as counter tracks.

use std::collections::HashMap;

use underspan_model::tables::{Counter, CounterTrack, Property};
use underspan_model::{ClockDomain, DeviceId, ProblemKind, ProcessId, SourceId, Timeline};

use super::FORMAT;
use super::families::Families;
use super::labels::{Labels, base_name, plain_value};
use super::line::{Sample, Statement};
use super::stamp::{time_in_name, timestamp_ns};
use crate::ImportError;
use crate::importer::timeline_of;
use crate::input::InputFile;

/// Most series.
const TRACK_LIMIT: usize = 1_000_000;
/// Most facts out of labels.
const FACT_LIMIT: usize = 4_096;
/// Malformed lines in a row, before any good one, that make the file another format.
const PATIENCE: u64 = 100;

/// Samples on their way to rows.
pub(super) struct Series {
    timeline: Timeline,
    source: SourceId,
    source_name: String,
    families: Families,
    labels: Labels,
    tracks: HashMap<String, u32>,
    devices: HashMap<String, DeviceId>,
    /// Samples without a time: rows of the counter table.
    untimed: Vec<usize>,
    first_fault: Option<(u64, &'static str, String)>,
    n_faults: u64,
}

impl Series {
    pub(super) fn new(input: &InputFile) -> Self {
        let (timeline, source) = timeline_of(input, FORMAT);
        Self {
            timeline,
            source,
            source_name: input.name().into_owned(),
            families: Families::default(),
            labels: Labels::default(),
            tracks: HashMap::new(),
            devices: HashMap::new(),
            untimed: Vec::new(),
            first_fault: None,
            n_faults: 0,
        }
    }

    pub(super) fn take(&mut self, statement: Statement<'_>) {
        match statement {
            Statement::Help { family, text } => self.families.set_help(family, text),
            Statement::Type { family, kind } => self.families.set_kind(family, kind),
            Statement::Unit { family, unit } => self.families.set_unit(family, unit),
            Statement::Sample(sample) => self.sample(&sample),
            Statement::Comment | Statement::End => {}
        }
    }

    /// Counts a line that is none of the format's.
    pub(super) fn malformed(
        &mut self,
        offset: u64,
        expected: &'static str,
        line: &str,
        is_ended: bool,
    ) {
        let found: String = line.chars().take(40).collect();
        let kind = if is_ended { ProblemKind::MalformedEvent } else { ProblemKind::TruncatedInput };
        self.problem(kind, 1, || {
            format!("line at byte {offset}: expected {expected}, found {found:?}")
        });
        self.n_faults += 1;
        self.first_fault.get_or_insert((offset, expected, found));
    }

    fn problem(&mut self, kind: ProblemKind, count: u64, example: impl FnOnce() -> String) {
        self.timeline.problems.record(kind, &self.source_name, count, example);
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        if self.families.is_info(&sample.name) {
            return self.info(sample);
        }
        let value = sample.value.parse::<f64>().ok().filter(|value| value.is_finite());
        let Some(value) = value else {
            // A quantile of nothing is NaN.
            let name = sample.name.to_string();
            return self.problem(ProblemKind::UnusableField, 1, || name);
        };
        let Some(track) = self.track(sample) else {
            let name = sample.name.to_string();
            return self.problem(ProblemKind::NumberOutOfRange, 1, || name);
        };
        let time_ns = match sample.timestamp.map(timestamp_ns) {
            Some(Some(time_ns)) => time_ns,
            Some(None) => {
                let name = sample.name.to_string();
                return self.problem(ProblemKind::NumberOutOfRange, 1, || name);
            }
            None => {
                self.untimed.push(self.timeline.counters.len());
                0
            }
        };
        self.timeline.counters.push(Counter { time_ns, track, value });
    }

    fn track(&mut self, sample: &Sample<'_>) -> Option<u32> {
        let name = self.labels.track_name(&sample.name, &sample.labels)?;
        if let Some(track) = self.tracks.get(&name) {
            return Some(*track);
        }
        if self.tracks.len() == TRACK_LIMIT {
            return None;
        }
        let has_label = |wanted: &str| sample.labels.iter().any(|(key, _)| *key == wanted);
        let kind = self.families.kind(&sample.name, has_label);
        let unit = self.families.unit(&sample.name, kind);
        let unit = self.timeline.strings.intern(unit).raw();
        let device = self.device(sample).raw();
        let process = self.process(sample).raw();
        let track = self.timeline.dimensions.counter_track(CounterTrack {
            name: self.timeline.strings.intern(&name).raw(),
            unit,
            device,
            process,
            source: self.source.raw(),
            kind: kind.code(),
        });
        self.tracks.insert(name, track.raw());
        Some(track.raw())
    }

    /// The device a sample is about, by its unique id or number.
    fn device(&mut self, sample: &Sample<'_>) -> DeviceId {
        let label = |names: &[&str]| {
            let found = sample.labels.iter().find(|(key, _)| names.contains(key));
            found.map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty())
        };
        let uuid = label(&["UUID", "uuid", "gpu_uuid"]);
        let number = label(&["gpu", "index"]).filter(|_| is_about_devices(&sample.name));
        let number = number.and_then(|number| number.parse::<u32>().ok());
        let Some(identity) = uuid.map(str::to_owned).or(number.map(|n| n.to_string())) else {
            return DeviceId::NONE;
        };
        if let Some(device) = self.devices.get(&identity) {
            return *device;
        }
        let dimensions = &mut self.timeline.dimensions;
        let ordinal = number.unwrap_or(self.devices.len() as u32);
        let device = dimensions.device_id(self.source, ordinal);
        if let Some(uuid) = uuid {
            dimensions.devices.uuid[device.index()] = self.timeline.strings.intern(uuid).raw();
        }
        if let Some(name) = label(&["modelName"]) {
            dimensions.devices.name[device.index()] = self.timeline.strings.intern(name).raw();
        }
        self.devices.insert(identity, device);
        device
    }

    /// The process that a sample about a device's users is about.
    fn process(&mut self, sample: &Sample<'_>) -> ProcessId {
        let label = |name: &str| {
            sample.labels.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_ref())
        };
        let pid = label("pid").filter(|_| is_about_devices(&sample.name));
        let Some(pid) = pid.and_then(|pid| pid.parse().ok()) else { return ProcessId::NONE };
        let process = self.timeline.dimensions.process_id(self.source, pid);
        if let Some(name) = label("process_name").and_then(|name| plain_value("process_name", name))
        {
            let name = self.timeline.strings.intern(name).raw();
            self.timeline.dimensions.processes.name[process.index()] = name;
        }
        process
    }

    /// The labels of an info metric are facts about the source.
    fn info(&mut self, sample: &Sample<'_>) {
        for (label, value) in &sample.labels {
            let is_word = |text: &str| {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "_.:/+-".contains(c);
                !text.is_empty() && text.len() <= 64 && text.chars().all(is_part)
            };
            let is_place =
                ["host", "node", "pod", "user", "addr", "instance", "path", "namespace", "serial"]
                    .iter()
                    .any(|part| label.to_ascii_lowercase().contains(part));
            let value = plain_value(label, value)
                .or_else(|| is_word(value).then(|| base_name(value)).filter(|_| !is_place));
            let Some(value) =
                value.filter(|_| self.timeline.dimensions.properties.len() < FACT_LIMIT)
            else {
                let key = (*label).to_owned();
                self.problem(ProblemKind::WithheldAttribute, 1, || key);
                continue;
            };
            let key = format!("metric.{}.{label}", sample.name);
            let key = self.timeline.strings.intern(&key).raw();
            let value = self.timeline.strings.intern(value).raw();
            let fact = Property { source: self.source.raw(), key, value };
            let is_known = self.timeline.dimensions.properties.iter().any(|known| known == fact);
            if !is_known {
                self.timeline.dimensions.properties.push(fact);
            }
        }
    }

    pub(super) fn finish(
        mut self,
        input: &InputFile,
        is_cut_off: bool,
    ) -> Result<Timeline, ImportError> {
        let is_empty =
            self.timeline.counters.is_empty() && self.timeline.dimensions.properties.is_empty();
        if let Some((offset, expected, found)) = self.first_fault.take()
            && (is_empty || self.n_faults > PATIENCE + self.timeline.counters.len() as u64)
        {
            let (path, expected) = (input.path().to_owned(), expected.to_owned());
            return Err(ImportError::Malformed { path, offset, expected, found });
        }
        if is_cut_off {
            self.problem(ProblemKind::TruncatedInput, 1, || {
                "the compressed data is cut off".to_owned()
            });
        }
        let hidden = std::mem::take(&mut self.labels.hidden);
        self.problem(ProblemKind::WithheldAttribute, hidden.len() as u64, || {
            hidden.into_iter().collect::<Vec<_>>().join(", ")
        });
        self.settle_times(input);
        self.timeline.sort();
        Ok(self.timeline)
    }

    /// Gives samples without a time the one the file's name holds. Samples without any are left
    /// out where others have one: they cannot be put among them.
    fn settle_times(&mut self, input: &InputFile) {
        self.timeline.info.clock = ClockDomain::Realtime;
        if self.untimed.is_empty() {
            return;
        }
        let counters = &mut self.timeline.counters;
        if let Some(time_ns) = time_in_name(&input.name()) {
            for row in &self.untimed {
                counters.time_ns[*row] = time_ns;
            }
            let key = self.timeline.strings.intern("scrape.time").raw();
            let value = self.timeline.strings.intern("from the file's name").raw();
            let fact = Property { source: self.source.raw(), key, value };
            self.timeline.dimensions.properties.push(fact);
            return;
        }
        if self.untimed.len() == counters.len() {
            self.timeline.info.clock = ClockDomain::SourceRelative;
            let count = self.untimed.len() as u64;
            return self.problem(ProblemKind::MissingEvidence, count, || {
                "the scrape does not say when it was made".to_owned()
            });
        }
        let mut untimed = self.untimed.iter().copied().peekable();
        let rows = counters.iter().enumerate();
        let timed = rows.filter(|(row, _)| untimed.next_if_eq(row).is_none()).map(|(_, c)| c);
        *counters = timed.collect();
        let count = self.untimed.len() as u64;
        self.problem(ProblemKind::MissingTimestamp, count, || "samples".to_owned());
    }
}

/// Whether a metric is about devices, so that a label `gpu` or `index` is a device's number.
fn is_about_devices(name: &str) -> bool {
    ["DCGM_", "nvidia_smi_", "nv_gpu_", "nv_energy_"].iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_device_metrics_number_devices() {
        assert!(is_about_devices("DCGM_FI_DEV_GPU_TEMP"));
        assert!(!is_about_devices("vllm:num_requests_running"));
    }
}
