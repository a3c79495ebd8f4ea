//! The tables of `nvidia-smi pmon` and `dmon`.

use underspan_model::{ClockDomain, ProblemKind, ProcessId, Timeline};

use super::samples::{Samples, Subject};
use super::value::{Value, value};
use crate::civil_time::{DAY_NS, date_ns, number, time_of_day_ns};
use crate::input::InputFile;
use crate::lines::{Lines, head_lines};
use crate::{ImportError, ImportOptions, Probe, ProbeInput, Progress};

pub(super) const FORMAT: &str = "nvidia_smi_table";

/// Columns that are not values.
const IDENTITY: [&str; 6] = ["Date", "Time", "gpu", "pid", "type", "command"];

/// The columns a header names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Header {
    names: Vec<String>,
    units: Vec<String>,
    /// `pmon` or `dmon`, which names the tracks.
    table: &'static str,
}

/// The names in a line that begins with `#`; `None` when it is a line of units, or none.
fn names(line: &str) -> Option<Vec<String>> {
    let names: Vec<String> =
        line.trim().strip_prefix('#')?.split_whitespace().map(str::to_owned).collect();
    names.iter().any(|name| name == "gpu").then_some(names)
}

pub(super) fn probe(head: &ProbeInput<'_>) -> Probe {
    let mut lines = head_lines(head.head, head.is_whole);
    let Some(names) = lines.next().and_then(names) else { return Probe::No };
    let has = |name: &str| names.iter().any(|found| found == name);
    let is_process_table = has("pid") && has("command");
    let is_device_table = has("pwr") || has("sm") || has("gtemp") || has("mclk");
    if is_process_table || is_device_table { Probe::Yes } else { Probe::No }
}

pub(super) fn read(
    input: &InputFile,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Timeline, ImportError> {
    let mut lines = Lines::open(input, options, progress)?;
    let mut samples = Samples::new(input, FORMAT);
    let mut header = Header::default();
    let mut clock = TableClock::default();
    while let Some(line) = lines.next_line()? {
        let text = line.text.trim();
        if text.is_empty() {
            continue;
        }
        if text.starts_with('#') {
            match names(text) {
                // Repeated now and then: its units stay.
                Some(names) if names == header.names => {}
                Some(names) => header = Header::of(names),
                None => header.set_units(text),
            }
            continue;
        }
        let fields = header.fields(text);
        if fields.len() != header.names.len() || header.names.is_empty() {
            let kind = if line.is_ended {
                ProblemKind::MalformedEvent
            } else {
                ProblemKind::TruncatedInput
            };
            let (offset, expected) = (line.offset, header.names.len());
            samples.problem(kind, || {
                format!(
                    "line at byte {offset}: expected {expected} columns, found {}",
                    fields.len()
                )
            });
            continue;
        }
        read_line(&header, &fields, line.offset, &mut clock, &mut samples);
    }
    if lines.is_cut_off() {
        samples
            .problem(ProblemKind::TruncatedInput, || "the compressed data is cut off".to_owned());
    }
    if clock.has_date {
        samples.fact("time_zone", "local time, taken as UTC");
    } else {
        samples.timeline.info.clock = ClockDomain::SourceRelative;
    }
    samples.finish(input)
}

impl Header {
    fn of(names: Vec<String>) -> Self {
        let is_process_table = names.iter().any(|name| name == "pid");
        let table = if is_process_table { "pmon" } else { "dmon" };
        Self { units: vec![String::new(); names.len()], names, table }
    }

    fn set_units(&mut self, line: &str) {
        let units = line.trim_start_matches('#').split_whitespace();
        for (unit, text) in self.units.iter_mut().zip(units) {
            text.clone_into(unit);
        }
    }

    /// The fields of a line. The name of a command, which stands last, may hold spaces.
    fn fields<'a>(&self, line: &'a str) -> Vec<&'a str> {
        let has_command = self.names.last().is_some_and(|name| name == "command");
        if !has_command {
            return line.split_whitespace().collect();
        }
        let mut fields = Vec::with_capacity(self.names.len());
        let mut rest = line.trim();
        while fields.len() + 1 < self.names.len() && !rest.is_empty() {
            let (field, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            fields.push(field);
            rest = tail.trim_start();
        }
        if !rest.is_empty() {
            fields.push(rest);
        }
        fields
    }
}

/// When lines were printed.
#[derive(Debug, Default)]
struct TableClock {
    has_date: bool,
    /// Midnights passed and the last time of day, for tables without dates.
    midnights: i64,
    last_ns: i64,
}

impl TableClock {
    fn time_ns(&mut self, date: Option<&str>, time: Option<&str>) -> Option<i64> {
        let time = time_of_day_ns(time?)?;
        if let Some(date) = date {
            let part = |from: usize, to: usize| date.get(from..to).filter(|_| date.len() == 8);
            let year = number(part(0, 4)?, 9999)?;
            let (month, day) = (number(part(4, 6)?, 12)?, number(part(6, 8)?, 31)?);
            self.has_date = true;
            return Some(date_ns(year, month, day)? + time);
        }
        if time < self.last_ns - DAY_NS / 2 {
            self.midnights += 1;
        }
        self.last_ns = time;
        Some(self.midnights * DAY_NS + time)
    }
}

fn read_line(
    header: &Header,
    fields: &[&str],
    offset: u64,
    clock: &mut TableClock,
    samples: &mut Samples,
) {
    let field = |name: &str| {
        let at = header.names.iter().position(|found| found == name)?;
        fields.get(at).copied().filter(|field| *field != "-")
    };
    let device = samples.device(field("gpu").and_then(|gpu| gpu.parse().ok()), None);
    let is_process_table = header.table == "pmon";
    let process = match field("pid").and_then(|pid| pid.parse().ok()) {
        Some(pid) => samples.process(pid, field("command")),
        // No process ran on this device.
        None if is_process_table => return,
        None => ProcessId::NONE,
    };
    let subject = Subject { device, process };
    let time_ns = clock.time_ns(field("Date"), field("Time"));
    for (at, (name, text)) in header.names.iter().zip(fields).enumerate() {
        if IDENTITY.contains(&name.as_str()) {
            continue;
        }
        match (value(text), time_ns) {
            (Value::Number(number, _), Some(time_ns)) => {
                let track = format!("{}.{name}", header.table);
                samples.sample(at, &track, &header.units[at], subject, time_ns, number);
            }
            (Value::Number(..), None) => {
                samples.problem(ProblemKind::MissingTimestamp, || {
                    format!("line at byte {offset}: the table was printed without times (-o DT)")
                });
            }
            (Value::Failed | Value::Text(_), _) => {
                samples.problem(ProblemKind::UnusableField, || {
                    format!("{name} at byte {offset}: {text:?}")
                });
            }
            (Value::Absent, _) => {}
        }
    }
}
