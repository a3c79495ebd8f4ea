//! What a trace says about itself beside its events: versions, devices, base time, rank.
//!
//! Only what is listed here is kept. Everything else at the top of a trace (environment dumps,
//! host, user and job names, paths, log lines) is passed over: it says who ran the job, not what
//! the job did.

use std::collections::BTreeMap;

use underspan_model::ProblemKind;

use super::cursor::{Cursor, Step, Value};
use super::number::Whole;
use super::part::Tallies;
use super::text::decode;

/// Facts kept as properties of the source, as they stand.
const PROPERTIES: &[&str] = &[
    "schemaVersion",
    "displayTimeUnit",
    "trace_id",
    "record_shapes",
    "profile_memory",
    "with_stack",
    "with_flops",
    "with_modules",
    "cuda_runtime_version",
    "cuda_driver_version",
    "cupti_version",
    "hip_runtime_version",
    "hip_driver_version",
    "roctracer_version",
    "rocprofiler_version",
    "nccl_version",
];

/// Facts about the distributed job kept as properties.
const DISTRIBUTED_PROPERTIES: &[&str] = &["backend", "world_size", "nccl_version", "pg_count"];

/// Longest text that is kept of a fact.
const VALUE_LIMIT: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What event times count from, since the Unix epoch.
    pub(super) base_time_ns: Option<i64>,
    /// Devices by their number.
    pub(super) devices: BTreeMap<u32, DeviceFacts>,
    /// Rank of the traced process in its job.
    pub(super) rank: Option<u32>,
    pub(super) properties: Vec<(String, String)>,
    /// Keys that a PyTorch execution trace has and a Kineto trace has not.
    pub(super) has_schema: bool,
    pub(super) has_nodes: bool,
    pub(super) has_events: bool,
    pub(super) tallies: Tallies,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeviceFacts {
    pub(super) name: Option<String>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) compute_capability: Option<u32>,
    pub(super) sm_count: Option<u32>,
}

impl Facts {
    /// Whether a fact of this name is kept.
    pub(super) fn is_kept(key: &str) -> bool {
        PROPERTIES.contains(&key)
            || matches!(key, "baseTimeNanoseconds" | "deviceProperties" | "distributedInfo")
    }

    /// Notes that a key stands at the top, kept or not.
    pub(super) fn see_key(&mut self, key: &str) {
        self.has_schema |= key == "schema";
        self.has_nodes |= key == "nodes";
    }

    /// Keeps a fact. `json` is its value, `offset` where it stands in the content.
    pub(super) fn keep(&mut self, key: &str, json: &[u8], offset: u64) {
        // The value is followed by a delimiter here as it is in the file.
        let mut text = json.to_vec();
        text.push(b',');
        let mut cursor = Cursor::new(&text, 0);
        let outcome = match key {
            "baseTimeNanoseconds" => self.base_time(&mut cursor),
            "deviceProperties" => self.devices(&mut cursor),
            "distributedInfo" => self.distributed(&mut cursor),
            _ => scalar_text(&mut cursor).map(|value| self.set_property(key, value)),
        };
        if !matches!(outcome, Ok(Some(()))) {
            self.tallies.add(ProblemKind::UnusableField, 1, || format!("at byte {offset}: {key}"));
        }
    }

    fn set_property(&mut self, key: &str, value: Option<String>) -> Option<()> {
        let value = value?;
        match self.properties.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value,
            None => self.properties.push((key.to_owned(), value)),
        }
        Some(())
    }

    fn base_time(&mut self, cursor: &mut Cursor<'_>) -> Step<Option<()>> {
        self.base_time_ns = match Whole::of(cursor.value()?) {
            // Beyond the year 2116 it is no epoch, and sums could leave 64 bits.
            Whole::Natural(ns) => i64::try_from(ns).ok().filter(|ns| *ns < i64::MAX / 2),
            _ => None,
        };
        let Some(base) = self.base_time_ns else { return Ok(None) };
        Ok(self.set_property("baseTimeNanoseconds", Some(base.to_string())))
    }

    fn devices(&mut self, cursor: &mut Cursor<'_>) -> Step<Option<()>> {
        if cursor.peek()? != b'[' {
            return Ok(None);
        }
        cursor.at += 1;
        self.devices.clear();
        let mut is_first = true;
        let mut is_sound = true;
        let mut position = 0;
        while cursor.item(&mut is_first)? {
            if cursor.peek()? != b'{' {
                cursor.skip_value()?;
                is_sound = false;
                continue;
            }
            match device(cursor, position)? {
                Some((ordinal, device)) => {
                    self.devices.insert(ordinal, device);
                }
                None => is_sound = false,
            }
            position += 1;
        }
        Ok(is_sound.then_some(()))
    }

    fn distributed(&mut self, cursor: &mut Cursor<'_>) -> Step<Option<()>> {
        if cursor.peek()? != b'{' {
            return Ok(None);
        }
        cursor.at += 1;
        let mut is_first = true;
        let mut is_sound = true;
        while let Some(key) = cursor.key(&mut is_first)? {
            let (key, _) = decode(key);
            let is_rank = key == "rank";
            if is_rank || DISTRIBUTED_PROPERTIES.contains(&&*key) {
                let value = scalar_text(cursor)?;
                if is_rank {
                    self.rank = value.as_deref().and_then(|rank| rank.parse().ok());
                    is_sound &= self.rank.is_some();
                }
                is_sound &= self.set_property(&format!("distributed.{key}"), value).is_some();
            } else {
                cursor.skip_value()?;
            }
        }
        Ok(is_sound.then_some(()))
    }
}

/// A scalar's text, none for anything else.
fn scalar_text(cursor: &mut Cursor<'_>) -> Step<Option<String>> {
    let text = match cursor.value()? {
        Value::Text(text) => decode(text).0.into_owned(),
        Value::Token(token) => String::from_utf8_lossy(token).into_owned(),
        Value::Nested(_) => {
            cursor.skip_nested()?;
            return Ok(None);
        }
    };
    Ok(Some(text.chars().take(VALUE_LIMIT).collect()))
}

/// A device's number and description; its number is its `position` in the list unless it says.
fn device(cursor: &mut Cursor<'_>, position: u32) -> Step<Option<(u32, DeviceFacts)>> {
    cursor.at += 1;
    let mut device = DeviceFacts::default();
    let mut ordinal = position;
    let (mut major, mut minor) = (None, None);
    let mut is_usable = true;
    let mut is_first = true;
    while let Some(key) = cursor.key(&mut is_first)? {
        if key.bytes == b"name" {
            device.name = scalar_text(cursor)?.filter(|name| !name.trim().is_empty());
            continue;
        }
        if !matches!(
            key.bytes,
            b"id" | b"totalGlobalMem" | b"computeMajor" | b"computeMinor" | b"numSms"
        ) {
            cursor.skip_value()?;
            continue;
        }
        let value = cursor.value()?;
        if matches!(value, Value::Nested(_)) {
            cursor.skip_nested()?;
        }
        let number = match Whole::of(value) {
            Whole::Natural(number) => Some(number),
            _ => None,
        };
        let small = number.and_then(|number| u32::try_from(number).ok());
        match key.bytes {
            b"id" => match small {
                Some(number) => ordinal = number,
                None => is_usable = false,
            },
            b"totalGlobalMem" => device.memory_bytes = number,
            b"computeMajor" => major = small,
            b"computeMinor" => minor = small,
            _ => device.sm_count = small,
        }
    }
    device.compute_capability =
        major.zip(minor).map(|(major, minor)| major.saturating_mul(10).saturating_add(minor));
    Ok(is_usable.then_some((ordinal, device)))
}
